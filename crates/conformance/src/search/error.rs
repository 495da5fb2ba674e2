//! This file is where a search is refused: every reason, with what an OperationOutcome needs.

use thiserror::Error;

/// Why a search was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SearchError {
    /// The type of the path or of a chain is not one of R4.
    #[error("`{kind}` is not a resource type of FHIR R4")]
    UnknownType {
        /// As given.
        kind: String,
        /// The parameter that names it, empty for the path.
        param: String,
    },
    /// Strict only: the type has no such parameter.
    #[error("{kind} has no search parameter `{code}`; see the CapabilityStatement for those it has")]
    UnknownParam {
        /// The type searched.
        kind: String,
        /// The code as given.
        code: String,
        /// The whole name as given.
        param: String,
    },
    /// The specification has it, this server has not.
    #[error("`{what}` is not supported; search without it")]
    Unsupported {
        /// The parameter or modifier.
        what: String,
        /// The whole name as given.
        param: String,
    },
    /// The modifier does not exist for parameters of this type.
    #[error("`:{modifier}` cannot be used on `{param}`, which is of type {kind}")]
    Modifier {
        /// As given.
        modifier: String,
        /// The whole name as given.
        param: String,
        /// The parameter's type.
        kind: &'static str,
    },
    /// The value cannot be read.
    #[error("`{value}` is not a value of `{param}`: {why}")]
    Value {
        /// As given, shortened.
        value: String,
        /// The whole name as given.
        param: String,
        /// What it should be.
        why: String,
    },
    /// A chain, `_has` or include that leads nowhere.
    #[error("`{param}` leads nowhere: {why}")]
    Chain {
        /// The whole name as given.
        param: String,
        /// What is wrong.
        why: String,
    },
    /// A parameter that may stand only once was repeated.
    #[error("`{param}` is given more than once; give it once")]
    Repeated {
        /// The name.
        param: String,
    },
    /// A bound was passed.
    #[error("the search asks for too much: {what} must be at most {max}")]
    TooMuch {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        max: usize,
        /// The whole name as given, shortened; empty if it isn't about one.
        param: String,
    },
}

impl SearchError {
    /// The code of the OperationOutcome's issue (value set issue-type).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownType { .. } | Self::UnknownParam { .. } | Self::Unsupported { .. } => {
                "not-supported"
            }
            Self::Modifier { .. } | Self::Value { .. } | Self::Chain { .. } | Self::Repeated { .. } => {
                "invalid"
            }
            Self::TooMuch { .. } => "too-costly",
        }
    }

    /// The expression of the OperationOutcome's issue: the parameter's name as given, or empty.
    #[must_use]
    pub fn expression(&self) -> &str {
        match self {
            Self::UnknownType { param, .. }
            | Self::UnknownParam { param, .. }
            | Self::Unsupported { param, .. }
            | Self::Modifier { param, .. }
            | Self::Value { param, .. }
            | Self::Chain { param, .. }
            | Self::Repeated { param }
            | Self::TooMuch { param, .. } => param,
        }
    }
}
