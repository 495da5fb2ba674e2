//! This file is where the demonstration's network is laid out: organisations, keys, ports, staff and their profiles.

use crate::{
    exit::{Exit, Failure},
    network::{Named, config, fresh_key, genesis, lock, make_keys, write_config, write_public},
};
use client::{
    Host as _, SystemHost,
    keys::{Profile, ProfileKind, ProfileName, save_signing},
};
use ledger::governance::Genesis;
use node::{Address, Staff};
use primitives::{OrgId, Span};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

/// The demonstration's ports: below those that Linux (32768 on) and macOS (49152 on) hand out by themselves.
const PORTS_FROM: u64 = 10_000;
const PORTS_TO: u64 = 32_000;

/// Somebody who works for an organisation.
struct Person {
    /// Profile name in the organisation's group.
    name: &'static str,
    display: &'static str,
    kind: ProfileKind,
    role: &'static str,
    orders: &'static [&'static str],
}

/// An organisation of the demonstration.
struct Organisation {
    named: &'static str,
    group: &'static str,
    people: &'static [Person],
}

/// What a doctor's import needs of the organisation, in a demonstration.
const IMPORTER: &[&str] = &["identity.enrol", "charts.offer-claim"];

const fn practitioner(
    name: &'static str,
    display: &'static str,
    role: &'static str,
    orders: &'static [&'static str],
) -> Person {
    Person { name, display, kind: ProfileKind::Practitioner, role, orders }
}

const fn staff(name: &'static str, display: &'static str) -> Person {
    Person { name, display, kind: ProfileKind::Staff, role: "registrar", orders: &["*"] }
}

/// The organisations, in the order in which they take part.
const ORGANISATIONS: [Organisation; 7] = [
    Organisation {
        named: "riverside-hospital:provider:Riverside Hospital",
        group: "riverside",
        people: &[
            practitioner("dr-adams", "Dr. Ada Adams", "physician", IMPORTER),
            staff("registrar", "Riverside's registrar"),
        ],
    },
    Organisation {
        named: "lakeside-clinic:provider:Lakeside Clinic",
        group: "lakeside",
        people: &[
            practitioner("dr-baker", "Dr. Ben Baker", "physician", IMPORTER),
            staff("registrar", "Lakeside's registrar"),
        ],
    },
    Organisation {
        named: "meridian-insurance:insurer:Meridian Insurance",
        group: "meridian",
        people: &[practitioner("clerk", "Cleo Clark, claims", "clerk", &[])],
    },
    Organisation {
        named: "patient-trust:patient-body:Patient Trust",
        group: "trust",
        people: &[staff("advocate", "Patients' advocate")],
    },
    Organisation {
        named: "northgate-laboratory:laboratory:Northgate Laboratory",
        group: "northgate",
        people: &[practitioner("technician", "Tara Tesch", "technician", IMPORTER)],
    },
    Organisation {
        named: "harbour-hospital:provider:Harbour Hospital",
        group: "harbour",
        people: &[practitioner("dr-chen", "Dr. Chi Chen", "physician", IMPORTER)],
    },
    Organisation {
        named: "health-authority:regulator:Health Authority",
        group: "authority",
        people: &[practitioner("inspector", "Ines Inspector", "inspector", &[])],
    },
];

/// A member, as laid out.
pub(crate) struct Laid {
    /// Its short name.
    pub(crate) org: OrgId,
    /// Its name.
    pub(crate) name: String,
    /// Its folder: configuration, keys, data, log.
    pub(crate) dir: PathBuf,
    /// Where validators reach it.
    pub(crate) p2p: SocketAddr,
    /// Where it is called.
    pub(crate) rpc: SocketAddr,
    /// Its people's profiles.
    pub(crate) profiles: Vec<ProfileName>,
}

/// A network, as laid out.
pub(crate) struct Plan {
    /// The home directory of all profiles.
    pub(crate) dir: PathBuf,
    /// The genesis file.
    pub(crate) genesis_path: PathBuf,
    /// What is in it.
    pub(crate) genesis: Genesis,
    /// The members.
    pub(crate) members: Vec<Laid>,
}

