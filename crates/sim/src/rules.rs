//! This file is where the naive ledger says who may read, write and be handed a key: the base policies in plain words.

use crate::state::{Access, Chart, Permitted, State};
use ledger::{
    Signer,
    charts::Role,
    consent::{Action, Directive, Grantee, Purpose, Scope},
};
use primitives::{CompartmentId, Hash, Millis, OrgId, Tag, TxId};

const CLINICIANS: [&str; 5] = ["physician", "nurse", "paramedic", "midwife", "emergency-physician"];

/// A question about one category of a chart.
pub(crate) struct Question<'a> {
    pub(crate) signer: &'a Signer,
    /// None for writing.
    pub(crate) purpose: Option<Purpose>,
    /// Whether an emergency was declared and the signer proved who it is once more.
    pub(crate) proven_emergency: bool,
    /// None for the index.
    pub(crate) class: Option<(Tag, OrgId)>,
    pub(crate) special: bool,
    pub(crate) now: Millis,
}

impl Question<'_> {
    fn is_for(&self, wide: Purpose) -> bool {
        let mut at = self.purpose;
        while let Some(purpose) = at {
            if purpose == wide {
                return true;
            }
            at = purpose.parent();
        }
        false
    }

    fn is_clinical_emergency(&self) -> bool {
        let Signer::Practitioner { role, .. } = self.signer else { return false };
        self.proven_emergency && CLINICIANS.contains(&role.to_string().as_str())
    }

    /// Whether a directive is about this, in force and to whom it may concern.
    fn concerns(&self, permits: bool, directive: &Directive) -> bool {
        let action = if self.purpose.is_some() { Action::Read } else { Action::Write };
        let purpose =
            self.purpose.is_none() || directive.purposes.iter().any(|purpose| self.is_for(*purpose));
        let scope = match (&directive.scope, &self.class) {
            (Scope::All, _) => true,
            (Scope::General, _) => !self.special,
            (Scope::Tags(tags), Some((tag, _))) => tags.iter().any(|one| one == tag),
            (Scope::Tags(_), None) => permits,
        };
        let whom = match (self.signer, &directive.grantee) {
            (Signer::Organisation(asking), Grantee::Organisation(org))
            | (Signer::Practitioner { org: asking, .. }, Grantee::Organisation(org)) => org == asking,
            (Signer::Practitioner { org: asking, role: has, .. }, Grantee::Role { org, role }) => {
                (org, role) == (asking, has)
            }
            (
                Signer::Practitioner { org: asking, principal, .. },
                Grantee::Practitioner { org, practitioner },
            ) => (org, practitioner) == (asking, principal),
            _ => false,
        };
        let in_force = directive.from <= self.now && self.now < directive.until;
        directive.action == action && purpose && scope && whom && in_force
    }

    /// What the directives say: the permitting one that lasts longest, and whether any denies.
    fn directed(&self, chart: &Chart) -> (Option<TxId>, bool) {
        let mut best: Option<&Directive> = None;
        let mut denied = false;
        for (permits, directive) in &chart.directives {
            if !self.concerns(*permits, directive) {
                continue;
            }
            if !permits {
                denied = true;
            } else if best.is_none_or(|best| directive.until > best.until) {
                best = Some(directive);
            }
        }
        (best.map(|directive| directive.id), denied)
    }
}

impl State {
    /// Whether it may be, and on which directive that rests.
    pub(crate) fn may(&self, chart: &Chart, question: &Question<'_>) -> (bool, Option<TxId>) {
        let (permit, denied) = question.directed(chart);
        let lifted = if question.special {
            self.params.break_glass_overrides_special
        } else {
            self.params.break_glass_overrides_general
        };
        if denied && !(lifted && question.is_clinical_emergency()) {
            return (false, None);
        }
        let directive = permit.filter(|_| !denied);
        let (anyway, never) = match question.purpose {
            None => (self.may_write_anyway(chart, question), false),
            Some(_) => self.may_read_anyway(chart, question),
        };
        ((anyway || directive.is_some()) && !never, directive.filter(|_| !anyway && !never))
    }

    fn may_write_anyway(&self, chart: &Chart, question: &Question<'_>) -> bool {
        let (Signer::Organisation(org) | Signer::Practitioner { org, .. }) = question.signer else {
            return false;
        };
        chart.custodian == *org || chart.treats.get(org).is_some_and(|until| question.now < *until)
    }

    /// Whether it may be read without a directive, and whether it may not even with one.
    fn may_read_anyway(&self, chart: &Chart, question: &Question<'_>) -> (bool, bool) {
        let wrote = |org: &OrgId| match &question.class {
            Some((_, writer)) => writer == org,
            None => chart.custodian == *org,
        };
        let treatment = question.is_for(Purpose::Treatment);
        let business = question.is_for(Purpose::Payment) || question.is_for(Purpose::Operations);
        let anyway = match question.signer {
            Signer::Organisation(org) => chart.directory || (wrote(org) && business),
            Signer::Practitioner { org, .. } => {
                chart.directory || (wrote(org) && (business || treatment)) || question.is_clinical_emergency()
            }
            Signer::Person { .. } => {
                question.is_for(Purpose::PatientRequest)
                    && self.speaks_for_owner(chart, question.signer, question.now)
            }
            Signer::Device { .. } => false,
        };
        let system = matches!(question.signer, Signer::Organisation(_)) && treatment && !chart.directory;
        // Whose systems lost what the organisation wrote itself may read it again.
        let restores = question.is_for(Purpose::Operations)
            && matches!(question.signer, Signer::Organisation(org) if wrote(org));
        let unowned = chart.owner.is_none() && !chart.directory && !treatment && !restores;
        (anyway, system || unowned)
    }

    /// Whether a trustee may hand over its share.
    pub(crate) fn hands_over(
        &self,
        id: &TxId,
        compartment: &CompartmentId,
        session_key: &Hash,
        now: Millis,
    ) -> bool {
        let Some(wanted) = self.compartments.get(compartment) else { return false };
        let Some(access) = self.accesses.get(&(*id, wanted.chart)) else { return false };
        let Some(chart) = self.charts.get(&access.chart) else { return false };
        let alive = now < access.expires
            && access.session_key == *session_key
            && self.signer(&access.key, now).as_ref() == Some(&access.signer)
            && (!access.owner || self.speaks_for_owner(chart, &access.signer, now));
        let class = (wanted.tag, wanted.writer.clone());
        let covered = match wanted.role {
            Role::Audit => access.owner,
            Role::Index => access.permitted.iter().any(|one| self.stands(chart, access, one, now)),
            Role::Records => access
                .permitted
                .iter()
                .find(|one| one.class.as_ref() == Some(&class))
                .is_some_and(|one| wanted.opened < access.at && self.stands(chart, access, one, now)),
        };
        alive && covered && !self.is_erased(compartment)
    }

    /// Whether what was permitted still is.
    fn stands(&self, chart: &Chart, access: &Access, permitted: &Permitted, now: Millis) -> bool {
        let rests = permitted.rests_on.is_none_or(|id| {
            let one = chart.directives.iter().find(|(_, directive)| directive.id == id);
            one.is_some_and(|(_, directive)| directive.from <= now && now < directive.until)
        });
        let question = Question {
            signer: &access.signer,
            purpose: (!access.writing || permitted.class.is_some()).then_some(access.purpose),
            proven_emergency: access.emergency.is_some_and(|emergency| emergency.step_up),
            class: permitted.class.clone(),
            special: permitted.special,
            now,
        };
        let (_, denied) = question.directed(chart);
        rests && (!denied || (access.emergency.is_some() && self.may(chart, &question).0))
    }
}
