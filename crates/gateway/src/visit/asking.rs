//! This file is where it stands who asks, and why: what a visit belongs to.

use super::users::User;
use crate::{http::Refusal, smart::StepUp};
use client::RequestName;
use ledger::consent::Purpose;
use std::sync::Arc;

/// Who asks for what reason. A visit is reused only by the same user, for the same purpose.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The user.
    pub user: Arc<User>,
    /// What for.
    pub purpose: Purpose,
    /// A declared emergency.
    pub emergency: Option<BreakGlass>,
    /// The request's name: told, sealed, to the chart's owner, and noted with the access that it leads to.
    pub request: Option<RequestName>,
}

/// A declared emergency, as a header says it.
#[derive(Clone, Debug)]
pub struct BreakGlass {
    /// Why, in words: goes, sealed, into the chart's audit record.
    pub reason: String,
    /// Whether the user has just signed in anew.
    pub step_up: StepUp,
}

/// By what visits are told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hand {
    user: String,
    purpose: String,
    emergency: bool,
}

impl Asking {
    /// What a new access is refused with until the user has signed in anew.
    pub(super) fn due(&self) -> Option<&Refusal> {
        match self.emergency.as_ref()?.step_up {
            StepUp::Due(ref refusal) => Some(refusal),
            StepUp::Done | StepUp::Unknown => None,
        }
    }

    /// Whether the user has just signed in anew for an emergency.
    pub(super) fn stepped_up(&self) -> bool {
        self.emergency.as_ref().is_some_and(|emergency| matches!(emergency.step_up, StepUp::Done))
    }

    pub(super) fn hand(&self) -> Hand {
        Hand {
            user: self.user.name().to_owned(),
            purpose: self.purpose.code().to_owned(),
            emergency: self.emergency.is_some(),
        }
    }
}
