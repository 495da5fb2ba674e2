//! This file is where an export is verified, offline, from the genesis file alone: every record's bytes, every access,
//! that nothing is left out, and the signatures that vouch for all of it.

use super::{
    Checkpoint, CheckpointSaid, VerifyError,
    format::{Answer, CONTENT_TYPE, CONTENT_TYPE_STEM, Deletion, Here, Proof, RecordProof, limits, question},
    lock::is_encrypted,
};
use crate::{
    audit::{Access, accesses},
    contents::{Contents, Written},
    names::Names,
    proof::{check_log, check_rows, in_order},
    read::{AsOf, Fetched, Line},
    record::{Plain, Record},
};
use envelope::LeafProof;
use fhir::{
    Bundle, Entry,
    collect::{self, Form},
};
use ledger::{charts::Role, governance::Genesis};
use primitives::{BlockHash, ChartId, NetworkId, PackRoot};
use std::collections::BTreeSet;

/// What a verified export holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The network.
    pub network: NetworkId,
    /// The chart.
    pub chart: ChartId,
    /// The block as of which the export is complete.
    pub as_of: AsOf,
    /// The certified block that vouches for it.
    pub certified: (u64, BlockHash),
    /// Resources in the file, each shown to be what was written.
    pub resources: usize,
    /// Versions that say that a resource was deleted, each shown to be what was written.
    pub deleted: usize,
    /// Records that aren't in the file because they are erased.
    pub erased: usize,
    /// Records that aren't in the file because whoever exported wasn't permitted to read them, or didn't ask for them.
    pub withheld: usize,
    /// Records of the chart's own: its tag keys.
    pub own: usize,
    /// Packs written into the chart.
    pub packs: usize,
    /// Lines of the chart's log.
    pub lines: u64,
    /// Everybody who looked or was denied.
    pub accesses: Vec<Access>,
    /// What the checkpoint says.
    pub checkpoint: CheckpointSaid,
}

/// How many records are where.
#[derive(Default)]
struct Counts {
    deleted: usize,
    erased: usize,
    withheld: usize,
    own: usize,
}

/// Verifies an export against the genesis file, without a network.
///
/// # Errors
/// [`VerifyError`]: what exactly is wrong.
pub fn verify(
    file: &[u8],
    genesis: &Genesis,
    checkpoint: Option<&Checkpoint>,
) -> Result<Verified, VerifyError> {
    if is_encrypted(file) {
        return Err(VerifyError::Encrypted);
    }
    let bundle = fhir::bundle::read(file, &limits())?;
    let entries: Vec<Entry<'_>> = bundle.entries().collect();
    let (proof, resources) = split(&bundle, &entries)?;
    let network = genesis.network();
    if proof.network != network {
        return Err(VerifyError::OtherNetwork { found: proof.network, expected: network });
    }
    let lines: Vec<Line> = proof.log.iter().cloned().map(Line::from).collect();
    let contents = Contents::of(&lines);
    let (answer, as_of, certified) = answer(&proof, &contents, genesis)?;
    check_log(proof.chart, answer.head, proof.log.iter())?;
    check_state(&proof.chart, &contents, &answer)?;
    let counts = check_records(&proof, &contents, resources)?;
    check_layout(file, &entries)?;
    let checkpoint = match checkpoint {
        None => CheckpointSaid::NotGiven,
        Some(checkpoint) => checkpoint
            .compare(network, &proof.anchor)
            .ok_or(VerifyError::Checkpoint { height: checkpoint.height })?,
    };
    Ok(Verified {
        network,
        chart: proof.chart,
        as_of,
        certified,
        resources: resources.len(),
        deleted: counts.deleted,
        erased: counts.erased,
        withheld: counts.withheld,
        own: counts.own,
        packs: contents.packs.len(),
        lines: answer.head.count,
        accesses: accesses(&lines, &Names::default()),
        checkpoint,
    })
}

