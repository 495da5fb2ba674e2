//! This file is where the form of an OAuth request is read: each parameter once, nothing without a bound.

use super::oauth::{OauthCode, OauthError};
use std::collections::BTreeMap;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// Longest form, in bytes: an assertion, a list of scopes, and what is around them.
pub(super) const FORM_BYTES_MAX: usize = 64 * 1024;
/// Most parameters.
const PARAMETERS_MAX: usize = 32;

/// The parameters of a request. Values may be secrets: no `Debug`, and they are wiped.
pub(super) struct Form(BTreeMap<String, Zeroizing<String>>);

impl Form {
    pub(super) fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, OauthError> {
        let refuse = |words: &str| OauthError::new(OauthCode::InvalidRequest, words);
        let media = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(refuse("the body must be application/x-www-form-urlencoded"));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.len() >= PARAMETERS_MAX {
                return Err(refuse("the form has too many parameters"));
            }
            // RFC 6749 §3.2: none twice, and one without a value counts as left out.
            let value = Zeroizing::new(value.into_owned());
            if !value.is_empty() && parameters.insert(name.into_owned(), value).is_some() {
                return Err(refuse("the form names a parameter twice"));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, OauthError> {
        self.get(name)
            .ok_or_else(|| OauthError::new(OauthCode::InvalidRequest, format!("the form lacks `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let form = "application/x-www-form-urlencoded";
        let many: String = (0..=PARAMETERS_MAX).map(|n| format!("p{n}=1&")).collect();
        for (content_type, body, a) in [
            (Some(form), "a=1&b=2", Ok(Some("1"))),
            (Some("Application/X-WWW-Form-Urlencoded; charset=UTF-8"), "a=x%20y", Ok(Some("x y"))),
            (Some(form), "a=", Ok(None)),
            (Some(form), "", Ok(None)),
            (Some(form), "a=1&a=2", Err(())),
            (Some(form), &many, Err(())),
            (Some("application/json"), "{}", Err(())),
            (None, "a=1", Err(())),
        ] {
            let found = Form::parse(content_type, body.as_bytes());
            let found = found.as_ref().map(|form| form.get("a")).map_err(|_| ());
            assert_eq!(found, a, "{content_type:?} {body}");
        }
    }
}
