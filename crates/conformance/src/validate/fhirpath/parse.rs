//! This file is where the text of an expression is read: FHIRPath N1 §11, by precedence.

use super::expr::{Expr, Function, Operator, Variable};
use regex::Regex;

/// Nested expressions; the deepest of R4 has about ten.
const DEPTH_MAX: usize = 64;

/// Why an expression could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::validate) enum ParseError {
    #[error("character {0} begins nothing")]
    Character(usize),
    #[error("expected {0}")]
    Expected(&'static str),
    #[error("`{0}` is no function that is known here")]
    Function(String),
    #[error("`%{0}` is no variable that is known here")]
    Variable(String),
    #[error("the pattern of `matches` is not a regular expression")]
    Pattern,
    #[error("nested too deep")]
    Depth,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

const SIGNS: &[&str] =
    &["<=", ">=", "!=", "(", ")", "[", "]", "{", "}", ".", ",", "=", "<", ">", "|", "+", "&", "%", "$"];

/// Reads an expression.
pub(in crate::validate) fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.expression(0)?;
    if parser.at == parser.tokens.len() { Ok(expr) } else { Err(ParseError::Expected("the end")) }
}

fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if first == '\'' || first == '`' {
            let (inner, after) = quoted(rest, first).ok_or(ParseError::Character(at))?;
            found.push(if first == '`' { Token::Name(inner) } else { Token::Text(inner) });
            rest = after;
        } else if first.is_ascii_digit() {
            let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            found.push(Token::Number(digits.parse().map_err(|_| ParseError::Character(at))?));
            rest = after;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end =
                rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            found.push(Token::Name(name.to_owned()));
            rest = after;
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or(ParseError::Character(at))?;
            found.push(Token::Sign(sign));
            rest = rest.get(sign.len()..).unwrap_or_default();
        }
    }
    Ok(found)
}

/// The text between quotes, and what follows.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut inner = String::new();
    let mut chars = text.chars();
    chars.next();
    loop {
        match chars.next()? {
            '\\' => inner.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                other => other,
            }),
            end if end == quote => return Some((inner, chars.as_str())),
            other => inner.push(other),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// How strongly an operator binds; the higher the stronger. All are left-associative.
fn binding(token: &Token) -> Option<(u8, Option<Operator>)> {
    Some(match token {
        Token::Name(name) => match name.as_str() {
            "implies" => (1, Some(Operator::Implies)),
            "or" => (2, Some(Operator::Or)),
            "xor" => (2, Some(Operator::Xor)),
            "and" => (3, Some(Operator::And)),
            "in" => (4, Some(Operator::In)),
            "contains" => (4, Some(Operator::Contains)),
            "is" | "as" => (8, None),
            _ => return None,
        },
        Token::Sign(sign) => match *sign {
            "=" => (5, Some(Operator::Equal)),
            "!=" => (5, Some(Operator::Unequal)),
            "<" => (6, Some(Operator::Less)),
            "<=" => (6, Some(Operator::LessOrEqual)),
            ">" => (6, Some(Operator::Greater)),
            ">=" => (6, Some(Operator::GreaterOrEqual)),
            "|" => (7, Some(Operator::Union)),
            "+" => (9, Some(Operator::Plus)),
            "&" => (9, Some(Operator::Join)),
            _ => return None,
        },
        Token::Text(_) | Token::Number(_) => return None,
    })
}

