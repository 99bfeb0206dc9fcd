//! Which settings there are: asked of the types that hold them, so that no second list can fall behind.

use std::fmt::{self, Display};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor},
};

/// The names of all settings and sections, from the top.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The settings, each as its path.
    pub(super) settings: Vec<Vec<&'static str>>,
    pub(super) sections: Vec<Vec<&'static str>>,
}

impl Known {
    /// The settings of a configuration's type.
    pub(super) fn of<'de, T: Deserialize<'de>>() -> Self {
        let mut known = Self::default();
        let mut waiting = vec![Vec::new()];
        while let Some(path) = waiting.pop() {
            let mut fields = None;
            // It never succeeds: it ends where the path does.
            let _ = T::deserialize(Probe { path: &path, fields: &mut fields });
            let Some(fields) = fields else {
                known.settings.push(path);
                continue;
            };
            waiting.extend(fields.iter().map(|field| [&path[..], &[*field]].concat()));
            known.sections.push(path);
        }
        known
    }
}

/// Follows a path into a configuration and finds the fields of the section at its end.
struct Probe<'a> {
    path: &'a [&'static str],
    fields: &'a mut Option<&'static [&'static str]>,
}

/// The end of the path.
#[derive(Debug)]
struct End;

impl Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of the path")
    }
}

impl std::error::Error for End {}

impl de::Error for End {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = End;

    /// A value that is no section ends the path.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, End> {
        Err(End)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, End> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, End> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, End> {
        if self.path.is_empty() {
            *self.fields = Some(fields);
            return Err(End);
        }
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Probe<'_> {
    type Error = End;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, End> {
        let Some(name) = self.path.first() else { return Ok(None) };
        seed.deserialize((*name).into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, End> {
        let path = self.path.get(1..).unwrap_or_default();
        seed.deserialize(Probe { path, fields: self.fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn every_setting_is_in_the_sample() {
        let sample = include_str!("../../../quittance.sample.toml");
        let known = Known::of::<Settings>();
        assert!(known.settings.len() > 100 && known.sections.len() > 15, "{known:?}");
        for path in &known.settings {
            let name = path.last().unwrap();
            let words = [format!("\n{name} ="), format!("\n# {name} ="), format!("`{name}`")];
            assert!(words.iter().any(|word| sample.contains(word)), "{} is not in the sample", path.join("."));
        }
    }
}
