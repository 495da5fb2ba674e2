//! This file is where a batch is carried out entry by entry, and a transaction as a whole or not at all.
//!
//! Source: FHIR R4 http.html#transaction.

use super::{
    answer::{Answer, refused_entry},
    bundles::Bundle as Written,
    change::Change,
    gateway::Gateway,
    interaction::{Instance, Interaction},
    negotiate::Return,
    refusals::{invalid, no_resource, precondition, several, unprocessable},
    request::{Preconditions, Request, pairs},
};
use crate::{
    http::{IssueCode, Refusal},
    smart,
    working::{Place, Stored},
};
use axum::http::StatusCode;
use fhir::{
    Bundle, BundleType, Entry, Limits,
    references::{LinkKind, links},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use std::collections::{BTreeMap, BTreeSet};

/// Entries of a batch in work at once.
const AT_ONCE: usize = 8;

/// References looked up at most in one transaction: conditional ones, and those to what came in earlier.
const CONDITIONAL_MAX: usize = 1000;

/// What an entry of a transaction comes to.
enum Outcome {
    /// A change, by its place among the changes.
    Change(usize, StatusCode),
    /// Nothing to be done: the condition found this, or there was nothing to delete.
    Nothing(Answer),
    /// To be read once all is written.
    Read(Box<Request>),
}

impl Gateway {
    /// Carries out a batch or transaction.
    pub(crate) async fn bundle(&self, request: &Request) -> Result<Answer, Refusal> {
        let bundle = fhir::bundle::read(&request.body[..], &self.bundle_limits()).map_err(|error| {
            let code = match error {
                fhir::ReadError::TooManyEntries { .. } => IssueCode::TooCostly,
                _ => IssueCode::Structure,
            };
            Refusal::new(StatusCode::BAD_REQUEST, code, error.to_string())
        })?;
        match bundle.kind() {
            BundleType::Batch => self.batch(request, &bundle).await,
            BundleType::Transaction => self.transaction(request, &bundle).await,
            _ => Err(invalid("only a Bundle of type `batch` or `transaction` can be posted here")),
        }
    }

    async fn batch(&self, request: &Request, bundle: &Bundle) -> Result<Answer, Refusal> {
        let asked: Vec<Result<Request, Refusal>> =
            bundle.entries().map(|entry| of_entry(request, &entry)).collect();
        let base = &self.base;
        let mut entries: Vec<(usize, Vec<u8>)> = stream::iter(asked.into_iter().enumerate())
            .map(|(at, asked)| async move {
                let answered = match asked {
                    Ok(asked) => self.perform_boxed(asked).await,
                    Err(refusal) => Err(refusal),
                };
                let entry = match answered {
                    Ok(answer) => {
                        let place = answer.location.as_deref().and_then(|at| at.split("/_history/").next());
                        let full_url = place.map(|place| format!("{base}/{place}"));
                        answer.into_entry(full_url.as_deref())
                    }
                    Err(refusal) => refused_entry(&refusal),
                };
                (at, entry)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        entries.sort_by_key(|(at, _)| *at);
        let mut answer = Written::new("batch-response");
        for (_, entry) in &entries {
            answer.raw(entry);
        }
        Ok(Answer::of(answer.into_bytes()))
    }

    /// An entry of a batch is a request like any other; boxed, since one may hold the other.
    fn perform_boxed(&self, request: Request) -> BoxFuture<'_, Result<Answer, Refusal>> {
        async move {
            if request.interaction == Interaction::Bundle {
                return Err(invalid("a batch can't hold another one"));
            }
            self.perform(&request).await
        }
        .boxed()
    }

    async fn transaction(&self, request: &Request, bundle: &Bundle) -> Result<Answer, Refusal> {
        let entries: Vec<Entry<'_>> = bundle.entries().collect();
        let mut changes: Vec<Change> = Vec::new();
        let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let mut places: BTreeSet<Place> = BTreeSet::new();
        let mut patched: BTreeMap<usize, usize> = BTreeMap::new();
        // Source: FHIR R4 http.html#trules: DELETE, POST, PUT and PATCH, GET and HEAD.
        let rank = |entry: &Entry<'_>| match entry.request.as_ref().map(|request| &*request.method) {
            Some("DELETE") => 0,
            Some("POST") => 1,
            Some("PUT" | "PATCH") => 2,
            _ => 3,
        };
        let mut order: Vec<&Entry<'_>> = entries.iter().collect();
        order.sort_by_key(|entry| rank(entry));
        for entry in order {
            let asked = of_entry(request, entry).map_err(|refusal| at_entry(refusal, entry.index))?;
            let outcome = self
                .of_transaction(asked, entry, &mut changes)
                .await
                .map_err(|refusal| at_entry(refusal, entry.index))?;
            let place = match &outcome {
                Outcome::Change(at, _) => changes.get(*at).map(|change| change.place.clone()),
                Outcome::Nothing(answer) => answer
                    .location
                    .as_deref()
                    .and_then(|location| location.split("/_history/").next()?.split_once('/'))
                    .and_then(|(kind, id)| Some(Place { kind: fhir::types::r4(kind)?, id: id.to_owned() })),
                Outcome::Read(_) => None,
            };
            if let Some(place) = place {
                if matches!(outcome, Outcome::Change(..)) && !places.insert(place.clone()) {
                    return Err(at_entry(invalid("two entries change the same resource"), entry.index));
                }
                if let Some(full_url) = &entry.full_url {
                    known.insert(full_url.to_string(), place.to_string());
                }
            }
            if let Outcome::Change(at, _) = outcome
                && matches!(&entry.request, Some(request) if request.method == "PATCH")
            {
                patched.insert(entry.index, at);
            }
            outcomes.insert(entry.index, outcome);
        }
        // Whose a resource is, and what it refers to, is told by what it is after the patch.
        let after;
        let bundle = if patched.is_empty() {
            bundle
        } else {
            after = self.after_patches(&entries, &patched, &changes)?;
            &after
        };
        known.extend(places.iter().map(|place| (place.to_string(), place.to_string())));
        let resolved = self.links(request, Some(bundle), &known).await?;
        let stored = if changes.is_empty() {
            Vec::new()
        } else {
            self.commit(request, Some(bundle), &changes, &resolved).await?
        };
        let mut answer = Written::new("transaction-response");
        for (at, outcome) in outcomes {
            let entry = self.answered(outcome, &stored).await.map_err(|refusal| at_entry(refusal, at))?;
            answer.raw(&entry);
        }
        Ok(Answer::of(answer.into_bytes()))
    }

    /// The transaction as it is once its patches have become whole resources.
    fn after_patches(
        &self,
        entries: &[Entry<'_>],
        patched: &BTreeMap<usize, usize>,
        changes: &[Change],
    ) -> Result<Bundle, Refusal> {
        let mut bytes = br#"{"resourceType":"Bundle","type":"transaction","entry":["#.to_vec();
        for entry in entries {
            if entry.index > 0 {
                bytes.push(b',');
            }
            let mut about = serde_json::Map::new();
            if let Some(request) = &entry.request {
                let request = serde_json::json!({ "method": request.method, "url": request.url });
                about.insert("request".to_owned(), request);
            }
            if let Some(full_url) = &entry.full_url {
                about.insert("fullUrl".to_owned(), full_url.as_ref().into());
            }
            let about = serde_json::Value::from(about).to_string();
            bytes.extend_from_slice(about.strip_suffix('}').unwrap_or(&about).as_bytes());
            let of_patch = patched.get(&entry.index).and_then(|at| changes.get(*at));
            let resource = match (of_patch, &entry.resource) {
                (Some(change), _) => Some(&change.bytes[..]),
                (None, Some(resource)) => Some(resource.bytes()),
                (None, None) => None,
            };
            if let Some(resource) = resource {
                // An entry of a transaction has a request, so that something stands before the comma.
                bytes.extend_from_slice(b",\"resource\":");
                bytes.extend_from_slice(resource);
            }
            bytes.push(b'}');
        }
        bytes.extend_from_slice(b"]}");
        fhir::bundle::read(&bytes[..], &self.bundle_limits()).map_err(|_| {
            unprocessable("with its patches the transaction is larger than it may be; send less at once")
        })
    }

    fn bundle_limits(&self) -> Limits {
        Limits {
            entries_max: self.settings.entries_max,
            resource_bytes_max: client::RESOURCE_BYTES_MAX,
            ..Limits::default()
        }
    }

    async fn answered(&self, outcome: Outcome, stored: &[Stored]) -> Result<Vec<u8>, Refusal> {
        Ok(match outcome {
            Outcome::Change(at, status) => {
                let Some(stored) = stored.get(at) else { return Err(Refusal::fault()) };
                let location = format!("{}/_history/{}", stored.place, stored.version);
                let full_url = format!("{}/{}", self.base, stored.place);
                let mut answer =
                    Answer { location: Some(location), ..Answer::stored(status, stored.clone()) };
                // What was sent needn't be sent back; a GET in the same transaction gets it.
                answer.body = None;
                if stored.deleted {
                    answer.location = None;
                    answer.into_entry(None)
                } else {
                    answer.into_entry(Some(&full_url))
                }
            }
            Outcome::Nothing(answer) => answer.into_entry(None),
            Outcome::Read(asked) => match self.perform_boxed(*asked).await {
                Ok(answer) => answer.into_entry(None),
                // All was written already: what can't be read is told in its place.
                Err(refusal) => refused_entry(&refusal),
            },
        })
    }

    /// What one entry of a transaction wants to be done.
    async fn of_transaction(
        &self,
        asked: Request,
        entry: &Entry<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<Outcome, Refusal> {
        let full_url = entry.full_url.as_ref().map(ToString::to_string);
        let (kind, method, url) = match (&asked.interaction, &entry.request) {
            (Interaction::Create(kind), Some(request)) => (*kind, "POST", request.url.to_string()),
            (Interaction::Update(of), Some(request)) => (of.kind, "PUT", request.url.to_string()),
            (Interaction::UpdateWhere(kind), Some(request)) => (*kind, "PUT", request.url.to_string()),
            (Interaction::Delete(of), _) => {
                return Ok(match self.deleting(&asked, of).await? {
                    Some(change) => pushed(changes, change, StatusCode::NO_CONTENT),
                    None => nothing(),
                });
            }
            (Interaction::DeleteWhere(kind), _) => {
                asked.allowed(kind, smart::Interaction::Search)?;
                let Some(found) = self.the_one(&asked, kind, &asked.query).await? else {
                    return Ok(nothing());
                };
                let of = Instance { kind, id: found.place.id };
                return Ok(match self.deleting(&asked, &of).await? {
                    Some(change) => pushed(changes, change, StatusCode::NO_CONTENT),
                    None => nothing(),
                });
            }
            (Interaction::Bundle, _) => return Err(invalid("a transaction can't hold another one")),
            (Interaction::Patch(of), _) => {
                let change = self.patching(&asked, of, entry.index).await?;
                return Ok(pushed(changes, Change { full_url, ..change }, StatusCode::OK));
            }
            (Interaction::PatchWhere(kind), _) => {
                asked.allowed(kind, smart::Interaction::Search)?;
                let found = self.the_one(&asked, kind, &asked.query).await?.ok_or_else(no_resource)?;
                let of = Instance { kind, id: found.place.id };
                let change = self.patching(&asked, &of, entry.index).await?;
                return Ok(pushed(changes, Change { full_url, ..change }, StatusCode::OK));
            }
            (_, _) => return Ok(Outcome::Read(Box::new(asked))),
        };
        let Some(resource) = &entry.resource else { return Err(invalid("the entry has no resource")) };
        if resource.kind != kind {
            return Err(invalid("the resource's type isn't the one of the entry's url"));
        }
        self.validate(resource.value)?;
        let bytes = resource.bytes().to_vec();
        let place_of = match &asked.interaction {
            Interaction::Create(_) => {
                let filters = asked.allowed(kind, smart::Interaction::Create)?;
                self.fits(kind, &bytes, &filters)?;
                if let Some(condition) = &asked.conditions.if_none_exist {
                    asked.allowed(kind, smart::Interaction::Search)?;
                    if let Some(found) = self.the_one(&asked, kind, &pairs(condition)).await? {
                        return Ok(Outcome::Nothing(Answer {
                            version: Some(found.version),
                            modified: Some(found.updated),
                            location: Some(format!("{}/_history/{}", found.place, found.version)),
                            ..Answer::default()
                        }));
                    }
                }
                None
            }
            Interaction::UpdateWhere(_) => {
                asked.allowed(kind, smart::Interaction::Search)?;
                match (self.the_one(&asked, kind, &asked.query).await?, &resource.id) {
                    (Some(found), Some(id)) if found.place.id != **id => {
                        return Err(invalid("the body's `id` isn't the one that the condition finds"));
                    }
                    (Some(found), _) => Some(Instance { kind, id: found.place.id }),
                    (None, Some(id)) => Some(Instance { kind, id: super::interaction::logical_id(id)? }),
                    (None, None) => None,
                }
            }
            Interaction::Update(of) => match &resource.id {
                Some(id) if **id == *of.id => Some(of.clone()),
                _ => return Err(invalid("an update's resource needs the `id` of its url")),
            },
            _ => None,
        };
        let (change, status) = match place_of {
            Some(of) => {
                let filters = asked.allowed(kind, smart::Interaction::Update)?;
                self.fits(kind, &bytes, &filters)?;
                let replacing = self.replacing(&asked, &of, bytes, entry.index).await?;
                self.fits_now(&asked, &of, &filters)?;
                replacing
            }
            None => {
                let change = Change {
                    entry: Some(entry.index),
                    place: Place { kind, id: self.fresh_id() },
                    version: 1,
                    bytes,
                    full_url: None,
                    request: (String::new(), String::new()),
                    lies: None,
                    matched: false,
                };
                (change, StatusCode::CREATED)
            }
        };
        let change = Change { full_url, request: (method.to_owned(), url), ..change };
        Ok(pushed(changes, change, status))
    }

    /// What the references of a bundle's resources become: those to its own entries and conditional ones.
    ///
    /// # Errors
    /// 400 for a `urn:` that is no entry, 412 for a condition that finds none or several, 422 for a reference to what
    /// isn't here, if that is checked.
    pub(crate) async fn links(
        &self,
        request: &Request,
        bundle: Option<&Bundle>,
        known: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut resolved = known.clone();
        let Some(bundle) = bundle else { return Ok(resolved) };
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut conditional = 0_usize;
        for entry in bundle.entries() {
            let Some(resource) = &entry.resource else { continue };
            // What is in a Bundle that is kept as such refers to its own entries. Source: FHIR R4 bundle.html#references.
            if resource.kind == "Bundle" {
                continue;
            }
            for link in links(resource.value) {
                if resolved.contains_key(&*link.text) || !seen.insert(link.text.to_string()) {
                    continue;
                }
                if link.kind != LinkKind::Reference || link.text.starts_with('#') {
                    continue;
                }
                let found = self.link(request, &link.text, &mut conditional).await;
                if let Some(place) = found.map_err(|refusal| at_entry(refusal, entry.index))? {
                    resolved.insert(link.text.to_string(), place);
                }
            }
        }
        Ok(resolved)
    }

    async fn link(
        &self,
        request: &Request,
        text: &str,
        conditional: &mut usize,
    ) -> Result<Option<String>, Refusal> {
        let check = self.settings.check_references;
        if text.starts_with("urn:uuid:") || text.starts_with("urn:oid:") {
            *conditional += 1;
            if *conditional > CONDITIONAL_MAX {
                return Err(too_many_conditions());
            }
            let mut found = self.named(&request.asking, text).await?.into_iter();
            return match (found.next(), found.next()) {
                (Some(place), None) => Ok(Some(place.to_string())),
                (Some(_), Some(_)) if check => Err(several()),
                (None, _) if check => Err(invalid(
                    "a `urn:` reference means no entry of this Bundle, nor one of an earlier one",
                )),
                (_, _) => Ok(None),
            };
        }
        if let Some((kind, query)) = text.split_once('?') {
            let Some(kind) = fhir::types::r4(kind) else { return Ok(None) };
            *conditional += 1;
            if *conditional > CONDITIONAL_MAX {
                return Err(too_many_conditions());
            }
            request.allowed(kind, smart::Interaction::Search)?;
            return match self.the_one(request, kind, &pairs(query)).await? {
                Some(found) => Ok(Some(found.place.to_string())),
                None if check => Err(precondition("a conditional reference finds nothing")),
                None => Ok(None),
            };
        }
        if !check {
            return Ok(None);
        }
        let Some((kind, id)) = text.split_once('/') else { return Ok(None) };
        let Some(kind) = fhir::types::r4(kind) else { return Ok(None) };
        let id = id.split('/').next().unwrap_or(id);
        let place = Place { kind, id: id.to_owned() };
        if self.chart_referred_to(&request.asking, &place).await?.is_some() {
            Ok(None)
        } else {
            Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                IssueCode::NotFound,
                "a reference leads to a resource that isn't here",
            ))
        }
    }
}

fn pushed(changes: &mut Vec<Change>, change: Change, status: StatusCode) -> Outcome {
    changes.push(change);
    Outcome::Change(changes.len() - 1, status)
}

fn too_many_conditions() -> Refusal {
    let said =
        format!("more than {CONDITIONAL_MAX} references are to be searched for; split the transaction");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, IssueCode::TooCostly, said)
}