/// Lays a fresh network of the first `count` organisations out in `dir`.
pub(crate) fn lay_out(dir: &Path, count: usize) -> Result<Plan, Failure> {
    let organisations =
        ORGANISATIONS.get(..count).ok_or_else(|| Failure::input("there are 1 to 7 organisations"))?;
    let lock = lock(None);
    let ports = free_ports(count * 2)?;
    let mut members = Vec::new();
    let mut genesis_members = Vec::new();
    for (organisation, ports) in organisations.iter().zip(ports.chunks(2)) {
        let named: Named = organisation.named.parse().map_err(|error| Failure::new(Exit::Fault, error))?;
        let [p2p, rpc] = *ports else { return Err(Failure::new(Exit::Fault, "too few ports")) };
        let laid = dir.join(named.org.to_string());
        genesis_members.push(make_keys(&laid.join("keys"), &named, &lock)?);
        let name = named.name.to_string();
        members.push(Laid { org: named.org, name, dir: laid, p2p, rpc, profiles: Vec::new() });
    }
    let genesis = genesis("Horkos demonstration", SystemHost.now(), true, genesis_members)?;
    let genesis_path = dir.join("genesis.json");
    write_public(&genesis_path, &genesis)?;
    let addresses: Vec<Address> =
        members.iter().map(|laid| Address { org: laid.org.clone(), p2p: laid.p2p, rpc: laid.rpc }).collect();
    for (laid, organisation) in members.iter_mut().zip(organisations) {
        let mut config = config(&laid.org, "../genesis.json".into(), (laid.p2p, laid.rpc), addresses.clone());
        for person in organisation.people {
            let (name, staff) = make_person(dir, laid, organisation.group, person)?;
            laid.profiles.push(name);
            config.staff.push(staff);
        }
        write_config(&laid.dir.join("node.toml"), &config)?;
    }
    Ok(Plan { dir: dir.to_owned(), genesis_path, genesis, members })
}

fn make_person(
    home: &Path,
    laid: &Laid,
    group: &str,
    person: &Person,
) -> Result<(ProfileName, Staff), Failure> {
    let Person { name, display, kind, role, orders } = person;
    let name: ProfileName = format!("{group}/{name}").parse()?;
    let key = fresh_key();
    save_signing(&home.join(name.key_path()), &key, &lock(None))?;
    let profile = Profile {
        format: 1,
        kind: *kind,
        display: (*display).to_owned(),
        org: laid.org.clone(),
        server: laid.org.clone(),
        node: laid.rpc.to_string(),
        genesis: "genesis.json".into(),
        key: name.key_path(),
        chart: None,
    };
    profile.save(home, &name)?;
    let staff = Staff {
        key: key.public(),
        practitioner: fresh_key().public().principal(),
        role: role.parse().map_err(|_| Failure::new(Exit::Fault, "a role is no short name"))?,
        orders: orders.iter().map(ToString::to_string).collect(),
        session: Span::hours(8),
    };
    Ok((name, staff))
}

/// Loopback addresses that nobody listens on. All are held at once, so that none is given twice; and all lie below the
/// ports that systems hand out by themselves, so that no connection takes one before its node does.
pub(super) fn free_ports(count: usize) -> Result<Vec<SocketAddr>, Failure> {
    let first = PORTS_FROM + client::host::nonce(&SystemHost) % (PORTS_TO - PORTS_FROM);
    let around = (first..PORTS_TO).chain(PORTS_FROM..first).filter_map(|port| u16::try_from(port).ok());
    let held = around.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()).take(count);
    let held: Vec<TcpListener> = held.collect();
    let none = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Machine, format!("there are too few free ports on loopback: {error}"))
    };
    if held.len() < count {
        return Err(none(&format_args!("{count} are needed from {PORTS_FROM} to {PORTS_TO}")));
    }
    held.iter().map(|listener| listener.local_addr().map_err(|error| none(&error))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_every_size_are_laid_out() {
        for count in 1..=ORGANISATIONS.len() {
            let dir = tempfile::tempdir().unwrap();
            let plan = lay_out(dir.path(), count).unwrap();
            assert_eq!(plan.members.len(), count);
            assert!(plan.genesis.demo);
            assert_eq!(
                Profile::list(dir.path()).len(),
                plan.members.iter().map(|laid| laid.profiles.len()).sum::<usize>()
            );
            for laid in &plan.members {
                let config = node::load_config(&laid.dir.join("node.toml")).unwrap();
                assert_eq!(config.members.len(), count);
                assert_eq!(config.staff.len(), laid.profiles.len());
            }
        }
    }
}
