//! Checks a JSON value against a published schema and collects every mistake.

use std::net::Ipv4Addr;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    checkout::quantity,
    document, marketplace, money,
    problem::{Mistake, Wrong},
    time, web_url,
};

/// Mistakes of one body that are told; a body may have more of them than anybody wants to read or send.
const MISTAKES_MAX: usize = 100;

/// Longest name of an unknown field that is repeated in an answer, characters.
const NAME_MAX: usize = 100;

/// The value's mistakes, in the order of the schema's fields; unknown fields are none where it is `open`.
pub(super) fn check(schema: &MetaSchemaRef, value: &Value, open: bool) -> Vec<Mistake> {
    let mut found = Found { mistakes: Vec::new(), open };
    found.check(schema, value, "");
    found.mistakes
}

/// Takes out of the value, at every depth, what is optional and empty where its schema wants more than that.
pub(super) fn drop_empty(schema: &MetaSchemaRef, value: &mut Value) {
    let Some(schema) = resolved(schema) else { return };
    for part in &schema.all_of {
        drop_empty(part, value);
    }
    match value {
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| drop_empty(schema, item));
            }
        }
        Value::Object(fields) => {
            for (name, property) in &schema.properties {
                let Some(field) = fields.get_mut(*name) else { continue };
                if *field == "" && !schema.required.contains(name) && wants_more(property) {
                    fields.remove(*name);
                } else {
                    drop_empty(property, field);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether it is a text that cannot be empty.
fn wants_more(schema: &MetaSchemaRef) -> bool {
    let alone = |schema: &MetaSchema| schema.ty == "string" && string(schema, "").is_err();
    resolved(schema).is_some_and(|schema| alone(schema) || schema.all_of.iter().any(wants_more))
}

/// The schema itself, for one that is named.
fn resolved(schema: &MetaSchemaRef) -> Option<&MetaSchema> {
    match schema {
        MetaSchemaRef::Inline(schema) => Some(schema),
        MetaSchemaRef::Reference(name) => document::schemas().get(name),
    }
}

struct Found {
    mistakes: Vec<Mistake>,
    open: bool,
}

impl Found {
    fn wrong(&mut self, pointer: &str, detail: impl Into<Wrong>) {
        if self.mistakes.len() >= MISTAKES_MAX {
            return;
        }
        self.mistakes.push(Mistake::in_body(pointer, detail));
    }

    fn check(&mut self, schema: &MetaSchemaRef, value: &Value, pointer: &str) {
        let Some(schema) = resolved(schema) else { return };
        if !schema.all_of.is_empty() {
            return schema.all_of.iter().for_each(|part| self.check(part, value, pointer));
        }
        if !schema.one_of.is_empty() {
            return self.one_of(&schema.one_of, value, pointer);
        }
        if schema.nullable && value.is_null() {
            return;
        }
        match (schema.ty, value) {
            ("object", Value::Object(fields)) => {
                self.object(schema, value, pointer);
                self.unknown(schema, fields, pointer);
            }
            ("array", Value::Array(items)) => self.array(schema, items, pointer),
            ("string", value) if schema.format == Some(quantity::FORMAT) && *value != Value::Null => {
                if !quantity::fits(value) {
                    self.wrong(pointer, quantity::WANTED);
                }
            }
            ("string", Value::String(text)) => {
                if let Err(detail) = string(schema, text) {
                    self.wrong(pointer, detail);
                }
            }
            ("integer" | "number", Value::Number(number)) => {
                if let Err(detail) = number_in_range(schema, &number.to_string()) {
                    self.wrong(pointer, detail);
                }
            }
            ("boolean", Value::Bool(_)) | ("", _) => {}
            (_, Value::Null) => self.wrong(pointer, "is required and must not be null"),
            (wanted, _) => self.wrong(pointer, format!("must be {}", article(wanted))),
        }
    }

    /// What may be of several kinds is judged as the kind that it is, and told as the first when it is none of them.
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
                None if schema.required.contains(name) => self.wrong(&pointer, "is required"),
                None => {}
                Some(Value::Null) if !schema.required.contains(name) => {}
                Some(value) => self.check(property, value, &pointer),
            }
        }
    }

    /// A field that nobody reads is a mistake: whoever misspells `expires_at` must not get a payment without it.
    fn unknown(&mut self, schema: &MetaSchema, fields: &Map<String, Value>, pointer: &str) {
        if self.open || document::open_ended(schema) {
            return;
        }
        let known = |name: &str| schema.properties.iter().any(|(property, _)| *property == name);
        for name in fields.keys().filter(|name| !known(name)) {
            if name.chars().count() > NAME_MAX {
                self.wrong(pointer, "has a field that is not known here");
            } else {
                let name = name.replace('~', "~0").replace('/', "~1");
                self.wrong(&format!("{pointer}/{name}"), "is not a known field");
            }
        }
    }

    fn array(&mut self, schema: &MetaSchema, items: &[Value], pointer: &str) {
        if let Some(max) = schema.max_items.filter(|max| items.len() > *max) {
            return self.wrong(pointer, format!("must have at most {max} items"));
        }
        if let Some(min) = schema.min_items.filter(|min| items.len() < *min) {
            return self.wrong(pointer, format!("must have at least {min} items"));
        }
        if let Some(schema) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                self.check(schema, item, &format!("{pointer}/{index}"));
            }
        }
    }
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