/// The proof and the entries before it.
fn split<'a, 'b>(bundle: &Bundle, entries: &'a [Entry<'b>]) -> Result<(Proof, &'a [Entry<'b>]), VerifyError> {
    let no_proof = || VerifyError::NoProof { expected: CONTENT_TYPE };
    if bundle.kind() != fhir::BundleType::Collection {
        return Err(no_proof());
    }
    let (last, resources) = entries.split_last().ok_or_else(no_proof)?;
    let binary = last.resource.as_ref().filter(|resource| resource.kind == "Binary").ok_or_else(no_proof)?;
    let content_type = binary.value.get("contentType").and_then(|value| value.text()).ok_or_else(no_proof)?;
    if content_type != CONTENT_TYPE {
        let version = content_type.strip_prefix(CONTENT_TYPE_STEM).ok_or_else(no_proof)?;
        return Err(VerifyError::Version(version.to_owned()));
    }
    let data = binary.value.get("data").and_then(|value| value.text());
    let data = data.ok_or(VerifyError::Malformed("the Binary has no data"))?;
    let proof =
        Proof::of_data(&data).ok_or(VerifyError::Malformed("its data isn't the encoding of a proof"))?;
    Ok((proof, resources))
}

/// The state's answer to what an export proves, from rows that are proven.
fn answer(
    proof: &Proof,
    contents: &Contents,
    genesis: &Genesis,
) -> Result<(Answer, AsOf, (u64, BlockHash)), VerifyError> {
    // Proven first, read then: what isn't the ledger's own may be anything.
    let keys: Vec<Vec<u8>> = proof.rows.iter().map(|row| row.key.clone()).collect();
    let (anchored, as_of) = check_rows(&proof.proven(), &keys, genesis)?;
    let held = Fetched::from_rows(proof.rows.iter().map(|row| (row.key.clone(), row.value.clone())));
    let answer = held
        .ask(|state| question(state, &proof.chart, contents))
        .map_err(|_| VerifyError::Malformed("rows of the state are missing"))?;
    if in_order(&held.asked().into_iter().collect()) != keys {
        return Err(VerifyError::Malformed("it has other rows of the state than an export has"));
    }
    let certified = anchored.certified;
    Ok((answer, as_of, (certified.height, certified.hash())))
}

/// Whether the state bears out what the log says of packs and compartments.
fn check_state(chart: &ChartId, contents: &Contents, answer: &Answer) -> Result<(), VerifyError> {
    if answer.chart.is_none() {
        return Err(VerifyError::State("there is no such chart"));
    }
    for (written, row) in contents.packs.iter().zip(&answer.packs) {
        let fits = row.as_ref().is_some_and(|row| {
            row.chart == *chart
                && row.writer == written.writer
                && row.records == written.records
                && row.erased.iter().copied().eq(written.erased.iter().copied())
        });
        if !fits {
            return Err(VerifyError::State("a pack is another than the log says"));
        }
    }
    for (kept, row) in contents.compartments.values().zip(&answer.compartments) {
        let fits = row.as_ref().is_some_and(|row| {
            row.chart == *chart
                && row.tag == kept.tag
                && row.role == kept.role
                && row.writer == kept.writer
                && row.pack == kept.pack
        });
        if !fits {
            return Err(VerifyError::State("a compartment is another than the log says"));
        }
    }
    Ok(())
}

