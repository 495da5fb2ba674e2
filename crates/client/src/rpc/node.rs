//! This file is where a call is typed, signed and its answer decoded.

use super::{CallError, Transport};
use crate::{
    host::{self, Host},
    wire::{Answer, Call, Method},
};
use primitives::{NetworkId, OrgId, PublicKey, SecretKey, Span, decode, encode};
use std::sync::Arc;

/// How long a call may take if nothing else is said: above the longest wait that a node grants.
const LIMIT: Span = Span::secs(90);

/// A node, as one caller sees it. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    transport: Arc<dyn Transport>,
    network: NetworkId,
    server: OrgId,
    key: Arc<SecretKey>,
    host: Arc<dyn Host>,
}

impl Node {
    /// The node of `server` in `network`, called with `key`.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        network: NetworkId,
        server: OrgId,
        key: SecretKey,
        host: Arc<dyn Host>,
    ) -> Self {
        Self { transport, network, server, key: Arc::new(key), host }
    }

    /// The same node, called with another key.
    #[must_use]
    pub fn with_key(&self, key: SecretKey) -> Self {
        Self { key: Arc::new(key), ..self.clone() }
    }

    /// Whose node it is.
    #[must_use]
    pub fn server(&self) -> &OrgId {
        &self.server
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn address(&self) -> &str {
        self.transport.address()
    }

    /// The caller's public key.
    #[must_use]
    pub fn caller(&self) -> PublicKey {
        self.key.public()
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call<M: Method>(&self, request: &M::Request) -> Result<M::Response, CallError> {
        self.call_within::<M>(request, LIMIT).await
    }

    /// Calls a method and waits no longer than `limit`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call_within<M: Method>(
        &self,
        request: &M::Request,
        limit: Span,
    ) -> Result<M::Response, CallError> {
        let call = Call {
            network: self.network,
            server: self.server.clone(),
            method: M::NAME.to_owned(),
            caller: self.key.public(),
            time: self.host.now(),
            nonce: host::nonce(&*self.host),
            body: encode(request),
        };
        let answer = self.transport.carry(M::NAME, encode(&call.sign(&self.key)), limit).await?;
        let malformed = |_| CallError::Malformed {
            address: self.address().to_owned(),
            method: M::NAME,
            reason: "it isn't an answer of this version".to_owned(),
        };
        let answer: Answer = decode(&answer).map_err(malformed)?;
        decode(&answer?).map_err(malformed)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({} at {})", self.server, self.address())
    }
}