fn article(type_name: &str) -> &str {
    match type_name {
        "object" => "an object",
        "array" => "an array",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "a string",
    }
}

/// A text's length in characters, its words and its format.
fn string(schema: &MetaSchema, text: &str) -> Result<(), String> {
    // PostgreSQL cannot store it, and no name, id or address has one.
    if text.contains('\0') {
        return Err("must not contain the character U+0000".to_owned());
    }
    if !schema.enum_items.is_empty() && !schema.enum_items.iter().any(|word| word == text) {
        let words: Vec<&str> = schema.enum_items.iter().filter_map(Value::as_str).collect();
        return Err(format!("must be one of {}", words.join(", ")));
    }
    let length = text.chars().count();
    if let Some(min) = schema.min_length.filter(|min| length < *min) {
        return Err(if min == 1 {
            "must not be empty".to_owned()
        } else {
            format!("must have at least {min} characters")
        });
    }
    if let Some(max) = schema.max_length.filter(|max| length > *max) {
        return Err(format!("must have at most {max} characters"));
    }
    match schema.format.unwrap_or_default() {
        money::POSITIVE_TEXT if money::parse_text(text)?.is_zero() => Err("must be greater than 0".to_owned()),
        money::POSITIVE_TEXT | money::COST_TEXT => money::parse_text(text).map(drop).map_err(str::to_owned),
        format => format_of(format, text).map_err(str::to_owned),
    }
}

fn format_of(format: &str, text: &str) -> Result<(), &'static str> {
    let (fits, wanted) = match format {
        "uuid" => (Uuid::try_parse(text).is_ok(), "must be a UUID"),
        "date-time" => (time::read(text).is_some(), time::WANTED),
        "ipv4" => (text.parse::<Ipv4Addr>().is_ok(), "must be an IPv4 address"),
        "email" => (email(text), "must be an e-mail address"),
        "date" | "iban" | "nif" => (marketplace::fits(format, text), marketplace::wanted(format)),
        "uri" => (web_url::is_http(text), "must be an http or https URL"),
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(wanted) }
}

/// Deliberately loose: only a letter that arrives proves an address.
fn email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace))
}

/// Numbers are judged by their text: nothing passes through binary floating point.
fn number_in_range(schema: &MetaSchema, text: &str) -> Result<(), String> {
    let number = money::parse(text).map_err(str::to_owned)?;
    if schema.ty == "integer" && text.contains(['.', 'e', 'E']) {
        return Err("must be an integer".to_owned());
    }
    let bound = |bound: Option<f64>| bound.and_then(|bound| Decimal::try_from(bound).ok());
    if let Some(min) = bound(schema.minimum) {
        let exclusive = schema.exclusive_minimum == Some(true);
        if number < min || (exclusive && number == min) {
            return Err(format!("must be {} {min}", if exclusive { "greater than" } else { "at least" }));
        }
    }
    if let Some(max) = bound(schema.maximum).filter(|max| number > *max) {
        return Err(format!("must be at most {max}"));
    }
    Ok(())
}
