//! Identity: which key belongs to whom, for how long, who may act for whom, and how a lost key is replaced.

mod appoint_guardian;
mod approve_recovery;
mod cancel_recovery;
mod carry;
mod certify;
mod delegate;
mod end_carriage;
mod end_delegation;
mod end_session;
mod enrol;
mod finish_recovery;
mod recover;
mod rotate;
#[cfg(test)]
mod script;
mod set_recovery;
mod state;

pub use appoint_guardian::AppointGuardian;
pub use approve_recovery::ApproveRecovery;
pub use cancel_recovery::CancelRecovery;
pub use carry::Carry;
pub use certify::Certify;
pub use delegate::Delegate;
pub use end_carriage::EndCarriage;
pub use end_delegation::EndDelegation;
pub use end_session::EndSession;
pub use enrol::{Enrol, Enrolled};
pub use finish_recovery::FinishRecovery;
pub use recover::Recover;
pub use rotate::Rotate;
pub use set_recovery::SetRecovery;
pub use state::{
    CARRIAGE_NOT_YOURS, CARRIER_LAST, CARRIERS_FULL, CONSENT_INVALID, DELEGATE_UNKNOWN,
    GUARDIAN_NOT_FOR_ADULT, HELPER_REPEATED, HELPER_UNKNOWN, KEY_FRESH, KEY_INVALID, KEY_TAKEN, NOT_A_HELPER,
    NOT_OF_THIS_ORGANISATION, PERIOD_INVALID, PRINCIPAL_UNKNOWN, RECOVERY_INVALID, RECOVERY_NOT_PENDING,
    RECOVERY_NOT_READY, RECOVERY_NOT_SET, RECOVERY_PENDING, SESSION_UNKNOWN,
};
pub use state::{
    Helper, KEYS, KeyOwner, PRINCIPALS, Principal, PrincipalKind, REJECTS, acts_for, is_fresh, is_person,
    other_orgs, principal, signer,
};
pub(crate) use state::{charge, enrol_organisation};
