//! This file is where a proposed header is held against its parent's: time and lag, as plain functions.

use crate::Limits;
use primitives::{Executed, Header, Millis};

/// Why a header can never follow its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Time doesn't rise.
    Time,
    /// The height doesn't follow, or the parent isn't named.
    Parent,
    /// `executed` falls, changes its root, or claims what can't have been executed.
    Executed,
    /// `executed` lags too far behind.
    Lag,
}

/// Whether `header` may follow `parent`, as far as the two can tell.
pub(crate) fn follows(header: &Header, parent: &Header, limits: &Limits) -> Result<(), Broken> {
    let (now, before) = (header.executed, parent.executed);
    if header.parent != parent.hash() || header.height != parent.height.saturating_add(1) {
        return Err(Broken::Parent);
    }
    if header.time <= parent.time {
        return Err(Broken::Time);
    }
    if now.height < before.height || now.height > parent.height {
        return Err(Broken::Executed);
    }
    // The genesis header doesn't carry the root of height 0; all later ones must agree.
    if now.height == before.height && parent.height > 0 && now.state_root != before.state_root {
        return Err(Broken::Executed);
    }
    if header.height - now.height > limits.lag_max {
        return Err(Broken::Lag);
    }
    Ok(())
}

/// The `executed` that a proposal on `parent` carries if the proposer has executed `ours`; `None` if the lag would be
/// too long, so that the proposer must wait until it has executed more.
pub(crate) fn executed_to_propose(ours: Executed, parent: &Header, limits: &Limits) -> Option<Executed> {
    // A proposer that is behind repeats the parent's claim, which a quorum has compared with its own.
    let executed =
        if ours.height >= parent.executed.height || parent.height == 0 { ours } else { parent.executed };
    let height = parent.height.saturating_add(1);
    (executed.height <= parent.height && height - executed.height <= limits.lag_max).then_some(executed)
}

/// The time of a proposal on a parent of time `parent`.
pub(crate) fn time_to_propose(now: Millis, parent: Millis) -> Millis {
    now.max(Millis(parent.0.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{Hash, NetworkId, StateRoot};

    const LIMITS: Limits = Limits {
        block_bytes_max: 1 << 20,
        tx_bytes_max: 1 << 10,
        lag_max: 3,
        skew_max: primitives::Span(500),
    };

    fn root(n: u8) -> StateRoot {
        StateRoot(Hash([n; 32]))
    }

    fn at(height: u64, time: u64, executed: u64) -> Header {
        let genesis = crate::genesis(NetworkId::default(), Millis(0), &[]);
        let executed = Executed { height: executed, state_root: root(executed as u8) };
        Header { height, time: Millis(time), executed, ..genesis }
    }

    #[test]
    fn time_and_lag() {
        // parent (height, time, executed), child (height, time, executed), verdict
        let cases = [
            ((5, 100, 4), (6, 101, 5), Ok(())),
            ((5, 100, 4), (6, 101, 4), Ok(())),
            ((5, 100, 3), (6, 101, 5), Ok(())),
            ((5, 100, 4), (6, 100, 5), Err(Broken::Time)),
            ((5, 100, 4), (6, 99, 5), Err(Broken::Time)),
            ((5, 100, 4), (7, 101, 5), Err(Broken::Parent)),
            ((5, 100, 4), (5, 101, 4), Err(Broken::Parent)),
            ((5, 100, 4), (6, 101, 3), Err(Broken::Executed)),
            ((5, 100, 4), (6, 101, 6), Err(Broken::Executed)),
            ((5, 100, 2), (6, 101, 2), Err(Broken::Lag)),
            ((5, 100, 3), (6, 101, 3), Ok(())),
            ((9, 100, 2), (10, 101, 9), Ok(())),
        ];
        for ((h, t, e), (ch, ct, ce), verdict) in cases {
            let parent = at(h, t, e);
            let child = Header { parent: parent.hash(), ..at(ch, ct, ce) };
            assert_eq!(follows(&child, &parent, &LIMITS), verdict, "{h},{t},{e} -> {ch},{ct},{ce}");
        }
        let parent = at(5, 100, 4);
        let stranger = Header { parent: at(4, 1, 1).hash(), ..at(6, 101, 5) };
        assert_eq!(follows(&stranger, &parent, &LIMITS), Err(Broken::Parent));
        let mut child = Header { parent: parent.hash(), ..at(6, 101, 4) };
        child.executed.state_root = root(9);
        assert_eq!(follows(&child, &parent, &LIMITS), Err(Broken::Executed));
    }

    #[test]
    fn a_proposer_never_falls_behind_its_parent() {
        let ours = |height| Executed { height, state_root: root(height as u8) };
        let parent = at(5, 100, 4);
        assert_eq!(executed_to_propose(ours(5), &parent, &LIMITS), Some(ours(5)));
        assert_eq!(executed_to_propose(ours(1), &parent, &LIMITS), Some(ours(4)));
        assert_eq!(executed_to_propose(ours(2), &at(5, 100, 2), &LIMITS), None);
        let fresh = executed_to_propose(ours(0), &at(0, 0, 0), &LIMITS);
        assert_eq!(fresh, Some(ours(0)));
        assert_eq!(time_to_propose(Millis(7), Millis(9)), Millis(10));
        assert_eq!(time_to_propose(Millis(12), Millis(9)), Millis(12));
    }
}
