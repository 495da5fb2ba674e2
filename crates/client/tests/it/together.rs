//! This file is where records are written into several charts at once: all of it final in one transaction, or nothing
//! anywhere.

use crate::{
    imports::setting,
    network::Network,
    writing::{chart, look, told, version, write},
};
use client::{Client, NewRecord, Placed, WriteError, audit::GrantTerms, audit::What, open::Ask};
use futures::{
    executor::block_on,
    future::{join, join_all},
};
use ledger::{
    access::{Extent, Request},
    charts::COMMITS_MAX,
    consent::{Action, Effect, Purpose},
};
use primitives::{ChartId, Hash, Span};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

type Written = Result<BTreeMap<ChartId, Vec<Placed>>, WriteError>;

fn together(client: &Client, writes: &[(ChartId, Vec<NewRecord>)]) -> Written {
    block_on(client.write_together(writes.iter().cloned().collect()))
}

fn charts(client: &Client, count: usize) -> Vec<ChartId> {
    (0..count).map(|number| chart(client, &format!("urn:mrn|{number}"))).collect()
}

/// How long the logs of these charts are.
fn lines(client: &Client, charts: &[ChartId]) -> Vec<usize> {
    charts.iter().map(|chart| block_on(client.log(*chart, 0)).unwrap().len()).collect()
}

fn staged(network: &Arc<Network>) -> usize {
    network.inner().calls.iter().filter(|call| **call == "stage").count()
}

