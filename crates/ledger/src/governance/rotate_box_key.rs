//! This file is where a member replaces the key to which its trustee's shares are sealed.

use super::state::{BOX_KEY_BYTES, BOX_KEY_INVALID, Member, member, put_member};
use crate::{Ctx, Draft, Kind, Reject, Who, reject};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::Blob;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Replaces the key to which shares for the signing member's trustee are sealed. Once the old key is destroyed, a dealing
/// that somebody intercepted before can't be opened by whoever steals the trustee's keys later. Dealings under way are
/// still sealed to the old key, so that has to be kept until every outstanding write has the trustee's acknowledgement.
/// `horkos node rotate-box-key` sees to all of it: the node must hold the new key before this is on the ledger.
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
pub struct RotateBoxKey {
    /// The fresh X-Wing public key (1216 bytes).
    pub box_key: Blob<BOX_KEY_BYTES>,
}

impl Kind for RotateBoxKey {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { box_key } = self.clone();
        let org = ctx.signer.org();
        let row = member(draft, org).ok_or(reject::SIGNER_UNKNOWN)?;
        if box_key.len() != BOX_KEY_BYTES || box_key == row.box_key {
            return Err(BOX_KEY_INVALID);
        }
        put_member(draft, org, &Member { box_key, ..row });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{RotateBoxKey, member};
    use crate::testing::{World, key, org, said};

    #[test]
    fn a_member_replaces_its_own_box_key() {
        let mut world = World::new();
        let person = world.person("riverside-hospital", "owner");
        let fresh = |len: usize, byte: u8| RotateBoxKey { box_key: vec![byte; len].try_into().unwrap() };
        let lakeside = key("lakeside-clinic");
        for (signer, act, expected) in [
            (&person, fresh(1216, 1), "NOT_FOR_SIGNER"),
            (&lakeside, fresh(0, 1), "BOX_KEY_INVALID"),
            (&lakeside, fresh(1215, 1), "BOX_KEY_INVALID"),
            // The network of the tests begins with zeros.
            (&lakeside, fresh(1216, 0), "BOX_KEY_INVALID"),
            (&lakeside, fresh(1216, 1), "ok"),
            (&lakeside, fresh(1216, 1), "BOX_KEY_INVALID"),
        ] {
            assert_eq!(said(world.act(signer, act)), expected);
        }
        let first = |name: &str| member(&world.state, &org(name)).unwrap().box_key[0];
        assert_eq!((first("lakeside-clinic"), first("riverside-hospital")), (1, 0));
    }
}
