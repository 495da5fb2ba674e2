//! This file is where single resources are created, updated, patched and deleted, by id or by condition.

use super::{
    answer::Answer,
    change::{Change, lies},
    gateway::{Gateway, told},
    interaction::Instance,
    refusals::{conflict, gone, invalid, no_resource, precondition, suppressed, unprocessable},
    request::{Request, pairs},
};
use crate::{
    http::{Issue, IssueCode, Refusal, Severity},
    smart::{Filter, Interaction},
    visit::is_foreign_id,
    working::{Found, Held, Place, Stored},
};
use axum::http::StatusCode;
use conformance::validate;
use fhir::{Bundle, Limits, json::Document};
use std::collections::BTreeMap;

/// What is there under an id, for whoever wants to write there.
pub(super) enum There {
    Nothing,
    /// Deleted, with this version.
    Gone(Stored),
    Current(Stored),
}

impl Gateway {
    /// Reads the body as one resource of this type and validates it.
    ///
    /// # Errors
    /// 400 if it can't be read, 422 if it isn't valid.
    pub(crate) fn resource(&self, kind: &str, bytes: &[u8]) -> Result<Bundle, Refusal> {
        let limits = Limits { resource_bytes_max: client::RESOURCE_BYTES_MAX, ..Limits::default() };
        let document = Document::read(bytes, &limits).map_err(|error| {
            Refusal::new(StatusCode::BAD_REQUEST, IssueCode::Structure, error.to_string())
        })?;
        let wrapped;
        let bytes = if kind == "Bundle" {
            // It is kept as one resource: what is in it are no entries of this request.
            let (head, tail) =
                (br#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":"#, b"}]}");
            wrapped = [&head[..], bytes, tail].concat();
            &wrapped[..]
        } else {
            bytes
        };
        let bundle = fhir::bundle::read(bytes, &limits).map_err(|error| {
            Refusal::new(StatusCode::BAD_REQUEST, IssueCode::Structure, error.to_string())
        })?;
        if !document.root().get("resourceType").is_some_and(|found| found.is(kind)) {
            return Err(invalid("the body's `resourceType` isn't the one of the URL"));
        }
        self.validate(document.root())?;
        Ok(bundle)
    }

    /// Refuses what isn't valid.
    ///
    /// # Errors
    /// 422 with every issue.
    pub(crate) fn validate(&self, resource: fhir::json::Value<'_>) -> Result<(), Refusal> {
        let options = if self.settings.invariants {
            validate::Options::default()
        } else {
            validate::Options::structure_only()
        };
        let issues = validate::check(resource, &options);
        // What took too long to check hasn't been checked.
        let bad = |issue: &&validate::Issue| issue.refuses() || issue.code.code() == "too-costly";
        if !issues.iter().any(|issue| bad(&issue)) {
            return Ok(());
        }
        let issues = issues.iter().filter(bad).map(|issue| Issue {
            severity: Severity::Error,
            code: issue_code(issue.code.code()),
            diagnostics: issue.diagnostics.clone(),
            expression: vec![issue.expression.clone()],
        });
        Err(Refusal {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            issues: issues.collect(),
            headers: Vec::new(),
        })
    }

    /// Creates a resource under a fresh id, unless the condition finds one.
    pub(crate) async fn create(&self, request: &Request, kind: &'static str) -> Result<Answer, Refusal> {
        let filters = request.allowed(kind, Interaction::Create)?;
        let bundle = self.resource(kind, &request.body)?;
        if let Some(condition) = &request.conditions.if_none_exist {
            request.allowed(kind, Interaction::Search)?;
            if let Some(found) = self.the_one(request, kind, &pairs(condition)).await? {
                return Ok(Answer::stored(StatusCode::OK, of_found(&found)));
            }
        }
        let change = Change {
            entry: Some(0),
            place: Place { kind, id: self.fresh_id() },
            version: 1,
            bytes: request.body.clone(),
            full_url: None,
            request: ("POST".to_owned(), kind.to_owned()),
            lies: None,
            matched: false,
        };
        self.fits(kind, &request.body, &filters)?;
        self.done(request, Some(&bundle), change, StatusCode::CREATED).await
    }

    /// A fresh logical id: random, 26 characters.
    pub(crate) fn fresh_id(&self) -> String {
        let mut bytes = [0; 16];
        self.host.fill(&mut bytes);
        hex::encode(bytes)
    }

    /// What is there under an id. What is there and hidden is told as such: its writer is this organisation.
    pub(super) async fn there(&self, request: &Request, of: &Instance) -> Result<There, Refusal> {
        self.touch(&request.asking, of).await?;
        let place = Place { kind: of.kind, id: of.id.clone() };
        let sight = self.sight(&request.asking)?;
        match self.set.get(&place, &sight).map_err(told)? {
            Held::Current(stored) => Ok(There::Current(stored)),
            Held::Gone(stored) => Ok(There::Gone(stored)),
            Held::Nothing => match lies(self, &place)? {
                None => Ok(There::Nothing),
                Some(lies) if lies.own => Err(suppressed()),
                // What another organisation wrote and the caller may not see is as if it weren't there.
                Some(_) => Ok(There::Nothing),
            },
        }
    }

    /// The change that replaces what is there by this content.
    pub(super) async fn replacing(
        &self,
        request: &Request,
        of: &Instance,
        bytes: Vec<u8>,
        entry: usize,
    ) -> Result<(Change, StatusCode), Refusal> {
        if is_foreign_id(&of.id) {
            return Err(foreign());
        }
        let there = self.there(request, of).await?;
        let place = Place { kind: of.kind, id: of.id.clone() };
        let (version, status) = match &there {
            There::Nothing => (1, StatusCode::CREATED),
            There::Gone(stored) => (stored.version.saturating_add(1), StatusCode::CREATED),
            There::Current(stored) => (stored.version.saturating_add(1), StatusCode::OK),
        };
        matched(request, &there)?;
        let lies = self.own_place(&place)?;
        if version > 1 && lies.is_none() {
            return Err(foreign());
        }
        let change = Change {
            entry: Some(entry),
            place,
            version,
            bytes,
            full_url: None,
            request: ("PUT".to_owned(), of.to_string()),
            lies,
            matched: request.conditions.if_match.is_some(),
        };
        Ok((change, status))
    }

    /// Chart and category of what this organisation wrote there.
    pub(super) fn own_place(&self, place: &Place) -> Result<Option<(primitives::ChartId, String)>, Refusal> {
        let lies = lies(self, place)?.filter(|lies| lies.own);
        Ok(lies.map(|lies| (lies.chart, lies.category)))
    }

    /// Updates a resource, or creates it under the client's id.
    pub(crate) async fn update(&self, request: &Request, of: &Instance) -> Result<Answer, Refusal> {
        let filters = request.allowed(of.kind, Interaction::Update)?;
        let bundle = self.resource(of.kind, &request.body)?;
        same_id(&bundle, Some(&of.id))?;
        let (change, status) = self.replacing(request, of, request.body.clone(), 0).await?;
        self.fits(of.kind, &request.body, &filters)?;
        self.fits_now(request, of, &filters)?;
        self.done(request, Some(&bundle), change, status).await
    }

    /// Updates the one resource that a condition finds, or creates one.
    pub(crate) async fn update_where(
        &self,
        request: &Request,
        kind: &'static str,
    ) -> Result<Answer, Refusal> {
        request.allowed(kind, Interaction::Search)?;
        let bundle = self.resource(kind, &request.body)?;
        match self.the_one(request, kind, &request.query).await? {
            Some(found) => {
                same_id(&bundle, Some(&found.place.id))?;
                self.update(request, &Instance { kind, id: found.place.id }).await
            }
            None => {
                match bundle.entries().next().and_then(|entry| entry.resource?.id.map(|id| id.into_owned())) {
                    // Source: FHIR R4 http.html#cond-update: no match, id provided.
                    Some(id) => self.update(request, &Instance { kind, id }).await,
                    None => {
                        let plain = Request { conditions: Default::default(), ..request.clone() };
                        self.create(&plain, kind).await
                    }
                }
            }
        }
    }

    /// Patches a resource (RFC 6902).
    pub(crate) async fn patch(&self, request: &Request, of: &Instance) -> Result<Answer, Refusal> {
        let change = self.patching(request, of, 0).await?;
        let bundle = self.resource(of.kind, &change.bytes)?;
        self.done(request, Some(&bundle), change, StatusCode::OK).await
    }

    /// The change that a patch comes to: the whole resource as it is then.
    pub(super) async fn patching(
        &self,
        request: &Request,
        of: &Instance,
        entry: usize,
    ) -> Result<Change, Refusal> {
        let filters = request.allowed(of.kind, Interaction::Update)?;
        if !request.is_json_patch {
            return Err(super::refusals::media_type("application/json-patch+json"));
        }
        let current = match self.there(request, of).await? {
            There::Current(stored) => stored,
            There::Gone(_) => return Err(gone()),
            There::Nothing => return Err(no_resource()),
        };
        let patched = patched(&current.bytes, &request.body)?;
        let bundle = self.resource(of.kind, &patched)?;
        same_id(&bundle, Some(&of.id))?;
        self.fits(of.kind, &patched, &filters)?;
        let (change, _) = self.replacing(request, of, patched, entry).await?;
        self.fits_now(request, of, &filters)?;
        // The patch holds for the version that it was applied to.
        Ok(Change {
            matched: true,
            version: current.version.saturating_add(1),
            request: ("PATCH".to_owned(), of.to_string()),
            ..change
        })
    }

    /// Patches the one resource that a condition finds.
    pub(crate) async fn patch_where(&self, request: &Request, kind: &'static str) -> Result<Answer, Refusal> {
        request.allowed(kind, Interaction::Search)?;
        match self.the_one(request, kind, &request.query).await? {
            Some(found) => self.patch(request, &Instance { kind, id: found.place.id }).await,
            None => Err(no_resource()),
        }
    }

    /// The change that deletes what is there; none if nothing is.
    pub(super) async fn deleting(&self, request: &Request, of: &Instance) -> Result<Option<Change>, Refusal> {
        let filters = request.allowed(of.kind, Interaction::Delete)?;
        self.touch(&request.asking, of).await?;
        let place = Place { kind: of.kind, id: of.id.clone() };
        let sight = self.sight(&request.asking)?;
        let stored = match self.set.get(&place, &sight).map_err(told)? {
            Held::Current(stored) if self.passes(&stored, &filters)? => stored,
            // Source: FHIR R4 http.html#delete: deleting what isn't there succeeds too.
            Held::Current(_) | Held::Gone(_) | Held::Nothing => return Ok(None),
        };
        let version = stored.version.saturating_add(1);
        matched(request, &There::Current(stored))?;
        let lies = self.own_place(&place)?.ok_or_else(foreign)?;
        Ok(Some(Change {
            entry: None,
            request: ("DELETE".to_owned(), of.to_string()),
            place,
            version,
            bytes: Vec::new(),
            full_url: None,
            lies: Some(lies),
            matched: request.conditions.if_match.is_some(),
        }))
    }

    /// Deletes a resource; its history stays.
    pub(crate) async fn delete(&self, request: &Request, of: &Instance) -> Result<Answer, Refusal> {
        let nothing = Answer { status: StatusCode::NO_CONTENT, ..Answer::default() };
        let Some(change) = self.deleting(request, of).await? else { return Ok(nothing) };
        let version = change.version;
        self.commit(request, None, &[change], &BTreeMap::new()).await?;
        Ok(Answer { version: Some(version), ..nothing })
    }

    /// Deletes the one resource that a condition finds.
    pub(crate) async fn delete_where(
        &self,
        request: &Request,
        kind: &'static str,
    ) -> Result<Answer, Refusal> {
        request.allowed(kind, Interaction::Search)?;
        match self.the_one(request, kind, &request.query).await? {
            Some(found) => self.delete(request, &Instance { kind, id: found.place.id }).await,
            None => Ok(Answer { status: StatusCode::NO_CONTENT, ..Answer::default() }),
        }
    }

    /// Makes one change final and answers with what it is now.
    async fn done(
        &self,
        request: &Request,
        bundle: Option<&Bundle>,
        change: Change,
        status: StatusCode,
    ) -> Result<Answer, Refusal> {
        let links = self.links(request, bundle, &BTreeMap::new()).await?;
        let stored = self.commit(request, bundle, &[change], &links).await?;
        let Some(stored) = stored.into_iter().next() else { return Err(Refusal::fault()) };
        let location = format!("{}/_history/{}", stored.place, stored.version);
        let answer = Answer { location: Some(location), ..Answer::stored(status, stored) };
        Ok(answer.preferred(&request.wishes))
    }

    /// Refuses content that the token's filters don't let through.
    pub(super) fn fits(&self, kind: &'static str, bytes: &[u8], filters: &[Filter]) -> Result<(), Refusal> {
        let stored = Stored {
            place: Place { kind, id: String::new() },
            version: 1,
            updated: self.now(),
            deleted: false,
            bytes: bytes.to_vec(),
        };
        if self.passes(&stored, filters)? {
            Ok(())
        } else {
            Err(super::refusals::scope("the token's restricted scope doesn't cover this content"))
        }
    }

    /// Refuses to change what the token's filters don't let through.
    pub(super) fn fits_now(
        &self,
        request: &Request,
        of: &Instance,
        filters: &[Filter],
    ) -> Result<(), Refusal> {
        if filters.is_empty() {
            return Ok(());
        }
        match self.current(request, of, &[]) {
            Ok(stored) if !self.passes(&stored, filters)? => {
                Err(super::refusals::scope("the token's restricted scope doesn't cover this resource"))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// A match as what is stored.
pub(super) fn of_found(found: &Found) -> Stored {
    Stored {
        place: found.place.clone(),
        version: found.version,
        updated: found.updated,
        deleted: false,
        bytes: found.bytes.clone(),
    }
}

/// Refuses if what is there isn't the version that the caller means.
pub(super) fn matched(request: &Request, there: &There) -> Result<(), Refusal> {
    if request.conditions.if_none_match_any && matches!(there, There::Current(_)) {
        return Err(precondition("there is such a resource already"));
    }
    let Some(wanted) = request.conditions.if_match else { return Ok(()) };
    match (wanted, there) {
        (Some(version), There::Current(stored)) if stored.version == version => Ok(()),
        (Some(_), There::Current(_)) => {
            Err(precondition("another version is current; read it and try again"))
        }
        (_, _) => Err(precondition("there is no such version")),
    }
}

/// Refuses a body whose id isn't the one of the URL.
pub(super) fn same_id(bundle: &Bundle, id: Option<&str>) -> Result<(), Refusal> {
    let found = bundle.entries().next().and_then(|entry| entry.resource).and_then(|resource| resource.id);
    match (found, id) {
        (Some(found), Some(id)) if found != id => Err(invalid("the body's `id` isn't the one of the URL")),
        (None, Some(_)) => Err(invalid("an update's body needs the `id` of the URL")),
        _ => Ok(()),
    }
}

fn foreign() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        IssueCode::BusinessRule,
        "this id is kept for what another organisation wrote; only its writer may change that",
    )
}

/// A resource after a patch, numbers digit for digit.
fn patched(bytes: &[u8], patch: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| Refusal::fault())?;
    let patch: json_patch::Patch = serde_json::from_slice(patch)
        .map_err(|error| invalid(format!("the body is no JSON Patch: {error}")))?;
    if patch.0.len() > 1000 {
        return Err(invalid("a patch has at most 1000 operations"));
    }
    json_patch::patch(&mut value, &patch).map_err(|error| match error.kind {
        json_patch::PatchErrorKind::TestFailed => conflict(format!("the patch doesn't apply: {error}")),
        _ => unprocessable(format!("the patch doesn't apply: {error}")),
    })?;
    serde_json::to_vec(&value).map_err(|_| Refusal::fault())
}

/// The validator's code among those that the server raises.
pub(super) fn issue_code(code: &str) -> IssueCode {
    match code {
        "required" => IssueCode::Required,
        "value" => IssueCode::Value,
        "invariant" => IssueCode::Invariant,
        "code-invalid" => IssueCode::CodeInvalid,
        "too-long" => IssueCode::TooLong,
        "not-supported" => IssueCode::NotSupported,
        "extension" => IssueCode::Extension,
        "too-costly" => IssueCode::TooCostly,
        _ => IssueCode::Structure,
    }
}
