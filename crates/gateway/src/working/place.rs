//! This file is where it stands to what a resource belongs: the unit in which consent is decided.

use primitives::{ChartId, Hash, OrgId, TxId};

/// Chart, category and writing organisation: what an access is decided for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// The chart.
    pub chart: ChartId,
    /// The category's name, as `general` or `HIV+PSY`.
    pub category: String,
    /// Who wrote it.
    pub writer: OrgId,
}

/// The category of what is rendered from the ledger of the organisation's own accesses. No category of records is spelled
/// like this.
const LEDGER_OWN: &str = "ledger:own";

/// The same of the accesses of others, which only a chart's custodian sees.
const LEDGER_OTHERS: &str = "ledger:others";

impl Class {
    /// The class of AuditEvents of a chart that are rendered from the ledger: of the organisation's own accesses, or of those of
    /// others.
    #[must_use]
    pub fn of_ledger(chart: ChartId, org: &OrgId, own: bool) -> Self {
        let category = if own { LEDGER_OWN } else { LEDGER_OTHERS };
        Self { chart, category: category.to_owned(), writer: org.clone() }
    }
}

/// Whether a category is of what is rendered from the ledger.
pub(super) fn is_of_ledger(category: &str) -> bool {
    matches!(category, LEDGER_OWN | LEDGER_OTHERS)
}

impl Place {
    /// The access that an AuditEvent under this id tells of. Ids of this form, 64 small hexadecimal digits, belong to the
    /// ledger: nothing else is ever put there.
    #[must_use]
    pub fn access(&self) -> Option<TxId> {
        let digits = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if self.kind != "AuditEvent" || !self.id.as_bytes().iter().all(digits) {
            return None;
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.id, &mut bytes).ok()?;
        Some(TxId(Hash(bytes)))
    }

    /// Where the AuditEvent of an access stands.
    #[must_use]
    pub fn of_access(access: TxId) -> Self {
        Self { kind: "AuditEvent", id: hex::encode(access.0.as_bytes()) }
    }
}

/// Where a resource stands here: its type and the id under which it is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The type.
    pub kind: &'static str,
    /// The id.
    pub id: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}
