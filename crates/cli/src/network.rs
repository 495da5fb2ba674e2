//! This file is where a network is laid out on paper: who the members are, their keys, the genesis file, and the one
//! configuration file of each host.

use crate::exit::{Exit, Failure};
use client::{
    SystemHost, host,
    keys::{Lock, WORK_DEFAULT, load_signing, save_box, save_signing, write_private},
};
use envelope::OpenKey;
use ledger::{
    governance::{Genesis, GenesisMember, MemberKind, Params},
    policy,
};
use node::{Address, BoxKeyRules, BoxKeys, Config, LogFormat, Staff};
use primitives::{Millis, OrgId, PublicKey, SecretKey, Text};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};
use zeroize::Zeroizing;

const FORMAT: u32 = 1;

/// An organisation as the command line names it: `ORG:KIND` or `ORG:KIND:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its short name.
    pub(crate) org: OrgId,
    /// What it is.
    pub(crate) kind: MemberKind,
    /// Its name, as people know it.
    pub(crate) name: Text<120>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (org, kind) = parts
            .next()
            .zip(parts.next())
            .ok_or_else(|| format!("`{text}` names no organisation; write ORG:KIND or ORG:KIND:NAME"))?;
        let name = parts.next().map_or_else(|| title(org), ToOwned::to_owned);
        Ok(Self {
            org: org.parse().map_err(|error| format!("`{org}`: {error}"))?,
            kind: kind_of(kind)?,
            name: Text::try_from(name).map_err(|error| format!("the name of `{org}` is {error}"))?,
        })
    }
}

fn kind_of(text: &str) -> Result<MemberKind, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| {
        format!(
            "`{text}` is no kind of organisation; there are provider, laboratory, insurer, manufacturer, sponsor, \
             patient-body and regulator"
        )
    })
}

/// `riverside-hospital` as `Riverside Hospital`.
fn title(slug: &str) -> String {
    let words = slug.split('-').map(|word| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    });
    words.collect::<Vec<String>>().join(" ")
}

/// What an organisation tells the others before there is a network: public keys and addresses, no secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberFile {
    /// Version of this format: 1.
    pub(crate) format: u32,
    /// What stands in the genesis file.
    pub(crate) member: GenesisMember,
    /// Where its validator is reached.
    pub(crate) p2p: SocketAddr,
    /// Where its node is called.
    pub(crate) rpc: SocketAddr,
}

impl MemberFile {
    /// Reads a member file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|error| Failure::file(path, &error))?;
        let file: Self = serde_json::from_slice(&text)
            .map_err(|error| Failure::input(format!("`{}` is no member file: {error}", path.display())))?;
        if file.format != FORMAT {
            let message =
                format!("`{}` is of format {}; this version knows {FORMAT}", path.display(), file.format);
            return Err(Failure::input(message));
        }
        Ok(file)
    }

    /// How to reach the member.
    pub(crate) fn address(&self) -> Address {
        Address { org: self.member.org.clone(), p2p: self.p2p, rpc: self.rpc }
    }
}

/// How new keys are locked: by a passphrase, or in a demonstration not at all.
pub(crate) fn lock(passphrase: Option<Zeroizing<String>>) -> Lock {
    passphrase.map_or(Lock::Plain, |passphrase| Lock::Passphrase { passphrase, work: WORK_DEFAULT })
}

/// A fresh signing key.
pub(crate) fn fresh_key() -> SecretKey {
    SecretKey::from_seed(&Zeroizing::new(host::random(&SystemHost)))
}

/// Makes an organisation's four keys in `dir`, and gives what the others may know of them.
pub(crate) fn make_keys(dir: &Path, named: &Named, lock: &Lock) -> Result<GenesisMember, Failure> {
    let (org, validator, vault) = (fresh_key(), fresh_key(), fresh_key());
    let trustee = OpenKey::generate(&mut host::rng(&SystemHost));
    save_signing(&dir.join("organisation.key"), &org, lock)?;
    save_signing(&dir.join("validator.key"), &validator, lock)?;
    save_signing(&dir.join("vault.key"), &vault, lock)?;
    save_box(&dir.join("trustee.key"), &trustee, lock)?;
    member(named, org.public(), validator.public(), &trustee)
}

