//! This folder is where the gateway meets the network: sockets, TLS, bounds on what comes in, and how it says no.

mod bounds;
mod guard;
mod limiter;
mod payload;
mod peer;
mod public;
mod refusal;
mod request_id;
mod server;
mod table;
mod tls;

pub use bounds::{Bounds, CorsOrigin, CorsOriginError, Options};
pub use limiter::{Limiter, Rate, Throttled};
pub use payload::Payload;
pub(crate) use payload::read;
pub use peer::Peer;
pub use public::{PublicUrl, PublicUrlError};
pub use refusal::{FHIR_JSON, Issue, IssueCode, Refusal, Severity};
pub use request_id::RequestId;
pub use server::{ServeError, Server, serve};
pub use table::{Making, Route, Routes};
pub use tls::{TlsError, TlsFiles};
