//! Sign-in of people.

use chrono::TimeDelta;
use entities::{now, sign_in_count};
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use sea_orm::{EntityTrait, prelude::*};
use serde_json::json;

use crate::app::{TestApp, TestResponse, send};

/// The value of a cookie that an answer sets.
fn value(answer: &TestResponse, name: &str) -> String {
    let cookie = answer.cookie(name).expect("the cookie is set");
    cookie.split([';', '=']).nth(1).unwrap().to_owned()
}

/// Lets the address's block run out.
async fn wait_out(app: &TestApp) {
    let tx = app.database.db.begin().await.unwrap();
    let past = now() - TimeDelta::seconds(1);
    let over = (sign_in_count::Column::BlockedUntil, Expr::value(past));
    let blocked = sign_in_count::Column::BlockedUntil.is_not_null();
    sign_in_count::Entity::update_many().col_expr(over.0, over.1).filter(blocked).exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(signs_in_with_cookies_and_says_who_it_is, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let id = app.user("ada", "4711", Some(&[Permission::PaymentsRead])).await;
    let answer = app.login("ada", "4711").await.expect(200);
    assert_eq!(answer.body["message"], "Login successful");
    let user = &answer.body["user"];
    assert_eq!((&user["user_id"], &user["name"]), (&json!(id), &json!("ada")));
    assert_eq!((&user["email"], &user["phone"]), (&json!(null), &json!(null)));
    assert_eq!((&user["role"], &user["isAdmin"]), (&json!("role of ada"), &json!(false)));
    assert_eq!(answer.body["perms"][0]["name"], "payments_read");
    assert_eq!(answer.body["perms"][0]["enabled"], true);
    assert_eq!(answer.body["perms"].as_array().unwrap().len(), 1);
    for (name, age) in [("accessToken", "Max-Age=60"), ("refreshToken", "Max-Age=2592000")] {
        let cookie = answer.cookie(name).unwrap();
        for attribute in ["HttpOnly", "Path=/", age] {
            assert!(cookie.contains(attribute), "{attribute} is missing in {cookie}");
        }
    }

    let cookie = format!("accessToken={}", value(&answer, "accessToken"));
    let me = send(app.client.get("/users/me").header("cookie", cookie)).await.expect(200);
    assert_eq!(me.body["user"], answer.body["user"]);
    assert_eq!(me.body["perms"], answer.body["perms"]);
    let bearer = app.get(&value(&answer, "accessToken"), "/users/me").await.expect(200);
    assert_eq!(bearer.body, me.body);
    assert_eq!(send(app.client.get("/users/me")).await.message(401), "Unauthorized API access");
    app.get(&app.token().await, "/users/me").await.message(401);
});

on_both!(an_admin_reaches_every_node_with_every_permission, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("root", "481516", None).await;
    let answer = app.login("root", "481516").await.expect(200);
    assert_eq!(answer.body["user"]["isAdmin"], true);
    assert_eq!(answer.body["perms"].as_array().unwrap().len(), Permission::ALL.len());
    let token = value(&answer, "accessToken");
    let path = format!("/api/v1/payments?node_id={}", app.stranger.node_id);
    app.get(&token, &path).await.expect(200);
});

on_both!(refuses_wrong_pins_without_cookies, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("ada", "4711", None).await;
    for (name, pin) in [("ada", "4712"), ("eve", "4711")] {
        let answer = app.login(name, pin).await.expect(401);
        assert_eq!(answer.body, json!({ "message": "Invalid credentials" }));
        assert!(answer.headers.get("set-cookie").is_none());
    }
    for body in [json!({ "name": "ada" }), json!({ "pin": "4711" }), json!({ "name": "ada", "pin": 4711 })] {
        send(app.client.post("/auth/login").body_json(&body)).await.message(400);
    }
});

