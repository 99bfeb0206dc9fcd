//! The contract of bank-transfer receipts: sign-in of customers, accounts and uploads.

use std::time::{Duration, Instant};

use fixtures::{PrivatePostgres, TestDatabase, on_both};
use payments::Permission;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send, state},
    receipts::{PAYMENTS, admin, place, receipt, report},
};

async fn register(app: &TestApp, email: &str, password: &str) -> TestResponse {
    send(app.client.post("/api/auth/register").body_json(&json!({ "email": email, "password": password }))).await
}

async fn login(app: &TestApp, email: &str, password: &str) -> TestResponse {
    send(app.client.post("/api/auth/login").body_json(&json!({ "email": email, "password": password }))).await
}

/// The cookie's value.
fn value(answer: &TestResponse, name: &str) -> String {
    let cookie = answer.cookie(name).expect("the cookie");
    cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned()
}

fn claims(token: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// A user with this e-mail address and password who holds a role of the contract.
async fn user_with_role(app: &TestApp, email: &str, role: &str) {
    let id = app.user(email, "4711", Some(&[])).await;
    let role = entities::role::Entity::find().filter(entities::role::Column::Name.eq(role));
    let role = role.one(&*app.database.db).await.unwrap().expect("the role");
    entities::user::Entity::update_many()
        .col_expr(entities::user::Column::Email, Expr::value(email))
        .col_expr(
            entities::user::Column::PasswordHash,
            Expr::value(api::hash_pin(&SecretString::from("secret")).unwrap()),
        )
        .col_expr(entities::user::Column::RoleId, Expr::value(role.id))
        .filter(entities::user::Column::Id.eq(id))
        .exec(&*app.database.db)
        .await
        .unwrap();
}

on_both!(a_customer_registers_and_signs_in, async |database: TestDatabase| {
    let app = TestApp::with(database, |config| config.auth.cookie_secure = Some(true)).await;
    let answer = register(&app, " Ada@Example.org ", "secret").await.expect(200);
    let id = answer.body["user"]["id"].clone();
    let user = json!({ "id": id, "email": "ada@example.org", "role": "CLIENTE", "creatorStore": null });
    let token = value(&answer, "krafta-token");
    assert_eq!(answer.body, json!({ "success": true, "user": user, "token": token }));
    let answer = login(&app, "ada@example.org", "secret").await.expect(200);
    assert_eq!(answer.body["user"], user);
    let cookie = answer.cookie("krafta-token").expect("the token");
    for part in ["HttpOnly", "SameSite=Lax", "Secure", "Max-Age=86400", "Path=/"] {
        assert!(cookie.contains(part), "{part} is missing in {cookie}");
    }
    let role = answer.cookie("krafta-role").expect("the role");
    assert!(role.starts_with("krafta-role=CLIENTE") && !role.contains("HttpOnly"), "{role}");
    let claims = claims(&value(&answer, "krafta-token"));
    assert_eq!((&claims["role"], &claims["sub"]), (&json!("CLIENTE"), &id));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 86_400);
    let stored = entities::user::Entity::find().one(&*app.database.db).await.unwrap().unwrap();
    assert!(stored.password_hash.unwrap().starts_with("$argon2id$"));
    // No PIN opens a customer's account at a till.
    app.login("ada@example.org", "").await.expect(400);
    app.login("ada@example.org", "secret").await.expect(401);
});

on_both!(wrong_registrations_are_400, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    register(&app, "ada@example.org", "secret").await.expect(200);
    for (email, password) in [
        ("ada@example.org", "another"),
        ("ADA@example.org", "another"),
        ("eve@example.org", "short"),
        ("", "secret"),
        ("eve", "secret"),
        ("e ve@example.org", "secret"),
    ] {
        register(&app, email, password).await.refusal(400);
    }
    for body in [json!({ "email": "eve@example.org" }), json!({ "password": "secret" }), json!({})] {
        send(app.client.post("/api/auth/register").body_json(&body)).await.refusal(400);
        send(app.client.post("/api/auth/login").body_json(&body)).await.refusal(400);
    }
});

on_both!(wrong_sign_ins_are_401_alike_and_then_429, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    register(&app, "ada@example.org", "secret").await.expect(200);
    let wrong = login(&app, "ada@example.org", "Secret").await;
    assert_eq!(wrong.cookie("krafta-token"), None);
    let (wrong, unknown) = (wrong.refusal(401), login(&app, "eve@example.org", "secret").await.refusal(401));
    assert_eq!(wrong, unknown);
    for _ in 0..3 {
        login(&app, "eve@example.org", "secret").await.refusal(401);
    }
    let blocked = login(&app, "ada@example.org", "secret").await;
    assert!(blocked.header("retry-after").parse::<u64>().unwrap() > 0);
    blocked.refusal(429);
});

