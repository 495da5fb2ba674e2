//! This file is where the place of an element is kept while walking, and written as FHIRPath only when somebody asks.

use std::fmt;

/// An element's place: a step below another place, all on the stack.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    above: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    /// A choice element, with the type that was chosen.
    Choice(&'p str, &'p str),
    Item(usize),
}

impl<'p> Place<'p> {
    pub(super) fn root(name: &'p str) -> Self {
        Self { above: None, step: Step::Name(name) }
    }

    pub(super) fn member(&'p self, name: &'p str) -> Self {
        Self { above: Some(self), step: Step::Name(name) }
    }

    pub(super) fn choice(&'p self, name: &'p str, chosen: &'p str) -> Self {
        Self { above: Some(self), step: Step::Choice(name, chosen) }
    }

    pub(super) fn item(&'p self, index: usize) -> Self {
        Self { above: Some(self), step: Step::Item(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        let dot = if self.above.is_some() { "." } else { "" };
        match self.step {
            Step::Name(name) => write!(f, "{dot}{name}"),
            Step::Choice(name, chosen) => write!(f, "{dot}{name}.ofType({chosen})"),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}
