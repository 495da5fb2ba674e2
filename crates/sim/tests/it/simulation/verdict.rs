//! This file is where a run is judged: everything is opened from disk once more, and held against what anybody was told.

use super::{
    chain::Block,
    director::Run,
    member::{Member, ready},
    network::MEMBERS,
    readers::{Question, open},
};
use ledger::{BlockInput, Event, Outcome, execute, governance::found, reject::EXPIRED, testing::MapState};
use node::{Relied, Trustee};
use primitives::{CompartmentId, Hash, TxId};
use std::collections::{BTreeMap, BTreeSet};
use store::{Identity, Store};

impl Run {
    /// Judges a finished run.
    pub(super) fn judge(&mut self) {
        for member in &self.members {
            self.disk_holds(member);
        }
        self.receipts_hold();
        let trustees: Vec<Trustee> =
            self.members.iter().map(|member| self.site.trustee(&member.dir, member.place)).collect();
        self.shares_hold(&trustees);
        self.replay(&trustees);
    }

    /// A member's disk: whole, and the same chain as everybody's.
    fn disk_holds(&self, member: &Member) {
        let place = member.place;
        let identity = Identity { network: self.site.genesis.network() };
        let store = Store::open(&member.dir.join("ledger"), identity).unwrap();
        let walked = store.walk(None, &mut |_| {});
        assert!(walked.damages.is_empty(), "member {place}: {:?}", walked.damages);
        let view = store.view().unwrap();
        let height = view.height().unwrap();
        assert!(height >= member.seen, "member {place} forgot blocks");
        for block in self.chain.blocks() {
            assert_eq!(Block::read(&view, block.header.height), *block, "member {place}");
        }
    }

    /// Every receipt that anybody was given is the chain's, and nothing took effect twice or unheard.
    fn receipts_hold(&self) {
        let mut outcomes: BTreeMap<TxId, Vec<(u64, u32, Outcome)>> = BTreeMap::new();
        for block in self.chain.blocks() {
            for (index, receipt) in (0..).zip(&block.receipts) {
                let at = (block.header.height, index, receipt.outcome);
                outcomes.entry(receipt.tx).or_default().push(at);
            }
        }
        for (tx, all) in &outcomes {
            let applied: Vec<_> = all.iter().filter(|(_, _, outcome)| *outcome == Outcome::Applied).collect();
            assert!(applied.len() <= 1, "{tx} took effect twice: {all:?}");
            assert!(
                applied.is_empty() || !self.clients.dropped.contains(tx),
                "{tx} took effect after its time"
            );
        }
        for (tx, told) in &self.clients.told {
            let all =
                outcomes.get(tx).unwrap_or_else(|| panic!("the receipt of {tx} is in no block: {told:?}"));
            let given = (told.height, told.index, told.outcome);
            assert!(all.contains(&given), "the receipt of {tx} is another one: {told:?}, {all:?}");
            let other = all
                .iter()
                .filter(|at| **at != given)
                .all(|(_, _, outcome)| matches!(outcome, Outcome::Duplicate | Outcome::Rejected(EXPIRED)));
            assert!(other, "{tx} was answered with {told:?}, but the chain says {all:?}");
        }
    }

    /// Whatever the final state permits can be opened with the shares of honest trustees alone, and nothing else.
    fn shares_hold(&mut self, trustees: &[Trustee]) {
        let now = self.site.now();
        let executors: Vec<_> = self.members.iter().map(|member| self.site.executor(&member.dir)).collect();
        for reader in &self.readers.all {
            let mut releases = Vec::new();
            for ((member, trustee), executor) in self.members.iter().zip(trustees).zip(&executors) {
                let view = executor.view();
                // Between the last look and the end there may have been empty blocks.
                let view = view.at(member.seen).unwrap().unwrap();
                let header = view.header(member.seen).unwrap().unwrap().hash();
                let (auditor, promised) = (&member.auditor, &member.promised);
                let place = member.place;
                let question = Question { place, trustee, state: &view, header, now, auditor, promised };
                releases.extend(question.ask(reader, &self.writes).map(|release| (place, release)));
            }
            let given: BTreeSet<CompartmentId> =
                releases.iter().flat_map(|(_, release)| release.compartments.iter().copied()).collect();
            let network = self.site.genesis.network();
            let (opened, _) = open(&mut self.rng, network, reader, &releases, None, &self.writes);
            assert_eq!(opened, given.len(), "access {} can't be served", reader.access);
            self.readers.met.opened += opened;
        }
    }

    /// Executes the chain once more, in memory and with no signature taken for verified. On the way, just before each
    /// erasure, the trustees are asked for what was erased since: a state that still permits it must find nothing.
    fn replay(&self, trustees: &[Trustee]) {
        let auditor = &self.members[0].auditor;
        let erased: Vec<CompartmentId> = auditor.compartments().filter(|id| auditor.is_erased(id)).collect();
        let genesis = &self.site.genesis;
        let mut state = MapState::default();
        state.apply(&found(&MapState::default(), genesis).unwrap());
        for block in self.chain.blocks() {
            let input = BlockInput {
                network: genesis.network(),
                hash: block.header.hash(),
                height: block.header.height,
                time: block.header.time,
                txs: &block.txs,
                verified: &|_| false,
            };
            let output = execute(&state, &input);
            assert_eq!(output.receipts, block.receipts, "block {}", block.header.height);
            let ordered = output
                .logged
                .iter()
                .any(|line| matches!(Event::decode(line.tag, &line.body), Some(Event::ErasureOrdered(_))));
            if ordered {
                self.shares_are_gone(trustees, &state, &erased);
            }
            state.apply(&output.writes);
        }
    }

    fn shares_are_gone(&self, trustees: &[Trustee], before: &MapState, erased: &[CompartmentId]) {
        assert_eq!(trustees.len(), MEMBERS - usize::from(self.liar.is_some()));
        let now = ledger::HEAD.or_default(before).time;
        for (reader, (member, trustee)) in self
            .readers
            .all
            .iter()
            .flat_map(|reader| self.members.iter().zip(trustees).map(move |it| (reader, it)))
        {
            let relied = Relied { state: before, header: primitives::BlockHash(Hash::default()), now };
            let session = reader.session.public().as_bytes();
            let (release, _) = ready(trustee.release(&relied, reader.access, session, erased)).unwrap();
            let given = release.map(|release| release.compartments);
            assert!(given.is_none(), "trustee {} still has erased shares: {given:?}", member.place);
        }
    }
}
