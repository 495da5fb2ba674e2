//! Access: requests to open classes of a chart, decided and recorded before any key is released, denials too.

mod asked;
mod break_glass;
mod explain;
mod record;
mod release;
mod request;
mod request_together;
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
pub use request_together::{Asked, CHARTS_TOGETHER_MAX, CLASSES_TOGETHER_MAX, RequestTogether};
pub use review::{Finding, Review, Reviewed};
pub use state::{
    ACCESS_UNKNOWN, ACCESSES, ASK_EMPTY, Access, CHARTS_ASKED, CLASS_UNKNOWN, CLASSES_ASKED_TOO_MANY,
    DENIALS, DENIALS_TOO_MANY, Denials, EMERGENCY_UNDECLARED, Permitted, REJECTS, REVIEW_NOT_NEEDED,
    REVIEW_NOT_YOURS, REVIEW_REPEATED, REVIEWS_DUE, REVIEWS_MAX, REVIEWS_OVERDUE, access, access_in, beside,
    reviews_due,
};
