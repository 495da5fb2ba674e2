//! This file is where a finding of the validator is described: how grave, what kind, where, and in which words.

use std::fmt;

/// How grave an issue is (FHIR R4 issue-severity).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The resource could not be checked further; it must not be accepted.
    Fatal,
    /// The resource breaks a rule of FHIR R4; it must not be accepted.
    Error,
    /// The resource may be accepted, but something is doubtful or could not be checked.
    Warning,
    /// Nothing is wrong.
    Information,
}

impl Severity {
    /// The code in an OperationOutcome.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// What kind of problem an issue is (the part of FHIR R4 issue-type that a validator needs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Malformed JSON, an unknown element, a wrong JSON type, too many values.
    Structure,
    /// A required element is missing.
    Required,
    /// A value does not have the format or range of its type, or names what it must not.
    Value,
    /// An invariant of the specification does not hold.
    Invariant,
    /// A code is not in the value set that binds the element.
    CodeInvalid,
    /// Text or input longer than allowed.
    TooLong,
    /// Nested too deep, or too much work.
    TooCostly,
    /// A resource type or content of another FHIR version.
    NotSupported,
    /// A remark.
    Informational,
}

impl Code {
    /// The code in an OperationOutcome.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::CodeInvalid => "code-invalid",
            Self::TooLong => "too-long",
            Self::TooCostly => "too-costly",
            Self::NotSupported => "not-supported",
            Self::Informational => "informational",
        }
    }
}

/// One finding.
///
/// `diagnostics` names elements, types, rules and allowed codes but never repeats a value of the resource: it may be
/// logged. Only the name of an unknown element is given back, shortened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How grave.
    pub severity: Severity,
    /// What kind.
    pub code: Code,
    /// Where, as a FHIRPath expression such as `Patient.contact[0].name.given[1]`; empty if the input as a whole is
    /// meant.
    pub expression: String,
    /// What is wrong and what to do, in plain words.
    pub diagnostics: String,
    /// The key of the invariant that does not hold, such as `obs-7`.
    pub rule: Option<&'static str>,
}

impl Issue {
    /// Whether a resource with this issue must be refused.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.severity <= Severity::Error
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, code) = (self.severity.code(), self.code.code());
        write!(f, "{severity} {code} {}: {}", self.expression, self.diagnostics)
    }
}
