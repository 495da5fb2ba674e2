//! This file is where a patient takes back.

use super::{
    Effect, Grantee,
    state::{CONSENT_STALE, DIRECTIVES_MAX, NOTHING_TO_REVOKE, TOMBSTONES, directing, living, put},
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, List, PrincipalId, TxId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes back one directive, or all that a grantee was permitted, at once. Overtakes other transactions on the way into a
/// block; a directive that it overtook never comes into force.
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
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The chart.
    pub chart: ChartId,
    /// What is taken back.
    pub target: Revocable,
}

/// What can be taken back.
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
#[serde(rename_all = "kebab-case")]
pub enum Revocable {
    /// One directive, permitting or denying, even if it hasn't arrived yet.
    Directive(TxId),
    /// Every permission of a grantee; of an organisation, also those of its roles and practitioners. What is denied
    /// stays denied.
    Grantee {
        /// The grantee.
        grantee: Grantee,
        /// How often the chart's directives have changed so far.
        sequence: u64,
    },
}

/// Something was taken back.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary, Serialize, JsonSchema)]
pub struct Revoked {
    /// Who signed: the owner, or who acts for the owner.
    pub by: PrincipalId,
    /// What the signer named.
    pub target: Revocable,
    /// The directives that are no longer in force, or never will be.
    pub directives: List<TxId, DIRECTIVES_MAX>,
}

impl Kind for Revoke {
    const WHO: &'static [Who] = &[Who::Person];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, target } = self;
        let by = directing(draft, ctx, chart)?;
        let mut consents = living(draft, chart, ctx.now);
        let revoked: Vec<TxId> = match target {
            Revocable::Directive(id) => vec![*id],
            Revocable::Grantee { grantee: _, sequence } if *sequence != consents.sequence => {
                return Err(CONSENT_STALE);
            }
            Revocable::Grantee { grantee, sequence: _ } => {
                let permits =
                    consents.directives.iter().filter(|directive| directive.effect == Effect::Permit);
                permits
                    .filter(|directive| grantee.covers(&directive.grantee))
                    .map(|directive| directive.id)
                    .collect()
            }
        };
        if revoked.is_empty() {
            return Err(NOTHING_TO_REVOKE);
        }
        consents.directives.retain(|directive| !revoked.contains(&directive.id));
        put(draft, chart, consents);
        // Stays for good: nobody knows when a transaction that was signed once arrives.
        for id in &revoked {
            TOMBSTONES.put(draft, &(*chart, *id), &());
        }
        let directives = revoked.try_into().map_err(|_| NOTHING_TO_REVOKE)?;
        draft.emit(*chart, &Revoked { by, target: target.clone(), directives });
        Ok(())
    }
}
