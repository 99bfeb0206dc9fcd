//! Settings before they have types: the tree that file and environment make, and how it is read. The type of a setting
//! decides what its text means, so that a password of digits stays a password. Values never appear in errors: any of
//! them may be a secret.

mod error;
mod text;

use std::collections::{BTreeMap, btree_map};

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

pub(crate) use error::Wrong;

/// A part of the configuration.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A section, by the names of its settings.
    Section(BTreeMap<String, Node>),
    /// A list of the file's.
    List(Vec<Node>),
    /// A value of the file's, whose type the file has decided.
    Typed(toml::Value),
    /// A value of the environment's or of a list in it, whose type the setting decides.
    Text(String),
}

impl Default for Node {
    fn default() -> Self {
        Self::Section(BTreeMap::new())
    }
}

impl From<toml::Value> for Node {
    fn from(value: toml::Value) -> Self {
        match value {
            toml::Value::Table(table) => Self::from(table),
            toml::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            scalar => Self::Typed(scalar),
        }
    }
}

impl From<toml::Table> for Node {
    fn from(table: toml::Table) -> Self {
        Self::Section(table.into_iter().map(|(name, value)| (name, Self::from(value))).collect())
    }
}

impl Node {
    /// Puts a text at a path, in place of what the file says there.
    pub(crate) fn set(&mut self, path: &[String], text: String) {
        let Some((name, rest)) = path.split_first() else {
            *self = Self::Text(text);
            return;
        };
        if !matches!(self, Self::Section(_)) {
            *self = Self::default();
        }
        if let Self::Section(section) = self {
            section.entry(name.clone()).or_default().set(rest, text);
        }
    }

    /// The paths of everything that is set, such as `auth.jwt_secret`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let Self::Section(section) = self else { return vec![String::new()] };
        let below = section.iter().flat_map(|(name, node)| {
            let paths = node.paths().into_iter();
            paths.map(move |path| if path.is_empty() { name.clone() } else { format!("{name}.{path}") })
        });
        below.collect()
    }
}

/// Numbers: of the file they have to be numbers, of the environment they have to read as such.
macro_rules! numbers {
    ($($method:ident $visit:ident $kind:ty: $what:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match self {
                Node::Text(text) => match text.trim().parse::<$kind>() {
                    Ok(number) => visitor.$visit(number),
                    Err(_) => Err(Wrong::new(concat!("must be ", $what))),
                },
                other => other.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Section(section) => visitor.visit_map(Settings::new(section)),
            Self::List(items) => visitor.visit_seq(Items { items: items.into_iter(), at: 0 }),
            Self::Text(text) => visitor.visit_string(text),
            Self::Typed(toml::Value::String(text)) => visitor.visit_string(text),
            Self::Typed(toml::Value::Integer(number)) => visitor.visit_i64(number),
            Self::Typed(toml::Value::Float(number)) => visitor.visit_f64(number),
            Self::Typed(toml::Value::Boolean(truth)) => visitor.visit_bool(truth),
            Self::Typed(toml::Value::Datetime(time)) => visitor.visit_string(time.to_string()),
            Self::Typed(nested) => Self::from(nested).deserialize_any(visitor),
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8: "a whole number",
        deserialize_i16 visit_i16 i16: "a whole number",
        deserialize_i32 visit_i32 i32: "a whole number",
        deserialize_i64 visit_i64 i64: "a whole number",
        deserialize_u8 visit_u8 u8: "a whole number from 0 to 255",
        deserialize_u16 visit_u16 u16: "a whole number from 0 to 65535",
        deserialize_u32 visit_u32 u32: "a whole number, not below 0",
        deserialize_u64 visit_u64 u64: "a whole number, not below 0",
        deserialize_f32 visit_f32 f32: "a number",
        deserialize_f64 visit_f64 f64: "a number",
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                _ => Err(Wrong::new("must be true or false")),
            },
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Typed(toml::Value::String(_)) | Self::Text(_) => self.deserialize_any(visitor),
            _ => Err(Wrong::new("must be text, in quotes")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    /// An empty variable is one that was not set: Compose and Kubernetes hand such in.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Text(text) if text.is_empty() => visitor.visit_none(),
            set => visitor.visit_some(set),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Text(list) => {
                let items: Vec<Self> = text::items(&list)?.into_iter().map(Self::Text).collect();
                visitor.visit_seq(Items { items: items.into_iter(), at: 0 })
            }
            Self::List(_) => self.deserialize_any(visitor),
            _ => Err(Wrong::new("must be a list, such as [\"a\", \"b\"]")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            Self::Text(text) | Self::Typed(toml::Value::String(text)) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(Wrong::new("must be text, in quotes")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            Self::Section(_) => self.deserialize_any(visitor),
            _ => Err(Wrong::new("is a section: set what is in it, one by one")),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

/// The settings of a section, one after another.
struct Settings {
    rest: btree_map::IntoIter<String, Node>,
    value: Option<(String, Node)>,
}

impl Settings {
    fn new(section: BTreeMap<String, Node>) -> Self {
        Self { rest: section.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Settings {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((name, node)) = self.rest.next() else { return Ok(None) };
        let key = seed.deserialize(name.as_str().into_deserializer())?;
        self.value = Some((name, node));
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let (name, node) = self.value.take().ok_or_else(|| <Wrong as de::Error>::custom("a value without a name"))?;
        seed.deserialize(node).map_err(|wrong| wrong.below(&name))
    }
}

/// The items of a list, one after another.
struct Items {
    items: std::vec::IntoIter<Node>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.at += 1;
        seed.deserialize(item).map(Some).map_err(|wrong| wrong.below(&self.at.to_string()))
    }
}
