//! Sign-in of shops: OAuth2 client credentials, the same integrations as everywhere.

use entities::SubjectKind;
use poem::{Request, RequestBody, Result};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, Object, OpenApi,
    payload::Json,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
};

use crate::{
    access::start_family,
    body::form,
    edge::ClientAddress,
    problem::{Code, Location, Problem, Refused},
    resources::{Tag, authentication::sign_in_integration},
    state::State,
};

/// The form that a token is asked for with.
struct Grant {
    client_id: String,
    client_secret: String,
}

impl<'a> ApiExtractor<'a> for Grant {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let text =
            || MetaSchemaRef::Inline(Box::new(MetaSchema { max_length: Some(255), ..MetaSchema::new("string") }));
        let mut grant = MetaSchema::new("string");
        grant.enum_items = vec!["client_credentials".into()];
        let form = MetaSchema {
            required: vec!["grant_type", "client_id", "client_secret"],
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
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let missing = |name: &str| {
            let problem = Problem::new(Code::ValidationFailed);
            problem.wrong(&format!("/{name}"), Location::Body, "is required")
        };
        let required = |name: &str| field(name).filter(|value| !value.is_empty()).ok_or_else(|| missing(name));
        if field("grant_type").as_deref() != Some("client_credentials") {
            return Err(Problem::invalid("/grant_type", "must be client_credentials").into());
        }
        Ok(Self { client_id: required("client_id")?, client_secret: required("client_secret")? })
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
    /// OAuth2 client credentials: an integration's API key is the client's id, its secret the client's secret. 401 when
    /// they are wrong, revoked or expired; 429 after five wrong tries from one address.
    #[oai(path = "/token", method = "post", operation_id = "create_checkout_token")]
    async fn create(&self, address: ClientAddress, grant: Grant) -> Result<Json<AccessToken>, Refused<401>> {
        let wrong = || Problem::new(Code::Unauthorized).detail("Invalid client id or secret");
        let Grant { client_id, client_secret } = grant;
        let integration = sign_in_integration(&self.0, &address, &client_id, &client_secret, wrong).await?;
        let tx = self.0.db().begin().await?;
        let pair = start_family(&self.0, &tx, SubjectKind::Integration, integration.id.0).await?;
        tx.commit().await?;
        let expires_in = pair.claims.exp - pair.claims.iat;
        Ok(Json(AccessToken { access_token: pair.access_token, token_type: "Bearer".to_owned(), expires_in }))
    }
}
