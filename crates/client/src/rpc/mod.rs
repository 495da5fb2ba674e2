//! Calling a node: one signed call, one answer, over HTTP or, in tests and simulations, within the process.

mod error;
mod http;
mod node;
mod transport;

pub use error::CallError;
pub use http::Http;
pub use node::Node;
pub use transport::Transport;
