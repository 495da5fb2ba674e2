//! This file is where the glass is broken at the front door. A program proves nobody's presence, so that the base policy, which
//! wants a person to have shown once more who it is, denies it; the patient sees that it was tried, by whom and why.

use crate::{
    town::{LAKESIDE, Town, observation, patient},
    world::sent,
};
use client::audit::{Outcome, Told, What};
use ledger::consent::{Effect, Purpose};
use primitives::Span;

const REASON: &str = "unconscious after a fall";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_program_breaks_no_glass() {
    let town = Town::with(|config| config.visits.missing_min = Span(1)).await;
    let id = town.riverside.create(&patient("1")).await;
    town.riverside.create(&observation(&id, "1-1", None)).await;
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
    town.close().await;
}
