//! Why there is no signature.

use alloy::primitives::Address;

use crate::keystore::KeystoreError;

/// A transaction was not signed, and its nonce not used.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key of the keystore could not be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The remote signer gave no answer; it is asked again.
    #[error("the remote signer of {address} does not answer: {reason}")]
    Unreachable {
        /// Whose key it is.
        address: Address,
        /// Without secrets.
        reason: String,
    },
    /// The remote signer answered that it does not sign this.
    #[error("the remote signer of {address} refuses: {reason}")]
    Refused {
        /// Whose key it is.
        address: Address,
        /// In its words.
        reason: String,
    },
    /// The remote signer answered with another transaction, or with a signature of another key. It is not used.
    #[error("the remote signer of {address} signed something else: {reason}")]
    Wrong {
        /// Whose key it is.
        address: Address,
        /// What differs.
        reason: &'static str,
    },
    /// This program was built without what the signer needs.
    #[error("the key of {0} is in AWS KMS, for which this program was built without the feature aws-kms")]
    NotBuilt(Address),
}
