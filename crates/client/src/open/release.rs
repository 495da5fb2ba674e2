//! This file is where keys come from the trustees: their releases gathered, every share checked against what the
//! compartment's id commits to, those who lie or withhold named, others asked.

use super::{OpenError, visit::Fetched};
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
pub(crate) struct Keys {
    pub(crate) keys: Arc<BTreeMap<CompartmentId, OpenKey>>,
    pub(crate) withheld: BTreeMap<CompartmentId, BTreeSet<u16>>,
    pub(crate) distrust: Vec<Distrust>,
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
    /// Gathers the keys of `wanted` for one access.
    pub(super) async fn gather(
        &self,
        access: TxId,
        session: &Arc<SessionKey>,
        wanted: &[CompartmentId],
        fetched: &Fetched,
    ) -> Result<Keys, OpenError> {
        let mut all_keys = BTreeMap::new();
        let mut all = Keys { keys: Arc::default(), withheld: BTreeMap::new(), distrust: Vec::new() };
        for wanted in wanted.chunks(AT_ONCE) {
            let bodies: Vec<CompartmentBody> = wanted.iter().filter_map(|id| fetched.body(id)).collect();
            let asked = wire::Release {
                access,
                session_key: session.public().as_bytes().to_vec(),
                compartments: List::try_from(bodies.iter().map(CompartmentBody::id).collect::<Vec<_>>())
                    .unwrap_or_default(),
            };
            if asked.compartments.is_empty() {
                continue;
            }
            let mut answers = Answers::default();
            answers.take(self.node.call::<GatherShares>(&asked).await?);
            loop {
                let opened = self.combine(access, session, bodies.clone(), answers.releases.clone()).await;
                let (keys, missing, distrust) = opened?;
                let missing: Vec<CompartmentId> =
                    missing.into_iter().filter(|id| !is_withheld(&answers, id)).collect();
                // Shares are missing although nobody refuses them: a trustee lied, or answered for nothing.
                if !missing.is_empty() && self.ask_more(&asked, &mut answers).await? {
                    continue;
                }
                if let Some(compartment) = missing.first() {
                    return Err(OpenError::TooFewShares {
                        compartment: *compartment,
                        reasons: reasons(&answers),
                    });
                }
                all_keys.extend(keys);
                all.distrust.extend(distrust);
                break;
            }
            for (id, said) in answers.withheld {
                if !all_keys.contains_key(&id) {
                    all.withheld.entry(id).or_default().extend(said.into_values());
                }
            }
        }
        for distrust in &mut all.distrust {
            let place = usize::try_from(distrust.place).unwrap_or(usize::MAX);
            distrust.org = self.genesis.members.get(place).map(|member| member.org.clone());
        }
        all.keys = Arc::new(all_keys);
        Ok(all)
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

    /// Combines what is there: keys, compartments that lack shares, and who lied.
    async fn combine(
        &self,
        access: TxId,
        session: &Arc<SessionKey>,
        bodies: Vec<CompartmentBody>,
        releases: Vec<(u32, envelope::Release)>,
    ) -> Result<Combined, OpenError> {
        let (mut rng, network, session) = (host::rng(&*self.host), self.network, Arc::clone(session));
        heavy(&*self.host, move || {
            let ids: Vec<CompartmentId> = bodies.iter().map(CompartmentBody::id).collect();
            let mut gathering =
                Gathering::new(network, access, EPOCH, &session, bodies.into_iter().map(Wanted::new));
            let mut distrust = Vec::new();
            for (place, release) in releases {
                let index = u16::try_from(place.saturating_add(1)).unwrap_or(u16::MAX);
                let org = None;
                match gathering.accept(&mut rng, index, &release) {
                    Ok(Gathered { fresh: _, false_shares }) => {
                        distrust.extend(false_shares.into_iter().map(|lie| Distrust {
                            place,
                            org: org.clone(),
                            why: WhyDistrusted::FalseShare(lie.compartment),
                        }))
                    }
                    Err(error) => {
                        distrust.push(Distrust {
                            place,
                            org,
                            why: WhyDistrusted::Useless(error.to_string()),
                        });
                    }
                }
            }
            let missing = gathering.missing();
            let mut keys = BTreeMap::new();
            for id in ids.into_iter().filter(|id| !missing.contains(id)) {
                let key =
                    gathering.open_key(&id).map_err(|source| OpenError::Key { compartment: id, source })?;
                keys.insert(id, key);
            }
            Ok((keys, missing, distrust))
        })
        .await
    }
}

type Combined = (BTreeMap<CompartmentId, OpenKey>, Vec<CompartmentId>, Vec<Distrust>);

/// Whether honest trustees withhold it: more than may lie say so, or all that were asked.
fn is_withheld(answers: &Answers, id: &CompartmentId) -> bool {
    let said = answers.withheld.get(id).map_or(0, BTreeMap::len);
    let lying_max = answers.asked.len().saturating_sub(1) / 3;
    said > lying_max
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
