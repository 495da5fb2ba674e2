//! This file is where an owner has something erased, and sees how far that has come.

use super::consent::parse_category;
use crate::{
    context::Context,
    exit::{Exit, Failure},
    out::Table,
    words::{self, short},
};
use clap::Args;
use client::{Client, Doomed};
use ledger::charts::{Erasure, Target};
use primitives::{ChartId, CompartmentId, OrgId, PackRoot, Span, TxId};
use serde_json::json;

/// Erase: for good, of the whole chart or parts of it
///
/// From the block that orders it no key is released and no byte served. It is effective once enough trustees have
/// confirmed that their shares are gone, complete once all have. What stays is the history, which still verifies.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["category", "compartment", "record", "all"]))]
pub(crate) struct Erase {
    /// The chart's id, its first digits, or `mine`
    chart: String,
    /// What was written so far in these categories: general, PSY, HIV …, separated by commas
    #[arg(long = "category", alias = "class", value_name = "CODE", value_delimiter = ',')]
    category: Vec<String>,
    /// Of those categories, only what this organisation wrote
    #[arg(long, value_name = "ORG", requires = "category")]
    by: Option<OrgId>,
    /// One compartment, by its full id
    #[arg(long, value_name = "ID")]
    compartment: Option<CompartmentId>,
    /// Single records of a pack: PACK:PLACE, as PACK:3 or PACK:3,5
    #[arg(long, value_name = "PACK:PLACE", value_parser = record)]
    record: Option<Records>,
    /// Everything written so far
    #[arg(long)]
    all: bool,
    /// How long to wait until all members have confirmed, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    wait: u64,
}

/// Single records.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    pack: PackRoot,
    places: Vec<u32>,
}

fn record(text: &str) -> Result<Records, String> {
    let wrong = || {
        format!("`{text}` names no records; write PACK:PLACE with the pack's full id, as 6f…:3 or 6f…:3,5")
    };
    let (pack, places) = text.split_once(':').ok_or_else(wrong)?;
    let places = places.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>().map_err(|_| wrong())?;
    Ok(Records { pack: pack.parse().map_err(|_| wrong())?, places })
}

pub(crate) async fn run(args: Erase, ctx: &Context) -> Result<(), Failure> {
    let categories = args.category.iter().map(|text| parse_category(text)).collect::<Result<Vec<_>, _>>()?;
    let client = ctx.client().await?;
    let chart = words::chart(&client, &args.chart).await?;
    let doomed = match (&args.compartment, args.record) {
        _ if args.all => Doomed::Chart,
        (Some(id), _) => Doomed::Named(Target::Compartment(*id)),
        (None, Some(Records { pack, places })) => Doomed::Records { pack, places },
        (None, None) => match args.by {
            Some(by) => return by_writer(&client, chart, &categories, &by, args.wait, ctx).await,
            None => Doomed::Categories(categories),
        },
    };
    let done = client.erase(chart, doomed).await?;
    follow(&client, &done.iter().map(|done| done.tx).collect::<Vec<_>>(), args.wait, ctx).await
}

async fn by_writer(
    client: &Client,
    chart: ChartId,
    categories: &[fhir::category::Category],
    by: &OrgId,
    wait: u64,
    ctx: &Context,
) -> Result<(), Failure> {
    let key = client.categories_key(chart).await?;
    let mut erasures = Vec::new();
    for tag in client::tags_within(&key, categories) {
        let class = ledger::charts::ClassId { chart, tag, writer: by.clone() };
        let (row, _) = client.view(|state| ledger::charts::class(state, &class)).await?;
        if row.is_some() {
            let doomed = Doomed::Named(Target::Class { tag, org: by.clone() });
            erasures.extend(client.erase(chart, doomed).await?.into_iter().map(|done| done.tx));
        }
    }
    if erasures.is_empty() {
        return Err(Failure::input(format!("{by} has written nothing in these categories")));
    }
    follow(client, &erasures, wait, ctx).await
}

async fn follow(client: &Client, erasures: &[TxId], wait: u64, ctx: &Context) -> Result<(), Failure> {
    let spinner = ctx.out.spinner("ordered; waiting for the members' confirmations");
    let mut rows: Vec<(TxId, Erasure)> = Vec::new();
    for erasure in erasures {
        if let Some(row) = client.await_erasure(*erasure, Span::secs(wait)).await? {
            rows.push((*erasure, row));
        }
    }
    spinner.finish_and_clear();
    let members = client.genesis().members.len();
    if ctx.out.json {
        let all = rows.iter().map(|(erasure, row)| {
            json!({
                "erasure": erasure, "target": row.target, "ordered": row.ordered.height,
                "receipted": row.receipted.count(), "members": members, "effective": row.effective,
                "complete": row.complete,
            })
        });
        return ctx.out.json(&all.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["erasure", "what", "ordered at", "confirmed by", "stage"]);
    for (erasure, row) in &rows {
        let stage = if row.complete {
            "complete"
        } else if row.effective {
            "effective"
        } else {
            "ordered"
        };
        table.row([
            short(erasure),
            words::target(&row.target),
            row.ordered.height.to_string(),
            format!("{} of {members}", row.receipted.count()),
            stage.to_owned(),
        ]);
    }
    ctx.out.table(&table);
    if rows.len() < erasures.len() {
        return Err(Failure::new(
            Exit::Open,
            "an erasure was ordered but the node does not know it yet; see `chart show`",
        ));
    }
    if rows.iter().all(|(_, row)| row.effective) {
        ctx.out.say("Nobody who kept the protocol can open it any more.");
    } else {
        ctx.out.say(
            "Nothing of it is released any more; `chart show` tells when enough members have confirmed.",
        );
    }
    Ok(())
}
