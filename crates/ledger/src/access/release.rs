//! This file is where a trustee asks whether it may give a share: a pure function of its own newest final state.

use super::state::{Access, Permitted, access, access_in};
use crate::{
    charts::{self, Compartment, Role},
    consent::{self, Action, Ask, Category},
    identity,
};
use primitives::{CompartmentId, Hash, Millis, State, TxId};

/// Why a trustee gives nothing. The numbers are part of the release protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[repr(u16)]
pub enum Withheld {
    /// No such access, or it was denied.
    #[error("this node's final state knows no such permitted access")]
    AccessUnknown = 1,
    /// Its time is over.
    #[error("the access has expired; ask again")]
    Expired = 2,
    /// The share would go to another key than the access names.
    #[error("the session key is not the one that the access names")]
    OtherSessionKey = 3,
    /// No such compartment.
    #[error("this node's final state knows no such compartment")]
    CompartmentUnknown = 4,
    /// It belongs to another chart.
    #[error("the compartment belongs to another chart")]
    OtherChart = 5,
    /// The access doesn't cover the compartment's class, or the audit records are not for the reader.
    #[error("the access does not cover this compartment")]
    NotCovered = 6,
    /// What was written after a read is not for that reader.
    #[error("the compartment was opened after the access; ask again")]
    OpenedLater = 7,
    /// Erased: by name, with its class, or with its chart.
    #[error("the compartment was erased")]
    Erased = 8,
    /// The directive that it rests on was revoked, or is over.
    #[error("the directive that permitted it is no longer in force")]
    Revoked = 9,
    /// The owner has denied it since.
    #[error("the owner has denied it since")]
    Denied = 10,
    /// The key that asked no longer speaks for who asked: session over or ended, key replaced.
    #[error("the session has ended, or its key was replaced")]
    SessionEnded = 11,
    /// The reader no longer is, or acts for, the owner.
    #[error("the reader no longer acts for the owner")]
    NotOwner = 12,
    /// This trustee was never dealt the share, or has lost it.
    #[error("this trustee does not hold the share; another may")]
    NotHeld = 13,
}

impl Withheld {
    /// The number.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }
}

/// Whether a share of the compartment may go to the session key under the access.
///
/// `now` is the later of the newest final block's time and the trustee's clock: both may only refuse.
///
/// # Errors
/// [`Withheld`]: the first reason in the order of its numbers, but for the session, which comes before the compartment.
pub fn releasable(
    state: &dyn State,
    id: &TxId,
    compartment: &CompartmentId,
    session_key: &Hash,
    now: Millis,
) -> Result<(), Withheld> {
    let compartment = charts::compartment(state, compartment);
    // Of an access to several charts it counts what was permitted in the compartment's.
    let of_chart = || compartment.as_ref().and_then(|row| access_in(state, id, &row.chart));
    let access = of_chart().or_else(|| access(state, id)).ok_or(Withheld::AccessUnknown)?;
    if access.expires <= now {
        return Err(Withheld::Expired);
    }
    if access.session_key != *session_key {
        return Err(Withheld::OtherSessionKey);
    }
    if identity::signer(state, &access.key, now).as_ref() != Some(&access.signer) {
        return Err(Withheld::SessionEnded);
    }
    let compartment = compartment.ok_or(Withheld::CompartmentUnknown)?;
    if compartment.chart != access.chart {
        return Err(Withheld::OtherChart);
    }
    if access.owner && !consent::acts_for_owner(state, &access.signer, &access.chart, now) {
        return Err(Withheld::NotOwner);
    }
    check_covered(state, &access, &compartment, now)?;
    if charts::is_erased(state, &compartment) {
        return Err(Withheld::Erased);
    }
    Ok(())
}

fn check_covered(
    state: &dyn State,
    access: &Access,
    compartment: &Compartment,
    now: Millis,
) -> Result<(), Withheld> {
    match compartment.role {
        Role::Records => {
            let class = access.permitted.iter().find(|permitted| {
                permitted.tag == Some(compartment.tag) && permitted.writer == compartment.writer
            });
            let class = class.ok_or(Withheld::NotCovered)?;
            if compartment.opened >= access.at {
                return Err(Withheld::OpenedLater);
            }
            check_standing(state, access, class, now)
        }
        // Goes with anything that is permitted and still stands.
        Role::Index => {
            let mut last = Err(Withheld::NotCovered);
            for permitted in &access.permitted {
                last = check_standing(state, access, permitted, now);
                if last.is_ok() {
                    break;
                }
            }
            last
        }
        Role::Audit if access.owner => Ok(()),
        Role::Audit => Err(Withheld::NotCovered),
    }
}