on_both!(roles_are_shown_and_only_an_admin_decides, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    for role in ["CLIENTE", "TALLER", "CREADOR", "ADMIN"] {
        let email = format!("{}@example.org", role.to_lowercase());
        user_with_role(&app, &email, role).await;
        let answer = login(&app, &email, "secret").await.expect(200);
        assert_eq!(answer.body["user"]["role"], role);
        let status = if role == "ADMIN" { 200 } else { 403 };
        let token = value(&answer, "krafta-token");
        app.get(&token, "/api/orders").await.expect(status);
        // The same in the cookie that a browser carries.
        send(app.client.get("/api/orders").header("cookie", format!("krafta-token={token}"))).await.expect(status);
    }
});

on_both!(
    a_shops_token_is_answered_and_opens_this_contract_and_the_marketplace_alone,
    async |database: TestDatabase| {
        let app = TestApp::new(database).await;
        user_with_role(&app, "admin@example.org", "ADMIN").await;
        let answer = login(&app, "admin@example.org", "secret").await.expect(200);
        let token = answer.body["token"].as_str().expect("the token").to_owned();
        assert_eq!(token, value(&answer, "krafta-token"));
        let in_cookies = async |path: &str, names: &[&str]| {
            let cookies: Vec<String> = names.iter().map(|name| format!("{name}={token}")).collect();
            send(app.client.get(path).header("cookie", cookies.join("; "))).await
        };
        for path in ["/api/orders", "/api/payments/connect/status"] {
            app.get(&token, path).await.expect(200);
            in_cookies(path, &["krafta-token"]).await.expect(200);
        }
        // The same person may do more, by another sign-in.
        for path in ["/users/me", "/payments", "/v1/payments", "/api/v1/nodes", "/permissions"] {
            app.get(&token, path).await.expect(401);
            in_cookies(path, &["krafta-token", "accessToken"]).await.expect(401);
        }
    }
);

on_both!(the_marketplace_takes_the_cookie_of_any_sign_in, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    const STATUS: &str = "/api/payments/connect/status";
    app.user("ana", "471100", Some(&[Permission::MarketplaceManage])).await;
    let staff = app.login("ana", "471100").await.expect(200);
    let staff = value(&staff, "accessToken");
    user_with_role(&app, "admin@example.org", "ADMIN").await;
    let admin = value(&login(&app, "admin@example.org", "secret").await, "krafta-token");
    let customer = value(&register(&app, "ada@example.org", "secret").await, "krafta-token");
    for (cookies, status) in [
        (format!("accessToken={staff}"), 200),
        (format!("krafta-token={admin}"), 200),
        (format!("krafta-token={customer}"), 403),
        (format!("krafta-token={customer}; accessToken={staff}"), 200),
        (format!("krafta-token=nonsense; accessToken={staff}"), 200),
        ("krafta-token=nonsense".to_owned(), 401),
    ] {
        send(app.client.get(STATUS).header("cookie", &cookies)).await.expect(status);
    }
    let refund = |origin: &str| {
        let request = app.client.post("/api/payments/refund").header("cookie", format!("krafta-token={admin}"));
        request
            .header("host", "shop.example")
            .header("origin", origin.to_owned())
            .body_json(&json!({ "order_id": "x" }))
    };
    send(refund("https://evil.example")).await.expect(403);
    send(refund("https://shop.example")).await.expect(422);
});

on_both!(writes_by_cookie_come_from_the_own_site, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    user_with_role(&app, "admin@example.org", "ADMIN").await;
    let token = value(&login(&app, "admin@example.org", "secret").await, "krafta-token");
    let order = place(&app).await;
    report(&app, &receipt(&order)).await.expect(200);
    let put = |origin: Option<&str>| {
        let request = app.client.put(PAYMENTS).header("cookie", format!("krafta-token={token}"));
        let request = request.header("host", "shop.example");
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        request.body_json(&json!({ "orderId": order["id"], "status": "CONFIRMED" }))
    };
    send(put(Some("https://evil.example"))).await.refusal(403);
    send(put(Some("https://shop.example"))).await.expect(200);
    send(put(None)).await.expect(200);
    let foreign = app.client.post("/api/orders").header("cookie", format!("krafta-token={token}"));
    let foreign = foreign.header("host", "shop.example").header("origin", "https://evil.example");
    send(foreign.body_json(&json!({ "total": 1, "totalBs": 36.5 }))).await.refusal(403);
});

