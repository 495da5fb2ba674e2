//! This file is where an organisation's own people are served: sessions, orders, notes, claim codes.

use super::{
    door::{Caller, forbidden},
    ledger_calls::fault,
    server::Desk,
};
use borsh::{BorshDeserialize, BorshSerialize};
use client::wire::{
    Act, Before, BoxKeyRotated, ClaimCode, Code, Final, NewSession, Note, Offered, Refusal, Session, Submit,
};
use envelope::SealKey;
use ledger::{
    Outcome, Signer, Transaction, charts, consent,
    governance::RotateBoxKey,
    identity::{Certify, Enrol, PrincipalKind},
};
use primitives::{Blob, ChartId, Hash, Millis, PublicKey, Span, decode, domain, encode};
use std::sync::PoisonError;

const NOTES: &str = "notes";
const CODES: &str = "codes";
/// How long a claim code is good, and the offer that it makes.
const CODE_LIFE: Span = Span::days(14);
/// Letters and digits that can't be mistaken for one another.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

#[derive(BorshSerialize, BorshDeserialize)]
struct OpenCode {
    chart: ChartId,
    until: Millis,
}

impl Desk {
    /// Certifies a session for the staff member who calls.
    pub(super) async fn open_session(&self, caller: &Caller, new: NewSession) -> Result<Session, Refusal> {
        let staff = caller.staff()?;
        new.session.verify(domain::SESSION_PROOF, caller.key.as_bytes(), &new.proof).map_err(|_| {
            Refusal::new(Code::Invalid, "the proof that the session key is held does not verify")
        })?;
        let until = self.executor.tip().borrow().time.plus(staff.session);
        let certify = Certify {
            practitioner: staff.practitioner,
            role: staff.role.clone(),
            session: new.session,
            until,
        };
        self.order_own(certify.into()).await?;
        Ok(Session { practitioner: staff.practitioner, role: staff.role.clone(), until })
    }

    /// Has the organisation sign an act that this staff member may order.
    pub(super) async fn order(&self, caller: &Caller, act: Act) -> Result<Final, Refusal> {
        let staff = caller.staff()?;
        let act = ledger::Act::decode(act.kind, &act.body)
            .ok_or_else(|| Refusal::new(Code::Malformed, "the act is not of a known kind"))?;
        if !staff.may_order(act.name()) {
            return Err(forbidden(&format!(
                "the staff list does not let this person order `{}`",
                act.name()
            )));
        }
        if matches!(act, ledger::Act::RotateBoxKey(_)) {
            let message = "the node makes its box keys itself; run `horkos node rotate-box-key`";
            return Err(Refusal::new(Code::Invalid, message));
        }
        let done = self.order_any(act).await?;
        Ok(done)
    }

    /// Replaces the box key at the word of the organisation itself, or of staff who may order it.
    pub(super) async fn order_box_key(&self, caller: &Caller) -> Result<BoxKeyRotated, Refusal> {
        let is_us = matches!(&caller.signer, Some(Signer::Organisation(org)) if *org == self.me.org);
        let may = caller.staff.as_ref().is_some_and(|staff| staff.may_order("governance.rotate-box-key"));
        if !is_us && !may {
            return Err(forbidden(
                "only the organisation, or staff who may order `governance.rotate-box-key`, may do this",
            ));
        }
        self.rotate_box_key().await
    }

    /// Makes a box key, keeps it, and brings it to the ledger. It opens boxes from the moment it is made, so that none
    /// that follows the transaction comes too early.
    pub(crate) async fn rotate_box_key(&self) -> Result<BoxKeyRotated, Refusal> {
        // What an older state says of the key in force may be wrong by now.
        self.fresh()?;
        let now = self.executor.tip().borrow().time;
        let box_key = self.rotation.prepare(&*self.executor.view(), now).await.map_err(fault)?;
        let key = SealKey::try_from(&*box_key).map_err(fault)?;
        let done = self.order_own(RotateBoxKey { box_key }.into()).await?;
        let key = envelope::session_hash(&key);
        tracing::info!(%key, height = done.height, "the box key was replaced");
        Ok(BoxKeyRotated { key, done })
    }

    async fn order_any(&self, act: ledger::Act) -> Result<Final, Refusal> {
        let (kind, body) = act.encode();
        let body = Blob::try_from(body).map_err(|_| Refusal::new(Code::Malformed, "the act is too long"))?;
        let now = self.executor.tip().borrow().time.max(crate::member::wall_clock());
        let tx = Transaction {
            network: self.me.network,
            signer: self.me.key.public(),
            kind,
            body,
            valid_until: now.plus(Span::secs(120)),
            nonce: crate::nonce(),
        };
        self.submit(Submit { tx: encode(&tx.sign(&self.me.key)), wait: Span::secs(60) }).await
    }