#[test]
fn all_of_it_is_one_transaction() {
    let (_network, _home, adams) = setting();
    let charts = charts(&adams, 3);
    let writes = [
        (charts[0], vec![version("a", 1, "general", "one"), version("b", 1, "PSY", "two")]),
        (charts[1], vec![version("a", 1, "general", "three")]),
        (charts[2], vec![version("a", 1, "general", "four")]),
    ];
    let placed = together(&adams, &writes).unwrap();
    let places = || placed.values().flatten();
    assert_eq!(places().count(), 4);
    assert_eq!(places().map(|placed| placed.tx).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(places().map(|placed| placed.pack).collect::<BTreeSet<_>>().len(), 3);
    for (chart, records) in &writes {
        let look = look(&adams, *chart);
        assert_eq!(look.records.len(), records.len());
        for placed in &placed[chart] {
            assert!(look.records.iter().any(|seen| (seen.pack, seen.at, seen.id, seen.height)
                == (placed.pack, placed.at, placed.record, placed.height)));
        }
    }
    // What is remembered holds for the next write, of either way.
    let next = [
        (charts[0], vec![version("a", 2, "general", "five")]),
        (charts[1], vec![version("a", 2, "general", "six")]),
    ];
    together(&adams, &next).unwrap();
    write(&adams, charts[1], vec![version("a", 3, "general", "seven")]);
    assert_eq!(look(&adams, charts[1]).records.len(), 3);
    assert!(together(&adams, &[]).unwrap().is_empty());
}

#[test]
fn where_one_fails_nothing_is_written_anywhere() {
    let (network, home, adams) = setting();
    let baker = network.staff(home.path(), "lakeside/dr-baker");
    let mut all = charts(&adams, 3);
    let foreign = chart(&baker, "urn:mrn|9");
    write(&baker, foreign, vec![version("z", 1, "general", "z")]);
    let known = [(all[2], vec![version("a", 1, "general", "x")])];
    together(&adams, &known).unwrap();
    all.push(foreign);
    let before = lines(&adams, &all);
    let good = |chart, id: &str| (chart, vec![version(id, 1, "general", "x")]);

    // Versions that were written before: told by the place in all that was handed in.
    let mut sorted = [all[0], all[1], all[2]];
    sorted.sort();
    let at = sorted.iter().position(|chart| *chart == all[2]).unwrap();
    let conflict = [good(all[0], "b"), good(all[1], "b"), good(all[2], "a")];
    let refused = together(&adams, &conflict);
    assert!(
        matches!(refused, Err(WriteError::Conflict { at: found, newest: 1 }) if found == at),
        "{refused:?}"
    );
    // A chart that isn't there, and one that isn't ours.
    let nowhere = ChartId::from([7; 32]);
    let refused = together(&adams, &[good(all[0], "b"), good(nowhere, "b")]);
    assert!(matches!(refused, Err(WriteError::Unknown(chart)) if chart == nowhere), "{refused:?}");
    let refused = together(&adams, &[good(all[0], "b"), good(all[1], "b"), good(foreign, "b")]);
    assert!(matches!(refused, Err(WriteError::Index(_))), "{refused:?}");
    // Asking to write there stands in that chart's log, and nothing else anywhere.
    let after = lines(&adams, &all);
    assert_eq!(after[..3], before[..3]);

    // Refused by the ledger itself, with everything sealed and stored: the patient takes the right to write away.
    let patient = network.newcomer("lakeside-clinic", "hana");
    let until = network.inner().now.plus(Span::hours(1));
    block_on(baker.offer_claim(foreign, block_on(patient.principal()).unwrap().unwrap(), until)).unwrap();
    block_on(patient.claim(foreign)).unwrap();
    let terms = GrantTerms {
        chart: foreign,
        effect: Effect::Permit,
        grantee: "riverside-hospital".parse().unwrap(),
        action: Action::Write,
        purposes: vec![Purpose::Treatment],
        what: What::General,
        from: None,
        until: None,
    };
    block_on(patient.direct(&terms)).unwrap();
    together(&adams, &[good(all[0], "c"), good(foreign, "c")]).unwrap();
    let count = |client: &Client, chart| look(client, chart).records.len();
    let written = [count(&adams, all[0]), count(&baker, foreign)];
    block_on(patient.revoke_from(foreign, &"riverside-hospital".parse().unwrap())).unwrap();
    let refused = together(&adams, &[good(all[0], "d"), good(all[1], "d"), good(foreign, "d")]);
    let reject = refused.unwrap_err().reject();
    assert_eq!(reject, Some(ledger::charts::WRITE_NOT_ALLOWED));
    assert_eq!([count(&adams, all[0]), count(&baker, foreign)], written);
    assert_eq!(count(&adams, all[1]), 0);
    let open = block_on(adams.open(&Ask::all(all[1], Purpose::Treatment))).unwrap();
    assert!(open.records.is_empty());
}

#[test]
fn what_is_too_much_is_refused_before_anything_is_sealed() {
    let (network, _home, adams) = setting();
    let charts = charts(&adams, COMMITS_MAX + 1);
    let writes: Vec<_> = charts.iter().map(|chart| (*chart, vec![version("a", 1, "general", "x")])).collect();
    let refused = together(&adams, &writes);
    assert!(
        matches!(refused, Err(WriteError::TooMuch { packs, max: COMMITS_MAX }) if packs == COMMITS_MAX + 1)
    );
    assert_eq!(staged(&network), 0);
    let placed = together(&adams, &writes[..COMMITS_MAX]).unwrap();
    assert_eq!(placed.values().flatten().map(|placed| placed.tx).collect::<BTreeSet<_>>().len(), 1);

    // More than a pack holds: several packs of one chart, the later ones under the earlier one's keys.
    let many: Vec<NewRecord> =
        (0..4100).map(|number| version(&format!("n{number}"), 1, "general", "x")).collect();
    let placed = together(&adams, &[(charts[0], many)]).unwrap();
    let placed = &placed[&charts[0]];
    assert_eq!(placed.len(), 4100);
    assert_eq!(placed.iter().map(|placed| placed.tx).collect::<BTreeSet<_>>().len(), 1);
    let packs: BTreeSet<_> = placed.iter().map(|placed| placed.pack).collect();
    assert_eq!(packs.len(), 2);
    let seen: BTreeSet<String> = look(&adams, charts[0]).records.iter().map(|seen| told(seen).0).collect();
    assert_eq!(seen.len(), 4101);
}

#[test]
fn whoever_is_let_in_meanwhile_reads_nothing_of_it() {
    let (network, _home, adams) = setting();
    let charts = charts(&adams, 2);
    let of = |number| {
        charts.iter().map(|chart| (*chart, vec![version("a", number, "general", "x")])).collect::<Vec<_>>()
    };
    together(&adams, &of(1)).unwrap();
    let opened = |chart: ChartId| {
        let shown = block_on(adams.chart(chart)).unwrap();
        shown.classes.iter().map(|class| class.compartments).sum::<usize>()
    };
    assert_eq!((opened(charts[0]), opened(charts[1])), (1, 1));
    let racing = {
        let inner = network.inner();
        let request = Request {
            chart: charts[1],
            purpose: Purpose::Treatment,
            extent: Extent::All,
            session_key: Hash([1; 32]),
            record: Hash::default(),
        };
        network.sign(inner.now, adams.actor().key().unwrap(), request, 99)
    };
    network.inner().before_commit.push(racing);
    together(&adams, &of(2)).unwrap();
    assert_eq!((opened(charts[0]), opened(charts[1])), (2, 2));
    assert_eq!(look(&adams, charts[1]).records.len(), 2);
}

#[test]
fn many_at_once_take_turns_and_nobody_waits_forever() {
    let (_network, _home, adams) = setting();
    let all = charts(&adams, 3);
    let several = (0..6).map(|number| {
        let (adams, id) = (adams.clone(), format!("t{number}"));
        let (one, other) = (all[number % 3], all[(number + 1) % 3]);
        async move {
            let records = || vec![version(&id, 1, "general", "x")];
            adams.write_together([(one, records()), (other, records())].into()).await.unwrap();
        }
    });
    let single = (0..9).map(|number| {
        let (adams, id, chart) = (adams.clone(), format!("s{number}"), all[number % 3]);
        async move { drop(adams.write(chart, vec![version(&id, 1, "general", "x")]).await.unwrap()) }
    });
    block_on(join(join_all(several), join_all(single)));
    let count: usize = all.iter().map(|chart| look(&adams, *chart).records.len()).sum();
    assert_eq!(count, 6 * 2 + 9);
    // Of two that write the same versions, one is told, and has written nothing anywhere.
    let same = ["one", "two"].map(|text| {
        let writes = all.iter().map(|chart| (*chart, vec![version("v", 1, "general", text)])).collect();
        adams.write_together(writes)
    });
    let results = block_on(join_all(same));
    assert_eq!(results.iter().filter(|result| matches!(result, Err(WriteError::Conflict { .. }))).count(), 1);
    let count: usize = all.iter().map(|chart| look(&adams, *chart).records.len()).sum();
    assert_eq!(count, 6 * 2 + 9 + 3);
}
