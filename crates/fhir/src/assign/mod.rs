//! This folder is where it is decided whose a resource is: which patient's chart it goes to, or the directory.

mod group;
mod people;
mod spread;
mod ties;

pub use group::{Assigned, Assignment, Group, Identifier};
pub use spread::assign;
pub use ties::names_patient;
