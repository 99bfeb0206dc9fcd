//! The contract of bank-transfer receipts: what the back office decides, row by row.

use entities::{PaymentStatus, order};
use fixtures::{TestDatabase, on_both};
use payments::{Permission, orders::OrderStatus};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::json;

use crate::{
    app::{TestApp, send},
    receipts::{PAYMENTS, admin, counts, decide, events, payment_of, place, read, receipt, report, reported},
};

on_both!(confirming_is_final, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    reported(&app, &order).await;
    let confirm = json!({ "orderId": order["id"], "status": "CONFIRMED" });
    assert_eq!(decide(&app, &admin, &confirm).await.expect(200).body, json!({ "success": true }));
    let now = read(&app, &order).await;
    assert_eq!((&now["status"], &now["payments"][0]["status"]), (&json!("CONFIRMED"), &json!("CONFIRMED")));
    assert!(now["payments"][0]["verifiedAt"].is_string());
    let payment = payment_of(&app, &order).await;
    assert_eq!(payment.status, PaymentStatus::Paid);
    assert_eq!(events(&app, &payment).await[4..], ["receipt.confirmed", "payment.paid"]);
    // The same once more changes nothing, the other way is refused, and so is another receipt.
    decide(&app, &admin, &confirm).await.expect(200);
    let before = counts(&app).await;
    let reject = json!({ "orderId": order["id"], "status": "REJECTED" });
    decide(&app, &admin, &reject).await.refusal(409);
    let mut named = reject.clone();
    named["submissionId"] = now["payments"][0]["id"].clone();
    decide(&app, &admin, &named).await.refusal(409);
    assert_eq!(report(&app, &receipt(&order)).await.refusal(409), "The order is paid already");
    assert_eq!((counts(&app).await, read(&app, &order).await), (before, now));
});

on_both!(a_rejected_receipt_may_be_followed_by_another, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    let first = reported(&app, &order).await;
    let reject = json!({ "orderId": order["id"], "status": "REJECTED", "rejectionReason": "no such transfer" });
    decide(&app, &admin, &reject).await.expect(200);
    let now = read(&app, &order).await;
    assert_eq!((&now["status"], &now["payments"][0]["status"]), (&json!("REJECTED"), &json!("REJECTED")));
    assert_eq!(now["payments"][0]["rejectionReason"], "no such transfer");
    assert_eq!(payment_of(&app, &order).await.status, PaymentStatus::Rejected);
    decide(&app, &admin, &reject).await.expect(200);
    let confirm = json!({ "orderId": order["id"], "status": "CONFIRMED" });
    decide(&app, &admin, &confirm).await.refusal(409);
    assert_eq!(read(&app, &order).await, now, "nothing has changed");

    let second = reported(&app, &order).await;
    assert_eq!(read(&app, &order).await["status"], "REPORTED");
    let of_first = json!({ "orderId": order["id"], "submissionId": first, "status": "CONFIRMED" });
    decide(&app, &admin, &of_first).await.refusal(409);
    decide(&app, &admin, &confirm).await.expect(200);
    let now = read(&app, &order).await;
    assert_eq!(now["status"], "CONFIRMED");
    assert_eq!(
        (&now["payments"][0]["status"], &now["payments"][1]["status"]),
        (&json!("REJECTED"), &json!("CONFIRMED"))
    );
    assert_eq!(now["payments"][1]["id"], json!(second));
    let payment = payment_of(&app, &order).await;
    let moves: Vec<String> =
        events(&app, &payment).await.into_iter().filter(|event| event.starts_with("payment.")).collect();
    let wanted =
        ["created", "open", "submitted", "rejected", "submitted", "paid"].map(|word| format!("payment.{word}"));
    assert_eq!(moves, wanted);
});

on_both!(of_several_receipts_one_may_be_named, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    let (first, second) = (reported(&app, &order).await, reported(&app, &order).await);
    let verdict = |id: &str, status| json!({ "orderId": order["id"], "submissionId": id, "status": status });
    decide(&app, &admin, &verdict(&first, "REJECTED")).await.expect(200);
    let now = read(&app, &order).await;
    assert_eq!(now["status"], "REJECTED");
    assert_eq!(
        (&now["payments"][0]["status"], &now["payments"][1]["status"]),
        (&json!("REJECTED"), &json!("REPORTED"))
    );
    decide(&app, &admin, &verdict(&second, "CONFIRMED")).await.expect(200);
    decide(&app, &admin, &verdict(&second, "CONFIRMED")).await.expect(200);
    let now = read(&app, &order).await;
    assert_eq!((&now["status"], &now["payments"][1]["status"]), (&json!("CONFIRMED"), &json!("CONFIRMED")));
    assert_eq!(payment_of(&app, &order).await.status, PaymentStatus::Paid);
});

