//! This file is where texts lose what a search does not look at: case, accents, punctuation, the width of gaps.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What plain search and `:contains` compare (FHIR R4 search, "string"): without case and accents, without punctuation,
/// each gap one blank, none at the ends. Empty for what has neither letters nor digits.
///
/// ```
/// use conformance::search::fold_text;
/// assert_eq!(fold_text("  Éva  O'Brien-Müller "), "eva obrienmuller");
/// assert_eq!(fold_text("STRAẞE"), fold_text("Strasse"));
/// ```
#[must_use]
pub fn fold_text(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    let mut add = |char: char, folded: &mut String| {
        if char.is_whitespace() {
            gap = !folded.is_empty();
        } else if char.is_alphanumeric() || is_symbol(char) {
            if std::mem::take(&mut gap) {
                folded.push(' ');
            }
            plain(char, folded);
        }
    };
    if text.is_ascii() {
        text.chars().for_each(|char| add(char, &mut folded));
    } else {
        text.nfkd().filter(|char| !is_combining_mark(*char)).for_each(|char| add(char, &mut folded));
    }
    folded
}

/// What tokens compare: without case, everything else as it stands.
///
/// ```
/// assert_eq!(conformance::search::fold_case("Ab-9"), "ab-9");
/// ```
#[must_use]
pub fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for char in text.chars().flat_map(char::to_lowercase) {
        folded.push(if char == 'ς' { 'σ' } else { char });
    }
    folded
}

/// Signs that carry meaning where they stand: `A+`, `<5`, `10 %`.
fn is_symbol(char: char) -> bool {
    matches!(char, '+' | '<' | '>' | '=' | '%' | '°' | '±' | '≤' | '≥')
}

/// A letter in lower case, and those that no decomposition turns into plain ones.
fn plain(char: char, folded: &mut String) {
    for char in char.to_lowercase() {
        match char {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            other if is_combining_mark(other) => {}
            other => folded.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_name_fold_alike() {
        for (one, other) in [
            ("Müller", "muller"),
            ("MÜLLER", "Mu\u{308}ller"),
            ("Łukasz Jørgensen", "lukasz jorgensen"),
            ("İstanbul", "istanbul"),
            ("ΟΔΟΣ", "οδος"),
            ("ﬁne", "Fine"),
            ("12,  Main\tSt.", "12 main st"),
            ("McDonald’s", "mcdonalds"),
        ] {
            assert_eq!(fold_text(one), fold_text(other), "{one}");
        }
        assert_eq!(fold_text("... -- !"), "");
        assert_ne!(fold_text("A+"), fold_text("A"));
        assert_eq!(fold_case("ΣΑΣ"), fold_case("σας"));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = fold_text(&text);
            prop_assert_eq!(fold_text(&once), once.clone());
            prop_assert_eq!(fold_case(&fold_case(&text)), fold_case(&text));
        }
    }
}
