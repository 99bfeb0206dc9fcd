//! The checkout's list: order, pages, and what is refused.

use entities::GatewaySessionKind;
use fixtures::{TestDatabase, on_both};
use payments::{AtGateway, Observation, Permission};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    checkout::{PATH, created, shop},
};

/// A payment with this reference, or none, and this total.
async fn with_total(app: &TestApp, token: &str, client_id: Option<&str>, value: &str) -> Value {
    let total = json!({ "value": value, "currency": "EUR" });
    let mut body = json!({ "purchase": { "total": total }, "context": { "redirectMode": "hosted" } });
    if let Some(client_id) = client_id {
        body["clientId"] = json!(client_id);
    }
    app.post(token, PATH, &body).await.expect(201).body["data"].clone()
}

fn references(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter().map(|payment| payment["clientId"].as_str().unwrap_or("-")).collect()
}

on_both!(list_is_sorted_as_requested_with_amounts_as_numbers, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    for (client_id, value) in [(Some("b"), "10"), (Some("a"), "9.50"), (None, "9.05"), (Some("C"), "100.00")] {
        with_total(&app, &token, client_id, value).await;
    }
    let canceled = with_total(&app, &token, Some("d"), "9.5").await;
    let cancel = format!("{PATH}/{}/cancel", canceled["id"].as_str().unwrap());
    app.post(&token, &cancel, &json!({})).await.expect(200);
    app.created(&token, "a deal is not listed here").await;
    for (query, expected) in [
        ("", vec!["d", "C", "-", "a", "b"]),
        ("?sort=createdAt", vec!["b", "a", "-", "C", "d"]),
        ("?sort=value", vec!["-", "a", "d", "b", "C"]),
        ("?sort=value&desc=value", vec!["C", "b", "a", "d", "-"]),
        ("?desc=value,createdAt", vec!["C", "b", "d", "a", "-"]),
        ("?sort=clientId", vec!["C", "a", "b", "d", "-"]),
        ("?sort=clientId&desc=clientId", vec!["d", "b", "a", "C", "-"]),
        ("?sort=status&sort=clientId", vec!["d", "C", "a", "b", "-"]),
        ("?sort=status,value&desc=status", vec!["-", "a", "b", "C", "d"]),
        ("?sort=canceledAt,createdAt", vec!["d", "b", "a", "-", "C"]),
        (
            "?sort=currency,source,submittedAt,approvedAt,capturedAt,failedAt,completedAt,clientNote,id",
            vec!["b", "a", "-", "C", "d"],
        ),
    ] {
        let list = app.get(&token, &format!("{PATH}{query}")).await.expect(200).body;
        assert_eq!(references(&list), expected, "{query}");
        assert_eq!((&list["total"], &list["offset"], &list["limit"]), (&json!(5), &json!(0), &json!(20)));
        assert!(list.get("prev").is_none() && list.get("next").is_none(), "{query}");
    }
});

on_both!(list_is_sorted_by_attributes_of_the_answer, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payers = [
        json!({ "fullName": "Ben Bo", "address": { "line1": "Rue 2", "city": "Moroni", "country": "KM" } }),
        json!({ "firstName": "Ada", "lastName": "Soilihi", "phone": "+2693210000" }),
        json!({ "fullName": "Cy", "email": "cy@example.org" }),
    ];
    for ((client_id, value), payer) in [("b", "10"), ("a", "9.50"), ("c", "100.00")].into_iter().zip(payers) {
        let total = json!({ "value": value, "currency": "EUR" });
        let context = json!({ "redirectMode": "hosted" });
        let body = json!({ "purchase": { "total": total }, "context": context, "clientId": client_id, "payer": payer });
        app.post(&token, PATH, &body).await.expect(201);
    }
    let first = app.get(&token, &format!("{PATH}?sort=createdAt")).await.expect(200).body["data"][0].clone();
    let first = json!({ "id": first["id"] });
    let kind = GatewaySessionKind::Checkout;
    app.observe(&first, Observation::Gateway(AtGateway::Chosen { kind, data: json!({}) })).await;
    app.observe(&first, Observation::Gateway(AtGateway::Captured { kind, data: json!({}) })).await;
    for (query, expected) in [
        ("sort=purchase.total.value", ["a", "b", "c"]),
        ("sort=purchase.total.value&desc=purchase.total.value", ["c", "b", "a"]),
        ("sort=payer.fullName", ["a", "b", "c"]),
        ("desc=payer.fullName", ["c", "b", "a"]),
        ("sort=captured,clientId", ["a", "c", "b"]),
        ("desc=captured&sort=captured,clientId", ["b", "a", "c"]),
        ("sort=updatedAt", ["a", "c", "b"]),
        ("sort=payer.email,clientId", ["c", "a", "b"]),
        ("sort=payer.phone,clientId", ["a", "b", "c"]),
        ("sort=payer.address.city,clientId", ["b", "a", "c"]),
        ("sort=payer.firstName,payer.lastName,clientId", ["a", "b", "c"]),
        ("sort=payee.fullName,context.redirectMode,purchase.total.currency,plan.source,clientId", ["a", "b", "c"]),
        ("sort=context.locale,context.terminalId,cancelUrl,successUrl,billing.providerId,clientId", ["a", "b", "c"]),
        ("sort=payer.address.line1,payer.address.line2,payer.address.line3,clientId", ["b", "a", "c"]),
        ("sort=payer.address.state,payer.address.postcode,payer.address.country,clientId", ["b", "a", "c"]),
    ] {
        let list = app.get(&token, &format!("{PATH}?{query}")).await.expect(200).body;
        assert_eq!(references(&list), expected, "{query}");
    }
    let page = app.get(&token, &format!("{PATH}?sort=purchase.total.value&limit=1")).await.expect(200).body;
    assert_eq!(page["next"], "http://127.0.0.1:9154/v1/payments?sort=purchase.total.value&limit=1&offset=1");
});

on_both!(list_pages_lead_to_one_another, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    for number in 0..5 {
        created(&app, &token, &format!("order-{number}")).await;
    }
    let strangers = app.token_on(app.stranger.node_id, Permission::ALL).await;
    created(&app, &strangers, "theirs").await;
    let (mut path, mut read) = (format!("{PATH}?sort=clientId&limit=2"), Vec::new());
    let mut pages = Vec::new();
    loop {
        let page = app.get(&token, &path).await.expect(200).body;
        assert_eq!(page["total"], 5);
        read.extend(references(&page).iter().map(|&reference| reference.to_owned()));
        let next = page["next"].as_str().map(|next| next.replace("http://127.0.0.1:9154", ""));
        pages.push(page);
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(read, ["order-0", "order-1", "order-2", "order-3", "order-4"]);
    assert!(pages[0].get("prev").is_none());
    assert_eq!(pages[1]["prev"], "http://127.0.0.1:9154/v1/payments?sort=clientId&limit=2&offset=0");
    assert_eq!(pages[2]["prev"], "http://127.0.0.1:9154/v1/payments?sort=clientId&limit=2&offset=2");
    let beyond = app.get(&token, &format!("{PATH}?offset=90")).await.expect(200).body;
    assert_eq!((&beyond["data"], &beyond["total"]), (&json!([]), &json!(5)));
});

on_both!(list_400, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    for query in ["sort=price", "desc=", "sort=value,nothing", "limit=0", "limit=101", "limit=x", "offset=-1"] {
        app.get(&token, &format!("{PATH}?{query}")).await.problem(400, "validation_failed");
    }
    app.get(&token, &format!("{PATH}?limit=100&offset=0")).await.expect(200);
});
