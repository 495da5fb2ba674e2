//! This file is where a run is directed: people act, powers fail, links break, and everybody is watched at every tick.

use super::{
    chain::Chain,
    clients::{Clients, Told},
    member::{Member, POWER, Site, Slip},
    network::{CALM, FAULTY, MEMBERS},
    readers::Readers,
    story::Story,
    writes::Writes,
};
use consensus::{
    Fault,
    sim::{Action, Link, World},
};
use ledger::charts::{ERASURES, ReceiptErasure};
use primitives::{Millis, Span, TxId};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::Ordering,
};

/// What befell the members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Troubles {
    pub(super) crashes: usize,
    pub(super) slips: usize,
    pub(super) splits: usize,
    pub(super) storms: usize,
}

/// One run.
pub(super) struct Run {
    pub(super) site: Site,
    /// The honest ones.
    pub(super) members: Vec<Member>,
    pub(super) liar: Option<usize>,
    pub(super) chain: Chain,
    pub(super) clients: Clients,
    pub(super) story: Story,
    pub(super) writes: Writes,
    pub(super) readers: Readers,
    pub(super) rng: StdRng,
    pub(super) troubles: Troubles,
    erasures: BTreeSet<TxId>,
    confirming: BTreeMap<TxId, (usize, TxId)>,
    down: BTreeMap<usize, Millis>,
    split_until: Option<Millis>,
    storm_until: Option<Millis>,
}

impl Run {
    pub(super) fn new(seed: u64, root: &Path, site: &Site, liar: Option<usize>, acts: usize) -> Self {
        let network = site.genesis.network();
        let honest = (0..MEMBERS).filter(|place| Some(*place) != liar);
        Self {
            site: site.clone(),
            members: honest.map(|place| Member::new(root, site, place)).collect(),
            liar,
            chain: Chain::default(),
            clients: Clients::new(network),
            story: Story::new(network, acts),
            writes: Writes::default(),
            readers: Readers::default(),
            rng: StdRng::seed_from_u64(seed),
            troubles: Troubles::default(),
            erasures: BTreeSet::new(),
            confirming: BTreeMap::new(),
            down: BTreeMap::new(),
            split_until: None,
            storm_until: None,
        }
    }

    /// What happens next.
    pub(super) fn tick(&mut self, world: &World) -> Vec<Action> {
        let now = world.now;
        self.site.clock.store(now.0, Ordering::SeqCst);
        let mut actions = self.power_failures(world);
        for member in &mut self.members {
            member.catch_up(&mut self.chain);
        }
        self.follow(now);
        let (told, submissions) =
            self.clients.tick(now, &mut self.rng, &self.members, self.liar, &mut self.chain);
        actions.extend(submissions);
        for one in told {
            self.hear(now, &one);
        }
        let Self { rng, members, liar, clients, writes, readers, story, chain, site, .. } = self;
        writes.tick(now, rng, members, *liar, clients);
        if rng.random_range(0..8) == 0 {
            readers.tick(site, rng, members, *liar, writes, chain);
        }
        let up: Vec<_> = members.iter().filter_map(Member::executor).collect();
        if !up.is_empty() {
            let view = up[rng.random_range(0..up.len())].view();
            story.tick(now, rng, &*view, clients, writes);
        }
        if self.story.is_over() {
            actions.extend(self.calm(now));
            if self.is_settled() {
                actions.push(Action::Finish);
            }
        } else {
            actions.extend(self.trouble(now));
        }
        actions
    }

    /// Whose power failed in the middle of its work is down from now on. Nobody ends of itself for another reason.
    fn power_failures(&mut self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        for at in 0..self.members.len() {
            let place = self.members[at].place;
            match &world.faults[place] {
                None => {}
                Some(Fault(why)) if why == POWER => {
                    self.troubles.slips += 1;
                    actions.push(self.power_off(world.now, at));
                }
                Some(Fault(why)) => panic!("member {place} stopped itself: {why}"),
            }
        }
        actions
    }

    fn power_off(&mut self, now: Millis, at: usize) -> Action {
        let member = &mut self.members[at];
        member.power_off(self.rng.random_range(0..3) == 0);
        self.down.insert(member.place, now.plus(Span(self.rng.random_range(100..4_000))));
        self.troubles.crashes += 1;
        Action::Crash(member.place)
    }

    /// Members do what the ledger asks of them.
    fn follow(&mut self, now: Millis) {
        for member in &mut self.members {
            for erasure in member.follow() {
                self.erasures.insert(erasure);
                let tx = self.clients.send(now, &member.key, &ReceiptErasure { erasure }.into());
                self.confirming.insert(tx, (member.place, erasure));
            }
            if self.rng.random_range(0..50) == 0 {
                member.look_after();
            }
        }
    }

