//! This file is where a gateway's speed is measured as its callers have it: over HTTP, with a token, against a network of
//! real nodes.

use super::measured::{Measured, percentile};
use crate::{
    demo::{App, Door},
    exit::{Exit, Failure},
};
use clap::Args;
use fhir::{Bundle, Limits};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, task::JoinSet, time::sleep_until};

/// LOINC codes of the generated findings.
const CODES: [&str; 8] = ["29463-7", "8302-2", "8867-4", "8310-5", "4548-4", "2339-0", "718-7", "2160-0"];
/// Resources of the chart that is asked for as a whole.
const WHOLE: usize = 1000;
/// Charts opened one after the other for the first touch.
const FIRST: usize = 100;
/// How often a whole chart is asked for.
const TIMES: usize = 20;
/// The minute with which memory at the end of a load is compared.
const EARLY: u64 = 2;
/// A token is fetched anew after this.
const TOKEN_FOR: Duration = Duration::from_secs(120);

/// A gateway over HTTP: ingest, reading by id in a visit, search, `$everything`, the first touch of a chart, memory
#[derive(Args, Debug)]
pub(crate) struct GatewayBench {
    /// Transaction bundles of FHIR R4, or folders of them, to be taken in as well
    #[arg(value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Generated patients
    #[arg(long, default_value_t = 1000)]
    patients: usize,
    /// Resources of each of them
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..=1000))]
    resources: u16,
    /// What they are generated from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Callers at once, each waiting for its answer before it asks again
    #[arg(long, default_value_t = 16)]
    callers: usize,
    /// Charts that are read and searched, each under a visit
    #[arg(long, default_value_t = 200)]
    charts: usize,
    /// How long reading and searching take each
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How long memory is watched under a load of reads and searches, if it is more than 2 minutes; 10 compares minute 10
    /// with minute 2
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// Validators, as processes of their own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=7))]
    pub(super) validators: u8,
}

/// Numbers that follow from a seed. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }
}

/// A generated patient, once the gateway has her.
#[derive(Clone, Debug)]
struct Taken {
    patient: String,
    findings: Vec<String>,
}

