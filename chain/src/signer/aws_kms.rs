//! A key in AWS KMS, which never leaves it.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Signature},
    signers::{
        Signer as _,
        aws::{
            AwsSigner, AwsSignerError,
            aws_sdk_kms::{
                self,
                error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
            },
        },
    },
};
use aws_config::{BehaviorVersion, timeout::TimeoutConfig};
use aws_smithy_http_client::tls;
use tokio::sync::OnceCell;

use crate::signing_error::SigningError;

/// Whose fault is not the request's: the same may succeed in a moment.
const PASSING: [&str; 4] =
    ["ThrottlingException", "DependencyTimeoutException", "KMSInternalException", "LimitExceededException"];

#[derive(Debug)]
pub(super) struct KmsSigner {
    address: Address,
    key_id: String,
    endpoint_url: Option<String>,
    timeout: Duration,
    /// Opened with the first signature, so that a lane whose key cannot be had yet still looks after what it has sent.
    signer: OnceCell<AwsSigner>,
}

impl KmsSigner {
    pub(super) fn new(address: Address, key_id: &str, endpoint_url: Option<&str>, timeout: Duration) -> Self {
        let (key_id, endpoint_url) = (key_id.to_owned(), endpoint_url.map(str::to_owned));
        Self { address, key_id, endpoint_url, timeout, signer: OnceCell::new() }
    }

    /// Asks for the public key: one whose address is another one is not used.
    async fn open(&self) -> Result<AwsSigner, SigningError> {
        let address = self.address;
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        let timeouts = TimeoutConfig::builder().operation_timeout(self.timeout).build();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts);
        let mut config = aws_sdk_kms::config::Builder::from(&config.load().await);
        config.set_endpoint_url(self.endpoint_url.clone());
        let client = aws_sdk_kms::Client::from_conf(config.build());
        let signer = AwsSigner::new(client, self.key_id.clone(), None).await;
        let signer = signer.map_err(|error| classified(address, &error))?;
        if signer.address() == address {
            return Ok(signer);
        }
        Err(SigningError::Wrong { address, reason: "the key is another address's" })
    }

    pub(super) async fn sign(&self, hash: B256) -> Result<Signature, SigningError> {
        let address = self.address;
        let signer = self.signer.get_or_try_init(|| self.open()).await?;
        // The SDK tries again by itself, and in all for no longer than this.
        let signed = tokio::time::timeout(self.timeout, signer.sign_hash(&hash)).await;
        let late = |_| SigningError::Unreachable { address, reason: "no answer in time".to_owned() };
        signed.map_err(late)?.map_err(|error| match error {
            alloy::signers::Error::Other(error) => match error.downcast_ref::<AwsSignerError>() {
                Some(error) => classified(address, error),
                None => SigningError::Unreachable { address, reason: error.to_string() },
            },
            error => SigningError::Unreachable { address, reason: error.to_string() },
        })
    }
}

fn classified(address: Address, error: &AwsSignerError) -> SigningError {
    match error {
        AwsSignerError::Sign(error) => of_service(address, error),
        AwsSignerError::GetPublicKey(error) => of_service(address, error),
        _ => SigningError::Wrong { address, reason: "its answer holds no key or signature of the right kind" },
    }
}

fn of_service<E: ProvideErrorMetadata + std::error::Error + 'static>(
    address: Address,
    error: &SdkError<E>,
) -> SigningError {
    let reason = DisplayErrorContext(error).to_string();
    match error {
        SdkError::ServiceError(answer) if !answer.err().code().is_some_and(|code| PASSING.contains(&code)) => {
            SigningError::Refused { address, reason }
        }
        _ => SigningError::Unreachable { address, reason },
    }
}
