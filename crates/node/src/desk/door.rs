//! This file is where a caller shows who it is: signature, clock, nonce, and then what the state or the staff list says
//! of the key.

use crate::{config::Staff, member::Me};
use client::wire::{Code, Refusal, SignedCall};
use ledger::{
    Signer,
    identity::{self, KeyOwner},
};
use primitives::{Hash, Millis, PublicKey, Span, State, domain, encode, hash};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// How far a caller's clock may be off.
const CLOCK_SKEW: Span = Span::secs(60);
/// Most calls remembered against replay; far above what a node serves in the accepted time.
const NONCES_MAX: usize = 1 << 20;

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The key that signed the call.
    pub key: PublicKey,
    /// Who that is on the ledger, if anybody.
    pub signer: Option<Signer>,
    /// Who that is on the organisation's staff list, if anybody.
    pub staff: Option<Staff>,
    /// Whether the key was somebody's once: its session is over, or it was replaced.
    pub over: bool,
}

impl Caller {
    /// Refuses strangers.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(crate) fn known(&self) -> Result<(), Refusal> {
        if self.signer.is_some() || self.staff.is_some() {
            Ok(())
        } else {
            Err(self
                .stranger("the key is not known here; ask the node's operator to add it to the staff list"))
        }
    }

    /// What somebody is told whom the ledger doesn't know, or not any more.
    fn stranger(&self, otherwise: &str) -> Refusal {
        let over = "the key is no longer valid: its session is over, or another key replaced it; begin again, which opens \
                    another session";
        forbidden(if self.over { over } else { otherwise })
    }

    /// Refuses all but this organisation's people: staff, sessions, and the organisation itself.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(crate) fn ours(&self, me: &Me) -> Result<(), Refusal> {
        let ours = match &self.signer {
            Some(Signer::Organisation(org) | Signer::Practitioner { org, .. }) => *org == me.org,
            Some(Signer::Person { .. } | Signer::Device { .. }) | None => false,
        };
        if ours || self.staff.is_some() {
            Ok(())
        } else {
            Err(self.stranger("only this organisation's people may do this"))
        }
    }

    /// The staff member who calls.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(crate) fn staff(&self) -> Result<&Staff, Refusal> {
        let nobody = "only this organisation's staff may do this, with the staff key; ask the node's operator to add \
                      yours to the staff list";
        self.staff.as_ref().ok_or_else(|| forbidden(nobody))
    }
}

pub(super) fn forbidden(message: &str) -> Refusal {
    Refusal::new(Code::Forbidden, message)
}

/// Checks callers.
pub(crate) struct Door {
    me: Arc<Me>,
    staff: BTreeMap<PublicKey, Staff>,
    seen: Mutex<HashMap<Hash, Millis>>,
}

impl Door {
    /// The door of `me` with its staff list.
    #[must_use]
    pub(crate) fn new(me: Arc<Me>, staff: &[Staff]) -> Self {
        let staff = staff.iter().map(|person| (person.key, person.clone())).collect();
        Self { me, staff, seen: Mutex::default() }
    }

    /// Authenticates one call, once.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`].
    pub(crate) fn admit(
        &self,
        state: &dyn State,
        chain_time: Millis,
        now: Millis,
        signed: &SignedCall,
    ) -> Result<Caller, Refusal> {
        let deny = |message: &str| Refusal::new(Code::Unauthenticated, message);
        let call = &signed.call;
        if call.network != self.me.network {
            return Err(deny("the call is for another network; check the profile's genesis file"));
        }
        if call.server != self.me.org {
            return Err(deny("the call is for another organisation's node"));
        }
        if call.time > now.plus(CLOCK_SKEW) || call.time < now.minus(CLOCK_SKEW) {
            return Err(deny("the caller's clock is more than a minute off this node's"));
        }
        if !signed.is_authentic() {
            return Err(deny("the call's signature does not verify"));
        }
        self.once(call.caller, call.time, call.nonce, now)?;
        let signer = identity::signer(state, &call.caller, chain_time);
        let owner = || identity::KEYS.get(state, &call.caller);
        let over = signer.is_none() && matches!(owner(), Some(KeyOwner::Session { .. } | KeyOwner::Retired));
        Ok(Caller { key: call.caller, signer, staff: self.staff.get(&call.caller).cloned(), over })
    }

    fn once(&self, caller: PublicKey, time: Millis, nonce: u64, now: Millis) -> Result<(), Refusal> {
        let name = hash(domain::RPC, &[&encode(&(caller, time, nonce))]);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= NONCES_MAX / 2 {
            seen.retain(|_, time| time.plus(CLOCK_SKEW) >= now);
        }
        if seen.len() >= NONCES_MAX {
            return Err(Refusal::new(Code::Unavailable, "too many calls within a minute"));
        }
        match seen.insert(name, time) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(Code::Unauthenticated, "the call was made before")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::wire::Call;
    use ledger::testing::{MapState, key, org};
    use primitives::NetworkId;

    fn call(door_time: u64, server: &str, nonce: u64) -> SignedCall {
        let key = key("caller");
        Call {
            network: NetworkId::default(),
            server: org(server),
            method: "status".into(),
            caller: key.public(),
            time: Millis(door_time),
            nonce,
            body: Vec::new(),
        }
        .sign(&key)
    }

    #[test]
    fn a_call_counts_once_in_its_minute_at_its_node() {
        let me = Arc::new(Me { network: NetworkId::default(), org: org("here"), place: 0, key: key("here") });
        let door = Door::new(me, &[]);
        let admit =
            |signed: &SignedCall| door.admit(&MapState::default(), Millis(0), Millis(1_000_000), signed);
        let good = call(1_000_000, "here", 1);
        assert!(admit(&good).is_ok_and(|caller| caller.known().is_err()));
        assert_eq!(admit(&good).unwrap_err().code, Code::Unauthenticated);
        assert!(admit(&call(1_000_000, "here", 2)).is_ok());
        assert!(admit(&call(1_000_000, "elsewhere", 3)).is_err());
        assert!(admit(&call(1_060_001, "here", 4)).is_err());
        assert!(admit(&call(939_999, "here", 5)).is_err());
        let mut changed = call(1_000_000, "here", 6);
        changed.call.body.push(1);
        assert!(admit(&changed).is_err());
        // A call refused for its signature doesn't use the nonce up.
        assert!(admit(&call(1_000_000, "here", 6)).is_ok());
    }
}
