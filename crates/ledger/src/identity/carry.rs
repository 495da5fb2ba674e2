//! This file is where a further organisation takes on a person's or device's traffic.

use super::state::{CARRIERS_FULL, CONSENT_INVALID, PRINCIPAL_UNKNOWN, PRINCIPALS, Principal};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{NetworkId, OrgId, PrincipalId, SecretKey, Signature, domain, encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lets the signing organisation answer for the traffic of a person or device who is enrolled elsewhere, and who asked
/// for it: a second way to the ledger, once the first one's share is used up or its node is silent.
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
pub struct Carry {
    /// The person or device.
    pub principal: PrincipalId,
    /// Its signature, by the key in force, over network, principal and organisation.
    pub consent: Signature,
}

impl Carry {
    /// With `key`, `principal` asks `org` of `network` to carry its traffic.
    #[must_use]
    pub fn ask(network: NetworkId, principal: PrincipalId, org: &OrgId, key: &SecretKey) -> Self {
        let consent = key.sign(domain::CARRIAGE, &encode(&(network, principal, org)));
        Self { principal, consent }
    }
}

impl Kind for Carry {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { principal, consent } = self;
        let org = ctx.signer.org();
        let row = PRINCIPALS.get(draft, principal).ok_or(PRINCIPAL_UNKNOWN)?;
        row.key
            .verify(domain::CARRIAGE, &encode(&(ctx.network, *principal, org)), consent)
            .map_err(|_| CONSENT_INVALID)?;
        let mut orgs = row.orgs.clone().into_vec();
        if orgs.contains(org) {
            return Err(CARRIERS_FULL);
        }
        orgs.push(org.clone());
        let orgs = orgs.try_into().map_err(|_| CARRIERS_FULL)?;
        PRINCIPALS.put(draft, principal, &Principal { orgs, ..row });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Outcome,
        consent::{Revocable, Revoke},
        governance::Params,
        identity::{script::check, signer},
        policy, reject,
        testing::{World, chart_id, key, org},
    };
    use primitives::{Span, TxId};

    #[test]
    fn a_second_organisation_carries_whom_it_was_asked_to() {
        check(
            "
            lakeside carry nobody by owner | PRINCIPAL_UNKNOWN
            lakeside carry owner by friend | CONSENT_INVALID
            riverside carry owner by owner | CARRIERS_FULL
            owner carry owner by owner | NOT_FOR_SIGNER
            lakeside carry owner by owner | ok
            lakeside carry owner by owner | CARRIERS_FULL
            owner rotate owner fresh | ok
            riverside carry owner by owner | CONSENT_INVALID
            fresh delegate friend 1 | ok
            friend rotate friend renewed | ok
            lakeside carry friend by renewed | ok
            lakeside carry device by device | ok
            ",
        );
    }

    /// A hospital that uses up its share can't keep its patient from revoking.
    #[test]
    fn the_second_organisations_share_is_used_once_the_firsts_is_spent() {
        let params = Params { quota_txs: 100, quota_window: Span::hours(1), ..Params::default() };
        let mut world = World::with(params, policy::BASE);
        let owner = world.person("riverside-hospital", "owner");
        let chart = world.chart("riverside-hospital", "c");
        world.claim("riverside-hospital", chart, &owner);
        let flood: Vec<_> = (0..100)
            .map(|place| {
                let create =
                    crate::charts::Create { chart: chart_id(&format!("flood {place}")), directory: false };
                world.sign(&key("riverside-hospital"), create)
            })
            .collect();
        assert_eq!(world.block(&flood).pop().unwrap().outcome, Outcome::Rejected(reject::QUOTA));
        let revoke =
            |place: u8| Revoke { chart, target: Revocable::Directive(TxId(primitives::Hash([place; 32]))) };
        let last = |world: &mut World, signed| world.block(&[signed]).pop().unwrap().outcome;
        let early = world.sign(&owner, revoke(1));
        assert_eq!(last(&mut world, early.clone()), Outcome::Rejected(reject::QUOTA));

        let network = world.network;
        let ask = super::Carry::ask(network, owner.public().principal(), &org("lakeside-clinic"), &owner);
        world.act(&key("lakeside-clinic"), ask).unwrap();
        assert_eq!(last(&mut world, early), Outcome::Applied, "what was refused for its cost may come again");
        let who = signer(&world.state, &owner.public(), world.now).unwrap();
        assert_eq!(*who.org(), org("riverside-hospital"), "who she is doesn't depend on who carries her");
        for place in 0..98 {
            let signed = world.sign(&owner, revoke(100 + place));
            assert_eq!(last(&mut world, signed), Outcome::Applied, "{place}");
        }
        let signed = world.sign(&owner, revoke(99));
        assert_eq!(
            last(&mut world, signed),
            Outcome::Rejected(reject::QUOTA),
            "the second share has an end, too"
        );
        let other = world.sign(
            &key("lakeside-clinic"),
            crate::charts::Create { chart: chart_id("of lakeside"), directory: false },
        );
        assert_eq!(last(&mut world, other), Outcome::Rejected(reject::QUOTA), "it was charged to lakeside");
    }
}
