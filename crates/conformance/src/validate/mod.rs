//! This folder is where a resource is held against the published definitions of FHIR R4.
//!
//! ```
//! use conformance::validate::{Options, check_bytes, outcome};
//!
//! let body = br#"{"resourceType":"Patient","birthDate":"2019-02-30"}"#;
//! let checked = check_bytes(body.as_slice(), &fhir::Limits::default(), &Options::default());
//! let issues = checked.issues;
//! assert!(issues.iter().any(|issue| issue.refuses() && issue.expression == "Patient.birthDate"));
//! assert!(outcome(&issues).starts_with(r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error""#));
//! ```
//!
//! A server that has read the request already (and kept the [`Document`](fhir::json::Document)) calls [`check`]; one that
//! has only bytes calls [`check_bytes`]. A resource is to be refused if [`Issue::refuses`] is true of one issue.
//!
//! **Checked**: depth and size, duplicate keys, resource types, unknown elements, cardinality, choice types, JSON types,
//! formats and ranges and the calendar, `null`s and `_name` siblings, empty values, required bindings whose codes are
//! known, extensions (a value or extensions, never both), contained resources (id, use, nesting), local references, the
//! types to which references may point (as far as the reference's text says its type), narratives, all entries of a
//! Bundle and all resources of a Parameters, and the invariants of R4.
//!
//! **Not checked**: profiles and `meta.profile`, the definitions of extensions, extensible and weaker bindings, the codes
//! of languages and UCUM (of media types and currencies only the form), whether references resolve outside of the resource,
//! questionnaire answers against their questionnaire. What is not checked is never called wrong.

mod binding;
mod check;
mod fhirpath;
mod invariants;
mod issue;
mod narrative;
mod options;
mod outcome;
mod place;
mod primitive;
mod reference;
mod table;
mod walk;

pub use check::{Checked, check, check_bytes};
pub use invariants::NOT_EVALUATED;
pub use issue::{Code, Issue, Severity};
pub use options::Options;
pub use outcome::outcome;
