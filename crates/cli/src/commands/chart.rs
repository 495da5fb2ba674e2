//! This file is where charts are listed and shown without opening them.

use crate::{
    context::Context,
    exit::Failure,
    out::Table,
    time,
    words::{self, as_of, short},
};
use clap::{Args, Subcommand};
use client::audit::{ChartListed, ChartShown};
use serde_json::{Value, json};

/// List and show charts; nothing of their content is read
#[derive(Subcommand, Debug)]
pub(crate) enum Chart {
    /// List the charts that the organisation made, or that the patient owns
    List,
    Show(Show),
}

/// Show what a chart holds, proven: classes, packs, erasures, how safely it is kept
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The chart's id, its first digits, or `mine`
    chart: String,
}

pub(crate) async fn run(command: Chart, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    match command {
        Chart::List => list(&client.charts().await?, ctx),
        Chart::Show(args) => show(&client.chart(words::chart(&client, &args.chart).await?).await?, ctx),
    }
}

fn listed_json(listed: &ChartListed) -> Value {
    json!({
        "chart": listed.chart, "name": listed.name, "directory": listed.directory, "custodian": listed.custodian,
        "owner": listed.owner,
    })
}

fn list(charts: &[ChartListed], ctx: &Context) -> Result<(), Failure> {
    if ctx.out.json {
        return ctx.out.json(&charts.iter().map(listed_json).collect::<Vec<_>>());
    }
    if charts.is_empty() {
        ctx.out.say("There are none.");
        return Ok(());
    }
    let mut table = Table::new(&["chart", "custodian", "claimed", "patient"]);
    for listed in charts {
        let claimed = if listed.owner.is_some() { "yes" } else { "no" };
        let name = if listed.directory { "(directory)" } else { listed.name.as_deref().unwrap_or("") };
        let claimed = if listed.directory { "" } else { claimed };
        table.row([listed.chart.to_string().as_str(), &listed.custodian.to_string(), claimed, name]);
    }
    ctx.out.table(&table);
    Ok(())
}

fn show(shown: &ChartShown, ctx: &Context) -> Result<(), Failure> {
    if ctx.out.json {
        return ctx.out.json(&shown_json(shown));
    }
    let listed = &shown.listed;
    let mut facts = Table::default();
    facts.row(["chart".to_owned(), listed.chart.to_string()]);
    if let Some(name) = &listed.name {
        facts.row(["patient".to_owned(), name.clone()]);
    }
    facts.row(["custodian".to_owned(), listed.custodian.to_string()]);
    let owner =
        listed.owner.map_or_else(|| "nobody yet".to_owned(), |owner| format!("person {}", short(owner)));
    facts.row(["owner".to_owned(), if listed.directory { "a directory has none".to_owned() } else { owner }]);
    facts.row(["made".to_owned(), time::text(shown.created)]);
    facts.row(["log".to_owned(), format!("{} lines", shown.lines)]);
    facts.row(["as of".to_owned(), format!("{}, proven", as_of(shown.as_of))]);
    ctx.out.table(&facts);
    let mut classes = Table::new(&["category", "written by", "compartments", "last read at height"]);
    for class in &shown.classes {
        let name = class.category.clone().unwrap_or_else(|| {
            format!("{} {}", if class.special { "sensitive" } else { "category" }, short(class.tag))
        });
        let read = class.read.map_or_else(|| "never".to_owned(), |height| height.to_string());
        classes.row([name, class.writer.to_string(), class.compartments.to_string(), read]);
    }
    ctx.out.line("");
    ctx.out.table(&classes);
    let mut packs =
        Table::new(&["pack", "written by", "height", "records", "bytes", "trustees", "stores", "safe"]);
    for pack in &shown.packs {
        packs.row([
            short(pack.pack),
            pack.writer.to_string(),
            pack.height.to_string(),
            pack.records.to_string(),
            pack.bytes.to_string(),
            pack.acknowledged.to_string(),
            pack.stored.to_string(),
            if pack.safe { "yes" } else { "not yet" }.to_owned(),
        ]);
    }
    ctx.out.line("");
    ctx.out.table(&packs);
    if !shown.erasures.is_empty() {
        let mut erasures = Table::new(&["erasure", "what", "ordered at", "confirmed by", "stage"]);
        for erasure in &shown.erasures {
            let stage = match (erasure.complete, erasure.effective) {
                (true, _) => "complete",
                (false, true) => "effective",
                (false, false) => "ordered",
            };
            erasures.row([
                short(erasure.erasure),
                words::target(&erasure.target),
                erasure.ordered.to_string(),
                format!("{} of {}", erasure.receipted, erasure.members),
                stage.to_owned(),
            ]);
        }
        ctx.out.line("");
        ctx.out.table(&erasures);
    }
    Ok(())
}

fn shown_json(shown: &ChartShown) -> Value {
    let mut value = listed_json(&shown.listed);
    let more = json!({
        "height": shown.as_of.height, "time": time::text(shown.as_of.time), "created": time::text(shown.created),
        "lines": shown.lines,
        "classes": shown.classes.iter().map(|class| json!({
            "tag": class.tag, "category": class.category, "writer": class.writer, "special": class.special,
            "compartments": class.compartments, "read": class.read,
        })).collect::<Vec<_>>(),
        "packs": shown.packs.iter().map(|pack| json!({
            "pack": pack.pack, "writer": pack.writer, "records": pack.records, "erased": pack.erased, "bytes": pack.bytes,
            "height": pack.height, "acknowledged": pack.acknowledged, "stored": pack.stored, "safe": pack.safe,
        })).collect::<Vec<_>>(),
        "erasures": shown.erasures.iter().map(|erasure| json!({
            "erasure": erasure.erasure, "target": erasure.target, "ordered": erasure.ordered,
            "receipted": erasure.receipted, "members": erasure.members, "effective": erasure.effective,
            "complete": erasure.complete,
        })).collect::<Vec<_>>(),
    });
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.extend(more);
    }
    value
}
