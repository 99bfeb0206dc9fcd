//! The API on a test's database, with a tenant, a stranger and ways to ask.

use std::sync::Arc;

use chrono::TimeDelta;
use entities::{IntegrationId, NodeId, PaymentId, RoleId, UserId, integration, now, role, role_permission, user};
use fixtures::{Merchant, TestDatabase};
use payments::{Acceptor, Actor, Observation, Observed, Permission};
use poem::{
    EndpointExt, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, StatusCode},
    test::{TestClient, TestRequestBuilder},
};
use sea_orm::{EntityTrait, IntoActiveModel};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a test stands on.
pub(crate) struct TestApp {
    pub(crate) client: TestClient<BoxEndpoint<'static, Response>>,
    pub(crate) database: TestDatabase,
    /// The tenant whose payments are meant.
    pub(crate) merchant: Merchant,
    /// Another tenant.
    pub(crate) stranger: Merchant,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl TestResponse {
    /// Fails with the body, which says why.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Checks that it is a whole problem with this status and code, and returns it.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let body = answer.body;
        for field in ["type", "title", "status", "detail", "instance", "code", "request_id", "errors", "retryable"] {
            assert!(body.get(field).is_some(), "{field} is missing in {body}");
        }
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:quittance:problem:{code}"));
        assert_eq!(body["request_id"], answer.headers["x-request-id"].to_str().unwrap());
        body
    }

    /// Checks that it is a validation problem, and returns the pointers of its mistakes.
    #[track_caller]
    pub(crate) fn pointers(self) -> Vec<String> {
        let body = self.problem(400, "validation_failed");
        let errors = body["errors"].as_array().expect("mistakes");
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The values of a cookie's attributes, by the cookie's name.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned());
        cookies.into_iter().find(|cookie| cookie.starts_with(&format!("{name}=")))
    }
}

/// Sends the request.
pub(crate) async fn send(request: TestRequestBuilder<'_, BoxEndpoint<'static, Response>>) -> TestResponse {
    let response = request.send().await.0;
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.into_body().into_string().await.unwrap_or_default();
    let body = serde_json::from_str(&text).unwrap_or_default();
    TestResponse { status, headers, text, body }
}

impl TestApp {
    pub(crate) async fn new(database: TestDatabase) -> Self {
        Self::with(database, |_| {}).await
    }

    /// With other settings.
    pub(crate) async fn with(database: TestDatabase, change: impl FnOnce(&mut api::Config)) -> Self {
        let merchant = Merchant::insert(&database.db, 1).await;
        let stranger = Merchant::insert(&database.db, 2).await;
        let state = state(&database, change);
        Self { client: TestClient::new(api::routes(state).boxed()), database, merchant, stranger }
    }

    /// With other parts.
    pub(crate) async fn with_parts(database: TestDatabase, change: impl FnOnce(&mut api::Parts)) -> Self {
        let merchant = Merchant::insert(&database.db, 1).await;
        let stranger = Merchant::insert(&database.db, 2).await;
        let state = state_with(&database, change);
        Self { client: TestClient::new(api::routes(state).boxed()), database, merchant, stranger }
    }

    /// An access token of a new integration on the node.
    pub(crate) async fn token_on(&self, node_id: NodeId, permissions: &[Permission]) -> String {
        let (key, secret) = self.integration(node_id, permissions).await;
        let pair = self.authenticate(&key, &secret).await.expect(200);
        pair.body["access_token"].as_str().unwrap().to_owned()
    }

    /// An access token on the tenant's node with every permission.
    pub(crate) async fn token(&self) -> String {
        self.token_on(self.merchant.node_id, Permission::ALL).await
    }

    /// A new integration's key and secret.
    pub(crate) async fn integration(&self, node_id: NodeId, permissions: &[Permission]) -> (String, String) {
        let secret = api::NewSecret::generate("qs_").unwrap();
        let id = IntegrationId::new();
        let row = integration::Model {
            id,
            node_id,
            name: id.to_string(),
            api_key: format!("qk_{id}"),
            secret_hash: secret.hash,
            permissions: json!(permissions),
            expires_at: None,
            revoked_at: None,
            created_at: now(),
        };
        let tx = self.database.db.begin().await.unwrap();
        integration::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        (format!("qk_{id}"), secret.secret.expose_secret().to_owned())
    }

    /// A user of the tenant's node with this PIN; the role has these permissions, or is an admin's.
    pub(crate) async fn user(&self, name: &str, pin: &str, permissions: Option<&[Permission]>) -> UserId {
        let (id, role_id) = (UserId::new(), RoleId::new());
        let role = role::Model {
            id: role_id,
            name: format!("role of {name}"),
            is_admin: permissions.is_none(),
            created_at: now(),
        };
        let user = user::Model {
            id,
            node_id: self.merchant.node_id,
            role_id,
            name: name.to_owned(),
            email: None,
            phone: None,
            pin_hash: api::hash_pin(&SecretString::from(pin)).unwrap(),
            password_hash: None,
            created_at: now(),
            updated_at: now(),
            disabled_at: None,
        };
        let tx = self.database.db.begin().await.unwrap();
        role::Entity::insert(role.into_active_model()).exec_without_returning(&*tx).await.unwrap();
        for permission in permissions.unwrap_or_default() {
            let grant = role_permission::Model { role_id, permission: permission.word().to_owned() };
            role_permission::Entity::insert(grant.into_active_model()).exec_without_returning(&*tx).await.unwrap();
        }
        user::Entity::insert(user.into_active_model()).exec_without_returning(&*tx).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) async fn authenticate(&self, api_key: &str, secret_key: &str) -> TestResponse {
        let body = json!({ "api_key": api_key, "secret_key": secret_key });
        send(self.client.post("/api/v1/auth/authenticate").body_json(&body)).await
    }

