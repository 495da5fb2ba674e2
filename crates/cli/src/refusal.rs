//! This file is where the client's errors about charts get an exit status.

use crate::exit::{Exit, Failure, chain};
use client::{
    ClaimError, EraseError, WriteError,
    audit::{AuditError, ConsentError, ExplainError},
    export::{ExportError, LockError, VerifyError},
    import::ImportError,
    open::OpenError,
    proof::ProofError,
};
use std::error::Error;

fn with(exit: Exit, error: &dyn Error) -> Failure {
    Failure::new(exit, chain(error))
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Call(error) => error.into(),
            other => with(Exit::Unverified, &other),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Call(error) => error.into(),
            OpenError::Submit(error) => error.into(),
            OpenError::Unknown(_) | OpenError::NothingThere | OpenError::NoReason => {
                with(Exit::Input, &error)
            }
            OpenError::NoIndex => with(Exit::Denied, &error),
            OpenError::NotTold(_) => with(Exit::Open, &error),
            OpenError::TooFewShares { .. } => with(Exit::Unreachable, &error),
            OpenError::Pack { .. } | OpenError::Collect(_) => with(Exit::Unverified, &error),
            OpenError::Words(_) => with(Exit::Fault, &error),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Call(error) => error.into(),
            ImportError::Submit(error) => error.into(),
            ImportError::Key(error) => error.into(),
            ImportError::Profile(error) => error.into(),
            ImportError::Interrupted { done, all, source } => {
                let inner = Self::from(*source);
                inner.at(format_args!("{} of {all} charts were imported and are whole; then", done.len()))
            }
            ImportError::Write(error) => error.into(),
            ImportError::Claim(error) => Self::from(*error),
            other => with(Exit::Input, &other),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Call(error) => error.into(),
            WriteError::Submit(error) => error.into(),
            WriteError::Index(_) => with(Exit::Denied, &error),
            WriteError::Seal(_) | WriteError::Deal(_) => with(Exit::Fault, &error),
            WriteError::Stopped => with(Exit::Open, &error),
            WriteError::Partly { done, source } => {
                let records = done.len();
                Self::from(*source).at(format_args!("{records} records were written and are final; then"))
            }
            WriteError::Unknown(_)
            | WriteError::NotAWriter
            | WriteError::Malformed { .. }
            | WriteError::Conflict { .. }
            | WriteError::TooLarge(_)
            | WriteError::TooMuch { .. }
            | WriteError::TwoCharts { .. } => with(Exit::Input, &error),
        }
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Unknown(_) => with(Exit::Input, &error),
            AuditError::Proof(error) => error.into(),
            AuditError::Call(error) => error.into(),
            AuditError::Open(error) => error.into(),
        }
    }
}

impl From<ConsentError> for Failure {
    fn from(error: ConsentError) -> Self {
        match error {
            ConsentError::TooManyCategories | ConsentError::TooManyPurposes => with(Exit::Input, &error),
            ConsentError::Submit(error) => error.into(),
            ConsentError::Open(error) => error.into(),
            ConsentError::Call(error) => error.into(),
        }
    }
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Unknown(_) => with(Exit::Input, &error),
            ExplainError::Proof(error) => error.into(),
            ExplainError::Call(error) => error.into(),
        }
    }
}

impl From<EraseError> for Failure {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::NothingThere | EraseError::TooMany => with(Exit::Input, &error),
            EraseError::Submit(error) => error.into(),
            EraseError::Open(error) => error.into(),
            EraseError::Call(error) => error.into(),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let exit = match &error {
            VerifyError::Encrypted => Exit::Keys,
            VerifyError::Version(_) => Exit::Input,
            _ => Exit::Unverified,
        };
        with(exit, &error)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Open(error) => error.into(),
            ExportError::Proof(error) => error.into(),
            ExportError::Verify(error) => {
                Self::from(error).at("the export doesn't verify, so nothing was written")
            }
            ExportError::TooLarge(_) => with(Exit::Input, &error),
            ExportError::Collect(_) => with(Exit::Unverified, &error),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        with(Exit::Keys, &error)
    }
}

impl From<ClaimError> for Failure {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Connect(error) => error.into(),
            ClaimError::Key(error) => error.into(),
            ClaimError::Profile(error) => error.into(),
            ClaimError::Plain => with(Exit::Keys, &error),
            ClaimError::Call(error) => error.into(),
            ClaimError::Submit(error) => error.into(),
            ClaimError::Audit(source) => Self::from(source)
                .at("the chart is claimed, but its audit compartment is still the custodian's; `audit` tries again"),
        }
    }
}
