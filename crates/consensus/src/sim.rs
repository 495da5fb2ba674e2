//! This file is where whole networks run on a simulated clock, disk and network: the same code as in production, and one
//! seed that replays it all.

use crate::{
    Config, Fault, Limits, Machine, Member, StartError, Status, Termination, Timeouts,
    block::engine_key,
    engine::{self, MESSAGES_PER_SECOND, Network, Running},
    pool::Pool,
    propose::{duration, millis},
    shared::Shared,
};
use bytes::Bytes;
use commonware_cryptography::ed25519::PublicKey as Key;
use commonware_p2p::{
    Blocker, PeerSetSubscription, Provider, Recipients, TrackedPeers,
    simulated::{self, Control, Manager, Oracle, SplitOrigin, SplitTarget},
};
use commonware_runtime::{
    Clock as _, Handle, IoBuf, Quota, Runner as _, Spawner as _, Supervisor as _, deterministic,
};
use commonware_utils::{NZU32, NZUsize, Probability, probability};
use primitives::{Millis, NetworkId, PublicKey, SecretKey, Span, domain, hash};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    sync::{Arc, Weak},
    time::SystemTime,
};

/// When simulated time begins.
pub const START: Millis = Millis(1_800_000_000_000);
/// How often the director is asked.
const TICK: Span = Span(20);

/// Opens a validator's machine; called at each of its starts. The machine of the run before is gone by then.
pub type Open = Box<dyn FnMut() -> Arc<dyn Machine>>;

/// How a link between two validators behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Mean time that a message takes.
    pub latency: Span,
    /// Standard deviation of it.
    pub jitter: Span,
    /// Of a thousand messages so many are lost.
    pub lost_permille: u16,
}

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides every order, delay and loss.
    pub seed: u64,
    /// The network's id, to which every certificate is bound.
    pub network: NetworkId,
    /// How many validators there are.
    pub validators: usize,
    /// One that lies: it runs twice with one key, so that it proposes and votes for two blocks at once. Its double is the
    /// machine after the last validator's.
    pub liar: Option<usize>,
    /// All links at first.
    pub link: Link,
    /// Bounds of the network.
    pub limits: Limits,
    /// Waiting times of the validators.
    pub timeouts: Timeouts,
    /// Simulated time after which a run that hasn't finished has failed.
    pub patience: Span,
}

impl Plan {
    /// Usual settings for `validators` honest ones.
    #[must_use]
    pub fn new(seed: u64, validators: usize) -> Self {
        let link = Link { latency: Span(20), jitter: Span(5), lost_permille: 0 };
        let (limits, timeouts) = (Limits::default(), Timeouts::default());
        let patience = Span::secs(600);
        Self { seed, network: network(), validators, liar: None, link, limits, timeouts, patience }
    }
}

/// What the director sees.
#[derive(Debug)]
pub struct World {
    /// Simulated time.
    pub now: Millis,
    /// Each validator, the liar's double last; `None` while it is crashed.
    pub validators: Vec<Option<Status>>,
    /// Those that stopped themselves.
    pub faults: Vec<Option<Fault>>,
}

/// What the director orders.
#[derive(Clone, Debug)]
pub enum Action {
    /// Gives a validator a transaction, if it is up.
    Submit(usize, Bytes),
    /// Power loss: the validator is gone, and so is what its engine had written without a sync.
    Crash(usize),
    /// Starts a crashed validator with what was durable.
    Start(usize),
    /// These validators hear and reach only each other, all others too.
    Split(Vec<usize>),
    /// Ends a split.
    Heal,
    /// Changes all links.
    Links(Link),
    /// Ends the run.
    Finish,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed that replays it.
    pub seed: u64,
    /// Stands for everything that happened: the same seed gives the same trace.
    pub trace: String,
    /// Simulated time.
    pub elapsed: Span,
    /// Whether the director finished it, and not the patience.
    pub finished: bool,
}

