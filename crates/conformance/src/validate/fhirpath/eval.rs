//! This file is where an expression is evaluated: paths, operators, functions, three-valued logic, the count of work.

use super::expr::{Expr, Function, Operator, Variable};
use super::item::{Atom, Item, Node, NodeKind, compare};
use crate::validate::table::Table;
use fhir::json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

const UCUM: &str = "http://unitsofmeasure.org";

/// Where an evaluation takes place.
#[derive(Clone, Copy)]
pub(in crate::validate) struct Scene<'d> {
    pub(in crate::validate) table: &'static Table,
    /// `%resource`
    pub(in crate::validate) resource: Node<'d>,
    /// `%rootResource`: the container of a contained resource.
    pub(in crate::validate) root: Node<'d>,
}

/// Why an evaluation came to no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::validate) enum Stop {
    #[error("it would take more work than allowed")]
    Steps,
    #[error("one value is wanted where several stand")]
    Several,
}

/// A collection.
type Items<'d> = Vec<Item<'d>>;

/// Whether an expression holds of an element; none if its result is empty. Dates of different precision and quantities of
/// different units, which cannot be ordered, count as in order.
///
/// `steps` is what may still be spent; each element that is looked at costs one.
pub(in crate::validate) fn holds(
    expr: &Expr,
    node: Node<'_>,
    scene: Scene<'_>,
    steps: &mut usize,
) -> Result<Option<bool>, Stop> {
    let mut eval = Eval { scene, context: node, steps, unordered: false };
    let result = eval.run(expr, &[Item::Node(node)])?;
    Ok(truth(&result)?.or(eval.unordered.then_some(true)))
}

struct Eval<'d, 's> {
    scene: Scene<'d>,
    context: Node<'d>,
    steps: &'s mut usize,
    /// Whether two values that are there could not be ordered.
    unordered: bool,
}

