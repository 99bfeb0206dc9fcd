//! EVM addresses as text: 20 bytes in hex, whose letter case may carry a checksum (EIP-55).

use sha3::{Digest, Keccak256};

/// Whether the text is an address: `0x` and 40 hex digits, all lower case or with a right EIP-55 checksum.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("0x") else { return false };
    if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let lower = digits.to_ascii_lowercase();
    digits == lower || checksummed(&lower) == digits
}

/// Lower-case digits with the capitals of EIP-55: a letter is a capital where the hash of the digits has a nibble ≥ 8.
fn checksummed(lower: &str) -> String {
    let hash = hex::encode(Keccak256::digest(lower));
    let capital = |(digit, nibble): (char, char)| if nibble >= '8' { digit.to_ascii_uppercase() } else { digit };
    lower.chars().zip(hash.chars()).map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_eip_55_are_valid_and_a_wrong_capital_is_not() {
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert!(is_valid(address));
            assert!(is_valid(&address.to_ascii_lowercase()));
            assert!(!is_valid(&address.to_ascii_uppercase().replacen("0X", "0x", 1)));
        }
        for wrong in
            ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae", "0xzz"]
        {
            assert!(!is_valid(wrong), "{wrong}");
        }
    }
}
