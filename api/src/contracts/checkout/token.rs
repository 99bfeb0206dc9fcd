//! Sign-in of shops: OAuth2 client credentials, the same integrations as everywhere.

mod basic;

use entities::SubjectKind;
use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, Object, OpenApi,
    payload::Json,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, MetaSecurityScheme, Registry},
};

use super::{CheckoutWrong, Tag};
use crate::{
    access::start_family,
    body::form,
    edge::ClientAddress,
    problem::{Code, Problem, Refused, Wrong},
    resources::authentication::sign_in_integration,
    state::State,
};

/// Who asks for a token, whichever of the two ways the client has proved it.
struct Grant {
    client_id: String,
    client_secret: String,
    /// Whether it was by HTTP Basic, as an answer then says.
    by_basic: bool,
}

/// What the document calls a client's own credentials. They make nobody a caller: they buy a token.
pub(super) const OF_A_CLIENT: &str = "client";

impl<'a> ApiExtractor<'a> for Grant {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject, ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let description = "An API key and its secret, each encoded as in a form (RFC 6749, section 2.3.1).";
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some(description),
            name: None,
            key_in: None,
            scheme: Some("basic"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(OF_A_CLIENT, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![OF_A_CLIENT]
    }

    fn has_security_fallback() -> bool {
        true
    }

    fn request_meta() -> Option<MetaRequest> {
        let text =
            || MetaSchemaRef::Inline(Box::new(MetaSchema { max_length: Some(255), ..MetaSchema::new("string") }));
        let mut grant = MetaSchema::new("string");
        grant.enum_items = vec!["client_credentials".into()];
        let form = MetaSchema {
            required: vec!["grant_type"],
            properties: vec![
                ("grant_type", MetaSchemaRef::Inline(Box::new(grant))),
                ("client_id", text()),
                ("client_secret", text()),
            ],
            ..MetaSchema::new("object")
        };
        let schema = MetaSchemaRef::Inline(Box::new(form));
        let content = vec![MetaMediaType { content_type: "application/x-www-form-urlencoded", schema }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let fields = form(request, body).await?;
        let field = |name: &str| {
            let value = fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            value.filter(|value| !value.is_empty())
        };
        if field("grant_type").as_deref() != Some("client_credentials") {
            return Err(Problem::invalid("/grant_type", CheckoutWrong::GrantType).into());
        }
        let (id, secret) = (field("client_id"), field("client_secret"));
        if let Some(basic) = basic::credentials(request)? {
            return Ok(Self::proved_by(basic, id.as_deref(), secret.is_some())?);
        }
        let missing = |name: &str| Problem::invalid(&format!("/{name}"), Wrong::Required);
        let client_id = id.ok_or_else(|| missing("client_id"))?;
        Ok(Self { client_id, client_secret: secret.ok_or_else(|| missing("client_secret"))?, by_basic: false })
    }
}

impl Grant {
    /// A client proves itself in one way (RFC 6749, section 2.3); that it names itself in the form as well is harmless.
    fn proved_by(
        (client_id, client_secret): (String, String),
        id: Option<&str>,
        secret: bool,
    ) -> Result<Self, Problem> {
        if secret {
            return Err(Problem::invalid("/client_secret", CheckoutWrong::BesideBasic));
        }
        if id.is_some_and(|id| id != client_id) {
            return Err(Problem::invalid("/client_id", CheckoutWrong::OtherThanBasic));
        }
        Ok(Self { client_id, client_secret, by_basic: true })
    }
}

/// An access token.
#[derive(Object)]
#[oai(rename = "CheckoutToken")]
struct AccessToken {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: String,
    /// Its lifetime, seconds.
    expires_in: i64,
}

pub(crate) struct Token(pub(crate) State);

#[OpenApi(prefix_path = "/v1", tag = "Tag::Checkout")]
impl Token {
    /// Get an access token
    ///
    /// OAuth2 client credentials: an integration's API key is the client's id, its secret the client's secret. They go into
    /// the form, or into HTTP Basic, but not into both. 401 when they are wrong, revoked or expired; 429 after five wrong
    /// tries from one address.
    #[oai(path = "/token", method = "post", operation_id = "create_checkout_token")]
    async fn create(&self, address: ClientAddress, grant: Grant) -> Result<Json<AccessToken>, Refused<401>> {
        let Grant { client_id, client_secret, by_basic } = grant;
        let refusal: fn() -> Problem = if by_basic { basic::wrong } else { wrong };
        let integration = sign_in_integration(&self.0, &address, &client_id, &client_secret, refusal).await?;
        let tx = self.0.db().begin().await?;
        let pair = start_family(&self.0, &tx, SubjectKind::Integration, integration.id.0).await?;
        tx.commit().await?;
        let expires_in = pair.claims.exp - pair.claims.iat;
        Ok(Json(AccessToken { access_token: pair.access_token, token_type: "Bearer".to_owned(), expires_in }))
    }
}

fn wrong() -> Problem {
    Problem::new(Code::Unauthorized).detail("Invalid client id or secret")
}
