//! The contract of the point of sale: tickets, and which payments cover them.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    till::entry,
};

const RELATIONS: &str = "/payments/ticket-payments";

async fn payment(app: &TestApp, token: &str, transaction_id: &str) -> String {
    app.post(token, "/payments", &entry(transaction_id)).await.id()
}

async fn ticket(app: &TestApp, token: &str) -> String {
    app.post(token, "/tickets", &json!({})).await.id()
}

fn relation(payment: &str, ticket: &str) -> Value {
    json!({ "payment_id": payment, "ticket_id": ticket })
}

on_both!(post_tickets_and_get_one, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let bare = app.client.post("/tickets").header("authorization", format!("Bearer {token}"));
    send(bare).await.id();
    let id = app.post(&token, "/tickets", &json!({ "name": "table 7", "guests": 4 })).await.id();
    let read = app.get(&token, &format!("/tickets/{id}")).await.expect(200).body;
    assert_eq!((&read["id"], &read["name"]), (&json!(id), &json!("table 7")));
    app.get(&token, "/tickets/nonsense").await.message(404);
    app.get(&token, &format!("/tickets/{}", uuid::Uuid::now_v7())).await.message(404);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.get(&elsewhere, &format!("/tickets/{id}")).await.message(403);
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsCreate]).await;
    assert_eq!(app.post(&weak, "/tickets", &json!({})).await.message(403), "Permission required");
    assert_eq!(app.post("x", "/tickets", &json!({})).await.message(401), "Unauthorized API access");
});

on_both!(what_a_till_says_of_a_ticket_is_kept_and_can_be_changed, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let said = json!({
        "order_id": "11122afd-3dda-4455-82de-310fc94f58db", "user_id": "941bc7aa-ee4c-45cf-844d-1a624a870fed",
        "ticket_date": "2025-07-27T10:30:00Z", "status": 2, "total_amount": 45.50, "notes": "Cash payment", "guests": 4,
    });
    let created = app.post(&token, "/tickets", &said).await.expect(201).body;
    let path = format!("/tickets/{}", created["id"].as_str().unwrap());
    let read = app.get(&token, &path).await.expect(200).body;
    assert_eq!(read, created);
    for field in ["order_id", "user_id", "ticket_date", "status", "notes"] {
        assert_eq!(read[field], said[field], "{field}");
    }
    assert_eq!(read["total_amount"].to_string(), "45.5");

    let changed = app.patch(&token, &path, &json!({ "status": 3, "notes": "", "order_id": "" })).await.expect(200).body;
    assert_eq!((&changed["status"], &changed["notes"]), (&json!(3), &json!("")));
    for field in ["id", "order_id", "user_id", "ticket_date", "total_amount", "created_at"] {
        assert_eq!(changed[field], read[field], "{field} was not sent, or sent empty");
    }
    assert_eq!(app.patch(&token, &path, &json!({})).await.expect(200).body, changed);
    assert_eq!(app.get(&token, &path).await.expect(200).body, changed);
    for wrong in [json!({ "status": 0 }), json!({ "status": 4 }), json!({ "total_amount": -1 }), json!({ "notes": 7 })]
    {
        app.patch(&token, &path, &wrong).await.message(400);
        app.post(&token, "/tickets", &wrong).await.message(400);
    }
    app.patch(&token, "/tickets/nonsense", &json!({ "status": 2 })).await.message(404);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.patch(&elsewhere, &path, &json!({ "status": 1 })).await.message(403);
    let bare = app.post(&token, "/tickets", &json!({ "ticket_date": null, "user_id": "" })).await.id();
    let bare = app.get(&token, &format!("/tickets/{bare}")).await.expect(200).body;
    assert_eq!((&bare["status"], &bare["ticket_date"], &bare["user_id"]), (&json!(1), &Value::Null, &Value::Null));
});

on_both!(get_tickets_lists_all_of_the_callers_and_pages, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    app.get(&token, "/tickets").await.nothing();
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.insert(0, app.post(&token, "/tickets", &json!({ "notes": number.to_string() })).await.id());
    }
    let listed = app.get(&token, "/tickets").await.expect(200).body;
    let shown: Vec<&str> = listed.as_array().unwrap().iter().map(|ticket| ticket["id"].as_str().unwrap()).collect();
    assert_eq!(shown, ids, "newest first");
    assert_eq!(app.get(&token, &format!("/tickets/{}", ids[0])).await.expect(200).body, listed[0]);
    let page = app.get(&token, "/tickets?limit=2").await.expect(200);
    assert_eq!(page.body, json!([listed[0], listed[1]]));
    let next = page.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    let last = app.get(&token, &next).await.expect(200);
    assert_eq!((&last.body, last.header("link")), (&json!([listed[2]]), ""));
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.get(&elsewhere, "/tickets").await.nothing();
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsCreate]).await;
    assert_eq!(app.get(&weak, "/tickets").await.message(403), "Permission required");
});

