//! This file is where a command finds out who runs it: profile, home directory, passphrase, and the way to the node.

use crate::{
    exit::{Exit, Failure},
    out::Out,
};
use clap::Args;
use client::{Client, SystemHost, keys::ProfileName};
use std::{
    env, fs,
    io::{IsTerminal as _, stderr, stdin},
    path::{Path, PathBuf},
};
use zeroize::{Zeroize as _, Zeroizing};

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Globals {
    /// Who acts: `group/name`, as riverside/dr-adams
    #[arg(
        long,
        global = true,
        env = "HORKOS_PROFILE",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "Everywhere"
    )]
    pub(crate) profile: Option<String>,
    /// Directory that holds profiles and their genesis file [default: ~/.horkos]
    #[arg(
        long,
        global = true,
        env = "HORKOS_HOME",
        hide_env_values = true,
        value_name = "DIR",
        help_heading = "Everywhere"
    )]
    pub(crate) home: Option<PathBuf>,
    /// Data as JSON on stdout, failures as JSON on stderr
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

/// Where the node's one configuration file is.
#[derive(Args, Debug)]
pub(crate) struct ConfigPath {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    pub(crate) config: PathBuf,
}

/// Who runs a command, and where it speaks.
pub(crate) struct Context {
    /// The way out.
    pub(crate) out: Out,
    globals: Globals,
}

impl Context {
    /// The context of these globals.
    pub(crate) fn new(globals: Globals) -> Self {
        Self { out: Out::new(globals.json), globals }
    }

    /// The directory that holds profiles.
    pub(crate) fn home(&self) -> Result<PathBuf, Failure> {
        if let Some(home) = &self.globals.home {
            return Ok(home.clone());
        }
        match env::var_os("HOME").filter(|home| !home.is_empty()) {
            Some(home) => Ok(Path::new(&home).join(".horkos")),
            None => Err(Failure::new(
                Exit::Keys,
                "there is no home directory; name one with --home or HORKOS_HOME",
            )),
        }
    }

    /// The profile's name.
    pub(crate) fn profile(&self) -> Result<ProfileName, Failure> {
        match &self.globals.profile {
            Some(name) => Ok(name.parse()?),
            None => Err(Failure::new(
                Exit::Keys,
                "who acts? name a profile with --profile or HORKOS_PROFILE; `horkos profile list` shows those there are",
            )),
        }
    }

    /// The user at her node.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        self.client_as(&self.profile()?).await
    }

    /// Another user at her node.
    pub(crate) async fn client_as(&self, name: &ProfileName) -> Result<Client, Failure> {
        Ok(Client::connect(&self.home()?, name, passphrase, SystemHost::shared()).await?)
    }
}

/// The passphrase of a key file: from `HORKOS_PASSPHRASE`, from the file that `HORKOS_PASSPHRASE_FILE` names, or asked
/// for at the terminal.
pub(crate) fn passphrase(path: &Path) -> Option<Zeroizing<String>> {
    known_passphrase().or_else(|| ask(&format!("Passphrase of {}: ", path.display())))
}

/// A passphrase for new keys, asked for twice at a terminal.
pub(crate) fn new_passphrase() -> Result<Zeroizing<String>, Failure> {
    if let Some(known) = known_passphrase() {
        return checked(known);
    }
    let none = || {
        Failure::new(
            Exit::Keys,
            "new keys need a passphrase: set HORKOS_PASSPHRASE or HORKOS_PASSPHRASE_FILE, or run this at a terminal",
        )
    };
    let first = ask("Passphrase for the new keys: ").ok_or_else(none)?;
    let second = ask("Once more: ").ok_or_else(none)?;
    if *first != *second {
        return Err(Failure::new(Exit::Keys, "the two passphrases differ; nothing was written"));
    }
    checked(first)
}

fn checked(passphrase: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
    if passphrase.chars().count() < 8 {
        return Err(Failure::new(
            Exit::Keys,
            "a passphrase needs at least 8 characters; six random words are good",
        ));
    }
    Ok(passphrase)
}

/// The passphrase from `HORKOS_PASSPHRASE` or the file that `HORKOS_PASSPHRASE_FILE` names.
pub(crate) fn known_passphrase() -> Option<Zeroizing<String>> {
    if let Ok(passphrase) = env::var("HORKOS_PASSPHRASE") {
        return Some(Zeroizing::new(passphrase));
    }
    let path = env::var_os("HORKOS_PASSPHRASE_FILE")?;
    let mut text = fs::read_to_string(path).ok()?;
    let passphrase = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    text.zeroize();
    Some(passphrase)
}

fn ask(prompt: &str) -> Option<Zeroizing<String>> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return None;
    }
    rpassword::prompt_password(prompt).ok().map(Zeroizing::new)
}
