//! This file is where a chart is opened: decided and recorded first, then the keys, then the records.

use super::consent::parse_category;
use crate::{
    context::Context,
    exit::{Exit, Failure},
    out::{Style, Table},
    time,
    words::{self, as_of, by, category, class_json, short},
};
use clap::{Args, ValueEnum};
use client::{
    keys::{Profile, ProfileKind, write_private},
    open::{Ask, Emergency, Opened, WhyDistrusted, WhyNot},
};
use ledger::{access::Reason, consent::Purpose};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Open a chart: what is permitted as a FHIR Bundle, and what was denied
///
/// The access is decided and recorded on the ledger before any key is released; the patient sees it, denied ones too. The
/// Bundle has the submitted bytes. Ends with status 4, and writes no file, if nothing was opened.
#[derive(Args, Debug)]
pub(crate) struct Open {
    /// The chart's id, its first digits, or `mine`
    chart: String,
    /// What for: an HL7 v3 PurposeOfUse code, as TREAT, HPAYMT, PATRQT [default for a patient: PATRQT]
    #[arg(long, value_name = "CODE")]
    purpose: Option<Purpose>,
    /// Only these categories: general, PSY, HIV …, separated by commas [default: all that there is]
    #[arg(long = "category", value_name = "CODE", value_delimiter = ',')]
    categories: Vec<String>,
    /// Declare an emergency: recorded, told to the patient, and reviewed afterwards
    #[arg(long, requires = "reason")]
    break_glass: bool,
    /// Why, in words: goes, sealed, into the patient's log
    #[arg(long, value_name = "WORDS")]
    reason: Option<String>,
    /// What kind of emergency, as the ledger tells it
    #[arg(long, value_enum, default_value = "life", requires = "break_glass")]
    emergency: Kind,
    /// Write the Bundle to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A kind of emergency.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// The patient's life is in danger
    Life,
    /// The patient can't say yes or no
    Incapacity,
    /// Somebody else is in danger
    DangerToOthers,
    /// Another reason
    Other,
}

impl From<Kind> for Reason {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Life => Self::Life,
            Kind::Incapacity => Self::Incapacity,
            Kind::DangerToOthers => Self::DangerToOthers,
            Kind::Other => Self::Other,
        }
    }
}

pub(crate) async fn run(args: Open, ctx: &Context) -> Result<Exit, Failure> {
    let categories = args.categories.iter().map(|text| parse_category(text)).collect::<Result<_, _>>()?;
    if args.purpose == Some(Purpose::BreakGlass) && !args.break_glass {
        return Err(Failure::new(Exit::Usage, "an emergency is declared with --break-glass and --reason"));
    }
    let purpose = match args.purpose {
        Some(purpose) => purpose,
        None if args.break_glass => Purpose::BreakGlass,
        None => default_purpose(ctx)?,
    };
    // The key was read for this very command, with its passphrase: that is the proof once more who it is.
    let emergency = args.break_glass.then(|| Emergency { reason: args.emergency.into(), step_up: true });
    let client = ctx.client().await?;
    let chart = words::chart(&client, &args.chart).await?;
    let spinner = ctx.out.spinner("deciding, recording, gathering keys");
    let opened =
        client.open(&Ask { categories, emergency, reason: args.reason, ..Ask::all(chart, purpose) }).await;
    spinner.finish_and_clear();
    let opened = opened?;
    let bundle =
        if opened.is_open() { Some(opened.bundle().map_err(client::open::OpenError::from)?) } else { None };
    if let (Some(path), Some(bundle)) = (&args.out, &bundle) {
        write_private(path, bundle, true)?;
    }
    if ctx.out.json {
        let mut value = opened_json(&opened);
        let text = bundle.filter(|_| args.out.is_none()).and_then(|bundle| String::from_utf8(bundle).ok());
        if let Some(object) = value.as_object_mut() {
            object.insert("out".to_owned(), json!(args.out));
        }
        write_json(&value, text, ctx)?;
    } else {
        if let (None, Some(bundle)) = (&args.out, &bundle) {
            ctx.out.line(String::from_utf8_lossy(bundle));
        }
        tell(&opened, ctx);
        if let (Some(path), Some(_)) = (&args.out, &bundle) {
            ctx.out.say(format_args!("Written to {}.", path.display()));
        }
    }
    Ok(if opened.is_open() { Exit::Done } else { Exit::Denied })
}

/// A patient opens her own chart at her own request; everybody else says what for.
fn default_purpose(ctx: &Context) -> Result<Purpose, Failure> {
    match Profile::load(&ctx.home()?, &ctx.profile()?)?.kind {
        ProfileKind::Patient => Ok(Purpose::PatientRequest),
        ProfileKind::Practitioner | ProfileKind::Staff => Err(Failure::new(
            Exit::Usage,
            "what for? name a purpose of use with --purpose, as TREAT or HPAYMT",
        )),
    }
}

