//! This file is where an event is declared: what happened to a chart, as its log tells it.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Serialize;

/// Something that happened to a chart: a type of line in its log.
pub trait Fact: BorshSerialize + BorshDeserialize + Serialize + schemars::JsonSchema {
    /// The event type's tag, part of the log's format.
    const TAG: u16;
}
