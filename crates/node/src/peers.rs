//! This file is where a node reaches the other members' nodes: signed calls in the organisation's name.

use crate::{config::Address, member::Me};
use client::{
    host::SystemHost,
    rpc::{CallError, Http, Node},
    wire::Method,
};
use ledger::governance::{Genesis, GenesisMember};
use primitives::{OrgId, Span};
use std::sync::Arc;

/// Another member's node.
#[derive(Clone)]
pub struct Peer {
    /// The member.
    pub org: OrgId,
    /// Its place in the committee, from 0.
    pub place: u32,
    /// Its node.
    pub node: Node,
}

/// All members' nodes, in the order of the committee; this organisation's own is among them but never called.
#[derive(Clone)]
pub struct Peers(Arc<Vec<Peer>>);

impl Peers {
    /// The members of `genesis` at their addresses.
    ///
    /// # Errors
    /// The organisation that has no address, or [`CallError::Address`].
    pub fn new(me: &Me, genesis: &Genesis, addresses: &[Address]) -> Result<Self, PeerError> {
        let peers = (0_u32..).zip(genesis.members.iter()).map(|(place, GenesisMember { org, .. })| {
            let address = addresses.iter().find(|address| address.org == *org);
            let address = address.ok_or_else(|| PeerError::NoAddress(org.clone()))?;
            let transport = Arc::new(Http::new(&address.rpc.to_string())?);
            let node = Node::new(transport, me.network, org.clone(), me.key.clone(), SystemHost::shared());
            Ok(Peer { org: org.clone(), place, node })
        });
        Ok(Self(Arc::new(peers.collect::<Result<_, PeerError>>()?)))
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: a network has members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All but this organisation's own.
    pub fn others<'a>(&'a self, me: &'a Me) -> impl Iterator<Item = &'a Peer> {
        self.0.iter().filter(|peer| peer.org != me.org)
    }
}

/// Why the other members can't be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The configuration leaves one out.
    #[error("`members` in the configuration has no address of `{0}`; add one")]
    NoAddress(OrgId),
    /// An address is malformed.
    #[error(transparent)]
    Address(#[from] CallError),
}

impl Peer {
    /// Calls a method of the peer within a short time.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn ask<M: Method>(&self, request: &M::Request, limit: Span) -> Result<M::Response, CallError> {
        self.node.call_within::<M>(request, limit).await
    }
}
