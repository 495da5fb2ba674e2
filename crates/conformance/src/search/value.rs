//! This file is where the values that a resource is found by are defined, one variant per kind of table in an index.

use super::date::Interval;
use super::decimal::Span;

/// A value of a search parameter in a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Of a parameter of type token.
    Token(Token),
    /// Of a parameter of type string. A name or an address yields one of these for each of its parts.
    String {
        /// As it stands in the resource: what `:exact` compares.
        text: String,
        /// [`super::fold_text`] of it: what plain search (prefix) and `:contains` (substring) compare.
        folded: String,
    },
    /// Of a parameter of type date: `date`, `dateTime`, `instant`, `Period` or `Timing`.
    Date(Interval),
    /// Of a parameter of type number. A plain number is a point; a `Range` is an interval.
    Number(Span),
    /// Of a parameter of type quantity.
    Quantity(Quantity),
    /// Of a parameter of type uri.
    Uri(Uri),
    /// Of a parameter of type reference.
    Reference(Reference),
    /// Of a composite parameter: for one element of the resource the values of each component, in the order of
    /// [`super::Parameter::components`]. It matches when each component of the query matches one of its own. No list is
    /// empty and no value here is itself a composite.
    Composite(Vec<Vec<Value>>),
}

/// A coded value, an identifier, a flag: whatever is found by `system|code`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token {
    /// The code system or namespace. For an element of type `code` it is the system of its required binding, where that
    /// is a single one. Compared byte for byte.
    pub system: Option<String>,
    /// The code or identifier as it stands in the resource; none where there is only a text.
    pub code: Option<String>,
    /// What searches compare: the code itself where [`super::Parameter::exact_case`], else [`super::fold_case`] of it.
    pub key: Option<String>,
    /// [`super::fold_text`] of the display or text that goes with it: what `:text` compares, as a prefix.
    pub text: Option<String>,
    /// The codings of `Identifier.type`, as system and code: what `:of-type` compares.
    pub types: Vec<(Option<String>, String)>,
}

/// A quantity as given, and in the base units of UCUM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantity {
    /// The value in the unit as given. A point, unless there is a comparator (`<`, `<=`, `>=`, `>`) or it is a `Range`
    /// or `SampledData`.
    pub span: Span,
    /// The system of [`Self::code`].
    pub system: Option<String>,
    /// The coded unit.
    pub code: Option<String>,
    /// The unit for people; `5.4||mg` compares it besides [`Self::code`].
    pub unit: Option<String>,
    /// The value in base units, if the system is UCUM and the unit can be converted.
    pub canonical: Option<Canonical>,
}

/// A quantity in base units of UCUM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canonical {
    /// The value in [`Self::unit`], rounded to 28 digits.
    pub span: Span,
    /// Base units in a fixed order, as `g.m-3`; `1` for none.
    pub unit: String,
}

/// A URI, or a canonical URL with its version apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    /// Without the version.
    pub uri: String,
    /// What follows `|` in a canonical.
    pub version: Option<String>,
}

/// A reference to a resource. At least one of the fields is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The type of the resource meant, from the reference's text or its `type`.
    pub kind: Option<String>,
    /// The id of the resource meant: of `Patient/1`, and of an absolute URL that ends so. None for what is contained.
    pub id: Option<String>,
    /// What follows `/_history/`, or `|` in a canonical.
    pub version: Option<String>,
    /// Of an absolute URL that ends in type and id: what comes before them, without the last `/`. None when relative.
    pub base: Option<String>,
    /// The whole of anything that does not end in type and id: `urn:uuid:…`, a canonical without its version.
    pub url: Option<String>,
    /// The logical identifier: what `:identifier` compares.
    pub identifier: Option<Identifier>,
}

/// A business identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// The namespace.
    pub system: Option<String>,
    /// As it stands in the resource.
    pub value: String,
    /// [`super::fold_case`] of it: what searches compare.
    pub key: String,
}