on_both!(an_order_of_a_customer_is_theirs, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let ada = value(&register(&app, "ada@example.org", "secret").await, "krafta-token");
    let eve = value(&register(&app, "eve@example.org", "secret").await, "krafta-token");
    let body = json!({ "total": 1, "totalBs": 36.5 });
    let order = app.post(&ada, "/api/orders", &body).await.expect(200).body["order"].clone();
    assert_eq!(order["userId"], claims(&ada)["sub"]);
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    app.get(&ada, &path).await.expect(200);
    app.get(&admin(&app).await, &path).await.expect(200);
    app.get(&eve, &path).await.refusal(403);
    send(app.client.get(&path)).await.refusal(401);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.get(&elsewhere, &path).await.refusal(403);
    // A bearer token has to be good; a cookie that has run out does not keep anybody from ordering.
    app.post("nonsense", "/api/orders", &body).await.refusal(401);
    let stale = app.client.post("/api/orders").header("cookie", "krafta-token=nonsense").body_json(&body);
    assert_eq!(send(stale).await.expect(200).body["order"]["userId"], Value::Null);
});

/// How long accounts are shown without a look at the database.
const FRESH: Duration = Duration::from_secs(1);

on_both!(accounts_are_kept_by_admins_and_shown_to_all, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let list = async || send(app.client.get("/api/payments/accounts")).await.expect(200).body;
    assert_eq!(list().await, json!({ "success": true, "accounts": [] }));
    let admin = admin(&app).await;
    let body = json!({
        "type": "PAGO_MOVIL", "bankName": "Banesco", "phone": "0414-0000000", "holderName": "Tea House",
        "holderId": "J-1", "email": "pay@example.org", "accountNumber": "0134",
    });
    let created = app.post(&admin, "/api/payments/accounts", &body).await.expect(200).body["account"].clone();
    let mut wanted = body.clone();
    (wanted["id"], wanted["active"]) = (created["id"].clone(), json!(true));
    assert_eq!(created, wanted);
    assert_eq!(list().await["accounts"], json!([wanted]));

    let path = format!("/api/payments/accounts/{}", created["id"].as_str().unwrap());
    let put = async |path: &str, body: Value| {
        send(app.client.put(path).header("authorization", format!("Bearer {admin}")).body_json(&body)).await
    };
    let changed = put(&path, json!({ "phone": "0414-1111111" })).await.expect(200).body;
    assert_eq!(
        (&changed["account"]["phone"], &changed["account"]["bankName"]),
        (&json!("0414-1111111"), &json!("Banesco"))
    );
    put(&path, json!({ "active": false })).await.expect(200);
    assert_eq!(list().await["accounts"], json!([]));
    let blank = put(&path, json!({ "bankName": "" })).await.expect(200).body;
    assert_eq!(blank["account"]["bankName"], "Banesco", "what is empty is not said");
    for unknown in [uuid::Uuid::now_v7().to_string(), "x".to_owned()] {
        put(&format!("/api/payments/accounts/{unknown}"), json!({})).await.refusal(404);
    }
    app.post(&admin, "/api/payments/accounts", &json!({ "type": "x" })).await.refusal(400);
    let audited = entities::audit::Entity::find().all(&*app.database.db).await.unwrap();
    assert_eq!(audited.iter().filter(|row| row.object_type == "bank_account").count(), 4);
});

on_both!(accounts_show_the_built_in_pair_when_the_database_is_gone, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    (*app.database.db).clone().close().await.unwrap();
    let answer = send(app.client.get("/api/payments/accounts")).await.expect(200).body;
    let names: Vec<&str> =
        answer["accounts"].as_array().unwrap().iter().map(|account| account["bankName"].as_str().unwrap()).collect();
    assert_eq!((&answer["success"], names), (&json!(true), vec!["Banesco", "Binance"]));
    for account in answer["accounts"].as_array().unwrap() {
        for field in ["id", "type", "bankName", "accountNumber", "phone", "holderName", "holderId", "email", "active"] {
            assert!(account.get(field).is_some(), "{field}");
        }
    }
    let refused = send(app.client.post("/api/orders").body_json(&json!({ "total": 1, "totalBs": 1 }))).await;
    let sentence = refused.refusal(503);
    assert!(!sentence.to_lowercase().contains("sql"), "{sentence}");
});

