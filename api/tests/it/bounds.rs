//! What is accepted is never too much for a later step: amounts, times and documents have their bounds at the front.

use chrono::TimeDelta;
use entities::now;
use fixtures::{TestDatabase, on_both};
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    checkout::{self, order},
    receipts::{place, receipt, report},
    till::entry,
};

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

on_both!(deals_bound_their_amounts, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let request = async |id: &str, method: &str, pointer: &str, amount: &str| {
        let mut body = app.payment(id);
        body["payment_method"] = json!(method);
        body["items"] = json!([{ "name": "Tea pot", "price": 1, "external_id": "1" }]);
        *body.pointer_mut(pointer).unwrap() = number(amount);
        app.post(&token, "/api/v1/payments", &body).await
    };
    // The merchant's token has six fraction digits. On chain 96 bits are counted with, elsewhere 64.
    let most_and_more = [
        ("web3", "79228162514264337593543.950335", "79228162514264337593543.950336"),
        ("credit_card", "2100000000", "2100000000.000001"),
        ("bank_transfer", "2100000000", "2100000000.000001"),
    ];
    for (method, most, more) in most_and_more {
        for pointer in ["/price", "/paid_price", "/items/0/price"] {
            request(&format!("{method} {pointer}"), method, pointer, most).await.expect(201);
            for more in [more, "79228162514264337593543950335", "1e27"] {
                assert_eq!(request("more", method, pointer, more).await.pointers(), [pointer], "{more}");
            }
        }
    }
});

on_both!(the_till_and_the_checkout_bound_their_amounts, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let take = async |id: &str, amount: &str| {
        let mut body = entry(id);
        body["amount"] = number(amount);
        app.post(&token, "/payments", &body).await
    };
    take("most", "21000000000000").await.expect(201);
    for more in ["21000000000000.01", "92233720368547758.07", "79228162514264337593543950335"] {
        take("more", more).await.expect(400);
    }
    let buy = async |id: &str, value: &str, item: &str| {
        let mut body = order(id);
        body["purchase"]["total"]["value"] = json!(value);
        body["purchase"]["items"][0]["amount"]["value"] = json!(item);
        app.post(&token, checkout::PATH, &body).await
    };
    buy("most of all", "2100000000000000", "2100000000000000").await.expect(201);
    buy("more", "2100000000000001", "1").await.expect(400);
    buy("more", "1", "2100000000000001").await.expect(400);
});

on_both!(receipts_bound_their_amounts, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let sell = async |field: &str, amount: &str| -> TestResponse {
        let mut body = json!({ "total": 1, "totalBs": 36.5, "exchangeRate": 36.5 });
        body[field] = number(amount);
        send(app.client.post("/api/orders").body_json(&body)).await
    };
    for (field, most, more) in [
        ("total", "21000000000000", "21000000000000.01"),
        ("totalBs", "21000000000000", "21000000000000.01"),
        ("exchangeRate", "1000000000000000", "1000000000000001"),
        ("exchangeRate", "0.000000000001", "0.0000000000001"),
    ] {
        sell(field, most).await.expect(200);
        sell(field, more).await.refusal(400);
    }
    let mut body = receipt(&place(&app).await);
    body["amountReported"] = number("21000000000000.01");
    report(&app, &body).await.refusal(400);
    body["amountReported"] = number("21000000000000");
    report(&app, &body).await.expect(200);
});

on_both!(the_items_of_an_order_are_a_document_with_bounds, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let sell = async |items: Value| {
        let body = json!({ "total": 1, "totalBs": 36.5, "items": items });
        send(app.client.post("/api/orders").body_json(&body)).await
    };
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for most in [json!(["a".repeat(65_532)]), nested(16), json!(vec![1; 4_095])] {
        sell(most).await.expect(200);
    }
    for more in [json!(["a".repeat(65_533)]), nested(17), json!(vec![1; 4_096]), json!({ "a": "b".repeat(900_000) })] {
        sell(more).await.refusal(400);
    }
});

on_both!(a_deal_has_time_to_come_onto_the_chain, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for (id, ahead, is_enough) in [("soon", 1, false), ("sooner", 4, false), ("late", 8, true)] {
        let mut body = app.payment(id);
        body["expires_at"] = json!(now() + TimeDelta::seconds(ahead));
        let answer = app.post(&token, "/api/v1/payments", &body).await;
        if is_enough {
            answer.expect(201);
        } else {
            assert_eq!(answer.pointers(), ["/expires_at"]);
        }
    }
});
