//! This file is where the naive ledger keeps what it knows, in maps that anybody can print.

use ledger::{
    Signer,
    access::Emergency,
    charts::{Role, Target},
    consent::{Directive, Purpose},
    governance::Params,
    identity::PrincipalKind,
};
use primitives::{
    ChartId, CompartmentId, Hash, Millis, OrgId, PackRoot, PrincipalId, PublicKey, Slug, Tag, TxId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Height, and place in the block.
pub(crate) type At = (u64, u32);

/// What every kind knows.
pub(crate) struct Now<'a> {
    pub(crate) at: At,
    pub(crate) time: Millis,
    pub(crate) tx: TxId,
    pub(crate) key: PublicKey,
    pub(crate) signer: &'a Signer,
}

/// Whose a key is.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Organisation(OrgId),
    Session { org: OrgId, practitioner: PrincipalId, role: Slug, until: Millis },
    Principal { kind: PrincipalKind, orgs: Vec<OrgId> },
    Ended,
}

#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) custodian: OrgId,
    pub(crate) directory: bool,
    pub(crate) owner: Option<PrincipalId>,
    /// Who may claim it, from when, until when.
    pub(crate) offer: Option<(PrincipalId, Millis, Millis)>,
    /// How often directives changed.
    pub(crate) changes: u64,
    pub(crate) directives: Vec<(bool, Directive)>,
    /// Taken back, some before they came.
    pub(crate) revoked: BTreeSet<TxId>,
    /// In the order of the first writing.
    pub(crate) classes: Vec<(Tag, OrgId)>,
    pub(crate) special: BTreeMap<(Tag, OrgId), bool>,
    pub(crate) read: BTreeMap<(Tag, OrgId), At>,
    /// Until when an organisation treats the patient.
    pub(crate) treats: BTreeMap<OrgId, Millis>,
    /// What was erased whole, and up to which place in the order.
    pub(crate) erased: Vec<(Target, At)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Compartment {
    pub(crate) chart: ChartId,
    pub(crate) tag: Tag,
    pub(crate) writer: OrgId,
    pub(crate) role: Role,
    pub(crate) opened: At,
}

#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) chart: ChartId,
    pub(crate) signer: Signer,
    pub(crate) key: PublicKey,
    pub(crate) purpose: Purpose,
    pub(crate) writing: bool,
    pub(crate) emergency: Option<Emergency>,
    pub(crate) at: At,
    pub(crate) expires: Millis,
    pub(crate) session_key: Hash,
    pub(crate) owner: bool,
    pub(crate) permitted: Vec<Permitted>,
}

#[derive(Clone, Debug)]
pub(crate) struct Permitted {
    pub(crate) class: Option<(Tag, OrgId)>,
    pub(crate) special: bool,
    /// The directive without which it would have been denied.
    pub(crate) rests_on: Option<TxId>,
}

/// What an organisation used of the window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) window: u64,
    pub(crate) txs: u64,
    pub(crate) bytes: u64,
    pub(crate) denied: u64,
    pub(crate) emergencies: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) params: Params,
    /// Members in the order of the committee, and whether they may stand in for a custodian.
    pub(crate) members: Vec<(OrgId, bool)>,
    pub(crate) keys: BTreeMap<PublicKey, Key>,
    pub(crate) charts: BTreeMap<ChartId, Chart>,
    pub(crate) compartments: BTreeMap<CompartmentId, Compartment>,
    pub(crate) packs: BTreeMap<PackRoot, (ChartId, u32, BTreeSet<u32>)>,
    /// By transaction and chart: one transaction may ask for several.
    pub(crate) accesses: BTreeMap<(TxId, ChartId), Access>,
    pub(crate) erasures: BTreeMap<TxId, BTreeSet<OrgId>>,
    /// Owner, delegate, until when.
    pub(crate) delegations: BTreeMap<(PrincipalId, PrincipalId), Millis>,
    pub(crate) used: BTreeMap<OrgId, Used>,
    /// When emergency accesses must have been reviewed.
    pub(crate) reviews: BTreeMap<OrgId, Vec<Millis>>,
    pub(crate) consumed: BTreeSet<TxId>,
}

impl State {
    pub(crate) fn signer(&self, key: &PublicKey, now: Millis) -> Option<Signer> {
        match self.keys.get(key)?.clone() {
            Key::Organisation(org) => Some(Signer::Organisation(org)),
            Key::Session { until, .. } if until <= now => None,
            Key::Session { org, practitioner, role, until: _ } => {
                Some(Signer::Practitioner { principal: practitioner, org, role, session: *key })
            }
            Key::Principal { kind, orgs } => {
                let (principal, org) = (key.principal(), orgs.first()?.clone());
                Some(match kind {
                    PrincipalKind::Person | PrincipalKind::Ward => Signer::Person { principal, org },
                    PrincipalKind::Device => Signer::Device { principal, org },
                })
            }
            Key::Ended => None,
        }
    }

    pub(crate) fn is_person(&self, id: &PrincipalId) -> bool {
        self.keys.iter().any(|(key, owner)| {
            let person = matches!(
                owner,
                Key::Principal { kind: PrincipalKind::Person | PrincipalKind::Ward, orgs: _ }
            );
            person && key.principal() == *id
        })
    }

    /// Whether the signer owns the chart or acts for who does.
    pub(crate) fn speaks_for_owner(&self, chart: &Chart, signer: &Signer, now: Millis) -> bool {
        let (Signer::Person { principal, .. }, Some(owner)) = (signer, chart.owner) else { return false };
        *principal == owner || self.delegations.get(&(owner, *principal)).is_some_and(|until| now < *until)
    }

    pub(crate) fn is_erased(&self, id: &CompartmentId) -> bool {
        let Some(one) = self.compartments.get(id) else { return false };
        let Some(chart) = self.charts.get(&one.chart) else { return false };
        chart.erased.iter().any(|(target, at)| match target {
            Target::Chart => one.opened <= *at,
            Target::Class { tag, org } => {
                one.role == Role::Records && (*tag, org) == (one.tag, &one.writer) && one.opened <= *at
            }
            Target::Compartment(named) => named == id,
            Target::Records { .. } => false,
        })
    }
}
