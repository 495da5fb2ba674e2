//! This file is where a network runs as it does in the field: laid out by `horkos network init`, a process for each node.

use crate::{
    place::Place,
    run::{Ran, horkos, run},
};
use client::{
    SystemHost, host,
    rpc::{Http, Node},
    wire::{GetStatus, Status},
};
use primitives::{NetworkId, OrgId, SecretKey, Span};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything that must come may take on a machine under load.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The organisations of the tests' networks, in the order of the committee.
pub(crate) const ORGS: [&str; 4] = ["riverside", "lakeside", "meridian", "trust"];

/// The first organisation's doctor, who imports.
pub(crate) const ADAMS: &str = "riverside/dr-adams";

/// A network on disk. Nothing of it runs by itself.
pub(crate) struct Network {
    pub(crate) home: TempDir,
    pub(crate) members: Vec<Member>,
    pub(crate) id: NetworkId,
}

/// A member, as its configuration says.
pub(crate) struct Member {
    pub(crate) org: OrgId,
    /// Configuration, keys, marker; and the data, unless the test puts them elsewhere.
    pub(crate) dir: PathBuf,
    pub(crate) rpc: SocketAddr,
}

/// A node's process, killed if it is dropped.
pub(crate) struct Running {
    child: Child,
    errors: PathBuf,
}

/// Looks until `found` finds something.
pub(crate) async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What a command says that must succeed.
pub(crate) fn done(home: &Path, line: &str) -> Ran {
    let ran = run(home, line);
    assert_eq!(ran.status, 0, "{line}: {}", ran.stderr);
    ran
}

/// The same as JSON.
pub(crate) fn told(home: &Path, line: &str) -> Value {
    serde_json::from_str(&done(home, &format!("--json {line}")).stdout).unwrap()
}

/// A key that nobody knows.
pub(crate) fn stranger() -> SecretKey {
    SecretKey::from_seed(&host::random(&SystemHost))
}

/// A shipped bundle.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/bundles").join(name)
}

impl Network {
    /// A network of the first `count` organisations, with Dr. Adams on the first one's staff list.
    pub(crate) fn of(count: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let Place { host, port } = Place::find(u16::try_from(count * 2).unwrap());
        let orgs: String = ORGS[..count].iter().map(|org| format!(" --org {org}:provider")).collect();
        let made =
            told(home.path(), &format!("network init --dir ~/net --demo --host {host} --port {port}{orgs}"));
        let member = |(place, org): (usize, &&str)| Member {
            org: org.parse().unwrap(),
            dir: home.path().join("net").join(org),
            rpc: SocketAddr::new(host, port + 1 + 2 * u16::try_from(place).unwrap()),
        };
        let members = ORGS[..count].iter().enumerate().map(member).collect();
        let id = made["network"].as_str().unwrap().parse().unwrap();
        let network = Self { home, members, id };
        network.hire(ADAMS, "Ada");
        network
    }

    /// A practitioner, or one of the staff who may have anything signed, at one of the organisations; once its node has started
    /// again.
    pub(crate) fn employ(&self, place: usize, profile: &str, kind: &str, role: &str) {
        let Member { org, rpc, .. } = &self.members[place];
        let home = self.home.path();
        let made = told(
            home,
            &format!(
                "--profile {profile} profile new --kind {kind} --display {role} --org {org} --node {rpc} --genesis ~/net/genesis.json"
            ),
        );
        let (key, config) = (made["key"].as_str().unwrap(), self.config(place));
        let orders = if kind == "staff" { " --order *" } else { "" };
        done(home, &format!("node staff --config {} --key {key} --role {role}{orders}", config.display()));
    }

    /// A profile whose key is on no staff list; gives the key.
    pub(crate) fn make_profile(&self, profile: &str, display: &str) -> String {
        let Member { org, rpc, .. } = &self.members[0];
        let made = told(
            self.home.path(),
            &format!(
                "--profile {profile} profile new --display {display} --org {org} --node {rpc} --genesis ~/net/genesis.json"
            ),
        );
        made["key"].as_str().unwrap().to_owned()
    }

    /// Somebody who may import at the first organisation, once its node has started again.
    fn hire(&self, profile: &str, display: &str) {
        let key = self.make_profile(profile, display);
        done(
            self.home.path(),
            &format!(
                "node staff --config {} --key {key} --role physician --order identity.enrol --order charts.offer-claim",
                self.config(0).display()
            ),
        );
    }

