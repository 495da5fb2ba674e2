//! This file is where a state root is vouched for: by the header that names it, that header's descendants up to a certified
//! one, and the signatures of the genesis committee over that.

use crate::wire::Anchor;
use consensus::{Certificate, CertificateError, certificate};
use ledger::governance::Genesis;
use primitives::{Header, PublicKey, StateRoot};

/// A state root that the committee has vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The height after whose execution the root holds.
    pub height: u64,
    /// The root.
    pub root: StateRoot,
    /// The certified header, which descends from the one that names the root.
    pub certified: Header,
}

/// Why an anchor vouches for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// There is no header.
    #[error("the anchor has no header")]
    Empty,
    /// A header isn't the child of the one before.
    #[error("header {0} of the anchor isn't the child of the one before")]
    Chain(usize),
    /// A header claims to have executed itself or a descendant.
    #[error("the anchor's header claims to have executed a height above its parent's")]
    Ahead,
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Checks an anchor against the committee of the genesis file.
///
/// # Errors
/// [`AnchorError`].
pub fn check_anchor(anchor: &Anchor, genesis: &Genesis) -> Result<Anchored, AnchorError> {
    let Anchor { headers, certificate: bytes } = anchor;
    let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return Err(AnchorError::Empty) };
    for (at, pair) in headers.windows(2).enumerate() {
        let [parent, child] = pair else { continue };
        if child.parent != parent.hash() || Some(child.height) != parent.height.checked_add(1) {
            return Err(AnchorError::Chain(at + 1));
        }
    }
    if first.executed.height >= first.height {
        return Err(AnchorError::Ahead);
    }
    let committee: Vec<PublicKey> = genesis.members.iter().map(|member| member.validator).collect();
    let certificate = Certificate::from_bytes(bytes.clone())?;
    certificate::verify(&certificate, last, &committee, genesis.network())?;
    Ok(Anchored { height: first.executed.height, root: first.executed.state_root, certified: *last })
}
