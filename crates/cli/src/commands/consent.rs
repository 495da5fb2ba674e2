//! This file is where a patient says who may read.

use crate::{
    context::Context,
    exit::{Exit, Failure},
    out::{Style, Table},
    time,
    words::{self, as_of, short},
};
use clap::{Args, Subcommand};
use client::{
    Client, Host as _, SystemHost,
    audit::{Consent, GrantTerms, What},
};
use fhir::category::Category;
use ledger::consent::{Action, Effect, Grantee, Purpose};
use primitives::{ChartId, Millis, TxId};
use serde_json::{Value, json};

/// Say who may read a chart, for what, and take it back
#[derive(Subcommand, Debug)]
pub(crate) enum ConsentCommand {
    Grant(Terms),
    /// Deny somebody to read; a denial beats every permission
    Deny(Terms),
    Revoke(Revoke),
    List(List),
}

/// Permit somebody to read
///
/// As in `grant mine --to lakeside-clinic --purpose TREAT --until 30d`. What names no category speaks of the general
/// records alone; `--category all` says explicitly everything, and `--category PSY` names one.
#[derive(Args, Debug)]
pub(crate) struct Terms {
    /// The chart's id, its first digits, or `mine`
    chart: String,
    /// Whom: ORG, ORG:ROLE, ORG/PRACTITIONER or study:ID
    #[arg(long = "to", value_name = "GRANTEE")]
    to: Grantee,
    /// What for: an HL7 v3 PurposeOfUse code, as TREAT, HPAYMT, HOPERAT, HRESCH; may be given several times
    #[arg(long = "purpose", value_name = "CODE", required = true)]
    purposes: Vec<Purpose>,
    /// In which categories: general, PSY, HIV, ETH, SDV …, or `all`; several separated by commas [default: general]
    #[arg(long = "category", value_name = "CODE", value_delimiter = ',')]
    categories: Vec<String>,
    /// From when on: 2027-01-31, 2027-01-31T12:00:00Z, or from now on 30d, 12h, 90m [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when, not included, in the same form [default: no end]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Speak of writing into the chart instead of reading it
    #[arg(long)]
    write: bool,
}

/// Take back all that somebody was permitted, or one directive
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// The chart's id, its first digits, or `mine`
    chart: String,
    /// The directive's id or its first digits, as `consent list` shows it
    #[arg(required_unless_present = "to", conflicts_with = "to")]
    directive: Option<String>,
    /// From whom: everything that this grantee was permitted
    #[arg(long = "to", value_name = "GRANTEE")]
    to: Option<Grantee>,
}

/// List all directives that a chart ever had, proven to be complete
#[derive(Args, Debug)]
pub(crate) struct List {
    /// The chart's id, its first digits, or `mine`
    chart: String,
    /// Only those in force
    #[arg(long)]
    live: bool,
}

pub(crate) async fn run(command: ConsentCommand, ctx: &Context) -> Result<(), Failure> {
    match command {
        ConsentCommand::Grant(terms) => direct(terms, Effect::Permit, ctx).await,
        ConsentCommand::Deny(terms) => direct(terms, Effect::Deny, ctx).await,
        ConsentCommand::Revoke(args) => revoke(args, ctx).await,
        ConsentCommand::List(args) => list(&args, ctx).await,
    }
}

/// What the categories on the command line speak of.
pub(crate) fn what(categories: &[String]) -> Result<What, Failure> {
    if categories.is_empty() {
        return Ok(What::General);
    }
    if categories.iter().any(|one| one.eq_ignore_ascii_case("all")) {
        return match categories {
            [_] => Ok(What::All),
            _ => Err(Failure::new(Exit::Usage, "`all` stands alone; other categories are in it")),
        };
    }
    Ok(What::Categories(categories.iter().map(|text| parse_category(text)).collect::<Result<_, _>>()?))
}

/// A category that the network's records can have.
pub(crate) fn parse_category(text: &str) -> Result<Category, Failure> {
    let wrong = || {
        let known = fhir::category::known();
        Failure::input(format!(
            "`{text}` is no category; there are general, {} and combinations as HIV+PSY",
            known.join(", ")
        ))
    };
    let category = Category::parse(text).ok_or_else(wrong)?;
    if category.labels().all(|label| fhir::category::known().contains(&label)) {
        Ok(category)
    } else {
        Err(wrong())
    }
}

async fn direct(terms: Terms, effect: Effect, ctx: &Context) -> Result<(), Failure> {
    let now = SystemHost.now();
    let moment = |text: &Option<String>| text.as_deref().map(|text| time::parse(text, now)).transpose();
    let (from, until) =
        (moment(&terms.from).map_err(Failure::input)?, moment(&terms.until).map_err(Failure::input)?);
    let what = what(&terms.categories)?;
    let client = ctx.client().await?;
    let chart = words::chart(&client, &terms.chart).await?;
    let action = if terms.write { Action::Write } else { Action::Read };
    let Terms { to: grantee, purposes, .. } = terms;
    let done = client
        .direct(&GrantTerms { chart, effect, grantee: grantee.clone(), action, purposes, what, from, until })
        .await?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "directive": done.tx, "chart": chart, "height": done.height, "time": time::text(done.time),
        }));
    }
    ctx.out.line(done.tx);
    let verb = if effect == Effect::Permit { "permitted" } else { "denied" };
    ctx.out.say(format_args!(
        "{grantee} is {verb} this from height {} on. Take it back with `consent revoke`.",
        done.height
    ));
    Ok(())
}

