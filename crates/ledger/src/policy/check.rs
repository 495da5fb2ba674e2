//! This file is where policy text is admitted: small, flat, typed, and made only of what can't err when it is asked.

use cedar_policy::{
    PolicySet, Schema, ValidationMode, Validator,
    pst::{BinaryOp, Clause, Expr, UnaryOp},
};
use primitives::Slug;
use std::{collections::BTreeMap, sync::Arc};

/// Most policies of one set.
pub const POLICIES_MAX: usize = 64;

/// Most tokens of one policy: bounds how deep any tree made of it can be, whatever the grammar nests without brackets.
pub const TOKENS_MAX: usize = 512;

/// Deepest nesting of brackets.
pub const DEPTH_MAX: usize = 16;

/// Why policy text isn't admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A string or comment doesn't end, or brackets don't match.
    #[error("a string or bracket of policy {0} (counted from 1) does not end")]
    Unbalanced(usize),
    /// Too many policies.
    #[error("more than {POLICIES_MAX} policies")]
    TooMany,
    /// A policy is too long.
    #[error("policy {0} (counted from 1) has more than {TOKENS_MAX} tokens; split it")]
    TooLong(usize),
    /// Brackets are nested too deep.
    #[error("brackets of policy {0} (counted from 1) are nested deeper than {DEPTH_MAX}")]
    TooDeep(usize),
    /// It isn't Cedar.
    #[error("not Cedar policies: {0}")]
    Syntax(String),
    /// It speaks of something that the schema doesn't have, or compares what can't be compared.
    #[error("against the schema: {0}")]
    Schema(String),
    /// A policy has no name, a malformed one, or another's.
    #[error("policy {0} (counted from 1) needs a short name of its own: @id(\"name\")")]
    Name(usize),
    /// It is a template.
    #[error("templates are not admitted")]
    Template,
    /// Something that could err when it is asked.
    #[error(
        "policy `{0}` uses {1}, which could fail when asked; use comparisons, `&&`, `||`, sets and strings"
    )]
    CouldErr(Slug, &'static str),
}

/// Policies that were admitted, and their names.
pub(super) struct Admitted {
    pub(super) set: PolicySet,
    pub(super) names: BTreeMap<String, Slug>,
}

/// Admits policy text. Must run on the evaluator's thread: parser and validator recurse.
pub(super) fn admit(text: &str, schema: &Schema) -> Result<Admitted, PolicyError> {
    check_size(text)?;
    let set: PolicySet = text.parse().map_err(|error| PolicyError::Syntax(format!("{error}")))?;
    if set.num_of_templates() > 0 {
        return Err(PolicyError::Template);
    }
    let names = names(&set)?;
    for policy in set.policies() {
        let name = names.get(&policy.id().to_string()).ok_or(PolicyError::Name(0))?;
        let tree = policy.to_pst().map_err(|error| PolicyError::Syntax(error.to_string()))?;
        for clause in tree.body().clauses() {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            check_expr(expr).map_err(|what| PolicyError::CouldErr(name.clone(), what))?;
        }
    }
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    if !result.validation_passed() {
        let mut errors: Vec<_> = result.validation_errors().map(ToString::to_string).collect();
        errors.sort();
        return Err(PolicyError::Schema(errors.join("; ")));
    }
    Ok(Admitted { set, names })
}

fn names(set: &PolicySet) -> Result<BTreeMap<String, Slug>, PolicyError> {
    let mut names = BTreeMap::new();
    let mut taken = std::collections::BTreeSet::new();
    for (place, policy) in (1..).zip(set.policies()) {
        let name = policy.annotation("id").and_then(|name| name.parse::<Slug>().ok());
        let name = name.filter(|name| taken.insert(name.clone())).ok_or(PolicyError::Name(place))?;
        names.insert(policy.id().to_string(), name);
    }
    Ok(names)
}

