//! Checks a JSON value against a published schema and collects every mistake.

use std::{
    any::TypeId,
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{LazyLock, PoisonError, RwLock},
};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    money,
    problem::{Counted, Format, Kind, Mistake, Wrong},
    time, web_url,
};

/// Mistakes of one body that are answered; a body may have more of them than anybody wants to read or send.
const MISTAKES_MAX: usize = 100;

/// Longest name of an unknown field that is repeated in an answer, characters.
const NAME_MAX: usize = 100;

/// A format that one contract has, as its types write it in their schemas.
pub(crate) struct OwnFormat {
    /// The format's name, as schemas write it.
    pub(crate) name: &'static str,
    /// How a value of the format is recognised.
    pub(crate) fits: Fits,
    /// The mistake of a value that is not of the format.
    pub(crate) wanted: fn() -> Wrong,
}

/// How values of a format are recognised.
pub(crate) enum Fits {
    /// By a text, which has passed the schema's other words.
    Text(fn(&str) -> bool),
    /// By a value of any kind but null, whatever else the schema says of it.
    Value(fn(&Value) -> bool),
}

type Named = BTreeMap<String, MetaSchema>;

/// What a type of body is checked by: the schemas that it refers to by name, and formats of the contract that it is sent to.
#[derive(Clone, Copy)]
pub(super) struct Schemas {
    named: &'static Named,
    formats: &'static [OwnFormat],
}

