//! This file is where a call is signed: who calls which method of which node, when, with what.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Millis, NetworkId, OrgId, PublicKey, SecretKey, Signature, decode, domain, encode};

/// Longest call: a pack and its dealing boxes, with room.
pub const CALL_BYTES_MAX: usize = 96 << 20;

/// Longest answer.
pub const ANSWER_BYTES_MAX: usize = 96 << 20;

/// A method of a node: its name, what goes in, what comes out.
pub trait Method {
    /// The path segment after `/v1/`.
    const NAME: &'static str;
    /// Longest request body in bytes; most methods take little.
    const BYTES_MAX: usize = 256 << 10;
    /// What goes in.
    type Request: BorshSerialize + BorshDeserialize + Send;
    /// What comes out.
    type Response: BorshSerialize + BorshDeserialize + Send;
}

/// What a call's signature covers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Call {
    /// The network.
    pub network: NetworkId,
    /// The node called, by its organisation: a call can't be replayed to another.
    pub server: OrgId,
    /// The method's name.
    pub method: String,
    /// The caller's key: an organisation's, a session's, a person's, or a staff key that the node knows.
    pub caller: PublicKey,
    /// The caller's clock. The node accepts a minute either way.
    pub time: Millis,
    /// Random; the node refuses to see one twice within the accepted time.
    pub nonce: u64,
    /// The request, encoded.
    pub body: Vec<u8>,
}

/// A call and its signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedCall {
    /// The call.
    pub call: Call,
    /// Ed25519 under [`domain::RPC`].
    pub signature: Signature,
}

impl Call {
    /// Signs with the caller's key.
    #[must_use]
    pub fn sign(self, key: &SecretKey) -> SignedCall {
        let signature = key.sign(domain::RPC, &encode(&self));
        SignedCall { call: self, signature }
    }
}

impl SignedCall {
    /// Whether the caller signed this.
    #[must_use]
    pub fn is_authentic(&self) -> bool {
        self.call.caller.verify(domain::RPC, &encode(&self.call), &self.signature).is_ok()
    }
}

/// Why a node doesn't answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Code {
    /// The call or its body is malformed or too long.
    Malformed,
    /// The signature, time or nonce of the call is wrong.
    Unauthenticated,
    /// The caller may not call this.
    Forbidden,
    /// What is asked for isn't here.
    NotFound,
    /// The transaction was refused at the pool; the number is the reject's.
    Rejected(u16),
    /// A trustee withholds a key; the number says why, see `ledger::access::Withheld`.
    Withheld(u16),
    /// Not final within the time given, or too few peers answered; try again.
    Timeout,
    /// The node is behind or can't reach the others.
    Unavailable,
    /// What was sent doesn't verify: hash, share, signature.
    Invalid,
    /// A fault of the node.
    Fault,
}

/// A node's "no".
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A refusal with this code and message.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A node's answer: the encoded response, or a refusal.
pub type Answer = Result<Vec<u8>, Refusal>;

/// Decodes the request of a method.
///
/// # Errors
/// [`Code::Malformed`].
pub fn request<M: Method>(body: &[u8]) -> Result<M::Request, Refusal> {
    if body.len() > M::BYTES_MAX {
        return Err(Refusal::new(
            Code::Malformed,
            format!("a request of `{}` is at most {} bytes", M::NAME, M::BYTES_MAX),
        ));
    }
    decode(body).map_err(|_| Refusal::new(Code::Malformed, format!("malformed request of `{}`", M::NAME)))
}
