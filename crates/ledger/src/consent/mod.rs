//! Consent: what the owner of a chart lets others do with it, and how that decides together with the base policies.

mod decide;
mod deny;
mod directive;
mod grant;
mod grantee;
mod purpose;
mod revoke;
mod state;

pub use decide::{By, Decision, decide, decide_all, match_directives, may_write};
pub use deny::{Denied, Deny};
pub use directive::{Action, Ask, Category, Directive, Directives, Effect, Scope, TAGS_MAX, matching};
pub use grant::{Grant, Granted};
pub use grantee::{Grantee, GranteeError};
pub use purpose::{PURPOSES_MAX, Purpose, PurposeError};
pub use revoke::{Revocable, Revoke, Revoked};
pub use state::{
    ALREADY_REVOKED, CHART_NOT_OWNED, CONSENT_STALE, Consents, DIRECTIVE_OVER, DIRECTIVES, DIRECTIVES_MAX,
    DIRECTIVES_TOO_MANY, GRANTEE_UNKNOWN, NOT_FOR_OWNER, NOTHING_TO_REVOKE, PARTIES, PURPOSE_MISSING,
    Parties, REJECTS, RELATIONSHIPS, SCOPE_EMPTY, TOMBSTONES, acts_for_owner, directives, is_live,
    is_treating, parties, sequence,
};
pub(crate) use state::{note_treatment, set_parties};
