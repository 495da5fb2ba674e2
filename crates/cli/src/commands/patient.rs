//! This file is where a patient comes to the ledger: a one-time code from the organisation, a key of her own.

use crate::{
    context::{Context, new_passphrase},
    exit::Failure,
    network::lock,
    time, words,
};
use clap::{Args, Subcommand};
use client::{ClaimTerms, Client, SystemHost, read_genesis};
use primitives::OrgId;
use serde_json::json;
use std::{fs, path::PathBuf};

/// Bring patients to their charts
#[derive(Subcommand, Debug)]
pub(crate) enum Patient {
    Enrol(Enrol),
    Claim(Claim),
    AskCarriage(AskCarriage),
    Carry(Carry),
    /// Replace your key with a fresh one, as after a lost device; the old one is retired for good
    RotateKey,
}

/// Ask a second organisation to carry your traffic, so that none alone can keep you from the ledger
///
/// Prints what the organisation's staff needs for `horkos patient carry`. With --node, a second profile of yours is
/// written that speaks with that organisation's node.
#[derive(Args, Debug)]
pub(crate) struct AskCarriage {
    /// The organisation
    #[arg(long, value_name = "ORG")]
    to: OrgId,
    /// Address of its node
    #[arg(long, value_name = "HOST:PORT")]
    node: Option<String>,
}

/// Carry the traffic of a patient who asked for it; for the organisation's staff
#[derive(Args, Debug)]
pub(crate) struct Carry {
    /// What `horkos patient ask-carriage` printed
    asked: String,
}

/// Make a one-time code with which a patient can claim her chart; for the custodian's staff
///
/// Hand the code over face to face. It is good once, for two weeks.
#[derive(Args, Debug)]
pub(crate) struct Enrol {
    /// The chart's id or its first digits
    chart: String,
}

/// Claim a chart with a one-time code; the patient's key is made here and never leaves
#[derive(Args, Debug)]
pub(crate) struct Claim {
    /// The code
    code: String,
    /// The organisation that gave it
    #[arg(long, value_name = "ORG")]
    org: OrgId,
    /// Address of its node
    #[arg(long, value_name = "HOST:PORT")]
    node: String,
    /// The network's genesis file; a copy is kept in the home directory
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The patient's name, for the logs of other charts that she may open
    #[arg(long, value_name = "NAME", default_value = "the patient")]
    display: String,
}

pub(crate) async fn run(command: Patient, ctx: &Context) -> Result<(), Failure> {
    match command {
        Patient::Enrol(args) => enrol(&args, ctx).await,
        Patient::Claim(args) => claim(args, ctx).await,
        Patient::AskCarriage(args) => ask_carriage(args, ctx).await,
        Patient::Carry(args) => carry(&args, ctx).await,
        Patient::RotateKey => rotate_key(ctx).await,
    }
}

async fn ask_carriage(args: AskCarriage, ctx: &Context) -> Result<(), Failure> {
    let AskCarriage { to, node } = args;
    let client = ctx.client().await?;
    let asked = client.ask_carriage(&to).await?;
    let second = node.map(|node| client.profile_by(&to, node)).transpose()?;
    if ctx.out.json {
        let second = second.as_ref().map(ToString::to_string);
        return ctx.out.json(&json!({ "asked": asked.to_string(), "org": to, "profile": second }));
    }
    ctx.out.line(&asked);
    ctx.out.say(format_args!("Have {to} run: horkos patient carry {asked}"));
    if let Some(second) = second {
        ctx.out.say(format_args!("After that, reach the ledger by its node with --profile {second}"));
    }
    Ok(())
}

async fn rotate_key(ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let lock = lock(if client.genesis().demo { None } else { Some(new_passphrase()?) });
    let renewed = client.renew_key(&lock).await?;
    let profiles: Vec<String> = renewed.profiles.iter().map(ToString::to_string).collect();
    if ctx.out.json {
        return ctx.out.json(&json!({
            "key": renewed.key, "profiles": profiles, "old": renewed.old,
            "height": renewed.done.height, "time": time::text(renewed.done.time),
        }));
    }
    ctx.out.line(renewed.key);
    ctx.out.say(format_args!("In force from height {} on, in {}.", renewed.done.height, profiles.join(", ")));
    ctx.out.say(format_args!("The old key's file is good for nothing any more: {}", renewed.old.display()));
    Ok(())
}

async fn carry(args: &Carry, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let asked: client::Asked = args.asked.parse()?;
    let done = client.carry(&asked).await?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "principal": asked.principal(), "height": done.height, "time": time::text(done.time),
        }));
    }
    ctx.out.say(format_args!("{} carries this patient's traffic from height {}.", client.org(), done.height));
    Ok(())
}

async fn enrol(args: &Enrol, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let chart = words::chart(&client, &args.chart).await?;
    let code = client.make_claim_code(chart).await?;
    if ctx.out.json {
        return ctx.out.json(&json!({ "chart": chart, "code": code }));
    }
    ctx.out.line(&code);
    ctx.out.say("Hand this code to the patient. She claims her chart on her own machine with:");
    ctx.out.say(format_args!(
        "  horkos patient claim {code} --org {} --node {} --genesis genesis.json",
        client.org(),
        client.node().address()
    ));
    Ok(())
}

async fn claim(args: Claim, ctx: &Context) -> Result<(), Failure> {
    let Claim { code, org, node, genesis, display } = args;
    let home = ctx.home()?;
    let read = read_genesis(&genesis)?;
    let kept = PathBuf::from(format!("genesis-{}.json", &read.network().to_string()[..8]));
    if !home.join(&kept).exists() {
        fs::create_dir_all(&home).map_err(|error| Failure::file(&home, &error))?;
        fs::copy(&genesis, home.join(&kept)).map_err(|error| Failure::file(&genesis, &error))?;
    }
    let lock = lock(if read.demo { None } else { Some(new_passphrase()?) });
    let terms = ClaimTerms { home, node, server: org, genesis: kept, code, display };
    let claimed = Client::use_claim_code(&terms, &lock, SystemHost::shared()).await?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "chart": claimed.chart, "person": claimed.person, "profile": claimed.profile.to_string(),
            "height": claimed.done.height, "time": time::text(claimed.done.time),
        }));
    }
    ctx.out.line(&claimed.profile);
    ctx.out.say(format_args!("The chart {} is claimed at height {}.", claimed.chart, claimed.done.height));
    ctx.out.say(format_args!("See who looked into it: horkos --profile {} audit mine", claimed.profile));
    Ok(())
}
