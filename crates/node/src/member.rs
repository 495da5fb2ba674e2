//! This file is where a node knows who it is: its organisation, its keys, its place in the committee.

use primitives::{Millis, NetworkId, OrgId, SecretKey};
use std::time::{SystemTime, UNIX_EPOCH};

/// The member that this node is.
pub struct Me {
    /// The network.
    pub network: NetworkId,
    /// The organisation.
    pub org: OrgId,
    /// Its place in the committee, from 0.
    pub place: u32,
    /// The organisation key.
    pub key: SecretKey,
}

/// The wall clock.
#[must_use]
pub(crate) fn wall_clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
