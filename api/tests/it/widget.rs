//! What the payer's browser may see.

use fixtures::{TestDatabase, on_both};
use payments::Observation;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};

use crate::app::{TestApp, redacted, send};

fn path(payment: &Value) -> String {
    format!("/api/v1/widget/payments/{}", payment["id"].as_str().unwrap())
}

on_both!(shows_what_a_payment_page_needs, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let payment = app.created(&app.token().await, "one").await;
    let token = payment["access_token"].as_str().unwrap();
    let before = app.get(token, &path(&payment)).await.expect(200);
    assert_eq!(before.header("access-control-allow-origin"), "*");
    assert_eq!((&before.body["deal_id"], &before.body["contract"]), (&json!(null), &json!(null)));

    let diamond_address = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512".to_owned();
    app.observe(&payment, Observation::SendingStarted { diamond_address }).await;
    let transaction_hash = Some(format!("0x{}", "ab".repeat(32)));
    app.observe(&payment, Observation::DealOpened { deal_id: "17".to_owned(), transaction_hash }).await;
    let after = app.get(token, &path(&payment)).await.expect(200).body;
    insta::assert_snapshot!("widget", redacted(&after, &["node_id", "expires_at", "abi", "arguments"]));
    let id: uuid::Uuid = payment["id"].as_str().unwrap().parse().unwrap();
    let reference = format!("0x{}", hex::encode(Keccak256::digest(id.as_bytes())));
    let expires_at = payment["expires_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let expected = json!([
        "17",
        reference,
        after["payment_address"],
        after["token_address"],
        "10500000",
        expires_at.timestamp().to_string(),
    ]);
    assert_eq!(after["contract"]["arguments"], expected);
    assert_eq!(deposits_inputs(&after), ["uint256", "bytes32", "address", "address", "uint256", "uint64"]);
});

fn deposits_inputs(shown: &Value) -> Vec<&str> {
    let abi = shown["contract"]["abi"].as_array().unwrap();
    let deposit = abi.iter().find(|entry| entry["name"] == "deposit").unwrap();
    deposit["inputs"].as_array().unwrap().iter().map(|input| input["type"].as_str().unwrap()).collect()
}

on_both!(a_deal_of_the_first_edition_is_paid_by_its_id_alone, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let merchants = app.token().await;
    let payment = app.created(&merchants, "one").await;
    let diamond_address = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512".to_owned();
    app.observe(&payment, Observation::SendingStarted { diamond_address }).await;
    let deal_id = "22787570066134913729546961628452595380768337997964979001475938385947862572242";
    app.observe(&payment, Observation::DealOpened { deal_id: deal_id.to_owned(), transaction_hash: None }).await;
    let shown = app.get(payment["access_token"].as_str().unwrap(), &path(&payment)).await.expect(200).body;
    assert_eq!((&shown["deal_id"], &shown["contract"]["arguments"]), (&json!(null), &json!([deal_id])));
    assert_eq!(deposits_inputs(&shown), ["uint256"]);
    let payment_now =
        app.get(&merchants, &format!("/api/v1/payments/{}", payment["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(payment_now.body["deal_id"], json!(null), "no double carries it");
});

on_both!(opens_for_the_payments_own_token_only, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let merchants = app.token().await;
    let (one, other) = (app.created(&merchants, "one").await, app.created(&merchants, "two").await);
    for token in [merchants.as_str(), other["access_token"].as_str().unwrap(), "nonsense", ""] {
        let answer = app.get(token, &path(&one)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let problem = answer.problem(401, "unauthorized");
        assert_eq!(problem["detail"], "Invalid or expired access token");
    }
    send(app.client.get(path(&one))).await.problem(401, "unauthorized");
    let unknown = json!({ "id": uuid::Uuid::now_v7() });
    app.get(one["access_token"].as_str().unwrap(), &path(&unknown)).await.problem(404, "not_found");
    app.get(one["access_token"].as_str().unwrap(), "/api/v1/payments").await.problem(401, "unauthorized");
});

on_both!(the_price_in_the_widget_is_what_the_payer_is_charged, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let mut body = app.payment("one");
    (body["price"], body["paid_price"]) = (json!(10), json!(12));
    let payment = app.post(&app.token().await, "/api/v1/payments", &body).await.expect(201).body;
    assert_eq!((&payment["price"], &payment["paid_price"]), (&json!(10), &json!(12)));
    let shown = app.get(payment["access_token"].as_str().unwrap(), &path(&payment)).await.expect(200).body;
    // Who approves `price` at `price_decimals` and calls the function has paid.
    assert_eq!((&shown["price"], &shown["paid_price"]), (&json!(12), &json!(12)));
    assert_eq!((&shown["price_decimals"], &shown["amount"]), (&json!(6), &json!("12000000")));
});

on_both!(garbage_is_refused_before_any_payment_is_looked_up, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let merchants = app.token().await;
    let ours = app.created(&merchants, "one").await["access_token"].as_str().unwrap().to_owned();
    let unknown = path(&json!({ "id": uuid::Uuid::now_v7() }));
    for garbage in ["x", merchants.as_str(), &ours[1..], &format!("{ours}A"), &ours.replace(['-', '_'], "+")[1..]] {
        for route in [unknown.clone(), format!("{unknown}/qr?origin=https://pay.example")] {
            let problem = app.get(garbage, &route).await.problem(401, "unauthorized");
            assert_eq!(problem["detail"], "Invalid or expired access token");
        }
    }
    send(app.client.get(unknown.as_str())).await.problem(401, "unauthorized");
    app.get(&ours, &unknown).await.problem(404, "not_found");
});

