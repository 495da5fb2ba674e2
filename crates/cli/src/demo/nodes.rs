//! This file is where the demonstration's nodes run: a process each, ready when they say so, gone when the demonstration is.

use super::{
    doors::Door,
    lay::{Laid, Plan},
};
use crate::{
    exit::{Exit, Failure},
    network::fresh_key,
};
use client::{
    SystemHost,
    keys::{Profile, ProfileName, write_private},
    rpc::{Http, Node},
    wire::GetStatus,
};
use primitives::{NetworkId, OrgId, Span};
use serde_json::json;
use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

/// How long a node may take to answer, and to end.
const READY_WITHIN: Duration = Duration::from_secs(60);
const END_WITHIN: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of a node's log that are shown if it doesn't start.
const TAIL: usize = 12;

struct Running {
    /// `the node of riverside-hospital`.
    what: String,
    org: Option<OrgId>,
    child: Child,
}

/// The running nodes.
pub(crate) struct Nodes {
    running: Vec<Running>,
}

/// A node's log.
pub(crate) fn log_path(laid: &Laid) -> PathBuf {
    laid.dir.join("node.log")
}

impl Nodes {
    /// Starts a node for every member and waits until all answer and have executed a block; then the gateways.
    pub(crate) async fn start(plan: &Plan, doors: &[Door]) -> Result<Self, Failure> {
        let mut nodes = Self { running: Vec::new() };
        for laid in &plan.members {
            let running = spawn_node(laid);
            match running {
                Ok(running) => nodes.running.push(running),
                Err(failure) => {
                    nodes.stop().await;
                    return Err(failure);
                }
            }
        }
        let ready = timeout(READY_WITHIN, nodes.await_ready(plan, doors)).await;
        let failure = match ready {
            Ok(Ok(())) => return Ok(nodes),
            Ok(Err(failure)) => failure,
            Err(_) => {
                Failure::new(Exit::Unreachable, "the nodes are not ready within a minute; see their logs")
            }
        };
        let logs: Vec<String> = plan.members.iter().filter_map(tail).collect();
        nodes.stop().await;
        Err(Failure { message: format!("{}\n{}", failure.message, logs.join("\n")), ..failure })
    }

    async fn await_ready(&mut self, plan: &Plan, doors: &[Door]) -> Result<(), Failure> {
        for running in &mut self.running {
            running.answers().await?;
        }
        for laid in &plan.members {
            while !status(plan.genesis.network(), laid.org.clone(), laid.rpc)
                .await
                .is_ok_and(|height| height > 0)
            {
                self.check_alive()?;
                sleep(LOOK_EVERY).await;
            }
        }
        for door in doors {
            let mut running = spawn("gateway", &door.config, &door.log, what(door), None)?;
            let answers = running.answers().await;
            self.running.push(running);
            answers?;
        }
        Ok(())
    }

