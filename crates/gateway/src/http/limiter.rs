//! This file is where too many requests are told to wait: a token bucket for each caller, in bounded memory.

use super::refusal::{IssueCode, Refusal};
use axum::http::StatusCode;
use primitives::{Millis, Span};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// How fast a caller may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// So many at once.
    pub burst: u32,
    /// So many a second in the long run; at least 1 is taken.
    pub per_sec: u32,
}

/// The caller must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; try again in {retry_secs} s")]
pub struct Throttled {
    /// Whole seconds, rounded up; at least 1.
    pub retry_secs: u64,
}

impl From<Throttled> for Refusal {
    fn from(throttled: Throttled) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, IssueCode::Throttled, throttled.to_string())
            .retry_after(throttled.retry_secs)
    }
}

/// Most callers remembered. Above it all share what is left, until some have been quiet long enough to be forgotten.
const CALLERS_MAX: usize = 1 << 16;

/// One token, in thousandths: a millisecond at `per_sec` refills `per_sec` of these.
const TOKEN: u64 = 1000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    filled: u64,
    at: Millis,
}

#[derive(Debug, Default)]
struct Buckets<K> {
    of: HashMap<K, Bucket>,
    crowd: Option<Bucket>,
    swept: Millis,
}

/// Token buckets by caller.
#[derive(Debug)]
pub struct Limiter<K> {
    rate: Rate,
    buckets: Mutex<Buckets<K>>,
}

impl<K: Eq + Hash> Limiter<K> {
    /// A limiter at which every caller has `rate`.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let rate = Rate { burst: rate.burst.max(1), per_sec: rate.per_sec.max(1) };
        Self { rate, buckets: Mutex::new(Buckets { of: HashMap::new(), crowd: None, swept: Millis(0) }) }
    }

    /// Takes one token of `caller` at `now`.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub fn take(&self, caller: K, now: Millis) -> Result<(), Throttled> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { of, crowd, swept } = &mut *buckets;
        let full = u64::from(self.rate.burst) * TOKEN;
        if of.len() >= CALLERS_MAX && now.since(*swept) >= Span::secs(1) {
            // Whoever is full again has nothing to remember. At most once a second, as it walks them all.
            of.retain(|_, bucket| self.refilled(*bucket, now) < full);
            *swept = now;
        }
        let fresh = Bucket { filled: full, at: now };
        let known = of.contains_key(&caller);
        let bucket = if known || of.len() < CALLERS_MAX {
            of.entry(caller).or_insert(fresh)
        } else {
            crowd.get_or_insert(fresh)
        };
        let filled = self.refilled(*bucket, now);
        let at = bucket.at.max(now);
        match filled.checked_sub(TOKEN) {
            Some(left) => {
                *bucket = Bucket { filled: left, at };
                Ok(())
            }
            None => {
                *bucket = Bucket { filled, at };
                let wait_ms = (TOKEN - filled).div_ceil(u64::from(self.rate.per_sec));
                Err(Throttled { retry_secs: wait_ms.div_ceil(1000).max(1) })
            }
        }
    }

    fn refilled(&self, bucket: Bucket, now: Millis) -> u64 {
        let more = now.since(bucket.at).0.saturating_mul(u64::from(self.rate.per_sec));
        bucket.filled.saturating_add(more).min(u64::from(self.rate.burst) * TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_each_for_himself() {
        let limiter = Limiter::new(Rate { burst: 3, per_sec: 2 });
        let start = Millis(1_000_000);
        for _ in 0..3 {
            assert_eq!(limiter.take("a", start), Ok(()));
        }
        assert_eq!(limiter.take("a", start), Err(Throttled { retry_secs: 1 }));
        assert_eq!(limiter.take("b", start), Ok(()));
        assert!(limiter.take("a", start.plus(Span(499))).is_err());
        assert_eq!(limiter.take("a", start.plus(Span(500))), Ok(()));
        assert!(limiter.take("a", start.plus(Span(500))).is_err());
        // A clock that goes back gives nothing.
        assert!(limiter.take("a", start).is_err());
        let later = start.plus(Span::hours(1));
        for _ in 0..3 {
            assert_eq!(limiter.take("a", later), Ok(()));
        }
        assert!(limiter.take("a", later).is_err());
    }

    #[test]
    fn memory_is_bounded_and_a_crowd_shares() {
        let limiter = Limiter::new(Rate { burst: 1, per_sec: 1 });
        let now = Millis(1_000_000);
        for caller in 0..CALLERS_MAX {
            assert_eq!(limiter.take(caller, now), Ok(()));
        }
        assert_eq!(limiter.take(CALLERS_MAX, now), Ok(()));
        assert!(limiter.take(CALLERS_MAX + 1, now).is_err());
        assert_eq!(limiter.buckets.lock().unwrap().of.len(), CALLERS_MAX);
        // Once the others are full again they are forgotten.
        assert_eq!(limiter.take(CALLERS_MAX + 1, now.plus(Span::secs(2))), Ok(()));
        assert_eq!(limiter.buckets.lock().unwrap().of.len(), 1);
    }
}