async fn revoke(args: Revoke, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let chart = words::chart(&client, &args.chart).await?;
    let done = match (&args.to, &args.directive) {
        (Some(grantee), _) => client.revoke_from(chart, grantee).await?,
        (None, Some(text)) => client.revoke(chart, directive(&client, chart, text).await?).await?,
        (None, None) => return Err(Failure::new(Exit::Usage, "name a directive, or a grantee with --to")),
    };
    if ctx.out.json {
        return ctx.out.json(&json!({
            "revocation": done.tx, "chart": chart, "height": done.height, "time": time::text(done.time),
        }));
    }
    ctx.out.line(done.tx);
    ctx.out.say(format_args!(
        "Taken back. Whatever is decided after height {} no longer rests on it.",
        done.height
    ));
    Ok(())
}

/// The directive with this id, or the one whose id begins so.
async fn directive(client: &Client, chart: ChartId, text: &str) -> Result<TxId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let (consents, _) = client.consents(chart).await?;
    let begins = |consent: &&Consent| text.len() >= 4 && consent.directive.id.to_string().starts_with(text);
    let found: Vec<TxId> = consents.iter().filter(begins).map(|consent| consent.directive.id).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::input(format!(
            "the chart has no directive `{text}`; `consent list` shows them, and --to names a grantee"
        ))),
        _ => Err(Failure::input(format!("`{text}` begins several directives' ids; write more of it"))),
    }
}

async fn list(args: &List, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let chart = words::chart(&client, &args.chart).await?;
    let (mut consents, at) = client.consents(chart).await?;
    consents.retain(|consent| consent.live || !args.live);
    if ctx.out.json {
        let all: Vec<Value> = consents.iter().map(consent_json).collect();
        return ctx.out.json(&json!({
            "chart": chart, "height": at.height, "time": time::text(at.time), "consents": all,
        }));
    }
    if consents.is_empty() {
        ctx.out.say("There are none.");
    }
    for line in lines_of(&consents, ctx) {
        ctx.out.line(line);
    }
    ctx.out.say(format_args!("None is left out as of {}; proven.", as_of(at)));
    Ok(())
}

/// All directives, each in two lines.
fn lines_of(consents: &[Consent], ctx: &Context) -> Vec<String> {
    let mut table = Table::new(&["directive", "", "for", "to", "state"]);
    for consent in consents {
        let directive = &consent.directive;
        let effect = match (directive.effect, directive.action) {
            (Effect::Permit, Action::Read) => "permits reading",
            (Effect::Permit, Action::Write) => "permits writing",
            (Effect::Deny, Action::Read) => "denies reading",
            (Effect::Deny, Action::Write) => "denies writing",
        };
        let purposes: Vec<&str> = directive.purposes.iter().map(|purpose| purpose.code()).collect();
        let (style, state) = match (&consent.revoked, consent.live) {
            (Some(at), _) => (Style::Dim, format!("revoked at height {}", at.height)),
            (None, true) => (Style::Good, "in force".to_owned()),
            (None, false) => (Style::Dim, "not in force".to_owned()),
        };
        let cells =
            [short(directive.id), effect.to_owned(), purposes.join(" "), directive.grantee.to_string()];
        table.styled(cells.into_iter().map(|cell| (Style::Plain, cell)).chain([(style, state)]));
    }
    let mut rows = ctx.out.lines_of(&table).into_iter();
    let mut lines: Vec<String> = rows.next().filter(|_| !consents.is_empty()).into_iter().collect();
    for (row, consent) in rows.zip(consents) {
        lines.push(row);
        // Whoever lacks the chart's tag key sees opaque tags: the beginning will do.
        let categories = consent.categories.iter().map(|name| match name.strip_prefix("tag ") {
            Some(tag) => format!("tag {}", short(tag)),
            None => name.clone(),
        });
        let categories = categories.collect::<Vec<_>>().join(", ");
        lines.push(format!("              {categories}; until {}", time::text(consent.directive.until)));
    }
    lines
}

fn consent_json(consent: &Consent) -> Value {
    let directive = &consent.directive;
    let end = (directive.until != Millis::MAX).then_some(directive.until);
    json!({
        "directive": directive.id, "effect": directive.effect, "grantee": directive.grantee, "action": directive.action,
        "purposes": directive.purposes, "categories": consent.categories, "from": directive.from, "until": end,
        "by": consent.by, "height": consent.made.height, "revoked": consent.revoked.map(|at| at.height),
        "live": consent.live,
    })
}
