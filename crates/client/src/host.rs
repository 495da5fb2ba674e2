//! This file is where the client meets the machine it runs on: clock, randomness, waiting, threads for heavy work.
//!
//! All of it stands behind one trait, so that a simulation drives the same code with its own.

use futures::{channel::oneshot, future::BoxFuture};
use primitives::{Millis, Span};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroizing;

/// Heavy work, to be done away from the threads that wait for the network.
pub type Work = Box<dyn FnOnce() + Send>;

/// What the client asks of its machine.
pub trait Host: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Millis;
    /// Fills `bytes` with randomness fit for keys.
    fn fill(&self, bytes: &mut [u8]);
    /// Waits.
    fn sleep(&self, span: Span) -> BoxFuture<'static, ()>;
    /// Does heavy work elsewhere.
    fn run(&self, work: Work);
    /// Goes on with a task in the background, whether anybody waits for it or not.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// The real machine, under a tokio runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl SystemHost {
    /// The machine, shared.
    #[must_use]
    pub fn shared() -> Arc<dyn Host> {
        Arc::new(Self)
    }
}

impl Host for SystemHost {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn fill(&self, bytes: &mut [u8]) {
        let filled = getrandom::fill(bytes);
        // A machine without randomness can't make keys; going on would make guessable ones.
        primitives::invariant!(filled.is_ok());
    }

    fn sleep(&self, span: Span) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(span.0)))
    }

    fn run(&self, work: Work) {
        drop(tokio::task::spawn_blocking(work));
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}

/// A fresh random generator, seeded by the machine.
#[must_use]
pub fn rng(host: &dyn Host) -> ChaCha20Rng {
    let mut seed = Zeroizing::new([0; 32]);
    host.fill(seed.as_mut_slice());
    ChaCha20Rng::from_seed(*seed)
}

/// 32 random bytes.
#[must_use]
pub fn random(host: &dyn Host) -> [u8; 32] {
    let mut bytes = [0; 32];
    host.fill(&mut bytes);
    bytes
}

/// A random number.
#[must_use]
pub fn nonce(host: &dyn Host) -> u64 {
    let mut bytes = [0; 8];
    host.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Does `work` elsewhere and waits for its result.
///
/// # Panics
/// If the work panics: a broken invariant isn't swallowed.
pub async fn heavy<T: Send + 'static>(host: &dyn Host, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = oneshot::channel();
    host.run(Box::new(move || {
        // Nobody waits any more if the caller was dropped.
        let _ = done.send(work());
    }));
    match result.await {
        Ok(result) => result,
        Err(oneshot::Canceled) => panic!("heavy work panicked"),
    }
}
