//! This file is where blocks are proposed and proposals judged.

use crate::{
    Limits, Timeouts,
    block::{Block, Context, Scheme, with_context},
    rules,
    shared::{Shared, changed, until},
};
use commonware_consensus::{Application, marshal::ancestry::Ancestry};
use commonware_cryptography::Digested;
use commonware_macros::select;
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Metrics, Spawner};
use futures::StreamExt as _;
use primitives::{BlockHash, Hash, Header, Millis, Span, merkle_root};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How long a block that carries something new may stay without finality before the next one pushes it.
const NUDGE: Span = Span(200);

/// The runtime's time in ours.
pub(crate) fn millis(time: SystemTime) -> Millis {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The runtime's form of a span.
pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_millis(span.0)
}

/// Proposes and judges blocks.
#[derive(Clone)]
pub(crate) struct Proposer {
    pub shared: Arc<Shared>,
    pub limits: Limits,
    pub timeouts: Timeouts,
}

/// What the ancestors that aren't executed yet tell a proposer.
struct Ancestors {
    /// Transactions that stand in them.
    taken: HashSet<Hash>,
    /// The newest height on this chain that has transactions.
    full: u64,
}

impl Proposer {
    async fn ancestors(&self, parent: &Digested<Block>, mut more: impl Ancestry<Block>) -> Ancestors {
        let progress = *self.shared.progress.borrow();
        let mut ancestors = Ancestors { taken: HashSet::new(), full: progress.full };
        let mut next = Some(parent.clone());
        while let Some(block) = next.filter(|block| block.inner().header.height > progress.executed) {
            ancestors.taken.extend(self.shared.fingerprints(block.inner()).iter());
            if !block.inner().txs.is_empty() {
                ancestors.full = ancestors.full.max(block.inner().header.height);
            }
            next = more.next().await;
        }
        ancestors
    }

    /// Waits until there is something to say, at most for the idle wait: transactions, a state root that the chain
    /// doesn't carry yet, or a block that needs a push to become final.
    async fn wait(&self, rt: &impl Clock, parent: &Header, ancestors: &Ancestors) {
        let start = millis(rt.current());
        let mut progress = self.shared.progress.subscribe();
        let mut arrivals = self.shared.arrivals.subscribe();
        loop {
            let (now, seen) = (millis(rt.current()), *progress.borrow_and_update());
            arrivals.borrow_and_update();
            let ours = self.shared.machine.executed();
            let able = rules::executed_to_propose(ours, parent, &self.limits);
            let mut wake = start.plus(self.timeouts.idle);
            if let Some(executed) = able {
                let taken = |name: &Hash| ancestors.taken.contains(name);
                if self.shared.pool().offers(&taken, now) {
                    return;
                }
                if parent.executed.height < ancestors.full && executed.height >= ancestors.full {
                    return;
                }
                if seen.proven < ancestors.full {
                    wake = wake.min(start.plus(NUDGE));
                }
                if now >= wake {
                    return;
                }
            } else if now >= wake {
                // The lag is at its bound. Without a proposal the engine goes on to the next leader by itself.
                wake = now.plus(NUDGE);
            }
            select! {
                _ = changed(&mut progress) => {},
                _ = changed(&mut arrivals) => {},
                _ = rt.sleep(duration(wake.since(now))) => {},
            }
        }
    }

    /// Waits until `time` is no more than the permitted skew ahead of the clock.
    async fn reached(&self, rt: &impl Clock, time: Millis) {
        loop {
            let ahead = time.since(millis(rt.current()).plus(self.limits.skew_max));
            if ahead.0 == 0 {
                return;
            }
            rt.sleep(duration(ahead)).await;
        }
    }
}

impl<E: Spawner + Metrics + Clock> Application<E> for Proposer {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = Block;
    type Input = ();

    async fn propose(
        &mut self,
        (rt, context): (E, Context),
        mut ancestry: impl Ancestry<Block>,
        (): (),
    ) -> Option<Digested<Block>> {
        let parent = ancestry.next().await?;
        let ancestors = self.ancestors(&parent, ancestry).await;
        let header = parent.inner().header;
        self.wait(&rt, &header, &ancestors).await;
        let now = millis(rt.current());
        let time = rules::time_to_propose(now, header.time);
        self.reached(&rt, time).await;
        let executed = rules::executed_to_propose(self.shared.machine.executed(), &header, &self.limits)?;
        let parent = header.hash();
        let bytes_max = self.limits.block_bytes_max;
        let taken = |name: &Hash| ancestors.taken.contains(name);
        let txs = self.shared.pool().collect(parent, now, bytes_max, &taken);
        let header = Header { parent, height: header.height + 1, time, executed, ..blank() };
        let block = Block::new(with_context(header, &context), txs)?;
        Some(Digested::compute(block, &Sequential).await)
    }

    async fn verify(&mut self, (rt, _): (E, Context), mut ancestry: impl Ancestry<Block>) -> bool {
        let (Some(block), Some(parent)) = (ancestry.next().await, ancestry.next().await) else {
            return false;
        };
        let header = block.inner().header;
        if let Err(broken) = rules::follows(&header, &parent.inner().header, &self.limits) {
            tracing::warn!(height = header.height, ?broken, "a proposal breaks a rule");
            return false;
        }
        let (machine, judged) = (self.shared.machine.clone(), block.clone());
        let body = rt.child("body").shared(true);
        let body_ok = body.spawn(move |_| async move { machine.body_ok(&judged.inner().txs) });
        match body_ok.await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(height = header.height, "a proposal's body is refused");
                return false;
            }
            // The validator is stopping: abstain.
            Err(_) => std::future::pending().await,
        }
        // Neither a clock that lags nor an execution that does is a reason to say no for good: wait.
        self.reached(&rt, header.time).await;
        let mut progress = self.shared.progress.subscribe();
        until(&mut progress, |progress| progress.executed >= header.executed.height).await;
        match self.shared.machine.state_root(header.executed.height) {
            Some(root) if root == header.executed.state_root => true,
            Some(_) => {
                tracing::warn!(height = header.height, "a proposal claims another state root than ours");
                false
            }
            // So old that the root is forgotten: the block's height is decided already.
            None => std::future::pending().await,
        }
    }
}

fn blank() -> Header {
    Header {
        epoch: 0,
        view: 0,
        leader: primitives::PublicKey([0; 32]),
        parent_view: 0,
        parent_payload: Hash::default(),
        parent: BlockHash::default(),
        height: 0,
        time: Millis::default(),
        executed: primitives::Executed::default(),
        txs_root: merkle_root::<&[u8]>(&[]),
    }
}
