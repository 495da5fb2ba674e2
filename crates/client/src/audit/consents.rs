//! This file is where the owner's directives are listed, made and taken back.

use crate::{
    client::Client,
    names::{LABELS_MAX, Names, tags_within},
    open::OpenError,
    proof::ProofError,
    read::{AsOf, Line},
    rpc::CallError,
    submit::SubmitError,
    wire::Final,
};
use fhir::category::Category;
use ledger::{
    Act, Event,
    consent::{
        Action, CONSENT_STALE, Deny, Directive, Effect, Grant, Grantee, Purpose, Revocable, Revoke, Scope,
        sequence,
    },
};
use primitives::{ChartId, List, Millis, PrincipalId, TxId};
use std::collections::BTreeMap;

/// How often a change is made again that others overtook.
const TRIES: u32 = 4;

/// A directive, as the log tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// The directive.
    pub directive: Directive,
    /// Who signed it.
    pub by: PrincipalId,
    /// The block in which it came into force.
    pub made: AsOf,
    /// The block in which it was taken back.
    pub revoked: Option<AsOf>,
    /// Whether it is in force as of the newest block.
    pub live: bool,
    /// Names of its categories, as far as they can be told.
    pub categories: Vec<String>,
}

/// What a directive speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// What isn't in a more sensitive category.
    General,
    /// Everything.
    All,
    /// These categories; of several labels also what has any combination of them.
    Categories(Vec<Category>),
}

/// A directive to be made.
#[derive(Clone, Debug)]
pub struct GrantTerms {
    /// The chart.
    pub chart: ChartId,
    /// Whether it permits or denies.
    pub effect: Effect,
    /// To whom it speaks.
    pub grantee: Grantee,
    /// Reading or writing.
    pub action: Action,
    /// For which purposes.
    pub purposes: Vec<Purpose>,
    /// What of.
    pub what: What,
    /// From when on; none for now.
    pub from: Option<Millis>,
    /// Until when; none for ever.
    pub until: Option<Millis>,
}

