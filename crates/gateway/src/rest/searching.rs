//! This file is where a search is carried out: charts opened, matches found through the caller's sight, the page written.

use super::{
    answer::Answer,
    bundles::Bundle,
    gateway::{Gateway, told},
    refusals::{invalid, scope},
    request::Request,
    touch::{CHART_SYSTEM, chart_id},
    writing::of_found,
};
use crate::{
    http::{Issue, IssueCode, Refusal, Severity},
    smart::Interaction,
    working::{Cursor, Found, Page, Searched, Sight, Within},
};
use axum::http::StatusCode;
use conformance::search::{
    Condition, Limits, Match, Options, Query, SearchError, Strictness, Summary, System, Test, parameter,
    parse, project,
};
use fhir::json::Document;

impl Gateway {
    /// Reads a search.
    ///
    /// # Errors
    /// 400 with the parameter's name as expression.
    pub(crate) fn query(
        &self,
        kind: Option<&str>,
        pairs: &[(String, String)],
        strict: bool,
    ) -> Result<Query, Refusal> {
        let limits = Limits { count_max: self.settings.page_max, ..Limits::default() };
        let strictness = if strict { Strictness::Strict } else { Strictness::Lenient };
        let now_ms = i64::try_from(self.now().0).unwrap_or(i64::MAX);
        let options = Options { strictness, limits, base: self.base.clone(), now_ms };
        parse(kind, pairs, &options).map_err(|error| refused(&error))
    }

    /// Answers a search with a page of matches.
    pub(crate) async fn search(
        &self,
        request: &Request,
        kind: Option<&'static str>,
    ) -> Result<Answer, Refusal> {
        let pairs = request.parameters();
        let mut query = self.query(kind, &pairs, request.wishes.strict == Some(true))?;
        let within = match kind {
            Some(kind) => self.within(request, kind)?,
            None => self.within_all(request, &mut query)?,
        };
        let named = self.touch_for(request, &query).await?;
        self.audit_for(&request.asking, &query).await?;
        self.by_chart(&mut query)?;
        let sight = self.sight(&request.asking)?;
        let after = self.cursor(request)?.as_deref().map(Cursor::of_text).transpose().map_err(told)?;
        let count = query.count.unwrap_or(self.settings.page);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (page, included, query) = self
            .blocking(move |set| {
                let searched = Searched { query: &query, within: &within, after: after.as_ref(), count };
                let page = set.search(&searched, &sight)?;
                let included = set.include(&query, &page.matches, &sight)?;
                Ok((page, included, query))
            })
            .await?;
        if named.is_missing(page.matches.len()) {
            self.as_if_missing(request).await;
        }
        self.page(request, kind, &query, page, included)
    }

