//! This file is where seeds become runs. What fails names its seed on stderr.

use super::{
    director::{Run, Troubles},
    member::{Site, open_liar},
    network::{FAULTY, MEMBERS, genesis, plan},
    readers::Met,
};
use consensus::sim::{self, Open, START, World, run};
use ledger::{Outcome, reject::BAD_SIGNATURE};
use primitives::Hash;
use std::{
    path::Path,
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
    time::{Instant, SystemTime},
};

/// How much happens in a run.
const ACTS: usize = 90;
/// How much happens where only repetition is at stake.
const FEW_ACTS: usize = 50;

/// Says on stderr how to replay what just failed.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0} failed: HORKOS_SIM_SEED={0} replays it", self.0);
        }
    }
}

/// What a run came to: the same seed gives the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Came {
    outcome: sim::Outcome,
    trace: Hash,
    blocks: u64,
    told: usize,
    dropped: usize,
    applied: usize,
    accesses: usize,
    /// Copies under broken signatures that the liar got into final blocks.
    forgeries: usize,
    met: Met,
    troubles: Troubles,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("`{name}` must be a number")))
}

/// On a disk in memory where there is one. What a crash takes is what the process held, so the medium is all the same, and
/// a run syncs some thousand times.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn simulate(seed: u64, acts: usize) -> Came {
    let _named = Named(seed);
    let started = Instant::now();
    let root = scratch();
    let site = Site { genesis: Rc::new(genesis(seed)), clock: Arc::new(AtomicU64::new(START.0)) };
    // Every other network has as many liars as it may have.
    let liar = (!seed.is_multiple_of(2)).then_some((seed / 2) as usize % MEMBERS);
    assert_eq!(FAULTY, 1);
    let plan = plan(seed, &site.genesis, liar);
    let mut run_of = Run::new(seed, root.path(), &site, liar, acts);
    let mut machines: Vec<Open> = Vec::new();
    for place in 0..MEMBERS {
        let member = run_of.members.iter().find(|member| member.place == place);
        machines
            .push(member.map_or_else(|| open_liar(root.path().join("liar"), &site), |member| member.open()));
    }
    if liar.is_some() {
        machines.push(open_liar(root.path().join("double"), &site));
    }
    let mut last = String::new();
    let mut director = |world: &World| {
        last = format!("{world:?}");
        run_of.tick(world)
    };
    let outcome: sim::Outcome = run(&plan, machines, &mut director).unwrap();
    assert!(outcome.finished, "not settled after {} simulated ms: {last}", outcome.elapsed.0);
    run_of.judge();
    let came = Came {
        trace: run_of.chain.trace(),
        blocks: run_of.chain.height(),
        told: run_of.clients.told.len(),
        dropped: run_of.clients.dropped.len(),
        applied: run_of.story.applied,
        accesses: run_of.readers.all.len(),
        forgeries: run_of.chain.count(Outcome::Rejected(BAD_SIGNATURE)),
        met: run_of.readers.met,
        troubles: run_of.troubles,
        outcome,
    };
    println!("seed {seed}, liar {liar:?}, {} ms: {came:?}", started.elapsed().as_millis());
    came
}

/// The seeds that `HORKOS_SIM_SEED` and `HORKOS_SIM_SEEDS` name, or a few and one that nobody has tried before.
fn seeds() -> Vec<u64> {
    let count = number("HORKOS_SIM_SEEDS");
    match number("HORKOS_SIM_SEED") {
        Some(first) => (first..first + count.unwrap_or(1)).collect(),
        None if count.is_some() => (1..=count.unwrap_or(0)).collect(),
        None => {
            let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            vec![2, 3, 12, clock.as_secs()]
        }
    }
}

#[test]
fn whole_networks_lose_nothing_fork_nothing_and_give_nothing_away() {
    for seed in seeds() {
        let came = simulate(seed, ACTS);
        assert!(came.blocks > 0 && came.told > 0, "nothing happened: {came:?}");
    }
}

#[test]
fn a_seed_replays_everything() {
    let first = simulate(5, FEW_ACTS);
    assert_eq!(first, simulate(5, FEW_ACTS));
    let other = simulate(4, FEW_ACTS);
    assert_ne!((&first.outcome.trace, first.trace), (&other.outcome.trace, other.trace));
}
