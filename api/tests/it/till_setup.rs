//! The contract of the point of sale: what its pages ask before anything else.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    till::EURO,
};

async fn choose(app: &TestApp, token: &str, body: &Value) -> TestResponse {
    let request = app.client.put("/base-currency").header("authorization", format!("Bearer {token}"));
    send(request.body_json(body)).await
}

on_both!(the_base_currency_is_public_and_an_admins_to_choose, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let public = async || send(app.client.get("/base-currency")).await.expect(200).body;
    let euro = json!({ "currency_id": EURO, "acronym": "EUR", "symbol": "€", "name": "Euro" });
    assert_eq!(public().await, euro, "until one is chosen");
    for acronym in ["USD", "BTC"] {
        let chosen = choose(&app, &token, &json!({ "acronym": acronym })).await.expect(200).body;
        assert_eq!((&chosen["acronym"], chosen.as_object().unwrap().len()), (&json!(acronym), 4));
        assert_eq!(public().await, chosen);
        let id = chosen["currency_id"].as_str().unwrap();
        assert_eq!(app.get(&token, &format!("/payments/currencies/{id}")).await.expect(200).body["acronym"], acronym);
    }
    for wrong in [json!({}), json!({ "acronym": "" }), json!({ "acronym": " " }), json!({ "acronym": 7 })] {
        choose(&app, &token, &wrong).await.message(400);
    }
    for unknown in ["XYZ", "eur"] {
        choose(&app, &token, &json!({ "acronym": unknown })).await.message(404);
    }
    assert_eq!(public().await["acronym"], "BTC");
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsUpdate]).await;
    assert_eq!(choose(&app, &weak, &json!({ "acronym": "EUR" })).await.message(403), "Permission required");
    assert_eq!(choose(&app, "x", &json!({ "acronym": "EUR" })).await.message(401), "Unauthorized API access");
});

on_both!(the_initial_setup_is_over, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let setup = send(app.client.get("/initial-setup")).await.expect(200).body;
    assert_eq!(setup, json!({ "initialized": true }));
    let body = json!({ "businessName": "Mine", "userName": "eve", "userPin": "4711" });
    send(app.client.post("/initial-setup").body_json(&body)).await.message(409);
    send(app.client.post("/initial-setup")).await.message(409);
    app.login("eve", "4711").await.message(401);
});
