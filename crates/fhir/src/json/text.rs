//! This file is where JSON string spelling is turned into text and back.

use std::borrow::Cow;

/// The text that a spelling between quotes stands for. The spelling has passed the scanner; what is wrong nevertheless
/// becomes U+FFFD.
pub(super) fn decoded(spelled: &str) -> Cow<'_, str> {
    if !spelled.contains('\\') {
        return Cow::Borrowed(spelled);
    }
    let mut text = String::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let high = unit(chars.as_str());
                chars = after.get(5..).unwrap_or_default().chars();
                let low = high
                    .filter(|high| (0xd800..0xdc00).contains(high))
                    .and_then(|_| chars.as_str().strip_prefix("\\u"))
                    .and_then(unit);
                let code = match (high, low) {
                    (Some(high), Some(low)) => {
                        chars = chars.as_str().get(6..).unwrap_or_default().chars();
                        Some(0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff))
                    }
                    (high, None) => high,
                    (None, Some(_)) => None,
                };
                text.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => text.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

fn unit(hex: &str) -> Option<u32> {
    u32::from_str_radix(hex.get(..4)?, 16).ok()
}

/// Appends a text as it is spelled between quotes.
pub(crate) fn escape(text: &str, into: &mut Vec<u8>) {
    for char in text.chars() {
        match char {
            '"' => into.extend_from_slice(b"\\\""),
            '\\' => into.extend_from_slice(b"\\\\"),
            '\n' => into.extend_from_slice(b"\\n"),
            '\r' => into.extend_from_slice(b"\\r"),
            '\t' => into.extend_from_slice(b"\\t"),
            control if control < ' ' => {
                into.extend_from_slice(format!("\\u{:04x}", control as u32).as_bytes())
            }
            other => into.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read() {
        for (spelled, text) in [
            ("plain", "plain"),
            (r#"a\"b\\c\/d"#, "a\"b\\c/d"),
            (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
            (r"M\u00fcller", "Müller"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\u0000", "\0"),
            (r"\ud83d", "\u{fffd}"),
            (r"\u12", "\u{fffd}"),
        ] {
            assert_eq!(decoded(spelled), text, "{spelled}");
        }
    }
}
