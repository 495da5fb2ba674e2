//! This file is where the people stand who work in the network within the process.

use ledger::testing::key;
use primitives::PublicKey;

/// The people who work there: profile name, organisation, role.
pub(crate) const STAFF: [(&str, &str, &str, &str); 3] = [
    ("riverside/dr-adams", "riverside-hospital", "physician", "Dr. Ada Adams"),
    ("lakeside/dr-baker", "lakeside-clinic", "physician", "Dr. Ben Baker"),
    ("meridian/clerk", "meridian-insurance", "clerk", "Clara Clerk"),
];

/// Whose staff key it is.
pub(crate) fn staff(caller: &PublicKey) -> (&'static str, &'static str, &'static str, &'static str) {
    *STAFF.iter().find(|(name, ..)| key(name).public() == *caller).expect("the caller is on the staff list")
}
