//! This file is where an organisation ceases to carry a person's or device's traffic.

use super::state::{CARRIAGE_NOT_YOURS, CARRIER_LAST, PRINCIPAL_UNKNOWN, PRINCIPALS, Principal};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{OrgId, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ends that an organisation answers for a person's or device's traffic: by the person or device itself, or by the
/// organisation. The last one stays, so that nobody is left without a way to the ledger.
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
pub struct EndCarriage {
    /// The person or device.
    pub principal: PrincipalId,
    /// The organisation that ceases.
    pub org: OrgId,
}

impl Kind for EndCarriage {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Person, Who::Device];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { principal, org } = self;
        // Whoever it concerns: the one that is carried, or the one that carries.
        let concerned = match ctx.signer.principal() {
            Some(signer) => signer == *principal,
            None => ctx.signer.org() == org,
        };
        if !concerned {
            return Err(CARRIAGE_NOT_YOURS);
        }
        let row = PRINCIPALS.get(draft, principal).ok_or(PRINCIPAL_UNKNOWN)?;
        let mut orgs = row.orgs.clone().into_vec();
        let before = orgs.len();
        orgs.retain(|one| one != org);
        if orgs.is_empty() || orgs.len() == before {
            return Err(CARRIER_LAST);
        }
        let orgs = orgs.try_into().map_err(|_| CARRIER_LAST)?;
        PRINCIPALS.put(draft, principal, &Principal { orgs, ..row });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::identity::script::check;

    #[test]
    fn the_last_carrier_stays() {
        check(
            "
            owner end-carriage owner riverside | CARRIER_LAST
            owner end-carriage owner lakeside | CARRIER_LAST
            riverside end-carriage owner riverside | CARRIER_LAST
            riverside end-carriage nobody riverside | PRINCIPAL_UNKNOWN
            lakeside carry owner by owner | ok
            lakeside carry ward by ward | ok
            friend end-carriage owner lakeside | CARRIAGE_NOT_YOURS
            riverside end-carriage owner lakeside | CARRIAGE_NOT_YOURS
            lakeside end-carriage owner lakeside | ok
            lakeside end-carriage owner lakeside | CARRIER_LAST
            lakeside carry owner by owner | ok
            owner end-carriage owner riverside | ok
            owner delegate friend 1 | ok
            riverside appoint-guardian ward friend 9 | ok
            ward end-carriage ward riverside | ok
            riverside appoint-guardian ward friend 9 | NOT_OF_THIS_ORGANISATION
            lakeside appoint-guardian ward friend 9 | ok
            device end-carriage device riverside | CARRIER_LAST
            ",
        );
    }
}
