//! This file is where records go into several charts at once, over four real nodes: one transaction, or nothing anywhere.

use crate::network::{ADAMS, BAKER, Network};
use client::{Around, Client, Contents, NewChart, NewRecord, Plain, Record, WriteError, open::Ask};
use fhir::category::Category;
use ledger::{consent::Purpose, governance::Params};
use primitives::ChartId;
use std::collections::BTreeSet;

fn note(id: &str) -> NewRecord {
    let bytes = format!(r#"{{"resourceType":"Basic","id":"{id}","code":{{"text":"note"}}}}"#);
    let mut around = Around::default();
    around.kind = "Basic".try_into().unwrap();
    around.id = id.try_into().unwrap();
    around.version = 1;
    let bytes = Plain::new(bytes.into_bytes()).unwrap();
    NewRecord { category: Category::parse("general").unwrap(), record: Record { around, bytes } }
}

async fn chart(client: &Client, token: &str) -> ChartId {
    let new = NewChart { tokens: vec![token.to_owned()], ..NewChart::default() };
    client.create_chart(&new).await.unwrap().chart
}

async fn packs(client: &Client, chart: ChartId) -> usize {
    Contents::of(&client.log(chart, 0).await.unwrap()).packs.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_several_charts_are_written_in_one_transaction_or_not_at_all() {
    let network = Network::running(Params::default()).await;
    let (adams, baker) = (network.client(ADAMS).await, network.client(BAKER).await);
    let (one, two) = (chart(&adams, "urn:mrn|1").await, chart(&adams, "urn:mrn|2").await);
    let directory = adams.directory_chart().await.unwrap();
    let writes = [one, two, directory].map(|chart| (chart, vec![note("a"), note("b")]));
    let placed = adams.write_together(writes.into()).await.unwrap();
    let txs: BTreeSet<_> = placed.values().flatten().map(|placed| placed.tx).collect();
    assert_eq!((placed.len(), txs.len()), (3, 1), "one transaction of the ledger");
    for chart in [one, two, directory] {
        let look = adams.look(&Ask::all(chart, Purpose::Treatment)).await.unwrap();
        assert_eq!((look.records.len(), look.damaged.len(), look.not_shown.len()), (2, 0, 0));
    }

    // The third chart is another organisation's: nothing is written into the first two.
    let foreign = chart(&baker, "urn:mrn|3").await;
    let writes = [one, directory, foreign].map(|chart| (chart, vec![note("c")]));
    let refused = adams.write_together(writes.into()).await;
    assert!(matches!(refused, Err(WriteError::Index(_))), "{refused:?}");
    for (chart, before) in [(one, 1), (directory, 1), (foreign, 0)] {
        assert_eq!(packs(&adams, chart).await, before);
    }
    // And a version that was written before, in one of them.
    let writes = [(one, vec![note("c")]), (two, vec![note("b")])];
    let refused = adams.write_together(writes.into()).await;
    assert!(matches!(refused, Err(WriteError::Conflict { newest: 1, .. })), "{refused:?}");
    assert_eq!((packs(&adams, one).await, packs(&adams, two).await), (1, 1));
}
