//! The contract of bank-transfer receipts: what the back office decides, row by row.

use entities::{PaymentStatus, order};
use fixtures::{TestDatabase, on_both};
use payments::{Permission, orders::OrderStatus};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::{Value, json};

use crate::{
    app::{TestApp, send},
    receipts::{PAYMENTS, admin, counts, decide, events, payment_of, place, read, receipt, report, reported},
};

/// Another system writes how the order is fulfilled.
async fn fulfil(app: &TestApp, order: &Value, word: &str) {
    let id = entities::OrderId(order["id"].as_str().unwrap().parse().unwrap());
    order::Entity::update_many()
        .col_expr(order::Column::Status, Expr::value(word))
        .filter(order::Column::Id.eq(id))
        .exec(&*app.database.db)
        .await
        .unwrap();
}

/// Reports a receipt with this number of a bank.
async fn referring(app: &TestApp, order: &Value, reference: &str) -> String {
    let mut body = receipt(order);
    body["reference"] = json!(reference);
    report(app, &body).await.expect(200).body["submissionId"].as_str().unwrap().to_owned()
}

on_both!(confirming_pays_the_order_and_saying_it_again_changes_nothing, async |database: TestDatabase| {
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
    let before = counts(&app).await;
    for id in [Value::Null, json!(""), now["payments"][0]["id"].clone()] {
        let mut again = confirm.clone();
        again["submissionId"] = id;
        decide(&app, &admin, &again).await.expect(200);
    }
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
    assert_eq!(read(&app, &order).await, now, "nothing has changed");

    let second = reported(&app, &order).await;
    assert_ne!(second, first, "what was decided on is not the same report");
    assert_eq!(read(&app, &order).await["status"], "REPORTED");
    let of_second = json!({ "orderId": order["id"], "submissionId": second, "status": "CONFIRMED" });
    decide(&app, &admin, &of_second).await.expect(200);
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
    let (first, second) = (referring(&app, &order, "1").await, referring(&app, &order, "2").await);
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

on_both!(without_a_name_all_receipts_of_the_order_are_decided, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    let statuses = async || {
        let now = read(&app, &order).await;
        let receipts = now["payments"].as_array().unwrap().iter();
        let receipts: Vec<String> = receipts.map(|receipt| receipt["status"].as_str().unwrap().to_owned()).collect();
        (now["status"].as_str().unwrap().to_owned(), receipts)
    };
    let all = |word: &str| (word.to_owned(), vec![word.to_owned(); 3]);
    let first = referring(&app, &order, "1").await;
    let of_first = json!({ "orderId": order["id"], "submissionId": first, "status": "REJECTED" });
    decide(&app, &admin, &of_first).await.expect(200);
    referring(&app, &order, "2").await;
    referring(&app, &order, "3").await;
    for (word, id) in [("CONFIRMED", Value::Null), ("REJECTED", json!("")), ("CONFIRMED", Value::Null)] {
        let verdict = json!({ "orderId": order["id"], "submissionId": id, "status": word });
        decide(&app, &admin, &verdict).await.expect(200);
        assert_eq!(statuses().await, all(word), "one that was decided before is decided anew");
    }
    let payment = payment_of(&app, &order).await;
    let announced = events(&app, &payment).await;
    let count = |wanted: &str| announced.iter().filter(|event| *event == wanted).count();
    assert_eq!((count("receipt.confirmed"), count("receipt.rejected")), (6, 4), "both stand in the log");
    assert_eq!((count("payment.paid"), count("payment.rejected"), count("payment.reverted")), (2, 2, 1));
});

on_both!(a_wrong_verdict_is_corrected_both_ways, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    let id = reported(&app, &order).await;
    let verdict = |status: &str| json!({ "orderId": order["id"], "submissionId": id, "status": status });
    let mut reject = verdict("REJECTED");
    reject["rejectionReason"] = json!("no such transfer");
    for (verdict, status) in [
        (&reject, PaymentStatus::Rejected),
        (&verdict("CONFIRMED"), PaymentStatus::Paid),
        (&reject, PaymentStatus::Rejected),
    ] {
        decide(&app, &admin, verdict).await.expect(200);
        let now = read(&app, &order).await;
        assert_eq!((&now["status"], &now["payments"][0]["status"]), (&verdict["status"], &verdict["status"]));
        let paid = status == PaymentStatus::Paid;
        assert_eq!(now["payments"][0]["verifiedAt"].is_string(), paid);
        assert_eq!(now["payments"][0]["rejectionReason"].is_string(), !paid);
        assert_eq!(payment_of(&app, &order).await.status, status);
    }
    let announced = events(&app, &payment_of(&app, &order).await).await;
    let corrections = [
        "receipt.confirmed",
        "payment.submitted",
        "payment.paid",
        "receipt.rejected",
        "payment.reverted",
        "payment.rejected",
    ];
    assert_eq!(announced[6..], corrections);
    reported(&app, &order).await;
    assert_eq!(read(&app, &order).await["status"], "REPORTED", "the customer may pay once more");
});

