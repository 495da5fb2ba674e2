//! This file is where speed is measured: a fresh network of real node processes on this machine, a load, and medians.

use super::{
    bench_gateway::{self, GatewayBench},
    measured::{Measured, percentile},
};
use crate::{
    context::Context,
    demo::{Nodes, Plan, lay_doors, lay_out},
    exit::{Exit, Failure},
};
use clap::{Args, Subcommand};
use client::{
    Actor, Around, Client, NewRecord, Plain, Record,
    host::SystemHost,
    import::{ImportOptions, NoProgress},
    keys::ProfileName,
    open::Ask,
    rpc::{Http, Node as Desk},
};
use fhir::category::Category;
use ledger::{
    Act,
    charts::{Claim, Create},
    consent::{Action, Grant, Grantee, Purpose, Scope},
    identity::{Enrol, PrincipalKind},
};
use primitives::{ChartId, List, Millis, SecretKey, Span, Text};
use serde::Serialize;
use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Measure on this machine: a fresh network, real signatures, fsync and execution; prints medians
///
/// Build with `--release` for figures worth quoting: the profile is printed with them.
#[derive(Subcommand, Debug)]
pub(crate) enum Bench {
    Ledger(LedgerBench),
    Import(ImportBench),
    Open(OpenBench),
    Gateway(GatewayBench),
}

