//! This file is where operations are carried out: `$validate`, `$everything`, `$explain-access`.

use super::{
    answer::Answer,
    bundles::Bundle,
    gateway::{Gateway, told},
    interaction::{Instance, Operation, Scope},
    reading::{count, since},
    refusals::{invalid, no_resource},
    request::Request,
    searching::projected,
};
use crate::{http::Refusal, smart::Interaction, visit::instant, working::Place};
use axum::http::StatusCode;
use conformance::validate;
use fhir::{Limits, json::Document};
use primitives::Millis;

/// Modes of `$validate`. Source: FHIR R4 resource-operation-validate.html.
const MODES: &[&str] = &["create", "update", "delete", "profile"];

impl Gateway {
    pub(crate) async fn operate(
        &self,
        request: &Request,
        operation: Operation,
        scope: &Scope,
    ) -> Result<Answer, Refusal> {
        match (operation, scope) {
            (Operation::Validate, Scope::Type(kind)) => self.validated(request, kind, None).await,
            (Operation::Validate, Scope::Instance(of)) => self.validated(request, of.kind, Some(of)).await,
            (Operation::Everything, Scope::Instance(of)) => self.everything(request, of).await,
            (Operation::ExplainAccess, Scope::Instance(of)) => self.explained(request, of).await,
            (Operation::Everything | Operation::ExplainAccess, Scope::Type(_)) => Err(no_resource()),
        }
    }

    /// Validates a resource, as it is posted or inside Parameters; without one the stored resource. Nothing is kept.
    async fn validated(
        &self,
        request: &Request,
        kind: &str,
        of: Option<&Instance>,
    ) -> Result<Answer, Refusal> {
        let stored;
        let bytes: &[u8] = match (request.body.is_empty(), of) {
            (false, _) => &request.body,
            (true, Some(of)) => {
                let filters = request.allowed(of.kind, Interaction::Read)?;
                self.touch(&request.asking, of).await?;
                stored = self.current(request, of, &filters)?;
                &stored.bytes
            }
            (true, None) => return Err(invalid("there is no resource to validate")),
        };
        let checked = Document::read(bytes, &Limits::default());
        let document = checked.map_err(|error| invalid(error.to_string()))?;
        let root = document.root();
        let mut mode = request.parameter("mode").map(str::to_owned);
        let mut resource = root;
        if root.get("resourceType").is_some_and(|found| found.is("Parameters")) && kind != "Parameters" {
            let mut inside = None;
            for parameter in root.get("parameter").into_iter().flat_map(fhir::json::Value::each) {
                let name = parameter.get("name").and_then(fhir::json::Value::text);
                match name.as_deref() {
                    Some("resource") => inside = parameter.get("resource"),
                    Some("mode") => {
                        mode = parameter
                            .get("valueCode")
                            .and_then(fhir::json::Value::text)
                            .map(|text| text.into_owned());
                    }
                    _ => {}
                }
            }
            resource = inside.ok_or_else(|| invalid("the Parameters hold no `resource`"))?;
        }
        if let Some(mode) = &mode
            && !MODES.contains(&mode.as_str())
        {
            return Err(invalid("`mode` is create, update, delete or profile"));
        }
        if !resource.get("resourceType").is_some_and(|found| found.is(kind)) {
            return Err(invalid("the resource's type isn't the one of the URL"));
        }
        let issues = validate::check(resource, &validate::Options::default());
        Ok(Answer::of(validate::outcome(&issues).into_bytes()))
    }

