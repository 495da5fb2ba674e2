//! This file is where a user's profile is: who she is, whose node she talks to, where her key lies.

use super::{FileError, write_private};
use primitives::{ChartId, OrgId, Slug};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

const FORMAT: u32 = 1;

/// A profile's name, as `riverside/dr-adams`: two short names, the folder and the file under `profiles/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileName {
    /// The organisation's short form, or `patient`.
    pub group: Slug,
    /// The user.
    pub name: Slug,
}

/// Who acts through a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileKind {
    /// A practitioner, through sessions that the organisation certifies.
    Practitioner,
    /// A patient, by her own key.
    Patient,
    /// Staff, for whom the organisation signs.
    Staff,
}

/// A user's profile: one TOML file. Paths are relative to the home directory that holds `profiles/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this format: 1.
    pub format: u32,
    /// Who acts through it.
    pub kind: ProfileKind,
    /// The user's name in plain words: goes, sealed, into the audit records of the charts that she opens.
    pub display: String,
    /// The organisation that the user belongs to; a patient's answers for her traffic.
    pub org: OrgId,
    /// The organisation that runs the node.
    pub server: OrgId,
    /// Address of the node, `host:port`.
    pub node: String,
    /// The genesis file.
    pub genesis: PathBuf,
    /// The key file.
    pub key: PathBuf,
    /// A patient's own chart, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartId>,
}

/// Why a profile can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not two short names.
    #[error("`{0}` is no profile name; write group/name, as riverside/dr-adams")]
    Name(String),
    /// There is no such profile.
    #[error("there is no profile `{name}` under `{}`; there are: {known}", home.display())]
    Unknown {
        /// What was asked for.
        name: ProfileName,
        /// Where it was looked for.
        home: PathBuf,
        /// Those that are there.
        known: String,
    },
    /// The file isn't a profile.
    #[error("profile `{name}` can't be read: {reason}")]
    Malformed {
        /// The profile.
        name: ProfileName,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version wrote it.
    #[error("profile `{name}` is of format {format}; this version knows {FORMAT}, update it")]
    Format {
        /// The profile.
        name: ProfileName,
        /// Its format.
        format: u32,
    },
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
}

impl FromStr for ProfileName {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let error = || ProfileError::Name(text.to_owned());
        let (group, name) = text.split_once('/').ok_or_else(error)?;
        Ok(Self { group: group.parse().map_err(|_| error())?, name: name.parse().map_err(|_| error())? })
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}

impl ProfileName {
    /// The name of a chart's patient: `patient/` and the first 8 characters of the chart's id.
    ///
    /// # Errors
    /// None in practice: hex digits are a short name.
    pub fn of_patient(chart: &ChartId) -> Result<Self, ProfileError> {
        format!("patient/{}", &chart.to_string()[..8]).parse()
    }

    /// The profile's file under `home`.
    #[must_use]
    pub fn path(&self, home: &Path) -> PathBuf {
        home.join("profiles").join(&*self.group).join(format!("{}.toml", self.name))
    }

    /// The file in which the profile's session is kept.
    #[must_use]
    pub fn session_path(&self, home: &Path) -> PathBuf {
        self.path(home).with_extension("session")
    }

    /// Where a key made for this profile is kept, relative to the home directory.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        Path::new("profiles").join(&*self.group).join(format!("{}.key", self.name))
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn load(home: &Path, name: &ProfileName) -> Result<Self, ProfileError> {
        let path = name.path(home);
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                let known: Vec<String> = Self::list(home).iter().take(20).map(ToString::to_string).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                ProfileError::Unknown { name: name.clone(), home: home.to_owned(), known }
            }
            _ => FileError::Io { path: path.clone(), source }.into(),
        })?;
        let profile: Self = toml::from_str(&text).map_err(|error| ProfileError::Malformed {
            name: name.clone(),
            reason: error.message().to_owned(),
        })?;
        if profile.format != FORMAT {
            return Err(ProfileError::Format { name: name.clone(), format: profile.format });
        }
        Ok(profile)
    }

    /// Writes the profile, in place of one of the same name.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn save(&self, home: &Path, name: &ProfileName) -> Result<(), ProfileError> {
        let text = toml::to_string(self)
            .map_err(|error| ProfileError::Malformed { name: name.clone(), reason: error.to_string() })?;
        Ok(write_private(&name.path(home), text.as_bytes(), true)?)
    }

    /// The names of all profiles under `home`, sorted.
    #[must_use]
    pub fn list(home: &Path) -> Vec<ProfileName> {
        let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
        let mut names = Vec::new();
        for group in entries(home.join("profiles")) {
            for file in entries(group.path()) {
                let (group, file) = (group.file_name(), file.file_name());
                if let Some((group, name)) =
                    group.to_str().zip(file.to_str().and_then(|file| file.strip_suffix(".toml")))
                    && let Ok(name) = format!("{group}/{name}").parse()
                {
                    names.push(name);
                }
            }
        }
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            format: 1,
            kind: ProfileKind::Practitioner,
            display: "Dr. Ada Adams".to_owned(),
            org: "riverside-hospital".parse().unwrap(),
            server: "riverside-hospital".parse().unwrap(),
            node: "127.0.0.1:7001".to_owned(),
            genesis: "genesis.json".into(),
            key: "profiles/riverside/dr-adams.key".into(),
            chart: None,
        }
    }

    #[test]
    fn profiles_come_back_and_are_listed() {
        let home = tempfile::tempdir().unwrap();
        let name: ProfileName = "riverside/dr-adams".parse().unwrap();
        profile().save(home.path(), &name).unwrap();
        let chart = ChartId::from([0xab; 32]);
        let patient = ProfileName::of_patient(&chart).unwrap();
        assert_eq!(patient.to_string(), "patient/abababab");
        let owned = Profile { kind: ProfileKind::Patient, chart: Some(chart), ..profile() };
        owned.save(home.path(), &patient).unwrap();
        assert_eq!(Profile::load(home.path(), &name).unwrap(), profile());
        assert_eq!(Profile::load(home.path(), &patient).unwrap(), owned);
        assert_eq!(Profile::list(home.path()), [patient, name]);
    }

    #[test]
    fn bad_names_and_files_are_refused_with_advice() {
        for bad in ["", "dr-adams", "a/b/c", "../x", "A/b", "a/.b"] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad}");
        }
        let home = tempfile::tempdir().unwrap();
        let name: ProfileName = "riverside/dr-adams".parse().unwrap();
        let error = Profile::load(home.path(), &name).unwrap_err().to_string();
        assert!(error.contains("there are: none"), "{error}");
        profile().save(home.path(), &name).unwrap();
        let other: ProfileName = "riverside/dr-baker".parse().unwrap();
        let error = Profile::load(home.path(), &other).unwrap_err().to_string();
        assert!(error.contains("riverside/dr-adams"), "{error}");
        let text = fs::read_to_string(name.path(home.path())).unwrap();
        fs::write(name.path(home.path()), text.replace("format = 1", "format = 2")).unwrap();
        assert!(matches!(Profile::load(home.path(), &name), Err(ProfileError::Format { format: 2, .. })));
        fs::write(name.path(home.path()), format!("{text}\nextra = 1\n")).unwrap();
        assert!(matches!(Profile::load(home.path(), &name), Err(ProfileError::Malformed { .. })));
    }
}
