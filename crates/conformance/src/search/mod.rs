//! This folder is where FHIR R4 search is: what every search parameter of the base specification finds in a resource,
//! what a query asks, and whether the one answers the other.
//!
//! A server uses it in this order:
//!
//! 1. [`index`] walks a resource once and yields its [`Index`]: one [`Row`] for every value of every parameter. An index
//!    in SQL is one table per [`Value`] variant; the fields of a variant are its columns.
//! 2. [`parse`] turns the parameters of a request into a [`Query`], or into a [`SearchError`] that says what is wrong
//!    and where. What it didn't understand and was allowed to pass over stands in [`Query::ignored`]; nothing is passed
//!    over in silence.
//! 3. [`matches()`] is what a query means, in plain code: any other execution must agree with it.
//! 4. [`sort_key`] says where a resource stands under a sort, [`project`] cuts it down for `_summary` and `_elements`.
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
//! # As tables
//!
//! - A row belongs to a resource, is keyed by (type, code of the parameter), and holds one [`Value`]. [`Index::present`]
//!   is a table of its own: a parameter may be present without a row.
//! - [`Test::Any`]: a row exists that satisfies one of the matches, all columns of a match in the *same* row.
//!   [`Test::None`]: no such row exists, which is also true of a resource without any. [`Prefix::Ne`] in contrast needs a
//!   row, one that isn't within the interval.
//! - A [`Value::Composite`] is a group of rows: the values of its components under one group number, each with the number
//!   of its component. A [`Match::Composite`] needs one group with a matching row for every component.
//! - A column of the query that is none is not compared (but a `system|` without code wants a row with a
//!   key); a column of the row that is none equals nothing.
//! - [`Condition::Chain`] and [`Condition::Has`] join over reference rows: by type and id where [`Reference::base`] is
//!   none or the server's own, else only what the server knows to be the same resource. Whatever the caller may not see
//!   must be left out of *these* joins too, or it can be guessed at.
//! - The text of the resource is all that [`index`] knows: a server that assigns `id` and `meta.lastUpdated` indexes the
//!   text in which they stand.
//! - `sort_key` bytes can be stored: one ascending and one descending key a parameter.
//!
//! # What is refused
//!
//! `_text`, `_content`, `_query`, `_filter`, `_list`, `_score`, `_contained` (but for `false`), `_containedType`, `near`,
//! and on tokens and references `:above`, `:below`, `:in` and `:not-in` are known and refused by name, under either
//! [`Strictness`]: to drop them would answer with more than was asked for.

mod condition;
mod date;
mod decimal;
mod error;
mod escape;
mod extract;
mod fold;
mod index;
mod matches;
mod measure;
mod operand;
mod params;
mod parse;
mod path;
mod project;
mod query;
mod reference;
mod sort;
mod table;
mod tree;
mod units;
mod value;

pub use date::Interval;
pub use decimal::{Cut, Span};
pub use error::SearchError;
pub use fold::{fold_case, fold_text};
pub use index::{Index, Row, index};
pub use matches::{Nowhere, World, matches, matches_all};
pub use params::{Limits, Options, Strictness};
pub use parse::parse;
pub use project::project;
pub use query::{
    Base, Condition, Ignored, Include, Match, Prefix, Query, Sort, StringMatch, Summary, System, Test, Total,
    UnitMatch, UriMatch,
};
pub use sort::{SortKey, sort_key};
pub use table::{Component, ParamType, Parameter, parameter, parameters, resource_types};
pub use value::{Canonical, Identifier, Quantity, Reference, Token, Uri, Value};
