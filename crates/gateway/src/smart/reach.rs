//! This file is where it is decided which addresses the gateway may call on a client's word: those of the open
//! internet, and of the inside only what its operator names.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use url::{Host, Url};

/// How far key sets may be fetched from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reach {
    /// Hosts, by exact name, that may lie in private networks (10/8, 172.16/12, 192.168/16, fc00::/7).
    pub internal_hosts: BTreeSet<String>,
    /// Loopback addresses too, and plain HTTP to them: to try things out on one machine, never to serve.
    pub loopback: bool,
}

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Open,
    Private,
    Loopback,
    /// Link-local (where clouds keep their metadata), multicast, reserved, tunnels and the like.
    Special,
}

/// A key set can't be fetched from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// Not https.
    #[error("key sets are fetched over https only")]
    Scheme,
    /// No host, or user, password or fragment.
    #[error("the address of a key set is https://host/path, without user or fragment")]
    Form,
    /// An address of the inside.
    #[error(
        "`{0}` lies at an address that isn't of the open internet; name the host under `internal_hosts` if it may"
    )]
    Address(String),
}

/// What is to be called, before its name is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) encrypted: bool,
    /// As certificates and the `Host` header name it; an address in brackets is without them here.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) literal: Option<IpAddr>,
    pub(super) path: String,
    /// The `Host` header.
    pub(super) authority: String,
}

impl Reach {
    /// Takes a URL apart, and refuses what could never be right.
    pub(super) fn target(&self, url: &Url) -> Result<Target, ReachError> {
        let encrypted = match url.scheme() {
            "https" => true,
            // That the address is loopback is checked once it is resolved.
            "http" if self.loopback => false,
            _ => return Err(ReachError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(ReachError::Form);
        }
        // `Url` reads `0x7f.1`, `2130706433` and their like as the addresses that they are.
        let (host, literal) = match url.host().ok_or(ReachError::Form)? {
            Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(address))),
            Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(address))),
            _ => {
                let name = url.domain().ok_or(ReachError::Form)?;
                (name.trim_end_matches('.').to_owned(), None)
            }
        };
        let port = url.port_or_known_default().ok_or(ReachError::Form)?;
        let name = url.host_str().ok_or(ReachError::Form)?;
        let authority = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let path =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        Ok(Target { encrypted, host, port, literal, path, authority })
    }

    /// Whether `target` may be called at `address`, to which its name was resolved.
    pub(super) fn check(&self, target: &Target, address: IpAddr) -> Result<(), ReachError> {
        let allowed = match place(address) {
            Place::Open => target.encrypted,
            Place::Private => target.encrypted && self.internal_hosts.contains(&target.host),
            Place::Loopback => self.loopback,
            Place::Special => false,
        };
        if allowed { Ok(()) } else { Err(ReachError::Address(target.host.clone())) }
    }
}

fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inner) => place_v4(inner),
            None => place_v6(address),
        },
    }
}

// IANA special-purpose registries, as of 2026.
fn place_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [127, ..] => Place::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Private,
        // This network, carriers' own, link-local, protocol assignments, documentation, 6to4 relays, benchmarks.
        [0, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 31, 196, _]
        | [192, 52, 193, _]
        | [192, 88, 99, _]
        | [192, 175, 48, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        // Azure's wire server answers on a public address from every machine there.
        | [168, 63, 129, 16]
        // Multicast and what is reserved above it.
        | [224..=255, ..] => Place::Special,
        _ => Place::Open,
    }
}