    fn hear(&mut self, now: Millis, told: &Told) {
        let (tx, outcome) = match told {
            Told::Final(answer) => (answer.tx, Some(answer.outcome)),
            Told::Dropped(signed) => (signed.tx.id(), None),
        };
        self.story.hear(now, tx, outcome, &mut self.clients, &mut self.readers);
        if let Some((place, erasure)) = self.confirming.remove(&tx)
            && outcome.is_none()
            && let Some(member) = self.members.iter().find(|member| member.place == place)
        {
            let tx = self.clients.send(now, &member.key, &ReceiptErasure { erasure }.into());
            self.confirming.insert(tx, (place, erasure));
        }
    }

    /// Crashes, splits and bad links at any moment.
    fn trouble(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = self.restart(now);
        let up: Vec<usize> =
            (0..self.members.len()).filter(|at| !self.down.contains_key(&self.members[*at].place)).collect();
        match self.rng.random_range(0..500) {
            // More than may fail at once are away now and then: then nothing moves, but nothing is lost either.
            0 | 1 if !up.is_empty() && (self.down.len() < FAULTY || self.rng.random_range(0..4) == 0) => {
                let at = up[self.rng.random_range(0..up.len())];
                actions.push(self.power_off(now, at));
            }
            2 if self.rng.random_range(0..4) == 0 => {
                actions.extend(up.into_iter().map(|at| self.power_off(now, at)).collect::<Vec<_>>());
            }
            3 | 4 if !up.is_empty() => {
                let slip = [Slip::Before, Slip::Amid, Slip::After][self.rng.random_range(0..3)];
                self.members[up[self.rng.random_range(0..up.len())]].slip(slip);
            }
            6 if self.split_until.is_none() => {
                let some: BTreeSet<usize> =
                    (0..self.rng.random_range(1..3)).map(|_| self.rng.random_range(0..MEMBERS)).collect();
                actions.push(Action::Split(some.into_iter().collect()));
                self.split_until = Some(now.plus(Span(self.rng.random_range(500..8_000))));
                self.troubles.splits += 1;
            }
            7 if self.storm_until.is_none() => {
                actions.push(Action::Links(Link {
                    latency: Span(self.rng.random_range(20..300)),
                    jitter: Span(self.rng.random_range(5..150)),
                    lost_permille: self.rng.random_range(0..150),
                }));
                self.storm_until = Some(now.plus(Span(self.rng.random_range(500..8_000))));
                self.troubles.storms += 1;
            }
            _ => {}
        }
        if self.split_until.is_some_and(|until| now >= until) {
            self.split_until = None;
            actions.push(Action::Heal);
        }
        if self.storm_until.is_some_and(|until| now >= until) {
            self.storm_until = None;
            actions.push(Action::Links(CALM));
        }
        // The liar is as mortal as others; with it its double goes and comes.
        if let Some(liar) = self.liar
            && self.rng.random_range(0..600) == 0
        {
            actions.extend([Action::Crash(liar), Action::Start(liar)]);
        }
        actions
    }

    fn restart(&mut self, now: Millis) -> Vec<Action> {
        let back: Vec<usize> =
            self.down.iter().filter(|(_, at)| now >= **at).map(|(place, _)| *place).collect();
        back.into_iter()
            .map(|place| {
                self.down.remove(&place);
                Action::Start(place)
            })
            .collect()
    }

    /// Everybody comes back and hears everybody.
    fn calm(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = self.restart(now);
        if self.split_until.take().is_some() {
            actions.push(Action::Heal);
        }
        if self.storm_until.take().is_some() {
            actions.push(Action::Links(CALM));
        }
        actions
    }

    /// Whether every program has its answer, every trustee its shares, every member every block, and every erasure is
    /// done by all who are honest.
    fn is_settled(&self) -> bool {
        let idle = self.clients.is_idle() && self.writes.is_idle() && self.down.is_empty();
        let caught_up = self.members.iter().all(|member| member.seen == self.chain.height());
        let confirmed = |member: &Member| {
            let Some(executor) = member.executor() else { return false };
            let view = executor.view();
            self.erasures.iter().all(|erasure| {
                let row = ERASURES.get(&*view, erasure).unwrap();
                self.members.iter().all(|honest| row.receipted.has(honest.place as u32))
            })
        };
        idle && caught_up && self.members.iter().all(confirmed)
    }
}
