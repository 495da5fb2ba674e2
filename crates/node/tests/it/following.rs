//! This file is where a gateway's needs are met by real nodes: many writes at once, one look at all versions, and hearing at
//! once what happens in the charts that it follows.

use crate::network::{ADAMS, BAKER, Network};
use client::{Around, NewChart, NewRecord, Plain, Record, WriteError, open::Ask, rpc::CallError, wire::Code};
use fhir::category::Category;
use ledger::{Event, consent::Purpose, governance::Params};
use primitives::Span;
use std::{collections::BTreeSet, time::Instant};

fn version(id: &str, version: u32) -> NewRecord {
    let bytes = format!(r#"{{"resourceType":"Basic","id":"{id}","language":"v{version}"}}"#).into_bytes();
    let around = Around::of("Basic".try_into().unwrap(), id.try_into().unwrap(), version);
    NewRecord { category: Category::general(), record: Record { around, bytes: Plain::new(bytes).unwrap() } }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_gateway_writes_at_once_looks_and_hears() {
    let network = Network::running(Params::default()).await;
    let (adams, baker) = (network.client(ADAMS).await, network.client(BAKER).await);
    // Two processes make the same patient's chart at once.
    let other = network.client(ADAMS).await;
    let new = NewChart { tokens: vec!["urn:mrn|77".to_owned()], ..NewChart::default() };
    let (one, two) = futures::join!(adams.create_chart(&new), other.create_chart(&new));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.chart == two.chart && one.created != two.created);
    let chart = one.chart;

    // A follower that waits hears the first commit long before its wait is over.
    let mut follower = adams.follow();
    follower.add(chart, adams.log(chart, 0).await.unwrap().len() as u64).unwrap();
    let began = Instant::now();
    let (heard, written) =
        futures::join!(follower.next(Span::secs(30)), adams.write(chart, vec![version("first", 1)]));
    let (heard, written) = (heard.unwrap(), written.unwrap());
    assert!(began.elapsed().as_secs() < 20, "it did not wait to the end");
    let commit = heard.lines.iter().find_map(|line| match &line.event {
        Some(Event::Committed(commit)) => Some(commit.pack),
        Some(_) | None => None,
    });
    assert_eq!(commit, Some(written[0].pack));
    assert!(heard.as_of.height >= written[0].height && heard.as_of.time >= written[0].time);

    // Both processes write at once; what they do to each other's notes undoes nothing.
    let names: Vec<String> = (0..20).map(|number| format!("b{number}")).collect();
    let writes = names.iter().enumerate().map(|(at, name)| {
        let client = if at % 2 == 0 { &adams } else { &other };
        client.write(chart, vec![version(name, 1)])
    });
    let placed: Vec<_> =
        futures::future::join_all(writes).await.into_iter().flat_map(Result::unwrap).collect();
    let packs: BTreeSet<_> = placed.iter().map(|placed| placed.pack).collect();
    println!("{} writes in {} packs", placed.len(), packs.len());
    assert!(packs.len() < placed.len());
    adams.write(chart, vec![version("b3", 2)]).await.unwrap();
    let conflict = other.write(chart, vec![version("b3", 2)]).await.unwrap_err();
    assert!(matches!(conflict, WriteError::Conflict { newest: 2, .. }), "{conflict}");

    let look = adams.look(&Ask::all(chart, Purpose::Treatment)).await.unwrap();
    assert_eq!(look.records.len(), 22);
    assert_eq!(look.records.iter().filter(|seen| seen.newest).count(), 21);
    assert!(look.damaged.is_empty() && look.not_shown.is_empty() && look.distrust.is_empty());
    // All that came meanwhile, the look among it, without a gap.
    let mut packs = BTreeSet::new();
    let mut looked = false;
    while !looked {
        let heard = follower.next(Span::secs(10)).await.unwrap();
        for line in heard.lines {
            match line.event {
                Some(Event::Committed(commit)) => drop(packs.insert(commit.pack)),
                Some(Event::Decided(_)) => looked |= line.logged.tx == look.access,
                Some(_) | None => {}
            }
        }
    }
    assert!(placed.iter().all(|placed| packs.contains(&placed.pack)));

    // Another organisation's people don't wait at this node.
    let stranger = network.caller(0, baker.actor().key().unwrap().clone());
    let asked = client::wire::Following { charts: Vec::new().try_into().unwrap(), wait: Span::secs(1) };
    let refused = stranger.call::<client::wire::Follow>(&asked).await.unwrap_err();
    assert!(matches!(&refused, CallError::Refused(refusal) if refusal.code == Code::Forbidden), "{refused}");
    // Who waits doesn't hold up a node that stops.
    let mut network = network;
    let waiting = tokio::spawn(async move { follower.next(Span::secs(30)).await });
    let began = Instant::now();
    network.stop_all().await;
    assert!(began.elapsed().as_secs() < 25, "it waited for the followers");
    drop(waiting);
}
