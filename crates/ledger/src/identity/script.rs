//! This file is where the tests of this folder are told as a script: who does what, and how it ends.

use super::{
    AppointGuardian, ApproveRecovery, CancelRecovery, Carry, Certify, Delegate, EndCarriage, EndDelegation,
    EndSession, Enrol, FinishRecovery, Helper, PrincipalKind, Recover, Rotate, SetRecovery,
};
use crate::{
    Act,
    testing::{World, key, org, principal_id, said},
};
use primitives::{Millis, OrgId, PrincipalId, PublicKey, SecretKey, Span, domain, encode};

/// A member's first letters stand for its name; every other label is a key.
fn secret(label: &str) -> SecretKey {
    let member = ["riverside-hospital", "lakeside-clinic"].into_iter().find(|name| name.starts_with(label));
    key(member.unwrap_or(label))
}

fn member(label: &str) -> OrgId {
    org(if label == "lakeside" { "lakeside-clinic" } else { "riverside-hospital" })
}

fn public(label: &str) -> PublicKey {
    if label == "zero" { PublicKey([0; 32]) } else { secret(label).public() }
}

fn principal(label: &str) -> PrincipalId {
    public(label).principal()
}

fn helper(label: &str) -> Helper {
    match label {
        "riverside" => Helper::Organisation(org("riverside-hospital")),
        "lakeside" => Helper::Organisation(org("lakeside-clinic")),
        "nowhere" => Helper::Organisation(org("nowhere")),
        person => Helper::Person(principal(person)),
    }
}

fn act(who: &str, words: &[&str], world: &World) -> Act {
    let now = world.now;
    let days = |days: &str| Span::days(days.parse().unwrap());
    let until = |text: &str| if text == "past" { Millis(now.0 - 1) } else { now.plus(days(text)) };
    match words {
        ["enrol", kind, label] => {
            let kind = match *kind {
                "person" => PrincipalKind::Person,
                "ward" => PrincipalKind::Ward,
                "device" => PrincipalKind::Device,
                other => panic!("no kind of principal is `{other}`"),
            };
            Enrol { kind, key: public(label) }.into()
        }
        ["carry", label, "by", signer] => {
            Carry::ask(world.network, principal(label), &member(who), &secret(signer)).into()
        }
        ["end-carriage", label, carrier] => {
            EndCarriage { principal: principal(label), org: member(carrier) }.into()
        }
        ["certify", label, hours] => {
            let until = match *hours {
                "past" => Millis(now.0 - 1),
                hours => now.plus(Span::hours(hours.parse().unwrap())),
            };
            let (practitioner, role) = (principal_id("adams"), "physician".parse().unwrap());
            Certify { practitioner, role, session: public(label), until }.into()
        }
        ["end-session", label] => EndSession { session: public(label) }.into(),
        ["rotate", old, "zero"] => {
            let (old, new) = (public(old), public("zero"));
            let proof = key("owner").sign(domain::KEY_ROTATION, &encode(&(old, new)));
            Rotate { old, new, proof }.into()
        }
        ["rotate", old, new] => Rotate::to(public(old), &secret(new)).into(),
        ["rotate", old, new, "by", other] => {
            Rotate { new: public(new), ..Rotate::to(public(old), &secret(other)) }.into()
        }
        ["delegate", delegate, days] => Delegate { delegate: principal(delegate), until: until(days) }.into(),
        ["end-delegation", delegate] => EndDelegation { delegate: principal(delegate) }.into(),
        ["appoint-guardian", ward, guardian, days] => {
            let (ward, guardian) = (principal(ward), principal(guardian));
            AppointGuardian { ward, guardian, until: until(days) }.into()
        }
        ["set-recovery", threshold, helpers, wait] => {
            let helpers: Vec<_> = helpers.split(',').filter(|label| *label != "-").map(helper).collect();
            let (helpers, threshold) = (helpers.try_into().unwrap(), threshold.parse().unwrap());
            SetRecovery { helpers, threshold, wait: days(wait) }.into()
        }
        ["recover", person, fresh] => Recover { person: principal(person), key: public(fresh) }.into(),
        ["approve-recovery", person, fresh] => {
            ApproveRecovery { person: principal(person), key: public(fresh) }.into()
        }
        ["cancel-recovery"] => CancelRecovery {}.into(),
        ["finish-recovery", person] => FinishRecovery { person: principal(person) }.into(),
        other => panic!("nothing is done by `{}`", other.join(" ")),
    }
}

/// Plays a script in a fresh network in which riverside enrolled `owner`, `friend`, `ward` and `device`. A line says who
/// signs and what, and after `|` how it ends; or that days pass.
pub(super) fn check(script: &str) -> World {
    let mut world = World::new();
    for (label, kind) in [
        ("owner", PrincipalKind::Person),
        ("friend", PrincipalKind::Person),
        ("ward", PrincipalKind::Ward),
        ("device", PrincipalKind::Device),
    ] {
        world.principal("riverside-hospital", label, kind);
    }
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(days) = line.strip_prefix("days ") {
            world.wait(Span::days(days.parse().unwrap()));
            continue;
        }
        let (words, expected) = line.split_once('|').unwrap();
        let words: Vec<_> = words.split_whitespace().collect();
        let [who, words @ ..] = words.as_slice() else { panic!("nobody acts in `{line}`") };
        let act = act(who, words, &world);
        assert_eq!(said(world.act(&secret(who), act)), expected.trim(), "{line}\nin{script}");
    }
    world
}

/// Whether `actor` acts for `owner` now.
pub(super) fn acts_for(world: &World, actor: &str, owner: &str) -> bool {
    super::acts_for(&world.state, &principal(actor), &principal(owner), world.now)
}
