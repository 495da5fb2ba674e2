//! This file is where a wrong transaction gets its number: stable, the same on every node, told in the receipt.

use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};

/// Why a transaction had no effect. The number is part of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Reject(pub u16);

/// A reject's number, name and sentence.
#[derive(Clone, Copy, Debug)]
pub struct RejectInfo {
    /// The number.
    pub reject: Reject,
    /// The constant's name.
    pub name: &'static str,
    /// What is wrong and what to do.
    pub message: &'static str,
}

/// Declares rejects: a constant for each, and `REJECTS`, the folder's list.
macro_rules! rejects {
    ($($name:ident = $code:literal, $message:literal;)*) => {
        $(
            #[doc = $message]
            pub const $name: $crate::Reject = $crate::Reject($code);
        )*

        /// The rejects declared here.
        pub const REJECTS: &[$crate::RejectInfo] = &[
            $($crate::RejectInfo { reject: $name, name: stringify!($name), message: $message }),*
        ];
    };
}
pub(crate) use rejects;

rejects! {
    MALFORMED = 1, "the transaction is not the canonical encoding of a known kind";
    WRONG_NETWORK = 2, "the transaction is for another network";
    BAD_SIGNATURE = 3, "the signature does not verify";
    EXPIRED = 4, "the transaction is past its `valid_until`; sign it again";
    TOO_FAR_AHEAD = 5, "`valid_until` lies beyond the replay window; choose an earlier time";
    SIGNER_UNKNOWN = 6, "the signing key is not enrolled with any organisation, or no longer valid";
    NOT_FOR_SIGNER = 7, "this kind of transaction is not for this kind of signer";
    QUOTA = 8, "the organisation has used up its share of this window; try again in the next";
}
