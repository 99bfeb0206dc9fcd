//! What a payer may choose from.

use serde::{Deserialize, Serialize};

macro_rules! sources {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $title:literal, $phone:literal, $path:literal;)+) => {
        /// A gateway as the checkout contract names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Source {
            $($(#[$doc])* #[serde(rename = $code)] $name),+
        }

        impl Source {
            /// Every one, in the order in which payers are shown them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its three letters.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// What payers call it.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// Whether it is mobile money, which needs the payer's phone.
            #[must_use]
            pub const fn is_mobile_money(self) -> bool {
                match self { $(Self::$name => $phone),+ }
            }

            /// Where it calls back, from our address on.
            #[must_use]
            pub const fn callback_path(self) -> &'static str {
                match self { $(Self::$name => concat!("/v1/webhooks/payments/", $path)),+ }
            }
        }
    };
}

sources! {
    /// Cards, by Stripe.
    Stripe = "STR", "Stripe", false, "stripe";
    /// PayPal.
    PayPal = "PYP", "PayPal", false, "paypal";
    /// MVola of Madagascar.
    MvolaMadagascar = "MVM", "MVola Madagascar", true, "mvola-mg";
    /// MVola of the Comoros.
    MvolaComoros = "MVK", "MVola Comoros", true, "mvola-km";
    /// Holo.
    Holo = "HOL", "Holo", true, "holo";
    /// Huri Money.
    HuriMoney = "HRM", "Huri Money", true, "huri";
}

/// No source has this code.
#[derive(Debug, thiserror::Error)]
#[error("no gateway has this code; known are HOL, HRM, MVK, MVM, PYP and STR")]
pub struct UnknownSource;

impl std::str::FromStr for Source {
    type Err = UnknownSource;

    fn from_str(code: &str) -> Result<Self, UnknownSource> {
        Self::ALL.iter().copied().find(|source| source.code() == code).ok_or(UnknownSource)
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}
