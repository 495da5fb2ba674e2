//! Looking into charts without opening them: who opened them, what was decided and why, what is consented, what they hold.

mod accesses;
mod charts;
mod consents;
mod explain;
mod words;

pub(crate) use accesses::accesses;
pub use accesses::{Access, Audit, AuditError, Outcome, Told};
pub use charts::{ChartClass, ChartListed, ChartPack, ChartShown, ErasureShown};
pub use consents::{Consent, ConsentError, GrantTerms, What};
pub use explain::{ExplainError, Explanation};
