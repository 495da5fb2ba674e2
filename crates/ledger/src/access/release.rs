//! This file is where a trustee asks whether it may give a share: a pure function of its own newest final state.

use super::state::{Access, Permitted, access};
use crate::{
    charts::{self, Compartment, Role},
    consent::{self, Action, Ask, Category},
    governance, identity,
};
use primitives::{CompartmentId, Hash, Millis, State, TxId};

/// Why a trustee gives nothing. The numbers are part of the release protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[repr(u16)]
pub enum Withheld {
    /// No such access, or it was denied.
    #[error("this node's final state knows no such permitted access")]
    AccessUnknown = 1,
    /// Its time is over.
    #[error("the access has expired; ask again")]
    Expired = 2,
    /// The share would go to another key than the access names.
    #[error("the session key is not the one that the access names")]
    OtherSessionKey = 3,
    /// No such compartment.
    #[error("this node's final state knows no such compartment")]
    CompartmentUnknown = 4,
    /// It belongs to another chart.
    #[error("the compartment belongs to another chart")]
    OtherChart = 5,
    /// The access doesn't cover the compartment's class, or the audit records are not for the reader.
    #[error("the access does not cover this compartment")]
    NotCovered = 6,
    /// What was written after a read is not for that reader.
    #[error("the compartment was opened after the access; ask again")]
    OpenedLater = 7,
    /// Erased: by name, with its class, or with its chart.
    #[error("the compartment was erased")]
    Erased = 8,
    /// The directive that it rests on was revoked, or is over.
    #[error("the directive that permitted it is no longer in force")]
    Revoked = 9,
    /// The owner has denied it since.
    #[error("the owner has denied it since")]
    Denied = 10,
    /// The key that asked no longer speaks for who asked: session over or ended, key replaced.
    #[error("the session has ended, or its key was replaced")]
    SessionEnded = 11,
    /// The reader no longer is, or acts for, the owner.
    #[error("the reader no longer acts for the owner")]
    NotOwner = 12,
}

impl Withheld {
    /// The number.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }
}

/// Whether a share of the compartment may go to the session key under the access.
///
/// `now` is the later of the newest final block's time and the trustee's clock: both may only refuse.
///
/// # Errors
/// [`Withheld`]: the first reason in the order of its numbers, but for the session, which comes before the compartment.
pub fn releasable(
    state: &dyn State,
    id: &TxId,
    compartment: &CompartmentId,
    session_key: &Hash,
    now: Millis,
) -> Result<(), Withheld> {
    let access = access(state, id).ok_or(Withheld::AccessUnknown)?;
    if access.expires <= now {
        return Err(Withheld::Expired);
    }
    if access.session_key != *session_key {
        return Err(Withheld::OtherSessionKey);
    }
    if identity::signer(state, &access.key, now).as_ref() != Some(&access.signer) {
        return Err(Withheld::SessionEnded);
    }
    let compartment = charts::compartment(state, compartment).ok_or(Withheld::CompartmentUnknown)?;
    if compartment.chart != access.chart {
        return Err(Withheld::OtherChart);
    }
    if access.owner && !consent::acts_for_owner(state, &access.signer, &access.chart, now) {
        return Err(Withheld::NotOwner);
    }
    check_covered(state, &access, &compartment, now)?;
    if charts::is_erased(state, &compartment) {
        return Err(Withheld::Erased);
    }
    Ok(())
}

fn check_covered(
    state: &dyn State,
    access: &Access,
    compartment: &Compartment,
    now: Millis,
) -> Result<(), Withheld> {
    match compartment.role {
        Role::Records => {
            let class = access.permitted.iter().find(|permitted| {
                permitted.tag == Some(compartment.tag) && permitted.writer == compartment.writer
            });
            let class = class.ok_or(Withheld::NotCovered)?;
            if compartment.opened >= access.at {
                return Err(Withheld::OpenedLater);
            }
            check_standing(state, access, class, now)
        }
        // Goes with anything that is permitted and still stands.
        Role::Index => {
            let mut last = Err(Withheld::NotCovered);
            for permitted in &access.permitted {
                last = check_standing(state, access, permitted, now);
                if last.is_ok() {
                    break;
                }
            }
            last
        }
        Role::Audit if access.owner => Ok(()),
        Role::Audit => Err(Withheld::NotCovered),
    }
}

/// Whether what was permitted still is: no directive revoked, nothing denied since.
fn check_standing(
    state: &dyn State,
    access: &Access,
    permitted: &Permitted,
    now: Millis,
) -> Result<(), Withheld> {
    let Permitted { tag, writer, special, directive } = permitted;
    if directive.is_some_and(|directive| !consent::is_live(state, &access.chart, &directive, now)) {
        return Err(Withheld::Revoked);
    }
    let params = governance::params(state);
    let overrides =
        if *special { params.break_glass_overrides_special } else { params.break_glass_overrides_general };
    let writing = tag.is_none() && access.writing;
    let ask = Ask {
        chart: access.chart,
        signer: &access.signer,
        purpose: if writing { None } else { Some(access.purpose) },
        action: if writing { Action::Write } else { Action::Read },
        break_glass: None,
        now,
    };
    let category = Category { tag: *tag, special: *special, writer: writer.clone() };
    let denied = consent::match_directives(state, &ask, &category).deny.is_some();
    if denied && !(access.break_glass && overrides) {
        return Err(Withheld::Denied);
    }
    Ok(())
}
