//! This crate is where hospitals and apps meet the network: a FHIR R4 server in front of the ledger and the sealed
//! records, from which nothing leaves unrecorded.

pub mod audit;
pub mod http;
pub mod rest;
pub mod smart;
pub mod start;
pub mod visit;
pub mod working;
