//! A small world to test in: a committee, a chart, a writer, all from one seed.

use envelope::{
    Class, Compartment, DealTerms, Dealt, OpenKey, Opened, PlainRecord, RecordId, Release, ReleaseTerms,
    SealKey, SealedPack, SessionKey, Share, Threshold, accept, deal, release, seal_pack,
};
use primitives::{BlockHash, ChartId, CompartmentId, Hash, NetworkId, OrgId, PackRoot, Tag, TxId};
pub(crate) use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

pub(crate) const EPOCH: u64 = 3;

pub(crate) struct World {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) threshold: Threshold,
    pub(crate) trustees: Vec<OpenKey>,
    pub(crate) class: Class,
}

pub(crate) fn network() -> NetworkId {
    NetworkId(Hash([0x11; 32]))
}

pub(crate) fn access() -> TxId {
    TxId(Hash([0x44; 32]))
}

impl World {
    pub(crate) fn new(seed: u64, needed: u16, of: u16) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let trustees = (0..of).map(|_| OpenKey::generate(&mut rng)).collect();
        let class = Class {
            chart: ChartId(Hash([0x22; 32])),
            tag: Tag(Hash([0x33; 32])),
            writer: org("riverside-hospital"),
        };
        Self { rng, threshold: Threshold::new(needed, of).unwrap(), trustees, class }
    }

    pub(crate) fn open(&mut self) -> Opened {
        Compartment::open(&mut self.rng, &self.class, self.threshold)
    }

    pub(crate) fn box_keys(&self) -> Vec<SealKey> {
        self.trustees.iter().map(|key| key.public().clone()).collect()
    }

    pub(crate) fn terms(&self, pack: PackRoot) -> DealTerms {
        let Class { chart, tag: _, writer } = self.class.clone();
        DealTerms { network: network(), epoch: EPOCH, writer, chart, pack }
    }

    pub(crate) fn deal(&mut self, opened: &[Opened], pack: PackRoot) -> Dealt {
        let (terms, keys) = (self.terms(pack), self.box_keys());
        deal(&mut self.rng, terms, opened, &keys).unwrap()
    }

    /// All trustees' shares after a true dealing, by place in the committee.
    pub(crate) fn accept_all(&mut self, dealt: &Dealt) -> Vec<Vec<Share>> {
        let mut all = Vec::new();
        for (at, key) in self.trustees.iter().enumerate() {
            let sealed = &dealt.boxes[at];
            all.push(
                accept(&mut self.rng, &dealt.dealing, self.threshold, at as u16 + 1, key, sealed).unwrap(),
            );
        }
        all
    }

    pub(crate) fn release(
        &mut self,
        session: &SessionKey,
        ids: &[CompartmentId],
        shares: &[Share],
    ) -> Release {
        let terms = ReleaseTerms {
            network: network(),
            access: access(),
            session: session.hash(),
            epoch: EPOCH,
            trustee: shares[0].index(),
            header: BlockHash(Hash([0x55; 32])),
        };
        let shares: Vec<_> = ids.iter().copied().zip(shares).collect();
        release(&mut self.rng, terms, session.public(), &shares).unwrap()
    }

    /// Seals `bodies` into the compartments, in turn.
    pub(crate) fn seal(&mut self, compartments: &[Compartment], bodies: &[Vec<u8>]) -> SealedPack {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(at, body)| PlainRecord {
                compartment: (at % compartments.len()) as u16,
                record: RecordId([at as u8; 16]),
                version: 1 + (at / 256) as u32,
                plaintext: body,
            })
            .collect();
        let Class { chart, tag: _, writer } = self.class.clone();
        seal_pack(&mut self.rng, &chart, &writer, compartments, &records).unwrap()
    }
}

pub(crate) fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

pub(crate) fn compartments(opened: &[Opened]) -> Vec<Compartment> {
    opened.iter().map(|o| o.compartment.clone()).collect()
}
