//! This file is where an owner has something erased, and follows until nobody can open it any more.

use crate::{
    client::Client, names::tags_within, open::OpenError, read::AsOf, rpc::CallError, submit::SubmitError,
    wire::Final,
};
use fhir::category::Category;
use ledger::charts::{self, Erase, Erasure, Target};
use primitives::{ChartId, List, PackRoot, Span, TxId};

/// How long to wait between two looks at an erasure.
const LOOK_AGAIN: Span = Span(250);

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doomed {
    /// Everything written so far.
    Chart,
    /// What was written so far in these categories, by whomever.
    Categories(Vec<Category>),
    /// What the ledger names.
    Named(Target),
    /// Single records of a pack.
    Records {
        /// The pack.
        pack: PackRoot,
        /// Their places in it.
        places: Vec<u32>,
    },
}

/// Why nothing is erased, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Nothing lies in the categories named.
    #[error("nothing was written in the categories named")]
    NothingThere,
    /// Too many records at once.
    #[error("at most 10000 records of one pack can be erased at once")]
    TooMany,
    /// The ledger.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The chart's index, which categories are named by.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Client {
    /// Orders an erasure: one transaction for each class meant. From then on no key of it is released and no byte served.
    ///
    /// # Errors
    /// [`EraseError`].
    pub async fn erase(&self, chart: ChartId, doomed: Doomed) -> Result<Vec<Final>, EraseError> {
        let targets = match doomed {
            Doomed::Chart => vec![Target::Chart],
            Doomed::Named(target) => vec![target],
            Doomed::Records { pack, mut places } => {
                places.sort_unstable();
                places.dedup();
                vec![Target::Records {
                    pack,
                    records: List::try_from(places).map_err(|_| EraseError::TooMany)?,
                }]
            }
            Doomed::Categories(categories) => {
                let tags = tags_within(&self.categories_key(chart).await?, &categories);
                let (classes, _) = self.view(|state| charts::classes(state, &chart)).await?;
                let meant = classes.into_iter().filter(|class| tags.contains(&class.tag));
                meant.map(|class| Target::Class { tag: class.tag, org: class.writer }).collect()
            }
        };
        if targets.is_empty() {
            return Err(EraseError::NothingThere);
        }
        let mut done = Vec::new();
        let whole = targets.contains(&Target::Chart);
        for target in targets {
            done.push(self.act(Erase { chart, target }).await?);
        }
        if whole {
            // The audit compartment is gone, too. If this fails, the owner's next look into the log makes up for it.
            let _opened = self.own_audit(chart).await;
        }
        Ok(done)
    }

    /// How far an erasure has come; none if there is no such erasure.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn erasure(&self, erasure: TxId) -> Result<(Option<Erasure>, AsOf), CallError> {
        self.view(|state| charts::ERASURES.get(state, &erasure)).await
    }

    /// Waits until all members have confirmed an erasure, at most so long, and says how far it has come.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn await_erasure(&self, erasure: TxId, at_most: Span) -> Result<Option<Erasure>, CallError> {
        let end = self.now().plus(at_most);
        loop {
            let (row, _) = self.erasure(erasure).await?;
            if row.as_ref().is_none_or(|row| row.complete) || self.now() >= end {
                return Ok(row);
            }
            self.host.sleep(LOOK_AGAIN).await;
        }
    }
}
