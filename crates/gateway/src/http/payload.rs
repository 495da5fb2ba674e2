//! This file is where a request's body is read, no further than the bound.

use super::{
    bounds::BodyMax,
    refusal::{IssueCode, Refusal},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// A body, whole: at most as long as the server's bounds say, else 413.
#[derive(Clone, Debug)]
pub struct Payload(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        // A server that forgot to say its bound takes nothing.
        let max = request.extensions().get::<BodyMax>().map_or(0, |max| max.0);
        read(request, max).await.map(Self)
    }
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn read(request: Request, max: usize) -> Result<Bytes, Refusal> {
    match Limited::new(request.into_body(), max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            IssueCode::TooLong,
            format!("the body is longer than {max} bytes; send it in parts"),
        )),
        Err(_) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            IssueCode::Structure,
            "the body ended before it was complete; send it again",
        )),
    }
}
