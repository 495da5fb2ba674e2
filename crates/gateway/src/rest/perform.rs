//! This file is where each interaction finds who carries it out.

use super::{
    answer::Answer, gateway::Gateway, interaction::Interaction, refusals::invalid, request::Request,
};
use crate::http::Refusal;
use axum::http::StatusCode;

impl Gateway {
    /// Carries out a request, be it one of its own or an entry of a batch.
    pub(crate) async fn perform(&self, request: &Request) -> Result<Answer, Refusal> {
        let done = self.carry_out(request).await;
        if done.as_ref().is_err_and(|refusal| refusal.status == StatusCode::NOT_FOUND) {
            self.as_if_missing(request).await;
        }
        done
    }

    async fn carry_out(&self, request: &Request) -> Result<Answer, Refusal> {
        super::auditing::writable(&request.interaction)?;
        match &request.interaction {
            Interaction::Capabilities => Ok(Answer::of(self.statement().to_vec())),
            // Whoever reads a bundle's entries comes back here; a bundle in a bundle is refused there.
            Interaction::Bundle => Err(invalid("a Bundle can't stand here")),
            Interaction::Read(of) => self.read(request, of).await,
            Interaction::VersionRead(of, version) => self.version_read(request, of, version).await,
            Interaction::HistoryOf(of) => self.history(request, of.kind, Some(of)).await,
            Interaction::HistoryOfType(kind) => self.history(request, kind, None).await,
            Interaction::Search(kind) => self.search(request, *kind).await,
            Interaction::Create(kind) => self.create(request, kind).await,
            Interaction::Update(of) => self.update(request, of).await,
            Interaction::UpdateWhere(kind) => self.update_where(request, kind).await,
            Interaction::Patch(of) => self.patch(request, of).await,
            Interaction::PatchWhere(kind) => self.patch_where(request, kind).await,
            Interaction::Delete(of) => self.delete(request, of).await,
            Interaction::DeleteWhere(kind) => self.delete_where(request, kind).await,
            Interaction::Operation(operation, scope) => self.operate(request, *operation, scope).await,
        }
    }
}