fn place_v6(address: Ipv6Addr) -> Place {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Loopback,
        [0xfc00..=0xfdff, ..] => match address.segments() {
            // Amazon's metadata.
            [0xfd00, 0x0ec2, ..] => Place::Special,
            _ => Place::Private,
        },
        // Teredo, ORCHID and other assignments; documentation; 6to4; AS112; documentation.
        [0x2001, 0x0000..=0x01ff, ..]
        | [0x2001, 0x0db8, ..]
        | [0x2002, ..]
        | [0x2620, 0x004f, 0x8000, ..]
        | [0x3fff, 0x0000..=0x0fff, ..] => Place::Special,
        [0x2000..=0x3fff, ..] => Place::Open,
        // All that isn't global unicast: unspecified, link-local, site-local, multicast, translated.
        _ => Place::Special,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(reach: &Reach, url: &str, resolved: Option<&str>) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let Ok(target) = reach.target(&url) else { return false };
        let address = target.literal.or_else(|| resolved.map(|address| address.parse().unwrap()));
        reach.check(&target, address.unwrap()).is_ok()
    }

    #[test]
    fn what_may_be_called() {
        let strict = Reach::default();
        let inside = Reach { internal_hosts: ["ehr.local".to_owned()].into(), loopback: false };
        let demo = Reach { internal_hosts: BTreeSet::new(), loopback: true };
        // URL, what its name resolves to, then: by default, with the host named as internal, in a demonstration.
        for (url, resolved, by_default, named, shown) in [
            ("https://app.example/jwks", Some("8.8.8.8"), true, true, true),
            ("https://app.example:8443/jwks?v=1", Some("2606:4700::1111"), true, true, true),
            ("https://8.8.8.8/jwks", None, true, true, true),
            ("http://app.example/jwks", Some("8.8.8.8"), false, false, false),
            ("ftp://app.example/jwks", Some("8.8.8.8"), false, false, false),
            ("file:///etc/passwd", None, false, false, false),
            ("https://user@app.example/jwks", Some("8.8.8.8"), false, false, false),
            ("https://user:pw@app.example/jwks", Some("8.8.8.8"), false, false, false),
            ("https://app.example/jwks#x", Some("8.8.8.8"), false, false, false),
            ("https://app.example/jwks", Some("10.0.0.1"), false, false, false),
            ("https://ehr.local/jwks", Some("10.0.0.1"), false, true, false),
            ("https://ehr.local./jwks", Some("192.168.1.1"), false, true, false),
            ("https://ehr.local/jwks", Some("fd12::1"), false, true, false),
            ("http://ehr.local/jwks", Some("10.0.0.1"), false, false, false),
            ("https://ehr.local/jwks", Some("169.254.169.254"), false, false, false),
            ("https://ehr.local/jwks", Some("fd00:ec2::254"), false, false, false),
            ("https://ehr.local/jwks", Some("127.0.0.1"), false, false, true),
            ("http://127.0.0.1:9/jwks", None, false, false, true),
            ("http://[::1]:9/jwks", None, false, false, true),
            ("http://localhost/jwks", Some("127.0.0.1"), false, false, true),
            ("https://0x7f.1/jwks", None, false, false, true),
            ("https://2130706433/jwks", None, false, false, true),
            ("https://[::ffff:127.0.0.1]/jwks", None, false, false, true),
            ("https://[::ffff:10.0.0.1]/jwks", None, false, false, false),
            ("https://[::ffff:8.8.8.8]/jwks", None, true, true, true),
            ("https://[64:ff9b::a00:1]/jwks", None, false, false, false),
            ("https://[2002:a00:1::]/jwks", None, false, false, false),
            ("https://[2001::1]/jwks", None, false, false, false),
            ("https://[fe80::1]/jwks", None, false, false, false),
            ("https://[fec0::1]/jwks", None, false, false, false),
            ("https://[ff02::1]/jwks", None, false, false, false),
            ("https://[::]/jwks", None, false, false, false),
            ("https://0.0.0.0/jwks", None, false, false, false),
            ("https://169.254.169.254/latest/meta-data", None, false, false, false),
            ("https://168.63.129.16/", None, false, false, false),
            ("https://100.100.100.200/", None, false, false, false),
            ("https://172.16.0.1/", None, false, false, false),
            ("https://172.32.0.1/", None, true, true, true),
            ("https://192.168.0.1/", None, false, false, false),
            ("https://198.18.0.1/", None, false, false, false),
            ("https://224.0.0.1/", None, false, false, false),
            ("https://255.255.255.255/", None, false, false, false),
        ] {
            let found = [&strict, &inside, &demo].map(|reach| reaches(reach, url, resolved));
            assert_eq!(found, [by_default, named, shown], "{url} at {resolved:?}");
        }
    }
}
