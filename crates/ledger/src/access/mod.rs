//! Access: requests to open classes of a chart, decided and recorded before any key is released, denials too.

mod asked;
mod break_glass;
mod explain;
mod record;
mod release;
mod request;
mod review;
#[cfg(test)]
mod scene;
mod state;

pub use asked::{Emergency, Extent, Reader, Reason};
pub use break_glass::BreakGlass;
pub use explain::explain;
pub use record::{ClassDecision, Decided, Repeated};
pub use release::{Withheld, releasable};
pub use request::Request;
pub use review::{Finding, Review, Reviewed};
pub use state::{
    ACCESS_UNKNOWN, ACCESSES, ASK_EMPTY, Access, CLASS_UNKNOWN, DENIALS, Denials, EMERGENCY_UNDECLARED,
    Permitted, REJECTS, REVIEW_NOT_NEEDED, REVIEW_NOT_YOURS, REVIEW_REPEATED, REVIEWS_DUE, REVIEWS_MAX,
    REVIEWS_OVERDUE, access, reviews_due,
};