/// Whether what was permitted still is: no directive revoked, nothing denied since.
fn check_standing(
    state: &dyn State,
    access: &Access,
    permitted: &Permitted,
    now: Millis,
) -> Result<(), Withheld> {
    let Permitted { tag, writer, special, directive } = permitted;
    if directive.is_some_and(|directive| !consent::is_live(state, &access.chart, &directive, now)) {
        return Err(Withheld::Revoked);
    }
    let writing = tag.is_none() && access.writing;
    let ask = Ask {
        chart: access.chart,
        signer: &access.signer,
        purpose: if writing { None } else { Some(access.purpose) },
        action: if writing { Action::Write } else { Action::Read },
        break_glass: access.emergency.map(|emergency| emergency.step_up),
        now,
    };
    let category = Category { tag: *tag, special: *special, writer: writer.clone() };
    let denied = consent::match_directives(state, &ask, &category).deny.is_some();
    // Whether an emergency overrides the denial is for the policies to say, as it was when the access was decided.
    if denied && !(access.emergency.is_some() && consent::decide(state, &ask, &category).permit) {
        return Err(Withheld::Denied);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::scene::{LAKESIDE, RIVERSIDE, Scene, session_key},
        charts::{Erase, Target},
        consent::Scope,
        governance::Params,
        identity::{EndDelegation, EndSession, Rotate},
        testing::{key, org, tag},
    };
    use primitives::Span;

    /// Releases that a trustee is asked for, one compartment after the other: what it gives and what it withholds.
    fn told(scene: &Scene, id: &TxId, reader: &str, now: Millis) -> String {
        let compartments = [
            ("gen/r", scene.gen_riverside),
            ("psy/r", scene.psy_riverside),
            ("gen/l", scene.gen_lakeside),
            ("index", scene.index),
            ("audit", scene.audit),
        ];
        let one = |(label, compartment): (&str, CompartmentId)| match releasable(
            &scene.world.state,
            id,
            &compartment,
            &session_key(reader),
            now,
        ) {
            Ok(()) => format!("{label}+"),
            Err(withheld) => format!("{label}-{withheld:?}"),
        };
        let words: Vec<_> = compartments.map(one).to_vec();
        // What is the same for all is said once.
        let reasons: std::collections::BTreeSet<_> =
            words.iter().map(|word| word.split_once('-').map(|(_, why)| why)).collect();
        match reasons.first() {
            Some(Some(why)) if reasons.len() == 1 => (*why).to_owned(),
            _ => words
                .iter()
                .filter(|word| !word.ends_with("NotCovered"))
                .cloned()
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    /// Somebody asks for the whole chart; then something happens; then the trustee is asked for every compartment.
    fn check(case: &str, expected: &str) {
        let mut scene = Scene::with(if case.contains("never-overrides") {
            Params { break_glass_overrides_general: false, ..Params::default() }
        } else {
            Params::default()
        });
        let mut directive = None;
        let (mut id, mut reader) = (TxId::default(), "baker");
        let mut now = None;
        for word in case.split_whitespace() {
            let (what, value) = word.split_once('=').unwrap_or((word, ""));
            let chart = scene.chart;
            match (what, value) {
                ("grant", "all") => directive = Some(scene.direct("+", LAKESIDE, Action::Read, Scope::All)),
                ("grant", who) => directive = Some(scene.permit(who)),
                ("grant-write", who) => {
                    directive = Some(scene.direct("+", who, Action::Write, Scope::General))
                }
                ("deny", who) => drop(scene.direct("-", who, Action::Read, Scope::General)),
                ("deny-write", who) => drop(scene.direct("-", who, Action::Write, Scope::General)),
                ("deny-psy", who) => {
                    let tags = vec![tag("psy")].try_into().unwrap();
                    scene.direct("-", who, Action::Read, Scope::Tags(tags));
                }
                ("revoke", _) => scene.revoke(directive.unwrap()),
                ("ask", who) => {
                    let purpose =
                        if ["owner", "delegate", "stranger"].contains(&who) { "PATRQT" } else { "TREAT" };
                    (id, reader) = (scene.request(who, purpose, "all").unwrap(), who);
                }
                ("index", who) => (id, reader) = (scene.request(who, "TREAT", "index").unwrap(), who),
                ("glass", who) => (id, reader) = (scene.break_glass(who, "all", true).unwrap(), who),
                ("never-overrides", _) => {}
                ("foreign-key", _) => reader = "somebody else",
                ("unknown", _) => id = TxId::default(),
                ("later", seconds) => now = Some(scene.world.now.plus(Span::secs(seconds.parse().unwrap()))),
                ("write", who) => {
                    let written = scene.world.write(who, chart, Role::Records, tag("gen"), false).unwrap();
                    if who == RIVERSIDE {
                        scene.gen_riverside = written
                    } else {
                        scene.gen_lakeside = written
                    }
                }
                ("elsewhere", _) => {
                    let other = scene.world.chart(RIVERSIDE, "other");
                    let written = scene.world.write(RIVERSIDE, other, Role::Records, tag("gen"), false);
                    scene.gen_riverside = written.unwrap();
                }
                ("nowhere", _) => scene.psy_riverside = CompartmentId::default(),
                ("end-session", who) => {
                    let session = scene.key(who).public();
                    scene.world.act(&key(LAKESIDE), EndSession { session }).unwrap();
                }
                ("end-delegation", _) => {
                    let delegate = scene.key("delegate").public().principal();
                    scene.world.act(&scene.key("owner"), EndDelegation { delegate }).unwrap();
                }
                ("rotate", who) => {
                    let new = key("another key");
                    let act = Rotate::to(scene.key(who).public(), &new);
                    scene.world.act(&scene.key(who), act).unwrap();
                }
                ("erase", "chart") => scene.erase(Target::Chart),
                ("erase", "class") => {
                    scene.erase(Target::Class { tag: tag("gen"), org: org(RIVERSIDE) });
                }
                ("erase", "one") => scene.erase(Target::Compartment(scene.psy_riverside)),
                other => panic!("nothing is called {other:?}"),
            }
        }
        let now = now.unwrap_or(scene.world.now);
        assert_eq!(told(&scene, &id, reader, now), expected, "{case}");
    }

    impl Scene {
        fn erase(&mut self, target: Target) {
            let (chart, owner) = (self.chart, self.key("owner"));
            self.world.act(&owner, Erase { chart, target }).unwrap();
        }
    }

    #[test]
    fn released_or_withheld() {
        let cases = "
            ask=adams                               | gen/r+ psy/r+ index+
            ask=baker                               | gen/l+ index+
            ask=owner                               | gen/r+ psy/r+ gen/l+ index+ audit+
            ask=delegate                            | gen/r+ psy/r+ gen/l+ index+ audit+
            ask=stranger                            | AccessUnknown
            ask=clerk                               | AccessUnknown
            unknown                                 | AccessUnknown
            grant=lakeside-clinic ask=baker         | gen/r+ gen/l+ index+
            grant=all ask=baker                     | gen/r+ psy/r+ gen/l+ index+
            ask=baker grant=all                     | gen/l+ index+
            glass=baker                             | gen/r+ psy/r+ gen/l+ index+
            ask=adams later=899                     | gen/r+ psy/r+ index+
            ask=adams later=900                     | Expired
            ask=adams foreign-key                   | OtherSessionKey
            ask=adams nowhere                       | gen/r+ psy/r-CompartmentUnknown index+
            ask=owner elsewhere                     | gen/r-OtherChart psy/r+ gen/l+ index+ audit+
            ask=adams write=riverside-hospital      | gen/r-OpenedLater psy/r+ index+
            write=riverside-hospital ask=adams      | gen/r+ psy/r+ index+
            ask=adams erase=chart                   | gen/r-Erased psy/r-Erased index-Erased
            ask=adams erase=class                   | gen/r-Erased psy/r+ index+
            ask=adams erase=one                     | gen/r+ psy/r-Erased index+
            grant=all ask=baker revoke              | gen/r-Revoked psy/r-Revoked gen/l+ index+
            grant=all revoke ask=baker              | gen/l+ index+
            grant=all ask=baker revoke grant=all    | gen/r-Revoked psy/r-Revoked gen/l+ index+
            grant=all ask=baker deny=lakeside-clinic | gen/r-Denied psy/r+ gen/l-Denied index+
            ask=adams deny=riverside-hospital       | gen/r-Denied psy/r+ index+
            ask=adams deny-psy=riverside-hospital   | gen/r+ psy/r-Denied index+
            ask=baker deny=lakeside-clinic          | gen/l-Denied index-Denied
            ask=owner deny=riverside-hospital       | gen/r+ psy/r+ gen/l+ index+ audit+
            glass=baker deny=lakeside-clinic        | gen/r+ psy/r+ gen/l+ index+
            glass=baker deny-psy=lakeside-clinic    | gen/r+ psy/r-Denied gen/l+ index+
            glass=baker deny=lakeside-clinic never-overrides | gen/r-Denied psy/r+ gen/l-Denied index+
            ask=baker end-session=baker             | SessionEnded
            ask=delegate end-delegation             | NotOwner
            ask=owner rotate=owner                  | SessionEnded
            index=adams                             | index+
            index=adams deny-write=riverside-hospital | index-Denied
            grant-write=lakeside-clinic index=baker revoke | index-Revoked";
        for case in cases.lines().skip(1) {
            let (case, expected) = case.split_once('|').unwrap();
            check(case.trim(), expected.trim());
        }
    }

    #[test]
    fn the_order_of_revocation_and_access_decides() {
        // In one block: what comes first counts.
        for (first, expected) in [("revoke", false), ("ask", true)] {
            let mut scene = Scene::new();
            let directive = scene.permit(LAKESIDE);
            let revoke =
                consent::Revoke { chart: scene.chart, target: consent::Revocable::Directive(directive) };
            let request = crate::access::Request {
                chart: scene.chart,
                purpose: consent::Purpose::Treatment,
                extent: crate::access::Extent::General,
                session_key: session_key("baker"),
                record: Hash([2; 32]),
            };
            let revoke = scene.world.sign(&scene.key("owner"), revoke);
            let request = scene.world.sign(&scene.key("baker"), request);
            let id = request.tx.id();
            let txs = if first == "revoke" { [revoke, request] } else { [request, revoke] };
            scene.world.block(&txs);
            let permitted = access(&scene.world.state, &id).unwrap().permitted;
            assert_eq!(permitted.iter().any(|one| one.writer == org(RIVERSIDE)), expected, "{first} first");
            // Either way nothing is released after the revocation.
            let told = told(&scene, &id, "baker", scene.world.now);
            assert!(!told.contains("gen/r+"), "{told}");
        }
    }

    #[test]
    fn numbers_are_stable() {
        assert_eq!([Withheld::AccessUnknown, Withheld::NotOwner].map(Withheld::code), [1, 12]);
    }

    /// What the owner did and what was read and written, by its definition alone.
    #[derive(Default)]
    struct Naive {
        permits: Vec<TxId>,
        denies: Vec<TxId>,
        /// Compartments of riverside's general class, with the step at which they were opened.
        opened: Vec<(CompartmentId, usize)>,
        /// Accesses with the directive that they rested on, and their step.
        accesses: Vec<(TxId, Option<TxId>, usize)>,
        last_read: Option<usize>,
    }

    impl Naive {
        fn releasable(&self, access: usize, compartment: usize) -> bool {
            let (_, rested_on, at) = self.accesses[access];
            let stands = rested_on.is_some_and(|directive| self.permits.contains(&directive));
            stands && self.denies.is_empty() && self.opened[compartment].1 < at
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

        /// Grants, denials, revocations, reads and writes in every order: what is released, and what a commit may still
        /// write into, is what the definition says, after every step.
        #[test]
        fn every_order_of_consent_reading_and_writing(steps in proptest::collection::vec(0..7_u8, 1..30)) {
            let mut scene = Scene::new();
            let mut naive = Naive { opened: vec![(scene.gen_riverside, 0)], ..Naive::default() };
            for (step, what) in (1..).zip(steps) {
                match what {
                    0 | 1 => naive.permits.push(scene.permit(LAKESIDE)),
                    2 => naive.denies.push(scene.direct("-", LAKESIDE, Action::Read, Scope::General)),
                    3 => {
                        // The denials first, so that permissions come to count again.
                        let list = if naive.denies.is_empty() { &mut naive.permits } else { &mut naive.denies };
                        if !list.is_empty() {
                            let directive = list.remove(0);
                            scene.revoke(directive);
                        }
                    }
                    4 | 5 => {
                        let id = scene.request("baker", "TREAT", "gen/r").unwrap();
                        let rests_on = naive.permits.first().copied().filter(|_| naive.denies.is_empty());
                        naive.accesses.push((id, rests_on, step));
                        naive.last_read = rests_on.map(|_| step).or(naive.last_read);
                    }
                    _ => {
                        let (newest, opened) = *naive.opened.last().unwrap();
                        let commit = scene.world.commit(RIVERSIDE, scene.chart, &[], &[newest]);
                        let result = scene.world.act(&key(RIVERSIDE), commit);
                        let read_since = naive.last_read.is_some_and(|read| opened < read);
                        assert_eq!(result.err(), read_since.then_some(charts::COMPARTMENT_READ));
                        if read_since {
                            let fresh = scene.world.write(RIVERSIDE, scene.chart, Role::Records, tag("gen"), false);
                            naive.opened.push((fresh.unwrap(), step));
                        }
                    }
                }
                for access in 0..naive.accesses.len() {
                    for compartment in 0..naive.opened.len() {
                        let (id, compartment_id) = (naive.accesses[access].0, naive.opened[compartment].0);
                        let (key, now) = (session_key("baker"), scene.world.now);
                        let given = releasable(&scene.world.state, &id, &compartment_id, &key, now);
                        assert_eq!(given.is_ok(), naive.releasable(access, compartment), "{given:?} at step {step}");
                    }
                }
            }
        }
    }
}
