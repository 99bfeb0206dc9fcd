//! Names, e-mail addresses and passwords as they are compared and hashed. Keyboards and systems write one letter in several
//! ways (`é` as one character, or as `e` and an accent), and nobody who types it can see which: RFC 8265 says how they become
//! one.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// What a person signs in as, case preserved (RFC 8265 §3.4): forms of another width are the usual ones, accents are
/// composed.
pub(crate) fn name(text: &str) -> String {
    width_mapped(text).nfc().collect()
}

/// An e-mail address: case, width and compatibility make no difference.
pub(crate) fn email(text: &str) -> String {
    // Lower case may decompose what was composed.
    text.trim().nfkc().collect::<String>().to_lowercase().nfc().collect()
}

/// A password or PIN (RFC 8265 §4.2): blanks of every kind are one, accents are composed, and all else counts as typed.
pub(crate) fn password(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let blank = |letter: char| if letter.is_whitespace() && !letter.is_control() { ' ' } else { letter };
    Cow::Owned(text.chars().map(blank).nfc().collect())
}

/// Full-width and half-width forms as the characters they are forms of.
fn width_mapped(text: &str) -> String {
    let is_form = |letter: char| matches!(letter, '\u{3000}' | '\u{ff00}'..='\u{ffef}');
    let mut mapped = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_form(letter) {
            mapped.extend(letter.nfkc());
        } else {
            mapped.push(letter);
        }
    }
    mapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        assert_eq!(name("Jose\u{301}"), "José");
        assert_eq!(name("ＡＤＡ"), "ADA");
        assert_ne!(name("Ada"), name("ada"), "names keep their case");
        assert_ne!(name("x²"), name("x2"), "and what only looks similar");
        assert_eq!(email(" Jose\u{301}@Example.ORG "), "josé@example.org");
        assert_eq!(email("ada＠example.org"), "ada@example.org");
        assert_eq!(password("pa\u{a0}sse\u{301}\u{3000}x"), "pa ssé x");
        assert_eq!(password("PASS wörd"), "PASS wörd");
        assert_ne!(password("４７１１"), "4711", "passwords count as typed");
    }
}