on_both!(accounts_of_the_configuration_are_shown_when_the_database_is_gone, async |database: TestDatabase| {
    let account = json!({ "type": "PAGO_MOVIL", "bank_name": "Banco Uno", "phone": "0414-7", "holder_id": "J-1" });
    let account: api::AccountConfig = serde_json::from_value(account).unwrap();
    let app = TestApp::with(database, move |config| config.receipts.accounts = vec![account]).await;
    let list = async || send(app.client.get("/api/payments/accounts")).await.expect(200).body["accounts"].clone();
    assert_eq!(list().await, json!([]), "as long as the database says what there is");
    (*app.database.db).clone().close().await.unwrap();
    tokio::time::sleep(FRESH).await;
    let mut shown = list().await;
    assert!(shown[0]["id"].take().is_string());
    let wanted = json!([{
        "id": null, "type": "PAGO_MOVIL", "bankName": "Banco Uno", "accountNumber": null, "phone": "0414-7",
        "holderName": null, "holderId": "J-1", "email": null, "active": true,
    }]);
    assert_eq!(shown, wanted);
});

#[tokio::test(flavor = "multi_thread")]
async fn accounts_answer_in_time_while_the_server_is_stopped() {
    let server = PrivatePostgres::start().await;
    let app = TestApp::new(TestDatabase::on(&server).await).await;
    send(app.client.get("/api/payments/accounts")).await.expect(200);
    server.stop(fixtures::Shutdown::Immediate);
    tokio::time::sleep(FRESH).await;
    let started = Instant::now();
    let answer = send(app.client.get("/api/payments/accounts")).await.expect(200).body;
    assert_eq!(answer["accounts"].as_array().unwrap().len(), 2);
    assert!(started.elapsed().as_secs_f64() < 3.0, "it took {:?}", started.elapsed());
}

pub(crate) const BOUNDARY: &str = "a-boundary-of-tests";

pub(crate) async fn upload(app: &TestApp, field: &str, declared: &str, bytes: &[u8]) -> TestResponse {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"userId\"\r\n\r\n7\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"{field}\"; filename=\"a\"\r\nContent-Type: {declared}\r\n\r\n"
    );
    let mut body = head.into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let request = app.client.post("/api/upload").content_type(format!("multipart/form-data; boundary={BOUNDARY}"));
    send(request.body(body)).await
}

on_both!(files_are_recognised_by_their_bytes_and_handed_out_as_downloads, async |database: TestDatabase| {
    let folder = tempfile::tempdir().unwrap();
    let app = TestApp::with(database, |config| config.receipts.uploads_dir = Some(folder.path().join("up"))).await;
    for (bytes, declared, extension, media_type) in [
        (&b"\x89PNG\r\n\x1a\nrest"[..], "text/html", "png", "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/png", "jpg", "image/jpeg"),
        (b"%PDF-1.7", "image/png", "pdf", "application/pdf"),
        (b"\xef\xbb\xbf\r\n%PDF-1.7", "application/pdf", "pdf", "application/pdf"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>", "text/plain", "svg", "image/svg+xml"),
    ] {
        let answer = upload(&app, "file", declared, bytes).await.expect(200).body;
        let url = answer["url"].as_str().unwrap();
        let url = url.strip_prefix("http://127.0.0.1:9154").expect("an address that any page can show");
        assert!(answer["success"] == true && url.starts_with("/uploads/") && url.ends_with(extension), "{url}");
        assert!(url.len() > "/uploads/".len() + 43, "{url} can be guessed");
        let response = app.client.get(url).send().await.0;
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("content-type"), media_type);
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-disposition").starts_with("attachment"));
        assert!(header("content-security-policy").contains("sandbox"));
        assert_eq!(response.into_body().into_vec().await.unwrap(), bytes);
    }
    assert_eq!(std::fs::read_dir(folder.path().join("up")).unwrap().count(), 5);
});

