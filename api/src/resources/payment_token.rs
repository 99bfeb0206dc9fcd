//! The payment's own access token, which the payer's browser holds.

use entities::payment;
use payments::AccessTokens;
use poem::{Request, RequestBody, Result, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use crate::{
    access::bearer_token,
    problem::{Code, Problem},
    state::State,
};

/// The security scheme of whoever holds the token of one payment.
pub(crate) const OF_A_PAYMENT: &str = "payment_access_token";

/// A bearer token that is still to be compared with a payment.
pub(crate) struct PaymentToken(String);

impl PaymentToken {
    /// Whether it is this payment's and has not expired.
    pub(crate) fn require(&self, state: &State, payment: &payment::Model) -> Result<(), Problem> {
        let now = chrono::Utc::now();
        let opens = state.access_tokens().verify(&self.0, payment.id, payment.expires_at, now);
        if opens { Ok(()) } else { Err(invalid()) }
    }
}

fn invalid() -> Problem {
    Problem::new(Code::Unauthorized)
        .detail("Invalid or expired access token")
        .header(header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)
}

impl<'a> ApiExtractor<'a> for PaymentToken {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("The `access_token` of the payment itself."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(OF_A_PAYMENT, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![OF_A_PAYMENT]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let token = request.header(header::AUTHORIZATION).and_then(bearer_token);
        // Whoever holds no token of ours must not learn which payments there are.
        let ours = token.filter(|token| AccessTokens::is_well_formed(token));
        ours.map(|token| Self(token.to_owned())).ok_or_else(|| invalid().into())
    }
}
