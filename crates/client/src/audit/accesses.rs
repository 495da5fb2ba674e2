//! This file is where a chart's log becomes the list of all who looked or wanted to: proven to be whole.

use crate::{
    actor::Actor,
    client::Client,
    contents::Contents,
    names::Names,
    open::{ClassSaid, OpenError, classes},
    proof::{ProofError, ProvenLog},
    read::{AsOf, Line},
    record::Words,
    rpc::CallError,
};
use ledger::{
    Event,
    access::{Decided, Emergency, Extent, Finding, Reader},
    consent::{By, Purpose},
};
use primitives::{ChartId, Hash, Millis, TxId};
use std::collections::BTreeMap;

/// What came of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All that was asked for was permitted.
    Permitted,
    /// Some of it was.
    Partly,
    /// Nothing was.
    Denied,
}

/// Who it was in plain words, as the reading organisation left it for the patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The words are sealed to the owner, who alone can read them.
    Sealed,
    /// The words.
    Words(Words),
    /// The organisation left none: a complaint against it.
    Missing,
    /// What it left can't be read: a complaint against it.
    Garbage,
}

/// One access, permitted or denied.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Its id.
    pub id: TxId,
    /// Height of its block.
    pub height: u64,
    /// Time of its block.
    pub time: Millis,
    /// Index of its line in the chart's log.
    pub line: u64,
    /// Who asked.
    pub reader: Reader,
    /// What for.
    pub purpose: Purpose,
    /// How much was asked for.
    pub extent: Extent,
    /// What came of it.
    pub outcome: Outcome,
    /// Class by class, without the chart's own index and audit.
    pub classes: Vec<ClassSaid>,
    /// What decided, each once: directives and policies.
    pub by: Vec<By>,
    /// The emergency, if one was declared.
    pub emergency: Option<Emergency>,
    /// How often the same was denied in a row, this one included.
    pub count: u64,
    /// What the review of a break-glass access found.
    pub review: Option<Finding>,
    /// Until when what was permitted was released.
    pub expires: Option<Millis>,
    /// Hash of the audit record.
    pub record: Hash,
    /// Who it was in plain words.
    pub told: Told,
}

/// All accesses to a chart.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The chart.
    pub chart: ChartId,
    /// The block as of which none is left out.
    pub as_of: AsOf,
    /// Lines of the log that this rests on.
    pub lines: u64,
    /// The accesses, the oldest first.
    pub accesses: Vec<Access>,
}

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no such chart.
    #[error("there is no chart {0}")]
    Unknown(ChartId),
    /// The log isn't proven.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The audit records don't open.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Client {
    /// Everybody who opened the chart or was denied, proven to be complete up to the block named. The owner sees who it
    /// was in plain words: for that an access to the chart's index is made, which is in the log itself.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn audit(&self, chart: ChartId) -> Result<Audit, AuditError> {
        if matches!(self.actor, Actor::Person(_)) && self.is_owner(chart).await? {
            // Made up for here if it failed at the claim; what there is can be read without it.
            let _made_up_for = self.own_audit(chart).await;
        }
        let log = self.prove_log(chart).await?;
        if log.lines.is_empty() {
            return Err(AuditError::Unknown(chart));
        }
        let mut names = match self.actor {
            Actor::Practitioner(_) | Actor::Staff => {
                self.chart_note(&chart).await?.map(|note| Names::of(&note.tag_key)).unwrap_or_default()
            }
            Actor::Person(_) => Names::default(),
        };
        let told_of = |log: &ProvenLog| {
            accesses(&log.lines, &Names::default()).iter().any(|access| !access.reader.owner)
        };
        let mut words = BTreeMap::new();
        if matches!(self.actor, Actor::Person(_)) && told_of(&log) && self.is_owner(chart).await? {
            let read = self.read_words(chart, &log.lines).await?;
            names = read.names;
            words = read.told;
        }
        let mut accesses = accesses(&log.lines, &names);
        for access in &mut accesses {
            if let Some(told) = words.remove(&access.id) {
                access.told = told;
            }
        }
        let ProvenLog { lines, as_of, head: _ } = log;
        Ok(Audit { chart, as_of, lines: lines.len() as u64, accesses })
    }

    /// Whether the actor is the chart's owner, or acts for the owner.
    pub(crate) async fn is_owner(&self, chart: ChartId) -> Result<bool, CallError> {
        let Some(key) = self.actor.key().map(primitives::SecretKey::public) else { return Ok(false) };
        let now = self.now();
        let question = |state: &dyn primitives::State| {
            let signer = ledger::identity::signer(state, &key, now);
            signer.is_some_and(|signer| ledger::consent::acts_for_owner(state, &signer, &chart, now))
        };
        Ok(self.view(question).await?.0)
    }
}

/// The accesses that a log tells of.
pub(crate) fn accesses(lines: &[Line], names: &Names) -> Vec<Access> {
    let contents = Contents::of(lines);
    let mut accesses: Vec<Access> = Vec::new();
    let mut places: BTreeMap<TxId, usize> = BTreeMap::new();
    for Line { logged, event } in lines {
        match event {
            Some(Event::Decided(decided)) => {
                places.insert(logged.tx, accesses.len());
                accesses.push(access(logged, decided, names, &contents));
            }
            Some(Event::Repeated(repeated)) => {
                if let Some(access) = places.get(&repeated.first).and_then(|at| accesses.get_mut(*at)) {
                    access.count = access.count.max(repeated.count);
                }
            }
            Some(Event::Reviewed(reviewed)) => {
                if let Some(access) = places.get(&reviewed.access).and_then(|at| accesses.get_mut(*at)) {
                    access.review = Some(reviewed.finding);
                }
            }
            Some(_) | None => {}
        }
    }
    accesses
}

pub(crate) fn access(
    logged: &ledger::Logged,
    decided: &Decided,
    names: &Names,
    contents: &Contents,
) -> Access {
    let classes = classes(decided, names, |tag| contents.is_service(tag));
    let mut by: Vec<By> = Vec::new();
    for decision in classes.iter().map(|class| &class.decision).chain(&decided.index) {
        if !by.contains(&decision.by) {
            by.push(decision.by.clone());
        }
    }
    let permitted = classes.iter().filter(|class| class.decision.permit).count();
    let index = decided.index.as_ref().is_some_and(|decision| decision.permit);
    let outcome = match (permitted, classes.len()) {
        (0, 0) if index || decided.permitted() => Outcome::Permitted,
        (0, _) => Outcome::Denied,
        (permitted, all) if permitted == all => Outcome::Permitted,
        (_, _) => Outcome::Partly,
    };
    let Decided {
        reader,
        purpose,
        extent,
        emergency,
        classes: _,
        index: _,
        expires,
        session_key: _,
        record,
        together: _,
    } = decided.clone();
    Access {
        id: logged.tx,
        height: logged.height,
        time: logged.time,
        line: logged.index,
        reader,
        purpose,
        extent,
        outcome,
        classes,
        by,
        emergency,
        count: 1,
        review: None,
        expires,
        record,
        told: Told::Sealed,
    }
}
