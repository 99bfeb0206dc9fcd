//! Choosing a gateway, coming back from it, and what the gateway's answers do.

use std::time::Duration;

use chrono::TimeDelta;
use entities::{GatewaySessionStatus, PaymentId, gateway_session};
use fixtures::{TestDatabase, on_both};
use futures_util::future::join_all;
use gateways::Source;
use payments::{
    Actor, ledger,
    sessions::{self, GatewayReport, GatewayStatus},
};
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    checkout::{PATH, created, order, shop, shop_with},
};

pub(crate) fn id_of(payment: &Value) -> PaymentId {
    payment["id"].as_str().unwrap().parse().unwrap()
}

/// Where the gateway's page is.
pub(crate) const APPROVE: &str = "https://gateway.example/pay/1";

pub(crate) fn waiting() -> GatewayReport {
    let gateway_id = Some("g-1".to_owned());
    GatewayReport {
        gateway_id,
        approve_url: Some(APPROVE.to_owned()),
        ..GatewayReport::without_money(GatewayStatus::Waiting)
    }
}

pub(crate) fn reported(status: GatewayStatus, captured: i64) -> GatewayReport {
    GatewayReport { status, captured: Decimal::from(captured), ..waiting() }
}

/// What a worker writes down after the gateway has answered, as soon as there is something to answer.
pub(crate) async fn gateway_says(app: &TestApp, id: PaymentId, report: GatewayReport) {
    let db = &app.database.db;
    let session = loop {
        match sessions::newest(&**db, id).await.unwrap() {
            Some(session) => break session,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    sessions::claim(db, session.id, TimeDelta::seconds(5), |_| true).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    ledger::settle(&mut tx, session.id, report, Actor::worker("test")).await.unwrap();
    tx.commit().await.unwrap();
}

/// Submits while the gateway answers.
pub(crate) async fn submit(
    app: &TestApp,
    token: &str,
    payment: &Value,
    source: &str,
    report: GatewayReport,
) -> TestResponse {
    let path = format!("{PATH}/{}/submit", payment["id"].as_str().unwrap());
    let body = json!({ "source": source });
    let (answer, ()) = tokio::join!(app.post(token, &path, &body), gateway_says(app, id_of(payment), report));
    answer
}

async fn read(app: &TestApp, token: &str, payment: &Value) -> Value {
    app.get(token, &format!("{PATH}/{}", payment["id"].as_str().unwrap())).await.expect(200).body
}

on_both!(submit_200_and_the_way_to_completed, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let answer = submit(&app, &token, &payment, "STR", waiting()).await.expect(200).body;
    let data = &answer["data"];
    assert_eq!((&answer["next"], &data["billing"]["approveUrl"]), (&json!(APPROVE), &json!(APPROVE)));
    assert_eq!((&data["status"], &data["captured"]), (&json!("submitted"), &json!(false)));
    assert_eq!((&data["plan"]["source"], &data["billing"]["providerId"]), (&json!("STR"), &json!("g-1")));
    assert_eq!(data["billing"]["intent"]["status"], "ready");
    assert!(data["submittedAt"].is_string() && data.get("approvedAt").is_none());
    gateway_says(&app, id_of(&payment), reported(GatewayStatus::Approved, 0)).await;
    let approved = read(&app, &token, &payment).await;
    assert_eq!(approved["status"], "approved");
    assert!(approved["approvedAt"].is_string());
    let cancel = format!("{PATH}/{}/cancel", payment["id"].as_str().unwrap());
    app.post(&token, &cancel, &json!({})).await.problem(400, "conflict");
    gateway_says(&app, id_of(&payment), reported(GatewayStatus::Captured, 15_000)).await;
    let done = read(&app, &token, &payment).await;
    assert_eq!((&done["status"], &done["captured"]), (&json!("completed"), &json!(true)));
    assert!(done["capturedAt"].is_string() && done["completedAt"].is_string());
    assert_eq!(done["billing"]["proof"], "g-1");
    app.post(&token, &cancel, &json!({})).await.problem(400, "conflict");
    let again = app.post(&token, &cancel.replace("cancel", "submit"), &json!({ "source": "STR" })).await;
    assert_eq!(again.problem(400, "conflict")["detail"], "The payment is completed and cannot be submitted");
});

on_both!(submit_uses_the_plan_and_cancel_after_it_goes_through_the_gateway, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let mut body = order("order-1");
    body["plan"] = json!({ "source": "MVK" });
    let payment = app.post(&token, PATH, &body).await.expect(201).body["data"].clone();
    let path = format!("{PATH}/{}/submit", payment["id"].as_str().unwrap());
    let nothing = json!({});
    let (answer, ()) = tokio::join!(app.post(&token, &path, &nothing), gateway_says(&app, id_of(&payment), waiting()));
    assert_eq!(answer.expect(200).body["data"]["plan"]["source"], "MVK");
    let canceled = app.post(&token, &path.replace("submit", "cancel"), &json!({})).await.expect(200).body;
    assert_eq!(canceled["data"]["status"], "canceled");
    let at = canceled["data"]["canceledAt"].clone();
    gateway_says(&app, id_of(&payment), reported(GatewayStatus::Closed, 0)).await;
    let closed = read(&app, &token, &payment).await;
    assert_eq!((&closed["status"], &closed["canceledAt"]), (&json!("canceled"), &at));
});

