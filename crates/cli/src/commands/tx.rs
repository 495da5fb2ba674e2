//! This file is where any kind of transaction can be sent: commands, flags and help come from the ledger's table of kinds.

use crate::{
    context::Context,
    exit::{Exit, Failure},
    out::{Table, wrap},
    time,
};
use clap::{Arg, ArgMatches, Command, FromArgMatches, Subcommand};
use client::Host as _;
use client::SystemHost;
use ledger::{KINDS, KindInfo, Who, kind_named};
use primitives::Millis;
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{self, Read as _},
};

/// What to do with kinds of transactions.
#[derive(Clone, Debug)]
pub(crate) enum Tx {
    /// Lists all kinds.
    List,
    /// Shows the JSON Schema of one.
    Schema(String),
    /// Sends one.
    Send {
        /// Its name.
        kind: &'static str,
        /// Fields given as flags.
        fields: Vec<(String, String)>,
        /// A JSON file with fields.
        file: Option<String>,
    },
}

impl FromArgMatches for Tx {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, given) = matches.subcommand().ok_or_else(missing)?;
        match name {
            "list" => Ok(Self::List),
            "schema" => Ok(Self::Schema(given.get_one::<String>("kind").cloned().unwrap_or_default())),
            _ => {
                let info = kind_named(name).ok_or_else(missing)?;
                let fields = properties(info).into_iter().filter_map(|property| {
                    given.get_one::<String>(&property.name).map(|value| (property.name, value.clone()))
                });
                Ok(Self::Send {
                    kind: info.name,
                    fields: fields.collect(),
                    file: given.get_one("file").cloned(),
                })
            }
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Tx {
    fn augment_subcommands(command: Command) -> Command {
        let command = command
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand(Command::new("list").about("List every kind of transaction and who may send it"))
            .subcommand(
                Command::new("schema")
                    .about("Show the JSON Schema of a kind's fields")
                    .arg(Arg::new("kind").required(true).value_name("KIND").help("As consent.grant")),
            );
        KINDS.iter().fold(command, |command, info| command.subcommand(of_kind(info)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == "list" || name == "schema" || kind_named(name).is_some()
    }
}

/// A field of a kind, as its schema tells it.
struct Property {
    name: String,
    help: String,
    required: bool,
}

fn schema(info: &KindInfo) -> Value {
    (info.schema)().to_value()
}

fn properties(info: &KindInfo) -> Vec<Property> {
    let schema = schema(info);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let property = |(name, field): (&String, &Value)| Property {
        name: name.clone(),
        help: first_line(field.get("description").and_then(Value::as_str).unwrap_or_default()),
        required: required.contains(&name.as_str()),
    };
    fields.iter().map(property).collect()
}

fn about(info: &KindInfo) -> String {
    schema(info).get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

fn first_line(text: &str) -> String {
    text.split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

/// Names that come from a schema live as long as the program: clap keeps them by reference, and there are few.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn of_kind(info: &'static KindInfo) -> Command {
    let words = about(info);
    let first = words.split_inclusive(". ").next().unwrap_or(&words).trim().trim_end_matches('.').to_owned();
    let mut command = Command::new(info.name).about(first).long_about(format!(
        "{words}\n\nFor: {}. Fields take JSON, or plain text; a time also as 2027-01-31 or 30d.",
        who(info)
    ));
    for Property { name, help, required } in properties(info) {
        let flag = kept(name.replace('_', "-"));
        let help = if required { help } else { format!("{help} (may be left out)") };
        command = command.arg(Arg::new(kept(name)).long(flag).value_name("VALUE").help(help));
    }
    command.arg(
        Arg::new("file")
            .long("file")
            .value_name("FILE")
            .help("Fields as one JSON object from a file, or `-` for stdin"),
    )
}

fn who(info: &KindInfo) -> String {
    let word = |who: &Who| match who {
        Who::Organisation => "organisation",
        Who::Practitioner => "practitioner",
        Who::Person => "person",
        Who::Device => "device",
    };
    info.who.iter().map(word).collect::<Vec<_>>().join(", ")
}

pub(crate) async fn run(tx: Tx, ctx: &Context) -> Result<(), Failure> {
    match tx {
        Tx::List => list(ctx),
        Tx::Schema(name) => ctx.out.json(&schema(named(&name)?)),
        Tx::Send { kind, fields, file } => send(kind, fields, file.as_deref(), ctx).await,
    }
}

fn named(name: &str) -> Result<&'static KindInfo, Failure> {
    kind_named(name).ok_or_else(|| {
        Failure::input(format!("`{name}` is no kind of transaction; `horkos tx list` shows all"))
    })
}

fn list(ctx: &Context) -> Result<(), Failure> {
    if ctx.out.json {
        let all = KINDS.iter().map(|info| {
            let who: Vec<String> = info.who.iter().map(|who| format!("{who:?}").to_lowercase()).collect();
            json!({ "kind": info.name, "tag": info.tag, "who": who, "urgent": info.urgent, "about": about(info) })
        });
        return ctx.out.json(&all.collect::<Vec<Value>>());
    }
    let mut table = Table::new(&["kind", "for", "what it does"]);
    for info in KINDS {
        let mut lines = wrap(&first_line(&about(info)), 50).into_iter();
        table.row([info.name.to_owned(), who(info), lines.next().unwrap_or_default()]);
        for line in lines {
            table.row([String::new(), String::new(), line]);
        }
    }
    ctx.out.table(&table);
    ctx.out
        .say("\n`horkos tx KIND --help` shows a kind's fields, `horkos tx schema KIND` their JSON Schema.");
    Ok(())
}

async fn send(
    kind: &str,
    fields: Vec<(String, String)>,
    file: Option<&str>,
    ctx: &Context,
) -> Result<(), Failure> {
    let info = named(kind)?;
    let schema = schema(info);
    let mut object = file.map_or_else(|| Ok(Map::new()), read_object)?;
    for (name, text) in fields {
        let value = value_of(&schema, &name, &text)?;
        object.insert(name, value);
    }
    let act = (info.from_json)(Value::Object(object)).map_err(|error| {
        Failure::new(Exit::Input, format!("{kind}: {error}; `horkos tx schema {kind}` shows what it takes"))
    })?;
    let done = ctx.client().await?.act(act).await?;
    if ctx.out.json {
        return ctx.out.json(&json!({
            "tx": done.tx, "kind": kind, "height": done.height, "index": done.index, "time": time::text(done.time),
        }));
    }
    ctx.out.line(done.tx);
    ctx.out.say(format_args!("{kind} is final at height {}, {}.", done.height, time::text(done.time)));
    Ok(())
}

fn read_object(file: &str) -> Result<Map<String, Value>, Failure> {
    let text = if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|error| Failure::file(file.as_ref(), &error))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::input(format!("`{file}` is no JSON object"))),
        Err(error) => Err(Failure::input(format!("`{file}`: {error}"))),
    }
}

