//! The contract's list: sorted as asked, with addresses of the pages before and after.

use std::borrow::Cow;

use payments::checkout::{Attribute, Order};
use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use super::response::CheckoutPayment;
use crate::problem::Wrong;

/// A page of payments.
#[derive(Object)]
#[oai(rename = "CheckoutList", skip_serializing_if_is_none)]
pub(super) struct CheckoutList {
    data: Vec<CheckoutPayment>,
    /// How many there are in all; counting stops at 10,000, which means that many or more.
    total: u64,
    offset: u32,
    limit: u32,
    /// Address of the page before; missing on the first.
    prev: Option<String>,
    /// Address of the page after; missing on the last.
    next: Option<String>,
}

impl CheckoutList {
    pub(super) fn new(data: Vec<CheckoutPayment>, total: u64, query: &ListQuery, base_url: &str, more: bool) -> Self {
        let (limit, offset) = (query.limit, query.offset);
        let prev = (offset > 0).then(|| query.address(base_url, offset.saturating_sub(limit)));
        let next = more.then(|| query.address(base_url, offset.saturating_add(limit)));
        Self { data, total, offset, limit, prev, next }
    }
}

/// What a list was asked for.
pub(super) struct ListQuery {
    pub(super) sort: Vec<Attribute>,
    pub(super) desc: Vec<Attribute>,
    pub(super) limit: u32,
    pub(super) offset: u32,
}

impl ListQuery {
    /// The keys in their order: `sort` names them, `desc` turns those that it names around and adds the others.
    pub(super) fn order(&self) -> Vec<Order> {
        let mut order: Vec<Order> = Vec::new();
        for by in self.sort.iter().chain(&self.desc).copied() {
            if order.iter().all(|key| key.by != by) {
                order.push(Order { by, descending: self.desc.contains(&by) });
            }
        }
        order
    }

    fn address(&self, base_url: &str, offset: u32) -> String {
        let words = |attributes: &[Attribute]| {
            attributes.iter().map(|attribute| attribute.word()).collect::<Vec<_>>().join(",")
        };
        let names = [("sort", &self.sort), ("desc", &self.desc)];
        let named = names.into_iter().filter(|(_, attributes)| !attributes.is_empty());
        let mut query: Vec<String> = named.map(|(name, attributes)| format!("{name}={}", words(attributes))).collect();
        query.push(format!("limit={}&offset={offset}", self.limit));
        format!("{base_url}/v1/payments?{}", query.join("&"))
    }
}

/// Names of attributes, joined by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes(Vec<Attribute>);

impl Attributes {
    /// What is wrong with a text that names others.
    pub(super) fn wrong() -> Wrong {
        Wrong::OneOf(Attribute::ALL.iter().map(|attribute| attribute.word().to_owned()).collect())
    }

    pub(super) fn all(given: Option<Vec<Self>>) -> Vec<Attribute> {
        given.into_iter().flatten().flat_map(|names| names.0).collect()
    }
}

impl Type for Attributes {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "CheckoutAttributes".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let words: Vec<String> = Attribute::ALL.iter().map(|attribute| attribute.word().replace('.', r"\.")).collect();
        let one = words.join("|");
        let pattern = Some(format!("^({one})(,({one}))*$"));
        MetaSchemaRef::Inline(Box::new(MetaSchema { pattern, ..MetaSchema::new("string") }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ParseFromParameter for Attributes {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let attributes: Option<Vec<Attribute>> =
            value.split(',').map(|word| Attribute::from_word(word.trim())).collect();
        attributes.map(Self).ok_or_else(|| ParseError::custom(Self::wrong()))
    }
}

impl ToJSON for Attributes {
    fn to_json(&self) -> Option<Value> {
        let words: Vec<&str> = self.0.iter().map(|attribute| attribute.word()).collect();
        Some(words.join(",").into())
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::error::ParseParamError;

    use super::*;
    use crate::{contracts::checkout::CONTRACT, problem::Problem};

    #[test]
    fn desc_turns_keys_around_and_adds_its_own() {
        let query = ListQuery {
            sort: Attributes::all(Some(vec![Attributes::parse_from_parameter("status,value").unwrap()])),
            desc: Attributes::all(Some(vec![
                Attributes::parse_from_parameter("value").unwrap(),
                Attributes::parse_from_parameter(" createdAt").unwrap(),
            ])),
            limit: 20,
            offset: 40,
        };
        let order = |by, descending| Order { by, descending };
        let expected =
            [order(Attribute::Status, false), order(Attribute::Value, true), order(Attribute::CreatedAt, true)];
        assert_eq!(query.order(), expected);
        assert_eq!(
            query.address("https://pay.example", 20),
            "https://pay.example/v1/payments?sort=status,value&desc=value,createdAt&limit=20&offset=20"
        );
        assert!(Attributes::parse_from_parameter("amount").is_err() && Attributes::parse_from_parameter("").is_err());
    }

    #[test]
    fn another_attribute_is_refused_with_those_that_there_are() {
        let refused = Attributes::parse_from_parameter("amount").err().unwrap();
        let reason = refused.propagate::<Option<Vec<Attributes>>>().into_message();
        let error = ParseParamError { name: "sort", reason };
        let problem = Problem::from_error(error.into(), &CONTRACT);
        assert_eq!(problem.errors()[0].wrong, Attributes::wrong());
    }
}
