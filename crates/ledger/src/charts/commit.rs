//! This file is where a write becomes final: new compartments with their acknowledgements, the pack, the storage receipts.

use super::{
    attest::{Attested, attest, check_enough},
    state::{
        CHART_UNKNOWN, CHARTS, COMPARTMENT_ERASED, COMPARTMENT_EXISTS, COMPARTMENT_FOREIGN,
        COMPARTMENT_MALFORMED, COMPARTMENT_READ, COMPARTMENT_UNKNOWN, COMPARTMENTS, Chart, ClassId,
        Compartment, KEEP_UNTIL_PASSED, NOT_CUSTODIAN, NOTHING_WRITTEN, PACK_EXISTS, PACKS, Pack, Places,
        Position, Role, WRITE_NOT_ALLOWED, add_class, class, is_erased,
    },
};
use crate::{Ctx, Draft, Kind, Reject, Who, consent, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{
    COMPARTMENTS_MAX, ChartId, CompartmentBody, CompartmentId, Hash, List, Millis, OrgId, PackRoot,
    PrincipalId, TRUSTEES_MAX, Tag, compartments_hash,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The only cryptographic suite so far: X-Wing, HKDF-SHA256, AES-256-GCM, Pedersen over ristretto255.
const SUITE: u16 = 1;

/// Makes a write final. The signer's organisation is the writer. Needs acknowledgements of as many trustees as open a
/// record if it opens compartments, and storage receipts of more other organisations than may fail.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Commit {
    /// The chart written into.
    pub chart: ChartId,
    /// The pack: Merkle root over its records.
    pub pack: PackRoot,
    /// How many records it has.
    pub records: u32,
    /// Bytes of all its parts.
    pub bytes: u64,
    /// Compartments that it opens.
    pub opens: List<NewCompartment, COMPARTMENTS_MAX>,
    /// Compartments of the writer that it writes into besides.
    pub into: List<CompartmentId, COMPARTMENTS_MAX>,
    /// Hash over all dealings; zero if it opens nothing.
    pub dealing: Hash,
    /// Until when trustees keep shares and organisations keep the pack uncommitted.
    pub keep_until: Millis,
    /// What trustees signed.
    pub acknowledgements: List<Attested, TRUSTEES_MAX>,
    /// What storing organisations signed.
    pub receipts: List<Attested, TRUSTEES_MAX>,
}

/// A compartment that a commit opens.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct NewCompartment {
    /// What it is for. Index and audit compartments are the custodian's to open.
    pub role: Role,
    /// Whether its category is more sensitive than general.
    pub special: bool,
    /// What its id is the hash of.
    pub body: CompartmentBody,
}

/// Something was written.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Committed {
    /// The writing organisation.
    pub writer: OrgId,
    /// The practitioner who wrote, if one did.
    pub by: Option<PrincipalId>,
    /// The pack.
    pub pack: PackRoot,
    /// How many records it has.
    pub records: u32,
    /// Compartments opened: id, category, and what for.
    pub opened: List<(CompartmentId, Tag, Role), COMPARTMENTS_MAX>,
    /// Compartments written into besides.
    pub into: List<CompartmentId, COMPARTMENTS_MAX>,
}

impl Kind for Commit {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self {
            chart,
            pack,
            records,
            bytes,
            opens,
            into,
            dealing,
            keep_until,
            acknowledgements,
            receipts,
        } = self;
        let mut row = CHARTS.get(draft, chart).ok_or(CHART_UNKNOWN)?;
        if *records == 0 || (opens.is_empty() && into.is_empty()) {
            return Err(NOTHING_WRITTEN);
        }
        if PACKS.has(draft, pack) {
            return Err(PACK_EXISTS);
        }
        if *keep_until < ctx.now {
            return Err(KEEP_UNTIL_PASSED);
        }
        let at = Position::from(ctx);
        let writer = ctx.signer.org();
        check_into(self, draft, ctx)?;
        for new in opens.iter() {
            open(self, new, ctx, draft, &mut row)?;
        }
        let lies_in = opens.iter().map(|new| new.body.id()).chain(into.iter().copied());
        let mut written = Pack {
            chart: *chart,
            writer: writer.clone(),
            records: *records,
            dealing: *dealing,
            keep_until: *keep_until,
            bytes: *bytes,
            compartments: compartments_hash(lies_in),
            committed: at,
            acknowledged: Places::default(),
            stored: Places::default(),
            erased: List::default(),
        };
        attest(draft, ctx, pack, &mut written, acknowledgements, receipts)?;
        check_enough(draft, &written, !opens.is_empty())?;
        PACKS.put(draft, pack, &written);
        CHARTS.put(draft, chart, &row);
        let opened: Vec<_> = opens.iter().map(|new| (new.body.id(), new.body.tag, new.role)).collect();
        let opened = opened.try_into().map_err(|_| COMPARTMENT_MALFORMED)?;
        let (by, writer) = (ctx.signer.principal(), writer.clone());
        draft.emit(
            *chart,
            &Committed { writer, by, pack: *pack, records: *records, opened, into: into.clone() },
        );
        Ok(())
    }
}

