//! This file is where a directive says to whom it speaks, and how people write that down.

use crate::{Signer, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{OrgId, PrincipalId, Slug, State};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt, str::FromStr};

/// Whom a directive permits or denies something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Arbitrary)]
pub enum Grantee {
    /// An organisation: `lakeside-clinic`.
    Organisation(OrgId),
    /// All of an organisation's practitioners in a role: `lakeside-clinic:physician`.
    Role {
        /// The organisation.
        org: OrgId,
        /// The role that it certifies.
        role: Slug,
    },
    /// One practitioner of an organisation: `lakeside-clinic/` and the practitioner's id.
    Practitioner {
        /// The organisation.
        org: OrgId,
        /// The practitioner.
        practitioner: PrincipalId,
    },
    /// A study: `study:` and its name.
    Study(Slug),
    /// Devices of a class: `device:` and the class.
    Device(Slug),
}

/// The text names no grantee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no grantee; write `ORG`, `ORG:ROLE`, `ORG/PRACTITIONER`, `study:ID` or `device:CLASS`")]
pub struct GranteeError(pub String);

impl Grantee {
    /// Whether the directive speaks to this signer.
    ///
    /// Persons and devices act in nobody's name: that an organisation answers for their traffic gives them no part in
    /// what it was granted. No signer acts for a study or a device class yet.
    #[must_use]
    pub fn speaks_to(&self, signer: &Signer) -> bool {
        match (self, signer) {
            (Self::Organisation(org), Signer::Organisation(asking)) => org == asking,
            (Self::Organisation(org), Signer::Practitioner { org: asking, .. }) => org == asking,
            (Self::Role { org, role }, Signer::Practitioner { org: asking, role: certified, .. }) => {
                org == asking && role == certified
            }
            (
                Self::Practitioner { org, practitioner },
                Signer::Practitioner { org: asking, principal, .. },
            ) => org == asking && practitioner == principal,
            (Self::Role { .. } | Self::Practitioner { .. }, Signer::Organisation(_))
            | (
                Self::Organisation(_) | Self::Role { .. } | Self::Practitioner { .. },
                Signer::Person { .. } | Signer::Device { .. },
            )
            | (
                Self::Study(_) | Self::Device(_),
                Signer::Organisation(_)
                | Signer::Practitioner { .. }
                | Signer::Person { .. }
                | Signer::Device { .. },
            ) => false,
        }
    }

    /// Whether revoking what this grantee has takes what `other` has, too: the same, or a part of the organisation.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Organisation(org), Self::Role { org: of, .. } | Self::Practitioner { org: of, .. }) => {
                org == of
            }
            _ => self == other,
        }
    }

    /// Whether the network knows the organisation that is named.
    pub(super) fn is_known(&self, state: &dyn State) -> bool {
        match self {
            Self::Organisation(org) | Self::Role { org, .. } | Self::Practitioner { org, .. } => {
                governance::member(state, org).is_some()
            }
            Self::Study(_) | Self::Device(_) => true,
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation(org) => write!(f, "{org}"),
            Self::Role { org, role } => write!(f, "{org}:{role}"),
            Self::Practitioner { org, practitioner } => write!(f, "{org}/{practitioner}"),
            Self::Study(study) => write!(f, "study:{study}"),
            Self::Device(class) => write!(f, "device:{class}"),
        }
    }
}

impl FromStr for Grantee {
    type Err = GranteeError;
    fn from_str(text: &str) -> Result<Self, GranteeError> {
        let error = |_| GranteeError(text.to_owned());
        // `study` and `device` can't be organisations with roles: their prefixes are taken.
        if let Some(study) = text.strip_prefix("study:") {
            return study.parse().map(Self::Study).map_err(error);
        }
        if let Some(class) = text.strip_prefix("device:") {
            return class.parse().map(Self::Device).map_err(error);
        }
        if let Some((org, role)) = text.split_once(':') {
            return Ok(Self::Role { org: org.parse().map_err(error)?, role: role.parse().map_err(error)? });
        }
        if let Some((org, practitioner)) = text.split_once('/') {
            let org = org.parse().map_err(error)?;
            let practitioner = practitioner.parse().map_err(|_| GranteeError(text.to_owned()))?;
            return Ok(Self::Practitioner { org, practitioner });
        }
        text.parse().map(Self::Organisation).map_err(error)
    }
}

impl Serialize for Grantee {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grantee {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Grantee {
    fn schema_name() -> Cow<'static, str> {
        "Grantee".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "ORG, ORG:ROLE, ORG/PRACTITIONER, study:ID or device:CLASS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{org, principal_id};

    #[test]
    fn text_form() {
        let hex = principal_id("baker").to_string();
        for text in
            ["lakeside-clinic", "lakeside-clinic:physician", &format!("lakeside-clinic/{hex}"), "study:abc-1"]
        {
            assert_eq!(text.parse::<Grantee>().unwrap().to_string(), text);
        }
        assert_eq!("device:ecg".parse(), Ok(Grantee::Device("ecg".parse().unwrap())));
        for bad in ["", "Lakeside", "a:b:c", "a/b", "study:", "a:", ":a", "a/"] {
            assert!(bad.parse::<Grantee>().is_err(), "{bad}");
        }
    }

    #[test]
    fn who_is_spoken_to() {
        let baker = principal_id("baker");
        let practitioner = |org_name: &str, role: &str| Signer::Practitioner {
            principal: baker,
            org: org(org_name),
            role: role.parse().unwrap(),
            session: crate::testing::key("session").public(),
        };
        let person = Signer::Person { principal: baker, org: org("lakeside-clinic") };
        let check = |grantee: &str, signer: &Signer, expected: bool| {
            assert_eq!(
                grantee.parse::<Grantee>().unwrap().speaks_to(signer),
                expected,
                "{grantee} {signer:?}"
            );
        };
        let physician = practitioner("lakeside-clinic", "physician");
        check("lakeside-clinic", &physician, true);
        check("riverside-hospital", &physician, false);
        check("lakeside-clinic:physician", &physician, true);
        check("lakeside-clinic:clerk", &physician, false);
        check("lakeside-clinic:physician", &practitioner("riverside-hospital", "physician"), false);
        check(&format!("lakeside-clinic/{baker}"), &physician, true);
        check(&format!("riverside-hospital/{baker}"), &physician, false);
        check("lakeside-clinic", &Signer::Organisation(org("lakeside-clinic")), true);
        check("lakeside-clinic:physician", &Signer::Organisation(org("lakeside-clinic")), false);
        // Their lane is no membership.
        check("lakeside-clinic", &person, false);
        check(&format!("lakeside-clinic/{baker}"), &person, false);
        check("study:abc", &physician, false);
    }
}
