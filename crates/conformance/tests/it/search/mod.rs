//! Searching: tables of cases, everything published, and whatever one can think of.

mod cases;
mod cutting;
mod examples;
mod queries;
mod random;
mod refusals;
mod shelf;
mod sorting;
