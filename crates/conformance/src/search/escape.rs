//! This file is where the separators of search values are told from the same characters escaped with a backslash.

/// The parts between separators that are not escaped, escapes left as they are. Never empty.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, char) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if char == '\\' {
            escaped = true;
        } else if char == separator {
            parts.push(text.get(from..at).unwrap_or_default());
            from = at + char.len_utf8();
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// The text meant: `\,`, `\$`, `\|` and `\\` lose their first backslash, any other stays (FHIR R4 search, "escaping").
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('\\', Some(next @ (',' | '$' | '|' | '\\'))) => {
                plain.push(*next);
                chars.next();
            }
            _ => plain.push(char),
        }
    }
    plain
}

/// As it has to be written within a value.
#[cfg(test)]
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, ',' | '$' | '|' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// Percent-encoded for the query part of a URL, what may stand there left readable.
pub(super) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:,/$*".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            for half in [byte >> 4, byte & 15] {
                into.extend(char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_read() {
        assert_eq!(split(r"a\,b,c\\,d", ','), [r"a\,b", r"c\\", "d"]);
        assert_eq!(split("", ','), [""]);
        assert_eq!(plain(r"a\,b\|c\$d\\e\n\"), r"a,b|c$d\e\n\");
        let mut encoded = String::new();
        encode("a b|ü+&:/", &mut encoded);
        assert_eq!(encoded, "a%20b%7C%C3%BC%2B%26:/");
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(text in "\\PC{0,30}", other in "\\PC{0,30}") {
            let both = format!("{},{}", escaped(&text), escaped(&other));
            let parts: Vec<_> = split(&both, ',').into_iter().map(plain).collect();
            prop_assert_eq!(parts, [text, other]);
        }
    }
}
