//! This file is where a gateway is put together: working set, visits, users, and what it is known as.

use super::{cursors::Cursors, listed::Directories, request::Request};
use crate::{
    http::{IssueCode, PublicUrl, Refusal},
    smart::Authority,
    visit::{Asking, Users, Visits},
    working::{Sight, WorkingError, WorkingSet},
};
use axum::http::StatusCode;
use client::Host;
use primitives::{Millis, OrgId, Span};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// How the FHIR part behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether references to resources that aren't here are refused.
    pub check_references: bool,
    /// Matches on a page unless `_count` says otherwise.
    pub page: u32,
    /// Most matches on a page.
    pub page_max: u32,
    /// Most entries of a batch or transaction.
    pub entries_max: usize,
    /// Whether FHIR's invariants are checked besides the structure.
    pub invariants: bool,
    /// How long the list of other members' directories is used, in milliseconds, before the ledger is asked again.
    pub directories_listed: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            check_references: true,
            page: 50,
            page_max: 1000,
            entries_max: 5000,
            invariants: true,
            directories_listed: Span::secs(60),
        }
    }
}

/// The FHIR part of a gateway.
pub struct Gateway {
    pub(crate) set: WorkingSet,
    pub(crate) visits: Arc<Visits>,
    pub(crate) users: Users,
    pub(crate) authority: Arc<Authority>,
    pub(crate) own: OrgId,
    /// The FHIR base, as `https://fhir.example/fhir`.
    pub(crate) base: String,
    pub(crate) public: PublicUrl,
    /// Whether web pages may call.
    pub(crate) cors: bool,
    pub(crate) settings: Settings,
    pub(crate) cursors: Cursors,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) directories: Directories,
    /// The CapabilityStatement, once somebody has asked for it.
    pub(super) statement: OnceLock<Vec<u8>>,
}

/// The parts of a [`Gateway`].
pub struct Parts {
    /// The working set.
    pub set: WorkingSet,
    /// The visits over it.
    pub visits: Arc<Visits>,
    /// Users whose keys are at hand.
    pub users: Users,
    /// Authorisation.
    pub authority: Arc<Authority>,
    /// The organisation.
    pub own: OrgId,
    /// How clients see the gateway.
    pub public: PublicUrl,
    /// Whether web pages may call.
    pub cors: bool,
    /// Settings.
    pub settings: Settings,
    /// The machine.
    pub host: Arc<dyn Host>,
}

impl Gateway {
    /// A gateway of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { set, visits, users, authority, own, public, cors, settings, host } = parts;
        let base = public.fhir();
        let cursors = Cursors::new(&*host);
        Arc::new(Self {
            set,
            visits,
            users,
            authority,
            own,
            base,
            public,
            cors,
            settings,
            cursors,
            host,
            directories: Directories::default(),
            statement: OnceLock::new(),
        })
    }

    pub(crate) fn now(&self) -> Millis {
        self.host.now()
    }

    /// After which place the page that a request asks for begins.
    pub(crate) fn cursor(&self, request: &Request) -> Result<Option<String>, Refusal> {
        let text = request.parameter("_cursor");
        text.map(|text| self.cursors.open(&request.asking, text)).transpose()
    }

    /// What the caller may see.
    pub(crate) fn sight(&self, asking: &Asking) -> Result<Sight, Refusal> {
        self.visits.sight(asking)
    }

    /// Does what blocks for more than microseconds on a thread that may wait.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WorkingSet) -> Result<T, WorkingError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let set = self.set.clone();
        client::host::heavy(&*self.host, move || work(&set)).await.map_err(told)
    }
}

/// How the working set's troubles are told.
pub(crate) fn told(error: WorkingError) -> Refusal {
    match error {
        WorkingError::TooCostly { .. } => {
            Refusal::new(StatusCode::FORBIDDEN, IssueCode::TooCostly, error.to_string())
        }
        WorkingError::Cursor => Refusal::new(StatusCode::BAD_REQUEST, IssueCode::Invalid, error.to_string()),
        WorkingError::Database(_) | WorkingError::Open { .. } | WorkingError::NotAResource(_) => {
            tracing::error!(%error, "the working set fails");
            Refusal::fault()
        }
    }
}
