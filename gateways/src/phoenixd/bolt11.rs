//! Invoices as payers read them (BOLT 11), as far as the sandbox node needs: one amount, a description, an expiry, signed.
//! The crates that know all of it bring a library of bitcoin's with them, and a third copy of its C code.

use chrono::{DateTime, Utc};
use k256::ecdsa::SigningKey;
use sha2::{Digest, Sha256};

/// The alphabet of bech32.
const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Fields, by the letters that stand for them in that alphabet.
const PAYMENT_HASH: u8 = 1;
const EXPIRY: u8 = 6;
const DESCRIPTION: u8 = 13;
const PAYMENT_SECRET: u8 = 16;
const FEATURES: u8 = 5;

/// Bits 8 and 14: fields of the onion may have any length, and the payment secret is required.
const FEATURE_BITS: u64 = 1 << 8 | 1 << 14;

/// What an invoice says.
pub(crate) struct Unsigned<'a> {
    /// `lnbc` on the main network, `lnbcrt` on a regtest one.
    pub(crate) network: &'a str,
    pub(crate) amount_sat: u64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) payment_hash: [u8; 32],
    pub(crate) payment_secret: [u8; 32],
    /// Cut to the 639 bytes that fit.
    pub(crate) description: &'a str,
    pub(crate) expiry_s: u64,
}

impl Unsigned<'_> {
    /// The invoice, signed with the node's key. None only if the key cannot sign, which has never been seen.
    pub(crate) fn sign(&self, key: &SigningKey) -> Option<String> {
        let readable = format!("{}{}", self.network, amount(self.amount_sat));
        let mut groups = number(u64::try_from(self.at.timestamp()).unwrap_or(0), 7);
        field(&mut groups, PAYMENT_SECRET, &fives(&self.payment_secret));
        field(&mut groups, PAYMENT_HASH, &fives(&self.payment_hash));
        let fits = self.description.char_indices().map(|(start, letter)| start + letter.len_utf8());
        let end = fits.take_while(|end| *end <= 639).last().unwrap_or(0);
        field(&mut groups, DESCRIPTION, &fives(&self.description.as_bytes()[..end]));
        field(&mut groups, EXPIRY, &shortest(self.expiry_s));
        field(&mut groups, FEATURES, &shortest(FEATURE_BITS));
        let digest = Sha256::new().chain_update(&readable).chain_update(eights(&groups)).finalize();
        let (signature, recovery) = key.sign_prehash_recoverable(&digest).ok()?;
        let mut signed = signature.to_bytes().to_vec();
        signed.push(recovery.to_byte());
        groups.extend(fives(&signed));
        groups.extend(checksum(&readable, &groups));
        let letters = groups.iter().map(|group| char::from(ALPHABET[usize::from(*group)]));
        Some(format!("{readable}1{}", letters.collect::<String>()))
    }
}

/// In the largest unit that needs no fraction: bitcoin, milli, micro or nano, of which a satoshi is ten.
fn amount(satoshis: u64) -> String {
    for (unit, letter) in [(100_000_000, ""), (100_000, "m"), (100, "u")] {
        if satoshis.is_multiple_of(unit) {
            return format!("{}{letter}", satoshis / unit);
        }
    }
    format!("{satoshis}0n")
}

fn field(groups: &mut Vec<u8>, kind: u8, data: &[u8]) {
    groups.push(kind);
    groups.extend(number(data.len() as u64, 2));
    groups.extend(data);
}

/// The number in so many groups of five bits, the highest first.
fn number(value: u64, groups: u32) -> Vec<u8> {
    (0..groups).rev().map(|group| (value >> (5 * group) & 31) as u8).collect()
}

/// The number without leading zeros.
fn shortest(value: u64) -> Vec<u8> {
    number(value, (u64::BITS - value.leading_zeros()).div_ceil(5))
}

/// Bytes in groups of five bits, the last one filled up with zeros.
fn fives(bytes: &[u8]) -> Vec<u8> {
    regroup(bytes, 8, 5)
}

/// And back, likewise filled up: this is what is signed.
fn eights(groups: &[u8]) -> Vec<u8> {
    regroup(groups, 5, 8)
}

fn regroup(from: &[u8], width: u32, to: u32) -> Vec<u8> {
    let (mut held, mut bits, mut out) = (0_u32, 0, Vec::new());
    for value in from {
        held = (held << width | u32::from(*value)) & 0xffff;
        bits += width;
        while bits >= to {
            bits -= to;
            out.push((held >> bits & ((1 << to) - 1)) as u8);
        }
    }
    if bits > 0 {
        out.push((held << (to - bits) & ((1 << to) - 1)) as u8);
    }
    out
}

/// Bech32's, with the readable part spread out in front.
fn checksum(readable: &str, groups: &[u8]) -> Vec<u8> {
    let high = readable.bytes().map(|byte| byte >> 5);
    let low = readable.bytes().map(|byte| byte & 31);
    let values = high.chain([0]).chain(low).chain(groups.iter().copied()).chain([0; 6]);
    let sum = values.fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let generators = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        generators.iter().enumerate().fold(
            next,
            |next, (bit, generator)| {
                if top >> bit & 1 == 1 { next ^ generator } else { next }
            },
        )
    }) ^ 1;
    number(u64::from(sum), 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of BOLT 11 are signed with this key, and ECDSA's nonces come of what is signed.
    fn example_key() -> SigningKey {
        let key = hex::decode("e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734").unwrap();
        SigningKey::from_slice(&key).unwrap()
    }

    #[test]
    fn an_invoice_is_the_specifications_example_letter_by_letter() {
        let hash = hex::decode("0001020304050607080900010203040506070809000102030405060708090102").unwrap();
        let coffee = Unsigned {
            network: "lnbc",
            amount_sat: 250_000,
            at: DateTime::from_timestamp(1_496_314_658, 0).unwrap(),
            payment_hash: hash.try_into().unwrap(),
            payment_secret: [0x11; 32],
            description: "1 cup coffee",
            expiry_s: 60,
        };
        assert_eq!(
            coffee.sign(&example_key()).unwrap(),
            "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqf\
             qqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0\
             lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh"
        );
    }

    #[test]
    fn amounts_are_in_the_largest_unit_that_fits() {
        for (satoshis, text) in [(1, "10n"), (99, "990n"), (100, "1u"), (250_000, "2500u"), (2_000_000, "20m")] {
            assert_eq!(amount(satoshis), text);
        }
        assert_eq!(amount(300_000_000), "3");
    }
}
