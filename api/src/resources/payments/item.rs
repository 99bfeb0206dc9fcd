//! What a payment pays for.

use poem_openapi::{
    Object,
    types::{Example, ParseFromJSON},
};
use serde_json::Value;

use crate::money::{Cost, CostInput, ExactInput, ExactNumber};

/// One thing that is to be paid for.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub(crate) struct NewItem {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 1024))]
    name: String,
    /// What it costs.
    price: CostInput,
    /// The merchant's own id of it.
    #[oai(validator(min_length = 1, max_length = 255))]
    external_id: Option<String>,
}

impl Example for NewItem {
    fn example() -> Self {
        Self { name: "Tea pot".to_owned(), price: ExactInput(12.into()), external_id: Some("sku-7".to_owned()) }
    }
}

/// One thing that is paid for.
#[derive(Clone, Debug, Object)]
pub(crate) struct Item {
    name: String,
    /// What it costs.
    price: Cost,
    /// The same as text.
    price_text: String,
    /// The merchant's own id of it.
    external_id: Option<String>,
}

impl Item {
    /// The items of a payment's row, where they are as they were sent.
    pub(super) fn stored(items: Value) -> Vec<Self> {
        let items: Vec<NewItem> = Vec::parse_from_json(Some(items)).unwrap_or_default();
        items.into_iter().map(Self::from).collect()
    }
}

impl From<NewItem> for Item {
    fn from(item: NewItem) -> Self {
        let price: Cost = ExactNumber(item.price.0);
        Self { name: item.name, price, price_text: price.text(), external_id: item.external_id }
    }
}
