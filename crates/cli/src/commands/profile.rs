//! This file is where a user's profile is made and shown: who she is, whose node she talks to, where her key lies.

use crate::{
    context::{Context, new_passphrase},
    exit::{Exit, Failure},
    network::{fresh_key, lock},
    out::Table,
};
use clap::{Args, Subcommand, ValueEnum};
use client::{
    keys::{Profile, ProfileKind, ProfileName, save_signing},
    read_genesis,
};
use primitives::OrgId;
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// Make and show profiles: who acts, at whose node, with which key
#[derive(Subcommand, Debug)]
pub(crate) enum ProfileCommand {
    New(New),
    /// List the profiles in the home directory
    List,
    /// Show the profile named by --profile
    Show,
}

/// Make a profile with a fresh key, named by --profile
///
/// Prints the public key. The organisation's operator puts that on the node's staff list with `horkos node staff`. A
/// patient needs no `profile new`: `horkos patient claim` makes hers.
#[derive(Args, Debug)]
pub(crate) struct New {
    /// Who acts through it
    #[arg(long, value_enum, default_value = "practitioner")]
    kind: Kind,
    /// The user's name in plain words: goes, sealed, into the audit records of the charts that she opens
    #[arg(long, value_name = "NAME")]
    display: String,
    /// The user's organisation
    #[arg(long, value_name = "ORG")]
    org: OrgId,
    /// Address of its node
    #[arg(long, value_name = "HOST:PORT")]
    node: String,
    /// The network's genesis file; a copy is kept in the home directory
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
}

/// Who acts through a profile.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Opens and writes charts, in sessions that the organisation certifies
    Practitioner,
    /// Orders what only the organisation signs: enrolments, claims, reviews
    Staff,
}

pub(crate) fn run(command: ProfileCommand, ctx: &Context) -> Result<(), Failure> {
    match command {
        ProfileCommand::New(args) => new(args, ctx),
        ProfileCommand::List => list(ctx),
        ProfileCommand::Show => {
            let name = ctx.profile()?;
            show(&name, &Profile::load(&ctx.home()?, &name)?, ctx)
        }
    }
}

fn new(args: New, ctx: &Context) -> Result<(), Failure> {
    let New { kind, display, org, node, genesis } = args;
    let (home, name) = (ctx.home()?, ctx.profile()?);
    if name.path(&home).exists() {
        return Err(Failure::new(Exit::Keys, format!("profile `{name}` exists already; name another")));
    }
    let read = read_genesis(&genesis)?;
    if !read.members.iter().any(|member| member.org == org) {
        return Err(Failure::input(format!("`{org}` is not a member of this network")));
    }
    let kept = PathBuf::from(format!("genesis-{}.json", &read.network().to_string()[..8]));
    if !home.join(&kept).exists() {
        fs::create_dir_all(&home).map_err(|error| Failure::file(&home, &error))?;
        fs::copy(&genesis, home.join(&kept)).map_err(|error| Failure::file(&genesis, &error))?;
    }
    let lock = lock(if read.demo { None } else { Some(new_passphrase()?) });
    let key = fresh_key();
    save_signing(&home.join(name.key_path()), &key, &lock)?;
    let kind = match kind {
        Kind::Practitioner => ProfileKind::Practitioner,
        Kind::Staff => ProfileKind::Staff,
    };
    let profile = Profile {
        format: 1,
        kind,
        display,
        server: org.clone(),
        org,
        node,
        genesis: kept,
        key: name.key_path(),
        chart: None,
    };
    profile.save(&home, &name)?;
    if ctx.out.json {
        return ctx.out.json(&json!({ "profile": name.to_string(), "key": key.public() }));
    }
    ctx.out.line(key.public());
    ctx.out.say("Have the node's operator put this key on the staff list:");
    ctx.out
        .say(format_args!("  horkos node staff --config node.toml --key {} --role physician", key.public()));
    Ok(())
}

fn as_json(name: &ProfileName, profile: &Profile) -> Value {
    json!({
        "profile": name.to_string(), "kind": profile.kind, "display": profile.display, "org": profile.org,
        "server": profile.server, "node": profile.node, "genesis": profile.genesis, "key": profile.key,
        "chart": profile.chart,
    })
}

fn list(ctx: &Context) -> Result<(), Failure> {
    let home = ctx.home()?;
    let names = Profile::list(&home);
    let loaded: Vec<(ProfileName, Profile)> = names
        .into_iter()
        .filter_map(|name| Profile::load(&home, &name).ok().map(|profile| (name, profile)))
        .collect();
    if ctx.out.json {
        let all: Vec<Value> = loaded.iter().map(|(name, profile)| as_json(name, profile)).collect();
        return ctx.out.json(&all);
    }
    if loaded.is_empty() {
        ctx.out.say(format_args!(
            "There are no profiles under `{}`; see `horkos profile new --help`.",
            home.display()
        ));
    }
    let mut table = Table::new(&["profile", "kind", "organisation", "node", "name"]);
    for (name, profile) in &loaded {
        let kind = word(profile.kind);
        table.row([&name.to_string(), kind, &profile.org.to_string(), &profile.node, &profile.display]);
    }
    if !loaded.is_empty() {
        ctx.out.table(&table);
    }
    Ok(())
}

fn show(name: &ProfileName, profile: &Profile, ctx: &Context) -> Result<(), Failure> {
    if ctx.out.json {
        return ctx.out.json(&as_json(name, profile));
    }
    let mut table = Table::default();
    table.row(["profile", &name.to_string()]);
    table.row(["kind", word(profile.kind)]);
    table.row(["name", &profile.display]);
    table.row(["organisation", &profile.org.to_string()]);
    table.row(["node", &format!("{} of {}", profile.node, profile.server)]);
    table.row(["genesis file", &profile.genesis.display().to_string()]);
    table.row(["key file", &profile.key.display().to_string()]);
    if let Some(chart) = profile.chart {
        table.row(["chart", &chart.to_string()]);
    }
    ctx.out.table(&table);
    Ok(())
}

fn word(kind: ProfileKind) -> &'static str {
    match kind {
        ProfileKind::Practitioner => "practitioner",
        ProfileKind::Patient => "patient",
        ProfileKind::Staff => "staff",
    }
}
