//! This file is where a resource is walked, element by element, and held against the table.

use super::fhirpath::{Node, NodeKind, Scene, Stop};
use super::invariants::{Verdict, judge};
use super::issue::{Code, Issue, Severity};
use super::narrative;
use super::options::Options;
use super::place::Place;
use super::primitive::{Primitive, Wrong};
use super::reference::{Scope, Wrong as WrongReference, is_foreign, wrong_type};
use super::table::{Element, Kind, Table, Type};
use fhir::json::{Kind as JsonKind, Value};
use fhir::types;

/// Where a resource stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// On its own, also in a Bundle or in Parameters.
    Alone,
    /// In another one, as the nth.
    Contained(usize),
}

/// One walk over one text.
pub(super) struct Walk<'d, 'o> {
    table: &'static Table,
    options: &'o Options,
    issues: Vec<Issue>,
    /// Those of `issues` for which the resource is refused.
    refusals: usize,
    /// Whether a warning was left out.
    dropped: bool,
    /// The resources around, the innermost last.
    scopes: Vec<Scope<'d>>,
    /// The resource to which elements belong: contained or not.
    resources: Vec<Node<'d>>,
    depth: usize,
    /// What invariants may still spend.
    steps: usize,
    overspent: bool,
}

impl<'d, 'o> Walk<'d, 'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self {
            table: Table::r4(),
            options,
            issues: Vec::new(),
            refusals: 0,
            dropped: false,
            scopes: Vec::new(),
            resources: Vec::new(),
            depth: 0,
            steps: options.steps_max,
            overspent: false,
        }
    }

    pub(super) fn run(mut self, resource: Value<'d>) -> Vec<Issue> {
        let name = resource.get("resourceType").and_then(Value::text).and_then(|name| types::r4(&name));
        self.resource(resource, name, None, &Place::root(name.unwrap_or("Resource")), Role::Alone, &[]);
        if self.full() || self.dropped {
            self.issues.push(Issue {
                severity: Severity::Information,
                code: Code::Informational,
                expression: String::new(),
                diagnostics: "there may be more; mend these and try again".to_owned(),
                rule: None,
            });
        }
        self.issues
    }

    /// Whether enough is known to refuse the resource. Warnings don't count: any number of them may stand before an error.
    fn full(&self) -> bool {
        self.refusals >= self.options.issues_max.max(1)
    }

    fn issue(&mut self, code: Code, place: &Place<'_>, diagnostics: impl Into<String>) {
        self.push(Severity::Error, code, place, diagnostics.into(), None);
    }

    fn broken(&mut self, rule: &'static str, place: &Place<'_>, diagnostics: &str) {
        self.push(Severity::Error, Code::Invariant, place, format!("{rule}: {diagnostics}"), Some(rule));
    }

    fn push(
        &mut self,
        severity: Severity,
        code: Code,
        place: &Place<'_>,
        diagnostics: String,
        rule: Option<&'static str>,
    ) {
        let issue = Issue { severity, code, expression: place.to_string(), diagnostics, rule };
        if self.full() || (!issue.refuses() && self.issues.len() >= self.options.issues_max) {
            self.dropped = true;
            return;
        }
        self.refusals += usize::from(issue.refuses());
        self.issues.push(issue);
    }

    fn resource(
        &mut self,
        value: Value<'d>,
        name: Option<&'static str>,
        wanted: Option<&'static str>,
        place: &Place<'_>,
        role: Role,
        rules: &[u16],
    ) {
        if !value.is_object() {
            let found = value.kind().word();
            return self.issue(Code::Structure, place, format!("must be a resource, found {found}"));
        }
        let Some(given) = value.get("resourceType") else {
            return self.issue(Code::Structure, place, "has no `resourceType`");
        };
        let (Some(name), Some(kind)) = (name, name.and_then(|name| self.table.named(name))) else {
            let foreign = given.text().and_then(|name| types::foreign_version(&name));
            return match foreign {
                Some(version) => self.issue(
                    Code::NotSupported,
                    place,
                    format!("is of a type of FHIR {version}; only R4 is read"),
                ),
                None => self.issue(Code::Structure, place, "has a `resourceType` that FHIR R4 does not have"),
            };
        };
        if wanted.is_some_and(|wanted| wanted != name) {
            let wanted = wanted.unwrap_or_default();
            self.issue(Code::Structure, place, format!("must be a resource of type {wanted}"));
        }
        let Some(found) = self.table.get(kind) else { return };
        match role {
            Role::Alone => self.scopes.push(Scope::of(value, kind)),
            Role::Contained(number) => self.contained(value, number, place),
        }
        let node = Node { value: Some(value), sibling: None, kind: NodeKind::Object(kind) };
        self.resources.push(node);
        self.object(value, found, place);
        self.judge(&found.rules, node, place);
        self.judge(rules, node, place);
        self.resources.pop();
        if role == Role::Alone {
            let scope = self.scopes.pop();
            let contained = scope.into_iter().flat_map(|scope| scope.contained).enumerate();
            for (number, _) in contained.filter(|(_, contained)| !contained.is_tied) {
                let words =
                    "nothing in the resource refers to this contained resource, nor it to the resource";
                self.broken("dom-3", &place.member("contained").item(number), words);
            }
        }
    }

    fn contained(&mut self, value: Value<'d>, number: usize, place: &Place<'_>) {
        if value.get("contained").is_some() {
            self.broken("dom-2", place, "a contained resource must not contain others");
        }
        match value.get("id").and_then(Value::text) {
            None => self.issue(Code::Required, place, "a contained resource needs an `id`"),
            Some(id) => {
                if self.scopes.last().is_some_and(|scope| scope.is_taken(&id, number)) {
                    self.issue(Code::Value, place, "has the `id` of another contained resource");
                }
            }
        }
        // `#` is the container.
        let points_up = value.members_deep().any(|(key, value)| key.is("reference") && value.is("#"));
        let scope = self.scopes.last_mut();
        if let Some(contained) = scope.and_then(|scope| scope.contained.get_mut(number)).filter(|_| points_up)
        {
            contained.is_tied = true;
        }
    }

    /// Checks the members of an object of a type.
    fn object(&mut self, value: Value<'d>, owner: &'static Type, place: &Place<'_>) {
        if self.depth >= self.options.depth_max {
            return self.issue(
                Code::TooCostly,
                place,
                format!("is nested deeper than {} levels", self.depth),
            );
        }
        self.depth += 1;
        self.members(value, owner, place);
        self.depth -= 1;
    }

    fn members(&mut self, value: Value<'d>, owner: &'static Type, place: &Place<'_>) {
        let mut seen = 0_u128;
        let mut count = 0;
        // Choices with the kind that was taken.
        let mut choices: Vec<(u8, u8)> = Vec::new();
        let siblings = value.members().any(|(key, _)| key.raw().starts_with("\"_"));
        for (key, member) in value.members() {
            if self.full() {
                return;
            }
            let Some(key) = key.text() else { continue };
            let Some(slot) = owner.keys.get(key.as_ref()).copied() else {
                if !(owner.is_resource && key == "resourceType") {
                    count += 1;
                    self.unknown(&key, owner, place);
                }
                continue;
            };
            let Some(element) = owner.elements.get(usize::from(slot.element)) else { continue };
            count += usize::from(element.name != "id");
            let bit = 1_u128 << slot.element;
            if element.is_choice {
                match choices.iter().find(|(found, _)| *found == slot.element) {
                    Some((_, kind)) if *kind == slot.kind => {}
                    Some(_) => {
                        let words = "has values of two types; only one may be given";
                        self.issue(Code::Structure, &place.member(element.name), words);
                        continue;
                    }
                    None => choices.push((slot.element, slot.kind)),
                }
            }
            let kind_name = element.kind_names.get(usize::from(slot.kind)).copied().unwrap_or_default();
            let here = match element.is_choice {
                true => place.choice(element.name, kind_name),
                false => place.member(element.name),
            };
            seen |= bit;
            if slot.is_sibling {
                // With its value, if there is one.
                let main = key.get(1..).is_some_and(|key| value.get(key).is_some());
                if !main {
                    self.primitives(None, Some(member), element, slot.kind, &here);
                }
                continue;
            }
            match element.kinds.get(usize::from(slot.kind)) {
                Some(Kind::Primitive(_)) => {
                    let sibling = siblings.then(|| value.get(&format!("_{key}"))).flatten();
                    self.primitives(Some(member), sibling, element, slot.kind, &here);
                }
                Some(kind) => self.repeated(member, element, &here, |walk, number, item, place| {
                    walk.item(item, element, kind, number, place);
                }),
                None => {}
            }
        }
        self.whole(value, owner, seen, count, place);
    }

    /// What can be said once all members are known.
    fn whole(&mut self, value: Value<'d>, owner: &'static Type, seen: u128, count: usize, place: &Place<'_>) {
        let mut missing = owner.required & !seen;
        if count == 0 && !owner.is_resource {
            let words = "is empty: it needs a value or children; leave the element out instead";
            return self.broken("ele-1", place, words);
        }
        while missing != 0 {
            let at = missing.trailing_zeros() as usize;
            missing &= missing - 1;
            if let Some(element) = owner.elements.get(at) {
                self.issue(Code::Required, place, format!("lacks `{}`, which is required", element.name));
            }
        }
        if owner.name == "Extension" {
            let has = |name| owner.names.get(name).is_some_and(|at| seen & (1 << at) != 0);
            if has("value") == has("extension") {
                self.broken("ext-1", place, "an extension must have either a value or extensions");
            }
        }
        if owner.name == "Reference" {
            self.tie(value.get("reference"));
        }
    }

    fn unknown(&mut self, key: &str, owner: &Type, place: &Place<'_>) {
        let mut name: String = key.chars().filter(|char| !char.is_control()).take(64).collect();
        name.retain(|char| char != '`');
        let choice = owner.elements.iter().any(|element| element.is_choice && element.name == key);
        let hint = if choice { "; its name must end with the type of its value" } else { "" };
        self.issue(Code::Structure, place, format!("has no element `{name}` in FHIR R4{hint}"));
    }

    /// Calls `each` for the items of a repeating element, or for the value of another.
    fn repeated(
        &mut self,
        value: Value<'d>,
        element: &Element,
        place: &Place<'_>,
        mut each: impl FnMut(&mut Self, usize, Value<'d>, &Place<'_>),
    ) {
        let is_array = value.kind() == JsonKind::Array;
        match (element.repeats, is_array) {
            (false, false) => each(self, 0, value, place),
            (true, true) => {
                let mut count = 0;
                for item in value.items() {
                    if self.full() {
                        return;
                    }
                    each(self, count, item, &place.item(count));
                    count += 1;
                }
                if count == 0 {
                    self.issue(Code::Structure, place, "is an empty array; leave the element out instead");
                }
            }
            (true, false) => self.issue(Code::Structure, place, "may repeat and must be an array"),
            (false, true) => {
                self.issue(Code::Structure, place, "may stand once only and must not be an array")
            }
        }
    }

    /// One value of an element that is not primitive.
    fn item(
        &mut self,
        value: Value<'d>,
        element: &'static Element,
        kind: &'static Kind,
        number: usize,
        place: &Place<'_>,
    ) {
        match kind {
            Kind::Primitive(_) => {}
            Kind::Resource(wanted) => {
                let name = value.get("resourceType").and_then(Value::text).and_then(|name| types::r4(&name));
                let role = if element.name == "contained" { Role::Contained(number) } else { Role::Alone };
                self.resource(value, name, *wanted, place, role, &element.rules);
            }
            Kind::Object(at) | Kind::Reference(at, _) => {
                let Some(owner) = self.table.get(*at) else { return };
                if !value.is_object() {
                    let (kind, found) = (self.table.kind_name(kind), value.kind().word());
                    return self.issue(
                        Code::Structure,
                        place,
                        format!("must be an object ({kind}), found {found}"),
                    );
                }
                let before = self.refusals;
                self.object(value, owner, place);
                if let Kind::Reference(_, targets) = kind {
                    self.reference(value, targets, place);
                }
                if let Some(set) = element.set.and_then(|set| self.table.sets.get(usize::from(set)))
                    && let Some(words) = set.wrong_concept(value)
                {
                    self.issue(Code::CodeInvalid, place, words);
                }
                // An element of the wrong shape breaks rules that were not written for it.
                if self.refusals == before {
                    let node = Node { value: Some(value), sibling: None, kind: NodeKind::Object(*at) };
                    self.judge(&owner.rules, node, place);
                    self.judge(&element.rules, node, place);
                }
            }
        }
    }

    /// The values of a primitive element together with their `_name` siblings.
    fn primitives(
        &mut self,
        main: Option<Value<'d>>,
        sibling: Option<Value<'d>>,
        element: &'static Element,
        kind: u8,
        place: &Place<'_>,
    ) {
        let Some(Kind::Primitive(kind)) = element.kinds.get(usize::from(kind)) else { return };
        if !element.repeats {
            for value in [main, sibling].into_iter().flatten() {
                if value.kind() == JsonKind::Array {
                    return self.issue(
                        Code::Structure,
                        place,
                        "may stand once only and must not be an array",
                    );
                }
            }
            return self.primitive(main, sibling, element, *kind, place);
        }
        for value in [main, sibling].into_iter().flatten() {
            if value.kind() != JsonKind::Array {
                return self.issue(Code::Structure, place, "may repeat and must be an array");
            }
        }
        let mut values = main.into_iter().flat_map(Value::items);
        let mut siblings = sibling.into_iter().flat_map(Value::items);
        let present = |value: &Value<'_>| value.kind() != JsonKind::Null;
        let mut count = 0;
        loop {
            let (value, sibling) = (values.next(), siblings.next());
            if (value.is_none() && sibling.is_none()) || self.full() {
                break;
            }
            let (value, sibling) = (value.filter(present), sibling.filter(present));
            self.primitive(value, sibling, element, *kind, &place.item(count));
            count += 1;
        }
        if count == 0 {
            self.issue(Code::Structure, place, "is an empty array; leave the element out instead");
        }
    }

    fn primitive(
        &mut self,
        main: Option<Value<'d>>,
        sibling: Option<Value<'d>>,
        element: &'static Element,
        kind: Primitive,
        place: &Place<'_>,
    ) {
        let before = self.refusals;
        if main.is_none() && sibling.is_none() {
            return self.issue(
                Code::Structure,
                place,
                "is null with nothing beside it; leave it out instead",
            );
        }
        if let Some(value) = main
            && let Err(wrong) = self.value(value, element, kind, place)
        {
            let (code, words) = match wrong {
                Wrong::Shape(words) if value.kind() == JsonKind::Null => {
                    (Code::Structure, format!("is null; leave the element out instead ({words})"))
                }
                Wrong::Shape(words) => (Code::Structure, format!("{words}, found {}", value.kind().word())),
                Wrong::Value(words) => (Code::Value, words.to_owned()),
                Wrong::Length(words) => (Code::TooLong, words.to_owned()),
            };
            self.issue(code, place, words);
        }
        if let Some(sibling) = sibling {
            let owner = self.table.named("Element").and_then(|at| self.table.get(at));
            match owner.filter(|_| sibling.is_object()) {
                Some(owner) => self.sibling(sibling, owner, main.is_some(), place),
                None => self.issue(Code::Structure, place, "has a `_` sibling that is not an object"),
            }
        }
        if self.refusals == before {
            let node = Node { value: main, sibling, kind: NodeKind::Primitive(kind) };
            self.judge(&element.rules, node, place);
        }
    }

    fn sibling(&mut self, sibling: Value<'d>, owner: &'static Type, valued: bool, place: &Place<'_>) {
        // Beside a value an id alone is enough.
        if valued
            && sibling.get("id").is_some_and(|id| id.text().is_some_and(|id| !id.is_empty()))
            && sibling.members().count() == 1
        {
            return;
        }
        self.object(sibling, owner, place);
    }

    fn value(
        &mut self,
        value: Value<'d>,
        element: &'static Element,
        kind: Primitive,
        place: &Place<'_>,
    ) -> Result<(), Wrong> {
        kind.check_kind(value.kind())?;
        let text = value.text();
        let text = text.as_deref().unwrap_or(value.raw());
        kind.check(text)?;
        match kind {
            Primitive::Code => {
                if let Some(set) = element.set.and_then(|set| self.table.sets.get(usize::from(set)))
                    && let Some(words) = set.wrong_code(text)
                {
                    self.issue(Code::CodeInvalid, place, words);
                }
            }
            Primitive::Uri | Primitive::Url | Primitive::Canonical if text.starts_with('#') => {
                self.tie(Some(value))
            }
            Primitive::Xhtml => {
                if let Err((rule, words)) = narrative::check(text) {
                    self.broken(rule, place, words);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn tie(&mut self, value: Option<Value<'d>>) {
        if let (Some(text), Some(scope)) = (value.and_then(Value::text), self.scopes.last_mut())
            && text.starts_with('#')
        {
            scope.tie(&text);
        }
    }

    fn reference(&mut self, value: Value<'d>, targets: &[&'static str], place: &Place<'_>) {
        let text = value.get("reference").and_then(Value::text);
        let mut wrong = None;
        if let Some(text) = text.as_deref() {
            wrong = match is_foreign(text) {
                true => Some(WrongReference::UnknownType),
                false => self.scopes.last().and_then(|scope| scope.wrong(text, targets)),
            };
        }
        if wrong.is_none()
            && let Some(kind) = value.get("type").and_then(Value::text)
        {
            wrong = wrong_type(text.as_deref(), &kind, targets);
        }
        match wrong {
            Some(WrongReference::Missing) => {
                self.broken("ref-1", place, &WrongReference::Missing.words(targets))
            }
            Some(wrong) => self.issue(Code::Value, place, wrong.words(targets)),
            None => {}
        }
    }

    /// Evaluates invariants, unless that is not asked for.
    fn judge(&mut self, rules: &[u16], node: Node<'d>, place: &Place<'_>) {
        if !self.options.invariants || self.overspent || rules.is_empty() {
            return;
        }
        let (Some(scope), Some(resource)) = (self.scopes.last(), self.resources.last()) else { return };
        let root = Node { value: Some(scope.root), sibling: None, kind: NodeKind::Object(scope.kind) };
        let scene = Scene { table: self.table, resource: *resource, root };
        for at in rules {
            let Some(rule) = self.table.rules.get(usize::from(*at)) else { continue };
            match judge(*at, node, scene, &mut self.steps) {
                Verdict::Holds => {}
                Verdict::Broken => {
                    let severity = if rule.is_error { Severity::Error } else { Severity::Warning };
                    let words = format!("{}: {}", rule.key, rule.human);
                    self.push(severity, Code::Invariant, place, words, Some(rule.key));
                }
                Verdict::Unknown(stop) => {
                    self.overspent |= stop == Stop::Steps;
                    let words = format!("{} was not checked: {stop}", rule.key);
                    self.push(Severity::Warning, Code::TooCostly, place, words, Some(rule.key));
                    if self.overspent {
                        return;
                    }
                }
            }
        }
    }
}
