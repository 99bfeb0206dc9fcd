//! A payment's deal, as its contract and our clients name it.

use entities::{PaymentId, payment};
use sha3::{Digest, Keccak256};

/// The highest integer that a double carries exactly, as do all below it.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A deal's id as JSON has it: an integer that counts up. `None` for a deal of a diamond of the first edition, whose id is
/// a hash of up to 77 digits.
#[must_use]
pub fn number(deal_id: &str) -> Option<i64> {
    deal_id.parse().ok().filter(|number| (0..=INTEGER_MAX).contains(number))
}

/// The reference of a payment's deal: keccak-256 over the 16 bytes of its id, `0x` and 64 digits.
#[must_use]
pub fn reference(id: PaymentId) -> String {
    let digest = Keccak256::digest(id.0.as_bytes());
    digest.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// The arguments of the contract's `deposit`, ready to pass: all terms of the deal, or its id alone where the diamond, one of
/// the first edition, knows the rest. `amount` is in the smallest unit of the token, which is none for the network's own
/// coin.
#[must_use]
pub fn deposit_arguments(payment: &payment::Model, deal_id: &str, token: Option<&str>, amount: &str) -> Vec<String> {
    if number(deal_id).is_none() {
        return vec![deal_id.to_owned()];
    }
    let token = token.unwrap_or("0x0000000000000000000000000000000000000000");
    let expires_at = payment.expires_at.timestamp().to_string();
    let reference = reference(payment.id);
    [deal_id, &reference, &payment.payment_address, token, amount, &expires_at].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn ids_that_count_up_are_integers_and_hashes_are_not() {
        let hash = "22787570066134913729546961628452595380768337997964979001475938385947862572242";
        let table = [
            ("1", Some(1)),
            ("281474976710655", Some((1 << 48) - 1)),
            ("9007199254740991", Some(INTEGER_MAX)),
            ("9007199254740992", None),
            (hash, None),
            ("-1", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_is_the_hash_of_the_id_and_not_of_its_text() {
        let expected = "0x290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563";
        let nil = reference(PaymentId(Uuid::nil()));
        assert_eq!(nil.len(), expected.len());
        assert_ne!(nil, expected, "that is the hash of 32 bytes");
        assert_eq!(nil, "0xf490de2920c8a35fabeb13208852aa28c76f9be9b03a4dd2b3c075f7a26923b4");
    }
}
