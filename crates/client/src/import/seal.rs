//! This file is where resources become sealed packs: compartments opened, records sealed, shares dealt. Heavy, pure, and
//! away from the threads that wait for the network.

use super::ImportError;
use crate::{
    committee::{Committee, EPOCH},
    notes::OpenCompartment,
    record::{Around, Record, cut, tag_key_plaintext},
    wire::PackParts,
};
use envelope::{
    Class, Compartment, DealTerms, Dealt, Opened, PlainRecord, RecordId, TagKey, deal, seal_pack,
};
use fhir::{Bundle, category::Category};
use ledger::charts::{NewCompartment, Role};
use primitives::{Blob, ChartId, CompartmentId, List, NetworkId, OrgId, PackRoot, PrincipalId};
use rand_core::CryptoRng;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use zeroize::Zeroizing;

/// Plaintext of one pack, in bytes: about 4 MiB once it is compressed and sealed.
const PACK_PLAINTEXT_MAX: usize = 12 << 20;

/// Records of one pack.
const PACK_RECORDS_MAX: usize = 4_000;

/// Category of a chart's index compartment. Lower case: it is none of the HL7 codes.
const INDEX: &str = "index";

/// Category of a chart's audit compartment.
const AUDIT: &str = "audit";

/// A resource on its way into a record.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) bundle: Arc<Bundle>,
    pub(super) entry: usize,
    pub(super) batch: [u8; 16],
    pub(super) also: Vec<ChartId>,
}

/// Resources of one pack, as plaintexts with their categories.
pub(super) struct Batch {
    plaintexts: Vec<(Category, Zeroizing<Vec<u8>>)>,
}

/// What a pack is sealed for.
pub(super) struct Terms {
    pub(super) network: NetworkId,
    pub(super) chart: ChartId,
    pub(super) writer: OrgId,
    pub(super) committee: Arc<Committee>,
    pub(super) tag_key: TagKey,
    /// Whether the chart is new, so that its index and audit compartments are opened too.
    pub(super) fresh_chart: bool,
    /// Compartments that may be written into.
    pub(super) open: Vec<OpenCompartment>,
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
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.plaintexts.len()
    }
}

/// Frames the resources and deals them into packs of bounded size, in order.
pub(super) fn batches(items: &[Item], author: Option<PrincipalId>) -> Result<Vec<Batch>, String> {
    let mut batches = Vec::new();
    let mut plaintexts: Vec<(Category, Zeroizing<Vec<u8>>)> = Vec::new();
    let mut bytes = 0_usize;
    let mut items = items.iter().peekable();
    while let Some(first) = items.peek().map(|item| Arc::clone(&item.bundle)) {
        // Entries are walked once per file: looking each up by its number would cost the square of them.
        let mut entries = first.entries();
        while let Some(item) = items.next_if(|item| Arc::ptr_eq(&item.bundle, &first)) {
            let entry = entries.find(|entry| entry.index == item.entry);
            let entry = entry.ok_or_else(|| format!("entry[{}] is gone", item.entry))?;
            let Some(resource) = &entry.resource else { continue };
            let category = Category::of(resource.value);
            let around = around(item, &entry, author)?;
            let record = Record {
                around,
                bytes: Blob::try_from(resource.bytes().to_vec())
                    .map_err(|_| format!("entry[{}] is larger than a record may be", item.entry))?,
            };
            let plaintext = record.to_plaintext();
            let full = bytes + plaintext.len() > PACK_PLAINTEXT_MAX || plaintexts.len() >= PACK_RECORDS_MAX;
            if full && !plaintexts.is_empty() {
                batches.push(Batch { plaintexts: std::mem::take(&mut plaintexts) });
                bytes = 0;
            }
            bytes += plaintext.len();
            plaintexts.push((category, plaintext));
        }
    }
    if !plaintexts.is_empty() {
        batches.push(Batch { plaintexts });
    }
    Ok(batches)
}

fn around(item: &Item, entry: &fhir::Entry<'_>, author: Option<PrincipalId>) -> Result<Around, String> {
    let ordinal = u32::try_from(item.entry).map_err(|_| "too many entries".to_owned())?;
    let id = entry.resource.as_ref().and_then(|resource| resource.id.as_deref()).filter(|id| id.len() <= 64);
    let id = match id {
        Some(id) => id.to_owned(),
        // A resource without an id is served under one that its bundle and place give it.
        None => format!("{}-{ordinal}", hex::encode(&item.batch[..8])),
    };
    Ok(Around {
        batch: item.batch,
        ordinal,
        id: cut(&id),
        full_url: entry.full_url.as_deref().map(cut),
        request: entry.request.as_ref().map(|request| (cut(&request.method), cut(&request.url))),
        author,
        also: List::try_from(item.also.clone())
            .map_err(|_| format!("entry[{}] names more patients than one record may", item.entry))?,
    })
}

/// Most compartments that one batch needs besides index and audit must fit into one pack.
pub(super) fn seal(
    rng: &mut impl CryptoRng,
    terms: &Terms,
    batch: &Batch,
) -> Result<SealedWrite, ImportError> {
    let Terms { network, chart, writer, committee, tag_key, fresh_chart, open } = terms;
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
    if *fresh_chart {
        for (category, role) in [(INDEX, Role::Index), (AUDIT, Role::Audit)] {
            let opened = Compartment::open(rng, &class(category), committee.threshold);
            compartments.push(opened.compartment.clone());
            place.insert(category.to_owned(), next());
            fresh.push((opened, role, false, category.to_owned()));
        }
    }
    let categories: BTreeSet<&Category> = batch.plaintexts.iter().map(|(category, _)| category).collect();
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

    let mut records = Vec::with_capacity(batch.len() + 1);
    let tag_key_record = tag_key_plaintext(tag_key);
    if let Some(index) = place.get(INDEX) {
        records.push(plain(rng, *index, &tag_key_record));
    }
    for (category, plaintext) in &batch.plaintexts {
        let at = place.get(&category.to_string()).copied().unwrap_or_default();
        records.push(plain(rng, at, plaintext));
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
    })
}

fn plain<'a>(rng: &mut impl CryptoRng, compartment: u16, plaintext: &'a [u8]) -> PlainRecord<'a> {
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    PlainRecord { compartment, record: RecordId(id), version: 1, plaintext }
}
