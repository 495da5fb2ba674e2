//! This file is where validators tell each other what is final: who is behind catches up, and a fork would be seen.

use crate::{Certificate, certificate};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{HEADER_BYTES, Header, NetworkId, PublicKey, Span};
use std::{fs, io, path::PathBuf};

/// How often a validator tells its head.
pub(crate) const TOLD: Span = Span(2_000);
/// A validator that told nothing for this long counts as away.
pub(crate) const HEARD: Span = Span(7_000);
/// The longest head.
pub(crate) const HEAD_BYTES_MAX: usize = 1 + HEADER_BYTES + 4 + certificate::CERTIFICATE_BYTES_MAX;

/// A header with the certificate over it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Head {
    pub header: Header,
    pub certificate: Certificate,
}

/// Whom to believe, and where evidence is kept.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub network: NetworkId,
    pub committee: Vec<PublicKey>,
    /// A file that must never be needed.
    pub evidence: Option<PathBuf>,
}

impl Watch {
    /// Whether a quorum certified `head`.
    pub(crate) fn holds(&self, head: &Head) -> bool {
        certificate::verify(&head.certificate, &head.header, &self.committee, self.network).is_ok()
    }

    /// Keeps both heads of a fork.
    pub(crate) fn keep(&self, theirs: &Head, ours: Option<&Head>) -> io::Result<()> {
        match &self.evidence {
            Some(path) => fs::write(path, primitives::encode(&(theirs, ours))),
            None => Ok(()),
        }
    }
}