    fn check_alive(&mut self) -> Result<(), Failure> {
        for running in &mut self.running {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(Failure::new(Exit::Fault, format!("{} ended: {status}", running.what)));
            }
        }
        Ok(())
    }

    /// A node's process, while it runs.
    pub(crate) fn pid(&self, org: &OrgId) -> Option<u32> {
        self.running
            .iter()
            .find(|running| running.org.as_ref() == Some(org))
            .and_then(|running| running.child.id())
    }

    /// A gateway's process, while it runs.
    pub(crate) fn door_pid(&self, door: &Door) -> Option<u32> {
        let what = what(door);
        self.running.iter().find(|running| running.what == what).and_then(|running| running.child.id())
    }

    /// Waits until a node ends, and says whose it was; for ever if all have.
    pub(crate) async fn next_end(&mut self) -> String {
        loop {
            let mut ended = None;
            for (at, running) in self.running.iter_mut().enumerate() {
                if let Ok(Some(status)) = running.child.try_wait() {
                    ended = Some((at, format!("{} has ended: {status}", running.what)));
                }
            }
            if let Some((at, message)) = ended {
                self.running.remove(at);
                return message;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Ends all nodes cleanly; kills what doesn't end. False if one had to be killed or ended badly.
    pub(crate) async fn stop(&mut self) -> bool {
        let mut clean = true;
        for running in &mut self.running {
            // The end of its stdin tells a node to stop.
            drop(running.child.stdin.take());
        }
        let deadline = Instant::now() + END_WITHIN;
        for running in &mut self.running {
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, running.child.wait()).await {
                Ok(Ok(status)) => clean &= status.success(),
                Ok(Err(_)) | Err(_) => {
                    clean = false;
                    // It is gone already, or is now.
                    let _gone = running.child.kill().await;
                }
            }
        }
        self.running.clear();
        clean
    }
}

impl Running {
    /// Waits for the line that says that it answers.
    async fn answers(&mut self) -> Result<(), Failure> {
        let died = || Failure::new(Exit::Fault, format!("{} ended before it was ready", self.what));
        let stdout = self.child.stdout.take().ok_or_else(died)?;
        let mut lines = BufReader::new(stdout).lines();
        lines.next_line().await.ok().flatten().ok_or_else(died)?;
        Ok(())
    }
}

fn what(door: &Door) -> String {
    format!("the gateway of {}", door.org)
}

fn spawn_node(laid: &Laid) -> Result<Running, Failure> {
    let what = format!("the node of {}", laid.org);
    spawn("node", &laid.dir.join("node.toml"), &log_path(laid), what, Some(laid.org.clone()))
}

/// Starts a server of this program: `horkos node start` or `horkos gateway start`.
fn spawn(
    server: &str,
    config: &Path,
    log: &Path,
    what: String,
    org: Option<OrgId>,
) -> Result<Running, Failure> {
    let program =
        env::current_exe().map_err(|error| Failure::new(Exit::Fault, format!("this program: {error}")))?;
    let errors = fs::OpenOptions::new().create(true).append(true).open(log);
    let errors = errors.map_err(|error| Failure::file(log, &error))?;
    let mut command = Command::new(program);
    command
        .args([server, "start", "--with-stdin", "--config"])
        .arg(config)
        .arg("--log")
        .arg(log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        // Ctrl-C at the terminal is for the demonstration, which then stops its nodes in order.
        .process_group(0)
        .kill_on_drop(true);
    let child = command
        .spawn()
        .map_err(|error| Failure::new(Exit::Machine, format!("{what} can't be started: {error}")))?;
    Ok(Running { what, org, child })
}

/// The height that a node has executed.
pub(super) async fn status(network: NetworkId, org: OrgId, rpc: SocketAddr) -> Result<u64, Failure> {
    let transport = Arc::new(Http::new(&rpc.to_string())?);
    let node = Node::new(transport, network, org, fresh_key(), SystemHost::shared());
    Ok(node.call_within::<GetStatus>(&(), Span::secs(5)).await?.height)
}

fn tail(laid: &Laid) -> Option<String> {
    let text = fs::read_to_string(log_path(laid)).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(TAIL)..)?.join("\n");
    Some(format!("--- {}\n{last}", log_path(laid).display()))
}

/// Writes DIR/demo.json: what others need to use the network.
pub(crate) fn write_summary(plan: &Plan, doors: &[Door], nodes: &Nodes) -> Result<PathBuf, Failure> {
    let absolute = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let patients: Vec<(ProfileName, Profile)> = Profile::list(&plan.dir)
        .into_iter()
        .filter(|name| &*name.group == "patient")
        .filter_map(|name| Profile::load(&plan.dir, &name).ok().map(|profile| (name, profile)))
        .collect();
    let organisations = plan.members.iter().map(|laid| {
        let mut profiles: Vec<String> = laid.profiles.iter().map(ToString::to_string).collect();
        let own = patients.iter().filter(|(_, profile)| profile.org == laid.org);
        profiles.extend(own.map(|(name, _)| name.to_string()));
        json!({
            "org": laid.org, "name": laid.name, "profiles": profiles, "p2p": laid.p2p, "rpc": laid.rpc,
            "pid": nodes.pid(&laid.org), "config": absolute(&laid.dir.join("node.toml")),
            "data": [absolute(&laid.dir.join("data"))], "log": absolute(&log_path(laid)),
            "gateway": doors.iter().find(|door| door.org == laid.org).map(Door::summary),
        })
    });
    let patients = patients.iter().map(|(name, profile)| {
        json!({ "profile": name.to_string(), "chart": profile.chart, "name": profile.display })
    });
    let summary = json!({
        "format": 1, "home": absolute(&plan.dir), "genesis": absolute(&plan.genesis_path),
        "network": plan.genesis.network(), "pid": std::process::id(),
        "organisations": organisations.collect::<Vec<_>>(), "patients": patients.collect::<Vec<_>>(),
    });
    let path = plan.dir.join("demo.json");
    let text = serde_json::to_string_pretty(&summary)
        .map_err(|error| Failure::new(Exit::Fault, format!("demo.json can't be written: {error}")))?;
    write_private(&path, format!("{text}\n").as_bytes(), true)?;
    Ok(path)
}
