//! This file is where validators are processes of their own, and are killed.

use crate::{
    ledger::{Entry, agree, check, entries, tx},
    network::{Validator, addresses, ledger_path, wait_for},
};
use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

const ROLE: &str = "HORKOS_TEST_VALIDATOR";

/// Not a test by itself: the body of a child process. Reads texts from stdin and submits them, writes those that are
/// executed to stdout, and stops cleanly when stdin ends.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let [root, index, addresses] = role.split(';').collect::<Vec<_>>()[..] else { panic!("`{role}`") };
    let addresses: Vec<SocketAddr> = addresses.split(',').map(|address| address.parse().unwrap()).collect();
    let validator = Arc::new(Validator::start(Path::new(root), index.parse().unwrap(), &addresses).unwrap());
    let submitting = validator.clone();
    let reader = thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let _ = submitting.handle.submit(tx(1, &line.unwrap()));
        }
    });
    let mut told = 0;
    while !reader.is_finished() {
        let entries = validator.entries();
        for text in entries[told..].iter().flat_map(|entry| &entry.txs) {
            println!("final {}", String::from_utf8_lossy(&text[2..]));
        }
        told = entries.len();
        thread::sleep(Duration::from_millis(5));
    }
    println!("ended {:?}", validator.handle.stop());
}

struct Process {
    child: Child,
    told: Arc<Mutex<BTreeSet<String>>>,
    ledger: PathBuf,
}

impl Process {
    fn start(root: &Path, index: usize, addresses: &[SocketAddr]) -> Self {
        let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["process::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, format!("{};{index};{}", root.display(), list.join(",")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let told: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let (output, hears) = (child.stdout.take().unwrap(), told.clone());
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                hears.lock().unwrap().insert(line);
            }
        });
        Self { child, told, ledger: ledger_path(root, index) }
    }

    fn submit(&mut self, text: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    fn acknowledged(&self, text: &str) -> bool {
        self.told.lock().unwrap().contains(&format!("final {text}"))
    }

    fn entries(&self) -> Vec<Entry> {
        entries(&self.ledger)
    }

    fn has(&self, texts: &[String]) -> bool {
        let have = check(&self.entries());
        texts.iter().all(|text| have.contains_key(&tx(1, text).to_vec()))
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// End of input, to which the child answers with a clean stop.
    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        wait_for("the last word", || self.told.lock().unwrap().contains("ended Stopped"));
    }
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("text {n}")).collect()
}

#[test]
fn killed_validators_lose_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path();
    let addresses = addresses(4);
    let start = |index| Process::start(root, index, &addresses);
    let mut four: Vec<Process> = (0..4).map(start).collect();
    let submit = |processes: &mut [Process], texts: &[String]| {
        let count = processes.len();
        texts.iter().enumerate().for_each(|(n, text)| processes[n % count].submit(text));
    };
    let all_have =
        |processes: &[Process], texts: &[String]| processes.iter().all(|process| process.has(texts));

    let mut acknowledged = texts(0..40);
    submit(&mut four, &acknowledged);
    wait_for("all four have it", || all_have(&four, &acknowledged));

    // One is killed; the chain goes on; it comes back and catches up.
    four.pop().unwrap().kill();
    let more = texts(40..80);
    submit(&mut four, &more);
    wait_for("three go on", || all_have(&four, &more));
    acknowledged.extend(more);
    four.push(start(3));
    wait_for("the fourth catches up", || all_have(&four, &acknowledged));

    // All are killed while transactions are under way. What was acknowledged by then must survive.
    let flying = texts(80..480);
    submit(&mut four, &flying);
    wait_for("some are final", || flying.iter().filter(|text| four[0].acknowledged(text)).count() > 20);
    let told: Vec<_> = four.iter().map(|process| process.told.clone()).collect();
    four.into_iter().for_each(Process::kill);
    for told in told {
        let told = told.lock().unwrap();
        acknowledged.extend(told.iter().filter_map(|line| Some(line.strip_prefix("final ")?.to_owned())));
    }
    let mut four: Vec<Process> = (0..4).map(start).collect();
    let last = texts(500..501);
    submit(&mut four, &last);
    acknowledged.extend(last);
    wait_for("all that was acknowledged", || all_have(&four, &acknowledged));
    agree(&four.iter().map(Process::entries).collect::<Vec<_>>());
    four.into_iter().for_each(Process::stop);
}