/// A collection as a condition: empty is unknown, one element that is no boolean is true.
fn truth(items: &[Item<'_>]) -> Result<Option<bool>, Stop> {
    match items {
        [] => Ok(None),
        [one] => Ok(Some(!matches!(one.atom(), Some(Atom::Bool(false))))),
        _ => Err(Stop::Several),
    }
}

fn bool<'d>(bool: Option<bool>) -> Items<'d> {
    bool.map(Item::Bool).into_iter().collect()
}

impl<'d> Eval<'d, '_> {
    fn spend(&mut self, count: usize) -> Result<(), Stop> {
        *self.steps = self.steps.checked_sub(count).ok_or(Stop::Steps)?;
        Ok(())
    }

    /// Evaluates with `this` in focus.
    fn run(&mut self, expr: &Expr, this: &[Item<'d>]) -> Result<Items<'d>, Stop> {
        self.spend(1)?;
        Ok(match expr {
            Expr::Empty => Vec::new(),
            Expr::Bool(bool) => vec![Item::Bool(*bool)],
            Expr::Number(number) => vec![Item::Number(*number)],
            Expr::Text(text) => vec![Item::Text(Cow::Owned(text.clone()))],
            Expr::This => {
                self.spend(this.len())?;
                this.to_vec()
            }
            Expr::Variable(Variable::Resource) => vec![Item::Node(self.scene.resource)],
            Expr::Variable(Variable::RootResource) => vec![Item::Node(self.scene.root)],
            Expr::Variable(Variable::Context) => vec![Item::Node(self.context)],
            Expr::Variable(Variable::Ucum) => vec![Item::Text(Cow::Borrowed(UCUM))],
            Expr::Member(None, name) => {
                // `Appointment.status`: the type's name stands for the element itself.
                let table = self.scene.table;
                let is_type = name.starts_with(|first: char| first.is_ascii_uppercase());
                match this {
                    [Item::Node(node)] if is_type && node.is_a(table, name) => vec![Item::Node(*node)],
                    _ => self.member(this, Some(name))?,
                }
            }
            Expr::Member(Some(base), name) => {
                let base = self.run(base, this)?;
                self.member(&base, Some(name))?
            }
            Expr::Call(base, function, arguments) => {
                let base = self.base(base.as_deref(), this)?;
                call(self, *function, &base, arguments, this)?
            }
            Expr::Matches(base, pattern, other) => {
                let base = self.base(base.as_deref(), this)?;
                match (self.single(&base)?.and_then(Item::text), other) {
                    (None, _) => Vec::new(),
                    (Some(text), None) => {
                        self.spend(text.len() / 64)?;
                        vec![Item::Bool(pattern.is_match(&text))]
                    }
                    (Some(text), Some(other)) => {
                        self.spend(text.len() / 64)?;
                        vec![Item::Text(Cow::Owned(pattern.replace_all(&text, other.as_str()).into_owned()))]
                    }
                }
            }
            Expr::Index(base, index) => {
                let base = self.run(base, this)?;
                let index = self.run(index, this)?;
                match self.single(&index)?.and_then(Item::atom) {
                    Some(Atom::Number(number)) if number >= 0.0 => {
                        base.into_iter().nth(number as usize).into_iter().collect()
                    }
                    _ => Vec::new(),
                }
            }
            Expr::Is(base, name) => {
                let base = self.base(base.as_deref(), this)?;
                bool(self.single(&base)?.map(|item| self.is_a(item, name)))
            }
            Expr::As(base, name) => {
                let mut base = self.base(base.as_deref(), this)?;
                base.retain(|item| self.is_a(item, name));
                base
            }
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right, this)?,
        })
    }

    fn base(&mut self, base: Option<&Expr>, this: &[Item<'d>]) -> Result<Items<'d>, Stop> {
        match base {
            Some(base) => self.run(base, this),
            None => {
                self.spend(this.len())?;
                Ok(this.to_vec())
            }
        }
    }

    fn is_a(&self, item: &Item<'d>, name: &str) -> bool {
        match item {
            Item::Node(node) => node.is_a(self.scene.table, name),
            Item::Bool(_) => name == "Boolean",
            Item::Number(_) => matches!(name, "Integer" | "Decimal"),
            Item::Text(_) => name == "String",
        }
    }

    /// The children of a name, or all.
    fn member(&mut self, base: &[Item<'d>], name: Option<&str>) -> Result<Items<'d>, Stop> {
        let mut found = Vec::new();
        for item in base {
            let Item::Node(node) = item else { continue };
            node.children(self.scene.table, name, &mut |child| found.push(Item::Node(child)));
            self.spend(1 + node.value.map_or(0, |value| value.members().count()))?;
        }
        self.spend(found.len())?;
        Ok(found)
    }

    fn single<'i>(&self, items: &'i [Item<'d>]) -> Result<Option<&'i Item<'d>>, Stop> {
        match items {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Stop::Several),
        }
    }

    /// Each item once, the first of equal ones.
    fn distinct(&mut self, items: Items<'d>) -> Result<Items<'d>, Stop> {
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for item in items {
            if seen.insert(self.key(&item)?) {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn key(&mut self, item: &Item<'d>) -> Result<String, Stop> {
        let key = item.key();
        self.spend(1 + key.len() / 64)?;
        Ok(key)
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        this: &[Item<'d>],
    ) -> Result<Items<'d>, Stop> {
        let left = self.run(left, this)?;
        // The right side need not be looked at once the left decides.
        if let Operator::And | Operator::Or | Operator::Implies = operator {
            let left = truth(&left)?;
            let decided = match (operator, left) {
                (Operator::And, Some(false)) => Some(false),
                (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => Some(true),
                _ => None,
            };
            if decided.is_some() {
                return Ok(bool(decided));
            }
            let right = truth(&self.run(right, this)?)?;
            return Ok(bool(match (operator, left, right) {
                (Operator::And, _, Some(false)) => Some(false),
                (Operator::And, Some(true), right) => right,
                (Operator::Or | Operator::Implies, _, Some(true)) => Some(true),
                (Operator::Or, Some(false), right) | (Operator::Implies, Some(true), right) => right,
                _ => None,
            }));
        }
        let right = self.run(right, this)?;
        Ok(match operator {
            Operator::And | Operator::Or | Operator::Implies => Vec::new(),
            Operator::Xor => match (truth(&left)?, truth(&right)?) {
                (Some(left), Some(right)) => bool(Some(left != right)),
                _ => Vec::new(),
            },
            Operator::In => self.within(&left, &right)?,
            Operator::Contains => self.within(&right, &left)?,
            Operator::Equal => bool(self.equal(&left, &right)?),
            Operator::Unequal => bool(self.equal(&left, &right)?.map(|equal| !equal)),
            Operator::Less => bool(self.order(&left, &right)?.map(Ordering::is_lt)),
            Operator::LessOrEqual => bool(self.order(&left, &right)?.map(Ordering::is_le)),
            Operator::Greater => bool(self.order(&left, &right)?.map(Ordering::is_gt)),
            Operator::GreaterOrEqual => bool(self.order(&left, &right)?.map(Ordering::is_ge)),
            Operator::Union => self.distinct(left.into_iter().chain(right).collect())?,
            Operator::Plus => match (self.number(&left)?, self.number(&right)?) {
                (Some(left), Some(right)) => vec![Item::Number(left + right)],
                _ => Vec::new(),
            },
            Operator::Join => {
                let left = self.single(&left)?.and_then(Item::text).unwrap_or_default();
                let right = self.single(&right)?.and_then(Item::text).unwrap_or_default();
                vec![Item::Text(Cow::Owned(format!("{left}{right}")))]
            }
        })
    }

    fn within(&mut self, one: &[Item<'d>], all: &[Item<'d>]) -> Result<Items<'d>, Stop> {
        let Some(one) = self.single(one)? else { return Ok(Vec::new()) };
        let key = self.key(one)?;
        for item in all {
            if self.key(item)? == key {
                return Ok(bool(Some(true)));
            }
        }
        Ok(bool(Some(false)))
    }

    fn equal(&mut self, left: &[Item<'d>], right: &[Item<'d>]) -> Result<Option<bool>, Stop> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut known = true;
        for (left, right) in left.iter().zip(right) {
            let equal = match (left.atom(), right.atom()) {
                (Some(Atom::Moment(one)), Some(Atom::Moment(other))) => {
                    let order = compare(&Atom::Moment(one), &Atom::Moment(other));
                    known &= order.is_some();
                    order.is_none_or(Ordering::is_eq)
                }
                (Some(left), Some(right)) => compare(&left, &right).is_some_and(Ordering::is_eq),
                _ => self.key(left)? == self.key(right)?,
            };
            if !equal {
                return Ok(Some(false));
            }
        }
        Ok(known.then_some(true))
    }

    fn order(&mut self, left: &[Item<'d>], right: &[Item<'d>]) -> Result<Option<Ordering>, Stop> {
        let (Some(left), Some(right)) = (self.single(left)?, self.single(right)?) else { return Ok(None) };
        if let (Some(left), Some(right)) = (left.atom(), right.atom()) {
            let order = compare(&left, &right);
            self.unordered |= order.is_none();
            return Ok(order);
        }
        // Quantities: only of one unit; converting units is not a validator's task.
        for name in ["system", "code", "unit"] {
            let left = self.member(std::slice::from_ref(left), Some(name))?;
            let right = self.member(std::slice::from_ref(right), Some(name))?;
            if left.len() != right.len() || self.equal(&left, &right)? == Some(false) {
                self.unordered = true;
                return Ok(None);
            }
        }
        let left = self.member(std::slice::from_ref(left), Some("value"))?;
        let right = self.member(std::slice::from_ref(right), Some("value"))?;
        match (self.number(&left)?, self.number(&right)?) {
            (Some(left), Some(right)) => Ok(left.partial_cmp(&right)),
            _ => Ok(None),
        }
    }

    fn number(&self, items: &[Item<'d>]) -> Result<Option<f64>, Stop> {
        Ok(match self.single(items)?.and_then(Item::atom) {
            Some(Atom::Number(number)) => Some(number),
            _ => None,
        })
    }
}

/// Calls a function on `base`; `this` is in focus around it.
fn call<'d>(
    eval: &mut Eval<'d, '_>,
    function: Function,
    base: &[Item<'d>],
    arguments: &[Expr],
    this: &[Item<'d>],
) -> Result<Items<'d>, Stop> {
    let first = arguments.first().unwrap_or(&Expr::Empty);
    Ok(match function {
        Function::Count => vec![Item::Number(base.len() as f64)],
        Function::Empty => vec![Item::Bool(base.is_empty())],
        Function::Exists if arguments.is_empty() => vec![Item::Bool(!base.is_empty())],
        Function::Exists => vec![Item::Bool(!kept(eval, base, first)?.is_empty())],
        Function::Where => kept(eval, base, first)?,
        Function::All => {
            let mut all = true;
            for item in base {
                let result = eval.run(first, std::slice::from_ref(item))?;
                all &= truth(&result)? == Some(true);
            }
            vec![Item::Bool(all)]
        }
        Function::AllFalse => {
            vec![Item::Bool(base.iter().all(|item| matches!(item.atom(), Some(Atom::Bool(false)))))]
        }
        Function::Select => {
            let mut found = Vec::new();
            for item in base {
                found.extend(eval.run(first, std::slice::from_ref(item))?);
            }
            found
        }
        Function::Not => bool(truth(base)?.map(|truth| !truth)),
        Function::HasValue => {
            let valued = match base {
                [Item::Node(node)] => matches!(node.kind, NodeKind::Primitive(_)) && node.value.is_some(),
                [_] => true,
                _ => false,
            };
            vec![Item::Bool(valued)]
        }
        Function::First => base.iter().take(1).cloned().collect(),
        Function::Last => base.last().cloned().into_iter().collect(),
        Function::Tail => base.iter().skip(1).cloned().collect(),
        Function::Children => eval.member(base, None)?,
        Function::Descendants => {
            let (mut all, mut level) = (Vec::new(), eval.member(base, None)?);
            // The text is bounded in depth, and so is this.
            while !level.is_empty() {
                let next = eval.member(&level, None)?;
                all.append(&mut level);
                level = next;
            }
            all
        }
        Function::Distinct => eval.distinct(base.to_vec())?,
        Function::IsDistinct => {
            let count = base.len();
            vec![Item::Bool(eval.distinct(base.to_vec())?.len() == count)]
        }
        Function::Combine => {
            let other = eval.run(first, this)?;
            base.iter().cloned().chain(other).collect()
        }
        Function::Intersect => {
            let mut keys = HashSet::new();
            for item in eval.run(first, this)? {
                keys.insert(eval.key(&item)?);
            }
            let mut found = Vec::new();
            for item in base {
                if keys.contains(&eval.key(item)?) {
                    found.push(item.clone());
                }
            }
            eval.distinct(found)?
        }
        Function::Iif => {
            let condition = eval.run(first, base)?;
            let branch = match truth(&condition)? {
                Some(true) => arguments.get(1),
                _ => arguments.get(2),
            };
            match branch {
                Some(branch) => eval.run(branch, base)?,
                None => Vec::new(),
            }
        }
        // What it says goes nowhere.
        Function::Trace => base.to_vec(),
        Function::Resolve => resolved(eval, base)?,
        Function::StartsWith | Function::Contains => {
            let part = eval.run(first, this)?;
            let part = eval.single(&part)?.and_then(Item::text);
            match (eval.single(base)?.and_then(Item::text), part) {
                (Some(text), Some(part)) => {
                    eval.spend(text.len() / 64)?;
                    let found = match function {
                        Function::StartsWith => text.starts_with(part.as_ref()),
                        _ => text.contains(part.as_ref()),
                    };
                    vec![Item::Bool(found)]
                }
                _ => Vec::new(),
            }
        }
        Function::Substring => {
            let start = eval.run(first, this)?;
            let length = match arguments.get(1) {
                Some(length) => {
                    let length = eval.run(length, this)?;
                    whole(eval.single(&length)?)
                }
                None => Some(usize::MAX),
            };
            match (eval.single(base)?.and_then(Item::text), whole(eval.single(&start)?), length) {
                (Some(text), Some(start), Some(length)) if start < text.chars().count() => {
                    eval.spend(text.len() / 64)?;
                    vec![Item::Text(Cow::Owned(text.chars().skip(start).take(length).collect()))]
                }
                _ => Vec::new(),
            }
        }
        Function::ToInteger => match eval.single(base)?.and_then(Item::atom) {
            Some(Atom::Number(number)) if number.fract() == 0.0 => vec![Item::Number(number)],
            Some(Atom::Text(text)) => {
                text.parse::<i32>().map(|number| Item::Number(number.into())).into_iter().collect()
            }
            Some(Atom::Bool(bool)) => vec![Item::Number(f64::from(u8::from(bool)))],
            _ => Vec::new(),
        },
        Function::ToText => match eval.single(base)? {
            // As it was spelled: `1.0` must not become `1`.
            Some(Item::Node(Node { kind: NodeKind::Primitive(_), value: Some(value), .. })) => {
                vec![Item::Text(value.text().unwrap_or(Cow::Borrowed(value.raw())))]
            }
            Some(Item::Node(_)) | None => Vec::new(),
            Some(Item::Bool(bool)) => vec![Item::Text(Cow::Owned(bool.to_string()))],
            Some(Item::Number(number)) => vec![Item::Text(Cow::Owned(number.to_string()))],
            Some(Item::Text(text)) => vec![Item::Text(text.clone())],
        },
    })
}

/// The items for which a condition is true.
fn kept<'d>(eval: &mut Eval<'d, '_>, base: &[Item<'d>], condition: &Expr) -> Result<Items<'d>, Stop> {
    let mut kept = Vec::new();
    for item in base {
        let result = eval.run(condition, std::slice::from_ref(item))?;
        if truth(&result)? == Some(true) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn whole(item: Option<&Item<'_>>) -> Option<usize> {
    match item.and_then(Item::atom) {
        Some(Atom::Number(number)) if number >= 0.0 && number.fract() == 0.0 => Some(number as usize),
        _ => None,
    }
}

/// The contained resources to which references point; other resources aren't at hand.
fn resolved<'d>(eval: &mut Eval<'d, '_>, base: &[Item<'d>]) -> Result<Items<'d>, Stop> {
    let mut found = Vec::new();
    let references = eval.member(base, Some("reference"))?;
    for id in references.iter().filter_map(Item::text) {
        let Some(id) = id.strip_prefix('#') else { continue };
        let contained = eval.member(&[Item::Node(eval.scene.root)], Some("contained"))?;
        found.extend(contained.into_iter().filter(|item| {
            match item {
                Item::Node(node) => node
                    .value
                    .and_then(|value| value.get("id"))
                    .and_then(Value::text)
                    .is_some_and(|text| text == id),
                _ => false,
            }
        }));
    }
    Ok(found)
}
