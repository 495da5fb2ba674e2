//! This file is the table of contents: every kind of transaction and every type of event, a line each. CLI listing,
//! JSON schemas, docs/kinds.md, goldens and fuzz inputs derive from these lines.

use crate::{
    Ctx, Draft, Reject, RejectInfo, Who, access, charts, consent,
    contents::{facts, kinds, rejects_of},
    fact::Fact,
    governance, identity,
    kind::Kind,
    reject,
};
use arbitrary::{Arbitrary, Unstructured};
use primitives::{decode, encode};
use std::fmt;

kinds! {
    0x0101 "governance.propose" governance::Propose;
    0x0102 "governance.approve" governance::Approve;
    0x0103 "governance.rotate-box-key" governance::RotateBoxKey;

    0x0201 "identity.enrol" identity::Enrol;
    0x0202 "identity.certify" identity::Certify;
    0x0203 "identity.end-session" identity::EndSession;
    0x0204 "identity.rotate" identity::Rotate;
    0x0205 "identity.delegate" identity::Delegate;
    0x0206 "identity.end-delegation" identity::EndDelegation;
    0x0207 "identity.appoint-guardian" identity::AppointGuardian;
    0x0208 "identity.set-recovery" identity::SetRecovery;
    0x0209 "identity.recover" identity::Recover;
    0x020a "identity.approve-recovery" identity::ApproveRecovery;
    0x020b "identity.cancel-recovery" identity::CancelRecovery;
    0x020c "identity.finish-recovery" identity::FinishRecovery;
    0x020d "identity.carry" identity::Carry;
    0x020e "identity.end-carriage" identity::EndCarriage;

    0x0301 "consent.grant" consent::Grant;
    0x0302 "consent.deny" consent::Deny;
    0x0303 "consent.revoke" consent::Revoke;

    0x0401 "charts.create" charts::Create;
    0x0402 "charts.offer-claim" charts::OfferClaim;
    0x0403 "charts.claim" charts::Claim;
    0x0404 "charts.commit" charts::Commit;
    0x0405 "charts.acknowledge" charts::Acknowledge;
    0x0406 "charts.erase" charts::Erase;
    0x0407 "charts.receipt-erasure" charts::ReceiptErasure;
    0x0408 "charts.commit-together" charts::CommitTogether;

    0x0501 "access.request" access::Request;
    0x0502 "access.break-glass" access::BreakGlass;
    0x0503 "access.review" access::Review;
    0x0504 "access.request-together" access::RequestTogether;
}

facts! {
    0x0301 "consent.granted" consent::Granted;
    0x0302 "consent.denied" consent::Denied;
    0x0303 "consent.revoked" consent::Revoked;

    0x0401 "charts.created" charts::Created;
    0x0402 "charts.claim-offered" charts::ClaimOffered;
    0x0403 "charts.claimed" charts::Claimed;
    0x0404 "charts.committed" charts::Committed;
    0x0405 "charts.acknowledged" charts::Acknowledged;
    0x0406 "charts.erasure-ordered" charts::ErasureOrdered;
    0x0407 "charts.erasure-receipted" charts::ErasureReceipted;
    0x0408 "charts.erasure-effective" charts::ErasureEffective;
    0x0409 "charts.erasure-complete" charts::ErasureComplete;

    0x0501 "access.decided" access::Decided;
    0x0502 "access.repeated" access::Repeated;
    0x0503 "access.reviewed" access::Reviewed;
}

rejects_of! { reject, governance, identity, consent, charts, access }

/// What is known of a kind without a transaction at hand.
#[derive(Clone, Copy)]
pub struct KindInfo {
    /// The tag on the wire.
    pub tag: u16,
    /// Folder and verb, for example `consent.grant`.
    pub name: &'static str,
    /// Who may send it.
    pub who: &'static [Who],
    /// Whether it overtakes others on the way into a block.
    pub urgent: bool,
    /// JSON Schema of the fields; its description is the help text.
    pub schema: fn() -> schemars::Schema,
    /// Fields from JSON.
    pub from_json: fn(serde_json::Value) -> Result<Act, serde_json::Error>,
    /// A value made of seeded bytes, for goldens and fuzzing.
    pub arbitrary: fn(&mut Unstructured<'_>) -> arbitrary::Result<Act>,
}

/// What is known of an event type.
#[derive(Clone, Copy)]
pub struct FactInfo {
    /// The tag in a chart's log.
    pub tag: u16,
    /// Folder and past tense, for example `consent.granted`.
    pub name: &'static str,
    /// JSON Schema of the fields.
    pub schema: fn() -> schemars::Schema,
    /// A value made of seeded bytes, for goldens and fuzzing.
    pub arbitrary: fn(&mut Unstructured<'_>) -> arbitrary::Result<Event>,
}

/// The kind with this name.
#[must_use]
pub fn kind_named(name: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| info.name == name)
}

impl Reject {
    /// Name and sentence, if the number is one of ours.
    #[must_use]
    pub fn info(self) -> Option<&'static RejectInfo> {
        rejects().find(|info| info.reject == self)
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info() {
            Some(info) => write!(f, "{} ({})", info.name, self.0),
            None => write!(f, "reject {}", self.0),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info() {
            Some(info) => write!(f, "{} ({} {})", info.message, info.name, self.0),
            None => write!(f, "reject {}", self.0),
        }
    }
}
