//! This file is where later acknowledgements and storage receipts reach the ledger, until all members have given theirs.

use super::{
    attest::{Attested, attest},
    state::{ACKNOWLEDGEMENTS_TOO_FEW, PACK_UNKNOWN, PACKS, Places},
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, PackRoot, TRUSTEES_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Brings acknowledgements and storage receipts that came after the commit. Each must be new and verify.
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
pub struct Acknowledge {
    /// The pack.
    pub pack: PackRoot,
    /// What trustees signed.
    pub acknowledgements: List<Attested, TRUSTEES_MAX>,
    /// What storing organisations signed.
    pub receipts: List<Attested, TRUSTEES_MAX>,
}

/// A write is safer than it was.
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
pub struct Acknowledged {
    /// The pack.
    pub pack: PackRoot,
    /// Trustees that hold its shares now.
    pub acknowledged: Places,
    /// Organisations that store it now, besides the writer.
    pub stored: Places,
}

impl Kind for Acknowledge {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { pack, acknowledgements, receipts } = self;
        let mut row =
            PACKS.get(draft, pack).filter(|row| row.writer == *ctx.signer.org()).ok_or(PACK_UNKNOWN)?;
        if acknowledgements.is_empty() && receipts.is_empty() {
            return Err(ACKNOWLEDGEMENTS_TOO_FEW);
        }
        attest(draft, ctx, pack, &mut row, acknowledgements, receipts)?;
        PACKS.put(draft, pack, &row);
        let (chart, acknowledged, stored) = (row.chart, row.acknowledged, row.stored);
        draft.emit(chart, &Acknowledged { pack: *pack, acknowledged, stored });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Acknowledge;
    use crate::{
        Event,
        charts::{
            Attested,
            scene::{LAKESIDE, RIVERSIDE, Scene},
        },
        testing::{key, said},
    };

    #[test]
    fn what_comes_late_is_counted_once() {
        let mut scene = Scene::new();
        let whole = scene.opening();
        let mut commit = whole.clone();
        commit.acknowledgements = whole.acknowledgements[..3].to_vec().try_into().unwrap();
        commit.receipts = whole.receipts[..2].to_vec().try_into().unwrap();
        assert_eq!(scene.commit(commit), "ok");
        let (acknowledged, stored) = (&whole.acknowledgements[..], &whole.receipts[..]);
        let mut forged = stored[2].clone();
        forged.signature = stored[1].signature;
        let cases: [(&str, &str, &[Attested], &[Attested]); 8] = [
            (LAKESIDE, "PACK_UNKNOWN", &acknowledged[3..], &stored[2..]),
            (RIVERSIDE, "ACKNOWLEDGEMENTS_TOO_FEW", &[], &[]),
            (RIVERSIDE, "ACKNOWLEDGEMENT_INVALID", acknowledged, &[]),
            (RIVERSIDE, "RECEIPT_INVALID", &[], stored),
            (RIVERSIDE, "RECEIPT_INVALID", &acknowledged[3..], &[forged]),
            (RIVERSIDE, "ok", &acknowledged[3..], &[]),
            (RIVERSIDE, "ok", &[], &stored[2..]),
            (RIVERSIDE, "ACKNOWLEDGEMENT_INVALID", &acknowledged[3..], &[]),
        ];
        for (place, (who, expected, acknowledgements, receipts)) in cases.into_iter().enumerate() {
            let act = Acknowledge {
                pack: whole.pack,
                acknowledgements: acknowledgements.to_vec().try_into().unwrap(),
                receipts: receipts.to_vec().try_into().unwrap(),
            };
            assert_eq!(said(scene.world.act(&key(who), act)), expected, "case {place}");
        }
        match scene.world.events(&scene.chart).pop() {
            Some(Event::Acknowledged(event)) => {
                assert_eq!((event.acknowledged.count(), event.stored.count()), (4, 3));
            }
            other => panic!("{other:?}"),
        }
    }
}
