//! Money that nobody has to read into a float: its text beside each number, and texts taken for numbers.

use fixtures::{TestDatabase, on_both};
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    receipts::{PAYMENTS, read, receipt},
    till::entry,
};

/// More digits than a double carries, in a currency with six decimals.
const EXACT: &str = "123456789012.123456";

fn priced(app: &TestApp, external_id: &str, price: Value) -> Value {
    let mut payment = app.payment(external_id);
    payment["items"] = json!([{ "name": "Tea pot", "price": price, "external_id": null }]);
    payment["price"] = price.clone();
    payment["paid_price"] = price;
    payment
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

on_both!(amounts_are_taken_as_text_and_answered_with_it, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for (external_id, sent) in [("by number", number(EXACT)), ("by text", json!(EXACT))] {
        let created = app.post(&token, "/api/v1/payments", &priced(&app, external_id, sent)).await.expect(201).body;
        let path = format!("/api/v1/payments/{}", created["id"].as_str().unwrap());
        for payment in [&created, &app.get(&token, &path).await.expect(200).body] {
            for (holder, field) in [(payment, "price"), (payment, "paid_price"), (&payment["items"][0], "price")] {
                assert_eq!(holder[field], number(EXACT), "{external_id}: {field}");
                assert_eq!(holder[format!("{field}_text")], EXACT, "{external_id}: {field}");
            }
        }
    }
    let padded = app.post(&token, "/api/v1/payments", &priced(&app, "padded", json!("10.500"))).await.expect(201).body;
    assert_eq!((&padded["price"], &padded["price_text"]), (&json!(10.5), &json!("10.5")));
});

on_both!(the_other_contracts_take_text_too, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut taken = entry("by text");
    taken["amount"] = json!("12.50");
    let added = app.post(&token, "/payments", &taken).await.expect(201).body;
    let shown = app.get(&token, &format!("/payments/{}", added["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!(shown["amount"], json!(12.5));
    assert_eq!(shown.as_object().unwrap().len(), 5, "its clients know five fields: {shown}");

    let body = json!({ "total": "25.50", "totalBs": "930.75", "exchangeRate": "36.5" });
    let order = send(app.client.post("/api/orders").body_json(&body)).await.expect(200).body["order"].clone();
    for (field, text) in [("total", "25.5"), ("totalBs", "930.75"), ("exchangeRate", "36.5")] {
        assert_eq!((&order[field], &order[format!("{field}Text")]), (&number(text), &json!(text)), "{field}");
    }
    let mut reported = receipt(&order);
    reported["amountReported"] = json!("930.75");
    send(app.client.post(PAYMENTS).body_json(&reported)).await.expect(200);
    let submission = &read(&app, &order).await["payments"][0];
    assert_eq!((&submission["amountReported"], &submission["amountReportedText"]), (&json!(930.75), &json!("930.75")));
    assert_eq!(submission["amountExpectedText"], "25.5");
});

on_both!(a_text_that_is_no_amount_is_refused_where_it_stands, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let refused = async |price: Value| -> TestResponse {
        let body = priced(&app, "refused", price);
        app.post(&token, "/api/v1/payments", &body).await
    };
    for wrong in ["", "ten", "1e3", "-1", "+1", " 1", "1,50", "0x10", "1_000", ".5", "5.", "NaN"] {
        assert_eq!(refused(json!(wrong)).await.pointers(), ["/price", "/paid_price", "/items/0/price"], "{wrong}");
    }
    // Nothing may cost nothing, and a thing may.
    for zero in [json!("0.00"), json!(0)] {
        assert_eq!(refused(zero).await.pointers(), ["/price", "/paid_price"]);
    }
    for wrong in [json!(true), json!(["1"]), Value::Null] {
        assert_eq!(refused(wrong).await.pointers(), ["/price", "/paid_price", "/items/0/price"]);
    }
    assert_eq!(refused(json!("1.0000001")).await.pointers(), ["/price"], "more digits than the currency");
});
