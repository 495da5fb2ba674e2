//! This file is where it is told who signs a write: only writes of the same hand share a transaction.

use crate::{actor::Actor, rpc::Node};
use primitives::{PublicKey, SecretKey};

/// Whose key signs, and who calls the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hand {
    signer: Option<PublicKey>,
    caller: PublicKey,
}

impl Hand {
    pub(super) fn of(actor: &Actor, node: &Node) -> Self {
        Self { signer: actor.key().map(SecretKey::public), caller: node.caller() }
    }
}
