//! This file is where the gateway is used as outsiders use it: a demonstration stays up, and the lines that it prints, the
//! clients of others and a fuzzer of its OpenAPI document come by the front door.

use crate::{
    namespace::skip,
    run::{horkos, run},
};
use serde_json::Value;
use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// What schemathesis makes up is made of this.
const SEED: u32 = 20_261;
/// Cases for each operation and phase.
const EXAMPLES: u32 = 25;

/// A demonstration that stays up as long as this lives.
pub(crate) struct Demo {
    child: Child,
    pub(crate) dir: PathBuf,
    /// What it printed.
    told: Vec<String>,
}

impl Demo {
    /// Starts one and waits until it has told its story.
    pub(crate) fn start(home: &Path, more: &[&str]) -> Self {
        let dir = home.join("demo");
        let mut child = horkos(home)
            .args(["demo", "--dir"])
            .arg(&dir)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        for line in lines {
            told.push(line.unwrap());
            if told.last().is_some_and(|line| line.starts_with("Where everything is:")) {
                break;
            }
        }
        let demo = Self { child, dir, told };
        assert!(demo.told.iter().any(|line| line == "Every step held."), "{}", demo.told.join("\n"));
        demo
    }

    fn summary(&self) -> PathBuf {
        self.dir.join("demo.json")
    }

