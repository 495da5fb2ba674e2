//! This folder is where FHIR R4 search is: what every search parameter of the base specification finds in a resource,
//! what a query asks, and whether the one answers the other.
//!
//! A server uses it in this order:
//!
//! 1. `index` walks a resource once and yields its [`Index`]: one [`Row`] for every value of every parameter. An index
//!    in SQL is one table per [`Value`] variant; the fields of a variant are its columns.
//! 2. `parse` turns the parameters of a request into a [`Query`], or into a [`SearchError`] that says what is wrong
//!    and where. What it didn't understand and was allowed to pass over stands in [`Query::ignored`]; nothing is passed
//!    over in silence.
//! 3. `matches` is what a query means, in plain code: any other execution must agree with it.
//! 4. `sort_key` says where a resource stands under a sort, `project` cuts it down for `_summary` and `_elements`.
//!
//! # How values compare
//!
//! Dates, numbers and quantities are intervals, `from` included and `to` excluded: a date of instants in milliseconds
//! UTC, numbers of [`Cut`]s, whose bytes sort as the numbers do. `t` being the resource's interval and `s` the query's:
//!
//! | prefix | holds when |
//! |---|---|
//! | `eq` | `t.from >= s.from && t.to <= s.to` |
//! | `ne` | not `eq` |
//! | `gt` | `t.to > s.to` |
//! | `lt` | `t.from < s.from` |
//! | `ge` | `gt` or `eq` |
//! | `le` | `lt` or `eq` |
//! | `sa` | `t.from >= s.to` |
//! | `eb` | `t.to <= s.from` |
//! | `ap` | `t.from < s.to && t.to > s.from` |
//!
//! The parser has already put the implicit precision of the prefix into `s`, so that these nine lines are all there is
//! (FHIR R4 search, "Prefixes", "number", "date").
//!
//! Strings, token codes and texts carry a second, folded spelling; equality, prefix and substring on folded spellings is
//! what the modifiers mean. [`Match`] says for each variant which columns it compares.
//!
//! # What is refused
//!
//! `_text`, `_content`, `_query`, `_filter`, `_list`, `near`, `:above`, `:below`, `:in` and `:not-in` on tokens and
//! references are known and refused by name, under either [`Strictness`]: to drop them would answer with more than was
//! asked for.
//!
//! ```text
//! // Still to come, with these signatures:
//! pub fn resource_types() -> &'static [&'static str];
//! pub fn parameters(kind: &str) -> impl Iterator<Item = &'static Parameter>;      // those of all resources included
//! pub fn parameter(kind: &str, code: &str) -> Option<&'static Parameter>;
//! pub fn fold_text(text: &str) -> String;                                         // case, accents, punctuation, blanks
//! pub fn fold_case(text: &str) -> String;                                         // case alone
//! pub fn index(resource: fhir::json::Value<'_>) -> Option<Index>;                 // None: not a resource of R4
//! pub fn parse(kind: Option<&str>, pairs: &[(String, String)], options: &Options) -> Result<Query, SearchError>;
//! pub trait World {                                                               // what chains and _has look into
//!     fn find(&self, kind: &str, id: &str) -> Option<&Index>;
//!     fn all(&self, kind: &str) -> Box<dyn Iterator<Item = &Index> + '_>;
//! }
//! pub fn matches(condition: &Condition, index: &Index, world: &dyn World) -> bool;
//! pub fn matches_all(query: &Query, index: &Index, world: &dyn World) -> bool;
//! pub fn sort_key(sort: &Sort, index: &Index) -> Option<SortKey>;                 // SortKey: Ord, as_bytes()
//! pub fn project(resource: Value<'_>, summary: Option<Summary>, elements: &[String]) -> Option<String>;
//! ```

mod date;
mod decimal;
mod error;
mod index;
mod params;
mod query;
mod table;
mod value;

pub use date::Interval;
pub use decimal::{Cut, Span};
pub use error::SearchError;
pub use index::{Index, Row};
pub use params::{Limits, Options, Strictness};
pub use query::{
    Condition, Ignored, Include, Match, Prefix, Query, Sort, StringMatch, Summary, System, Test, Total,
    UnitMatch, UriMatch,
};
pub use table::{Component, ParamType, Parameter};
pub use value::{Canonical, Identifier, Quantity, Reference, Token, Uri, Value};