fn member(
    named: &Named,
    key: PublicKey,
    validator: PublicKey,
    trustee: &OpenKey,
) -> Result<GenesisMember, Failure> {
    let box_key = trustee.public().as_bytes().to_vec().try_into();
    let box_key =
        box_key.map_err(|_| Failure::new(Exit::Fault, "a trustee key has another length than it should"))?;
    let Named { org, kind, name } = named.clone();
    Ok(GenesisMember { org, kind, name, key, validator, box_key })
}

/// Whether the keys in `dir` are those of `member`.
pub(crate) fn check_keys(
    dir: &Path,
    member: &GenesisMember,
    passphrase: impl Fn(&Path) -> Option<Zeroizing<String>>,
) -> Result<(), Failure> {
    let org = load_signing(&dir.join("organisation.key"), &passphrase)?;
    let validator = load_signing(&dir.join("validator.key"), &passphrase)?;
    let trustee = BoxKeys::load(dir, &passphrase)?;
    let dealt_to = |key: &node::BoxKey| *member.box_key == *key.pair().public().as_bytes();
    let same = member.key == org.public()
        && member.validator == validator.public()
        && trustee.held().iter().any(|key| dealt_to(key));
    if same {
        return Ok(());
    }
    let message = format!(
        "the keys in `{}` are not those that the genesis file names for `{}`; use the folder in which its member file was made",
        dir.display(),
        member.org
    );
    Err(Failure::new(Exit::Keys, message))
}

/// The genesis of these members, checked.
pub(crate) fn genesis(
    name: &str,
    time: Millis,
    demo: bool,
    members: Vec<GenesisMember>,
) -> Result<Genesis, Failure> {
    let genesis = Genesis {
        format: FORMAT,
        name: Text::try_from(name)
            .map_err(|error| Failure::input(format!("the network's name is {error}")))?,
        time,
        demo,
        members: members.try_into().map_err(|_| Failure::input("a network has at most 100 members"))?,
        params: Params::default(),
        policy: Text::try_from(policy::BASE)
            .map_err(|error| Failure::new(Exit::Fault, format!("the base policies are {error}")))?,
    };
    genesis.check().map_err(|error| Failure::input(error.to_string()))?;
    Ok(genesis)
}

/// A host's configuration, paths relative to its folder.
pub(crate) fn config(
    org: &OrgId,
    genesis: PathBuf,
    own: (SocketAddr, SocketAddr),
    members: Vec<Address>,
) -> Config {
    Config {
        org: org.clone(),
        genesis,
        keys: "keys".into(),
        data: "data".into(),
        marker: "validator.marker".into(),
        p2p: own.0,
        rpc: own.1,
        packs: "packs".to_owned(),
        members,
        staff: Vec::new(),
        box_keys: BoxKeyRules::default(),
        log: LogFormat::Json,
        threads: 2,
    }
}

/// Writes a configuration file, never over another one.
pub(crate) fn write_config(path: &Path, config: &Config) -> Result<(), Failure> {
    let text = toml::to_string(config)
        .map(|text| without_empty_staff(&text))
        .map_err(|error| Failure::new(Exit::Fault, format!("the configuration can't be written: {error}")))?;
    let text = format!(
        "# One node's configuration; `horkos node start --config {}` runs it. Relative paths start at this file's folder.\n\n{text}",
        path.file_name().unwrap_or_default().to_string_lossy()
    );
    Ok(write_private(path, text.as_bytes(), false)?)
}

/// An empty list would stand in the way of the first `[[staff]]`.
fn without_empty_staff(text: &str) -> String {
    text.lines().filter(|line| line.trim() != "staff = []").map(|line| format!("{line}\n")).collect()
}

