//! This file is where whole networks run under a simulated clock, disk and network; a failure names the seed.

use crate::ledger::{Entry, Ledger, agree, check, entries, tx};
use consensus::{
    Limits, Machine,
    sim::{Action, Link, Open, Outcome, Plan, World, run},
};
use primitives::{Millis, Span};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const TXS: usize = 60;

/// So many seeds, or as many as `HORKOS_SIM_SEEDS` says, from `HORKOS_SIM_SEED` on.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("HORKOS_SIM_SEED").unwrap_or(1);
    first..first + number("HORKOS_SIM_SEEDS").unwrap_or(usual)
}

fn path(root: &Path, index: usize) -> PathBuf {
    root.join(format!("ledger-{index}"))
}

fn machines(root: &Path, count: usize) -> Vec<Open> {
    let open = |index| -> Open {
        let path = path(root, index);
        Box::new(move || Arc::new(Ledger::open(&path)) as Arc<dyn Machine>)
    };
    (0..count).map(open).collect()
}

fn plan(seed: u64) -> Plan {
    let mut plan = Plan::new(seed, 4);
    plan.timeouts = crate::network::timeouts();
    plan.limits = Limits { lag_max: 8, skew_max: Span(500), ..Limits::default() };
    plan
}

/// Submits, crashes, restarts, splits and heals at seeded moments; then lets the network settle until every honest
/// validator has every transaction.
fn storm(root: &Path, plan: &Plan) -> (Outcome, Vec<Vec<Entry>>) {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let honest: Vec<usize> = (0..plan.validators).filter(|index| Some(*index) != plan.liar).collect();
    let count = plan.validators + usize::from(plan.liar.is_some());
    let (mut sent, mut down, mut split, mut troubles) = (0, None, false, 0);
    let (mut again, mut last) = (Millis(0), String::new());
    let all = || (0..TXS).map(|n| tx(n as u8 % 3, &n.to_string()));
    let mut director = |world: &World| {
        let mut actions = Vec::new();
        for (index, fault) in world.faults.iter().enumerate() {
            assert_eq!(*fault, None, "seed {}: validator {index} stopped itself", plan.seed);
        }
        if sent < TXS && rng.random_range(0..16) == 0 {
            let up: Vec<usize> = honest.iter().copied().filter(|index| Some(*index) != down).collect();
            actions.push(Action::Submit(up[sent % up.len()], all().nth(sent).unwrap_or_default()));
            sent += 1;
        }
        let trouble = rng.random_range(0..60) == 0;
        match down {
            // No more than f at a time are away: with a liar that is nobody else.
            None if trouble && troubles < 8 && sent < TXS && plan.liar.is_none() => {
                let index = honest[rng.random_range(0..honest.len())];
                actions.push(Action::Crash(index));
                (down, troubles) = (Some(index), troubles + 1);
            }
            Some(index) if trouble || sent == TXS => {
                actions.push(Action::Start(index));
                down = None;
            }
            _ => {}
        }
        let turn = rng.random_range(0..80) == 0;
        if split && (turn || sent == TXS) {
            actions.push(Action::Heal);
            split = false;
        } else if turn && sent < TXS {
            actions.push(Action::Split(vec![rng.random_range(0..4), rng.random_range(0..4)]));
            split = true;
        }
        if sent == TXS && down.is_none() && !split {
            let have = |index: &usize| check(&entries(&path(root, *index)));
            if honest.iter().all(|index| have(index).len() == TXS) {
                actions.push(Action::Finish);
            }
            // What was submitted to a validator that crashed before anybody else had it is lost: its sender, who has
            // no receipt, tries again.
            if world.now >= again {
                again = world.now.plus(Span(3_000));
                let have = have(&honest[0]);
                let missing = all().filter(|tx| !have.contains_key(&tx[..]));
                actions.extend(missing.map(|tx| Action::Submit(honest[1], tx)));
            }
        }
        last = format!("{world:?}");
        actions
    };
    let outcome = run(plan, machines(root, count), &mut director).unwrap();
    assert!(outcome.finished, "seed {}: not done in {} simulated ms: {last}", plan.seed, outcome.elapsed.0);
    let ledgers: Vec<_> = honest.iter().map(|index| entries(&path(root, *index))).collect();
    agree(&ledgers);
    for ledger in &ledgers {
        assert_eq!(check(ledger).len(), TXS, "seed {}", plan.seed);
    }
    (outcome, ledgers)
}

#[test]
fn storms_lose_nothing_and_fork_nothing() {
    for seed in seeds(4) {
        let temp = tempfile::tempdir().unwrap();
        let mut plan = plan(seed);
        plan.link = Link { latency: Span(30), jitter: Span(15), lost_permille: 20 };
        let (outcome, ledgers) = storm(temp.path(), &plan);
        println!("seed {seed}: {} blocks in {} simulated ms", ledgers[0].len(), outcome.elapsed.0);
    }
}

#[test]
fn a_liar_changes_nothing() {
    for seed in seeds(3) {
        let temp = tempfile::tempdir().unwrap();
        let mut plan = plan(seed);
        plan.liar = Some(seed as usize % 4);
        let (outcome, ledgers) = storm(temp.path(), &plan);
        println!("seed {seed}: {} blocks in {} simulated ms", ledgers[0].len(), outcome.elapsed.0);
    }
}

#[test]
fn a_seed_replays_everything() {
    let once = |seed| {
        let temp = tempfile::tempdir().unwrap();
        let (outcome, ledgers) = storm(temp.path(), &plan(seed));
        (outcome, ledgers)
    };
    let first = once(9);
    assert_eq!(first, once(9));
    assert_ne!(first.0.trace, once(10).0.trace);
}

#[test]
fn a_body_that_others_refuse_is_never_final() {
    let temp = tempfile::tempdir().unwrap();
    let mut machines = machines(temp.path(), 4);
    let rude = path(temp.path(), 3);
    machines[3] = Box::new(move || {
        let mut ledger = Ledger::open(&rude);
        ledger.rude = true;
        Arc::new(ledger)
    });
    let mut ticks = 0;
    let mut director = |_: &World| {
        ticks += 1;
        let have = |index| check(&entries(&path(temp.path(), index))).len();
        match ticks {
            1 => vec![Action::Submit(3, tx(1, "rude!"))],
            2..=400 if ticks % 20 == 0 => vec![Action::Submit(ticks % 3, tx(1, &format!("{ticks}")))],
            _ if (0..3).all(|index| have(index) == 20) => vec![Action::Finish],
            _ => vec![],
        }
    };
    let outcome = run(&plan(5), machines, &mut director).unwrap();
    assert!(outcome.finished);
    for index in 0..4 {
        assert!(!check(&entries(&path(temp.path(), index))).contains_key(&tx(1, "rude!")[..]));
    }
}
