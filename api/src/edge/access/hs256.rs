//! HMAC with SHA-256 (HS256), the only algorithm of access tokens, as jsonwebtoken's back end: the back ends that come
//! with it compile RSA and elliptic curves as well.

use hmac::{Hmac, Mac};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{Error as SignatureError, Signer, Verifier},
};
use sha2::Sha256;

/// The key utilities serve JWKs, which the API neither reads nor writes.
static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

/// Must run before the process signs or checks its first token. Later calls change nothing.
pub(super) fn install() {
    // It is refused when a provider is installed already, which can only be this one.
    let _ = PROVIDER.install_default();
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Ok(Box::new(Hs256::new(*algorithm, key.family(), key.as_bytes())?))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    Ok(Box::new(Hs256::new(*algorithm, key.family(), key.try_get_as_bytes()?)?))
}

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(algorithm: Algorithm, family: AlgorithmFamily, secret: &[u8]) -> Result<Self, Error> {
        if algorithm != Algorithm::HS256 || family != AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }

    fn over(&self, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(message)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.over(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// In constant time; a signature of another length is refused.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        self.over(message).verify_slice(signature).map_err(SignatureError::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    /// RFC 7515, appendix A.1: the key, what is signed, and the signature.
    const KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const MESSAGE: &[u8] = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQog\
        Imh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn decoded(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn signs_and_checks_as_the_standards_example_does() {
        let signer = signer(&Algorithm::HS256, &EncodingKey::from_secret(&decoded(KEY))).unwrap();
        assert_eq!(signer.try_sign(MESSAGE).unwrap(), decoded(SIGNATURE));

        let checks = |key: &[u8], signature: &[u8]| {
            let verifier = verifier(&Algorithm::HS256, &DecodingKey::from_secret(key)).unwrap();
            verifier.verify(MESSAGE, &signature.to_vec()).is_ok()
        };
        let (key, right) = (decoded(KEY), decoded(SIGNATURE));
        assert!(checks(&key, &right));
        assert!(!checks(b"another", &right));
        assert!(!checks(&key, &right[..31]), "cut off");
        assert!(!checks(&key, &[&right[..], &[0]].concat()), "too long");
        assert!(!checks(&key, &[]), "none");
        for at in 0..right.len() {
            let mut other = right.clone();
            other[at] ^= 1;
            assert!(!checks(&key, &other), "byte {at} is another");
        }
    }

    #[test]
    fn refuses_every_other_algorithm_and_keys_of_other_families() {
        use Algorithm::*;
        for other in [HS384, HS512, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA] {
            assert!(signer(&other, &EncodingKey::from_secret(b"one")).is_err(), "signs by {other:?}");
            assert!(verifier(&other, &DecodingKey::from_secret(b"one")).is_err(), "checks by {other:?}");
        }
        assert!(signer(&HS256, &EncodingKey::from_rsa_der(b"one")).is_err());
        assert!(verifier(&HS256, &DecodingKey::from_rsa_der(b"one")).is_err(), "a public key would be the secret");
        assert!(verifier(&HS256, &DecodingKey::from_rsa_raw_components(b"one", b"two")).is_err());
    }
}
