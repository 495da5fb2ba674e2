//! This file is where a write becomes final: new compartments with their acknowledgements, the pack, the storage receipts.

use super::{
    attest::{Attested, attest, check_enough},
    state::{
        CHART_UNKNOWN, CHARTS, COMPARTMENT_ERASED, COMPARTMENT_EXISTS, COMPARTMENT_FOREIGN,
        COMPARTMENT_MALFORMED, COMPARTMENT_READ, COMPARTMENT_UNKNOWN, COMPARTMENTS, Chart, ClassId,
        Compartment, KEEP_UNTIL_PASSED, NOT_CUSTODIAN, NOT_OWNER, NOTHING_WRITTEN, PACK_EXISTS, PACKS, Pack,
        Places, Position, Role, WRITE_NOT_ALLOWED, add_class, class, is_erased,
    },
};
use crate::{Ctx, Draft, Kind, Reject, Signer, Who, consent, governance};
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
/// record if it opens compartments, and storage receipts of more other organisations than may fail. A chart's owner writes
/// nothing but a fresh audit compartment.
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
    /// What it is for. Index compartments are the custodian's to open, and audit compartments until the chart is claimed;
    /// from then on they are the owner's.
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
    /// The practitioner who wrote, if one did; the person who opened an audit compartment as owner.
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
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner, Who::Person];

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
        let only_audit =
            opens.len() == 1 && into.is_empty() && opens.iter().all(|new| new.role == Role::Audit);
        if is_person(ctx) && !only_audit {
            return Err(WRITE_NOT_ALLOWED);
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
        Role::Index if row.custodian != *writer => return Err(NOT_CUSTODIAN),
        Role::Index => row.index = Some(id),
        Role::Audit => {
            check_audit(ctx, draft, &commit.chart, row)?;
            row.audit = Some(id);
        }
    }
    // A person got this far as the owner, with an audit compartment.
    if !is_person(ctx) && !consent::may_write(draft, ctx, &commit.chart, &body.tag, *special) {
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

/// Refuses to let anybody but the owner open an audit compartment, once there is one: whoever makes its key could keep it.
fn check_audit(ctx: &Ctx, draft: &Draft<'_>, chart: &ChartId, row: &Chart) -> Result<(), Reject> {
    let claimed = consent::parties(draft, chart).is_some_and(|parties| parties.owner.is_some());
    if claimed || is_person(ctx) {
        return if consent::acts_for_owner(draft, &ctx.signer, chart, ctx.now) {
            Ok(())
        } else {
            Err(NOT_OWNER)
        };
    }
    if row.custodian == *ctx.signer.org() { Ok(()) } else { Err(NOT_CUSTODIAN) }
}

fn is_person(ctx: &Ctx) -> bool {
    match &ctx.signer {
        Signer::Person { .. } => true,
        Signer::Organisation(_) | Signer::Practitioner { .. } | Signer::Device { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Commit;
    use crate::{
        access::{Extent, Request},
        charts::{
            Attested, Role,
            scene::{LAKESIDE, RIVERSIDE, Scene},
        },
        consent::Purpose,
        testing::{chart_id, key, org, said, tag},
    };
    use primitives::{Commitment, CompartmentId, Hash, Millis, PackRoot, Signature, compartments_hash};

    /// An edit to a good commit that opens a compartment, or adds to one, and how it then ends.
    type Case = (&'static str, fn(&mut Commit));

    fn check(commit: fn(&mut Scene) -> Commit, cases: &[Case]) {
        for (place, (expected, edit)) in cases.iter().enumerate() {
            let mut scene = Scene::new();
            let mut commit = commit(&mut scene);
            edit(&mut commit);
            let pack = super::PACKS.key(&commit.pack);
            assert_eq!(scene.commit(commit), *expected, "case {place}");
            assert_eq!(scene.world.state.0.contains_key(&pack), *expected == "ok", "case {place}");
        }
    }

    fn body(commit: &mut Commit, edit: fn(&mut primitives::CompartmentBody)) {
        let mut opens = commit.opens.clone().into_vec();
        edit(&mut opens[0].body);
        commit.opens = opens.try_into().unwrap();
    }

    fn acknowledgements(commit: &mut Commit, edit: fn(&mut Vec<Attested>)) {
        let mut attested = commit.acknowledgements.clone().into_vec();
        edit(&mut attested);
        commit.acknowledgements = attested.try_into().unwrap();
    }

    fn receipts(commit: &mut Commit, edit: fn(&mut Vec<Attested>)) {
        let mut attested = commit.receipts.clone().into_vec();
        edit(&mut attested);
        commit.receipts = attested.try_into().unwrap();
    }

    #[test]
    fn what_is_opened_must_fit() {
        check(
            Scene::opening,
            &[
                ("ok", |_| ()),
                ("CHART_UNKNOWN", |commit| commit.chart = chart_id("nowhere")),
                ("NOTHING_WRITTEN", |commit| commit.records = 0),
                ("NOTHING_WRITTEN", |commit| commit.opens = Vec::new().try_into().unwrap()),
                ("KEEP_UNTIL_PASSED", |commit| commit.keep_until = Millis(1)),
                ("COMPARTMENT_FOREIGN", |commit| body(commit, |body| body.chart = chart_id("d"))),
                ("COMPARTMENT_FOREIGN", |commit| body(commit, |body| body.writer = org(LAKESIDE))),
                ("COMPARTMENT_MALFORMED", |commit| body(commit, |body| body.suite = 2)),
                ("COMPARTMENT_MALFORMED", |commit| {
                    body(commit, |body| {
                        body.commitments = vec![Commitment([1; 32]); 3].try_into().unwrap();
                    });
                }),
                ("COMPARTMENT_MALFORMED", |commit| {
                    body(commit, |body| {
                        body.commitments = body.commitments[..2].to_vec().try_into().unwrap();
                    });
                }),
                ("COMPARTMENT_MALFORMED", |commit| {
                    let mut opens = commit.opens.clone().into_vec();
                    opens[0].special = true;
                    commit.opens = opens.try_into().unwrap();
                }),
                ("COMPARTMENT_EXISTS", |commit| {
                    let opens = [commit.opens[0].clone(), commit.opens[0].clone()];
                    commit.opens = opens.to_vec().try_into().unwrap();
                }),
                ("COMPARTMENT_UNKNOWN", |commit| {
                    commit.into = vec![CompartmentId::default()].try_into().unwrap();
                }),
                // What was signed names every field.
                ("ACKNOWLEDGEMENT_INVALID", |commit| commit.pack = PackRoot(Hash([1; 32]))),
                ("ACKNOWLEDGEMENT_INVALID", |commit| commit.dealing = Hash([1; 32])),
                ("ACKNOWLEDGEMENT_INVALID", |commit| commit.keep_until = Millis(u64::MAX)),
                ("RECEIPT_INVALID", |commit| commit.records = 2),
                ("RECEIPT_INVALID", |commit| commit.bytes = 2),
                ("RECEIPT_INVALID", |commit| body(commit, |body| body.key = Hash([1; 32]))),
            ],
        );
    }

    #[test]
    fn enough_trustees_acknowledge() {
        check(
            Scene::opening,
            &[
                ("ok", |commit| acknowledgements(commit, |attested| attested.truncate(3))),
                ("ACKNOWLEDGEMENTS_TOO_FEW", |commit| {
                    acknowledgements(commit, |attested| attested.truncate(2));
                }),
                ("ACKNOWLEDGEMENTS_TOO_FEW", |commit| acknowledgements(commit, Vec::clear)),
                ("ACKNOWLEDGEMENT_INVALID", |commit| {
                    acknowledgements(commit, |attested| attested[3] = attested[0].clone());
                }),
                ("ACKNOWLEDGEMENT_INVALID", |commit| {
                    acknowledgements(commit, |attested| attested[3].place = 4);
                }),
                ("ACKNOWLEDGEMENT_INVALID", |commit| {
                    acknowledgements(commit, |attested| attested[3].place = u32::MAX);
                }),
                ("ACKNOWLEDGEMENT_INVALID", |commit| {
                    acknowledgements(commit, |attested| attested[3].signature = attested[2].signature);
                }),
                ("ACKNOWLEDGEMENT_INVALID", |commit| {
                    acknowledgements(commit, |attested| attested[0].signature = Signature([0; 64]));
                }),
            ],
        );
        // Whoever opens nothing has dealt nothing that could be acknowledged.
        check(
            Scene::adding,
            &[
                ("ok", |_| ()),
                ("ACKNOWLEDGEMENT_INVALID", |commit| commit.acknowledgements = commit.receipts.clone()),
            ],
        );
    }

    #[test]
    fn enough_others_store() {
        let cases: [Case; 8] = [
            ("ok", |commit| receipts(commit, |attested| attested.truncate(2))),
            ("RECEIPTS_TOO_FEW", |commit| receipts(commit, |attested| attested.truncate(1))),
            ("RECEIPTS_TOO_FEW", |commit| receipts(commit, Vec::clear)),
            ("RECEIPT_INVALID", |commit| receipts(commit, |attested| attested[2] = attested[0].clone())),
            ("RECEIPT_INVALID", |commit| receipts(commit, |attested| attested[2].place = 4)),
            // The writer's own.
            ("RECEIPT_INVALID", |commit| receipts(commit, |attested| attested[2].place = 0)),
            ("RECEIPT_INVALID", |commit| {
                receipts(commit, |attested| attested[2].signature = attested[1].signature);
            }),
            ("RECEIPT_INVALID", |commit| {
                receipts(commit, |attested| attested[0].signature = Signature([0; 64]));
            }),
        ];
        check(Scene::opening, &cases);
        check(Scene::adding, &cases);
    }

    #[test]
    fn the_writers_own_receipt_does_not_count() {
        let mut scene = Scene::new();
        let mut commit = scene.adding();
        let own = primitives::StorageReceipt {
            network: scene.world.network,
            pack: commit.pack,
            chart: commit.chart,
            writer: org(RIVERSIDE),
            storer: org(RIVERSIDE),
            bytes: commit.bytes,
            records: commit.records,
            compartments: compartments_hash(commit.into.iter().copied()),
            keep_until: commit.keep_until,
        };
        let attested = Attested { place: 0, signature: own.sign(&key(RIVERSIDE)) };
        commit.receipts = vec![attested, commit.receipts[0].clone()].try_into().unwrap();
        assert_eq!(scene.commit(commit), "RECEIPT_INVALID");
    }

    #[test]
    fn receipts_bind_the_compartments_that_records_lie_in() {
        let mut scene = Scene::new();
        let psy = scene.world.write(RIVERSIDE, scene.chart, Role::Records, tag("psy"), true).unwrap();
        let mut commit = scene.adding();
        commit.into = vec![psy].try_into().unwrap();
        assert_eq!(scene.commit(commit), "RECEIPT_INVALID");
        let mut commit = scene.adding();
        commit.into = vec![scene.general, psy].try_into().unwrap();
        assert_eq!(scene.commit(commit), "RECEIPT_INVALID");
        let mut commit = scene.world.commit(RIVERSIDE, scene.chart, &[], &[scene.general, psy]);
        commit.into = vec![psy, scene.general].try_into().unwrap();
        assert_eq!(scene.commit(commit), "ok", "they are a set");
    }

    #[test]
    fn a_pack_is_committed_once() {
        let mut scene = Scene::new();
        let commit = scene.adding();
        assert_eq!(scene.commit(commit.clone()), "ok");
        assert_eq!(scene.commit(commit), "PACK_EXISTS");
    }

    #[test]
    fn only_the_custodian_opens_an_index_and_others_need_permission() {
        let mut scene = Scene::new();
        for (role, expected) in [(Role::Index, "NOT_CUSTODIAN"), (Role::Records, "WRITE_NOT_ALLOWED")] {
            let opens = [(role, tag("gen"), false)];
            let commit = scene.world.commit(LAKESIDE, scene.chart, &opens, &[]);
            assert_eq!(said(scene.world.act(&key(LAKESIDE), commit)), expected);
            let commit = scene.world.commit(RIVERSIDE, scene.chart, &opens, &[]);
            assert_eq!(scene.commit(commit), "ok");
        }
        let commit = scene.world.commit(LAKESIDE, scene.chart, &[], &[scene.general]);
        assert_eq!(said(scene.world.act(&key(LAKESIDE), commit)), "COMPARTMENT_FOREIGN");
        let other = scene.world.chart(RIVERSIDE, "other");
        let commit = scene.world.commit(RIVERSIDE, other, &[], &[scene.general]);
        assert_eq!(scene.commit(commit), "COMPARTMENT_FOREIGN");
    }

    #[test]
    fn an_audit_compartment_is_the_custodians_and_once_claimed_the_owners() {
        let mut scene = Scene::new();
        let unclaimed = scene.world.chart(RIVERSIDE, "unclaimed");
        let stranger = scene.world.person(RIVERSIDE, "stranger");
        let audit = [(Role::Audit, tag("audit"), false)];
        let (owner, claimed) = (scene.owner.clone(), scene.chart);
        let (riverside, lakeside) = (key(RIVERSIDE), key(LAKESIDE));
        for (chart, org, signer, expected) in [
            (unclaimed, LAKESIDE, &lakeside, "NOT_CUSTODIAN"),
            (unclaimed, RIVERSIDE, &stranger, "NOT_OWNER"),
            (unclaimed, RIVERSIDE, &riverside, "ok"),
            (claimed, RIVERSIDE, &riverside, "NOT_OWNER"),
            (claimed, LAKESIDE, &lakeside, "NOT_OWNER"),
            (claimed, RIVERSIDE, &stranger, "NOT_OWNER"),
            (claimed, RIVERSIDE, &owner, "ok"),
        ] {
            let commit = scene.world.commit(org, chart, &audit, &[]);
            let opened = commit.opens[0].body.id();
            let before = crate::charts::chart(&scene.world.state, &chart).unwrap().audit;
            assert_eq!(said(scene.world.act(signer, commit)), expected);
            let after = crate::charts::chart(&scene.world.state, &chart).unwrap().audit;
            assert_eq!(after, if expected == "ok" { Some(opened) } else { before });
        }
    }

    #[test]
    fn an_owner_writes_nothing_but_an_audit_compartment() {
        let mut scene = Scene::new();
        let owner = scene.owner.clone();
        let (gen_tag, audit) = ((Role::Records, tag("gen"), false), (Role::Audit, tag("audit"), false));
        for opens in [&[gen_tag][..], &[(Role::Index, tag("gen"), false)], &[audit, gen_tag], &[audit, audit]]
        {
            let commit = scene.world.commit(RIVERSIDE, scene.chart, opens, &[]);
            assert_eq!(said(scene.world.act(&owner, commit)), "WRITE_NOT_ALLOWED");
        }
        for opens in [&[][..], &[audit]] {
            let commit = scene.world.commit(RIVERSIDE, scene.chart, opens, &[scene.general]);
            assert_eq!(said(scene.world.act(&owner, commit)), "WRITE_NOT_ALLOWED");
        }
    }

    #[test]
    fn what_was_read_takes_no_more_records() {
        let mut scene = Scene::new();
        let opens = [(Role::Index, tag("gen"), false)];
        let index = scene.world.commit(RIVERSIDE, scene.chart, &opens, &[]);
        let index_id = index.opens[0].body.id();
        assert_eq!(scene.commit(index), "ok");
        let commit = scene.adding();
        assert_eq!(scene.commit(commit), "ok");
        let (chart, purpose) = (scene.chart, Purpose::PatientRequest);
        let (session_key, record) = (Hash([1; 32]), Hash([2; 32]));
        let request = Request { chart, purpose, extent: Extent::All, session_key, record };
        scene.world.act(&scene.owner, request).unwrap();
        let commit = scene.adding();
        assert_eq!(scene.commit(commit), "COMPARTMENT_READ");
        let commit = scene.world.commit(RIVERSIDE, chart, &[], &[index_id]);
        assert_eq!(scene.commit(commit), "ok", "the index is exempt");
        let fresh = scene.opening();
        scene.general = fresh.opens[0].body.id();
        assert_eq!(scene.commit(fresh), "ok");
        let commit = scene.adding();
        assert_eq!(scene.commit(commit), "ok");
    }

    #[test]
    fn a_chart_has_so_many_classes() {
        let mut scene = Scene::new();
        for place in 1..super::super::CLASSES_MAX {
            let label = tag(&format!("class {place}"));
            scene.world.write(RIVERSIDE, scene.chart, Role::Records, label, false).unwrap();
        }
        let more = scene.world.write(RIVERSIDE, scene.chart, Role::Records, tag("more"), false);
        assert_eq!(said(more.map(|_| primitives::TxId::default())), "CLASSES_TOO_MANY");
        let commit = scene.opening();
        assert_eq!(scene.commit(commit), "ok", "a class that there is takes more compartments");
    }
}
