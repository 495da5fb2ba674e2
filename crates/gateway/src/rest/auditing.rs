//! This file is where AuditEvents that are rendered from the ledger are brought up to date before they are shown, and where
//! nobody makes or changes one.

use super::{gateway::Gateway, interaction::Interaction, touch::places};
use crate::{
    audit::{TakeUpError, take_up},
    http::{IssueCode, Refusal},
    visit::Asking,
    working::{Place, is_marked},
};
use axum::http::{HeaderValue, StatusCode, header};
use conformance::search::{Condition, Include, Query};
use fhir::{Limits, json::Document};
use futures::{StreamExt as _, stream};
use primitives::ChartId;
use std::collections::BTreeSet;

const AUDIT_EVENT: &str = "AuditEvent";

/// Charts brought up to date at once.
const AT_ONCE: usize = 8;

impl Gateway {
    /// Brings AuditEvents up to the ledger if a search speaks of any: those of the charts that it names, else of all charts
    /// under the caller's visits. The charts that it names are open already.
    pub(crate) async fn audit_for(&self, asking: &Asking, query: &Query) -> Result<(), Refusal> {
        if !is_audited(query) {
            return Ok(());
        }
        let mut named = BTreeSet::new();
        for place in places(query) {
            named.extend(match self.set.lies(&place).map_err(super::gateway::told)? {
                Some(lies) => Some(lies.chart),
                None => self.chart_of_access(asking, &place).await?,
            });
        }
        let mut charts = self.visits.open_charts(asking);
        charts.retain(|(chart, _)| named.is_empty() || named.contains(chart));
        self.audit_those(asking, charts).await
    }

    /// Brings the AuditEvents of all charts under the caller's visits up to the ledger.
    pub(crate) async fn audit_all(&self, asking: &Asking) -> Result<(), Refusal> {
        self.audit_those(asking, self.visits.open_charts(asking)).await
    }

    /// Brings the AuditEvents of one chart up to the ledger, if the caller has a visit there that permits anything.
    pub(crate) async fn audit_chart(&self, asking: &Asking, chart: ChartId) -> Result<(), Refusal> {
        let mut charts = self.visits.open_charts(asking);
        charts.retain(|(open, _)| *open == chart);
        self.audit_those(asking, charts).await
    }

    async fn audit_those(&self, asking: &Asking, charts: Vec<(ChartId, bool)>) -> Result<(), Refusal> {
        let mut taken = stream::iter(charts.into_iter().map(|(chart, is_custodian)| async move {
            take_up(&self.set, asking.user.client(), chart, is_custodian).await
        }))
        .buffer_unordered(AT_ONCE);
        let mut grown = false;
        while let Some(result) = taken.next().await {
            grown |= result.map_err(told)?;
        }
        if grown {
            self.visits.grown();
        }
        Ok(())
    }

    /// The chart of an access whose AuditEvent isn't rendered yet.
    pub(crate) async fn chart_of_access(
        &self,
        asking: &Asking,
        place: &Place,
    ) -> Result<Option<ChartId>, Refusal> {
        let Some(access) = place.access() else { return Ok(None) };
        asking.user.client().chart_of_access(access).await.map_err(|error| told(error.into()))
    }
}

/// Refuses what would make, change or delete a rendered AuditEvent by its id.
pub(crate) fn writable(interaction: &Interaction) -> Result<(), Refusal> {
    match interaction {
        Interaction::Update(of) | Interaction::Patch(of) | Interaction::Delete(of) => {
            let place = Place { kind: of.kind, id: of.id.clone() };
            if place.access().is_some() { Err(rendered()) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Refuses to write a resource that is or pretends to be a rendered AuditEvent.
pub(crate) fn writable_as(place: &Place, bytes: &[u8]) -> Result<(), Refusal> {
    if place.kind != AUDIT_EVENT {
        return Ok(());
    }
    if place.access().is_some() {
        return Err(rendered());
    }
    let marked = Document::read(bytes, &Limits::default()).is_ok_and(|document| is_marked(document.root()));
    if marked {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            IssueCode::BusinessRule,
            "only the gateway tells of the ledger; leave out the tag `urn:horkos:origin` and the extension \
             `urn:horkos:ledger-proof`",
        ));
    }
    Ok(())
}

/// 405: it is the ledger's.
fn rendered() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        IssueCode::NotSupported,
        "AuditEvents under the id of an access are rendered from the ledger: they can be read, not written",
    )
    .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD"))
}