/// The key of a simulated validator.
#[must_use]
pub fn secret(validator: usize) -> SecretKey {
    SecretKey::from_seed(&hash(domain::GOLDEN, &[b"validator", &validator.to_le_bytes()]).0)
}

/// The keys of a simulated committee.
#[must_use]
pub fn committee(validators: usize) -> Vec<PublicKey> {
    (0..validators).map(|validator| secret(validator).public()).collect()
}

/// The id of the simulated network, unless the plan names another.
#[must_use]
pub fn network() -> NetworkId {
    NetworkId(hash(domain::GOLDEN, &[b"network"]))
}

/// Runs `plan`. `machines` has one for each validator, and one more for the liar's double. `director` is asked every 20
/// simulated milliseconds what happens next; for a replay it must depend on nothing but what it is shown.
///
/// # Errors
/// [`StartError`] of a validator, at its first or a later start.
pub fn run(
    plan: &Plan,
    machines: Vec<Open>,
    director: &mut dyn FnMut(&World) -> Vec<Action>,
) -> Result<Outcome, StartError> {
    let expected = plan.validators + usize::from(plan.liar.is_some());
    if machines.len() != expected || plan.liar.is_some_and(|liar| liar >= plan.validators) {
        return Err(StartError::Settings(format!("the plan needs {expected} machines")));
    }
    let settings = deterministic::Config::new()
        .with_seed(plan.seed)
        .with_start_time(SystemTime::UNIX_EPOCH + duration(Span(START.0)))
        .with_timeout(None);
    deterministic::Runner::new(settings).start(|rt| async move {
        let trace = rt.auditor();
        let mut simulation = Simulation::new(rt, plan, machines).await?;
        let (elapsed, finished) = simulation.play(director).await?;
        simulation.close();
        drop(simulation);
        Ok(Outcome { seed: plan.seed, trace: trace.state(), elapsed, finished })
    })
}

type Rt = deterministic::Context;

/// Peers and blocking in one, as the TCP network has them.
#[derive(Clone)]
struct Peers {
    manager: Manager<Key, Rt>,
    control: Control<Key, Rt>,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}

impl Provider for Peers {
    type PublicKey = Key;

    async fn peer_set(&mut self, id: u64) -> Option<TrackedPeers<Key>> {
        self.manager.peer_set(id).await
    }

    async fn subscribe(&mut self) -> PeerSetSubscription<Key> {
        self.manager.subscribe().await
    }
}

impl Blocker for Peers {
    type PublicKey = Key;

    fn block(&mut self, peer: Key) -> commonware_actor::Feedback {
        self.control.block(peer)
    }

    fn blocked(&mut self) -> commonware_p2p::BlockedSubscription<Key> {
        self.control.blocked()
    }
}

struct Up {
    shared: Arc<Shared>,
    task: Handle<()>,
    machine: Weak<dyn Machine>,
}

struct Simulation<'a> {
    rt: Rt,
    plan: &'a Plan,
    machines: Vec<Open>,
    keys: Vec<Key>,
    oracle: Oracle<Key, Rt>,
    up: Vec<Option<Up>>,
    link: Link,
    split: BTreeSet<usize>,
}

impl<'a> Simulation<'a> {
    async fn new(rt: Rt, plan: &'a Plan, machines: Vec<Open>) -> Result<Self, StartError> {
        let keys: Option<Vec<Key>> = committee(plan.validators).iter().map(engine_key).collect();
        let keys = keys.ok_or_else(|| StartError::Settings("a key is no point of the curve".into()))?;
        let settings = simulated::Config {
            max_size: engine::message_bytes_max(&config(plan, 0)?),
            max_peers_per_set: NonZeroUsize::new(plan.validators).unwrap_or(NZUsize!(1)),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) =
            simulated::Network::new_with_peers(rt.child("network"), settings, keys.clone()).await;
        network.start();
        let up = machines.iter().map(|_| None).collect();
        let mut simulation =
            Self { rt, plan, machines, keys, oracle, up, link: plan.link, split: BTreeSet::new() };
        simulation.relink().await;
        for validator in 0..plan.validators {
            simulation.start(validator).await?;
        }
        Ok(simulation)
    }