    pub(crate) fn config(&self, place: usize) -> PathBuf {
        self.members[place].dir.join("node.toml")
    }

    /// Starts a node and waits until it answers.
    pub(crate) fn start(&self, place: usize) -> Running {
        let mut command = horkos(self.home.path());
        Running::start(
            command.args(["node", "start", "--config"]).arg(self.config(place)),
            &self.members[place].dir,
        )
    }

    pub(crate) fn start_all(&self) -> Vec<Running> {
        // All at once: each takes a while to open its files.
        thread::scope(|scope| {
            let starting: Vec<_> =
                (0..self.members.len()).map(|place| scope.spawn(move || self.start(place))).collect();
            starting.into_iter().map(|started| started.join().unwrap()).collect()
        })
    }

    /// A node, called with a key.
    pub(crate) fn caller(&self, place: usize, key: SecretKey) -> Node {
        let Member { org, rpc, .. } = &self.members[place];
        let transport = Arc::new(Http::new(&rpc.to_string()).unwrap());
        Node::new(transport, self.id, org.clone(), key, SystemHost::shared())
    }

    pub(crate) async fn status(&self, place: usize) -> Option<Status> {
        self.caller(place, stranger()).call_within::<GetStatus>(&(), Span::secs(5)).await.ok()
    }

    /// Waits until a node has executed `height`, and gives where it stands then.
    pub(crate) async fn at(&self, place: usize, height: u64) -> Status {
        let what = format!("node {place} at height {height}");
        until(&what, async || self.status(place).await.filter(|status| status.height >= height)).await
    }

    /// Dr. Adams imports shipped bundles; gives the patients' charts and profiles.
    pub(crate) fn import(&self, files: &[&str]) -> Vec<(String, String)> {
        let files: String = files.iter().map(|file| format!(" {}", shipped(file).display())).collect();
        let imported = told(self.home.path(), &format!("--profile {ADAMS} import{files}"));
        let patients = imported.as_array().unwrap().iter().filter(|one| !one["profile"].is_null());
        patients
            .map(|one| {
                let text = |field: &str| one[field].as_str().unwrap().to_owned();
                (text("chart"), text("profile"))
            })
            .collect()
    }
}

impl Running {
    /// Runs `command`, which is to become a node, and waits for its line.
    pub(crate) fn start(command: &mut Command, dir: &Path) -> Self {
        Self::try_start(command, dir)
            .unwrap_or_else(|(status, words)| panic!("it ended with {status}: {words}"))
    }

    /// The same; if the process ends instead, how and with what words.
    pub(crate) fn try_start(command: &mut Command, dir: &Path) -> Result<Self, (ExitStatus, String)> {
        let errors = dir.join("stderr.log");
        let log = fs::File::create(&errors).unwrap();
        // It ends by itself if the test is killed: nobody holds its stdin then.
        let command = command.arg("--with-stdin").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut running = Self { child: command.spawn().unwrap(), errors };
        let mut line = String::new();
        BufReader::new(running.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // A node, or a gateway.
        if line.contains("answers on") || line.contains("listening on") {
            return Ok(running);
        }
        Err(running.ended())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGSTOP: nothing of it moves until [`Self::go_on`].
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
        // The signal is sent; each thread stops when it is next scheduled.
        let stat = format!("/proc/{}/task", self.pid());
        let stopped = || {
            let mut tasks = fs::read_dir(&stat).unwrap().flatten();
            tasks.all(|task| {
                // A thread that ended meanwhile has no state any more.
                let text = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                text.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 't']))
            })
        };
        let began = Instant::now();
        while !stopped() {
            assert!(began.elapsed() < PATIENCE, "it doesn't stop");
            thread::yield_now();
        }
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives how it ended and how long that took.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal("-TERM");
        (self.child.wait().unwrap(), began.elapsed())
    }

    /// Waits until it ends by itself; gives how, and what it said.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it doesn't end: {}", self.said());
            thread::sleep(LOOK_EVERY);
        };
        (status, self.said())
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it wrote to stderr so far: log lines, and at the end why it ended.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            let said = self.said();
            let last: Vec<&str> = said.lines().rev().take(4).collect();
            eprintln!("--- {}\n{}", self.errors.display(), last.join("\n"));
        }
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
