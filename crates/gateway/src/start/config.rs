//! This file is where a gateway's configuration stands: one TOML file, whose keys are these fields. Unknown keys are refused.

use crate::{http::Rate, rest, smart, visit};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Longest configuration file.
const BYTES_MAX: u64 = 1 << 20;

/// The format that this version knows.
const FORMAT: u32 = 1;

/// How a gateway runs. Paths are relative to the file's folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of this format: 1.
    pub format: u32,
    /// The folder that holds `profiles/`: of the organisation, and of the practitioners for whom clients act.
    pub home: PathBuf,
    /// The profile that acts as the organisation itself, of kind `staff`.
    pub system: String,
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// The gateway's address as clients see it, as `https://fhir.riverside.example`: a proxy may stand in front. Only a
    /// loopback address may be http.
    pub public: String,
    /// Certificate and key in PEM; without them it speaks plain HTTP, for a proxy on the same machine.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Origins of web pages that may call, as `https://app.example`.
    #[serde(default)]
    pub cors: Vec<String>,
    /// Whether a proxy stands in front: then all requests come from its address, and none is refused for coming too often
    /// from one.
    #[serde(default)]
    pub behind_proxy: bool,
    /// Requests of one network address, unless a proxy stands in front.
    #[serde(default = "per_address")]
    pub per_address: Rate,
    /// The folder of its own files: the working set, and the store of clients and tokens.
    pub data: PathBuf,
    /// The key that encrypts the working set and the store of clients and tokens; see `horkos gateway init`.
    pub key: PathBuf,
    /// Authorisation.
    #[serde(default)]
    pub smart: smart::Settings,
    /// Visits.
    #[serde(default)]
    pub visits: visit::Settings,
    /// FHIR.
    #[serde(default)]
    pub fhir: rest::Settings,
}

fn per_address() -> Rate {
    Rate { burst: 200, per_sec: 50 }
}

/// Files of a TLS server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file itself.
    #[error("configuration `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It isn't what it should be.
    #[error("configuration `{}`: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a configuration, with its paths made absolute.
///
/// # Errors
/// [`ConfigError`].
pub fn load_config(path: &Path) -> Result<Config, ConfigError> {
    let io_error = |source| ConfigError::Io { path: path.to_owned(), source };
    let malformed = |reason: String| ConfigError::Malformed { path: path.to_owned(), reason };
    if fs::metadata(path).map_err(io_error)?.len() > BYTES_MAX {
        return Err(malformed(format!("longer than {BYTES_MAX} bytes")));
    }
    let text = fs::read_to_string(path).map_err(io_error)?;
    let mut config: Config = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    if config.format != FORMAT {
        return Err(malformed(format!("format {} isn't known; this version knows {FORMAT}", config.format)));
    }
    let base = path.parent().unwrap_or(Path::new("."));
    for file in [&mut config.home, &mut config.data, &mut config.key] {
        *file = base.join(&*file);
    }
    if let Some(tls) = &mut config.tls {
        tls.certificate = base.join(&tls.certificate);
        tls.key = base.join(&tls.key);
    }
    for root in &mut config.smart.roots {
        *root = base.join(&*root);
    }
    Ok(config)
}