/// A transaction of a patient and her findings.
fn generated(seed: u64, number: usize, resources: usize) -> String {
    let mut random = SplitMix(seed ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mother = format!("urn:uuid:00000000-0000-4000-8000-{number:012x}");
    let entry = |url: &str, full: &str, resource: &Value| json!({ "fullUrl": full, "resource": resource, "request": { "method": "POST", "url": url } });
    let patient = json!({
        "resourceType": "Patient",
        "identifier": [{ "system": "urn:example:bench", "value": format!("{seed}-{number}") }],
        "name": [{ "family": format!("Bench{}", random.below(5000)), "given": [format!("P{number}")] }],
        "gender": if random.below(2) == 0 { "female" } else { "male" },
        "birthDate": format!("{}-{:02}-{:02}", 1930 + random.below(90), 1 + random.below(12), 1 + random.below(28)),
    });
    let mut entries = vec![entry("Patient", &mother, &patient)];
    for at in 1..resources {
        let code = CODES.get(random.below(CODES.len())).copied().unwrap_or_default();
        let observation = json!({
            "resourceType": "Observation",
            "status": "final",
            "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
            "subject": { "reference": mother },
            "effectiveDateTime":
                format!("20{:02}-{:02}-{:02}", random.below(26), 1 + random.below(12), 1 + random.below(28)),
            "valueQuantity": {
                "value": 30 + random.below(150), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg",
            },
        });
        entries.push(entry(
            "Observation",
            &format!("urn:uuid:00000000-0000-4000-9000-{at:012x}"),
            &observation,
        ));
    }
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string()
}

/// Where callers get an app whose token is young enough: a gateway gives out only so many.
struct Desk {
    door: Door,
    held: Mutex<Option<(Instant, App)>>,
}

impl Desk {
    async fn app(&self) -> Result<App, Failure> {
        let mut held = self.held.lock().await;
        if let Some((_, app)) = held.as_ref().filter(|(since, _)| since.elapsed() < TOKEN_FOR) {
            return Ok(app.clone());
        }
        let app = App::at(&self.door).await?;
        *held = Some((Instant::now(), app.clone()));
        Ok(app)
    }
}

fn refused(what: &str, status: u16, answer: &Value) -> Failure {
    Failure::new(Exit::Unverified, format!("{what}: {status} {answer}"))
}

/// Posts a transaction: what its answer says that it wrote.
async fn post(app: &App, bundle: String) -> Result<Vec<String>, Failure> {
    let (status, answer) = app.post("", bundle).await?;
    if status != 200 {
        return Err(refused("a transaction is refused", status, &answer));
    }
    let entries = answer.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
    let places = entries.iter().filter_map(|entry| {
        let location = entry.pointer("/response/location")?.as_str()?.split("/_history/").next()?;
        Some(location.to_owned())
    });
    Ok(places.collect())
}

/// Does `count` pieces of work, so many at once; what each comes to, in order.
async fn all<T: Send + 'static, F, W>(callers: usize, count: usize, work: W) -> Result<Vec<T>, Failure>
where
    F: Future<Output = Result<T, Failure>> + Send + 'static,
    W: Fn(usize) -> F + Send + Sync + 'static,
{
    let (next, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
    let mut working = JoinSet::new();
    for _ in 0..callers.max(1) {
        let (next, work) = (Arc::clone(&next), Arc::clone(&work));
        working.spawn(async move {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count {
                    return Ok::<_, Failure>(done);
                }
                done.push((at, work(at).await?));
            }
        });
    }
    let mut done = Vec::new();
    while let Some(some) = working.join_next().await {
        done.extend(some.map_err(|error| Failure::new(Exit::Fault, error.to_string()))??);
    }
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

/// Asks one path after the other for a while, from several callers; how long each took, in milliseconds, sorted.
async fn load(
    desk: &Desk,
    callers: usize,
    span: Duration,
    seed: u64,
    paths: Arc<Vec<String>>,
) -> Result<Vec<f64>, Failure> {
    let end = Instant::now() + span;
    let mut asking = JoinSet::new();
    for caller in 0..callers.max(1) {
        let (app, paths) = (desk.app().await?, Arc::clone(&paths));
        let mut random = SplitMix(seed.wrapping_add(caller as u64));
        asking.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < end {
                let Some(path) = paths.get(random.below(paths.len())) else { break };
                let sent = Instant::now();
                let (status, bytes) = app.fetch(path).await?;
                took.push(sent.elapsed().as_secs_f64() * 1000.0);
                if status != 200 {
                    return Err(refused(path, status, &String::from_utf8_lossy(&bytes).into()));
                }
            }
            Ok::<_, Failure>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(some) = asking.join_next().await {
        took.extend(some.map_err(|error| Failure::new(Exit::Fault, error.to_string()))??);
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

fn told(took: &[f64], seconds: f64) -> Value {
    json!({
        "requests": took.len(), "per_second": took.len() as f64 / seconds,
        "ms_p50": percentile(took, 0.5), "ms_p99": percentile(took, 0.99),
    })
}

/// Measures all of it at one door.
pub(super) async fn measure(args: &GatewayBench, door: &Door, pid: Option<u32>) -> Measured {
    let resources = usize::from(args.resources);
    let span = Duration::from_secs(args.seconds);
    let files = bundles(&args.files)?;
    let desk = Arc::new(Desk { door: door.clone(), held: Mutex::new(None) });

    let taken_in = if files.is_empty() { None } else { Some(ingest(args, &desk, files).await?) };
    let begun = Instant::now();
    let (seed, to) = (args.seed, Arc::clone(&desk));
    let taken = all(args.callers, args.patients, move |number| {
        let to = Arc::clone(&to);
        async move {
            let mut places = post(&to.app().await?, generated(seed, number, resources)).await?;
            let patient = if places.is_empty() { String::new() } else { places.remove(0) };
            Ok(Taken { patient, findings: places })
        }
    })
    .await?;
    let generated_seconds = begun.elapsed().as_secs_f64();

    // The first touch of a chart makes an access, and waits until that is final.
    let app = desk.app().await?;
    let mut first = Vec::new();
    for one in taken.iter().take(FIRST.min(args.charts)) {
        let sent = Instant::now();
        let (status, answer) = app.get(&format!("/{}", one.patient)).await?;
        first.push(sent.elapsed().as_secs_f64() * 1000.0);
        if status != 200 {
            return Err(refused(&one.patient, status, &answer));
        }
    }
    first.sort_by(f64::total_cmp);
    let visited: Arc<Vec<Taken>> = Arc::new(taken.into_iter().take(args.charts).collect());
    let (to, each) = (Arc::clone(&desk), Arc::clone(&visited));
    all(args.callers, visited.len(), move |at| {
        let (to, each) = (Arc::clone(&to), Arc::clone(&each));
        async move {
            let Some(one) = each.get(at) else { return Ok(()) };
            let (status, answer) = to.app().await?.get(&format!("/{}", one.patient)).await?;
            if status == 200 { Ok(()) } else { Err(refused(&one.patient, status, &answer)) }
        }
    })
    .await?;

    let reads: Vec<String> =
        visited.iter().flat_map(|one| one.findings.iter().map(|place| format!("/{place}"))).collect();
    let searches: Vec<String> = visited
        .iter()
        .flat_map(|one| CODES.iter().map(|code| format!("/Observation?patient={}&code={code}", one.patient)))
        .collect();
    let mixed: Arc<Vec<String>> = Arc::new(reads.iter().chain(&searches).cloned().collect());
    let read = load(&desk, args.callers, span, args.seed, Arc::new(reads)).await?;
    let searched = load(&desk, args.callers, span, args.seed, Arc::new(searches)).await?;

    let app = desk.app().await?;
    let whole = post(&app, generated(args.seed, usize::MAX >> 16, WHOLE)).await?;
    let path = format!("/{}/$everything?_count={WHOLE}", whole.first().cloned().unwrap_or_default());
    let mut everything = Vec::new();
    // The first one opens the chart.
    for time in 0..=TIMES {
        let sent = Instant::now();
        let (status, answer) = app.get(&path).await?;
        let entries = answer.get("entry").and_then(Value::as_array).map_or(0, Vec::len);
        if status != 200 || entries != WHOLE {
            return Err(refused("`$everything`", status, &json!(entries)));
        }
        if time > 0 {
            everything.push(sent.elapsed().as_secs_f64() * 1000.0);
        }
    }
    everything.sort_by(f64::total_cmp);
    let memory = watch(args, &desk, pid, mixed).await?;

    let written = args.patients.saturating_mul(resources);
    let seconds = span.as_secs_f64();
    let parameters = json!({
        "files": args.files, "patients": args.patients, "resources": args.resources, "seed": args.seed,
        "callers": args.callers, "charts": visited.len(), "seconds": args.seconds, "minutes": args.minutes,
    });
    let results = json!({
        "ingest_of_files": taken_in,
        "ingest_generated": {
            "resources": written, "seconds": generated_seconds,
            "resources_per_second": written as f64 / generated_seconds,
        },
        "first_touch": {
            "charts": first.len(), "ms_p50": percentile(&first, 0.5), "ms_p99": percentile(&first, 0.99),
        },
        "read_in_a_visit": told(&read, seconds),
        "search_patient_code": told(&searched, seconds),
        "everything": {
            "resources": WHOLE, "times": TIMES,
            "ms_p50": percentile(&everything, 0.5), "ms_p99": percentile(&everything, 0.99),
        },
        "gateway_memory": memory,
    });
    Ok(("gateway", parameters, results))
}

/// Takes in bundles of files, those that name no patient first: the others refer to them.
async fn ingest(args: &GatewayBench, desk: &Arc<Desk>, files: Vec<String>) -> Result<Value, Failure> {
    let has_patient = |text: &String| {
        let bundle: Result<Bundle, _> = fhir::bundle::read(text.as_bytes(), &Limits::default());
        bundle.is_ok_and(|bundle| {
            bundle.entries().any(|entry| entry.resource.is_some_and(|resource| resource.kind == "Patient"))
        })
    };
    let (patients, others): (Vec<String>, Vec<String>) = files.into_iter().partition(has_patient);
    let count = patients.len() + others.len();
    let begun = Instant::now();
    let mut resources = 0;
    for some in [others, patients] {
        let (desk, some) = (Arc::clone(desk), Arc::new(some));
        let number = some.len();
        let written = all(args.callers, number, move |at| {
            let (desk, some) = (Arc::clone(&desk), Arc::clone(&some));
            async move { post(&desk.app().await?, some.get(at).cloned().unwrap_or_default()).await }
        });
        resources += written.await?.iter().map(Vec::len).sum::<usize>();
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({
        "files": count, "resources": resources, "seconds": seconds,
        "resources_per_second": resources as f64 / seconds,
    }))
}

/// The texts of files, and of the JSON files in folders.
fn bundles(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = fs::read_dir(path).map_err(|error| Failure::file(path, &error))?;
            let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
            files.extend(entries.flatten().map(|entry| entry.path()).filter(is_json));
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.iter().map(|path| fs::read_to_string(path).map_err(|error| Failure::file(path, &error))).collect()
}

/// Resident memory at minute 2 and at the end, under a load that goes on.
async fn watch(
    args: &GatewayBench,
    desk: &Desk,
    pid: Option<u32>,
    paths: Arc<Vec<String>>,
) -> Result<Value, Failure> {
    if args.minutes <= EARLY {
        return Ok(Value::Null);
    }
    let now = |pid: Option<u32>| pid.and_then(|pid| resident_mb(Path::new(&format!("/proc/{pid}/status"))));
    let begun = Instant::now();
    let minute = |number: u64| begun + Duration::from_secs(60 * number);
    let end = minute(args.minutes);
    let second = minute(EARLY);
    let early = tokio::spawn(async move {
        sleep_until(second.into()).await;
        now(pid)
    });
    while Instant::now() < end {
        let left = end.saturating_duration_since(Instant::now()).min(TOKEN_FOR);
        load(desk, args.callers, left, args.seed, Arc::clone(&paths)).await?;
    }
    let early = early.await.map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    Ok(json!({ "minutes": args.minutes, "mb_at_minute_2": early, "mb_at_the_end": now(pid) }))
}

/// Resident memory of a process, in MB, as the kernel counts it.
fn resident_mb(status: &Path) -> Option<u64> {
    let status = fs::read_to_string(status).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_follows_from_its_seed() {
        assert_eq!(generated(7, 3, 30), generated(7, 3, 30));
        assert_ne!(generated(7, 3, 30), generated(8, 3, 30));
        assert_ne!(generated(7, 3, 30), generated(7, 4, 30));
        let bundle = fhir::bundle::read(generated(7, 3, 30).into_bytes(), &Limits::default()).unwrap();
        assert_eq!(bundle.entries().count(), 30);
        assert!(bundle.entries().all(|entry| entry.request.is_some() && entry.resource.is_some()));
    }
}
