//! This file is where an act becomes final: signed, handed in, awaited; and where its fate is found out if the answer
//! got lost, so that nothing is done twice.

use super::SubmitError;
use crate::{
    actor::Actor,
    client::Client,
    host,
    rpc::CallError,
    wire::{self, Code, Final, FindTx, GetStatus, OrderAct, Submit, SubmitTx},
};
use ledger::{Act, Outcome, Reject, Signed, Transaction};
use primitives::{Blob, Millis, SecretKey, Span, TxId, encode};

/// How long a transaction stays valid.
const VALID_FOR: Span = Span::secs(120);

/// How long the node waits for finality before it says that it doesn't know yet.
const WAIT: Span = Span::secs(30);

/// How long to wait before asking again.
const ASK_AGAIN: Span = Span(250);

/// How often to ask what became of a transaction whose answer got lost.
const ASK_MAX: u32 = 600;

/// The pool's number for a transaction that it holds already.
const POOL_KNOWN: u16 = 65_003;

impl Client {
    /// Has the actor do something: signs, submits, awaits the receipt.
    ///
    /// # Errors
    /// [`SubmitError`]; without one, the act took effect.
    pub async fn act(&self, act: impl Into<Act>) -> Result<Final, SubmitError> {
        let act = act.into();
        match &self.actor {
            Actor::Practitioner(session) => self.act_with(&session.key, act).await,
            Actor::Person(key) => self.act_with(key, act).await,
            Actor::Staff => self.order(act).await,
        }
    }

    /// Has the organisation of the node do something that its staff may order.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn order(&self, act: impl Into<Act>) -> Result<Final, SubmitError> {
        let (kind, body) = act.into().encode();
        let done = self.node.call::<OrderAct>(&wire::Act { kind, body }).await;
        match done {
            Ok(done) => applied(done),
            Err(error) => match error.code() {
                Some(Code::Rejected(number)) => {
                    Err(SubmitError::Rejected { tx: TxId::default(), reject: Reject(number) })
                }
                _ => Err(error.into()),
            },
        }
    }

    /// As [`Client::act`], by another key.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn act_with(&self, key: &SecretKey, act: impl Into<Act>) -> Result<Final, SubmitError> {
        let signed = self.sign(key, &act.into())?;
        self.submit(&signed).await
    }

    /// Signs an act.
    ///
    /// # Errors
    /// [`SubmitError::TooLong`].
    pub fn sign(&self, key: &SecretKey, act: &Act) -> Result<Signed, SubmitError> {
        let (kind, body) = act.encode();
        let len = body.len();
        let valid_for = VALID_FOR.min(self.genesis.params.replay_window);
        let tx = Transaction {
            network: self.network,
            signer: key.public(),
            kind,
            body: Blob::try_from(body).map_err(|_| SubmitError::TooLong(len))?,
            // A little below the window: the block's time may lie behind this machine's clock.
            valid_until: self.now().plus(Span(valid_for.0 / 2)),
            nonce: host::nonce(&*self.host),
        };
        Ok(tx.sign(key))
    }

    /// Hands in a signed transaction and awaits its receipt.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(&self, signed: &Signed) -> Result<Final, SubmitError> {
        let tx = signed.tx.id();
        match self.node.call::<SubmitTx>(&Submit { tx: encode(signed), wait: WAIT }).await {
            Ok(done) => applied(done),
            Err(error) => match error.code() {
                Some(Code::Rejected(number)) if number != POOL_KNOWN => {
                    Err(SubmitError::Rejected { tx, reject: Reject(number) })
                }
                Some(Code::Rejected(_)) => self.await_fate(tx, signed.tx.valid_until, error).await,
                _ if error.is_open() => self.await_fate(tx, signed.tx.valid_until, error).await,
                _ => Err(error.into()),
            },
        }
    }

    /// Finds out what became of a transaction: asks until it is final, or until the chain's time has passed the end of
    /// its validity without it.
    async fn await_fate(&self, tx: TxId, valid_until: Millis, lost: CallError) -> Result<Final, SubmitError> {
        let mut last = lost;
        for _ in 0..ASK_MAX {
            // Asked before the receipt: what isn't executed at a time past its validity never will be.
            let status = self.node.call::<GetStatus>(&()).await;
            match self.node.call::<FindTx>(&tx).await {
                Ok(Some(done)) => return applied(done),
                Ok(None) => match status {
                    Ok(status) if status.time > valid_until => return Err(SubmitError::Expired(tx)),
                    Ok(_) => {}
                    Err(error) => last = error,
                },
                Err(error) => last = error,
            }
            self.host.sleep(ASK_AGAIN).await;
        }
        Err(SubmitError::Unknown { tx, source: last })
    }
}

fn applied(done: Final) -> Result<Final, SubmitError> {
    match done.outcome {
        // A duplicate was consumed before: by the very same signed transaction.
        Outcome::Applied | Outcome::Duplicate => Ok(done),
        Outcome::Rejected(reject) => Err(SubmitError::Rejected { tx: done.tx, reject }),
    }
}