    async fn play(
        &mut self,
        director: &mut dyn FnMut(&World) -> Vec<Action>,
    ) -> Result<(Span, bool), StartError> {
        loop {
            let world = self.world();
            let elapsed = world.now.since(START);
            if elapsed > self.plan.patience {
                return Ok((elapsed, false));
            }
            for action in director(&world) {
                match action {
                    Action::Submit(validator, tx) => {
                        if let Some(Some(up)) = self.up.get(validator) {
                            // Refusals are the director's to foresee: a lost submission is as in life.
                            let _ = up.shared.admit(tx, true);
                        }
                    }
                    Action::Crash(validator) => self.crash(validator).await?,
                    Action::Start(validator) => self.start(validator).await?,
                    Action::Split(some) => {
                        self.split = some.into_iter().collect();
                        self.relink().await;
                    }
                    Action::Heal => {
                        self.split.clear();
                        self.relink().await;
                    }
                    Action::Links(link) => {
                        self.link = link;
                        self.relink().await;
                    }
                    Action::Finish => return Ok((elapsed, true)),
                }
            }
            self.rt.sleep(duration(TICK)).await;
        }
    }

    fn world(&self) -> World {
        let fault = |up: &Up| match &*up.shared.end.borrow() {
            Some(Termination::Fault(fault)) => Some(fault.clone()),
            _ => None,
        };
        World {
            now: millis(self.rt.current()),
            validators: self.up.iter().map(|up| up.as_ref().map(|up| up.shared.status())).collect(),
            faults: self.up.iter().map(|up| up.as_ref().and_then(fault)).collect(),
        }
    }

    /// Starts a validator, and its double if it is the liar.
    async fn start(&mut self, validator: usize) -> Result<(), StartError> {
        if validator >= self.plan.validators || self.up.get(validator).is_some_and(Option::is_some) {
            return Ok(());
        }
        let control =
            self.oracle.control(self.keys.get(validator).cloned().unwrap_or_else(|| self.keys[0].clone()));
        let peers = Peers { manager: self.oracle.manager(), control: control.clone() };
        // The liar speaks with one half of the others as itself and with the other half as its double.
        let halves: Option<Arc<[Vec<Key>; 2]>> = (self.plan.liar == Some(validator)).then(|| {
            let others = || self.keys.iter().enumerate().filter(|(index, _)| *index != validator);
            let half =
                |parity| others().filter(|(i, _)| i % 2 == parity).map(|(_, key)| key.clone()).collect();
            Arc::new([half(0), half(1)])
        });
        let forward = move |origin: SplitOrigin, to: &Recipients<Key>, _: &IoBuf| {
            let Some(halves) = &halves else { return Some(to.clone()) };
            let half = &halves[usize::from(origin == SplitOrigin::Secondary)];
            let some: Vec<Key> = match to {
                Recipients::All => half.clone(),
                Recipients::Some(some) => some.iter().filter(|key| half.contains(key)).cloned().collect(),
                Recipients::One(one) => half.iter().filter(|key| *key == one).cloned().collect(),
            };
            (!some.is_empty()).then_some(Recipients::Some(some))
        };
        let double = self.plan.liar == Some(validator);
        let mut sides = [Vec::new(), Vec::new()];
        let quota = Quota::per_second(NonZeroU32::new(MESSAGES_PER_SECOND).unwrap_or(NZU32!(1)));
        for number in 0..6 {
            let channel = control.register(number, quota).await;
            let (sender, receiver) = channel.map_err(|error| Fault(error.to_string()))?;
            let (one, other) = sender.split_with(forward.clone());
            let target = if double { SplitTarget::Both } else { SplitTarget::Primary };
            let (first, second) = receiver.split_with(self.rt.child("split"), move |_| target);
            sides[0].push((one, first));
            sides[1].push((other, second));
        }
        for (side, channels) in sides.into_iter().enumerate().take(1 + usize::from(double)) {
            let slot = if side == 0 { validator } else { self.plan.validators };
            let Ok([votes, certificates, resolver, blocks, backfill, gossip]) = <[_; 6]>::try_from(channels)
            else {
                return Ok(());
            };
            let peers = peers.clone();
            let network = Network { votes, certificates, resolver, blocks, backfill, gossip, peers };
            let machine = (self.machines[slot])();
            let settings = config(self.plan, validator)?;
            let clock = self.rt.child("now");
            let pool = Pool::new(settings.pool_bytes_max, settings.limits.tx_bytes_max);
            let weak = Arc::downgrade(&machine);
            let (shared, outbox) = Shared::new(machine, pool, Box::new(move || millis(clock.current())));
            let inside = shared.clone();
            let task = self.rt.child("validator").with_attribute("slot", slot).spawn(move |rt| async move {
                let prefix = format!("validator{slot}-");
                match engine::run(&rt, &settings, &prefix, inside.clone(), outbox, network, None).await {
                    Ok(Running { executor, .. }) => drop(executor.await),
                    Err(error) => inside.finish(Termination::Fault(Fault(error.to_string()))),
                }
            });
            self.up[slot] = Some(Up { shared, task, machine: weak });
        }
        Ok(())
    }

