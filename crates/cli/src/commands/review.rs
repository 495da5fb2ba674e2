//! This file is where an organisation says what it found when it looked back at a break-glass access.

use super::audit::find;
use crate::{context::Context, exit::Failure, time};
use clap::{Args, ValueEnum};
use ledger::access;
use serde_json::json;

/// Record what a review of a break-glass access found; for the organisation, or another of its practitioners
#[derive(Args, Debug)]
pub(crate) struct ReviewArgs {
    /// The access's id; its first digits will do together with a chart
    access: String,
    /// The chart, for the first digits
    #[arg(long)]
    chart: Option<String>,
    /// What was found
    #[arg(long, value_enum)]
    finding: Finding,
}

/// What a review found.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Finding {
    /// It was an emergency
    Justified,
    /// It was none
    Unjustified,
}

pub(crate) async fn run(args: &ReviewArgs, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let finding = match args.finding {
        Finding::Justified => access::Finding::Justified,
        Finding::Unjustified => access::Finding::Unjustified,
    };
    let id = find(&client, &args.access, args.chart.as_deref()).await?;
    let done = client.act(access::Review { access: id, finding }).await?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "review": done.tx, "access": id, "height": done.height, "time": time::text(done.time),
        }));
    }
    ctx.out.line(done.tx);
    ctx.out.say(format_args!("Recorded at height {}; the patient sees it.", done.height));
    Ok(())
}
