//! The payer's pages, as a browser without scripts uses them.

use fixtures::{TestDatabase, on_both};
use gateways::Source;
use payments::sessions::GatewayStatus;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    checkout::{PATH, created, order, shop, shop_with},
    checkout_submit::{APPROVE, gateway_says, id_of, reported, waiting},
};

fn path(payment: &Value) -> String {
    format!("/checkout/{}", payment["id"].as_str().unwrap())
}

async fn page(app: &TestApp, payment: &Value) -> TestResponse {
    let answer = send(app.client.get(path(payment))).await;
    if answer.status == 200 {
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("script-src") && !answer.text.contains("<script"), "no script runs at all");
        assert!(!answer.text.contains("//fonts") && answer.header("content-type").starts_with("text/html"));
    }
    answer
}

fn token_in(page: &TestResponse) -> String {
    let (_, rest) = page.text.split_once(r#"name="token" value=""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

async fn post(app: &TestApp, path: &str, form: String) -> TestResponse {
    let request = app.client.post(path).content_type("application/x-www-form-urlencoded");
    send(request.header("host", "pay.example").header("origin", "https://pay.example").body(form)).await
}

on_both!(the_page_shows_the_purchase_and_what_is_offered, async |database: TestDatabase| {
    let app = shop_with(database, &[Source::Stripe, Source::MvolaComoros]).await;
    let token = app.token().await;
    let mut body = order("order-<1>");
    body["purchase"]["items"][0]["name"] = json!("<script>alert(1)</script>");
    body["context"] = json!({ "locale": "fr-KM" });
    let payment = app.post(&token, PATH, &body).await.expect(201).body["data"].clone();
    let shown = page(&app, &payment).await.expect(200);
    assert_eq!(shown.header("content-language"), "fr");
    for text in [
        "15\u{202f}000\u{a0}KMF",
        "Comment souhaitez-vous payer ?",
        "order-&lt;1&gt;",
        "&lt;script&gt;",
        "MVola Comoros",
    ] {
        assert!(shown.text.contains(text), "{text} is missing in {}", shown.text);
    }
    assert!(!shown.text.contains("PayPal"), "what is not offered is not shown");
    for image in ["str", "mvk"] {
        let image = send(app.client.get(format!("/checkout/assets/{image}.svg"))).await.expect(200);
        assert!(image.header("content-type").starts_with("image/svg+xml"));
    }
    send(app.client.get("/checkout/assets/checkout.css")).await.expect(200);
    send(app.client.get("/checkout/assets/xyz.svg")).await.expect(404);
});

on_both!(unknown_payments_have_a_page_that_says_so, async |database: TestDatabase| {
    let app = shop(database).await;
    for unknown in ["nonsense".to_owned(), uuid::Uuid::now_v7().to_string()] {
        let request = app.client.get(format!("/checkout/{unknown}")).header("accept-language", "es");
        let answer = send(request).await.expect(404);
        assert!(answer.header("content-type").starts_with("text/html"));
        assert!(answer.text.contains("Pago no encontrado"), "{}", answer.text);
    }
});

on_both!(a_payer_chooses_waits_and_comes_back_to_the_shop, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let form = format!("token={}&source=MVK&phone=%2B269+321-0000", token_in(&page(&app, &payment).await));
    let submit = format!("{}/submit", path(&payment));
    let (answer, ()) = tokio::join!(post(&app, &submit, form), gateway_says(&app, id_of(&payment), waiting()));
    assert_eq!(answer.expect(303).header("location"), APPROVE);
    let shown = page(&app, &payment).await.expect(200);
    assert!(shown.text.contains(r#"http-equiv="refresh""#) && shown.text.contains(APPROVE), "{}", shown.text);
    let read = app.get(&token, &format!("{PATH}/{}", payment["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!(read["payer"]["phone"], "+2693210000");
    gateway_says(&app, id_of(&payment), reported(GatewayStatus::Captured, 15_000)).await;
    let back = page(&app, &payment).await.expect(303);
    let id = payment["id"].as_str().unwrap();
    assert_eq!(back.header("location"), format!("https://shop.example/thanks?paymentId={id}"));
});

on_both!(a_payer_cancels_and_comes_back_to_the_shop, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let form = format!("token={}", token_in(&page(&app, &payment).await));
    let cancel = format!("{}/cancel", path(&payment));
    post(&app, &cancel, form.clone()).await.expect(303);
    let back = page(&app, &payment).await.expect(303);
    let id = payment["id"].as_str().unwrap();
    assert_eq!(back.header("location"), format!("https://shop.example/canceled?a=b&paymentId={id}"));
    post(&app, &cancel, form).await.expect(303);
});

on_both!(forms_of_others_move_nothing, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let (payment, other) = (created(&app, &token, "order-1").await, created(&app, &token, "order-2").await);
    let own = token_in(&page(&app, &payment).await);
    let theirs = token_in(&page(&app, &other).await);
    for action in ["submit", "cancel"] {
        let action = format!("{}/{action}", path(&payment));
        post(&app, &action, "source=STR".to_owned()).await.expect(403);
        post(&app, &action, format!("source=STR&token={theirs}")).await.expect(403);
        let request = app.client.post(&action).content_type("application/x-www-form-urlencoded");
        let request = request.header("host", "pay.example").header("origin", "https://evil.example");
        send(request.body(format!("source=STR&token={own}"))).await.expect(403);
        send(app.client.post(&action).body_json(&json!({ "token": own }))).await.expect(400);
    }
    let read = app.get(&token, &format!("{PATH}/{}", payment["id"].as_str().unwrap())).await.expect(200).body;
    assert_eq!(read["status"], "pending");
});

on_both!(what_cannot_be_chosen_is_said_on_the_page, async |database: TestDatabase| {
    let app = shop_with(database, &[Source::Stripe, Source::Holo]).await;
    let token = app.token().await;
    let payment = created(&app, &token, "order-1").await;
    let own = token_in(&page(&app, &payment).await);
    let submit = format!("{}/submit", path(&payment));
    for (form, notice) in [
        ("", "No gateway was chosen"),
        ("&source=PYP", "This gateway is not offered here"),
        ("&source=HOL&phone=321", "Please enter your phone number for this way to pay."),
    ] {
        let answer = post(&app, &submit, format!("token={own}{form}")).await.expect(400);
        assert!(answer.text.contains(notice), "{notice}: {}", answer.text);
    }
});

on_both!(hosted_payments_without_urls_end_on_our_own_pages, async |database: TestDatabase| {
    let app = shop(database).await;
    let token = app.token().await;
    let body = json!({
        "purchase": { "total": { "value": "15000", "currency": "KMF" } }, "context": { "redirectMode": "hosted" },
    });
    let paid = app.post(&token, PATH, &body).await.expect(201).body["data"].clone();
    let form = format!("token={}&source=STR", token_in(&page(&app, &paid).await));
    let submit = format!("{}/submit", path(&paid));
    let (answer, ()) = tokio::join!(post(&app, &submit, form), gateway_says(&app, id_of(&paid), waiting()));
    answer.expect(303);
    gateway_says(&app, id_of(&paid), reported(GatewayStatus::Captured, 15_000)).await;
    assert!(page(&app, &paid).await.expect(200).text.contains("Thank you"));
    let canceled = app.post(&token, PATH, &body).await.expect(201).body["data"].clone();
    let form = format!("token={}", token_in(&page(&app, &canceled).await));
    post(&app, &format!("{}/cancel", path(&canceled)), form).await.expect(303);
    assert!(page(&app, &canceled).await.expect(200).text.contains("Payment canceled"));
});