    pub(crate) async fn login(&self, name: &str, pin: &str) -> TestResponse {
        send(self.client.post("/auth/login").body_json(&json!({ "name": name, "pin": pin }))).await
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> TestResponse {
        send(self.client.get(path).header("authorization", format!("Bearer {token}"))).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> TestResponse {
        send(self.client.post(path).header("authorization", format!("Bearer {token}")).body_json(body)).await
    }

    pub(crate) async fn patch(&self, token: &str, path: &str, body: &Value) -> TestResponse {
        send(self.client.patch(path).header("authorization", format!("Bearer {token}")).body_json(body)).await
    }

    pub(crate) async fn delete(&self, token: &str, path: &str) -> TestResponse {
        send(self.client.delete(path).header("authorization", format!("Bearer {token}"))).await
    }

    /// A POST with an idempotency key.
    pub(crate) async fn post_once(&self, token: &str, path: &str, key: &str, body: &Value) -> TestResponse {
        let request = self.client.post(path).header("authorization", format!("Bearer {token}"));
        send(request.header("idempotency-key", key).body_json(body)).await
    }

    /// The body of a payment that can be created.
    pub(crate) fn payment(&self, external_id: &str) -> Value {
        json!({
            "external_id": external_id,
            "node_id": self.merchant.node_id,
            "network_id": self.merchant.network_id,
            "currency_id": self.merchant.currency_id,
            "price": 10.5,
            "paid_price": 10.5,
            "payment_method": "web3",
            "payment_group": "product",
            "payment_address": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
            "expires_at": now() + TimeDelta::hours(1),
        })
    }

    /// Creates a payment and returns it.
    pub(crate) async fn created(&self, token: &str, external_id: &str) -> Value {
        self.post(token, "/api/v1/payments", &self.payment(external_id)).await.expect(201).body
    }

    /// Lets the core see something happen to a payment.
    pub(crate) async fn observe(&self, payment: &Value, what: Observation) {
        let id = PaymentId(payment["id"].as_str().unwrap().parse::<Uuid>().unwrap());
        let mut tx = self.database.db.begin().await.unwrap();
        payments::record(&mut tx, vec![Observed::new(id, what, Actor::worker("test"))]).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// What the handlers stand on, with other settings.
pub(crate) fn state(database: &TestDatabase, change: impl FnOnce(&mut api::Config)) -> api::State {
    state_with(database, |parts| change(&mut parts.config))
}

/// The same with other parts.
pub(crate) fn state_with(database: &TestDatabase, change: impl FnOnce(&mut api::Parts)) -> api::State {
    let mut parts = api::Parts {
        database: database.db.clone(),
        acceptor: Acceptor::start(database.db.clone()),
        config: config(),
        webhooks: webhooks::Config { secret: SecretString::from(SECRET), ..webhooks::Config::default() },
        gateways: gateways::Gateways::default(),
        checkout_links: checkout_links(),
        sandbox: None,
        health: Vec::new(),
        foreseer: crate::letters::foreseer(&Arc::default()),
        depth: None,
        chain: None,
        metrics: Arc::new(|| "up 1\n".to_owned()),
    };
    change(&mut parts);
    api::State::new(parts)
}

/// Where gateways send browsers.
pub(crate) fn checkout_links() -> payments::CheckoutLinks {
    payments::CheckoutLinks::new("http://127.0.0.1:9154", &SecretString::from(SECRET))
}

/// The body as text, with the values of these fields replaced by the fields' names, wherever they stand.
pub(crate) fn redacted(body: &Value, fields: &[&str]) -> String {
    fn redact(value: &mut Value, fields: &[&str]) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| redact(item, fields)),
            Value::Object(object) => {
                for (name, value) in object {
                    if fields.contains(&name.as_str()) && !value.is_null() {
                        *value = json!(format!("[{name}]"));
                    } else {
                        redact(value, fields);
                    }
                }
            }
            _ => {}
        }
    }
    let mut body = body.clone();
    redact(&mut body, fields);
    format!("{body:#}")
}

/// What the tests' tokens are signed with.
pub(crate) const SECRET: &str = "a secret of tests, 32 bytes long";

fn config() -> api::Config {
    let secret = || SecretString::from(SECRET);
    let auth = api::AuthConfig { jwt_secret: secret(), access_token_secret: secret(), ..api::AuthConfig::default() };
    let config = api::Config { auth, ..api::Config::default() };
    assert_eq!(config.mistakes(), Vec::<String>::new());
    config
}
