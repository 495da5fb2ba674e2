//! This file is where the committee is looked up: to whom shares are dealt, and how many open.

use crate::{client::Client, rpc::CallError};
use envelope::{SealKey, Threshold};
use ledger::governance;

/// The epoch of the committee: there is one until membership can change.
pub(crate) const EPOCH: u64 = 0;

/// The committee, as a writer needs it.
#[derive(Clone, Debug)]
pub(crate) struct Committee {
    /// The keys to which dealings are sealed, in the order of its members.
    pub(crate) boxes: Vec<SealKey>,
    /// How many shares open.
    pub(crate) threshold: Threshold,
}

impl Client {
    pub(crate) async fn committee(&self) -> Result<Committee, CallError> {
        let ((members, quorum), _) =
            self.view(|state| (governance::members(state), governance::quorum(state))).await?;
        let number = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let threshold = Threshold::new(number(quorum.t), number(quorum.n))
            .map_err(|_| self.malformed("rows", "the committee can't share keys"))?;
        let mut boxes = Vec::new();
        for (_, member) in members {
            let key = SealKey::try_from(&*member.box_key)
                .map_err(|_| self.malformed("rows", "a trustee's box key is malformed"))?;
            boxes.push(key);
        }
        if boxes.len() != usize::from(threshold.of()) {
            return Err(self.malformed("rows", "the committee is incomplete"));
        }
        Ok(Committee { boxes, threshold })
    }
}