    /// All that the caller may see in a patient's chart. Source: FHIR R4 patient-operation-everything.html.
    async fn everything(&self, request: &Request, of: &Instance) -> Result<Answer, Refusal> {
        let filters = request.allowed("Patient", Interaction::Read)?;
        let kinds: Vec<&'static str> = match request.parameter("_type") {
            Some(types) => types
                .split(',')
                .map(|name| {
                    fhir::types::r4(name.trim()).ok_or_else(|| invalid("`_type` names no type of R4"))
                })
                .collect::<Result<_, _>>()?,
            None => conformance::search::resource_types().collect(),
        };
        let kinds: Vec<&'static str> = kinds
            .into_iter()
            .filter(|kind| {
                // What the token doesn't reach is left out, and what it reaches in part too.
                matches!(request.allowed(kind, Interaction::Read), Ok(filters) if filters.is_empty())
            })
            .collect();
        // What is malformed opens no chart.
        let since = request.parameter("_since").map(since).transpose()?;
        let from = request.parameter("start").map(|text| day(text, false)).transpose()?;
        let to = request.parameter("end").map(|text| day(text, true)).transpose()?;
        let after = self.cursor(request)?.map(|text| {
            i64::from_str_radix(&text, 16).map_err(|_| invalid("the page's cursor isn't one of this chart"))
        });
        let after = after.transpose()?;
        let wanted = count(request, self.settings.page_max, self.settings.page_max)?;
        self.touch(&request.asking, of).await?;
        // The patient must be there for the caller.
        self.current(request, of, &filters)?;
        let Some(lies) = self.set.lies(&place(of)).map_err(told)? else { return Err(no_resource()) };
        let count = wanted.saturating_add(1);
        let ask = crate::working::EverythingAsk { chart: lies.chart, kinds, since, from, to, after, count };
        let first = ask.after.is_none();
        let sight = self.sight(&request.asking)?;
        let mut found = self.blocking(move |set| set.everything(&ask, &sight)).await?;
        let more = found.len() > wanted;
        found.truncate(wanted);
        let mut bundle = Bundle::new("searchset");
        bundle.total((first && !more).then_some(found.len() as u64));
        let url = |cursor: Option<String>| {
            let kept = request
                .query
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "_cursor" | "_format" | "_pretty"));
            let kept = kept.cloned().chain(cursor.map(|cursor| ("_cursor".to_owned(), cursor)));
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{}/{of}/$everything{mark}{query}", self.base)
        };
        bundle.link("self", url(request.parameter("_cursor").map(str::to_owned)));
        if let Some((rid, _)) = found.last().filter(|_| more) {
            let next = self.cursors.seal(&request.asking, &format!("{rid:x}"))?;
            bundle.link("next", url(Some(next)));
        }
        let cutting = self.cutting(request)?;
        for (_, stored) in &found {
            let cut = cutting.as_ref().and_then(|query| projected(&stored.bytes, query));
            let bytes = cut.as_ref().map_or(&stored.bytes[..], |cut| cut.as_bytes());
            bundle.found(Some(&format!("{}/{}", self.base, stored.place)), bytes, "match");
        }
        Ok(Answer::of(bundle.into_bytes()))
    }

    /// Why the caller may see a resource: the access that permits it, and what decided that.
    async fn explained(&self, request: &Request, of: &Instance) -> Result<Answer, Refusal> {
        let filters = request.allowed(of.kind, Interaction::Read)?;
        self.touch(&request.asking, of).await?;
        self.current(request, of, &filters)?;
        let Some(lies) = self.set.lies(&place(of)).map_err(told)? else { return Err(no_resource()) };
        let Some(seen) = self.visits.seen(&request.asking, &lies.chart) else { return Err(no_resource()) };
        let explained =
            request.asking.user.client().explain_in(lies.chart, seen.access).await.map_err(|error| {
                tracing::warn!(%error, "an access can't be explained");
                super::refusals::stale()
            })?;
        let mut parameters = vec![
            serde_json::json!({ "name": "access", "valueString": seen.access.to_string() }),
            serde_json::json!({ "name": "height", "valueDecimal": seen.height }),
            serde_json::json!({ "name": "until", "valueInstant": instant(seen.until) }),
            serde_json::json!({ "name": "chart", "valueString": lies.chart.to_string() }),
            serde_json::json!({ "name": "category", "valueCode": lies.category }),
        ];
        let directives = explained.directives.iter();
        parameters.extend(directives.map(
            |directive| serde_json::json!({ "name": "directive", "valueString": directive.directive.id.to_string() }),
        ));
        let policies = explained.policies.iter();
        parameters
            .extend(policies.map(|policy| serde_json::json!({ "name": "policy", "valueString": policy })));
        parameters.extend(
            explained
                .text
                .iter()
                .map(|line| serde_json::json!({ "name": "explanation", "valueString": line })),
        );
        let parameters = serde_json::json!({ "resourceType": "Parameters", "parameter": parameters });
        Ok(Answer { status: StatusCode::OK, ..Answer::of(parameters.to_string().into_bytes()) })
    }
}

fn place(of: &Instance) -> Place {
    Place { kind: of.kind, id: of.id.clone() }
}

/// The first millisecond of a day, or the first after it.
fn day(text: &str, after: bool) -> Result<Millis, Refusal> {
    let refused = || invalid("`start` and `end` are days, as 2026-01-31");
    let date: jiff::civil::Date = text.parse().map_err(|_| refused())?;
    let date = if after { date.tomorrow().map_err(|_| refused())? } else { date };
    let time = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| refused())?.timestamp();
    Ok(Millis(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}