/// Refuses compartments that can't be written into: unknown, foreign, erased, or read since they were opened.
fn check_into(commit: &Commit, draft: &Draft<'_>, ctx: &Ctx) -> Result<(), Reject> {
    for id in commit.into.iter() {
        let compartment = COMPARTMENTS.get(draft, id).ok_or(COMPARTMENT_UNKNOWN)?;
        if compartment.chart != commit.chart || compartment.writer != *ctx.signer.org() {
            return Err(COMPARTMENT_FOREIGN);
        }
        if is_erased(draft, &compartment) {
            return Err(COMPARTMENT_ERASED);
        }
        let class = match compartment.role {
            Role::Records => Some(class(draft, &compartment.class()).ok_or(COMPARTMENT_UNKNOWN)?),
            Role::Index | Role::Audit => None,
        };
        let special = class.as_ref().is_some_and(|class| class.special);
        if !consent::may_write(draft, ctx, &commit.chart, &compartment.tag, special) {
            return Err(WRITE_NOT_ALLOWED);
        }
        // Whoever was let into the class after the compartment was opened holds its key: what is new must not lie there.
        if class.and_then(|class| class.read).is_some_and(|read| compartment.opened <= read) {
            return Err(COMPARTMENT_READ);
        }
    }
    Ok(())
}

fn open(
    commit: &Commit,
    new: &NewCompartment,
    ctx: &Ctx,
    draft: &mut Draft<'_>,
    row: &mut Chart,
) -> Result<(), Reject> {
    let NewCompartment { role, special, body } = new;
    let writer = ctx.signer.org();
    if body.chart != commit.chart || body.writer != *writer {
        return Err(COMPARTMENT_FOREIGN);
    }
    let distinct = body.commitments.iter().collect::<BTreeSet<_>>().len() == body.commitments.len();
    let threshold = governance::quorum(draft).t;
    if body.suite != SUITE || !distinct || u32::try_from(body.commitments.len()) != Ok(threshold) {
        return Err(COMPARTMENT_MALFORMED);
    }
    let id = body.id();
    if COMPARTMENTS.has(draft, &id) {
        return Err(COMPARTMENT_EXISTS);
    }
    match role {
        Role::Records => {}
        Role::Index | Role::Audit if row.custodian != *writer => return Err(NOT_CUSTODIAN),
        Role::Index => row.index = Some(id),
        Role::Audit => row.audit = Some(id),
    }
    if !consent::may_write(draft, ctx, &commit.chart, &body.tag, *special) {
        return Err(WRITE_NOT_ALLOWED);
    }
    // Index and audit are the chart's own: nothing is decided for them, so they belong to no class.
    if *role == Role::Records {
        let class_id = ClassId { chart: commit.chart, tag: body.tag, writer: writer.clone() };
        match class(draft, &class_id) {
            Some(class) if class.special == *special => {}
            Some(_) => return Err(COMPARTMENT_MALFORMED),
            None => add_class(draft, &class_id, *special)?,
        }
    }
    let compartment = Compartment {
        chart: commit.chart,
        tag: body.tag,
        writer: writer.clone(),
        role: *role,
        pack: commit.pack,
        dealing: commit.dealing,
        opened: Position::from(ctx),
        erased: false,
    };
    COMPARTMENTS.put(draft, &id, &compartment);
    Ok(())
}