    /// What demo.json says of the first gateway.
    fn gateway(&self) -> Value {
        let summary: Value = serde_json::from_slice(&fs::read(self.summary()).unwrap()).unwrap();
        summary["organisations"][0]["gateway"].clone()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It ends its nodes on SIGTERM; killed, it would leave them to notice by themselves.
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !told.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

fn done(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether a program is here.
fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn heavy_outsiders_use_the_demonstration_or_skip() {
    let home = tempfile::tempdir().unwrap();
    let demo = Demo::start(home.path(), &[]);
    if has("curl") {
        printed_lines_work(&demo);
    } else {
        skip("curl isn't here");
    }
    match installed_npm() {
        Ok(folder) => {
            for client in ["fhir-kit-client", "fhirclient", "medplum"] {
                let mut node = Command::new("node");
                node.arg(format!("{client}.mjs")).current_dir(&folder).env("HORKOS_DEMO", demo.summary());
                done(client, &node.output().unwrap());
            }
        }
        Err(why) => skip(&format!("the clients of npm can't be installed: {why}")),
    }
    match installed_python() {
        Ok(python) => {
            let gateway = demo.gateway();
            done("fhirpy", &fhirpy(&python, &demo, &gateway).output().unwrap());
            done("schemathesis", &schemathesis(home.path(), &python, &demo, &gateway).output().unwrap());
        }
        Err(why) => skip(&format!("the clients of PyPI can't be installed: {why}")),
    }
}

/// Runs the lines that the demonstration printed, all in one shell as a reader would, and looks at each status.
fn printed_lines_work(demo: &Demo) {
    let lines: Vec<&str> = demo.told.iter().map(|line| line.trim_start()).collect();
    let exports = lines.iter().filter(|line| line.starts_with("export ")).copied();
    let token = lines.iter().filter(|line| line.starts_with("TOKEN=")).copied();
    let curls: Vec<&str> = lines.iter().filter(|line| line.starts_with("curl ")).copied().collect();
    assert!(curls.len() >= 6, "{}", demo.told.join("\n"));
    let measured = curls.iter().map(|line| format!("{line} -s -o /dev/null -w '%{{http_code}}\\n'"));
    let script: Vec<String> =
        ["set -eu"].into_iter().chain(exports).chain(token).map(str::to_owned).chain(measured).collect();
    let ran = Command::new("sh").arg("-c").arg(script.join("\n")).output().unwrap();
    done("the printed lines", &ran);
    let expected: Vec<&str> =
        curls.iter().map(|line| if line.contains(" -d ") { "201" } else { "200" }).collect();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{}", script.join("\n"));
}

fn sources(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients").join(part)
}

/// The folder of a part of the clients below the build's, with their files; true if what is locked is installed there.
fn prepared(part: &str, lock: &str) -> (PathBuf, bool) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(part);
    fs::create_dir_all(&folder).unwrap();
    copy(&sources(part), &folder);
    let installed =
        fs::read(folder.join("installed")).is_ok_and(|installed| installed == mark(&folder, part, lock));
    (folder, installed)
}

/// What is locked, and where it is installed: programs of a Python environment name the folder in which they were made.
fn mark(folder: &Path, part: &str, lock: &str) -> Vec<u8> {
    let mut mark = format!("{}\n", folder.display()).into_bytes();
    mark.extend(fs::read(sources(part).join(lock)).unwrap());
    mark
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        if entry.path().is_dir() {
            if name != "node_modules" && name != "__pycache__" {
                copy(&entry.path(), &to.join(name));
            }
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Runs an installer; what it said, if it failed.
fn install(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.trim().to_owned()) }
}

/// What is locked is installed: the next run needn't do it again.
fn note(folder: &Path, part: &str, lock: &str) {
    fs::write(folder.join("installed"), mark(folder, part, lock)).unwrap();
}

fn installed_npm() -> Result<PathBuf, String> {
    let (folder, is_installed) = prepared("npm", "package-lock.json");
    if !is_installed {
        let words = "ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000";
        install(Command::new("npm").args(words.split(' ')).current_dir(&folder))?;
        note(&folder, "npm", "package-lock.json");
    }
    Ok(folder)
}

fn installed_python() -> Result<PathBuf, String> {
    let (folder, is_installed) = prepared("python", "requirements.txt");
    if !is_installed {
        install(Command::new("python3").args(["-m", "venv", "--clear", "venv"]).current_dir(&folder))?;
        let words = "-m pip install --quiet --disable-pip-version-check --retries 1 --timeout 30 --only-binary :all: \
                     --require-hashes -r requirements.txt";
        let words = words.split_whitespace();
        install(Command::new(folder.join("venv/bin/python")).args(words).current_dir(&folder))?;
        note(&folder, "python", "requirements.txt");
    }
    Ok(folder)
}

/// A token, got by the program's own command.
fn token(demo: &Demo, gateway: &Value) -> String {
    let client = &gateway["clients"][0];
    let public = gateway["fhir"].as_str().unwrap().strip_suffix("/fhir").unwrap();
    let text = |name: &str| client[name].as_str().unwrap();
    token_at(&demo.dir, text("id"), Path::new(text("key")), public, text("scopes"))
}

pub(crate) fn token_at(home: &Path, client: &str, key: &Path, public: &str, scopes: &str) -> String {
    let key = key.display();
    let line = format!("gateway token --client {client} --key {key} --gateway {public} --scopes {scopes}");
    let ran = run(home, &line);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.stdout.trim().to_owned()
}

fn fhirpy(folder: &Path, demo: &Demo, gateway: &Value) -> Command {
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.arg("fhirpy_client.py").current_dir(folder);
    command.env("HORKOS_FHIR", gateway["fhir"].as_str().unwrap()).env("HORKOS_TOKEN", token(demo, gateway));
    command
}

/// Requests made up of the OpenAPI document, and whether each answer is one that the document knows.
fn schemathesis(home: &Path, folder: &Path, demo: &Demo, gateway: &Value) -> Command {
    let mut command = Command::new(folder.join("venv/bin/schemathesis"));
    command.args(["run", gateway["openapi"].as_str().unwrap(), "--no-color", "--continue-on-failure"]);
    command.arg("--header").arg(format!("Authorization: Bearer {}", token(demo, gateway)));
    // One worker: CPython 3.11's parser of lambdas counts its depth for all threads together (python/cpython#106905), so that with
    // two a run ends now and then in a SystemError of Python's own.
    command.args(["--seed", &SEED.to_string(), "--max-examples", &EXAMPLES.to_string(), "--workers", "1"]);
    // The document can't say what is a valid resource: what fits it may be refused. And FHIR answers much that doesn't fit:
    // it passes over what is empty or unknown, and each entry of a batch has an answer of its own.
    command.args(["--exclude-checks", "positive_data_acceptance,negative_data_rejection"]);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(home);
    command
}
