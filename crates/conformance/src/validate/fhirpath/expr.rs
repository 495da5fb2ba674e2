//! This file is where a parsed expression has its shape.

use regex::Regex;

/// A FHIRPath expression.
#[derive(Debug)]
pub(in crate::validate) enum Expr {
    /// `{}`
    Empty,
    Bool(bool),
    Number(f64),
    Text(String),
    /// `$this`
    This,
    Variable(Variable),
    /// `base.name`, or `name` on what is in focus.
    Member(Option<Box<Expr>>, String),
    /// `base.function(arguments)`, or on what is in focus.
    Call(Option<Box<Expr>>, Function, Vec<Expr>),
    /// `base.matches(pattern)`, `base.replaceMatches(pattern, other)`: compiled with the expression.
    Matches(Option<Box<Expr>>, Regex, Option<String>),
    Index(Box<Expr>, Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `base is Type`
    Is(Option<Box<Expr>>, String),
    /// `base as Type`, `base.ofType(Type)`
    As(Option<Box<Expr>>, String),
}

/// A name after `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Variable {
    Resource,
    RootResource,
    Context,
    Ucum,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Union,
    Plus,
    Join,
}

/// A function that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::validate) enum Function {
    All,
    AllFalse,
    Children,
    Combine,
    Contains,
    Count,
    Descendants,
    Distinct,
    Empty,
    Exists,
    First,
    HasValue,
    Iif,
    Intersect,
    IsDistinct,
    Last,
    Not,
    Resolve,
    Select,
    StartsWith,
    Substring,
    Tail,
    ToInteger,
    ToText,
    Trace,
    Where,
}

impl Function {
    /// By name, with the least and greatest number of arguments.
    pub(super) fn named(name: &str) -> Option<(Self, usize, usize)> {
        Some(match name {
            "all" => (Self::All, 1, 1),
            "allFalse" => (Self::AllFalse, 0, 0),
            "children" => (Self::Children, 0, 0),
            "combine" => (Self::Combine, 1, 1),
            "contains" => (Self::Contains, 1, 1),
            "count" => (Self::Count, 0, 0),
            "descendants" => (Self::Descendants, 0, 0),
            "distinct" => (Self::Distinct, 0, 0),
            "empty" => (Self::Empty, 0, 0),
            "exists" => (Self::Exists, 0, 1),
            "first" => (Self::First, 0, 0),
            "hasValue" => (Self::HasValue, 0, 0),
            "iif" => (Self::Iif, 2, 3),
            "intersect" => (Self::Intersect, 1, 1),
            "isDistinct" => (Self::IsDistinct, 0, 0),
            "last" => (Self::Last, 0, 0),
            "not" => (Self::Not, 0, 0),
            "resolve" => (Self::Resolve, 0, 0),
            "select" => (Self::Select, 1, 1),
            "startsWith" => (Self::StartsWith, 1, 1),
            "substring" => (Self::Substring, 1, 2),
            "tail" => (Self::Tail, 0, 0),
            "toInteger" => (Self::ToInteger, 0, 0),
            "toString" => (Self::ToText, 0, 0),
            "trace" => (Self::Trace, 1, 2),
            "where" => (Self::Where, 1, 1),
            _ => return None,
        })
    }
}
