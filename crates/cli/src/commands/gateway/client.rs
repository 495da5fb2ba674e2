//! This file is where clients of a gateway are registered, listed and shut out.

use super::store::{ConfigPath, machine, open};
use crate::{
    context::Context,
    exit::{Failure, chain},
};
use clap::{Args, Subcommand};
use client::{
    Host as _, SystemHost,
    keys::{Profile, ProfileName},
};
use gateway::{
    smart::{self, ClientId, Keys, Principal, Scopes},
    start::load_config,
};
use ledger::consent::Purpose;
use primitives::Slug;
use serde_json::json;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// Most bytes of a file with keys.
const JWKS_BYTES_MAX: u64 = 256 << 10;

#[derive(Subcommand, Debug)]
pub(crate) enum Client {
    Add(Add),
    List(List),
    Disable(Named),
    Enable(Named),
}

/// Register a client: who it is, by which keys, for whom and for what it may act
///
/// The client proves itself by a JWT signed with its private key (`private_key_jwt`; RS384 or ES384) at the token endpoint, and
/// names the purpose of use in the assertion's `hl7-b2b` extension.
#[derive(Args, Debug)]
pub(crate) struct Add {
    /// The client's id, as it will name itself
    pub(crate) id: String,
    /// Its name in plain words
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// A file with its public keys (JWK Set), or the https address of one
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) jwks: String,
    /// What it may do at most, as "system/*.cruds" (SMART v2 or v1), separated by blanks
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scopes: String,
    /// Purposes of use that it may name, as TREAT
    #[arg(long = "purpose", value_name = "CODE", required = true)]
    pub(crate) purposes: Vec<String>,
    /// The practitioner for whom it acts; without one it acts as the organisation
    #[arg(long = "as", value_name = "PROFILE", requires = "role")]
    pub(crate) practitioner: Option<String>,
    /// The role that the organisation certifies for that practitioner
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// It may ask about the tokens of others
    #[arg(long)]
    pub(crate) may_introspect: bool,
    /// It is believed when it says that its user has just signed in anew by more than one factor: who breaks the glass must
    #[arg(long, requires = "practitioner")]
    pub(crate) may_vouch: bool,
    #[command(flatten)]
    pub(crate) gateway: ConfigPath,
}

/// List the registered clients
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    gateway: ConfigPath,
}

/// Shut a client out, or let it in again
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The client's id
    id: String,
    #[command(flatten)]
    gateway: ConfigPath,
}

pub(super) fn run(command: Client, ctx: &Context) -> Result<(), Failure> {
    match command {
        Client::Add(args) => add(&args, ctx),
        Client::List(args) => list(&args, ctx),
        Client::Disable(args) => enable(&args, false, ctx),
        Client::Enable(args) => enable(&args, true, ctx),
    }
}

/// Registers a client.
pub(crate) fn register(args: &Add) -> Result<smart::Client, Failure> {
    let id: ClientId =
        args.id.parse().map_err(|error: smart::ClientIdError| Failure::input(error.to_string()))?;
    let keys = if args.jwks.starts_with("https://") || args.jwks.starts_with("http://") {
        Keys::Url(args.jwks.clone())
    } else {
        let path = PathBuf::from(&args.jwks);
        let file = |error: std::io::Error| Failure::file(&path, &error);
        if fs::metadata(&path).map_err(file)?.len() > JWKS_BYTES_MAX {
            return Err(Failure::input(format!(
                "`{}` is longer than {JWKS_BYTES_MAX} bytes",
                path.display()
            )));
        }
        Keys::Inline(fs::read_to_string(&path).map_err(file)?)
    };
    let scopes = Scopes::parse(&args.scopes).map_err(|error| Failure::input(error.to_string()))?;
    let purposes = args
        .purposes
        .iter()
        .map(|code| code.parse::<Purpose>().map_err(|error| Failure::input(format!("`{code}`: {error}"))));
    let purposes: BTreeSet<Purpose> = purposes.collect::<Result<_, _>>()?;
    let principal = match (&args.practitioner, &args.role) {
        (Some(profile), Some(role)) => {
            let config = load_config(&args.gateway.config).map_err(|error| Failure::input(chain(&error)))?;
            let name: ProfileName = profile.parse()?;
            // A registration for somebody who isn't there would fail at the first request only.
            Profile::load(&config.home, &name)?;
            let role: Slug = role.parse().map_err(|_| Failure::input(format!("`{role}` is no role")))?;
            Principal::Practitioner { profile: name.to_string(), role }
        }
        (_, _) => Principal::System,
    };
    let client = smart::Client {
        name: args.name.clone().unwrap_or_else(|| id.to_string()),
        id,
        keys,
        scopes,
        purposes,
        principal,
        may_introspect: args.may_introspect,
        may_vouch: args.may_vouch,
        enabled: true,
        created: SystemHost.now(),
    };
    open(&args.gateway)?.add(&client).map_err(|error| Failure::input(chain(&error)))?;
    Ok(client)
}

fn add(args: &Add, ctx: &Context) -> Result<(), Failure> {
    let client = register(args)?;
    if ctx.out.json {
        return ctx.out.json(&shown(&client));
    }
    ctx.out.say(format_args!("client {} is registered for {}", client.id, args.purposes.join(", ")));
    Ok(())
}

fn shown(client: &smart::Client) -> serde_json::Value {
    let scopes: Vec<String> = client.scopes.iter().map(ToString::to_string).collect();
    json!({
        "id": client.id.as_str(),
        "name": client.name,
        "scopes": scopes,
        "purposes": client.purposes.iter().map(|purpose| purpose.code().to_owned()).collect::<Vec<_>>(),
        "as": client.principal.profile().map(|profile| profile.to_string()),
        "may_vouch": client.may_vouch,
        "enabled": client.enabled,
    })
}

fn list(args: &List, ctx: &Context) -> Result<(), Failure> {
    let clients = open(&args.gateway)?.list().map_err(machine)?;
    if ctx.out.json {
        return ctx.out.json(&clients.iter().map(shown).collect::<Vec<_>>());
    }
    if clients.is_empty() {
        ctx.out.say(format_args!("no client is registered; see `horkos gateway client add --help`"));
    }
    for client in &clients {
        let state = if client.enabled { "" } else { "  (shut out)" };
        let whom =
            client.principal.profile().map_or_else(|| "the organisation".to_owned(), |name| name.to_string());
        ctx.out.line(format_args!("{}  {}  as {whom}{state}", client.id, client.name));
    }
    Ok(())
}

fn enable(args: &Named, enabled: bool, ctx: &Context) -> Result<(), Failure> {
    let id: ClientId =
        args.id.parse().map_err(|error: smart::ClientIdError| Failure::input(error.to_string()))?;
    if !open(&args.gateway)?.set_enabled(&id, enabled).map_err(machine)? {
        return Err(Failure::input(format!("no client `{id}` is registered")));
    }
    let words = if enabled { "may come in" } else { "is shut out; its tokens are void" };
    if ctx.out.json {
        return ctx.out.json(&json!({ "id": id.as_str(), "enabled": enabled }));
    }
    ctx.out.say(format_args!("client {id} {words}"));
    Ok(())
}