/// Directive-grants per second, and how long from submitting one to its receipt
#[derive(Args, Debug)]
pub(crate) struct LedgerBench {
    /// Validators, as processes of their own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=7))]
    validators: u8,
    /// Patients who grant at once, each waiting for her receipt before she grants again
    #[arg(long, default_value_t = 256)]
    patients: usize,
    /// Grants per second to aim at; 0 is as many as go
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// How long
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// FHIR resources per second from bundle files to final and replicated
#[derive(Args, Debug)]
pub(crate) struct ImportBench {
    /// Bundles, or folders of them
    #[arg(required = true, value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Validators, as processes of their own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=7))]
    validators: u8,
}

/// From request to plaintext of a chart with many compartments
#[derive(Args, Debug)]
pub(crate) struct OpenBench {
    /// A bundle with one patient
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Compartments that the chart is made to have at least
    #[arg(long, default_value_t = 30)]
    compartments: usize,
    /// How often it is opened
    #[arg(long, default_value_t = 20)]
    times: usize,
    /// Validators, as processes of their own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=7))]
    validators: u8,
}

/// What was measured, and where.
#[derive(Serialize)]
struct Report {
    bench: &'static str,
    version: &'static str,
    profile: &'static str,
    cores: usize,
    validators: usize,
    parameters: serde_json::Value,
    results: serde_json::Value,
    /// Highest resident memory of any node, in MB.
    node_memory_peak_mb: Option<u64>,
    /// Bytes that all of one node's files take, in the mean.
    node_disk_bytes: u64,
}

pub(crate) async fn run(command: Bench, ctx: &Context) -> Result<(), Failure> {
    let validators = match &command {
        Bench::Ledger(args) => args.validators,
        Bench::Import(args) => args.validators,
        Bench::Open(args) => args.validators,
        Bench::Gateway(args) => args.validators,
    };
    let dir = tempfile::Builder::new().prefix("horkos-bench-").tempdir();
    let dir = dir.map_err(|error| Failure::new(Exit::Machine, format!("no temporary folder: {error}")))?;
    let plan = lay_out(dir.path(), usize::from(validators))?;
    let mut doors = if matches!(command, Bench::Gateway(_)) { lay_doors(&plan)? } else { Vec::new() };
    // One hospital's front door is measured.
    doors.truncate(1);
    let mut nodes = Nodes::start(&plan, &doors).await?;
    let measured = match &command {
        Bench::Ledger(args) => ledger_bench(args, &plan).await,
        Bench::Import(args) => import_bench(args, &plan).await,
        Bench::Open(args) => open_bench(args, &plan).await,
        Bench::Gateway(args) => match doors.first() {
            Some(door) => bench_gateway::measure(args, door, nodes.door_pid(door)).await,
            None => Err(Failure::new(Exit::Fault, "there is no gateway")),
        },
    };
    let memory = plan.members.iter().filter_map(|member| memory_peak_mb(nodes.pid(&member.org)?)).max();
    let disk: u64 = plan.members.iter().map(|member| disk_bytes(&member.dir)).sum();
    let clean = nodes.stop().await;
    let (bench, parameters, results) = measured?;
    let report = Report {
        bench,
        version: env!("CARGO_PKG_VERSION"),
        profile: if cfg!(debug_assertions) { "dev" } else { "release" },
        cores: std::thread::available_parallelism().map_or(0, Into::into),
        validators: plan.members.len(),
        parameters,
        results,
        node_memory_peak_mb: memory,
        node_disk_bytes: disk.checked_div(plan.members.len() as u64).unwrap_or(0),
    };
    if ctx.out.json {
        ctx.out.json(&report)?;
    } else {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
        ctx.out.line(text);
    }
    if clean { Ok(()) } else { Err(Failure::new(Exit::Fault, "a node did not end cleanly")) }
}

async fn profile(plan: &Plan, name: &str) -> Result<Client, Failure> {
    let name: ProfileName = name.parse()?;
    Ok(Client::connect(&plan.dir, &name, |_| None, SystemHost::shared()).await?)
}

struct Patient {
    client: Client,
    chart: ChartId,
}

async fn patients(plan: &Plan, count: usize) -> Result<Vec<Patient>, Failure> {
    let registrar = Arc::new(profile(plan, "riverside/registrar").await?);
    let doctor = Arc::new(profile(plan, "riverside/dr-adams").await?);
    let mut making = JoinSet::new();
    for _ in 0..count {
        let (registrar, doctor) = (Arc::clone(&registrar), Arc::clone(&doctor));
        let first = plan.members.first().ok_or_else(|| Failure::input("a network has members"))?;
        let (rpc, org) = (first.rpc.to_string(), first.org.clone());
        making.spawn(async move { patient(&registrar, &doctor, &rpc, org).await });
    }
    let mut patients = Vec::new();
    while let Some(made) = making.join_next().await {
        patients.push(made.map_err(|error| Failure::new(Exit::Fault, error.to_string()))??);
    }
    Ok(patients)
}

async fn patient(
    registrar: &Client,
    doctor: &Client,
    rpc: &str,
    org: primitives::OrgId,
) -> Result<Patient, Failure> {
    let mut bytes = [[0; 32]; 2];
    for part in &mut bytes {
        getrandom::fill(part).map_err(|error| Failure::new(Exit::Machine, error.to_string()))?;
    }
    let [seed, chart] = bytes;
    let (key, chart) = (SecretKey::from_seed(&seed), ChartId::from(chart));
    let enrol = Enrol { kind: PrincipalKind::Person, key: key.public() };
    registrar.order(enrol).await?;
    doctor.act(Create { chart, directory: false }).await?;
    let until = registrar.host().now().plus(Span::days(1));
    registrar.offer_claim(chart, key.public().principal(), until).await?;
    let desk = Desk::new(
        Arc::new(Http::new(rpc)?),
        registrar.network(),
        org.clone(),
        key.clone(),
        SystemHost::shared(),
    );
    let genesis = Arc::new(registrar.genesis().clone());
    let actor = Actor::Person(Arc::new(key));
    let client = Client::new(desk, actor, org, "patient".into(), genesis, SystemHost::shared());
    client.act(Claim { chart }).await?;
    Ok(Patient { client, chart })
}

async fn ledger_bench(args: &LedgerBench, plan: &Plan) -> Measured {
    let patients = patients(plan, args.patients).await?;
    let grantee = plan.members.last().ok_or_else(|| Failure::input("a network has members"))?.org.clone();
    let begun = Instant::now();
    let end = begun + Duration::from_secs(args.seconds);
    // Every patient keeps her own pace, so that the sum is the rate asked for.
    let pace = Duration::from_secs(1).mul_f64(args.patients as f64 / (args.rate.max(1) as f64));
    let mut granting = JoinSet::new();
    for (number, patient) in patients.into_iter().enumerate() {
        let (grantee, rate, count) = (grantee.clone(), args.rate, args.patients.max(1));
        granting.spawn(async move {
            let mut next = begun + pace.mul_f64(number as f64 / count as f64);
            let mut took = Vec::new();
            let mut sequence = 0;
            while Instant::now() < end {
                if rate > 0 {
                    tokio::time::sleep_until(next.into()).await;
                    next += pace;
                }
                let sent = Instant::now();
                let act: Act = grant(patient.chart, sequence, grantee.clone(), &patient.client).into();
                patient.client.act(act).await?;
                took.push(sent.elapsed().as_secs_f64() * 1000.0);
                sequence += 1;
            }
            Ok::<_, Failure>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(done) = granting.join_next().await {
        took.extend(done.map_err(|error| Failure::new(Exit::Fault, error.to_string()))??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let parameters =
        serde_json::json!({ "patients": args.patients, "rate": args.rate, "seconds": args.seconds });
    let results = serde_json::json!({
        "grants": took.len(),
        "grants_per_second": took.len() as f64 / seconds,
        "submit_to_final_ms_p50": percentile(&took, 0.50),
        "submit_to_final_ms_p99": percentile(&took, 0.99),
    });
    Ok(("ledger", parameters, results))
}

fn grant(chart: ChartId, sequence: u64, org: primitives::OrgId, client: &Client) -> Grant {
    let now = client.host().now();
    Grant {
        chart,
        sequence,
        grantee: Grantee::Organisation(org),
        action: Action::Read,
        purposes: List::try_from(vec![Purpose::Treatment]).unwrap_or_default(),
        scope: Scope::default(),
        from: Millis(0),
        // Short-lived, so that a chart's directives stay few however long the bench runs.
        until: now.plus(Span::secs(5)),
        residual: None,
    }
}

async fn import_bench(args: &ImportBench, plan: &Plan) -> Measured {
    let doctor = profile(plan, "riverside/dr-adams").await?;
    let begun = Instant::now();
    let imported = doctor.import(&args.files, &ImportOptions::default(), &NoProgress).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let records: usize = imported.iter().map(|one| one.records).sum();
    let parameters = serde_json::json!({ "files": args.files });
    let results = serde_json::json!({
        "resources": records, "charts": imported.len(), "seconds": seconds,
        "resources_per_second": records as f64 / seconds,
    });
    Ok(("import", parameters, results))
}

/// A small record to be written.
fn small(number: usize) -> Result<NewRecord, Failure> {
    let id = format!("bench-{number}");
    let bytes = format!(r#"{{"resourceType":"Basic","id":"{id}","code":{{"text":"bench"}}}}"#).into_bytes();
    let text = |text: &str| {
        Text::try_from(text).map_err(|_| Failure::new(Exit::Fault, "an id of the bench is too long"))
    };
    let around = Around::of(text("Basic")?, text(&id)?, 1);
    let bytes = Plain::new(bytes).map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    Ok(NewRecord { category: Category::general(), record: Record { around, bytes } })
}

async fn open_bench(args: &OpenBench, plan: &Plan) -> Measured {
    let doctor = profile(plan, "riverside/dr-adams").await?;
    let files = std::slice::from_ref(&args.file);
    let imported = doctor.import(files, &ImportOptions::default(), &NoProgress).await?;
    let of_patient = imported.iter().find(|one| !one.directory).map(|one| one.chart);
    let chart = of_patient.ok_or_else(|| Failure::input("the bundle has no patient"))?;
    let mut compartments = 0;
    // Every write after a read opens a fresh compartment, until there are enough.
    for number in 0_usize.. {
        if compartments >= args.compartments {
            break;
        }
        doctor.open(&Ask::all(chart, Purpose::Treatment)).await?;
        doctor.write(chart, vec![small(number)?]).await?;
        let lines = doctor.log(chart, 0).await?;
        let opened = lines.iter().filter_map(|line| match &line.event {
            Some(ledger::Event::Committed(commit)) => Some(commit.opened.len()),
            _ => None,
        });
        compartments = opened.sum();
    }
    let mut total = Vec::new();
    let mut parts: [Vec<f64>; 3] = Default::default();
    let mut records = 0;
    for _ in 0..args.times {
        let begun = Instant::now();
        let opened = doctor.open(&Ask::all(chart, Purpose::Treatment)).await?;
        total.push(begun.elapsed().as_secs_f64() * 1000.0);
        records = opened.records.len();
        let timings = opened.timings;
        for (part, span) in parts.iter_mut().zip([timings.consensus, timings.release, timings.decrypt]) {
            part.push(span.0 as f64);
        }
    }
    for list in parts.iter_mut().chain([&mut total]) {
        list.sort_by(f64::total_cmp);
    }
    let [consensus, release, decrypt] = &parts;
    let parameters =
        serde_json::json!({ "compartments": compartments, "records": records, "times": args.times });
    let results = serde_json::json!({
        "total_ms_p50": percentile(&total, 0.5), "total_ms_p99": percentile(&total, 0.99),
        "consensus_ms_p50": percentile(consensus, 0.5), "release_ms_p50": percentile(release, 0.5),
        "decrypt_ms_p50": percentile(decrypt, 0.5),
    });
    Ok(("open", parameters, results))
}

/// Highest resident memory of a process so far, as the kernel counts it.
fn memory_peak_mb(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn disk_bytes(dir: &std::path::Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => disk_bytes(&entry.path()),
        Ok(_) => entry.metadata().map_or(0, |metadata| metadata.len()),
        Err(_) => 0,
    });
    sizes.sum()
}