/// The JSON value that a flag's text means for this field.
fn value_of(schema: &Value, name: &str, text: &str) -> Result<Value, Failure> {
    let field = schema.get("properties").and_then(|fields| fields.get(name)).unwrap_or(&Value::Null);
    let reference = field.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    let definition = reference.and_then(|path| schema.get("$defs").and_then(|all| all.get(path)));
    let of_type = |wanted: &str| {
        let is = |value: &Value| value.get("type").is_some_and(|kind| kind == wanted);
        is(field) || definition.is_some_and(is)
    };
    let is_time = reference == Some("Millis");
    if is_time && text.parse::<u64>().is_err() {
        return time::parse(text, now()).map(|time| Value::from(time.0)).map_err(Failure::input);
    }
    if of_type("string") {
        return Ok(Value::String(text.to_owned()));
    }
    Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

fn now() -> Millis {
    SystemHost.now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_the_values_that_fields_take() {
        let grant = schema(named("consent.grant").unwrap());
        let check = |name: &str, text: &str, expected: Value| {
            assert_eq!(value_of(&grant, name, text).unwrap(), expected, "{name} {text}");
        };
        check("grantee", "lakeside-clinic:physician", json!("lakeside-clinic:physician"));
        check("sequence", "7", json!(7));
        check("purposes", r#"["TREAT"]"#, json!(["TREAT"]));
        check("until", "1970-01-02", json!(86_400_000));
        check("until", "5", json!(5));
        check("scope", "all", json!("all"));
        check("chart", "00", json!("00"));
        assert!(value_of(&grant, "until", "never").is_err());
    }

    #[test]
    fn every_kind_has_help_and_flags() {
        for info in KINDS {
            assert!(!about(info).is_empty(), "{}", info.name);
            for property in properties(info) {
                assert!(!property.help.is_empty(), "{} {}", info.name, property.name);
            }
        }
    }
}
