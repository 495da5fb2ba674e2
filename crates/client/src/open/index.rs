//! This file is where the key to a chart's categories is found: in the organisation's notes, or in the chart's index by an
//! access to nothing but that.

use super::{Ask, OpenError, unseal, visit::Asked};
use crate::{actor::Actor, client::Client};
use envelope::TagKey;
use ledger::{access::Extent, charts::Role, consent::Purpose};
use primitives::ChartId;

impl Client {
    /// The chart's tag key, for naming categories.
    ///
    /// # Errors
    /// [`OpenError::NoIndex`] if the index is denied.
    pub(crate) async fn tag_key(&self, ask: &Ask) -> Result<TagKey, OpenError> {
        let noted = match self.actor {
            Actor::Practitioner(_) | Actor::Staff => self.chart_note(&ask.chart).await?,
            Actor::Person(_) => None,
        };
        if let Some(note) = noted {
            return Ok(note.tag_key);
        }
        // A person may read the index alone. A practitioner asks for it in order to write, or gets it with the general
        // classes.
        let extents = match self.actor {
            Actor::Person(_) => &[Extent::Index][..],
            Actor::Practitioner(_) | Actor::Staff => &[Extent::Index, Extent::General, Extent::All],
        };
        for extent in extents {
            let reason = ask.reason.clone();
            let asked = Asked {
                chart: ask.chart,
                purpose: ask.purpose,
                extent: extent.clone(),
                emergency: None,
                reason,
                request: ask.request.clone(),
            };
            let visit = self.visit(&asked, &[Role::Index]).await?;
            if let Some(key) = unseal::unseal(self, &visit, false).await?.tag_key {
                return Ok(key);
            }
        }
        Err(OpenError::NoIndex)
    }

    /// The tag key of a chart into which the organisation may write, by an access to nothing but the index.
    pub(crate) async fn writing_key(&self, chart: ChartId) -> Result<TagKey, OpenError> {
        let asked = Asked {
            chart,
            purpose: Purpose::Treatment,
            extent: Extent::Index,
            emergency: None,
            reason: Some("to write into the chart".to_owned()),
            request: None,
        };
        let visit = self.visit(&asked, &[Role::Index]).await?;
        unseal::unseal(self, &visit, false).await?.tag_key.ok_or(OpenError::NoIndex)
    }

    /// The tag key of the actor's own chart, or of one that the organisation has notes of.
    ///
    /// # Errors
    /// [`OpenError::NoIndex`] if the index is denied.
    pub async fn categories_key(&self, chart: ChartId) -> Result<TagKey, OpenError> {
        let purpose = match self.actor {
            Actor::Person(_) => Purpose::PatientRequest,
            Actor::Practitioner(_) | Actor::Staff => Purpose::Treatment,
        };
        self.tag_key(&Ask::all(chart, purpose)).await
    }
}