on_both!(cors_is_open_here_only, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let payment = app.created(&app.token().await, "one").await;
    let options = |path: String| {
        let request = app.client.request(poem::http::Method::OPTIONS, path).header("origin", "https://shop.example");
        send(
            request
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "authorization"),
        )
    };
    let preflight = options(path(&payment)).await.expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(preflight.header("access-control-allow-headers").contains("authorization"));
    for other in ["/api/v1/payments", "/api/v1/nodes", &format!("{}/qr", path(&payment))] {
        let answer = options(other.to_owned()).await.expect(405);
        assert!(answer.headers.get("access-control-allow-origin").is_none());
    }
    let answer = app.get("nonsense", "/api/v1/nodes").await;
    assert!(answer.headers.get("access-control-allow-origin").is_none());
});

on_both!(draws_a_qr_code_of_the_page, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let payment = app.created(&app.token().await, "one").await;
    let token = payment["access_token"].as_str().unwrap();
    let image = app.get(token, &format!("{}/qr?origin=https://pay.example", path(&payment))).await.expect(200);
    assert_eq!(image.header("content-type"), "image/svg+xml");
    assert!(image.text.contains("<svg") && image.text.contains("</svg>"));
    for wrong in ["", "?origin=", "?origin=javascript:alert(1)", "?origin=ftp://x"] {
        assert_eq!(app.get(token, &format!("{}/qr{wrong}", path(&payment))).await.pointers(), ["/origin"], "{wrong}");
    }
});

on_both!(what_the_contracts_owner_has_announced_is_shown, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let payment = app.created(&app.token().await, "one").await;
    let token = payment["access_token"].as_str().unwrap();
    let diamond_address = "0xE7F1725E7734CE288F8367E1BB143E90BB3F0512".to_owned().replace("0X", "0x");
    app.observe(&payment, Observation::SendingStarted { diamond_address: diamond_address.clone() }).await;
    assert_eq!(app.get(token, &path(&payment)).await.expect(200).body["announced"], json!([]));

    let (db, now, cut) = (&*app.database.db, entities::now(), format!("0x{}", "cd".repeat(32)));
    let other = "0xdbf03b407c01e7cd3cbea99509d93f8dddc8c6fb";
    for (diamond, owner) in [(diamond_address.to_ascii_lowercase(), None), (other.to_owned(), Some(other))] {
        let values: [sea_orm::Value; 6] =
            [app.merchant.network_id.into(), diamond.into(), owner.into(), now.into(), cut.clone().into(), now.into()];
        let sql = "INSERT INTO chain_diamonds (network_id, diamond, pending_owner, pending_owner_from, pending_cut, \
                   pending_cut_from, created_at) VALUES ($1, $2, $3, $4, $5, $6, $4)";
        let insert = sea_orm::Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        db.execute_raw(insert).await.unwrap();
    }
    let shown = app.get(token, &path(&payment)).await.expect(200).body;
    let from = shown["announced"][0]["from"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!(from, now);
    let functions = json!([{ "kind": "functions", "what": cut, "from": shown["announced"][0]["from"] }]);
    assert_eq!(shown["announced"], functions, "that of its own diamond");
});
