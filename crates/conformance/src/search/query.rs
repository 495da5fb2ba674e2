//! This file is where a search is spelled out in types: what must hold, and how the answer is to look.

use super::date::Interval;
use super::decimal::Span;
use super::table::Parameter;
use super::value::Canonical;

/// A whole search, understood and within bounds.
#[derive(Clone, Debug)]
pub struct Query {
    /// The types searched: the one of the path, or those of `_type` (none means all types) in a search of everything.
    pub types: Vec<&'static str>,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// `_include`, in order.
    pub includes: Vec<Include>,
    /// `_revinclude`, in order.
    pub reverse_includes: Vec<Include>,
    /// `_sort`, the most significant first.
    pub sort: Vec<Sort>,
    /// `_count`, at most [`super::Limits::count_max`]. Zero asks for the total alone.
    pub count: Option<u32>,
    /// `_total`.
    pub total: Option<Total>,
    /// `_summary`; false is none.
    pub summary: Option<Summary>,
    /// `_elements`: names of top-level elements. Empty if not given.
    pub elements: Vec<String>,
    /// What was given, not understood and passed over. Always empty under [`super::Strictness::Strict`].
    pub ignored: Vec<Ignored>,
    /// The query part of the self link: what was understood and nothing else, percent-encoded, in the order given.
    pub self_query: String,
}

/// A parameter that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its name as given, with modifiers, shortened to 100 characters.
    pub name: String,
    /// Why, for an OperationOutcome in the answer.
    pub reason: String,
}

/// One thing that must hold of a resource.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A parameter of the resource itself.
    Param {
        /// For a search of everything, a parameter of all resources.
        param: &'static Parameter,
        /// What its values must be.
        test: Test,
    },
    /// A chain: a reference of the resource leads to a resource for which a condition holds.
    Chain {
        /// The reference parameter.
        param: &'static Parameter,
        /// For each type that it may lead to and that has the parameter next in the chain: what must hold there. The
        /// reference matches with one of them; never empty.
        targets: Vec<(&'static str, Condition)>,
    },
    /// `_has`: a resource of another type refers to this one, and a condition holds for that.
    Has {
        /// The type of the resource that refers.
        source: &'static str,
        /// Its reference parameter.
        param: &'static Parameter,
        /// What must hold of it.
        condition: Box<Condition>,
    },
}

/// What the values of a parameter must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// At least one value matches at least one of these.
    Any(Vec<Match>),
    /// No value matches any of these, or there is no value (`:not`).
    None(Vec<Match>),
    /// `:missing`: whether the parameter has no element at all; see [`super::Index::has`].
    Missing(bool),
}

/// One of the values of a condition, as it compares to a [`super::Value`] of the same type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `[system|]code`: compares `system`, and `key` for equality where a key is given.
    Token {
        /// The system asked for.
        system: System,
        /// In the spelling of [`super::Token::key`]; none for `system|`, which asks for any code of the system: there the
        /// value's key is anything but none.
        key: Option<String>,
    },
    /// `:text` on a token: [`super::Token::text`] starts with this.
    TokenText(String),
    /// `:of-type`: [`super::Token::types`] holds this system and code, and the key is equal.
    TokenOfType {
        /// The system of the identifier's type.
        system: String,
        /// The code of the identifier's type.
        code: String,
        /// In the spelling of [`super::Token::key`].
        key: String,
    },
    /// On a string.
    String(StringMatch),
    /// On a date, by the table of prefixes.
    Date(Prefix, Interval),
    /// On a number, by the table of prefixes.
    Number(Prefix, Span),
    /// On a quantity, by the table of prefixes, where the unit matches.
    Quantity(Prefix, UnitMatch),
    /// On a uri.
    Uri(UriMatch),
    /// On a reference: every part that is given here is equal there.
    Reference {
        /// The type. From the value, or from the modifier as in `subject:Patient=1`.
        kind: Option<&'static str>,
        /// The id.
        id: String,
        /// The version, if one was asked for.
        version: Option<String>,
        /// Whose it is.
        base: Base,
    },
    /// On a reference: [`super::Reference::url`] is equal, and the version if one was asked for.
    ReferenceUrl {
        /// `urn:uuid:…`, or a canonical without its version.
        url: String,
        /// The version of a canonical.
        version: Option<String>,
    },
    /// `:identifier` on a reference: compares [`super::Reference::identifier`].
    ReferenceIdentifier {
        /// The system asked for.
        system: System,
        /// In the spelling of [`super::Identifier::key`]; none for `system|`, any key.
        key: Option<String>,
    },
    /// On a composite: each matches a value of the component at the same place.
    Composite(Vec<Match>),
}

/// Which server a reference must lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The one searched: [`super::Reference::base`] is none, or equal to this text if it isn't empty.
    Own(String),
    /// Another one: it is equal to this.
    Is(String),
}

/// Which system a token must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// `code`: any or none.
    Any,
    /// `|code`: none.
    None,
    /// `system|code`: this one.
    Is(String),
}

/// How a string is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringMatch {
    /// The folded value starts with this. Never empty.
    Starts(String),
    /// `:contains`: the folded value contains this. Never empty.
    Contains(String),
    /// `:exact`: the value as given is this.
    Exact(String),
}

/// How a uri is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriMatch {
    /// Equal, and the version too if one is given. Where a resource has a `uri` with `|` in it, uri and version joined by
    /// `|` are equal.
    Is {
        /// Without version.
        uri: String,
        /// What followed the last `|`.
        version: Option<String>,
    },
    /// `:below`: equal without its version, or starts with this and a `/`. Has no `/` at its end.
    Below(String),
    /// `:above`: without its version, it is one of these: the value given and everything before one of its `/`.
    Above(Vec<String>),
}

/// Which quantities are compared, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitMatch {
    /// `5.4`: any unit. Compares [`super::Quantity::span`].
    Any(Span),
    /// `5.4||mg`: code or unit is equal to this. Compares [`super::Quantity::span`].
    Code(Span, String),
    /// `5.4|system|code`: system and code are equal. Compares [`super::Quantity::span`].
    System(Span, String, String),
    /// `5.4|http://unitsofmeasure.org|mg`: the canonical unit is equal. Compares [`super::Quantity::canonical`].
    Canonical(Canonical),
}

/// How the value of a resource stands to the one of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// Lies within it.
    Eq,
    /// Does not lie within it.
    Ne,
    /// Reaches above it.
    Gt,
    /// Reaches below it.
    Lt,
    /// Reaches above it or lies within it.
    Ge,
    /// Reaches below it or lies within it.
    Le,
    /// Starts after it.
    Sa,
    /// Ends before it.
    Eb,
    /// Overlaps with it; the interval has been widened already.
    Ap,
}

/// `_include` or `_revinclude`.
#[derive(Clone, Debug)]
pub struct Include {
    /// The type that has the reference.
    pub source: &'static str,
    /// The reference parameters followed: one, or with `*` all of the source's.
    pub params: Vec<&'static Parameter>,
    /// Only references to this type.
    pub target: Option<&'static str>,
    /// `:iterate`: also from what was itself included.
    pub iterate: bool,
}

/// A key of `_sort`.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// What is sorted by.
    pub param: &'static Parameter,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// `_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// No total is wanted.
    None,
    /// Roughly will do.
    Estimate,
    /// To the last one.
    Accurate,
}

/// `_summary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// Elements marked as summary in the definition.
    True,
    /// Narrative, id, meta and mandatory elements.
    Text,
    /// Everything but the narrative.
    Data,
    /// Only the total.
    Count,
}
