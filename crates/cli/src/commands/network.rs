//! This file is where a network is founded: all at once on one machine, or by organisations that never show each other a
//! secret.

use crate::{
    context::{Context, new_passphrase, passphrase},
    exit::{Exit, Failure},
    network::{
        MemberFile, Named, check_keys, config, fill, genesis, lock, make_keys, ports, write_config,
        write_public,
    },
    out::Table,
};
use clap::{Args, Subcommand};
use client::{Host as _, SystemHost, keys::Lock, read_genesis};
use ledger::governance::Genesis;
use node::Address;
use primitives::OrgId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

/// Found a network of organisations, or join one that others found
#[derive(Subcommand, Debug)]
pub(crate) enum Network {
    Init(Init),
    ProposeMember(Propose),
    Assemble(Assemble),
    Join(Join),
    Show(Show),
}

/// Make a whole network in one folder: for one machine, or to try things out
///
/// Writes DIR/genesis.json and for every organisation DIR/ORG/node.toml and DIR/ORG/keys. Where each organisation is to
/// keep its keys to itself, use propose-member, assemble and join instead.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// Where to write it; must be empty or missing
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// An organisation: ORG:KIND or ORG:KIND:NAME; KIND is provider, laboratory, insurer, manufacturer, sponsor,
    /// patient-body or regulator. Their order is that of the committee
    #[arg(long = "org", value_name = "ORG:KIND[:NAME]", required = true)]
    orgs: Vec<Named>,
    /// What people call the network
    #[arg(long, default_value = "A Horkos network")]
    name: String,
    /// The address on which all nodes listen
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The first of the ports, two for each organisation
    #[arg(long, value_name = "PORT", default_value_t = 7100)]
    port: u16,
    /// A demonstration: keys lie unlocked, and an import makes patients' keys. Never for real patients
    #[arg(long)]
    demo: bool,
}

/// Make this organisation's keys and the member file that the others need of it
///
/// The keys stay in DIR/keys. DIR/member.json carries public keys and addresses; send it to whoever assembles.
#[derive(Args, Debug)]
pub(crate) struct Propose {
    /// The folder of this organisation's node
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The organisation
    #[arg(long, value_name = "ORG:KIND[:NAME]")]
    org: Named,
    /// Where the others' validators reach this one
    #[arg(long, value_name = "IP:PORT")]
    p2p: SocketAddr,
    /// Where users and other nodes call this one
    #[arg(long, value_name = "IP:PORT")]
    rpc: SocketAddr,
}

/// Make the genesis file of the organisations' member files
///
/// Writes OUT/genesis.json and OUT/members.json, the same for every member; send both to all. Members compare the
/// network's id before they join.
#[derive(Args, Debug)]
pub(crate) struct Assemble {
    /// The member files, in the order of the committee
    #[arg(value_name = "MEMBER.JSON", required = true)]
    members: Vec<PathBuf>,
    /// Where to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What people call the network
    #[arg(long)]
    name: String,
}

