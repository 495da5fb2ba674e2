//! This file is where items become a sealed pack: compartments opened, records sealed, shares dealt. Heavy, pure, and away
//! from the threads that wait for the network.

use super::{WriteError, ground::Ground, item::Item};
use crate::{committee::EPOCH, notes::OpenCompartment, record::tag_key_plaintext, wire::PackParts};
use envelope::{Class, Compartment, DealTerms, Dealt, Opened, PlainRecord, RecordId, deal, seal_pack};
use fhir::category::Category;
use ledger::charts::{NewCompartment, Role};
use primitives::{ChartId, CompartmentId, NetworkId, OrgId, PackRoot};
use rand_core::CryptoRng;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Category of a chart's index compartment. Lower case: it is none of the HL7 codes.
const INDEX: &str = "index";

/// Category of a chart's audit compartment.
const AUDIT: &str = "audit";

/// What a pack is sealed for.
pub(super) struct Terms {
    pub(super) network: NetworkId,
    pub(super) chart: ChartId,
    pub(super) writer: OrgId,
}

/// A sealed pack, ready to be handed out.
pub(super) struct SealedWrite {
    pub(super) pack: PackRoot,
    pub(super) entries: u32,
    pub(super) parts: PackParts,
    pub(super) dealt: Option<Dealt>,
    pub(super) opens: Vec<NewCompartment>,
    pub(super) into: Vec<CompartmentId>,
    /// The records' compartments that this pack opens, for the notes.
    pub(super) opened: Vec<OpenCompartment>,
    /// The items' record ids, in order.
    pub(super) ids: Vec<RecordId>,
}

/// Seals the items of one pack. The items' entries are its last ones.
pub(super) fn seal(
    rng: &mut impl CryptoRng,
    terms: &Terms,
    ground: &Ground,
    items: &[Arc<Item>],
) -> Result<SealedWrite, WriteError> {
    let Terms { network, chart, writer } = terms;
    let Ground { tag_key, open, opens_index, opens_audit, committee } = ground;
    let class = |category: &str| Class { chart: *chart, tag: tag_key.tag(category), writer: writer.clone() };
    let mut compartments: Vec<Compartment> = Vec::new();
    let mut fresh: Vec<(Opened, Role, bool, String)> = Vec::new();
    let mut into = Vec::new();
    let mut place: BTreeMap<String, u16> = BTreeMap::new();
    let mut number = 0_u16;
    let mut next = || {
        number += 1;
        number - 1
    };
    for (opens, category, role) in [(opens_index, INDEX, Role::Index), (opens_audit, AUDIT, Role::Audit)] {
        if *opens {
            let opened = Compartment::open(rng, &class(category), committee.threshold);
            compartments.push(opened.compartment.clone());
            place.insert(category.to_owned(), next());
            fresh.push((opened, role, false, category.to_owned()));
        }
    }
    let categories: BTreeSet<&Category> = items.iter().map(|item| &item.category).collect();
    for category in categories {
        let name = category.to_string();
        let reused = open.iter().find(|open| open.category == name);
        match reused {
            Some(open) => {
                into.push(open.compartment.id());
                compartments.push(open.compartment.clone());
            }
            None => {
                let opened = Compartment::open(rng, &class(&name), committee.threshold);
                compartments.push(opened.compartment.clone());
                fresh.push((opened, Role::Records, category.special(), name.clone()));
            }
        }
        place.insert(name, next());
    }

    let mut records = Vec::with_capacity(items.len() + 1);
    let tag_key_record = tag_key_plaintext(tag_key);
    if let Some(index) = place.get(INDEX) {
        let (compartment, record) = (*index, RecordId::generate(rng));
        records.push(PlainRecord { compartment, record, version: 1, plaintext: &tag_key_record });
    }
    let mut ids = Vec::with_capacity(items.len());
    for Item { category, kind, id, version, content: _, plaintext } in items.iter().map(|item| &**item) {
        let compartment = place.get(&category.to_string()).copied().unwrap_or_default();
        let record = tag_key.record_id(writer, kind, id);
        ids.push(record);
        records.push(PlainRecord { compartment, record, version: *version, plaintext });
    }
    let sealed = seal_pack(rng, chart, writer, &compartments, &records)?;
    let pack = sealed.manifest.root();
    let mut opens = Vec::new();
    let mut opened_records = Vec::new();
    let mut opened = Vec::new();
    for (one, role, special, category) in fresh {
        opens.push(NewCompartment { role, special, body: one.compartment.body.clone() });
        if role == Role::Records {
            opened_records.push(OpenCompartment { category, compartment: one.compartment.clone() });
        }
        opened.push(one);
    }
    let dealt = if opened.is_empty() {
        None
    } else {
        let terms =
            DealTerms { network: *network, epoch: EPOCH, writer: writer.clone(), chart: *chart, pack };
        Some(deal(rng, terms, &opened, &committee.boxes)?)
    };
    Ok(SealedWrite {
        pack,
        entries: u32::try_from(records.len()).unwrap_or(u32::MAX),
        parts: PackParts { ciphertexts: sealed.ciphertexts, randoms: sealed.randoms },
        dealt,
        opens,
        into,
        opened: opened_records,
        ids,
    })
}
