//! AuditEvents that are rendered from the ledger: who looked into a chart or wanted to, each with the way to its proof.

mod events;
mod render;
mod scene;
mod take_up;

pub use events::events;
pub use scene::Scene;
pub(crate) use take_up::{TakeUpError, take_up};
