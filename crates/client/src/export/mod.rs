//! A chart's history as one file that any FHIR system can read and anybody can verify offline. The format is documented in
//! docs/export-format.md.

mod checkpoint;
mod error;
mod format;
mod lock;
mod make;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointSaid};
pub use error::{ExportError, VerifyError};
pub use format::{CONTENT_TYPE, VERSION};
pub use lock::{LockError, encrypt, is_encrypted, unlock};
pub use make::Exported;
pub use verify::{Verified, verify};
