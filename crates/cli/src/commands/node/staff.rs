//! This file is where somebody gets onto the list of those who may use the organisation's node.

use crate::{
    context::{ConfigPath, Context},
    exit::Failure,
    fault::of_config,
    network::{add_staff, fresh_key},
};
use clap::Args;
use ledger::kind_named;
use node::{Staff, load_config};
use primitives::{PrincipalId, PublicKey, Slug, Span};
use serde_json::json;

/// Put somebody on the node's staff list; the node reads it when it starts
#[derive(Args, Debug)]
pub(crate) struct AddStaff {
    #[command(flatten)]
    config: ConfigPath,
    /// The public key that `horkos profile new` printed
    #[arg(long, value_name = "KEY")]
    key: PublicKey,
    /// The role that the organisation certifies, as physician, nurse or clerk
    #[arg(long)]
    role: Slug,
    /// The id under which the practitioner stands on the ledger already; a fresh random one if there is none
    #[arg(long, value_name = "ID")]
    practitioner: Option<PrincipalId>,
    /// A kind that this person may have the organisation sign, as identity.enrol; `*` for all
    #[arg(long = "order", value_name = "KIND")]
    orders: Vec<String>,
    /// Hours that a session lasts
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=12))]
    hours: u64,
}

pub(super) fn run(args: &AddStaff, ctx: &Context) -> Result<(), Failure> {
    let path = &args.config.config;
    load_config(path).map_err(of_config)?;
    if let Some(unknown) = args.orders.iter().find(|order| *order != "*" && kind_named(order).is_none()) {
        return Err(Failure::input(format!(
            "`{unknown}` is no kind of transaction; `horkos tx list` shows all"
        )));
    }
    let practitioner = args.practitioner.unwrap_or_else(|| fresh_key().public().principal());
    let staff = Staff {
        key: args.key,
        practitioner,
        role: args.role.clone(),
        orders: args.orders.clone(),
        session: Span::hours(args.hours),
    };
    add_staff(path, &staff)?;
    if ctx.out.json {
        return ctx.out.json(&json!({ "key": args.key, "practitioner": practitioner, "role": args.role }));
    }
    ctx.out.line(practitioner);
    ctx.out.say("Added. Restart the node, so that it reads its staff list.");
    Ok(())
}