on_both!(a_confirmation_stands_once_something_was_done_on_it, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (token, admin) = (app.token().await, admin(&app).await);
    for released in [true, false] {
        let order = place(&app).await;
        let id = reported(&app, &order).await;
        let verdict = |status: &str| json!({ "orderId": order["id"], "status": status });
        decide(&app, &admin, &verdict("CONFIRMED")).await.expect(200);
        if released {
            let payment = payment_of(&app, &order).await.id;
            app.post(&token, &format!("/api/v1/payments/{payment}/release"), &json!({})).await.expect(202);
        } else {
            fulfil(&app, &order, "SHIPPED").await;
        }
        let before = (counts(&app).await, read(&app, &order).await);
        let mut named = verdict("REJECTED");
        named["submissionId"] = json!(id);
        for reject in [named, verdict("REJECTED")] {
            let sentence = decide(&app, &admin, &reject).await.refusal(409);
            assert!(sentence.ends_with("so that its confirmation stands"), "{sentence}");
        }
        assert_eq!((counts(&app).await, read(&app, &order).await), before, "nothing changes");
    }
});

on_both!(a_receipt_left_over_on_a_confirmed_order_is_put_aside, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let (order, admin) = (place(&app).await, admin(&app).await);
    let ids =
        [referring(&app, &order, "1").await, referring(&app, &order, "2").await, referring(&app, &order, "3").await];
    let verdict = |id: &str, status: &str| json!({ "orderId": order["id"], "submissionId": id, "status": status });
    for id in &ids[..2] {
        decide(&app, &admin, &verdict(id, "CONFIRMED")).await.expect(200);
    }
    fulfil(&app, &order, "SHIPPED").await;
    let before = payment_of(&app, &order).await;
    for (id, reason) in [(&ids[2], "never decided"), (&ids[1], "confirmed by mistake, and the first one stands")] {
        decide(&app, &admin, &verdict(id, "REJECTED")).await.expect(200);
        assert_eq!(read(&app, &order).await["status"], "SHIPPED", "{reason}");
        assert_eq!(payment_of(&app, &order).await.status, before.status, "{reason}");
    }
    decide(&app, &admin, &verdict(&ids[0], "REJECTED")).await.refusal(409);
});

on_both!(a_verdict_checks_who_then_what_then_where, async |database: TestDatabase| {
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

on_both!(of_two_verdicts_at_once_the_later_one_stands, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let admin = admin(&app).await;
    for _ in 0..5 {
        let order = place(&app).await;
        reported(&app, &order).await;
        let verdict = |status| json!({ "orderId": order["id"], "status": status });
        let (confirm, reject) = (verdict("CONFIRMED"), verdict("REJECTED"));
        let (yes, no) = tokio::join!(decide(&app, &admin, &confirm), decide(&app, &admin, &reject));
        yes.expect(200);
        no.expect(200);
        let payment = payment_of(&app, &order).await;
        let announced = events(&app, &payment).await;
        let last = announced.iter().rev().find(|event| event.starts_with("receipt.")).unwrap();
        let (word, status) = match last.as_str() {
            "receipt.confirmed" => ("CONFIRMED", PaymentStatus::Paid),
            _ => ("REJECTED", PaymentStatus::Rejected),
        };
        let now = read(&app, &order).await;
        assert_eq!((&now["status"], &now["payments"][0]["status"]), (&json!(word), &json!(word)));
        assert_eq!(payment.status, status);
        assert!(
            announced.contains(&"receipt.confirmed".to_owned()) && announced.contains(&"receipt.rejected".to_owned())
        );
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
    fulfil(&app, &order, "SHIPPED").await;
    decide(&app, &admin, &confirm).await.expect(200);
    assert_eq!(read(&app, &order).await["status"], "SHIPPED");
    report(&app, &receipt(&order)).await.refusal(409);
});
