//! This file is where the parameters of a request become a query.

use super::condition::{Budget, condition, known};
use super::error::SearchError;
use super::escape::encode;
use super::operand::{Reading, short};
use super::params::{Options, Strictness};
use super::query::{Ignored, Include, Query, Sort, Summary, Total};
use super::table::{ParamType, Parameter, of, parameters, resource_types};

/// Reads a search: the type of the path (none for a search of everything) and the parameters, percent-decoded, in the
/// order given. `_format` and `_pretty` are for whoever writes the answer and are passed over without a word.
///
/// # Errors
/// The first thing that is wrong. Under [`Strictness::Lenient`] a parameter that the type doesn't have, or one without a
/// value, is none of it but stands in [`Query::ignored`].
///
/// ```
/// use conformance::search::{Options, parse};
/// let pairs = [("name".to_owned(), "eve".to_owned()), ("shoe-size".to_owned(), "38".to_owned())];
/// let query = parse(Some("Patient"), &pairs, &Options::default()).unwrap();
/// assert_eq!((query.conditions.len(), query.ignored.len()), (1, 1));
/// assert_eq!(query.self_query, "name=eve");
/// ```
pub fn parse(
    kind: Option<&str>,
    pairs: &[(String, String)],
    options: &Options,
) -> Result<Query, SearchError> {
    let types = match kind {
        None => Vec::new(),
        Some(name) => match fhir::types::r4(name) {
            Some(kind) => vec![kind],
            None => return Err(SearchError::UnknownType { kind: short(name), param: String::new() }),
        },
    };
    let limits = &options.limits;
    if pairs.len() > limits.params_max {
        let what = "the parameters of a search";
        return Err(SearchError::TooMuch { what, max: limits.params_max, param: String::new() });
    }
    let mut search = Search {
        options,
        kind: types.first().copied(),
        budget: Budget { values: 0, branches: 0 },
        seen: Vec::new(),
        query: Query {
            types,
            conditions: Vec::new(),
            includes: Vec::new(),
            reverse_includes: Vec::new(),
            sort: Vec::new(),
            count: None,
            total: None,
            summary: None,
            elements: Vec::new(),
            ignored: Vec::new(),
            self_query: String::new(),
        },
    };
    for (name, value) in pairs {
        if name.len().max(value.len()) > limits.bytes_max {
            let what = "the bytes of a parameter";
            return Err(SearchError::TooMuch { what, max: limits.bytes_max, param: short(name) });
        }
        search.add(name, value)?;
    }
    Ok(search.query)
}

struct Search<'a> {
    options: &'a Options,
    kind: Option<&'static str>,
    budget: Budget,
    /// Names of parameters that may stand only once.
    seen: Vec<&'a str>,
    query: Query,
}

impl<'a> Search<'a> {
    fn add(&mut self, name: &'a str, value: &str) -> Result<(), SearchError> {
        let understood = if value.is_empty() {
            self.pass_over(
                name,
                SearchError::Value {
                    value: String::new(),
                    param: short(name),
                    why: "it is empty".to_owned(),
                },
            )?;
            false
        } else {
            match self.understand(name, value) {
                Ok(understood) => understood,
                Err(error @ SearchError::UnknownParam { .. }) => {
                    self.pass_over(name, error)?;
                    false
                }
                Err(error) => return Err(error),
            }
        };
        if understood {
            let text = &mut self.query.self_query;
            if !text.is_empty() {
                text.push('&');
            }
            encode(name, text);
            text.push('=');
            encode(value, text);
        }
        Ok(())
    }

    /// Notes what wasn't understood, or refuses it.
    fn pass_over(&mut self, name: &str, error: SearchError) -> Result<(), SearchError> {
        match self.options.strictness {
            Strictness::Strict => Err(error),
            Strictness::Lenient => {
                self.query.ignored.push(Ignored { name: short(name), reason: error.to_string() });
                Ok(())
            }
        }
    }

    /// False for what is none of a search's business.
    fn understand(&mut self, name: &'a str, value: &str) -> Result<bool, SearchError> {
        let reading = Reading { options: self.options, name };
        let (head, modifier) = match name.split_once(':') {
            Some((head, modifier)) => (head, Some(modifier)),
            None => (name, None),
        };
        match head {
            "_include" | "_revinclude" => self.include(reading, head == "_revinclude", modifier, value)?,
            "_count" | "_sort" | "_total" | "_summary" | "_elements" | "_type" | "_contained"
                if modifier.is_some() =>
            {
                let modifier = modifier.unwrap_or_default();
                return Err(SearchError::Modifier {
                    modifier: short(modifier),
                    param: short(name),
                    kind: "special",
                });
            }
            "_format" | "_pretty" => return Ok(false),
            "_contained" if value == "false" => {}
            "_count" => {
                self.once(name)?;
                let count =
                    value.parse::<u64>().map_err(|_| reading.error(value, "it is a number, 0 or more"))?;
                self.query.count =
                    Some(u32::try_from(count).unwrap_or(u32::MAX).min(self.options.limits.count_max));
            }
            "_total" => {
                self.once(name)?;
                self.query.total = Some(match value {
                    "none" => Total::None,
                    "estimate" => Total::Estimate,
                    "accurate" => Total::Accurate,
                    _ => return Err(reading.error(value, "it is none, estimate or accurate")),
                });
            }
            "_summary" => {
                self.once(name)?;
                self.query.summary = match value {
                    "false" => None,
                    "true" => Some(Summary::True),
                    "text" => Some(Summary::Text),
                    "data" => Some(Summary::Data),
                    "count" => Some(Summary::Count),
                    _ => return Err(reading.error(value, "it is true, text, data, count or false")),
                };
                self.one_cut(reading, value)?;
            }
            "_elements" => {
                self.once(name)?;
                self.elements(reading, value)?;
                self.one_cut(reading, value)?;
            }
            "_sort" => {
                self.once(name)?;
                self.sort(reading, value)?;
            }
            "_type" if self.kind.is_none() => {
                self.once(name)?;
                for name in value.split(',') {
                    let Some(kind) = fhir::types::r4(name) else {
                        return Err(SearchError::UnknownType {
                            kind: short(name),
                            param: "_type".to_owned(),
                        });
                    };
                    if !self.query.types.contains(&kind) {
                        self.query.types.push(kind);
                    }
                }
            }
            _ => {
                let condition = condition(reading, &mut self.budget, self.kind, name, value, 0)?;
                self.query.conditions.push(condition);
            }
        }
        Ok(true)
    }

