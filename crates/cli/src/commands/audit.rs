//! This file is where a chart's owner sees who looked, and where one access is explained.

use crate::{
    context::Context,
    exit::Failure,
    out::{Style, Table, WIDTH, clean, wrap},
    time,
    words::{self, access_json, as_of, by_all, outcome, short, who},
};
use clap::Args;
use client::{
    Client,
    audit::{Access, Audit, Explanation, Outcome, Told},
};
use ledger::{Event, access::Finding};
use primitives::TxId;
use serde_json::json;

/// Show everybody who opened a chart or was denied, proven to be complete
///
/// The owner sees names and reasons in plain words; for that her own access is made and recorded, too.
#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// The chart's id, its first digits, or `mine`
    chart: String,
    /// Leave out the owner's own accesses
    #[arg(long)]
    others: bool,
}

/// Explain an access: what was asked, what was decided class by class, and by what
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The access's id; its first digits will do together with a chart
    access: String,
    /// The chart, for the first digits [default for a patient: mine]
    #[arg(long)]
    chart: Option<String>,
}

pub(crate) async fn audit(args: &AuditArgs, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let mut audit = client.audit(words::chart(&client, &args.chart).await?).await?;
    audit.accesses.retain(|access| !args.others || !access.reader.owner);
    if ctx.out.json {
        return ctx.out.json(&json!({
            "chart": audit.chart, "height": audit.as_of.height, "time": time::text(audit.as_of.time),
            "lines": audit.lines, "accesses": audit.accesses.iter().map(access_json).collect::<Vec<_>>(),
        }));
    }
    if audit.accesses.is_empty() {
        ctx.out.say("Nobody has looked into this chart, nor tried to.");
    } else {
        for line in lines_of(&audit, ctx) {
            ctx.out.line(line);
        }
    }
    ctx.out.say(format_args!(
        "None is left out as of {}; proven by {} lines of the chart's log. `horkos explain ACCESS` says why.",
        as_of(audit.as_of),
        audit.lines
    ));
    Ok(())
}

/// All accesses, each in a few lines.
fn lines_of(audit: &Audit, ctx: &Context) -> Vec<String> {
    let mut table = Table::new(&["height", "time", "decision", "for", "access"]);
    for access in &audit.accesses {
        let style = match access.outcome {
            Outcome::Permitted => Style::Good,
            Outcome::Partly => Style::Accent,
            Outcome::Denied => Style::Bad,
        };
        let again = if access.count > 1 { format!(" ×{}", access.count) } else { String::new() };
        table.styled([
            (Style::Plain, access.height.to_string()),
            (Style::Plain, time::text(access.time)),
            (style, format!("{}{again}", outcome(access.outcome))),
            (Style::Plain, access.purpose.code().to_owned()),
            (Style::Dim, short(access.id)),
        ]);
    }
    let mut rows = ctx.out.lines_of(&table).into_iter();
    let mut lines: Vec<String> = rows.next().into_iter().collect();
    for (row, access) in rows.zip(&audit.accesses) {
        lines.push(row);
        let role = access.reader.role.as_ref().map(|role| format!(", {role}")).unwrap_or_default();
        let text = format!("{}{role}, {}: {}", who(access), access.reader.org, by_all(&access.by));
        for text in [Some(text), remark(access)].into_iter().flatten() {
            lines.extend(wrap(&clean(&text), WIDTH - 8).into_iter().map(|line| format!("        {line}")));
        }
    }
    lines
}

/// What should be noticed about an access.
fn remark(access: &Access) -> Option<String> {
    let reason = match &access.told {
        Told::Words(words) => words.reason.as_ref().map(|reason| format!(": “{reason}”")).unwrap_or_default(),
        Told::Missing => return Some("It left no word of who it was; ask the organisation.".to_owned()),
        Told::Garbage => {
            return Some("What it left of who it was can't be read; ask the organisation.".to_owned());
        }
        Told::Sealed => String::new(),
    };
    if access.emergency.is_some() {
        let review = match access.review {
            None => "not reviewed yet",
            Some(Finding::Justified) => "reviewed: justified",
            Some(Finding::Unjustified) => "reviewed: NOT justified",
        };
        return Some(format!("The glass was broken{reason}; {review}."));
    }
    (!reason.is_empty()).then(|| format!("Reason given{reason}."))
}

/// The access with this id, or the one in the chart's log whose id begins so.
pub(crate) async fn find(client: &Client, text: &str, chart: Option<&str>) -> Result<TxId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let Some(chart) = chart.or_else(|| client.seat().and_then(|seat| seat.profile.chart).map(|_| "mine"))
    else {
        return Err(Failure::input(format!(
            "`{text}` is no full id of an access; name its chart with --chart"
        )));
    };
    let chart = words::chart(client, chart).await?;
    let lines = client.log(chart, 0).await?;
    let accesses = lines.iter().filter(|line| matches!(line.event, Some(Event::Decided(_))));
    let begins = |id: &TxId| text.len() >= 4 && id.to_string().starts_with(text);
    let found: Vec<TxId> = accesses.map(|line| line.logged.tx).filter(begins).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::input(format!("the chart has no access `{text}`; `audit` shows them"))),
        _ => Err(Failure::input(format!("`{text}` begins several accesses' ids; write more of it"))),
    }
}

pub(crate) async fn explain(args: &ExplainArgs, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let id = find(&client, &args.access, args.chart.as_deref()).await?;
    let explanation = client.explain(id).await?;
    if ctx.out.json {
        let mut value = access_json(&explanation.access);
        if let Some(object) = value.as_object_mut() {
            object.insert("chart".to_owned(), json!(explanation.chart));
            object.insert("as_of".to_owned(), json!(explanation.as_of.height));
            object.insert("text".to_owned(), json!(explanation.text));
            object.insert("policies".to_owned(), json!(explanation.policies));
            let directives = explanation.directives.iter().map(|consent| &consent.directive);
            object.insert("directives".to_owned(), json!(directives.collect::<Vec<_>>()));
        }
        return ctx.out.json(&value);
    }
    for line in lines(&explanation).iter().flat_map(|line| wrap(line, WIDTH)) {
        ctx.out.line(line);
    }
    ctx.out.say(format_args!("Proven as of {}.", as_of(explanation.as_of)));
    Ok(())
}

/// The explanation, line by line.
pub(crate) fn lines(explanation: &Explanation) -> Vec<String> {
    let access = &explanation.access;
    let mut lines = vec![format!(
        "Access {} to chart {} at height {}, {}.",
        access.id,
        short(explanation.chart),
        access.height,
        time::text(access.time)
    )];
    lines.extend(explanation.text.iter().cloned());
    for consent in &explanation.directives {
        let directive = &consent.directive;
        let revoked =
            consent.revoked.map(|at| format!(", taken back at height {}", at.height)).unwrap_or_default();
        lines.push(format!(
            "Directive {} of height {}: to {}, until {}{revoked}.",
            short(directive.id),
            consent.made.height,
            directive.grantee,
            time::text(directive.until)
        ));
    }
    lines
}