/// Why a directive isn't made or taken back.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// Too many labels.
    #[error("a directive names at most {LABELS_MAX} categories; make several")]
    TooManyCategories,
    /// Too many purposes.
    #[error("a directive names at most {max} purposes; make several", max = ledger::consent::PURPOSES_MAX)]
    TooManyPurposes,
    /// The ledger.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The chart's index, which categories are named by.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Client {
    /// All directives that the chart ever had, the oldest first, and the block as of which none is left out.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn consents(&self, chart: ChartId) -> Result<(Vec<Consent>, AsOf), ProofError> {
        let log = self.prove_log(chart).await?;
        let names = self
            .chart_note(&chart)
            .await
            .ok()
            .flatten()
            .map(|note| Names::of(&note.tag_key))
            .unwrap_or_default();
        Ok((consents(&log.lines, log.as_of, &names), log.as_of))
    }

    /// Makes a directive.
    ///
    /// # Errors
    /// [`ConsentError`].
    pub async fn direct(&self, terms: &GrantTerms) -> Result<Final, ConsentError> {
        let scope = self.scope(terms).await?;
        let purposes: List<Purpose, { ledger::consent::PURPOSES_MAX }> =
            List::try_from(terms.purposes.clone()).map_err(|_| ConsentError::TooManyPurposes)?;
        self.changing(terms.chart, |sequence| {
            let GrantTerms { chart, effect, grantee, action, purposes: _, what: _, from, until } =
                terms.clone();
            // The block's time may lie a little behind this clock; a directive for now must hold at once.
            let from = from.unwrap_or(Millis(0));
            let until = until.unwrap_or(Millis::MAX);
            let (purposes, scope) = (purposes.clone(), scope.clone());
            match effect {
                Effect::Permit => {
                    Grant { chart, sequence, grantee, action, purposes, scope, from, until, residual: None }
                        .into()
                }
                Effect::Deny => {
                    Deny { chart, sequence, grantee, action, purposes, scope, from, until }.into()
                }
            }
        })
        .await
    }

    /// Takes back all that a grantee was permitted.
    ///
    /// # Errors
    /// [`ConsentError`].
    pub async fn revoke_from(&self, chart: ChartId, grantee: &Grantee) -> Result<Final, ConsentError> {
        self.changing(chart, |sequence| {
            let grantee = grantee.clone();
            Revoke { chart, target: Revocable::Grantee { grantee, sequence } }.into()
        })
        .await
    }

    /// Takes back one directive.
    ///
    /// # Errors
    /// [`ConsentError`].
    pub async fn revoke(&self, chart: ChartId, directive: TxId) -> Result<Final, ConsentError> {
        Ok(self.act(Revoke { chart, target: Revocable::Directive(directive) }).await?)
    }

    /// Makes a change that names how often the chart's directives changed before; again if another came first.
    async fn changing(&self, chart: ChartId, act: impl Fn(u64) -> Act) -> Result<Final, ConsentError> {
        let mut tries = 1;
        loop {
            let (sequence, _) = self.view(|state| sequence(state, &chart)).await?;
            match self.act(act(sequence)).await {
                Err(error) if tries < TRIES && error.reject() == Some(CONSENT_STALE) => tries += 1,
                done => return Ok(done?),
            }
        }
    }

    async fn scope(&self, terms: &GrantTerms) -> Result<Scope, ConsentError> {
        let categories = match &terms.what {
            What::General => return Ok(Scope::General),
            What::All => return Ok(Scope::All),
            What::Categories(categories) => categories,
        };
        let labels: std::collections::BTreeSet<&str> = categories.iter().flat_map(Category::labels).collect();
        if labels.len() > LABELS_MAX {
            return Err(ConsentError::TooManyCategories);
        }
        let key = self.categories_key(terms.chart).await?;
        let tags: Vec<_> = tags_within(&key, categories).into_iter().collect();
        Ok(Scope::Tags(List::try_from(tags).map_err(|_| ConsentError::TooManyCategories)?))
    }
}

/// The directives that a log tells of.
pub(crate) fn consents(lines: &[Line], as_of: AsOf, names: &Names) -> Vec<Consent> {
    let mut all: Vec<Consent> = Vec::new();
    let mut places: BTreeMap<TxId, usize> = BTreeMap::new();
    for Line { logged, event } in lines {
        let at = AsOf { height: logged.height, time: logged.time };
        match event {
            Some(Event::Granted(granted)) => {
                places.insert(granted.directive.id, all.len());
                all.push(consent(&granted.directive, granted.by, at, names));
            }
            Some(Event::Denied(denied)) => {
                places.insert(denied.directive.id, all.len());
                all.push(consent(&denied.directive, denied.by, at, names));
            }
            Some(Event::Revoked(revoked)) => {
                for id in revoked.directives.iter() {
                    if let Some(consent) = places.get(id).and_then(|at| all.get_mut(*at)) {
                        consent.revoked = consent.revoked.or(Some(at));
                    }
                }
            }
            Some(_) | None => {}
        }
    }
    for consent in &mut all {
        let Directive { from, until, .. } = consent.directive;
        consent.live = consent.revoked.is_none() && from <= as_of.time && as_of.time < until;
    }
    all
}

fn consent(directive: &Directive, by: PrincipalId, made: AsOf, names: &Names) -> Consent {
    let categories = match &directive.scope {
        Scope::General => vec![fhir::category::GENERAL.to_owned()],
        Scope::All => vec!["all".to_owned()],
        Scope::Tags(tags) => tags
            .iter()
            .map(|tag| names.get(tag).map_or_else(|| format!("tag {tag}"), str::to_owned))
            .collect(),
    };
    Consent { directive: directive.clone(), by, made, revoked: None, live: false, categories }
}
