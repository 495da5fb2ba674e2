//! This file is where rows of the state are proven, and where a question is answered from proven rows alone.

use super::{AnchorError, Anchored, check_anchor};
use crate::{
    client::Client,
    read::{AsOf, Fetched, Unanswered, read},
    rpc::CallError,
    wire::{Code, ProveRows, Proven, ProvenRow},
};
use ledger::{HEAD, Head, governance::Genesis};
use primitives::{Span, State, StateProofError, decode};
use std::collections::BTreeSet;

/// Most rounds of fetching for one question.
const ROUNDS_MAX: u32 = 16;

/// How often a proof is asked for until it is new enough.
const TRIES: u32 = 120;

/// How long to wait before asking again.
const AGAIN: Span = Span(250);

/// Most rows of one proof.
const ROWS_MAX: usize = 4096;

/// Why an answer isn't proven.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What vouches for the state root doesn't.
    #[error("the node's answer isn't vouched for: {0}")]
    Anchor(#[from] AnchorError),
    /// A row's proof doesn't hold.
    #[error("row {at} of the node's answer isn't proven: {source}")]
    Row {
        /// Which one.
        at: usize,
        /// Why not.
        #[source]
        source: StateProofError,
    },
    /// Other rows than those asked for.
    #[error("the node proved other rows than those asked for")]
    OtherRows,
    /// The state's own height isn't the one that the header names.
    #[error("the state says another height than the header that vouches for it")]
    Height,
    /// The log isn't whole.
    #[error("the chart's log isn't what the state vouches for: {0}")]
    Log(&'static str),
    /// More rows than one proof holds.
    #[error("the question needs more than {ROWS_MAX} rows")]
    TooMany,
}

/// Checks every row against the state root, and says as of which block they hold: the rows' `HEAD` must be the last of them.
pub(crate) fn check_rows(
    proven: &Proven,
    keys: &[Vec<u8>],
    genesis: &Genesis,
) -> Result<(Anchored, AsOf), ProofError> {
    let Proven { rows, anchor } = proven;
    let anchored = check_anchor(anchor, genesis)?;
    if rows.len() != keys.len() || rows.iter().zip(keys).any(|(row, key)| row.key != *key) {
        return Err(ProofError::OtherRows);
    }
    for (at, ProvenRow { key, value, proof }) in rows.iter().enumerate() {
        proof
            .verify(anchored.root, key, value.as_deref())
            .map_err(|source| ProofError::Row { at, source })?;
    }
    let head = rows.last().filter(|row| row.key == HEAD.key()).and_then(|row| row.value.as_deref());
    let head: Head = head.and_then(|row| decode(row).ok()).ok_or(ProofError::OtherRows)?;
    if head.height != anchored.height {
        return Err(ProofError::Height);
    }
    Ok((anchored, AsOf { height: head.height, time: head.time }))
}

impl Client {
    /// Asks the state something and accepts only an answer from rows that the committee vouches for. The block as of
    /// which it holds is at least `min_height`.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn prove<T>(
        &self,
        min_height: u64,
        question: impl Fn(&dyn State) -> T,
    ) -> Result<(T, AsOf), ProofError> {
        let (answer, as_of, _) = self.prove_with(min_height, question).await?;
        Ok((answer, as_of))
    }

    /// As [`Client::prove`], with the proof itself.
    pub(crate) async fn prove_with<T>(
        &self,
        min_height: u64,
        question: impl Fn(&dyn State) -> T,
    ) -> Result<(T, AsOf, Proven), ProofError> {
        // Which rows it takes is found out without proofs, which are long.
        let mut fetched = Fetched::default();
        let mut keys: BTreeSet<Vec<u8>> = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            match fetched.ask(&question) {
                Ok(_) => {
                    keys.extend(fetched.asked());
                    let asked = in_order(&keys);
                    if asked.len() > ROWS_MAX {
                        return Err(ProofError::TooMany);
                    }
                    let proven = self.proven(&asked, min_height).await?;
                    let (_, as_of) = check_rows(&proven, &asked, &self.genesis)?;
                    let rows = proven.rows.iter().map(|row| (row.key.clone(), row.value.clone()));
                    let held = Fetched::from_rows(rows);
                    match held.ask(&question) {
                        Ok(answer) => return Ok((answer, as_of, proven)),
                        // The proven state is another than the one looked at before, and the question went elsewhere.
                        Err(Unanswered::Missing(missing)) => {
                            keys.extend(missing);
                            fetched = held;
                        }
                        Err(Unanswered::Malformed) => {
                            return Err(self.malformed("prove", "a row is malformed").into());
                        }
                    }
                }
                Err(Unanswered::Malformed) => {
                    return Err(self.malformed("rows", "a row is malformed").into());
                }
                Err(Unanswered::Missing(missing)) => {
                    keys.extend(missing.iter().cloned());
                    for keys in missing.chunks(ROWS_MAX) {
                        let rows =
                            self.node.call::<crate::wire::ReadRows>(&read(keys, min_height)).await?.rows;
                        let rows: std::collections::BTreeMap<_, _> = rows.into_iter().collect();
                        fetched.add(keys.iter().map(|key| (key.clone(), rows.get(key).cloned().flatten())));
                    }
                }
            }
        }
        Err(self.malformed("prove", "the question doesn't come to an end").into())
    }
}

impl Client {
    /// Proven rows, waiting until a state as new as is asked for is certified: an idle chain takes a few seconds.
    async fn proven(&self, keys: &[Vec<u8>], min_height: u64) -> Result<Proven, ProofError> {
        let mut tries = 0;
        loop {
            match self.node.call::<ProveRows>(&read(keys, min_height)).await {
                Err(error) if tries < TRIES && error.code() == Some(Code::Unavailable) => {
                    tries += 1;
                    self.host.sleep(AGAIN).await;
                }
                done => return Ok(done?),
            }
        }
    }
}

/// The keys asked for, the head's last.
pub(crate) fn in_order(keys: &BTreeSet<Vec<u8>>) -> Vec<Vec<u8>> {
    let head = HEAD.key();
    let mut keys: Vec<Vec<u8>> = keys.iter().filter(|key| **key != head).cloned().collect();
    keys.push(head);
    keys
}
