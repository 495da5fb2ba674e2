//! This file is where a server's log goes: to stderr or a file, as text or as JSON lines.

use crate::exit::{Exit, Failure};
use node::LogFormat;
use std::{fs::OpenOptions, io, path::Path};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// What is logged unless HORKOS_LOG says otherwise: the storage engine tells much at `info`.
const LEVELS: &str = "info,fjall=warn,lsm_tree=warn";

/// Sends the log of this process there.
pub(crate) fn log_to(path: Option<&Path>, format: LogFormat) -> Result<(), Failure> {
    match path {
        None => subscribe(format, io::stderr),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            subscribe(
                format,
                file.map_err(|error| Failure::new(Exit::Machine, format!("`{}`: {error}", path.display())))?,
            )
        }
    }
    Ok(())
}

fn subscribe<W: for<'w> MakeWriter<'w> + Send + Sync + 'static>(format: LogFormat, writer: W) {
    let filter = EnvFilter::try_from_env("HORKOS_LOG").unwrap_or_else(|_| EnvFilter::new(LEVELS));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
}
