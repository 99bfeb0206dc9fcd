//! What is read of Stripe's answers: no more than is used.
//!
//! The SDK's own types want every field of their version of the API to be there and in order. A charge whose answer has
//! one field too few for them would be a charge whose outcome is not known.

use std::{collections::HashMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use uuid::Uuid;

/// Under which our reference is kept with an object.
pub(super) const REFERENCE: &str = "reference";

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

/// What has an id and, where we made it, our reference.
pub(super) trait Listed: serde::de::DeserializeOwned {
    fn id(&self) -> &str;
    fn metadata(&self) -> Option<&Metadata>;

    fn reference(&self) -> Option<Uuid> {
        reference(self.metadata())
    }
}

pub(super) type Metadata = HashMap<String, String>;

/// Our reference among metadata.
pub(super) fn reference(metadata: Option<&Metadata>) -> Option<Uuid> {
    metadata?.get(REFERENCE)?.parse().ok()
}

/// Metadata that carry our reference.
pub(super) fn referring(reference: Uuid) -> Metadata {
    Metadata::from([(REFERENCE.to_owned(), reference.to_string())])
}

macro_rules! listed {
    ($($name:ident),+) => {
        $(impl Listed for $name {
            fn id(&self) -> &str {
                &self.id
            }

            fn metadata(&self) -> Option<&Metadata> {
                self.metadata.as_ref()
            }
        })+
    };
}

listed!(Named, Intent, Refund, Account, Payout);

/// Anything in a list, of which some is not ours and may be of any kind.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    metadata: Option<Metadata>,
}

/// A Checkout Session.
#[derive(Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) payment_status: String,
    pub(super) url: Option<String>,
    pub(super) payment_intent: Option<Expandable<Intent>>,
    pub(super) amount_total: Option<i64>,
    pub(super) currency: Option<String>,
}

/// A PaymentIntent.
#[derive(Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: i64,
    pub(super) amount_received: Option<i64>,
    pub(super) currency: String,
    pub(super) client_secret: Option<String>,
    pub(super) latest_charge: Option<Expandable<Charge>>,
    pub(super) last_payment_error: Option<Refusal>,
    metadata: Option<Metadata>,
}

/// What was taken of a card or an account.
#[derive(Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    #[serde(default)]
    pub(super) amount_refunded: i64,
    #[serde(default)]
    pub(super) disputed: bool,
}

#[derive(Deserialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) status: String,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) failure_reason: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    #[serde(default)]
    pub(super) charges_enabled: bool,
    #[serde(default)]
    pub(super) payouts_enabled: bool,
    #[serde(default)]
    pub(super) details_submitted: bool,
    pub(super) requirements: Option<Requirements>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
pub(super) struct Requirements {
    pub(super) currently_due: Option<Vec<String>>,
}

/// A login link or an account link.
#[derive(Deserialize)]
pub(super) struct Link {
    pub(super) url: String,
}

#[derive(Deserialize)]
pub(super) struct Payout {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) arrival_date: Option<i64>,
    pub(super) failure_code: Option<String>,
    pub(super) failure_message: Option<String>,
    metadata: Option<Metadata>,
}

/// Why Stripe, or a bank behind it, says no.
#[derive(Default, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) message: Option<String>,
}

impl Refusal {
    /// Of the body of an error; nothing of one that is not Stripe's, such as a proxy's page.
    pub(super) fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Refusal,
        }
        serde_json::from_slice(body).map(|Body { error }| error).unwrap_or_default()
    }
}

/// An object, or only its id where it was not asked for.
pub(super) enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

impl<T> Expandable<T> {
    pub(super) fn object(&self) -> Option<&T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

impl<T: Listed> Expandable<T> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(object) => object.id(),
        }
    }
}

// Not `untagged`: that buffers, and the workspace's numbers of arbitrary precision do not come out of the buffer again.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Expandable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Expandable<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an id or an object")
            }

            fn visit_str<E>(self, id: &str) -> Result<Self::Value, E> {
                Ok(Expandable::Id(id.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|object| Expandable::Object(Box::new(object)))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}
