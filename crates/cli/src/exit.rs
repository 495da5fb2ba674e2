//! This file is where a command's end has a number: documented exit statuses, and what every library's error means to a
//! person at a terminal.

use client::{
    AskedError, CarriageError, ConnectError, GenesisFileError, RenewError, SessionError, SubmitError,
    keys::{FileError, KeyFileError, ProfileError},
    rpc::CallError,
    wire::Code,
};
use serde::Serialize;
use std::{io, path::Path, process::ExitCode};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A fault: our bug, or a node's.
    Fault = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// What was handed in is wrong: a file, an id, a code.
    Input = 3,
    /// The network decided: denied.
    Denied = 4,
    /// The ledger rejected the transaction.
    Rejected = 5,
    /// The node can't be reached, is behind, or didn't answer in time.
    Unreachable = 6,
    /// Something doesn't verify.
    Unverified = 7,
    /// This machine's disk, data directory or port.
    Machine = 8,
    /// Profile, key file or passphrase.
    Keys = 9,
    /// The node doesn't serve this caller.
    Refused = 10,
    /// Whether it was done isn't known.
    Open = 11,
}

impl Exit {
    /// All of them, with what they mean and what to do.
    pub(crate) const ALL: &[(Self, &str)] = &[
        (Self::Done, "done"),
        (Self::Fault, "a fault of this program or of a node; its log says more"),
        (Self::Usage, "the command line makes no sense; see `horkos help`"),
        (
            Self::Input,
            "what was handed in is wrong (a file, an id, a code, a configuration); nothing was changed",
        ),
        (
            Self::Denied,
            "the network decided, recorded it, and all that was asked for is denied; no file was written",
        ),
        (Self::Rejected, "the ledger rejected the transaction; it had no effect, the number says why"),
        (Self::Unreachable, "the node can't be reached, is behind, or didn't answer in time; try again"),
        (Self::Unverified, "something does not verify: a proof, a certificate, a hash, stored data"),
        (
            Self::Machine,
            "this machine: disk, permissions, a port that is taken, a data directory of another network",
        ),
        (Self::Keys, "profile, key file or passphrase"),
        (
            Self::Refused,
            "the node does not serve this caller: unknown key, expired session, wrong clock, not on the staff list",
        ),
        (Self::Open, "whether it was done is not known yet; ask before doing it again"),
    ];

    /// The status.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command didn't do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How it ends.
    pub(crate) exit: Exit,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

impl Failure {
    /// A failure with this message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// What was handed in is wrong.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    /// The same, with words before the message.
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
    }

    /// A file of this machine that can't be used.
    pub(crate) fn file(path: &Path, source: &io::Error) -> Self {
        let exit = if source.kind() == io::ErrorKind::NotFound { Exit::Input } else { Exit::Machine };
        Self::new(exit, format!("`{}`: {source}", path.display()))
    }
}

/// An error with all its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

fn of_call(error: &CallError) -> Exit {
    match error {
        CallError::Address(_) => Exit::Input,
        CallError::Unreachable { .. } | CallError::Timeout(_) => Exit::Unreachable,
        CallError::Malformed { .. } => Exit::Fault,
        CallError::Refused(refusal) => of_code(refusal.code),
    }
}

/// What a node's "no" means.
pub(crate) fn of_code(code: Code) -> Exit {
    match code {
        Code::Malformed | Code::NotFound => Exit::Input,
        Code::Unauthenticated | Code::Forbidden => Exit::Refused,
        Code::Rejected(_) => Exit::Rejected,
        Code::Withheld(_) => Exit::Denied,
        Code::Timeout | Code::Unavailable => Exit::Unreachable,
        Code::Invalid => Exit::Unverified,
        Code::Fault => Exit::Fault,
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::new(of_call(&error), chain(&error))
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        let exit = match &error {
            SubmitError::Rejected { .. } => Exit::Rejected,
            SubmitError::Expired(_) => Exit::Unreachable,
            SubmitError::Unknown { .. } => Exit::Open,
            SubmitError::TooLong(_) => Exit::Input,
            SubmitError::Call(error) => of_call(error),
        };
        Self::new(exit, chain(&error))
    }
}

impl From<CarriageError> for Failure {
    fn from(error: CarriageError) -> Self {
        match error {
            CarriageError::Call(error) => error.into(),
            CarriageError::Profile(error) => error.into(),
            CarriageError::NoPerson | CarriageError::Unknown | CarriageError::NoProfile => {
                Self::new(Exit::Keys, chain(&error))
            }
        }
    }
}

impl From<RenewError> for Failure {
    fn from(error: RenewError) -> Self {
        let exit = match &error {
            RenewError::NoPerson | RenewError::Plain => Exit::Keys,
            RenewError::Key(KeyFileError::File(FileError::Io { .. })) => Exit::Machine,
            RenewError::Key(_) | RenewError::Profile { .. } => Exit::Keys,
            RenewError::Submit { source: SubmitError::Rejected { .. }, .. } => Exit::Rejected,
            RenewError::Submit { source: SubmitError::Call(error), .. } => of_call(error),
            RenewError::Submit { .. } => Exit::Open,
        };
        Self::new(exit, chain(&error))
    }
}

impl From<AskedError> for Failure {
    fn from(error: AskedError) -> Self {
        Self::new(Exit::Input, chain(&error))
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let exit = match &error {
            FileError::Io { .. } => Exit::Machine,
            FileError::Exposed { .. } | FileError::Exists(_) | FileError::TooLong(_) => Exit::Keys,
        };
        Self::new(exit, chain(&error))
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::File(error) => error.into(),
            other => Self::new(Exit::Keys, chain(&other)),
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let exit = match &error {
            ProfileError::File(FileError::Io { .. }) => Exit::Machine,
            _ => Exit::Keys,
        };
        Self::new(exit, chain(&error))
    }
}

impl From<GenesisFileError> for Failure {
    fn from(error: GenesisFileError) -> Self {
        Self::new(Exit::Input, chain(&error))
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::new(of_call(&error.0), chain(&error))
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Profile(error) => error.into(),
            ConnectError::Key(error) => error.into(),
            ConnectError::Genesis(error) => error.into(),
            ConnectError::Call(error) => error.into(),
            ConnectError::Session(error) => error.into(),
            ConnectError::Keep(error) => {
                Self::from(error).at("the session can't be kept for the next command")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_documented_once_and_in_order() {
        for (index, (exit, meaning)) in Exit::ALL.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), index);
            assert!(!meaning.is_empty());
        }
    }
}