    fn page(
        &self,
        request: &Request,
        kind: Option<&'static str>,
        query: &Query,
        page: Page,
        included: crate::working::Included,
    ) -> Result<Answer, Refusal> {
        let path = kind.map_or_else(|| self.base.clone(), |kind| format!("{}/{kind}", self.base));
        let of_query = |more: Option<String>| {
            let parts: Vec<&str> = [query.self_query.as_str(), more.as_deref().unwrap_or_default()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect();
            if parts.is_empty() { path.clone() } else { format!("{path}?{}", parts.join("&")) }
        };
        let mut bundle = Bundle::new("searchset");
        bundle.total(page.total);
        let here = request.parameter("_cursor").map(|cursor| format!("_cursor={cursor}"));
        bundle.link("self", of_query(here.clone()));
        if here.is_some() {
            bundle.link("first", of_query(None));
        }
        if let Some(next) = &page.next {
            let next = self.cursors.seal(&request.asking, &next.to_text())?;
            bundle.link("next", of_query(Some(format!("_cursor={next}"))));
        }
        for found in &page.matches {
            self.found(&mut bundle, query, found, "match");
        }
        for found in &included.resources {
            // What a token doesn't reach isn't brought along either.
            if let Ok(filters) = request.allowed(found.place.kind, Interaction::Read)
                && self.passes(&of_found(found), &filters)?
            {
                self.found(&mut bundle, query, found, "include");
            }
        }
        let mut said: Vec<Issue> = query
            .ignored
            .iter()
            .map(|ignored| Issue {
                severity: Severity::Warning,
                code: IssueCode::NotSupported,
                diagnostics: format!("`{}` was passed over: {}", ignored.name, ignored.reason),
                expression: vec![ignored.name.clone()],
            })
            .collect();
        if included.cut {
            said.push(Issue {
                severity: Severity::Warning,
                code: IssueCode::Incomplete,
                diagnostics: "more was to be included than a page may bring; ask for a smaller page"
                    .to_owned(),
                expression: Vec::new(),
            });
        }
        if !said.is_empty() {
            let outcome = Refusal { status: StatusCode::OK, issues: said, headers: Vec::new() }.outcome();
            bundle.found(None, &outcome, "outcome");
        }
        Ok(Answer::of(bundle.into_bytes()))
    }

    fn found(&self, bundle: &mut Bundle, query: &Query, found: &Found, mode: &str) {
        let full_url = format!("{}/{}", self.base, found.place);
        let whole = query.elements.is_empty() && matches!(query.summary, None | Some(Summary::Count));
        let cut = if whole { None } else { projected(&found.bytes, query) };
        let bytes = cut.as_ref().map_or(&found.bytes[..], |cut| cut.as_bytes());
        bundle.found(Some(&full_url), bytes, mode);
    }

    /// Puts the Patients of a chart in the place of the chart's own id: `identifier=urn:horkos:chart|…`.
    fn by_chart(&self, query: &mut Query) -> Result<(), Refusal> {
        if query.types != ["Patient"] {
            return Ok(());
        }
        let Some(id) = parameter("Patient", "_id") else { return Ok(()) };
        for condition in &mut query.conditions {
            let Condition::Param { param, test: Test::Any(wanted) } = condition else { continue };
            let chart = match wanted.as_slice() {
                [Match::Token { system: System::Is(system), key: Some(key) }]
                    if param.code == "identifier" && system == CHART_SYSTEM =>
                {
                    chart_id(key)
                }
                _ => None,
            };
            if let Some(chart) = chart {
                let patients = self.set.patients(&chart).map_err(told)?;
                let wanted =
                    patients.into_iter().map(|id| Match::Token { system: System::Any, key: Some(id) });
                *condition = Condition::Param { param: id, test: Test::Any(wanted.collect()) };
            }
        }
        Ok(())
    }

    /// The one resource that a condition finds, among those that the caller may see; the charts that it names are opened.
    ///
    /// # Errors
    /// 412 if there are several, 400 for a condition that isn't one.
    pub(crate) async fn the_one(
        &self,
        request: &Request,
        kind: &'static str,
        pairs: &[(String, String)],
    ) -> Result<Option<Found>, Refusal> {
        let about = pairs.iter().filter(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
        let pairs: Vec<(String, String)> = about.cloned().collect();
        // A condition that isn't understood would match too much.
        let query = self.query(Some(kind), &pairs, true)?;
        if query.conditions.is_empty() {
            return Err(invalid("a condition needs at least one search parameter"));
        }
        let condition = Request { query: pairs, ..request.clone() };
        let named = self.touch_for(&condition, &query).await?;
        self.audit_for(&request.asking, &query).await?;
        let within = self.within(request, kind)?;
        let sight = self.sight(&request.asking)?;
        let found = self.first_two(query, within, sight).await?;
        if named.is_missing(found.len()) {
            self.as_if_missing(request).await;
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(super::refusals::several()),
            (one, None) => Ok(one),
        }
    }

    async fn first_two(
        &self,
        query: Query,
        within: Vec<Within>,
        sight: Sight,
    ) -> Result<Vec<Found>, Refusal> {
        let page = self.blocking(move |set| {
            set.search(&Searched { query: &query, within: &within, after: None, count: 2 }, &sight)
        });
        Ok(page.await?.matches)
    }

    /// What the token's restricted scopes let through of a type: what one of them does. Nothing for all of it.
    fn within(&self, request: &Request, kind: &'static str) -> Result<Vec<Within>, Refusal> {
        let filters = request.allowed(kind, Interaction::Search)?;
        let groups = filters.iter().map(|filter| {
            let pairs: Vec<(String, String)> =
                filter.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            // Strict: a restriction that isn't understood restricts to nothing, and is said.
            let conditions = self.query(Some(kind), &pairs, true)?.conditions;
            if conditions.is_empty() {
                return Err(scope("the token's restricted scope isn't understood; ask for another one"));
            }
            Ok(Within { kind, conditions })
        });
        groups.collect()
    }

    /// The same in a search of several types: those that the token doesn't reach are left out.
    fn within_all(&self, request: &Request, query: &mut Query) -> Result<Vec<Within>, Refusal> {
        let all: Vec<&'static str> = conformance::search::resource_types().collect();
        let kinds = if query.types.is_empty() { &all } else { &query.types };
        let reached: Vec<(&'static str, Vec<Within>)> =
            kinds.iter().filter_map(|kind| Some((*kind, self.within(request, kind).ok()?))).collect();
        if reached.is_empty() {
            return Err(scope("the token's scopes allow no search of everything; search in a type"));
        }
        query.types = reached.iter().map(|(kind, _)| *kind).collect();
        if reached.iter().all(|(_, groups)| groups.is_empty()) {
            return Ok(Vec::new());
        }
        // Where one type is restricted, each says what of it may be found.
        let groups = reached.into_iter().flat_map(|(kind, groups)| {
            if groups.is_empty() { vec![Within { kind, conditions: Vec::new() }] } else { groups }
        });
        Ok(groups.collect())
    }
}

/// A resource cut down to what was asked for.
pub(super) fn projected(bytes: &[u8], query: &Query) -> Option<String> {
    let document = Document::read(bytes, &fhir::Limits::default()).ok()?;
    project(document.root(), query.summary, &query.elements)
}

/// How a search that can't be read is told.
pub(crate) fn refused(error: &SearchError) -> Refusal {
    let (status, code) = match error.code() {
        "not-supported" => (StatusCode::BAD_REQUEST, IssueCode::NotSupported),
        "too-costly" => (StatusCode::FORBIDDEN, IssueCode::TooCostly),
        _ => (StatusCode::BAD_REQUEST, IssueCode::Invalid),
    };
    let mut issue = Issue::error(code, error.to_string());
    if !error.expression().is_empty() {
        issue.expression.push(error.expression().to_owned());
    }
    Refusal { status, issues: vec![issue], headers: Vec::new() }
}