fn told(error: TakeUpError) -> Refusal {
    match error {
        TakeUpError::Call(error) => {
            tracing::warn!(%error, "the node doesn't tell who looked into a chart");
            super::refusals::stale()
        }
        TakeUpError::Working(error) => super::gateway::told(error),
    }
}

/// Whether a search finds, brings along or asks of AuditEvents.
fn is_audited(query: &Query) -> bool {
    let includes = |include: &Include| include.source == AUDIT_EVENT;
    query.types.is_empty()
        || query.types.contains(&AUDIT_EVENT)
        || query.reverse_includes.iter().any(includes)
        || query.conditions.iter().any(speaks)
}

fn speaks(condition: &Condition) -> bool {
    match condition {
        Condition::Param { .. } => false,
        Condition::Chain { targets, .. } => {
            targets.iter().any(|(kind, condition)| *kind == AUDIT_EVENT || speaks(condition))
        }
        Condition::Has { source, condition, .. } => *source == AUDIT_EVENT || speaks(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Refusal;

    fn query(kind: Option<&str>, text: &str) -> Query {
        let pairs = super::super::request::pairs(text);
        conformance::search::parse(kind, &pairs, &Default::default()).unwrap()
    }

    #[test]
    fn searches_that_speak_of_audit_events() {
        for (kind, text, audited) in [
            (Some("AuditEvent"), "", true),
            (Some("Observation"), "patient=1", false),
            (Some("Patient"), "_has:AuditEvent:patient:action=E", true),
            (Some("Patient"), "_has:Observation:patient:code=1", false),
            (Some("Patient"), "_id=1&_revinclude=AuditEvent:patient", true),
            (Some("Patient"), "_id=1&_revinclude=Observation:patient", false),
            (None, "_id=1", true),
        ] {
            assert_eq!(is_audited(&query(kind, text)), audited, "{kind:?} {text}");
        }
    }

    #[test]
    fn what_is_rendered_is_not_written() {
        let of_access = "0123456789abcdef".repeat(4);
        let status = |result: Result<(), Refusal>| result.err().map(|refusal| refusal.status.as_u16());
        let by = |kind: &'static str, id: &str| {
            let place = Place { kind, id: id.to_owned() };
            status(writable_as(&place, br#"{"resourceType":"AuditEvent"}"#))
        };
        assert_eq!(by("AuditEvent", &of_access), Some(405));
        assert_eq!(by("AuditEvent", "mine"), None);
        assert_eq!(by("AuditEvent", &of_access.to_uppercase()), None);
        assert_eq!(by("Observation", &of_access), None);
        let marked = br#"{"resourceType":"AuditEvent","meta":{"tag":[{"system":"urn:horkos:origin","code":"ledger"}]}}"#;
        let place = |kind| Place { kind, id: "mine".to_owned() };
        assert_eq!(status(writable_as(&place("AuditEvent"), marked)), Some(403));
        assert_eq!(status(writable_as(&place("Basic"), marked)), None);
        for (method, path, expected) in [
            ("PUT", format!("AuditEvent/{of_access}"), Some(405)),
            ("PATCH", format!("AuditEvent/{of_access}"), Some(405)),
            ("DELETE", format!("AuditEvent/{of_access}"), Some(405)),
            ("GET", format!("AuditEvent/{of_access}"), None),
            ("PUT", "AuditEvent/mine".to_owned(), None),
            ("POST", "AuditEvent".to_owned(), None),
        ] {
            let interaction = Interaction::of(method, &format!("/{path}")).unwrap();
            assert_eq!(status(writable(&interaction)), expected, "{method} {path}");
        }
    }
}
