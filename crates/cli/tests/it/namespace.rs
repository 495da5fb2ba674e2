//! This file is where a test gets a small disk, or a process without a network, if this machine lets it.

use crate::run::{Ran, horkos_by, ran, words};
use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Says aloud why a test can't run here; where all must run, that is a failure.
pub(crate) fn skip(why: &str) {
    assert!(env::var_os("HORKOS_REQUIRE_ALL").is_none(), "can't run here: {why}");
    eprintln!("skipped: {why}");
}

/// `unshare` with what makes it work without being root, if it must.
fn unshare(what: &str) -> Result<Vec<OsString>, String> {
    let mut tried = String::new();
    for how in [&[][..], &["--user", "--map-root-user"]] {
        let command: Vec<OsString> =
            ["unshare", what].iter().chain(how).map(|word| OsString::from(*word)).collect();
        match Command::new(&command[0]).args(&command[1..]).arg("true").output() {
            Ok(output) if output.status.success() => return Ok(command),
            Ok(output) => tried.push_str(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => tried.push_str(&format!("unshare: {error}\n")),
        }
    }
    Err(tried)
}

/// What runs a program without any network but a loopback that is down.
pub(crate) fn offline() -> Result<Vec<OsString>, String> {
    unshare("--net")
}

/// A disk of a few megabytes, in a mount namespace that only lives with this.
pub(crate) struct SmallDisk {
    holder: Child,
    enter: Vec<OsString>,
    dir: PathBuf,
}

impl SmallDisk {
    /// Mounts one on the empty directory `dir`.
    pub(crate) fn on(dir: &Path, kib: usize) -> Result<Self, String> {
        let by = unshare("--mount")?;
        let script = format!("mount -t tmpfs -o size={kib}k tmpfs \"$0\" && echo mounted && exec cat");
        let mut holder = Command::new(&by[0])
            .args(&by[1..])
            .args(["sh", "-c", &script])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = holder.id().to_string();
        let mut enter: Vec<OsString> =
            ["nsenter", "--target", &pid, "--mount"].iter().map(OsString::from).collect();
        if by.len() > 2 {
            enter.extend(["--user", "--preserve-credentials"].map(OsString::from));
        }
        let disk = Self { holder, enter, dir: dir.to_owned() };
        if line.trim() != "mounted" {
            return Err("a tmpfs can't be mounted".to_owned());
        }
        let entered = Command::new("nsenter").args(&disk.enter[1..]).arg("true").output();
        match entered {
            Ok(output) if output.status.success() => Ok(disk),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(format!("nsenter: {error}")),
        }
    }

    /// The binary, where the disk can be seen.
    pub(crate) fn horkos(&self, home: &Path) -> Command {
        horkos_by(home, &self.enter)
    }

    /// Runs a command line there.
    pub(crate) fn run(&self, home: &Path, line: &str) -> Ran {
        ran(self.horkos(home).args(words(home, line)).output().unwrap())
    }

    /// The disk as seen from outside.
    pub(crate) fn path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.dir.strip_prefix("/").unwrap())
    }

    /// Takes up all room but `left` bytes, as other programs' files would.
    pub(crate) fn fill(&self, left: u64) {
        let mut file = File::options().create(true).append(true).open(self.path().join("ballast")).unwrap();
        let full = loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(left)).unwrap();
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The mount goes with the last process that sees it.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}