fn nothing() -> Outcome {
    Outcome::Nothing(Answer { status: StatusCode::NO_CONTENT, ..Answer::default() })
}

/// Says in which entry something is wrong.
fn at_entry(mut refusal: Refusal, entry: usize) -> Refusal {
    for issue in &mut refusal.issues {
        issue.expression.push(format!("Bundle.entry[{entry}]"));
    }
    refusal
}

/// What an entry asks for.
fn of_entry(request: &Request, entry: &Entry<'_>) -> Result<Request, Refusal> {
    let Some(asked) = &entry.request else { return Err(invalid("the entry has no `request`")) };
    let url = asked.url.trim_start_matches('/');
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let interaction = Interaction::of(&asked.method, path)?;
    let body = entry.resource.as_ref().map(|resource| resource.bytes().to_vec()).unwrap_or_default();
    let (body, is_json_patch) = match (&interaction, &entry.resource) {
        (Interaction::Patch(_) | Interaction::PatchWhere(_), Some(resource)) => {
            (json_patch_of(resource)?, true)
        }
        _ => (body, false),
    };
    let mut wishes = request.wishes.clone();
    if matches!(interaction, Interaction::Create(_) | Interaction::Update(_) | Interaction::UpdateWhere(_)) {
        wishes.returns = match wishes.returns {
            Return::Representation | Return::Minimal => Return::Minimal,
            Return::OperationOutcome => Return::OperationOutcome,
        };
    }
    Ok(Request {
        asking: request.asking.clone(),
        scopes: request.scopes.clone(),
        wishes,
        interaction,
        began: request.began,
        query: pairs(query),
        conditions: Preconditions {
            if_match: asked.if_match.as_deref().map(super::answer::version_of),
            if_none_exist: asked
                .if_none_exist
                .as_deref()
                .map(|query| query.rsplit('?').next().unwrap_or(query).to_owned()),
            ..Preconditions::default()
        },
        body,
        is_json_patch,
    })
}

/// The JSON Patch in a Binary. Source: FHIR R4 http.html#patch.
fn json_patch_of(resource: &fhir::Resource<'_>) -> Result<Vec<u8>, Refusal> {
    use base64::Engine as _;
    let text = |key: &str| resource.value.get(key).and_then(fhir::json::Value::text);
    let is_patch = resource.kind == "Binary"
        && text("contentType").is_some_and(|found| found.starts_with("application/json-patch+json"));
    if !is_patch {
        return Err(invalid("a patch in a batch is a Binary of `application/json-patch+json`"));
    }
    let data = text("data").unwrap_or_default();
    base64::engine::general_purpose::STANDARD
        .decode(data.as_bytes())
        .map_err(|_| invalid("the Binary's `data` isn't base64"))
}
