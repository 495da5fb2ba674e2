//! This file is where a node's one configuration file has its form; what each field says is its manual.

use primitives::{OrgId, PrincipalId, PublicKey, Slug, Span};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};

/// A node's configuration: `node.toml`. Unknown keys are refused. Relative paths start at the file's own folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The organisation that runs the node.
    pub org: OrgId,
    /// The network's genesis file.
    pub genesis: PathBuf,
    /// The node's keys, made by `horkos network init`.
    pub keys: PathBuf,
    /// Where the node keeps everything else.
    pub data: PathBuf,
    /// Where it is noted that this node's validator has signed before; outside `data`, and never to be restored from a
    /// backup: a validator that lost its data must not sign again with its old key.
    pub marker: PathBuf,
    /// Where validators reach this one.
    pub p2p: SocketAddr,
    /// Where users and other nodes call this one.
    pub rpc: SocketAddr,
    /// Packs: a folder, or the URL of a bucket (`s3://bucket/prefix`).
    #[serde(default = "default_packs")]
    pub packs: String,
    /// All members: how to reach them.
    pub members: Vec<Address>,
    /// Staff of this organisation who may use the node.
    #[serde(default)]
    pub staff: Vec<Staff>,
    /// When the trustee's box key is replaced, and how long the earlier one is kept.
    #[serde(default)]
    pub box_keys: BoxKeyRules,
    /// Logs: one JSON object a line, or plain text.
    #[serde(default)]
    pub log: LogFormat,
    /// Worker threads of the engine.
    #[serde(default = "default_threads")]
    pub threads: usize,
}

fn default_packs() -> String {
    "packs".into()
}

fn default_threads() -> usize {
    2
}

/// How to reach a member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The member.
    pub org: OrgId,
    /// Its validator.
    pub p2p: SocketAddr,
    /// Its calls.
    pub rpc: SocketAddr,
}

/// Somebody who may use the organisation's node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    /// The public key of the staff member's profile.
    pub key: PublicKey,
    /// The id under which the practitioner appears on the ledger; random.
    pub practitioner: PrincipalId,
    /// The role that the organisation certifies, for example `physician`.
    pub role: Slug,
    /// Kinds that this person may have the organisation sign, for example `identity.enrol`; `*` is all.
    #[serde(default)]
    pub orders: Vec<String>,
    /// How long a session lasts; at most twelve hours.
    #[serde(default = "default_session")]
    pub session: Span,
}

fn default_session() -> Span {
    Span::hours(8)
}

/// When a trustee's box key is replaced, and how long the earlier one is kept. Spans are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoxKeyRules {
    /// After an erasure a new key is made, but not more often than this; a day unless said otherwise.
    pub every: Span,
    /// How long after a rotation writes may still be committed that were dealt to the earlier key; an hour unless said
    /// otherwise, four times what writers allow themselves.
    pub grace: Span,
    /// How long an earlier key is kept at most for a committed write that its writer doesn't deliver; thirty days unless
    /// said otherwise. What isn't delivered by then only the other trustees hold.
    pub keep_max: Span,
}

impl Default for BoxKeyRules {
    fn default() -> Self {
        Self { every: Span::days(1), grace: Span::hours(1), keep_max: Span::days(30) }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For reading at a terminal.
    Text,
}

impl Staff {
    /// Whether this person may have the organisation sign a kind of this name.
    #[must_use]
    pub fn may_order(&self, kind: &str) -> bool {
        self.orders.iter().any(|order| order == "*" || order == kind)
    }
}
