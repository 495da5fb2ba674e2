//! This file is where keys come from the trustees: their releases gathered, every share checked against what the
//! compartment's id commits to, those who lie or withhold named, others asked.

use super::{OpenError, fetched::Fetched};
use crate::{
    client::Client,
    committee::EPOCH,
    host::{self, heavy},
    rpc::CallError,
    wire::{self, Code, GatherMore, GatherShares, More, Released, TrusteeAnswer},
};
use envelope::{Gathered, Gathering, OpenKey, SessionKey, Wanted};
use ledger::access::Withheld;
use primitives::{CompartmentBody, CompartmentId, List, OrgId, TxId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Compartments asked for at once.
const AT_ONCE: usize = 4096;

/// A trustee that can't be relied on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// The trustee's place in the committee, from 0.
    pub place: u32,
    /// Its organisation, if it is a member at all.
    pub org: Option<OrgId>,
    /// What it did.
    pub why: WhyDistrusted,
}

/// What a trustee did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyDistrusted {
    /// It gave a share that doesn't fit what was committed to.
    FalseShare(CompartmentId),
    /// Its release as a whole is of no use.
    Useless(String),
}

/// Keys of the compartments that were released, and what else the trustees said.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) keys: Arc<BTreeMap<CompartmentId, OpenKey>>,
    /// What the trustees withheld, and their reasons.
    pub(crate) withheld: BTreeMap<CompartmentId, BTreeSet<u16>>,
    /// What doesn't open for another reason: the writer dealt wrongly, or too few shares are left.
    pub(crate) broken: BTreeMap<CompartmentId, String>,
    pub(crate) distrust: Vec<Distrust>,
}

/// Compartments asked for together, and what the trustees answered at first.
pub(super) struct FirstAnswers {
    asked: wire::Release,
    answers: Vec<TrusteeAnswer>,
}

/// What trustees answered, round by round.
#[derive(Default)]
struct Answers {
    asked: Vec<u32>,
    releases: Vec<(u32, envelope::Release)>,
    withheld: BTreeMap<CompartmentId, BTreeMap<u32, u16>>,
    refused: Vec<(u32, String)>,
}

impl Answers {
    fn take(&mut self, answers: Vec<TrusteeAnswer>) -> usize {
        let mut fresh = 0;
        for TrusteeAnswer { place, answer } in answers {
            if self.asked.contains(&place) {
                continue;
            }
            fresh += 1;
            self.asked.push(place);
            match answer {
                Ok(Released { release, withheld }) => {
                    self.releases.extend(release.map(|release| (place, release)));
                    for (id, why) in withheld {
                        self.withheld.entry(id).or_default().insert(place, why);
                    }
                }
                Err(refusal) => self.refused.push((place, refusal.message)),
            }
        }
        fresh
    }
}

impl Client {
    /// Asks the trustees for the keys of `wanted`.
    pub(super) async fn ask_trustees(
        &self,
        access: TxId,
        session: &SessionKey,
        wanted: &[CompartmentId],
    ) -> Result<Vec<FirstAnswers>, CallError> {
        let mut all = Vec::new();
        for wanted in wanted.chunks(AT_ONCE) {
            let asked = wire::Release {
                access,
                session_key: session.public().as_bytes().to_vec(),
                compartments: List::try_from(wanted.to_vec()).unwrap_or_default(),
            };
            let answers = self.node.call::<GatherShares>(&asked).await?;
            all.push(FirstAnswers { asked, answers });
        }
        Ok(all)
    }

    /// Makes keys of what the trustees answered, asking others where one lied.
    pub(super) async fn gather(
        &self,
        session: &Arc<SessionKey>,
        fetched: &Fetched,
        first: Vec<FirstAnswers>,
    ) -> Result<Keys, OpenError> {
        let mut keys = Keys::default();
        let mut opened = BTreeMap::new();
        for FirstAnswers { asked, answers: first } in first {
            let mut bodies: Vec<CompartmentBody> = Vec::new();
            for id in asked.compartments.iter() {
                match fetched.body(id) {
                    Some(body) => bodies.push(body),
                    None => {
                        keys.broken.insert(*id, "no pack that can be read names it".to_owned());
                    }
                }
            }
            let mut answers = Answers::default();
            answers.take(first);
            let combined = loop {
                let combined =
                    self.combine(asked.access, session, bodies.clone(), answers.releases.clone()).await;
                // Shares are missing although nobody refuses them: a trustee lied, or answered for nothing.
                let short = combined.missing.iter().any(|id| !self.is_withheld(&answers, id));
                if short && self.ask_more(&asked, &mut answers).await? {
                    continue;
                }
                break combined;
            };
            for id in combined.missing {
                if !self.is_withheld(&answers, &id) {
                    keys.broken.insert(id, reasons(&answers));
                }
            }
            opened.extend(combined.keys);
            keys.broken.extend(combined.broken);
            keys.distrust.extend(combined.distrust);
            for (id, said) in answers.withheld {
                if !opened.contains_key(&id) && !keys.broken.contains_key(&id) {
                    keys.withheld.entry(id).or_default().extend(said.into_values());
                }
            }
        }
        // Where nothing at all opens, it isn't one bad writer.
        if opened.is_empty()
            && let Some((compartment, reasons)) = keys.broken.pop_first()
        {
            return Err(OpenError::TooFewShares { compartment, reasons });
        }
        for distrust in &mut keys.distrust {
            let place = usize::try_from(distrust.place).unwrap_or(usize::MAX);
            distrust.org = self.genesis.members.get(place).map(|member| member.org.clone());
        }
        keys.keys = Arc::new(opened);
        Ok(keys)
    }

