//! This file is where a request to open a chart has its parts: who asks, how much, and in which emergency.

use crate::charts::CLASSES_MAX;
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, OrgId, PrincipalId, PublicKey, Slug, Tag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of a chart is asked for.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// Every class; what isn't permitted is denied class by class.
    All,
    /// Every class that isn't in a more sensitive category.
    General,
    /// These classes: category and writing organisation.
    Classes(List<(Tag, OrgId), CLASSES_MAX>),
    /// Nothing but the index of categories, as who wants to write needs it.
    Index,
}

/// Who asked, as the chart's log tells it.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Reader {
    /// The organisation: a practitioner's or system's own, or that which answers for a person's traffic.
    pub org: OrgId,
    /// The practitioner or person; none if the organisation itself asked.
    pub principal: Option<PrincipalId>,
    /// The role that the organisation certified to a practitioner.
    pub role: Option<Slug>,
    /// The key that signed: a practitioner's session key, a person's or the organisation's own.
    pub key: PublicKey,
    /// Whether the person is the chart's owner, or acts for the owner.
    pub owner: bool,
}

/// A declared emergency.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Emergency {
    /// Why.
    pub reason: Reason,
    /// Whether the practitioner proved once more who it is.
    pub step_up: bool,
}

/// Why the glass is broken. The words are in the audit record, off the ledger.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The patient's life is in danger.
    Life,
    /// The patient can't say yes or no.
    Incapacity,
    /// Somebody else is in danger.
    DangerToOthers,
    /// Another reason.
    Other,
}