on_both!(submit_400, async |database: TestDatabase| {
    let app = shop_with(database, &[Source::Stripe]).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let path = format!("{PATH}/{}/submit", payment["id"].as_str().unwrap());
    let nothing = app.post(&token, &path, &json!({})).await.problem(400, "validation_failed");
    assert_eq!(nothing["detail"], "No gateway was chosen");
    let other = app.post(&token, &path, &json!({ "source": "PYP" })).await.problem(400, "validation_failed");
    assert_eq!(other["detail"], "This gateway is not offered here");
    app.post(&token, &path, &json!({ "source": "XYZ" })).await.problem(400, "validation_failed");
    app.post(&token, &format!("{PATH}/nonsense/submit"), &json!({ "source": "STR" })).await.problem(404, "not_found");
    assert_eq!(gateway_session::Entity::find().count(&*app.database.db).await.unwrap(), 0);
    let declined =
        GatewayStatus::Failed { code: "card_declined".to_owned(), message: "The card was declined".to_owned() };
    let answer = submit(&app, &token, &payment, "STR", reported(declined, 0)).await;
    assert_eq!(answer.problem(400, "conflict")["detail"], "The gateway has declined: The card was declined");
    let failed = read(&app, &token, &payment).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["billing"]["intent"]["failureCode"], "card_declined");
    assert!(failed["failedAt"].is_string());
    app.post(&token, &path, &json!({ "source": "STR" })).await.problem(400, "conflict");
});

on_both!(a_payer_who_turns_away_may_choose_again, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    submit(&app, &token, &payment, "STR", waiting()).await.expect(200);
    gateway_says(&app, id_of(&payment), reported(GatewayStatus::Closed, 0)).await;
    assert_eq!(read(&app, &token, &payment).await["status"], "pending");
});

on_both!(one_of_many_submits_opens_one_payment_at_the_gateway, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let path = format!("{PATH}/{}/submit", payment["id"].as_str().unwrap());
    let body = json!({ "source": "STR" });
    let submits = join_all((0..100).map(|_| app.post(&token, &path, &body)));
    let (answers, ()) = tokio::join!(submits, gateway_says(&app, id_of(&payment), waiting()));
    let of = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
    assert_eq!((of(200), of(400)), (1, 99));
    assert_eq!(gateway_session::Entity::find().count(&*app.database.db).await.unwrap(), 1);
});

on_both!(a_gateway_that_does_not_answer_leaves_the_payer_on_our_page, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let path = format!("{PATH}/{}/submit", payment["id"].as_str().unwrap());
    let started = std::time::Instant::now();
    let answer = app.post(&token, &path, &json!({ "source": "HOL" })).await.expect(200).body;
    assert!((10..20).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert_eq!(answer["next"], payment["billing"]["submitUrl"]);
    assert_eq!(answer["data"]["status"], "submitted");
});

on_both!(returns_302_and_403_and_believe_nothing, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    submit(&app, &token, &payment, "STR", waiting()).await.expect(200);
    let page = payment["billing"]["submitUrl"].as_str().unwrap();
    for url in ["captureUrl", "declineUrl"] {
        let url = payment["billing"][url].as_str().unwrap().replace("http://127.0.0.1:9154", "");
        let answer = send(app.client.get(&url)).await.expect(302);
        assert_eq!(answer.header("location"), page);
        let (path, signature) = url.split_once("?sig=").unwrap();
        let other = if path.ends_with("capture") {
            path.replace("capture", "decline")
        } else {
            path.replace("decline", "capture")
        };
        let first = if signature.starts_with('0') { '1' } else { '0' };
        for forged in [
            path.to_owned(),
            format!("{path}?sig="),
            format!("{path}?sig={first}{}", &signature[1..]),
            format!("{other}?sig={signature}"),
        ] {
            send(app.client.get(&forged)).await.problem(403, "foreign_origin");
        }
    }
    assert_eq!(read(&app, &token, &payment).await["status"], "submitted", "only the gateway moves it");
    let session = sessions::newest(&*app.database.db, id_of(&payment)).await.unwrap().unwrap();
    assert_eq!(session.status, GatewaySessionStatus::Ready);
});
