//! This file is where a data directory says whose it is, in a file that can be read before the engine is opened.

use crate::fault::{Fault, OpenError, Place};
use primitives::{NetworkId, domain, hash};
use std::{
    fs::{self, File, TryLockError},
    io::Write as _,
    path::Path,
};

/// The format that this version writes.
pub(crate) const FORMAT: u32 = 2;

const FILE: &str = "horkos-store";

/// Whose data a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The network.
    pub network: NetworkId,
}

fn text(format: u32, network: &NetworkId) -> String {
    let body = format!("horkos store\nformat {format}\nnetwork {network}\n");
    let check = hash(domain::STORE_FILE, &[body.as_bytes()]);
    format!("{body}check {check}\n")
}

impl Identity {
    /// Claims a fresh directory, or checks that `dir` is this network's. It is this process's while the file is held.
    pub(crate) fn claim(&self, dir: &Path) -> Result<File, OpenError> {
        fs::create_dir_all(dir).map_err(Fault::file(dir))?;
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(found) => self.check(dir, &String::from_utf8_lossy(&found))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.write(dir)?,
            Err(error) => return Err(Fault::file(path)(error).into()),
        }
        let file = File::open(&path).map_err(Fault::file(path.clone()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.into() }),
            Err(TryLockError::Error(error)) => Err(Fault::file(path)(error).into()),
        }
    }

    fn check(&self, dir: &Path, found: &str) -> Result<(), OpenError> {
        let damaged = || Fault::damaged(Place::File(dir.join(FILE)), "it does not say whose data this is");
        let mut lines = found.lines();
        let mut field = |name| lines.next()?.strip_prefix(name);
        let fields = (field("horkos store"), field("format "), field("network "));
        let (Some(""), Some(format), Some(network)) = fields else { return Err(damaged().into()) };
        let (Ok(format), Ok(network)) = (format.parse(), network.parse()) else {
            return Err(damaged().into());
        };
        // A newer version may have a longer file: its format decides before the checksum does.
        if format > FORMAT {
            return Err(OpenError::NewerFormat { dir: dir.into(), found: format, expected: FORMAT });
        }
        if found != text(format, &network) {
            return Err(damaged().into());
        }
        if format < FORMAT {
            return Err(OpenError::OlderFormat { dir: dir.into(), found: format, expected: FORMAT });
        }
        if network != self.network {
            return Err(OpenError::OtherNetwork { dir: dir.into(), found: network, expected: self.network });
        }
        Ok(())
    }

    fn write(&self, dir: &Path) -> Result<(), OpenError> {
        let fresh = dir.join(format!("{FILE}.new"));
        for entry in fs::read_dir(dir).map_err(Fault::file(dir))? {
            // A crash while claiming leaves only the unfinished file.
            if entry.map_err(Fault::file(dir))?.path() != fresh {
                return Err(OpenError::NotAStore { dir: dir.into() });
            }
        }
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(text(FORMAT, &self.network).as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, dir.join(FILE))?;
            sync_dir(dir)
        };
        write().map_err(Fault::file(fresh.clone()))?;
        Ok(())
    }
}

/// Makes creations, renames and removals in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