/// Whether every record of every pack is accounted for, and every entry is one of them.
fn check_records(proof: &Proof, contents: &Contents, entries: &[Entry<'_>]) -> Result<Counts, VerifyError> {
    if proof.packs.len() != contents.packs.len() {
        return Err(VerifyError::Packs { expected: contents.packs.len(), found: proof.packs.len() });
    }
    let mut counts = Counts::default();
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    for (written, pack) in contents.packs.iter().zip(proof.packs.iter()) {
        if pack.records.len() as u64 != u64::from(written.records) {
            let (expected, found) = (written.records, pack.records.len());
            return Err(VerifyError::Records { pack: written.root, expected, found });
        }
        for (at, record) in pack.records.iter().enumerate() {
            match record {
                RecordProof::Here(here) => {
                    check_place(written, at, &here.opening.leaf)?;
                    check_entry(written.root, here, entries)?;
                    if !seen.insert(here.entry) {
                        return Err(VerifyError::Stranger { entry: here.entry as usize });
                    }
                }
                RecordProof::Deleted(deletion) => {
                    let Deletion { around, opening } = &**deletion;
                    check_place(written, at, &opening.leaf)?;
                    let wrong = |reason: &str| VerifyError::Record {
                        pack: written.root,
                        at,
                        reason: reason.to_owned(),
                    };
                    if !around.deleted {
                        return Err(wrong("it isn't the deletion that it is said to be"));
                    }
                    let plaintext = Record { around: around.clone(), bytes: Plain::default() }.to_plaintext();
                    opening
                        .verify(written.root, &plaintext)
                        .map_err(|_| wrong("it isn't the deletion that was written"))?;
                    counts.deleted += 1;
                }
                RecordProof::Absent(leaf) => {
                    check_place(written, at, leaf)?;
                    let kept = contents.compartments.get(&leaf.compartment);
                    let is_named = u32::try_from(at).is_ok_and(|at| written.erased.contains(&at));
                    match kept {
                        Some(kept) if kept.role != Role::Records => counts.own += 1,
                        Some(kept) if kept.erased || is_named => counts.erased += 1,
                        Some(_) | None => counts.withheld += 1,
                    }
                }
            }
        }
    }
    match (0_u32..).zip(entries).find(|(entry, _)| !seen.contains(entry)) {
        Some((entry, _)) => Err(VerifyError::Stranger { entry: entry as usize }),
        None => Ok(counts),
    }
}

/// Whether the leaf is the pack's at this place, in one of the pack's compartments.
fn check_place(written: &Written, at: usize, leaf: &LeafProof) -> Result<(), VerifyError> {
    let wrong = |reason: &str| VerifyError::Record { pack: written.root, at, reason: reason.to_owned() };
    // The head of the pack has the first leaf.
    if leaf.path.index != at as u64 + 1 || leaf.path.len != u64::from(written.records) + 1 {
        return Err(wrong("its proof is of another place"));
    }
    if !written.compartments.contains(&leaf.compartment) {
        return Err(wrong("it claims a compartment that the pack didn't write into"));
    }
    leaf.verify(written.root).map_err(|error| wrong(&error.to_string()))
}

/// Whether the entry is, byte for byte, what was sealed.
fn check_entry(pack: PackRoot, here: &Here, entries: &[Entry<'_>]) -> Result<(), VerifyError> {
    let Here { entry: number, around, opening } = here;
    let changed = || VerifyError::Entry { entry: *number as usize };
    let entry =
        entries.get(*number as usize).ok_or(VerifyError::Malformed("it names an entry that isn't there"))?;
    let resource = entry.resource.as_ref().ok_or_else(changed)?;
    if entry.full_url.as_deref() != around.full_url.as_deref() {
        return Err(changed());
    }
    let bytes = Plain::new(resource.bytes().to_vec()).map_err(|_| changed())?;
    let plaintext = Record { around: around.clone(), bytes }.to_plaintext();
    opening.verify(pack, &plaintext).map_err(|_| changed())
}

/// Whether the file is, byte for byte, what these entries are written as: nothing else hides in it.
fn check_layout(file: &[u8], entries: &[Entry<'_>]) -> Result<(), VerifyError> {
    let records = entries.iter().filter_map(|entry| {
        let resource = entry.resource.as_ref()?.bytes();
        Some(collect::Record { full_url: entry.full_url.as_deref(), resource })
    });
    let written = collect::collect(Form::Collection, records, &limits())
        .map_err(|_| VerifyError::Malformed("an entry isn't a resource"))?;
    if written == file {
        return Ok(());
    }
    let at = written.iter().zip(file).take_while(|(one, other)| one == other).count();
    Err(VerifyError::Layout { at })
}