    fn once(&mut self, name: &'a str) -> Result<(), SearchError> {
        if self.seen.contains(&name) {
            return Err(SearchError::Repeated { param: short(name) });
        }
        self.seen.push(name);
        Ok(())
    }

    /// A resource is cut down in one way.
    fn one_cut(&self, reading: Reading<'_>, value: &str) -> Result<(), SearchError> {
        if self.query.summary.is_some() && !self.query.elements.is_empty() {
            return Err(reading.error(value, "give `_summary` or `_elements`, not both"));
        }
        Ok(())
    }

    fn elements(&mut self, reading: Reading<'_>, value: &str) -> Result<(), SearchError> {
        for name in value.split(',') {
            let is_one = |kind: &'static str| {
                let mut all = of(kind).into_iter().flat_map(|kind| &kind.elements);
                all.any(|element| element.strip_suffix("[x]").unwrap_or(element) == name)
            };
            if !self.kind.map_or_else(|| resource_types().any(is_one), is_one) {
                return Err(reading.error(name, "the type has no such element at its top level"));
            }
            if !self.query.elements.iter().any(|element| element == name) {
                self.query.elements.push(name.to_owned());
            }
        }
        Ok(())
    }

    fn sort(&mut self, reading: Reading<'_>, value: &str) -> Result<(), SearchError> {
        let mut keys = Vec::new();
        for key in value.split(',') {
            let (code, descending) = match key.strip_prefix('-') {
                Some(code) => (code, true),
                None => (key, false),
            };
            let param = known(reading, self.kind, code)?;
            if param.kind == ParamType::Composite {
                return Err(reading.error(code, "a composite parameter has no order"));
            }
            let max = self.options.limits.sort_max;
            if keys.len() >= max {
                return Err(SearchError::TooMuch {
                    what: "the keys of `_sort`",
                    max,
                    param: short(reading.name),
                });
            }
            keys.push(Sort { param, descending });
        }
        self.query.sort = keys;
        Ok(())
    }

    /// `Type:parameter`, `Type:parameter:Target`, `Type:*` or `*`: of the type searched, or reversed of all that refer to it.
    fn include(
        &mut self,
        reading: Reading<'_>,
        reverse: bool,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<(), SearchError> {
        let iterate = match modifier {
            None => false,
            Some("iterate" | "recurse") => true,
            Some(modifier) => {
                let (modifier, param) = (short(modifier), short(reading.name));
                return Err(SearchError::Modifier { modifier, param, kind: "special" });
            }
        };
        let wrong = |why: String| SearchError::Chain { param: short(reading.name), why };
        let unknown = |name: &str| SearchError::UnknownType { kind: short(name), param: short(reading.name) };
        if value == "*" {
            let Some(source) = self.kind else {
                return Err(wrong("`*` alone is for searches in one type; write `Type:*`".to_owned()));
            };
            if reverse {
                // Whatever refers to the type searched.
                let all = resource_types().filter_map(|other| {
                    let params =
                        references(other).into_iter().filter(|param| param.targets.contains(&source));
                    let params: Vec<&'static Parameter> = params.collect();
                    (!params.is_empty()).then_some(Include {
                        source: other,
                        params,
                        target: Some(source),
                        iterate,
                    })
                });
                self.query.reverse_includes.extend(all);
                return Ok(());
            }
            self.query.includes.push(Include { source, params: references(source), target: None, iterate });
            return Ok(());
        }
        let mut parts = value.split(':');
        let (Some(source), Some(code)) = (parts.next(), parts.next()) else {
            return Err(wrong("write `Type:parameter` or `Type:parameter:Target`".to_owned()));
        };
        let source = fhir::types::r4(source).ok_or_else(|| unknown(source))?;
        let target = match parts.next() {
            None => None,
            Some(name) => Some(fhir::types::r4(name).ok_or_else(|| unknown(name))?),
        };
        if parts.next().is_some() {
            return Err(wrong("write `Type:parameter` or `Type:parameter:Target`".to_owned()));
        }
        let params = if code == "*" { references(source) } else { vec![known(reading, Some(source), code)?] };
        if let Some(param) = params.iter().find(|param| param.kind != ParamType::Reference) {
            return Err(wrong(format!("`{}` of {source} is no reference", param.code)));
        }
        // A reverse include that isn't repeated starts from the type searched.
        let met = if reverse && !iterate { self.kind } else { None };
        for kind in [target, met].into_iter().flatten() {
            if !params.iter().any(|param| param.targets.contains(&kind)) {
                return Err(wrong(format!("`{value}` does not refer to {kind}")));
            }
        }
        let list = if reverse { &mut self.query.reverse_includes } else { &mut self.query.includes };
        list.push(Include { source, params, target, iterate });
        Ok(())
    }
}

fn references(kind: &'static str) -> Vec<&'static Parameter> {
    parameters(kind).filter(|param| param.kind == ParamType::Reference).collect()
}
