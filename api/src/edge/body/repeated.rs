//! Objects that have a field twice. RFC 8259 leaves open which value counts, and a proxy that checked a request before
//! may have taken the other one.

use std::{collections::HashSet, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::problem::{Code, Location, Problem, Wrong};

/// Longest pointer that is repeated in an answer, bytes.
const POINTER_MAX: usize = 500;

/// Refuses a document in which an object has a field twice. One that cannot be read passes: its reader says why.
pub(super) fn refuse(bytes: &[u8]) -> Result<(), Problem> {
    let (mut at, mut found) = (String::new(), None);
    let walk = Walk { at: &mut at, found: &mut found };
    // Either it ended at what was found, or it is no JSON.
    let _ = walk.deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    found.map_or(Ok(()), |pointer| Err(problem(&pointer)))
}

/// What is said of the field at this pointer.
pub(super) fn problem(pointer: &str) -> Problem {
    let (pointer, wrong) =
        if pointer.len() > POINTER_MAX { ("", Wrong::RepeatedWithin) } else { (pointer, Wrong::Repeated) };
    Problem::new(Code::MalformedRequest).wrong(pointer, Location::Body, wrong)
}

/// Reads a value for the names of its fields alone.
struct Walk<'a> {
    /// Pointer to the value.
    at: &'a mut String,
    /// Pointer to the first field that was there before.
    found: &'a mut Option<String>,
}

impl Walk<'_> {
    /// The same for a value inside.
    fn inside(&mut self) -> Walk<'_> {
        Walk { at: self.at, found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let (mut names, outside) = (HashSet::new(), self.at.len());
        while let Some(name) = map.next_key::<String>()? {
            self.at.push('/');
            self.at.push_str(&name.replace('~', "~0").replace('/', "~1"));
            if !names.insert(name) {
                *self.found = Some(self.at.clone());
                return Err(A::Error::custom("a field is there twice"));
            }
            map.next_value_seed(self.inside())?;
            self.at.truncate(outside);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let outside = self.at.len();
        for index in 0_usize.. {
            self.at.push_str(&format!("/{index}"));
            if items.next_element_seed(self.inside())?.is_none() {
                break;
            }
            self.at.truncate(outside);
        }
        self.at.truncate(outside);
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        IgnoredAny::deserialize(deserializer).map(drop)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        refuse(text.as_bytes()).err().map(|problem| problem.errors()[0].pointer.clone())
    }

    #[test]
    fn a_field_that_is_there_twice_is_found_wherever_it_is() {
        for (text, pointer) in [
            (r#"{"price":1,"price":2}"#, "/price"),
            (r#"{"price":1,"pr\u0069ce":1}"#, "/price"),
            (r#"{"items":[{"a":1},{"b":{"c":[],"c":null}}]}"#, "/items/1/b/c"),
            (r#"[[{"a/b~c":1.5,"a/b~c":"x"}]]"#, "/0/0/a~1b~0c"),
            (r#"{"":1,"":2}"#, "/"),
        ] {
            assert_eq!(found(text).as_deref(), Some(pointer), "{text}");
        }
        let long = "x".repeat(1_000);
        assert_eq!(found(&format!(r#"{{"{long}":1,"{long}":2}}"#)).as_deref(), Some(""));
        for fine in [
            r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}],"A":true}"#,
            r#"[1,2.5,-3e7,"x",null,false,12345678901234567890123]"#,
            "7",
            "",
            "{",
            r#"{"a":1"#,
        ] {
            assert_eq!(found(fine), None, "{fine}");
        }
    }
}
