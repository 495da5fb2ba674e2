//! FHIR over HTTP: interactions, searches, transactions, operations. What may be seen is decided by visits, what is written is
//! final before it is answered.

mod answer;
mod auditing;
mod bundles;
mod capability;
mod change;
mod cursors;
mod directories;
mod following;
mod gateway;
mod interaction;
mod listed;
mod negotiate;
mod openapi;
mod operations;
mod perform;
mod reading;
mod refusals;
mod request;
mod routes;
mod searching;
mod table;
mod touch;
mod transaction;
mod writing;

pub use gateway::{Gateway, Parts, Settings};
pub use routes::routes;