/// Adds a staff member at the end of a configuration file, whose other lines stay as they are.
pub(crate) fn add_staff(path: &Path, staff: &Staff) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct One<'a> {
        staff: [&'a Staff; 1],
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let mut text = without_empty_staff(&text);
    let added = toml::to_string(&One { staff: [staff] })
        .map_err(|error| Failure::new(Exit::Fault, format!("the staff member can't be written: {error}")))?;
    text.push('\n');
    text.push_str(&added);
    let read: Config =
        toml::from_str(&text).map_err(|error| Failure::input(format!("`{}`: {error}", path.display())))?;
    if read.staff.iter().filter(|one| one.key == staff.key).count() > 1 {
        return Err(Failure::input(format!("`{}` names this staff key already", path.display())));
    }
    Ok(write_private(path, text.as_bytes(), true)?)
}

/// Writes a file that everybody may read, never over another one.
pub(crate) fn write_public(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Exit::Fault, format!("can't be written as JSON: {error}")))?;
    text.push('\n');
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(|error| Failure::file(dir, &error))?;
    }
    let draft = path.with_extension("new");
    if path.exists() {
        return Err(Failure::new(
            Exit::Machine,
            format!("`{}` exists already; remove it or name another", path.display()),
        ));
    }
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        drop(fs::remove_file(&draft));
    }
    written.map_err(|error| Failure::file(path, &error))
}

/// Fills a folder that was empty or missing; if that fails, it is so again.
pub(crate) fn fill<T>(dir: &Path, fill: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let was_there = dir.exists();
    let filled = fill();
    if filled.is_err() {
        clear(dir, was_there);
    }
    filled
}

/// Removes what lies in `dir`, and `dir` too unless it is to stay. What can't be removed stays: why the folder couldn't be
/// filled is the better message.
fn clear(dir: &Path, stays: bool) {
    if !stays {
        return drop(fs::remove_dir_all(dir));
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        drop(if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) });
    }
}

/// Addresses on `host`, two ports for each member from `base` on.
pub(crate) fn ports(host: IpAddr, base: u16, place: usize) -> Result<(SocketAddr, SocketAddr), Failure> {
    let offset = u16::try_from(place * 2).ok().and_then(|offset| base.checked_add(offset));
    let p2p =
        offset.filter(|port| *port < u16::MAX).ok_or_else(|| Failure::input("too few ports above --port"))?;
    Ok((SocketAddr::new(host, p2p), SocketAddr::new(host, p2p + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_on_the_command_line() {
        let named: Named = "riverside-hospital:provider".parse().unwrap();
        assert_eq!((named.name.as_str(), named.kind), ("Riverside Hospital", MemberKind::Provider));
        let named: Named = "a:patient-body:Anna: & co".parse().unwrap();
        assert_eq!(named.name.as_str(), "Anna: & co");
        for bad in ["", "a", "A:provider", "a:doctor", "a-:provider"] {
            assert!(bad.parse::<Named>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_configuration_comes_back_and_takes_staff() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        let org: OrgId = "riverside-hospital".parse().unwrap();
        let own = ports("127.0.0.1".parse().unwrap(), 7100, 1).unwrap();
        let address = Address { org: org.clone(), p2p: own.0, rpc: own.1 };
        write_config(&path, &config(&org, "../genesis.json".into(), own, vec![address])).unwrap();
        let staff = Staff {
            key: fresh_key().public(),
            practitioner: fresh_key().public().principal(),
            role: "physician".parse().unwrap(),
            orders: vec!["identity.enrol".to_owned()],
            session: primitives::Span::hours(8),
        };
        add_staff(&path, &staff).unwrap();
        assert!(add_staff(&path, &staff).is_err(), "twice");
        let read = node::load_config(&path).unwrap();
        assert_eq!(read.rpc.port(), 7103);
        assert_eq!(read.staff.len(), 1);
        assert!(read.staff[0].may_order("identity.enrol"));
    }
}