/// The summary, and as `bundle` exactly the bytes that were submitted.
fn write_json(value: &Value, bundle: Option<String>, ctx: &Context) -> Result<(), Failure> {
    let Some(bundle) = bundle else { return ctx.out.json(value) };
    let fault =
        |error: serde_json::Error| Failure::new(Exit::Fault, format!("can't be written as JSON: {error}"));
    let text = serde_json::to_string_pretty(value).map_err(fault)?;
    // Spliced in as text: parsed and written again, digits of the records would change.
    let head = text.trim_end().strip_suffix('}').unwrap_or(&text).trim_end();
    ctx.out.line(format_args!("{head},\n  \"bundle\": {}\n}}", bundle.trim()));
    Ok(())
}

fn opened_json(opened: &Opened) -> Value {
    let not_shown =
        opened.not_shown.iter().map(|hidden| json!({ "records": hidden.records, "why": why(&hidden.why) }));
    json!({
        "access": opened.access, "chart": opened.chart, "purpose": opened.purpose.code(),
        "height": opened.as_of.height, "time": time::text(opened.as_of.time), "permitted": opened.permitted,
        "repeated": opened.repeated, "records": opened.records.len(), "erased": opened.erased,
        "older": opened.older, "deleted": opened.deleted,
        "classes": opened.classes.iter().map(class_json).collect::<Vec<_>>(),
        "denied": opened.denied().map(class_json).collect::<Vec<_>>(),
        "not_shown": not_shown.collect::<Vec<_>>(),
        "damaged": opened.damaged.iter().map(|one| json!({ "pack": one.pack, "at": one.at, "reason": one.reason })).collect::<Vec<_>>(),
        "distrust": opened.distrust.iter().map(|one| json!({ "place": one.place, "org": one.org, "why": lie(&one.why) })).collect::<Vec<_>>(),
        "millis": opened.timings,
    })
}

fn why(why: &WhyNot) -> String {
    match why {
        WhyNot::OtherPatient => "names another patient, in whose chart this reader may not look".to_owned(),
        WhyNot::Withheld(reason) => format!("the trustees withheld its key: {reason}"),
    }
}

fn lie(why: &WhyDistrusted) -> String {
    match why {
        WhyDistrusted::FalseShare(id) => format!("gave a false share of compartment {id}"),
        WhyDistrusted::Useless(reason) => format!("gave a useless release: {reason}"),
    }
}

/// What came of it, for the person at the terminal.
pub(crate) fn tell(opened: &Opened, ctx: &Context) {
    let mut table = Table::new(&["category", "written by", "decision", "because"]);
    for class in &opened.classes {
        let (style, word) =
            if class.decision.permit { (Style::Good, "permitted") } else { (Style::Bad, "denied") };
        table.styled([
            (Style::Plain, category(class)),
            (Style::Plain, class.writer.to_string()),
            (style, word.to_owned()),
            (Style::Plain, by(&class.decision.by)),
        ]);
    }
    for line in table.plain() {
        ctx.out.say(line);
    }
    for hidden in &opened.not_shown {
        ctx.out.say(format_args!("{} records are not shown: {}", hidden.records, why(&hidden.why)));
    }
    if opened.erased > 0 {
        ctx.out.say(format_args!("{} records were erased.", opened.erased));
    }
    if opened.older > 0 {
        ctx.out.say(format_args!("{} older versions are in an export.", opened.older));
    }
    if opened.deleted > 0 {
        ctx.out.say(format_args!("{} resources were deleted by their writer.", opened.deleted));
    }
    for damaged in &opened.damaged {
        let what = damaged.at.map_or_else(|| "a compartment".to_owned(), |at| format!("record {at}"));
        ctx.out.say(format_args!("{what} of pack {} is damaged: {}", short(damaged.pack), damaged.reason));
    }
    for distrust in &opened.distrust {
        let org =
            distrust.org.as_ref().map_or_else(|| format!("trustee {}", distrust.place), ToString::to_string);
        ctx.out.say(format_args!("{org} {}", lie(&distrust.why)));
    }
    let word = match (opened.is_open(), opened.permitted) {
        (true, _) => format!("{} records opened", opened.records.len()),
        (false, true) => "Permitted, but there is nothing to read".to_owned(),
        (false, false) => "All of it was denied, and that is recorded".to_owned(),
    };
    let again = opened.repeated.map(|count| format!(" ({count} times in a row)")).unwrap_or_default();
    let timings = &opened.timings;
    ctx.out.say(format_args!("{word}{again}, at {}.", as_of(opened.as_of)));
    ctx.out.say(format_args!("access {}", opened.access));
    if opened.is_open() {
        ctx.out.say(format_args!(
            "Decided in {} ms, packs {} ms, keys {} ms, decrypted in {} ms.",
            timings.consensus.0, timings.fetch.0, timings.release.0, timings.decrypt.0
        ));
    }
}