on_both!(without_a_name_all_that_are_not_decided_are, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    reported(&app, &order).await;
    reported(&app, &order).await;
    decide(&app, &admin, &json!({ "orderId": order["id"], "status": "CONFIRMED" })).await.expect(200);
    let now = read(&app, &order).await;
    assert!(now["payments"].as_array().unwrap().iter().all(|receipt| receipt["status"] == "CONFIRMED"));
    let payment = payment_of(&app, &order).await;
    let told = events(&app, &payment).await;
    assert_eq!(told.iter().filter(|event| *event == "receipt.confirmed").count(), 2);
    assert_eq!(told.iter().filter(|event| *event == "payment.paid").count(), 1);
});

on_both!(a_verdict_asks_who_then_what_then_where, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    let id = reported(&app, &order).await;
    let before = (counts(&app).await, read(&app, &order).await);
    let confirm = json!({ "orderId": order["id"], "status": "CONFIRMED" });
    send(app.client.put(PAYMENTS).content_type("application/json").body("{")).await.refusal(401);
    decide(&app, "nonsense", &confirm).await.refusal(401);
    let weak = app.token_on(app.merchant.node_id, Permission::DEFAULT).await;
    decide(&app, &weak, &json!({})).await.refusal(403);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    decide(&app, &elsewhere, &confirm).await.refusal(403);
    for wrong in [
        json!({ "status": "CONFIRMED" }),
        json!({ "orderId": "", "status": "CONFIRMED" }),
        json!({ "orderId": order["id"] }),
        json!({ "orderId": order["id"], "status": "PENDING" }),
        json!({ "orderId": uuid::Uuid::now_v7(), "status": "confirmed" }),
    ] {
        decide(&app, &admin, &wrong).await.refusal(400);
    }
    let mut unknown = confirm.clone();
    unknown["orderId"] = json!(uuid::Uuid::now_v7());
    assert_eq!(decide(&app, &admin, &unknown).await.refusal(404), "Order not found");
    let other = place(&app).await;
    let theirs = reported(&app, &other).await;
    for submission in [theirs, uuid::Uuid::now_v7().to_string(), "nonsense".to_owned()] {
        let verdict = json!({ "orderId": order["id"], "submissionId": submission, "status": "REJECTED" });
        assert_eq!(decide(&app, &admin, &verdict).await.refusal(404), "Submission not found");
    }
    assert_eq!(read(&app, &order).await, before.1, "nothing changes");
    assert_eq!(read(&app, &order).await["payments"][0]["id"], json!(id));
    let bare = place(&app).await;
    let early = json!({ "orderId": bare["id"], "status": "CONFIRMED" });
    assert_eq!(decide(&app, &admin, &early).await.refusal(409), "No receipt was reported for this order");
});

on_both!(of_two_verdicts_at_once_one_decides, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let admin = admin(&app).await;
    for _ in 0..5 {
        let order = place(&app).await;
        reported(&app, &order).await;
        let verdict = |status| json!({ "orderId": order["id"], "status": status });
        let (confirm, reject) = (verdict("CONFIRMED"), verdict("REJECTED"));
        let (yes, no) = tokio::join!(decide(&app, &admin, &confirm), decide(&app, &admin, &reject));
        let mut statuses = [yes.status.as_u16(), no.status.as_u16()];
        let word = if statuses[0] == 200 { "CONFIRMED" } else { "REJECTED" };
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", yes.text, no.text);
        let now = read(&app, &order).await;
        assert_eq!((&now["status"], &now["payments"][0]["status"]), (&json!(word), &json!(word)));
    }
});

on_both!(money_that_is_found_for_a_canceled_payment_is_reviewed, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (token, admin) = (app.token().await, admin(&app).await);
    let order = place(&app).await;
    reported(&app, &order).await;
    let payment = payment_of(&app, &order).await;
    app.post(&token, &format!("/api/v1/payments/{}/cancel", payment.id), &json!({})).await.expect(202);
    report(&app, &receipt(&order)).await.refusal(409);
    decide(&app, &admin, &json!({ "orderId": order["id"], "status": "REJECTED" })).await.refusal(409);
    decide(&app, &admin, &json!({ "orderId": order["id"], "status": "CONFIRMED" })).await.expect(200);
    assert_eq!(payment_of(&app, &order).await.status, PaymentStatus::NeedsReview);
    assert_eq!(read(&app, &order).await["status"], OrderStatus::UnderReview.word());
});

on_both!(how_an_order_is_fulfilled_is_for_others_to_say, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    reported(&app, &order).await;
    let confirm = json!({ "orderId": order["id"], "status": "CONFIRMED" });
    decide(&app, &admin, &confirm).await.expect(200);
    let id = entities::OrderId(order["id"].as_str().unwrap().parse().unwrap());
    order::Entity::update_many()
        .col_expr(order::Column::Status, Expr::value("SHIPPED"))
        .filter(order::Column::Id.eq(id))
        .exec(&*app.database.db)
        .await
        .unwrap();
    decide(&app, &admin, &confirm).await.expect(200);
    assert_eq!(read(&app, &order).await["status"], "SHIPPED");
    report(&app, &receipt(&order)).await.refusal(409);
});
