//! What a payment pays for.

use poem_openapi::{Object, types::Example};

use crate::money::{Cost, ExactNumber};

/// One thing that is paid for.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub(crate) struct Item {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub(crate) name: String,
    /// What it costs.
    pub(crate) price: Cost,
    /// The merchant's own id of it.
    #[oai(validator(max_length = 255))]
    pub(crate) external_id: Option<String>,
}

impl Example for Item {
    fn example() -> Self {
        Self { name: "Tea pot".to_owned(), price: ExactNumber(12.into()), external_id: Some("sku-7".to_owned()) }
    }
}
