//! This file is where the way to a node is a trait: bytes of a signed call out, bytes of an answer back.

use super::CallError;
use futures::future::BoxFuture;
use primitives::Span;

/// A way to one node.
pub trait Transport: Send + Sync + 'static {
    /// Where it leads, for messages.
    fn address(&self) -> &str;

    /// Carries one encoded [`crate::wire::SignedCall`] to the node and brings its encoded [`crate::wire::Answer`] back,
    /// at most [`crate::wire::ANSWER_BYTES_MAX`] bytes, within `limit`.
    ///
    /// # Errors
    /// [`CallError`] if no answer came.
    fn carry(
        &self,
        method: &'static str,
        call: Vec<u8>,
        limit: Span,
    ) -> BoxFuture<'_, Result<Vec<u8>, CallError>>;
}