impl Schemas {
    /// Those of this type. Each type is described once and kept, as the document of the same types is.
    pub(super) fn of<T: Type + 'static>(formats: &'static [OwnFormat]) -> Self {
        static KNOWN: LazyLock<RwLock<HashMap<TypeId, &'static Named>>> = LazyLock::new(RwLock::default);
        let id = TypeId::of::<T>();
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&id).copied();
        let named = known.unwrap_or_else(|| {
            let mut registry = Registry::new();
            T::register(&mut registry);
            let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
            known.entry(id).or_insert_with(|| Box::leak(Box::new(registry.schemas)))
        });
        Self { named, formats }
    }

    /// The value's mistakes, in the order of the schema's fields; unknown fields are none where it is `open`.
    pub(super) fn check(self, schema: &MetaSchemaRef, value: &Value, open: bool) -> Vec<Mistake> {
        let mut found = Validation { schemas: self, mistakes: Vec::new(), open };
        found.check(schema, value, "");
        found.mistakes
    }

    /// Takes out of the value, at every depth, what is optional and empty where its schema wants more than that.
    pub(super) fn drop_empty(self, schema: &MetaSchemaRef, value: &mut Value) {
        let Some(schema) = self.resolved(schema) else { return };
        for part in &schema.all_of {
            self.drop_empty(part, value);
        }
        match value {
            Value::Array(items) => {
                if let Some(schema) = &schema.items {
                    items.iter_mut().for_each(|item| self.drop_empty(schema, item));
                }
            }
            Value::Object(fields) => {
                for (name, property) in &schema.properties {
                    let Some(field) = fields.get_mut(*name) else { continue };
                    if *field == "" && !schema.required.contains(name) && self.wants_more(property) {
                        fields.remove(*name);
                    } else {
                        self.drop_empty(property, field);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Whether it is a text that cannot be empty.
    fn wants_more(self, schema: &MetaSchemaRef) -> bool {
        let alone = |schema: &MetaSchema| schema.ty == "string" && self.string(schema, "").is_err();
        let more = |part: &MetaSchemaRef| self.wants_more(part);
        self.resolved(schema).is_some_and(|schema| alone(schema) || schema.all_of.iter().any(more))
    }

    /// The schema itself, for one that is named.
    fn resolved(self, schema: &MetaSchemaRef) -> Option<&MetaSchema> {
        match schema {
            MetaSchemaRef::Inline(schema) => Some(schema),
            MetaSchemaRef::Reference(name) => self.named.get(name),
        }
    }

    /// Whether the value has the contract's own format of values that the schema asks for, if it asks for one.
    fn of_value(self, schema: &MetaSchema, value: &Value) -> Option<Result<(), Wrong>> {
        let format = schema.format.filter(|_| schema.ty == "string" && !value.is_null())?;
        let own = self.formats.iter().find(|own| own.name == format)?;
        match own.fits {
            Fits::Value(fits) if fits(value) => Some(Ok(())),
            Fits::Value(_) => Some(Err((own.wanted)())),
            Fits::Text(_) => None,
        }
    }

    /// A text's length in characters, its words and its format.
    fn string(self, schema: &MetaSchema, text: &str) -> Result<(), Wrong> {
        // PostgreSQL cannot store it, and no name, id or address has one.
        if text.contains('\0') {
            return Err(Wrong::Nul);
        }
        if !schema.enum_items.is_empty() && !schema.enum_items.iter().any(|word| word == text) {
            let words = schema.enum_items.iter().filter_map(Value::as_str).map(str::to_owned);
            return Err(Wrong::OneOf(words.collect()));
        }
        let length = text.chars().count();
        if let Some(min) = schema.min_length.filter(|min| length < *min) {
            return Err(if min == 1 { Wrong::Empty } else { Wrong::TooFew { min, of: Counted::Characters } });
        }
        if let Some(max) = schema.max_length.filter(|max| length > *max) {
            return Err(Wrong::TooMany { max, of: Counted::Characters });
        }
        match schema.format.unwrap_or_default() {
            money::POSITIVE_TEXT if money::parse_text(text)?.is_zero() => Err(Wrong::GreaterThan(Decimal::ZERO)),
            money::POSITIVE_TEXT | money::COST_TEXT => money::parse_text(text).map(drop),
            format => match self.formats.iter().find(|own| own.name == format) {
                Some(OwnFormat { fits: Fits::Text(fits), wanted, .. }) if !fits(text) => Err(wanted()),
                Some(_) => Ok(()),
                None => format_of(format, text).map_err(Wrong::from),
            },
        }
    }
}

struct Validation {
    schemas: Schemas,
    mistakes: Vec<Mistake>,
    open: bool,
}

impl Validation {
    fn wrong(&mut self, pointer: &str, wrong: impl Into<Wrong>) {
        if self.mistakes.len() < MISTAKES_MAX {
            self.mistakes.push(Mistake::in_body(pointer, wrong));
        }
    }

    fn check(&mut self, schema: &MetaSchemaRef, value: &Value, pointer: &str) {
        let Some(schema) = self.schemas.resolved(schema) else { return };
        if !schema.all_of.is_empty() {
            return schema.all_of.iter().for_each(|part| self.check(part, value, pointer));
        }
        if !schema.one_of.is_empty() {
            return self.one_of(&schema.one_of, value, pointer);
        }
        if schema.nullable && value.is_null() {
            return;
        }
        if let Some(judged) = self.schemas.of_value(schema, value) {
            if let Err(wrong) = judged {
                self.wrong(pointer, wrong);
            }
            return;
        }
        match (schema.ty, value) {
            ("object", Value::Object(fields)) => {
                self.object(schema, value, pointer);
                self.unknown(schema, fields, pointer);
            }
            ("array", Value::Array(items)) => self.array(schema, items, pointer),
            ("string", Value::String(text)) => {
                if let Err(wrong) = self.schemas.string(schema, text) {
                    self.wrong(pointer, wrong);
                }
            }
            ("integer" | "number", Value::Number(number)) => {
                if let Err(wrong) = number_in_range(schema, &number.to_string()) {
                    self.wrong(pointer, wrong);
                }
            }
            ("boolean", Value::Bool(_)) | ("", _) => {}
            (_, Value::Null) => self.wrong(pointer, Wrong::Null),
            (wanted, _) => self.wrong(pointer, Wrong::NotA(named(wanted))),
        }
    }

    /// What may be of several kinds is judged as the kind that it is, and reported as the first when it is none of them.
    fn one_of(&mut self, kinds: &[MetaSchemaRef], value: &Value, pointer: &str) {
        let is = |kind: &&MetaSchemaRef| match kind {
            MetaSchemaRef::Inline(schema) => kind_of(value) == schema.ty,
            MetaSchemaRef::Reference(_) => false,
        };
        if let Some(kind) = kinds.iter().find(is).or(kinds.first()) {
            self.check(kind, value, pointer);
        }
    }

    fn object(&mut self, schema: &MetaSchema, value: &Value, pointer: &str) {
        for (name, property) in &schema.properties {
            let pointer = format!("{pointer}/{name}");
            match value.get(name) {
                None if schema.required.contains(name) => self.wrong(&pointer, Wrong::Required),
                None => {}
                Some(Value::Null) if !schema.required.contains(name) => {}
                Some(value) => self.check(property, value, &pointer),
            }
        }
    }

    /// A field that nobody reads is a mistake: a client that misspells `expires_at` must not get a payment without it.
    fn unknown(&mut self, schema: &MetaSchema, fields: &Map<String, Value>, pointer: &str) {
        if self.open || open_ended(schema) {
            return;
        }
        let known = |name: &str| schema.properties.iter().any(|(property, _)| *property == name);
        for name in fields.keys().filter(|name| !known(name)) {
            if name.chars().count() > NAME_MAX {
                self.wrong(pointer, Wrong::UnknownFieldWithin);
            } else {
                let name = name.replace('~', "~0").replace('/', "~1");
                self.wrong(&format!("{pointer}/{name}"), Wrong::UnknownField);
            }
        }
    }

    fn array(&mut self, schema: &MetaSchema, items: &[Value], pointer: &str) {
        if let Some(max) = schema.max_items.filter(|max| items.len() > *max) {
            return self.wrong(pointer, Wrong::TooMany { max, of: Counted::Items });
        }
        if let Some(min) = schema.min_items.filter(|min| items.len() < *min) {
            return self.wrong(pointer, Wrong::TooFew { min, of: Counted::Items });
        }
        if let Some(schema) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                self.check(schema, item, &format!("{pointer}/{index}"));
            }
        }
    }
}

/// Whether an object may have fields beyond those that its schema names.
fn open_ended(schema: &MetaSchema) -> bool {
    schema.properties.is_empty() || schema.additional_properties.is_some()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
    }
}

/// The kind that a schema's word means.
fn named(type_name: &str) -> Kind {
    match type_name {
        "object" => Kind::Object,
        "array" => Kind::Array,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        _ => Kind::String,
    }
}

fn format_of(format: &str, text: &str) -> Result<(), Format> {
    let (fits, wanted) = match format {
        "uuid" => (Uuid::try_parse(text).is_ok(), Format::Uuid),
        "date-time" => (time::read(text).is_some(), Format::Time),
        "ipv4" => (text.parse::<Ipv4Addr>().is_ok(), Format::Ipv4),
        "email" => (email(text), Format::Email),
        "uri" => (web_url::is_http(text), Format::WebUrl),
        _ => return Ok(()),
    };
    if fits { Ok(()) } else { Err(wanted) }
}

/// Deliberately loose: only a letter that arrives proves an address.
fn email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace))
}

/// Numbers are judged by their text: nothing passes through binary floating point.
fn number_in_range(schema: &MetaSchema, text: &str) -> Result<(), Wrong> {
    let number = money::parse(text)?;
    if schema.ty == "integer" && text.contains(['.', 'e', 'E']) {
        return Err(Wrong::NotA(Kind::Integer));
    }
    let bound = |bound: Option<f64>| bound.and_then(|bound| Decimal::try_from(bound).ok());
    if let Some(min) = bound(schema.minimum) {
        let exclusive = schema.exclusive_minimum == Some(true);
        if number < min || (exclusive && number == min) {
            return Err(if exclusive { Wrong::GreaterThan(min) } else { Wrong::AtLeast(min) });
        }
    }
    if let Some(max) = bound(schema.maximum).filter(|max| number > *max) {
        return Err(Wrong::AtMost(max));
    }
    Ok(())
}
