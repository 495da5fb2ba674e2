//! This file is where answers get lost, and nothing is done twice.

use crate::imports::{ITO, import, setting};
use client::{SubmitError, open::Ask};
use futures::executor::block_on;
use ledger::{charts::Create, consent::Purpose};
use primitives::ChartId;

#[test]
fn a_lost_answer_is_asked_for_again_and_nothing_is_done_twice() {
    let (network, home, adams) = setting();
    for method in ["submit", "receipt", "status"] {
        network.inner().losing.insert(method, 2);
    }
    let imported = import(&adams, home.path(), "ito.json", ITO);
    network.inner().losing.insert("submit", 1);
    let opened = block_on(adams.open(&Ask::all(imported.chart, Purpose::Treatment))).unwrap();
    assert_eq!(opened.records.len(), 4);
    let audit = block_on(adams.audit(imported.chart)).unwrap();
    assert_eq!(audit.accesses.len(), 1);
    let created = network.inner().calls.iter().filter(|method| **method == "submit").count();
    assert!(created > 0);
}

#[test]
fn a_reject_is_told_with_its_number() {
    let (_network, _home, adams) = setting();
    let create = Create { chart: ChartId::from([1; 32]), directory: false };
    block_on(adams.act(create.clone())).unwrap();
    let error = block_on(adams.act(create)).unwrap_err();
    assert!(
        matches!(&error, SubmitError::Rejected { reject, .. } if *reject == ledger::charts::CHART_EXISTS),
        "{error}"
    );
}
