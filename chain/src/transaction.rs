//! A transaction before and after it is signed.

use alloy::{
    consensus::{SignableTransaction, Transaction as _, TxEip1559, TxEnvelope, TxLegacy, TypedTransaction},
    eips::eip2718::{Decodable2718, Encodable2718},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};

use crate::{error::Error, fees::Fees};

/// What a signature will cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    /// `None` creates a contract.
    pub(crate) to: Option<Address>,
    pub(crate) value: U256,
    pub(crate) input: Bytes,
    pub(crate) gas_limit: u64,
    pub(crate) fees: Fees,
}

/// The bytes to send, and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) raw: Vec<u8>,
    pub(crate) hash: B256,
}

impl Draft {
    /// Gas of a transfer of nothing to oneself.
    pub(crate) const NOOP_GAS: u64 = 21_000;

    pub(crate) fn sign(&self, key: &PrivateKeySigner) -> Result<Signed, Error> {
        let signature = key.sign_hash_sync(&self.signature_hash());
        let signature = signature.map_err(|error| Error::Stored(format!("signing as {}: {error}", key.address())))?;
        let signed = self.signed_with(signature);
        Ok(Signed { hash: *signed.tx_hash(), raw: signed.encoded_2718() })
    }

    /// What a signature covers: every field.
    pub(crate) fn signature_hash(&self) -> B256 {
        self.unsigned().signature_hash()
    }

    pub(crate) fn signed_with(&self, signature: Signature) -> TxEnvelope {
        self.unsigned().into_envelope(signature)
    }

    fn unsigned(&self) -> TypedTransaction {
        let to = self.to.map_or(TxKind::Create, TxKind::Call);
        if self.fees.legacy {
            // As before EIP-2718, with the chain's number in the signature (EIP-155), so that it holds on no other chain.
            return TypedTransaction::Legacy(TxLegacy {
                chain_id: Some(self.chain_id),
                nonce: self.nonce,
                gas_price: self.fees.max_fee,
                gas_limit: self.gas_limit,
                to,
                value: self.value,
                input: self.input.clone(),
            });
        }
        TypedTransaction::Eip1559(TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: self.fees.max_fee,
            max_priority_fee_per_gas: self.fees.tip,
            to,
            value: self.value,
            access_list: Default::default(),
            input: self.input.clone(),
        })
    }

    /// What stored bytes were signed over.
    pub(crate) fn of(raw: &[u8]) -> Result<Self, Error> {
        let envelope = TxEnvelope::decode_2718_exact(raw)
            .map_err(|error| Error::Stored(format!("the bytes of an attempt: {error}")))?;
        Ok(Self {
            chain_id: envelope.chain_id().unwrap_or_default(),
            nonce: envelope.nonce(),
            to: envelope.to(),
            value: envelope.value(),
            input: envelope.input().clone(),
            gas_limit: envelope.gas_limit(),
            fees: match envelope.max_priority_fee_per_gas() {
                Some(tip) => Fees::dynamic(envelope.max_fee_per_gas(), tip),
                None => Fees::legacy(envelope.max_fee_per_gas()),
            },
        })
    }

    /// Whether it only takes this signer's nonce.
    pub(crate) fn is_noop_of(&self, signer: Address) -> bool {
        self.to == Some(signer) && self.value.is_zero() && self.input.is_empty() && self.gas_limit <= Self::NOOP_GAS
    }

    /// The same call for higher fees.
    pub(crate) fn with_fees(self, fees: Fees) -> Self {
        Self { fees, ..self }
    }

    /// Takes the nonce without doing anything.
    pub(crate) fn noop(self, signer: Address, fees: Fees) -> Self {
        Self { to: Some(signer), value: U256::ZERO, input: Bytes::new(), gas_limit: Self::NOOP_GAS, fees, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_signed() {
        let signer = PrivateKeySigner::random();
        let draft = Draft {
            chain_id: 31_337,
            nonce: 7,
            to: Some(Address::repeat_byte(9)),
            value: U256::from(5),
            input: Bytes::from_static(&[1, 2, 3]),
            gas_limit: 90_000,
            fees: Fees::dynamic(30, 2),
        };
        let signed = draft.sign(&signer).expect("signs");
        assert_eq!(Draft::of(&signed.raw).expect("decodes"), draft);
        let legacy = Draft { fees: Fees::legacy(30), ..draft.clone() };
        let raw = legacy.sign(&signer).expect("signs").raw;
        assert!(raw[0] >= 0xc0, "a list, and no type before it");
        assert_eq!(Draft::of(&raw).expect("decodes"), legacy);
        let creation = Draft { to: None, ..draft };
        assert_eq!(Draft::of(&creation.sign(&signer).expect("signs").raw).expect("decodes"), creation);
    }

    #[test]
    fn a_noop_keeps_only_the_nonce() {
        let signer = PrivateKeySigner::random();
        let draft = Draft {
            chain_id: 1,
            nonce: 3,
            to: None,
            value: U256::from(5),
            input: Bytes::from_static(&[1]),
            gas_limit: 90_000,
            fees: Fees::dynamic(30, 2),
        };
        let fees = Fees::dynamic(40, 3);
        let noop = draft.noop(signer.address(), fees);
        let expected = Draft {
            chain_id: 1,
            nonce: 3,
            to: Some(signer.address()),
            value: U256::ZERO,
            input: Bytes::new(),
            gas_limit: 21_000,
            fees,
        };
        assert_eq!(noop, expected);
    }
}
