//! This file is where a block that somebody trusts is written down, so that an export can be held against it later.

use crate::{
    client::Client,
    proof::{ProofError, check_anchor},
    wire::Anchor,
};
use primitives::{BlockHash, NetworkId};
use serde::{Deserialize, Serialize};

/// A certified block, as noted at some time: JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The network.
    pub network: NetworkId,
    /// Height of the block.
    pub height: u64,
    /// Hash of its header.
    pub block: BlockHash,
}

/// What a checkpoint says of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointSaid {
    /// There was none.
    NotGiven,
    /// The export's chain goes through the checkpoint's block.
    Agrees,
    /// The export's headers don't reach to the checkpoint's height: nothing to compare.
    OutOfReach,
}

impl Checkpoint {
    /// Holds a checked anchor against the checkpoint. `None` if they contradict each other.
    pub(super) fn compare(&self, network: NetworkId, anchor: &Anchor) -> Option<CheckpointSaid> {
        if self.network != network {
            return None;
        }
        match anchor.headers.iter().find(|header| header.height == self.height) {
            Some(header) if header.hash() == self.block => Some(CheckpointSaid::Agrees),
            Some(_) => None,
            None => Some(CheckpointSaid::OutOfReach),
        }
    }
}

impl Client {
    /// The newest certified block that the node can show.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn checkpoint(&self) -> Result<Checkpoint, ProofError> {
        let ((), _, proven) = self.prove_with(0, |_| ()).await?;
        let anchored = check_anchor(&proven.anchor, &self.genesis)?;
        let header = anchored.certified;
        Ok(Checkpoint { network: self.network, height: header.height, block: header.hash() })
    }
}
