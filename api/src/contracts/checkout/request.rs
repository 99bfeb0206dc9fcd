//! What a shop says of a payment, in requests and in answers.

use poem_openapi::{Enum, Object, types::Example};
use uuid::Uuid;

use super::quantity::Quantity;
use crate::web_url::WebUrl;

/// How the payer's browser comes to our page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "CheckoutRedirectMode", rename_all = "snake_case", remote = "entities::RedirectMode")]
pub(super) enum RedirectMode {
    /// From the shop's pages, and back to them: both URLs are required.
    Embedded,
    /// On its own; our pages are the last ones where the shop names none.
    Hosted,
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "CheckoutAmount")]
pub(super) struct Amount {
    /// A decimal number as text, such as `12.50`; an integer for currencies without a fraction (KMF, MGA, JPY and others).
    #[oai(validator(max_length = 40))]
    pub(super) value: String,
    /// ISO 4217, three capital letters; payments of other contracts may be in other currencies.
    #[oai(validator(max_length = 64))]
    pub(super) currency: String,
}

/// A part of what is bought.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutItem")]
pub(super) struct Item {
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) name: String,
    /// How many: digits, answered as they were sent. An integer is taken, too, and answered as text.
    pub(super) quantity: Quantity,
    /// What they cost, in the total's currency.
    pub(super) amount: Amount,
}

/// What is bought.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutPurchase", skip_serializing_if_is_none)]
pub(super) struct Purchase {
    /// What the payer is charged.
    pub(super) total: Amount,
    /// Shown to the payer; the total is what counts.
    #[oai(validator(max_items = 200))]
    pub(super) items: Option<Vec<Item>>,
}

/// Where and how the payer pays.
#[derive(Clone, Debug, Default, Object)]
#[oai(rename = "CheckoutContext", rename_all = "camelCase", skip_serializing_if_is_none)]
pub(super) struct Context {
    /// Language and country such as `fr-KM`.
    #[oai(validator(max_length = 16))]
    pub(super) locale: Option<String>,
    /// The shop's own words.
    #[oai(validator(max_items = 20))]
    pub(super) channels: Option<Vec<String>>,
    /// `embedded` when it is left out.
    pub(super) redirect_mode: Option<RedirectMode>,
    /// The shop's terminal.
    pub(super) terminal_id: Option<Uuid>,
}

/// Where the payer lives.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutAddress", skip_serializing_if_is_none)]
pub(super) struct Address {
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) line1: String,
    #[oai(validator(max_length = 255))]
    pub(super) line2: Option<String>,
    #[oai(validator(max_length = 255))]
    pub(super) line3: Option<String>,
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) city: String,
    #[oai(validator(max_length = 255))]
    pub(super) state: Option<String>,
    #[oai(validator(max_length = 32))]
    pub(super) postcode: Option<String>,
    /// ISO 3166-1, two capital letters.
    #[oai(validator(min_length = 2, max_length = 2))]
    pub(super) country: String,
}

/// Who pays.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutPayer", rename_all = "camelCase", skip_serializing_if_is_none)]
pub(super) struct Payer {
    /// In one, or else by its two parts.
    #[oai(validator(max_length = 255))]
    pub(super) full_name: Option<String>,
    #[oai(validator(max_length = 255))]
    pub(super) first_name: Option<String>,
    #[oai(validator(max_length = 255))]
    pub(super) last_name: Option<String>,
    #[oai(validator(max_length = 255))]
    pub(super) email: Option<String>,
    /// E.164: a plus sign and digits.
    #[oai(validator(max_length = 32))]
    pub(super) phone: Option<String>,
    pub(super) address: Option<Address>,
}

/// A gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "CheckoutSource", remote = "gateways::Source")]
pub(super) enum Source {
    /// Cards, by Stripe.
    #[oai(rename = "STR")]
    Stripe,
    /// PayPal.
    #[oai(rename = "PYP")]
    PayPal,
    /// MVola of Madagascar.
    #[oai(rename = "MVM")]
    MvolaMadagascar,
    /// MVola of the Comoros.
    #[oai(rename = "MVK")]
    MvolaComoros,
    /// Holo.
    #[oai(rename = "HOL")]
    Holo,
    /// Huri Money.
    #[oai(rename = "HRM")]
    HuriMoney,
}

/// How it is to be paid.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutPlanRequest", skip_serializing_if_is_none)]
pub(super) struct PlanRequest {
    /// The gateway; the payer chooses when it is left out.
    pub(super) source: Option<Source>,
}

/// A payment that a shop asks for.
#[derive(Clone, Debug, Object)]
#[oai(rename = "CheckoutRequest", rename_all = "camelCase", example)]
pub(crate) struct CheckoutRequest {
    pub(super) purchase: Purchase,
    pub(super) context: Option<Context>,
    pub(super) payer: Option<Payer>,
    /// The shop's own reference, unique for it.
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(super) client_id: Option<String>,
    /// The shop's note.
    #[oai(validator(max_length = 2000))]
    pub(super) client_note: Option<String>,
    pub(super) plan: Option<PlanRequest>,
    /// Where the payer's browser goes after turning away; required unless `redirectMode` is `hosted`.
    pub(super) cancel_url: Option<WebUrl>,
    /// Where it goes after paying; required unless `redirectMode` is `hosted`.
    pub(super) success_url: Option<WebUrl>,
}

impl Example for CheckoutRequest {
    fn example() -> Self {
        let amount = |value: &str| Amount { value: value.to_owned(), currency: "KMF".to_owned() };
        let items =
            vec![Item { name: "Vanilla, 100 g".to_owned(), quantity: Quantity::from(2), amount: amount("15000") }];
        let url = |path: &str| Some(WebUrl(format!("https://shop.example/{path}")));
        Self {
            purchase: Purchase { total: amount("15000"), items: Some(items) },
            context: Some(Context { locale: Some("fr-KM".to_owned()), ..Context::default() }),
            payer: Some(Payer {
                full_name: Some("Ada Soilihi".to_owned()),
                first_name: None,
                last_name: None,
                email: Some("ada@example.org".to_owned()),
                phone: Some("+2693210000".to_owned()),
                address: None,
            }),
            client_id: Some("order-1042".to_owned()),
            client_note: None,
            plan: None,
            cancel_url: url("canceled"),
            success_url: url("thanks"),
        }
    }
}
