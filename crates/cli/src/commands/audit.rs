//! This file is where a chart's owner sees who looked, and where one access is explained.

use crate::{
    context::Context,
    exit::Failure,
    out::{Style, Table},
    time,
    words::{self, access_json, as_of, by_all, outcome, short, who},
};
use clap::Args;
use client::audit::{Access, Audit, Explanation, Outcome, Told};
use ledger::access::Finding;
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
    /// The access, as `audit` and `open` show it; a full id
    access: TxId,
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
        ctx.out.table(&table(&audit));
        for access in &audit.accesses {
            ctx.out.say_some(remark(access));
        }
    }
    ctx.out.say(format_args!(
        "None is left out as of {}; proven by {} lines of the chart's log. `horkos explain ACCESS` says why.",
        as_of(audit.as_of),
        audit.lines
    ));
    Ok(())
}

/// All accesses as a table.
pub(crate) fn table(audit: &Audit) -> Table {
    let mut table = Table::new(&["time", "height", "who", "of", "role", "for", "decision", "by", "access"]);
    for access in &audit.accesses {
        let style = match access.outcome {
            Outcome::Permitted => Style::Good,
            Outcome::Partly => Style::Accent,
            Outcome::Denied => Style::Bad,
        };
        let role = access.reader.role.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut decision = outcome(access.outcome).to_owned();
        if access.count > 1 {
            decision.push_str(&format!(" ×{}", access.count));
        }
        table.styled([
            (Style::Plain, time::text(access.time)),
            (Style::Plain, access.height.to_string()),
            (Style::Plain, who(access)),
            (Style::Plain, access.reader.org.to_string()),
            (Style::Plain, role),
            (Style::Plain, access.purpose.code().to_owned()),
            (style, decision),
            (Style::Plain, by_all(&access.by)),
            (Style::Dim, access.id.to_string()),
        ]);
    }
    table
}

/// What should be noticed about an access.
fn remark(access: &Access) -> Option<String> {
    let id = short(access.id);
    let reason = match &access.told {
        Told::Words(words) => words.reason.as_ref().map(|reason| format!(": “{reason}”")).unwrap_or_default(),
        Told::Missing => {
            return Some(format!("{id}: {} left no word of who it was; ask it.", access.reader.org));
        }
        Told::Garbage => {
            return Some(format!("{id}: what {} left can't be read; ask it.", access.reader.org));
        }
        Told::Sealed => String::new(),
    };
    if access.emergency.is_some() {
        let review = match access.review {
            None => "not reviewed yet",
            Some(Finding::Justified) => "reviewed: justified",
            Some(Finding::Unjustified) => "reviewed: NOT justified",
        };
        return Some(format!("{id}: the glass was broken{reason}; {review}."));
    }
    (!reason.is_empty()).then(|| format!("{id}: reason given{reason}."))
}

pub(crate) async fn explain(args: &ExplainArgs, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let explanation = client.explain(args.access).await?;
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
    for line in lines(&explanation) {
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
