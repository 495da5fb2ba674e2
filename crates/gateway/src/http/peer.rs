//! This file is where a caller's network address is kept, and who shares a limit with whom.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Who called: the other end of the connection, in a request's extensions. Behind a proxy it is the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// What counts as one caller: one IPv4 address, or one IPv6 network of 64 bits, as that is what a customer gets.
    pub(super) fn network(self) -> IpAddr {
        match self.0.ip().to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_a_limit() {
        for (address, network) in [
            ("192.0.2.7:80", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
            ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::"),
            ("[::1]:80", "::"),
        ] {
            let expected: IpAddr = network.parse().unwrap();
            assert_eq!(Peer(address.parse().unwrap()).network(), expected, "{address}");
        }
    }
}