impl Parser {
    fn expression(&mut self, least: u8) -> Result<Expr, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ParseError::Depth);
        }
        let mut left = self.path()?;
        while let Some((strength, operator)) = self.peek().and_then(binding) {
            if strength <= least {
                break;
            }
            let word = self.next();
            left = match operator {
                Some(operator) => {
                    Expr::Binary(operator, Box::new(left), Box::new(self.expression(strength)?))
                }
                None if word == Some(Token::Name("is".into())) => {
                    Expr::Is(Some(Box::new(left)), self.name()?)
                }
                None => Expr::As(Some(Box::new(left)), self.name()?),
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// A term and everything after its dots.
    fn path(&mut self) -> Result<Expr, ParseError> {
        let mut expr = self.term()?;
        loop {
            if self.sign(".") {
                expr = self.invocation(Some(expr))?;
            } else if self.sign("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                expr = Expr::Index(Box::new(expr), Box::new(index));
            } else {
                return Ok(expr);
            }
        }
    }

    fn term(&mut self) -> Result<Expr, ParseError> {
        match self.peek() {
            Some(Token::Sign("(")) => {
                self.at += 1;
                let expr = self.expression(0)?;
                self.expect(")")?;
                Ok(expr)
            }
            Some(Token::Sign("{")) => {
                self.at += 1;
                self.expect("}")?;
                Ok(Expr::Empty)
            }
            Some(Token::Sign("%")) => {
                self.at += 1;
                let name = self.name()?;
                Ok(Expr::Variable(match name.as_str() {
                    "resource" => Variable::Resource,
                    "rootResource" => Variable::RootResource,
                    "context" => Variable::Context,
                    "ucum" => Variable::Ucum,
                    _ => return Err(ParseError::Variable(name)),
                }))
            }
            Some(Token::Sign("$")) => {
                self.at += 1;
                if self.name()? == "this" { Ok(Expr::This) } else { Err(ParseError::Expected("`$this`")) }
            }
            Some(Token::Text(text)) => {
                let expr = Expr::Text(text.clone());
                self.at += 1;
                Ok(expr)
            }
            Some(Token::Number(number)) => {
                let expr = Expr::Number(*number);
                self.at += 1;
                Ok(expr)
            }
            Some(Token::Name(name)) if name == "true" || name == "false" => {
                let expr = Expr::Bool(name == "true");
                self.at += 1;
                Ok(expr)
            }
            Some(Token::Name(_)) => self.invocation(None),
            Some(Token::Sign(_)) | None => Err(ParseError::Expected("a term")),
        }
    }

    fn invocation(&mut self, base: Option<Expr>) -> Result<Expr, ParseError> {
        let base = base.map(Box::new);
        let name = self.name()?;
        if !self.sign("(") {
            return Ok(Expr::Member(base, name));
        }
        if matches!(name.as_str(), "is" | "as" | "ofType") {
            let kind = self.name()?;
            self.expect(")")?;
            return Ok(if name == "is" { Expr::Is(base, kind) } else { Expr::As(base, kind) });
        }
        let mut arguments = Vec::new();
        if !self.sign(")") {
            loop {
                arguments.push(self.expression(0)?);
                if self.sign(")") {
                    break;
                }
                self.expect(",")?;
            }
        }
        match (name.as_str(), arguments.as_slice()) {
            ("matches", [Expr::Text(pattern)]) => {
                // The whole text is meant, as in the XML Schema from which the patterns come.
                Ok(Expr::Matches(base, compiled(&format!("^(?:{pattern})$"))?, None))
            }
            ("replaceMatches", [Expr::Text(pattern), Expr::Text(other)]) => {
                Ok(Expr::Matches(base, compiled(pattern)?, Some(other.clone())))
            }
            _ => match Function::named(&name) {
                Some((function, min, max)) if (min..=max).contains(&arguments.len()) => {
                    Ok(Expr::Call(base, function, arguments))
                }
                Some(_) => Err(ParseError::Expected("another number of arguments")),
                None => Err(ParseError::Function(name)),
            },
        }
    }

    fn name(&mut self) -> Result<String, ParseError> {
        match self.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(ParseError::Expected("a name")),
        }
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), ParseError> {
        if self.sign(sign) { Ok(()) } else { Err(ParseError::Expected(sign)) }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }
}

fn compiled(pattern: &str) -> Result<Regex, ParseError> {
    Regex::new(pattern).map_err(|_| ParseError::Pattern)
}