on_both!(blocks_an_address_after_five_wrong_tries, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("ada", "4711", None).await;
    for minutes in [1, 1, 2, 3] {
        for _ in 0..5 {
            app.login("ada", "0000").await.expect(401);
        }
        // The right PIN is not even looked at.
        let answer = app.login("ada", "4711").await.expect(429);
        let seconds = answer.body["retryAfter"].as_i64().unwrap();
        assert!((60 * minutes - 5..=60 * minutes).contains(&seconds), "{seconds} s instead of {minutes} min");
        assert_eq!(answer.header("retry-after"), seconds.to_string());
        assert_eq!(answer.body.as_object().unwrap().len(), 1);
        app.login("ada", "0000").await.expect(429);
        wait_out(&app).await;
    }
    app.login("ada", "4711").await.expect(200);
    let counts = sign_in_count::Entity::find().all(&*app.database.db).await.unwrap();
    assert!(counts.iter().all(|row| row.failures == 0), "{counts:?}");
});

on_both!(a_thousand_tries_at_once_are_no_more_than_five, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("ada", "4711", None).await;
    let tries = (0..12).map(|pin| async move { format!("{pin:04}") });
    let answers = futures_util::future::join_all(tries.map(async |pin| app.login("ada", &pin.await).await)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 7);
});

on_both!(refreshes_with_a_token_that_stays_valid, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("ada", "4711", None).await;
    let login = app.login("ada", "4711").await.expect(200);
    let refresh =
        |token: String| send(app.client.post("/auth/refresh").header("cookie", format!("refreshToken={token}")));
    let first = refresh(value(&login, "refreshToken")).await.expect(200);
    let second = refresh(value(&login, "refreshToken")).await.expect(200);
    assert_eq!(first.body["message"], "Access token refreshed successfully");
    assert_eq!(first.body["accessToken"], value(&first, "accessToken"));
    assert_ne!(first.body["accessToken"], second.body["accessToken"]);
    app.get(second.body["accessToken"].as_str().unwrap(), "/users/me").await.expect(200);

    let again = app.login("ada", "4711").await.expect(200);
    refresh(value(&login, "refreshToken")).await.message(401);
    refresh(value(&again, "refreshToken")).await.expect(200);
    refresh("nonsense".to_owned()).await.message(401);
    send(app.client.post("/auth/refresh")).await.message(401);
    let cookie = format!("refreshToken={}", value(&again, "refreshToken"));
    let foreign = app.client.post("/auth/refresh").header("cookie", cookie).header("host", "pay.example");
    send(foreign.header("origin", "https://evil.example")).await.message(403);
});

on_both!(signs_out_at_once, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("ada", "4711", None).await;
    let login = app.login("ada", "4711").await.expect(200);
    let cookie = format!("accessToken={}", value(&login, "accessToken"));
    let answer = send(app.client.post("/auth/logout").header("cookie", &cookie)).await.expect(200);
    assert_eq!(answer.body, json!({ "message": "Logout successful" }));
    assert_eq!((value(&answer, "accessToken"), value(&answer, "refreshToken")), (String::new(), String::new()));
    let refresh = format!("refreshToken={}", value(&login, "refreshToken"));
    send(app.client.post("/auth/refresh").header("cookie", refresh)).await.message(401);
    send(app.client.get("/users/me").header("cookie", cookie)).await.message(401);
    send(app.client.post("/auth/logout")).await.message(401);
});

on_both!(a_cookie_writes_only_for_its_own_site, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("ada", "4711", None).await;
    let login = app.login("ada", "4711").await.expect(200);
    let cookie = format!("accessToken={}", value(&login, "accessToken"));
    let write = |origin: &'static str| {
        let request = app.client.post("/api/v1/nodes").header("cookie", &cookie).header("host", "pay.example");
        send(request.header("origin", origin).body_json(&json!({ "name": "shop" })))
    };
    write("https://pay.example").await.expect(201);
    write("https://evil.example").await.problem(403, "foreign_origin");
    let read = app.client.get("/api/v1/nodes").header("cookie", &cookie).header("host", "pay.example");
    send(read.header("origin", "https://evil.example")).await.expect(200);
    let bearer =
        app.client.post("/api/v1/nodes").header("host", "pay.example").header("origin", "https://evil.example");
    let bearer = bearer.header("authorization", format!("bearer {}", value(&login, "accessToken")));
    send(bearer.body_json(&json!({ "name": "shop" }))).await.expect(201);
});
