//! The contract of the point of sale: pages on other hosts, and the names that a sign-in page shows.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use poem::http::Method;
use serde_json::json;

use crate::{
    app::{TestApp, send},
    till::entry,
};

const TILL: &str = "https://till.example";

async fn open_to_the_till(database: TestDatabase) -> TestApp {
    TestApp::with(database, |settings| {
        settings.till.allowed_origins = vec![TILL.to_owned()];
        settings.auth.cookie_secure = Some(true);
    })
    .await
}

on_both!(pages_of_an_allowed_origin_may_call_the_till, async |database: TestDatabase| {
    let app = open_to_the_till(database).await;
    for path in ["/payments", "/payments/7", "/tickets", "/auth/login", "/users", "/roles/7", "/base-currency"] {
        let request = app.client.request(Method::OPTIONS, path).header("origin", TILL);
        let request = request.header("access-control-request-method", "PUT");
        let answer = send(request.header("access-control-request-headers", "content-type,x-till")).await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), TILL, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert!(answer.header("access-control-allow-methods").contains("PUT"));
        assert_eq!(answer.header("access-control-allow-headers"), "content-type,x-till");
    }
    // Its user signs in there, writes with the cookie, and sees refusals as well.
    app.user("ada", "4711", Some(&[Permission::PaymentsCreate])).await;
    let credentials = json!({ "name": "ada", "pin": "4711" });
    let login = send(app.client.post("/auth/login").header("origin", TILL).body_json(&credentials)).await.expect(200);
    assert_eq!(login.header("access-control-allow-origin"), TILL);
    let cookie = login.cookie("accessToken").unwrap();
    assert!(cookie.contains("SameSite=None") && cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let write = async |origin: &str, path: &str| {
        let request = app.client.post(path).header("cookie", &cookie).header("origin", origin);
        send(request.body_json(&entry("till-1"))).await
    };
    write(TILL, "/payments").await.expect(201);
    let refused = write(TILL, "/payments").await.expect(409);
    assert_eq!(refused.header("access-control-allow-origin"), TILL);
    assert!(refused.header("access-control-expose-headers").contains("link"), "a page reads where a list goes on");
    // Beyond the till's own paths it is a stranger's page like any other.
    let elsewhere = write(TILL, "/api/v1/members").await.expect(403);
    assert_eq!(elsewhere.header("access-control-allow-origin"), "");
});

on_both!(pages_of_other_origins_may_not, async |database: TestDatabase| {
    let app = open_to_the_till(database).await;
    let send_request = async |origin: &str| {
        let request = app.client.request(Method::OPTIONS, "/payments").header("origin", origin);
        send(request.header("access-control-request-method", "POST")).await
    };
    for foreign in ["https://evil.example", "http://till.example", "https://till.example.evil.example", "null"] {
        let answer = send_request(foreign).await.expect(405);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{foreign}");
        assert_eq!(answer.header("vary"), "origin", "no cache gives one page's answer to another");
    }
    app.user("ada", "4711", Some(&[Permission::PaymentsCreate])).await;
    let login = app.login("ada", "4711").await.expect(200);
    assert!(login.cookie("accessToken").unwrap().contains("SameSite=Lax"), "a page of our own");
    let cookie = login.cookie("accessToken").unwrap().split(';').next().unwrap().to_owned();
    let request = app.client.post("/payments").header("cookie", &cookie).header("origin", "https://evil.example");
    let refused = send(request.body_json(&entry("till-1"))).await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    refused.message(403);
    send_request(TILL).await.expect(204);
});

on_both!(no_other_origin_is_allowed_by_default, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let request = app.client.request(Method::OPTIONS, "/payments").header("origin", TILL);
    let answer = send(request.header("access-control-request-method", "POST")).await.expect(405);
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), ("", ""));
});

on_both!(a_sign_in_page_gets_names_alone_and_only_where_they_are_public, async |database: TestDatabase| {
    let app = TestApp::with(database, |settings| settings.till.public_names = true).await;
    app.user("ada", "4711", Some(&[Permission::UsersRead])).await;
    app.user("eve", "4711", Some(&[])).await;
    let customer = json!({ "email": "somebody@shop.example", "password": "a long password" });
    send(app.client.post("/api/auth/register").body_json(&customer)).await;
    let names = json!([{ "name": "ada" }, { "name": "eve" }]);
    assert_eq!(send(app.client.get("/users")).await.expect(200).body, names);
    assert_eq!(app.get("stale", "/users").await.expect(200).body, names);
    let token = app.token_on(app.merchant.node_id, &[Permission::UsersRead]).await;
    let known = app.get(&token, "/users").await.expect(200).body;
    assert!(known.as_array().unwrap().len() == 2 && known[0]["role"] == "role of ada", "{known}");
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    app.get(&weak, "/users").await.message(403);
    send(app.client.get("/users/nonsense")).await.message(401);
});

on_both!(names_are_nobodys_business_by_default, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    assert_eq!(send(app.client.get("/users")).await.message(401), "Unauthorized API access");
});