on_both!(post_ticket_payments, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let (payment, ticket) = (payment(&app, &token, "till-1").await, ticket(&app, &token).await);
    let body = relation(&payment, &ticket);
    let expected = json!({
        "paymentId": payment, "ticketId": ticket, "message": "Ticket payment relationship created successfully",
    });
    let (one, two) = tokio::join!(app.post(&token, RELATIONS, &body), app.post(&token, RELATIONS, &body));
    let (first, second) = if one.status == 201 { (one, two) } else { (two, one) };
    assert_eq!(first.expect(201).body, expected);
    second.message(409);
    let unknown = uuid::Uuid::now_v7().to_string();
    for wrong in [
        relation("", &ticket),
        relation(&payment, ""),
        relation(&unknown, &ticket),
        relation(&payment, &unknown),
        relation("nonsense", &ticket),
        json!({ "payment_id": payment }),
        json!({ "ticket_id": ticket }),
    ] {
        app.post(&token, RELATIONS, &wrong).await.message(400);
    }
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.post(&elsewhere, RELATIONS, &body).await.message(403);
});

on_both!(get_ticket_payments_by_ticket_and_by_payment, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let (one, two) = (payment(&app, &token, "till-1").await, payment(&app, &token, "till-2").await);
    let (table, bar) = (ticket(&app, &token).await, ticket(&app, &token).await);
    app.get(&token, &format!("{RELATIONS}/by-ticket/{table}")).await.nothing();
    app.get(&token, &format!("{RELATIONS}/by-payment/{one}")).await.nothing();
    // A payment is split over two tickets, and a ticket is paid by two payments.
    for (payment, ticket) in [(&one, &table), (&one, &bar), (&two, &table)] {
        app.post(&token, RELATIONS, &relation(payment, ticket)).await.expect(201);
    }
    let of_table = app.get(&token, &format!("{RELATIONS}/by-ticket/{table}")).await.expect(200).body;
    assert_eq!(of_table, json!([relation(&one, &table), relation(&two, &table)]));
    let of_one = app.get(&token, &format!("{RELATIONS}/by-payment/{one}")).await.expect(200).body;
    assert_eq!(of_one, json!([relation(&one, &table), relation(&one, &bar)]));
    for unknown in [uuid::Uuid::now_v7().to_string(), "nonsense".to_owned()] {
        assert_eq!(app.get(&token, &format!("{RELATIONS}/by-ticket/{unknown}")).await.message(404), "Ticket not found");
        let answer = app.get(&token, &format!("{RELATIONS}/by-payment/{unknown}")).await;
        assert_eq!(answer.message(404), "Payment not found");
    }
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.get(&elsewhere, &format!("{RELATIONS}/by-ticket/{table}")).await.message(403);
    app.get(&elsewhere, &format!("{RELATIONS}/by-payment/{one}")).await.message(403);
});

on_both!(delete_ticket_payments, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let (one, two) = (payment(&app, &token, "till-1").await, payment(&app, &token, "till-2").await);
    let table = ticket(&app, &token).await;
    for payment in [&one, &two] {
        app.post(&token, RELATIONS, &relation(payment, &table)).await.expect(201);
    }
    // What tickets refer to cannot be deleted.
    app.delete(&token, &format!("/payments/{one}")).await.message(409);
    let path = format!("{RELATIONS}?paymentId={one}&ticketId={table}");
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.delete(&elsewhere, &path).await.message(403);
    app.delete(&token, &path).await.nothing();
    app.delete(&token, &path).await.message(404);
    for (query, status) in [
        (format!("paymentId={one}"), 400),
        (format!("ticketId={table}"), 400),
        (format!("paymentId=&ticketId={table}"), 400),
        (format!("paymentId=x&ticketId={table}"), 404),
        (format!("paymentId={one}&ticketId={}", uuid::Uuid::now_v7()), 404),
    ] {
        app.delete(&token, &format!("{RELATIONS}?{query}")).await.message(status);
    }
    app.delete(&token, &format!("/payments/{one}")).await.nothing();
    app.post(&token, RELATIONS, &relation(&one, &table)).await.message(400);

    let all = format!("{RELATIONS}/by-ticket/{table}");
    app.delete(&elsewhere, &all).await.message(403);
    app.delete(&token, &all).await.nothing();
    app.delete(&token, &all).await.nothing();
    app.delete(&token, &format!("{RELATIONS}/by-ticket/{}", uuid::Uuid::now_v7())).await.nothing();
    app.get(&token, &all).await.nothing();
    app.delete(&token, &format!("/payments/{two}")).await.nothing();
});

on_both!(relating_and_deleting_at_once_leaves_no_ticket_without_its_payment, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let table = ticket(&app, &token).await;
    for round in 0..6 {
        let id = payment(&app, &token, &format!("till-{round}")).await;
        let (body, path) = (relation(&id, &table), format!("/payments/{id}"));
        let (related, deleted) = tokio::join!(app.post(&token, RELATIONS, &body), app.delete(&token, &path));
        let statuses = (related.status.as_u16(), deleted.status.as_u16());
        assert!([(201, 409), (400, 204)].contains(&statuses), "{} {}", related.text, deleted.text);
    }
});
