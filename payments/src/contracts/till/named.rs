//! What a till calls its payments. Its transaction id is the payment's external id, so that one index keeps both unique on a
//! node; where it cannot be, the till's own row keeps it.

use entities::PaymentId;
use sha2::{Digest, Sha256};

/// Characters up to which a name is an external id as it is: all other contracts have no longer ones.
const EXTERNAL_ID_MAX: usize = 255;

/// How much of a longer name its external id shows, characters; the hash of all of it follows.
const SHOWN: usize = 180;

/// A payment's two names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// What is unique on the node.
    pub(super) external_id: String,
    /// What the till's row keeps: the till's name where that is another one, empty where it has none.
    pub(super) kept: Option<String>,
}

impl Named {
    /// A blank name is none: the payment is then known by its id, which certainly no other has.
    pub(super) fn new(transaction_id: String, id: PaymentId) -> Self {
        if transaction_id.trim().is_empty() {
            return Self { external_id: id.to_string(), kept: Some(String::new()) };
        }
        let Some((cut, _)) = transaction_id.char_indices().nth(SHOWN) else {
            return Self { external_id: transaction_id, kept: None };
        };
        if transaction_id.chars().count() <= EXTERNAL_ID_MAX {
            return Self { external_id: transaction_id, kept: None };
        }
        let hash = hex::encode(Sha256::digest(&transaction_id));
        Self { external_id: format!("{}…{hash}", &transaction_id[..cut]), kept: Some(transaction_id) }
    }

    /// What the till calls it.
    pub(super) fn of_till(self) -> String {
        self.kept.unwrap_or(self.external_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(transaction_id: &str) -> Named {
        Named::new(transaction_id.to_owned(), PaymentId::new())
    }

    #[test]
    fn a_short_name_is_the_external_id() {
        for name in ["till-1", " x", &"ü".repeat(EXTERNAL_ID_MAX)] {
            assert_eq!(named(name), Named { external_id: name.to_owned(), kept: None });
        }
    }

    #[test]
    fn a_blank_name_is_none_and_never_the_same_twice() {
        for blank in ["", "  ", "\t"] {
            let (one, two) = (named(blank), named(blank));
            assert_ne!(one.external_id, two.external_id);
            assert_eq!(one.of_till(), "");
        }
    }

    #[test]
    fn a_long_name_is_kept_whole_and_distinguished_by_all_of_it() {
        let long = "🧾".repeat(1_023);
        let (one, two) = (named(&format!("{long}1")), named(&format!("{long}2")));
        assert_ne!(one.external_id, two.external_id);
        assert_eq!(named(&format!("{long}1")), one);
        assert!(one.external_id.chars().count() <= EXTERNAL_ID_MAX && one.external_id.starts_with("🧾🧾"));
        assert_eq!(one.of_till(), format!("{long}1"));
    }
}
