//! A gateway's life: from its configuration file to a clean end.

mod config;
mod error;
mod rebuild;
mod run;

pub use config::{Config, ConfigError, load_config};
pub use error::StartError;
pub use rebuild::{RebuildError, RebuildProgress, Rebuilt, RebuiltChart, rebuild};
pub use run::Running;