/// What stands outside strings and comments, bounded before any parser recurses over it.
fn check_size(text: &str) -> Result<(), PolicyError> {
    let mut chars = text.chars().peekable();
    let (mut policy, mut tokens, mut depth) = (1_usize, 0_usize, 0_usize);
    while let Some(char) = chars.next() {
        match char {
            _ if char.is_whitespace() => continue,
            // Cedar ends a comment at either kind of line end.
            '/' if chars.peek() == Some(&'/') => {
                while chars.peek().is_some_and(|next| !matches!(next, '\n' | '\r')) {
                    chars.next();
                }
                continue;
            }
            '"' => loop {
                match chars.next() {
                    None => return Err(PolicyError::Unbalanced(policy)),
                    Some('"') => break,
                    Some('\\') => {
                        chars.next();
                    }
                    Some(_) => {}
                }
            },
            '(' | '[' | '{' => {
                depth = depth.saturating_add(1);
                if depth > DEPTH_MAX {
                    return Err(PolicyError::TooDeep(policy));
                }
            }
            ')' | ']' | '}' => depth = depth.checked_sub(1).ok_or(PolicyError::Unbalanced(policy))?,
            ';' if depth == 0 => {
                (policy, tokens) = (policy.saturating_add(1), 0);
                if policy > POLICIES_MAX.saturating_add(1) {
                    return Err(PolicyError::TooMany);
                }
                continue;
            }
            _ if is_word(char) => {
                while chars.peek().copied().is_some_and(is_word) {
                    chars.next();
                }
            }
            _ => {}
        }
        tokens = tokens.saturating_add(1);
        if tokens > TOKENS_MAX {
            return Err(PolicyError::TooLong(policy));
        }
        if policy > POLICIES_MAX {
            return Err(PolicyError::TooMany);
        }
    }
    if depth == 0 { Ok(()) } else { Err(PolicyError::Unbalanced(policy)) }
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// Refuses all but what is total: arithmetic overflows, tags and extension functions fail.
fn check_expr(expr: &Arc<Expr>) -> Result<(), &'static str> {
    match expr.as_ref() {
        Expr::Literal(_) | Expr::Var(_) => Ok(()),
        Expr::UnaryOp { op, expr } => {
            match op {
                UnaryOp::Not | UnaryOp::IsEmpty => {}
                UnaryOp::Neg => return Err("arithmetic"),
                _ => return Err("an extension function"),
            }
            check_expr(expr)
        }
        Expr::BinaryOp { op, left, right } => {
            match op {
                BinaryOp::Eq
                | BinaryOp::NotEq
                | BinaryOp::And
                | BinaryOp::Or
                | BinaryOp::In
                | BinaryOp::Contains
                | BinaryOp::ContainsAll
                | BinaryOp::ContainsAny => {}
                BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul => return Err("arithmetic"),
                BinaryOp::Less | BinaryOp::LessEq | BinaryOp::Greater | BinaryOp::GreaterEq => {
                    return Err("an order of numbers");
                }
                _ => return Err("a tag or an extension function"),
            }
            check_expr(left)?;
            check_expr(right)
        }
        Expr::GetAttr { expr, attr: _ }
        | Expr::HasAttr { expr, attrs: _ }
        | Expr::Like { expr, pattern: _ } => check_expr(expr),
        Expr::Is { expr, entity_type: _, in_expr } => {
            check_expr(expr)?;
            in_expr.as_ref().map_or(Ok(()), check_expr)
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            check_expr(cond)?;
            check_expr(then_expr)?;
            check_expr(else_expr)
        }
        Expr::Set(items) => items.iter().try_for_each(check_expr),
        Expr::Record(fields) => fields.values().try_for_each(check_expr),
        _ => Err("an expression unknown to this version"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::policy::{BASE, check};

    /// A policy whose condition is `condition`.
    fn when(condition: &str) -> String {
        format!("@id(\"p\")\npermit (principal, action, resource) when {{ {condition} }};")
    }

    fn refused(text: &str, part: &str) {
        let error = check(text).expect_err(text).to_string();
        assert!(error.contains(part), "`{error}` for {text}");
    }

    #[test]
    fn the_base_policies_are_admitted() {
        assert_eq!(check(BASE), Ok(()));
        assert_eq!(check(""), Ok(()), "no policies deny everything, which is a policy too");
    }

    #[test]
    fn whatever_could_err_is_refused() {
        let cases = "
            1 + 1 == 2                                  | arithmetic
            9223372036854775807 * 2 == 1                | arithmetic
            -(1) == 1                                   | arithmetic
            1 < 2                                       | order of numbers
            decimal(\"1.0\").lessThan(decimal(\"2.0\")) | extension function
            ip(\"10.0.0.1\").isLoopback()               | extension function
            principal.hasTag(\"x\")                     | a tag
            context.nowhere == 1                        | schema
            context.who == 1                            | schema
            context.who                                 | schema
            principal.name == \"x\"                     | schema
            [].contains(context.who)                    | schema
            [1, \"a\"].contains(context.who)            | schema
            resource in Folder::\"x\"                   | schema
            context.special &&                          | not Cedar policies";
        for case in cases.lines().filter(|line| !line.trim().is_empty()) {
            let (condition, part) = case.rsplit_once('|').unwrap();
            refused(&when(condition.trim()), part.trim());
        }
        for total in [
            "context.special || !context.owner",
            "context.who like \"prac*\"",
            "[\"a\"].contains(context.role)",
        ] {
            assert_eq!(check(&when(total)), Ok(()), "{total}");
        }
    }

    #[test]
    fn every_policy_has_a_name_of_its_own() {
        refused("permit (principal, action, resource);", "needs a short name");
        refused("@id(\"Two Words\") permit (principal, action, resource);", "needs a short name");
        refused(&when("true").repeat(2), "policy 2");
        refused("@id(\"t\") permit (principal == ?principal, action, resource);", "templates");
    }

    #[test]
    fn size_number_and_depth_are_bounded_before_anything_recurses() {
        let many = |n: usize| -> String {
            (0..n).map(|i| when("true").replace("\"p\"", &format!("\"p{i}\""))).collect()
        };
        assert_eq!(check(&many(POLICIES_MAX)), Ok(()));
        refused(&many(POLICIES_MAX + 1), "more than");
        refused(&when(&format!("true{}", " && true".repeat(TOKENS_MAX))), "tokens");
        refused(&when(&format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000))), "nested");
        refused(&when(&format!("{}true", "!".repeat(10_000))), "tokens");
        refused(&when(&"if true then true else ".repeat(1_000)), "tokens");
        refused(&when("((true)"), "does not end");
        refused(&when("\"true"), "does not end");
        refused("))", "does not end");
        // What a string or comment holds is no nesting, and what follows a comment is.
        assert_eq!(
            check(&format!("// {}\n{}", "(".repeat(10_000), when("context.role == \"((((\""))),
            Ok(())
        );
        let hidden = format!("// \r{}", when(&format!("{}true{}", "(".repeat(100), ")".repeat(100))));
        refused(&hidden, "nested");
    }

    /// The widest trees that the bounds admit, each parsed, validated and asked.
    pub(in crate::policy) fn widest() -> Vec<String> {
        let room = TOKENS_MAX - 30;
        let nested = DEPTH_MAX - 1;
        vec![
            when(&format!("true{}", " && true".repeat(room / 3))),
            when(&format!("true{}", " || context.special".repeat(room / 5))),
            when(&format!("{}context.special", "if context.special then true else ".repeat(room / 7))),
            when(&format!("{}true{}", "(".repeat(nested), ")".repeat(nested))),
            when(&format!("[{}].contains(context.role)", vec!["\"a\""; room / 2].join(","))),
            when("!!!!context.special"),
        ]
    }

    #[test]
    fn the_widest_trees_are_admitted() {
        for text in widest() {
            assert_eq!(check(&text), Ok(()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_admitted_or_refused(text in "(?s).{0,200}") {
            let _ = check(&text);
        }

        #[test]
        fn any_tokens_are_admitted_or_refused(tokens in proptest::collection::vec(proptest::sample::select(vec![
            "permit", "forbid", "(", ")", "principal", "action", "resource", ",", ";", "when", "unless", "{", "}", "@id",
            "\"a\"", "context", ".", "who", "==", "&&", "||", "!", "if", "then", "else", "[", "]", "in", "has", "like", "is",
            "true", "1", "-", "//", "\n", "\"", "\\", "?principal", "::",
        ]), 0..60)) {
            let _ = check(&tokens.join(" "));
            let _ = check(&when(&tokens.join(" ")));
        }
    }
}