    /// Takes a validator away without a word, and waits until its machine is closed.
    async fn crash(&mut self, validator: usize) -> Result<(), StartError> {
        let double = (self.plan.liar == Some(validator)).then_some(self.plan.validators);
        for slot in [Some(validator), double].into_iter().flatten() {
            let Some(Up { shared, task, machine }) = self.up.get_mut(slot).and_then(Option::take) else {
                continue;
            };
            task.abort();
            drop(shared);
            let _ = task.await;
            let mut waits = 0;
            while machine.strong_count() > 0 {
                waits += 1;
                if waits > 1000 {
                    return Err(StartError::Fault(Fault(
                        "a crashed validator's machine is still held".into(),
                    )));
                }
                self.rt.sleep(duration(Span(1))).await;
            }
        }
        Ok(())
    }

    /// Makes the links as they should be now.
    async fn relink(&self) {
        let connected = |one: usize, other: usize| self.split.contains(&one) == self.split.contains(&other);
        for (i, from) in self.keys.iter().enumerate() {
            for (j, to) in self.keys.iter().enumerate().filter(|(j, _)| *j != i) {
                // Fails only if there is none.
                let _ = self.oracle.remove_link(from.clone(), to.clone()).await;
                if !connected(i, j) {
                    continue;
                }
                let delivered = 1000_u64.saturating_sub(self.link.lost_permille.into());
                let link = simulated::Link {
                    latency: duration(self.link.latency),
                    jitter: duration(self.link.jitter),
                    success_rate: Probability::new(delivered, 1000).unwrap_or(probability!(1.0)),
                };
                let _ = self.oracle.add_link(from.clone(), to.clone(), link).await;
            }
        }
    }

    /// Lets go of all that holds on to the runtime.
    fn close(&mut self) {
        for up in self.up.iter_mut().filter_map(Option::take) {
            up.task.abort();
        }
    }
}

fn config(plan: &Plan, validator: usize) -> Result<Config, StartError> {
    // Nobody listens and nothing is written there.
    let (nowhere, address) = (PathBuf::new(), SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut committee = Vec::new();
    for index in 0..plan.validators {
        let org = format!("validator-{index}").parse();
        let org = org.map_err(|_| StartError::Settings("a validator has no name".into()))?;
        committee.push(Member { org, key: secret(index).public(), address });
    }
    let secret = secret(validator);
    let mut config = Config::new(nowhere.clone(), nowhere, plan.network, START, committee, secret, address);
    (config.limits, config.timeouts, config.threads) = (plan.limits, plan.timeouts, 1);
    config.limits.check()?;
    config.timeouts.check()?;
    Ok(config)
}