/// Write this host's node.toml for a network that was assembled
#[derive(Args, Debug)]
pub(crate) struct Join {
    /// The network's genesis file
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The members' addresses, as `network assemble` wrote them
    #[arg(long, value_name = "FILE")]
    members: PathBuf,
    /// The organisation
    #[arg(long, value_name = "ORG")]
    org: OrgId,
    /// The folder in which `network propose-member` made its keys
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Show a genesis file: the network's id, members and committee
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The genesis file
    genesis: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersFile {
    members: Vec<Address>,
}

pub(crate) fn run(command: Network, ctx: &Context) -> Result<(), Failure> {
    match command {
        Network::Init(args) => init(&args, ctx),
        Network::ProposeMember(args) => propose(args, ctx),
        Network::Assemble(args) => assemble(&args, ctx),
        Network::Join(args) => join(&args, ctx),
        Network::Show(args) => show(&read_genesis(&args.genesis)?, &args.genesis, ctx),
    }
}

fn init(args: &Init, ctx: &Context) -> Result<(), Failure> {
    check_empty(&args.dir)?;
    let names: BTreeSet<&OrgId> = args.orgs.iter().map(|named| &named.org).collect();
    if names.len() != args.orgs.len() {
        return Err(Failure::input("an organisation is named twice"));
    }
    let mut addresses = Vec::new();
    for (place, named) in args.orgs.iter().enumerate() {
        let (p2p, rpc) = ports(args.host, args.port, place)?;
        addresses.push(Address { org: named.org.clone(), p2p, rpc });
    }
    let lock = lock(if args.demo { None } else { Some(new_passphrase()?) });
    let (genesis, path) = fill(&args.dir, || lay_out(args, &lock, &addresses))?;
    show(&genesis, &path, ctx)?;
    if !ctx.out.json {
        ctx.out.say("\nStart each node, in any order:");
        for address in &addresses {
            let config = args.dir.join(dir_of(&address.org)).join("node.toml");
            ctx.out.say(format_args!("  horkos node start --config {}", config.display()));
        }
    }
    Ok(())
}

fn lay_out(args: &Init, lock: &Lock, addresses: &[Address]) -> Result<(Genesis, PathBuf), Failure> {
    let members =
        args.orgs.iter().map(|named| make_keys(&args.dir.join(dir_of(&named.org)).join("keys"), named, lock));
    let members = members.collect::<Result<Vec<_>, Failure>>()?;
    let genesis = genesis(&args.name, SystemHost.now(), args.demo, members)?;
    let path = args.dir.join("genesis.json");
    write_public(&path, &genesis)?;
    for address in addresses {
        let own = (address.p2p, address.rpc);
        let config = config(&address.org, "../genesis.json".into(), own, addresses.to_vec());
        write_config(&args.dir.join(dir_of(&address.org)).join("node.toml"), &config)?;
    }
    Ok((genesis, path))
}

fn dir_of(org: &OrgId) -> String {
    org.to_string()
}

fn propose(args: Propose, ctx: &Context) -> Result<(), Failure> {
    let Propose { dir, org, p2p, rpc } = args;
    let path = dir.join("member.json");
    if path.exists() {
        return Err(Failure::new(
            Exit::Machine,
            format!("`{}` exists already; its keys are made once", path.display()),
        ));
    }
    let lock = lock(Some(new_passphrase()?));
    let member = make_keys(&dir.join("keys"), &org, &lock)?;
    write_public(&path, &MemberFile { format: 1, member, p2p, rpc })?;
    if ctx.out.json {
        return ctx.out.json(&json!({ "member": path, "keys": dir.join("keys") }));
    }
    ctx.out.line(path.display());
    ctx.out.say(
        "Send this file to whoever assembles the genesis file. The keys beside it stay here; back them up.",
    );
    Ok(())
}

fn assemble(args: &Assemble, ctx: &Context) -> Result<(), Failure> {
    let files = args.members.iter().map(|path| MemberFile::read(path)).collect::<Result<Vec<_>, _>>()?;
    let members = files.iter().map(|file| file.member.clone()).collect();
    let genesis = genesis(&args.name, SystemHost.now(), false, members)?;
    let path = args.out.join("genesis.json");
    write_public(&path, &genesis)?;
    let addresses = files.iter().map(MemberFile::address).collect();
    write_public(&args.out.join("members.json"), &MembersFile { members: addresses })?;
    show(&genesis, &path, ctx)?;
    ctx.out.say("\nSend genesis.json and members.json to every member; each runs `horkos network join`.");
    Ok(())
}

fn join(args: &Join, ctx: &Context) -> Result<(), Failure> {
    let genesis = read_genesis(&args.genesis)?;
    let text = fs::read(&args.members).map_err(|error| Failure::file(&args.members, &error))?;
    let MembersFile { members } = serde_json::from_slice(&text).map_err(|error| {
        Failure::input(format!("`{}` is no members file: {error}", args.members.display()))
    })?;
    let stranger = || Failure::input(format!("`{}` is not a member of this network", args.org));
    let member = genesis.members.iter().find(|member| member.org == args.org).ok_or_else(stranger)?;
    let own = members.iter().find(|address| address.org == args.org).ok_or_else(stranger)?;
    let missing =
        genesis.members.iter().find(|member| !members.iter().any(|address| address.org == member.org));
    if let Some(missing) = missing {
        return Err(Failure::input(format!("the members file has no address of `{}`", missing.org)));
    }
    check_keys(&args.dir.join("keys"), member, passphrase)?;
    let kept = args.dir.join("genesis.json");
    write_public(&kept, &genesis)?;
    let path = args.dir.join("node.toml");
    write_config(&path, &config(&args.org, "genesis.json".into(), (own.p2p, own.rpc), members.clone()))?;
    show(&genesis, &kept, ctx)?;
    ctx.out.say(format_args!(
        "\nCompare the network's id with the other members', then:\n  horkos node start --config {}",
        path.display()
    ));
    Ok(())
}

fn show(genesis: &Genesis, path: &Path, ctx: &Context) -> Result<(), Failure> {
    let n = genesis.members.len();
    let f = n.saturating_sub(1) / 3;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "network": genesis.network(), "genesis": path, "name": genesis.name, "demo": genesis.demo,
            "members": genesis.members.iter().map(|member| json!({
                "org": member.org, "kind": member.kind, "name": member.name, "key": member.key, "validator": member.validator,
            })).collect::<Vec<_>>(),
            "n": n, "f": f, "t": n - f,
        }));
    }
    let mut facts = Table::default();
    facts.row(["network".to_owned(), genesis.network().to_string()]);
    facts.row(["name".to_owned(), genesis.name.to_string()]);
    facts.row(["genesis file".to_owned(), path.display().to_string()]);
    facts.row(["committee".to_owned(), format!("{n} members; {f} may fail or lie, {} shares open", n - f)]);
    if genesis.demo {
        facts.row(["demonstration", "yes: keys lie unlocked, never for real patients"]);
    }
    ctx.out.table(&facts);
    ctx.out.line("");
    let mut table = Table::new(&["member", "kind", "name", "organisation key"]);
    for member in genesis.members.iter() {
        let kind =
            serde_json::to_value(member.kind).ok().and_then(|kind| kind.as_str().map(ToOwned::to_owned));
        let key: String = member.key.to_string().chars().take(16).collect();
        table.row([
            member.org.to_string(),
            kind.unwrap_or_default(),
            member.name.to_string(),
            format!("{key}…"),
        ]);
    }
    ctx.out.table(&table);
    Ok(())
}

/// Refuses a folder that holds something.
pub(crate) fn check_empty(dir: &Path) -> Result<(), Failure> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::new(
                Exit::Machine,
                format!("`{}` is not empty; name a new folder, nothing is ever overwritten", dir.display()),
            )),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::file(dir, &error)),
    }
}