    /// Whether honest trustees withhold it: more say so than may lie.
    fn is_withheld(&self, answers: &Answers, id: &CompartmentId) -> bool {
        let said = answers.withheld.get(id).map_or(0, BTreeMap::len);
        said > self.genesis.members.len().saturating_sub(1) / 3
    }

    /// Asks the trustees that haven't answered yet. False if there are none left.
    async fn ask_more(&self, asked: &wire::Release, answers: &mut Answers) -> Result<bool, CallError> {
        if answers.asked.len() >= self.genesis.members.len() {
            return Ok(false);
        }
        let except = List::try_from(answers.asked.clone()).unwrap_or_default();
        match self.node.call::<GatherMore>(&More { release: asked.clone(), except }).await {
            Ok(more) => Ok(answers.take(more) > 0),
            Err(error) if error.code() == Some(Code::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Combines what is there.
    async fn combine(
        &self,
        access: TxId,
        session: &Arc<SessionKey>,
        bodies: Vec<CompartmentBody>,
        releases: Vec<(u32, envelope::Release)>,
    ) -> Combined {
        let (mut rng, network, session) = (host::rng(&*self.host), self.network, Arc::clone(session));
        heavy(&*self.host, move || {
            let ids: Vec<CompartmentId> = bodies.iter().map(CompartmentBody::id).collect();
            let mut gathering =
                Gathering::new(network, access, EPOCH, &session, bodies.into_iter().map(Wanted::new));
            let mut combined = Combined::default();
            for (place, release) in releases {
                let index = u16::try_from(place.saturating_add(1)).unwrap_or(u16::MAX);
                let distrust = |why| Distrust { place, org: None, why };
                match gathering.accept(&mut rng, index, &release) {
                    Ok(Gathered { fresh: _, false_shares }) => {
                        let lies =
                            false_shares.into_iter().map(|lie| WhyDistrusted::FalseShare(lie.compartment));
                        combined.distrust.extend(lies.map(distrust));
                    }
                    Err(error) => combined.distrust.push(distrust(WhyDistrusted::Useless(error.to_string()))),
                }
            }
            combined.missing = gathering.missing();
            for id in ids.into_iter().filter(|id| !combined.missing.contains(id)) {
                match gathering.open_key(&id) {
                    Ok(key) => drop(combined.keys.insert(id, key)),
                    Err(error) => drop(combined.broken.insert(id, error.to_string())),
                }
            }
            combined
        })
        .await
    }
}

/// What came of the shares so far.
#[derive(Default)]
struct Combined {
    keys: BTreeMap<CompartmentId, OpenKey>,
    /// Compartments that lack shares.
    missing: Vec<CompartmentId>,
    broken: BTreeMap<CompartmentId, String>,
    distrust: Vec<Distrust>,
}

fn reasons(answers: &Answers) -> String {
    let mut reasons: Vec<String> =
        answers.refused.iter().map(|(place, message)| format!("trustee {place}: {message}")).collect();
    for said in answers.withheld.values() {
        for (place, why) in said {
            reasons.push(format!("trustee {place}: {}", withheld_in_words(*why)));
        }
    }
    reasons.sort();
    reasons.dedup();
    reasons.truncate(8);
    if reasons.is_empty() { "they gave no usable shares".to_owned() } else { reasons.join("; ") }
}

const REASONS: [Withheld; 12] = [
    Withheld::AccessUnknown,
    Withheld::Expired,
    Withheld::OtherSessionKey,
    Withheld::CompartmentUnknown,
    Withheld::OtherChart,
    Withheld::NotCovered,
    Withheld::OpenedLater,
    Withheld::Erased,
    Withheld::Revoked,
    Withheld::Denied,
    Withheld::SessionEnded,
    Withheld::NotOwner,
];

/// A trustee's reason in words.
pub(super) fn withheld_in_words(code: u16) -> String {
    REASONS
        .iter()
        .find(|why| why.code() == code)
        .map_or_else(|| format!("withheld for reason {code}"), ToString::to_string)
}
