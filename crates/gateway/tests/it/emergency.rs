//! This file is where the glass is broken at the front door. The base policy wants a person to have shown once more who it is:
//! an app that may vouch for that says so. Others are denied, and the patient sees that it was tried, by whom and why.

use crate::{
    town::{ALL, APP, LAKESIDE, Town, WARD, observation, patient},
    world::{Answer, sent},
};
use client::audit::{Outcome, Told, What};
use ledger::consent::{Effect, Purpose};
use primitives::Span;

const REASON: &str = "unconscious after a fall";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_who_breaks_the_glass() {
    let town = Town::with(|config| config.visits.missing_min = Span(1)).await;
    let id = town.riverside.create(&patient("1")).await;
    town.riverside.create(&observation(&id, "1-1", None)).await;
    town.riverside.create(&observation(&id, "1-2", Some("PSY"))).await;
    let owner = town.claimed("1").await;
    let lakeside = &town.lakeside;
    let by_chart = format!("/Patient?identifier=urn:horkos:chart|{}", owner.chart);
    let ask = |reason: &str| lakeside.ask("GET", &by_chart).header("x-break-glass", reason);

    for (reason, why) in [("", "no reason"), (&"r".repeat(2001), "a reason too long")] {
        let refused = sent(ask(reason)).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["issue"][0]["code"]),
            (400, &"invalid".into()),
            "{why}"
        );
    }
    let denied = sent(ask(REASON)).await;
    assert_eq!((denied.status.as_u16(), denied.json()["total"].as_u64()), (200, Some(0)));

    let audit = owner.client.audit(owner.chart).await.unwrap();
    let tried: Vec<_> = audit.accesses.iter().filter(|access| access.emergency.is_some()).collect();
    let [tried] = tried.as_slice() else { panic!("{} emergencies in the log", tried.len()) };
    assert_eq!((tried.purpose, &*tried.reader.org.0), (Purpose::BreakGlass, LAKESIDE));
    assert!(matches!(tried.outcome, Outcome::Denied), "{:?}", tried.outcome);
    assert!(tried.emergency.as_ref().is_some_and(|emergency| !emergency.step_up));
    match &tried.told {
        Told::Words(words) => {
            assert_eq!(words.reason.as_ref().map(ToString::to_string).as_deref(), Some(REASON));
        }
        Told::Sealed | Told::Missing | Told::Garbage => panic!("the patient doesn't read why"),
    }

    // What she permits anyway is no emergency's; an emergency lifts no denial either.
    let grant = owner.says(Effect::Permit, LAKESIDE, What::All, None).await;
    crate::network::until("her word", async || {
        (lakeside.get(&by_chart).await.json()["total"] == 1).then_some(())
    })
    .await;
    owner.takes_back(&grant).await;
    owner.says(Effect::Deny, LAKESIDE, What::All, None).await;
    let denied = sent(ask(REASON)).await;
    assert_eq!((denied.status.as_u16(), denied.json()["total"].as_u64()), (200, Some(0)));

    // Who has just signed in anew breaks it, though the same person was denied a moment ago: what is general, no more.
    let ward = async |app: &str, signed_in| {
        let answer = lakeside.ask_token(&lakeside.assertion_of(app, signed_in), ALL).await;
        answer.json()["access_token"].as_str().map(str::to_owned).ok_or_else(|| answer.json())
    };
    let with = async |token: &str, path: &str| -> Answer {
        let request = lakeside.http.get(lakeside.at(&format!("/fhir{path}"))).bearer_auth(token);
        sent(request.header("x-break-glass", REASON)).await
    };
    let emergencies = async || {
        let audit = owner.client.audit(owner.chart).await.unwrap();
        audit.accesses.into_iter().filter(|access| access.emergency.is_some()).collect::<Vec<_>>()
    };
    let before = emergencies().await.len();
    let absent = format!("/Patient?identifier=urn:horkos:chart|{}", "0".repeat(64));
    let mut unproven = Vec::new();
    for (signed_in, why) in [
        (None, "nobody signed in"),
        (Some((360, &["mfa"][..])), "too long ago"),
        (Some((1, &["pwd"][..])), "by one factor"),
    ] {
        let token = ward(WARD, signed_in).await.unwrap();
        for (path, what) in [(&by_chart, "hidden"), (&absent, "absent")] {
            let refused = with(&token, path).await;
            assert_eq!(refused.status.as_u16(), 401, "{why}, {what}: {}", refused.json());
            let challenge = refused.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
            assert!(challenge.contains("max_age=\"300\""), "{challenge}");
        }
        unproven.push(token);
    }
    let ahead = ward(WARD, Some((-120, &["mfa"][..]))).await.unwrap_err();
    assert_eq!(ahead["error"], "invalid_client", "{ahead}");
    let unheard = ward(APP, Some((1, &["mfa"][..]))).await.unwrap();
    assert_eq!(with(&unheard, &by_chart).await.json()["total"], 0, "nobody vouched for it");
    assert_eq!(emergencies().await.len(), before, "what is refused before it is asked is in no log");

    let token = ward(WARD, Some((1, &["pwd", "otp", "mfa"][..]))).await.unwrap();
    let opened = with(&token, &by_chart).await;
    assert_eq!(
        (opened.status.as_u16(), opened.json()["total"].as_u64()),
        (200, Some(1)),
        "{}",
        opened.json()
    );
    let here = opened.json()["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
    let seen = with(&token, &format!("/Observation?patient={here}")).await.json();
    assert_eq!(seen["total"], 1, "the psychiatric one stays closed: {seen}");
    let all = emergencies().await;
    assert_eq!(all.len(), before + 1);
    let broken = all.last().unwrap();
    assert!(broken.emergency.as_ref().is_some_and(|emergency| emergency.step_up));
    assert!(matches!(broken.outcome, Outcome::Partly), "{:?}", broken.outcome);
    // What is open stays open for the person who opened it, without signing in again; nothing more does.
    assert_eq!(with(&unproven[0], &by_chart).await.json()["total"], 1);
    assert_eq!(with(&unproven[0], &absent).await.status.as_u16(), 401);
    town.close().await;
}
