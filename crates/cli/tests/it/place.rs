//! This file is where a test gets addresses that nobody else uses.
//!
//! Nodes must know each other's addresses before they run, so a test can't have them bind port 0 and tell. A port of
//! 127.0.0.1 that was found free may be somebody else's by the time a node binds it: another test's, or the near end of
//! any connection on this machine.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

/// Below the ports that systems hand out by themselves (Linux: 32768 on, macOS: 49152 on).
const PORTS: std::ops::Range<u16> = 10_000..32_000;

const TRIES: usize = 64;

/// Where a network listens.
pub(crate) struct Place {
    pub(crate) host: IpAddr,
    /// The first of its ports.
    pub(crate) port: u16,
}

impl Place {
    /// A place for `ports` ports in a row.
    pub(crate) fn find(ports: u16) -> Self {
        for _ in 0..TRIES {
            let mut random = [0; 5];
            getrandom::fill(&mut random).unwrap();
            let [a, b, c, d, e] = random;
            // All of 127.0.0.0/8 is this machine's on Linux, so each network gets an address to itself.
            let own = Ipv4Addr::new(127, 1 | a, b, 1 | c);
            let host = if TcpListener::bind((own, 0)).is_ok() { own } else { Ipv4Addr::LOCALHOST };
            let port = PORTS.start + u16::from_le_bytes([d, e]) % (PORTS.end - PORTS.start - ports);
            let held: Result<Vec<_>, _> =
                (port..port + ports).map(|port| TcpListener::bind((host, port))).collect();
            if held.is_ok() {
                return Self { host: host.into(), port };
            }
        }
        panic!("no {ports} free ports in a row, tried {TRIES} times");
    }
}
