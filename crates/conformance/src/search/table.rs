//! This file is where the compiled search parameters of FHIR R4 are found.

/// The type of a search parameter (value set search-param-type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParamType {
    /// Numbers.
    Number,
    /// Dates and times.
    Date,
    /// Texts.
    String,
    /// Codes, identifiers, flags.
    Token,
    /// References to resources.
    Reference,
    /// Several at once, of the same element.
    Composite,
    /// Numbers with units.
    Quantity,
    /// URIs.
    Uri,
    /// `Location.near` alone; refused.
    Special,
}

impl ParamType {
    /// The code in FHIR.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }
}

/// A search parameter as it applies to one type of resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in a query, as `value-quantity`.
    pub code: &'static str,
    /// Its type.
    pub kind: ParamType,
    /// For references: the types that it may lead to. Never `Resource`: that is spelled out.
    pub targets: Vec<&'static str>,
    /// For tokens: whether codes compare byte for byte (elements of type `code`, `id` and `boolean`) rather than folded.
    pub exact_case: bool,
    /// For composites: what they are made of.
    pub components: Vec<Component>,
}

/// A part of a composite parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Component {
    /// Its type; never composite.
    pub kind: ParamType,
    /// As [`Parameter::exact_case`].
    pub exact_case: bool,
}