    /// Orders in the organisation's own name; a reject is a refusal.
    pub(crate) async fn order_own(&self, act: ledger::Act) -> Result<Final, Refusal> {
        let done = self.order_any(act).await?;
        match done.outcome {
            Outcome::Applied | Outcome::Duplicate => Ok(done),
            Outcome::Rejected(reject) => Err(Refusal::new(Code::Rejected(reject.0), reject.to_string())),
        }
    }

    pub(super) fn get_note(&self, caller: &Caller, name: &Hash) -> Result<Option<Vec<u8>>, Refusal> {
        caller.ours(&self.me)?;
        let file = self.vault.file_name(NOTES, name.as_bytes());
        Ok(self.vault.get(NOTES, &file).map_err(fault)?.map(|content| content.to_vec()))
    }

    pub(super) fn put_note(&self, caller: &Caller, note: &Note) -> Result<bool, Refusal> {
        caller.ours(&self.me)?;
        let file = self.vault.file_name(NOTES, note.name.as_bytes());
        // One at a time, or what is found here could be overtaken before it is replaced.
        let _turn = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if note.before != Before::Any {
            let content = self.vault.get(NOTES, &file).map_err(fault)?;
            if !note.before.holds(content.as_ref().map(|content| content.as_slice())) {
                return Ok(false);
            }
        }
        match &note.content {
            Some(content) => self.vault.put(NOTES, &file, content).map_err(fault)?,
            None => self.vault.remove(NOTES, &file).map_err(fault)?,
        }
        Ok(true)
    }

    /// Makes a code with which a patient can claim a chart of this custodian.
    pub(super) fn make_claim_code(&self, caller: &Caller, chart: ChartId) -> Result<ClaimCode, Refusal> {
        let staff = caller.staff()?;
        if !staff.may_order("charts.offer-claim") {
            return Err(forbidden("the staff list does not let this person order `charts.offer-claim`"));
        }
        let view = self.executor.view();
        let row = charts::chart(&*view, &chart).filter(|row| row.custodian == self.me.org && !row.directory);
        let claimed = consent::parties(&*view, &chart).is_some_and(|parties| parties.owner.is_some());
        if row.is_none() || claimed {
            return Err(Refusal::new(
                Code::NotFound,
                "there is no unclaimed chart with this id of which we are custodian",
            ));
        }
        let code = fresh_code()?;
        let until = self.executor.tip().borrow().time.plus(CODE_LIFE);
        let file = self.vault.file_name(CODES, code.as_bytes());
        self.vault.put(CODES, &file, &encode(&OpenCode { chart, until })).map_err(fault)?;
        Ok(ClaimCode { code: grouped(&code) })
    }

    /// Takes a code, enrols its bearer's key and offers the claim. A code works once.
    pub(super) async fn use_claim_code(
        &self,
        caller: PublicKey,
        code: &ClaimCode,
    ) -> Result<Offered, Refusal> {
        let code: String = code.code.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
        let file = self.vault.file_name(CODES, code.to_ascii_uppercase().as_bytes());
        let wrong = || Refusal::new(Code::NotFound, "the code is wrong, used, or too old; ask for a new one");
        let open: OpenCode = {
            let content = self.vault.get(CODES, &file).map_err(fault)?.ok_or_else(wrong)?;
            decode(&content).map_err(fault)?
        };
        // Gone before it is used, so that it can't be used twice at once.
        self.vault.remove(CODES, &file).map_err(fault)?;
        if open.until < self.executor.tip().borrow().time {
            return Err(wrong());
        }
        let person = caller.principal();
        if !ledger::identity::is_person(&*self.executor.view(), &person) {
            self.order_own(Enrol { kind: PrincipalKind::Person, key: caller }.into()).await?;
        }
        let until = self.executor.tip().borrow().time.plus(CODE_LIFE);
        self.order_own(charts::OfferClaim { chart: open.chart, person, until }.into()).await?;
        Ok(Offered { chart: open.chart, person, until })
    }
}

/// 16 characters of 5 bits: 80 bits that nobody guesses.
fn fresh_code() -> Result<String, Refusal> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(fault)?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))).map(|c| char::from(*c)).collect())
}

fn grouped(code: &str) -> String {
    code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}