on_both!(what_is_no_picture_is_refused, async |database: TestDatabase| {
    let folder = tempfile::tempdir().unwrap();
    let app = TestApp::with(database, |config| config.receipts.uploads_dir = Some(folder.path().to_owned())).await;
    upload(&app, "file", "image/svg+xml", b"<svg><script>alert(1)</script></svg>").await.refusal(400);
    upload(&app, "file", "image/png", b"MZ not a picture").await.refusal(400);
    upload(&app, "file", "image/png", b"").await.refusal(400);
    upload(&app, "other", "image/png", b"\x89PNG\r\n\x1a\n").await.refusal(400);
    send(app.client.post("/api/upload").body_json(&json!({}))).await.refusal(415);
    let broken = app.client.post("/api/upload").content_type("multipart/form-data; boundary=x").body("nonsense");
    send(broken).await.refusal(400);
    let mut large = b"%PDF-1.7".to_vec();
    large.resize(20 << 20, b' ');
    upload(&app, "file", "application/pdf", &large).await.expect(200);
    large.push(b' ');
    upload(&app, "file", "application/pdf", &large).await.refusal(413);
    large.resize(22 << 20, b' ');
    upload(&app, "file", "application/pdf", &large).await.refusal(413);
    for unknown in ["x.png", "..%2f..%2fetc%2fpasswd", "0123456789012345678901234567890123456789012.png"] {
        send(app.client.get(format!("/uploads/{unknown}"))).await.refusal(404);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
});

on_both!(an_address_uploads_so_much_and_no_more, async |database: TestDatabase| {
    let folder = tempfile::tempdir().unwrap();
    let change = |config: &mut api::Config| {
        config.receipts.uploads_dir = Some(folder.path().to_owned());
        config.receipts.uploads_per_minute = 2;
    };
    let app = TestApp::with(database, change).await;
    for status in [200, 200, 429] {
        upload(&app, "file", "image/png", b"\x89PNG\r\n\x1a\n").await.expect(status);
    }
});

/// What an S3-compatible store keeps of signed requests, by their paths.
#[derive(Clone, Default)]
struct Bucket(std::sync::Arc<std::sync::Mutex<std::collections::HashMap<String, Vec<u8>>>>);

impl Bucket {
    /// Serves it, and returns where.
    async fn serve(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
        let answer = poem::endpoint::make(move |request: poem::Request| {
            let bucket = self.clone();
            async move { bucket.answer(request).await }
        });
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(answer));
        format!("http://{address}")
    }

    async fn answer(&self, mut request: poem::Request) -> poem::Result<poem::Response> {
        let signed = request.header("authorization").unwrap_or_default();
        if !signed.starts_with("AWS4-HMAC-SHA256 Credential=the-key/") {
            return Ok(poem::Response::builder().status(poem::http::StatusCode::FORBIDDEN).finish());
        }
        let (path, put) = (request.uri().path().to_owned(), request.method() == poem::http::Method::PUT);
        if request.method() == poem::http::Method::DELETE {
            self.0.lock().unwrap().remove(&path);
            return Ok(poem::Response::builder().status(poem::http::StatusCode::NO_CONTENT).finish());
        }
        if put {
            let bytes = request.take_body().into_vec().await?;
            self.0.lock().unwrap().insert(path, bytes);
            return Ok(poem::Response::builder().header("etag", "\"1\"").finish());
        }
        let found = self.0.lock().unwrap().get(&path).cloned();
        Ok(match found {
            Some(bytes) => poem::Response::builder()
                .header("etag", "\"1\"")
                .header("last-modified", "Tue, 01 Jan 2030 00:00:00 GMT")
                .body(bytes),
            None => poem::Response::builder().status(poem::http::StatusCode::NOT_FOUND).finish(),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_to_a_bucket_where_one_is_named() {
    // As the binary does; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bucket = Bucket::default();
    let endpoint = bucket.clone().serve().await;
    let change = move |config: &mut api::Config| {
        config.receipts.upload_unnamed_hours = 0;
        let store = &mut config.receipts.object_store;
        (store.bucket, store.endpoint) = ("receipts".to_owned(), endpoint);
        (store.access_key_id, store.secret_access_key) = ("the-key".to_owned(), SecretString::from("the-secret"));
    };
    let database = TestDatabase::new(fixtures::Backend::Sqlite).await;
    let state = state(&database, change.clone());
    let app = TestApp::with(database, change).await;
    let bytes = b"\x89PNG\r\n\x1a\nrest";
    let url = upload(&app, "file", "image/png", bytes).await.expect(200).body["url"].as_str().unwrap().to_owned();
    let url = url.replace("http://127.0.0.1:9154", "");
    let kept = format!("/receipts/{}", url.strip_prefix("/uploads/").unwrap());
    assert_eq!(bucket.0.lock().unwrap().get(&kept).map(Vec::as_slice), Some(&bytes[..]));
    let response = app.client.get(&url).send().await.0;
    assert_eq!(response.into_body().into_vec().await.unwrap(), bytes);
    let other = format!("/uploads/{}.png", "0".repeat(43));
    send(app.client.get(other)).await.refusal(404);
    assert_eq!(api::remove_orphans(&state).await.unwrap(), 1, "no receipt has named it");
    assert!(bucket.0.lock().unwrap().is_empty());
}
