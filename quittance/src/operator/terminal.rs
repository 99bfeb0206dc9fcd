//! Foreign text on a terminal: error messages and bodies may hold anything, also what moves the cursor or reverses text.

use std::fmt::Write;

use serde_json::Value;

/// A text whose control characters are shown instead of obeyed, line breaks included.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_safe(character) {
            clean.push(character);
        } else {
            // Writing into a String cannot fail.
            let _ = write!(clean, "{}", character.escape_unicode());
        }
    }
    clean
}

/// A field of an answer, made safe; `-` where there is none.
pub(crate) fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

/// A time of an answer, to the second.
pub(crate) fn time(value: &Value, field: &str) -> String {
    let text = text(value, field);
    let seconds = text.get(..19).filter(|_| text.len() > 19 && text.as_bytes()[10] == b'T');
    seconds.map_or(text.clone(), |seconds| format!("{seconds}Z"))
}

/// A text's beginning.
pub(crate) fn short(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// An answer as JSON. It stays the same JSON: what is not safe is escaped as JSON escapes it.
pub(crate) fn json(value: &Value) -> String {
    escaped(&format!("{value:#}"), true)
}

/// The same in one line.
pub(crate) fn json_line(value: &Value) -> String {
    escaped(&value.to_string(), false)
}

fn escaped(json: &str, lines: bool) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_safe(character) || (lines && character == '\n') {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

/// Neither a control character (C0, DEL, C1) nor one that changes the direction or hides.
fn is_safe(character: char) -> bool {
    let hidden =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !character.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_foreign_moves_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{9b}1m\u{202e}c ü €"), r"a\u{1b}[2Jb\u{d}\u{a}\u{9b}1m\u{202e}c ü €");
        let body = json!({ "text": "a\u{1b}[2J\u{9b}\u{202e}\u{1f600}" });
        for printed in [super::json(&body), json_line(&body)] {
            assert!(!printed.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{printed}");
            assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), body);
        }
    }

    #[test]
    fn times_end_with_the_second() {
        let value = json!({ "at": "2026-11-21T14:05:17.123456Z", "none": null, "odd": "2026" });
        assert_eq!(["at", "none", "odd"].map(|field| time(&value, field)), ["2026-11-21T14:05:17Z", "-", "2026"]);
        assert_eq!((short("abc", 3), short("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    }
}
