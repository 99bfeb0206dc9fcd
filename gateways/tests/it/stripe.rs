//! Payments at Stripe while nothing goes wrong.

use std::sync::Once;

use chrono::{TimeDelta, Utc};
use gateways::{
    Config, Gateway, Gateways, Handle, Money, OnBehalf, Order, Payer, Payment, Returns, Source, State, Stripe,
    StripeConfig,
};
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fake_stripe::FakeStripe;

pub(crate) const WEBHOOK_SECRET: &str = "whsec_test";

/// Settings for a Stripe that is here.
pub(crate) fn config(base_url: &str) -> StripeConfig {
    static TLS: Once = Once::new();
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    StripeConfig {
        secret_key: "sk_test_fake".into(),
        webhook_secret: WEBHOOK_SECRET.into(),
        base_url: base_url.to_owned(),
        nodes: Vec::new(),
        timeout_ms: 20_000,
        seller_return_url: None,
    }
}

/// A Stripe that is here, and the adapter that speaks with it.
pub(crate) async fn pair() -> (FakeStripe, Stripe) {
    let fake = FakeStripe::start().await;
    let stripe = Stripe::new(&config(&format!("http://{}", fake.address))).unwrap();
    (fake, stripe)
}

/// One that waits for a second.
pub(crate) fn impatient(base_url: &str) -> Stripe {
    Stripe::new(&StripeConfig { timeout_ms: 1_000, ..config(base_url) }).unwrap()
}

pub(crate) fn euros(value: &str) -> Money {
    Money { value: value.parse().unwrap(), currency: "EUR".to_owned(), decimals: 2 }
}

pub(crate) fn decimal(value: &str) -> Decimal {
    value.parse().unwrap()
}

pub(crate) fn order(amount: Money) -> Order {
    Order {
        reference: Uuid::new_v4(),
        amount,
        description: "Corner shop, order 12".to_owned(),
        payer: Payer { email: Some("payer@example.com".to_owned()), ..Payer::default() },
        returns: Some(Returns {
            success: "https://shop.example/ok".parse().unwrap(),
            cancel: "https://shop.example/no".parse().unwrap(),
        }),
        callback_url: None,
        locale: Some("fr-KM".to_owned()),
        on_behalf: None,
    }
}

pub(crate) fn order_for_seller(amount: Money, fee: &str) -> Order {
    let on_behalf = OnBehalf { account: "acct_1".to_owned(), fee: decimal(fee) };
    Order { on_behalf: Some(on_behalf), returns: None, ..order(amount) }
}

/// How the order is found when all that is known is that it was asked for.
pub(crate) fn handle(order: &Order) -> Handle {
    Handle {
        reference: order.reference,
        gateway_id: None,
        amount: order.amount.clone(),
        asked_at: Utc::now(),
        account: order.on_behalf.as_ref().map(|on_behalf| on_behalf.account.clone()),
    }
}

pub(crate) fn known(order: &Order, payment: &Payment) -> Handle {
    Handle { gateway_id: Some(payment.gateway_id.clone()), ..handle(order) }
}

/// What the payment has come to: its state, what was captured, given back and taken back.
pub(crate) fn sums(payment: &Payment) -> (State, String, String, String) {
    let text = |amount: Decimal| amount.normalize().to_string();
    (payment.state.clone(), text(payment.captured), text(payment.refunded), text(payment.reversed))
}

#[tokio::test]
async fn settings_of_stripe_make_a_gateway_for_its_nodes_and_a_processor() {
    let (ours, theirs) = (Uuid::new_v4(), Uuid::new_v4());
    let none = Gateways::new(&Config::default()).unwrap();
    assert!(none.get(Source::Stripe).is_none() && none.processor().is_none());
    let stripe = StripeConfig { nodes: vec![ours], ..config("https://api.stripe.com") };
    let gateways = Gateways::new(&Config { stripe: Some(stripe), ..Config::default() }).unwrap();
    assert!(gateways.get(Source::Stripe).is_some() && gateways.processor().is_some());
    assert_eq!(gateways.offered(&[theirs, ours]), [Source::Stripe]);
    assert!(gateways.offered(&[theirs]).is_empty());
}

#[tokio::test]
async fn a_shops_payment_opens_a_session_that_names_us_everywhere() {
    let (fake, stripe) = pair().await;
    let order = order(euros("12.34"));
    let payment = stripe.open(&order).await.unwrap();
    assert!(payment.gateway_id.starts_with("cs_"));
    assert_eq!(payment.state, State::Waiting);
    assert!(payment.approve_url.unwrap().as_str().starts_with("https://checkout.stripe.test/"));
    assert!(payment.client_secret.is_none());

    let (call, ours) = (fake.call("POST /v1/checkout/sessions"), order.reference.to_string());
    for (name, value) in [
        ("mode", "payment"),
        ("line_items[0][price_data][unit_amount]", "1234"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][product_data][name]", "Corner shop, order 12"),
        ("line_items[0][quantity]", "1"),
        ("client_reference_id", &ours),
        ("metadata[reference]", &ours),
        ("payment_intent_data[metadata][reference]", &ours),
        ("success_url", "https://shop.example/ok"),
        ("cancel_url", "https://shop.example/no"),
        ("locale", "fr"),
        ("customer_email", "payer@example.com"),
    ] {
        assert_eq!(call.field(name), Some(value), "{name}");
    }
    assert_eq!(call.header("idempotency-key"), Some(ours.as_str()));
    assert_eq!(call.header("stripe-version"), Some(stripe_shared::version::VERSION.as_str()));
    assert_eq!(call.header("stripe-account"), None);
}

#[tokio::test]
async fn a_sellers_payment_opens_an_intent_with_the_fee() {
    let (fake, stripe) = pair().await;
    let order = order_for_seller(euros("50"), "0.75");
    let payment = stripe.open(&order).await.unwrap();
    assert!(payment.gateway_id.starts_with("pi_"));
    assert_eq!(payment.state, State::Waiting);
    assert!(payment.client_secret.unwrap().expose_secret().contains("_secret_"));

    let (call, ours) = (fake.call("POST /v1/payment_intents"), order.reference.to_string());
    for (name, value) in [
        ("amount", "5000"),
        ("currency", "eur"),
        ("application_fee_amount", "75"),
        ("transfer_data[destination]", "acct_1"),
        ("automatic_payment_methods[enabled]", "true"),
        ("metadata[reference]", &ours),
    ] {
        assert_eq!(call.field(name), Some(value), "{name}");
    }
    assert_eq!(call.header("idempotency-key"), Some(ours.as_str()));

    stripe.open(&order_for_seller(euros("50"), "0")).await.unwrap();
    assert_eq!(fake.last_call().field("application_fee_amount"), None);
}

#[tokio::test]
async fn currencies_without_a_fraction_are_not_multiplied() {
    let (fake, stripe) = pair().await;
    let francs = Money { value: decimal("2500"), currency: "KMF".to_owned(), decimals: 0 };
    let order = order(francs);
    let opened = stripe.open(&order).await.unwrap();
    assert_eq!(fake.last_call().field("line_items[0][price_data][unit_amount]"), Some("2500"));
    fake.books().ledger.pay(&opened.gateway_id);
    let paid = stripe.look_up(&handle(&order)).await.unwrap().unwrap();
    assert_eq!(sums(&paid), (State::Captured, "2500".to_owned(), "0".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn a_session_is_reported_from_opening_to_payment() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    let opened = stripe.open(&order).await.unwrap();
    let handle = known(&order, &opened);
    let look = async || sums(&stripe.look_up(&handle).await.unwrap().unwrap());
    let nothing = |state| (state, "0".to_owned(), "0".to_owned(), "0".to_owned());

    // The page lets the payer try another card.
    fake.books().ledger.attempt(&opened.gateway_id, "requires_payment_method");
    assert_eq!(look().await, nothing(State::Waiting));
    fake.books().ledger.attempt(&opened.gateway_id, "processing");
    assert_eq!(look().await, nothing(State::Approved));
    fake.books().ledger.pay(&opened.gateway_id);
    assert_eq!(look().await, (State::Captured, "10".to_owned(), "0".to_owned(), "0".to_owned()));
    // Without the id it is the same one, and to capture is to look.
    let unknown = Handle { gateway_id: None, ..handle.clone() };
    assert_eq!(stripe.look_up(&unknown).await.unwrap().unwrap().gateway_id, opened.gateway_id);
    assert_eq!(stripe.capture(&handle).await.unwrap().captured, decimal("10"));
}

#[tokio::test]
async fn every_status_of_stripes_has_one_meaning() {
    let (fake, stripe) = pair().await;
    let failed = State::Failed { code: "card_declined".to_owned(), message: "Your card was declined.".to_owned() };
    for (session, paid, intent, state) in [
        ("open", "unpaid", None, Some(State::Waiting)),
        ("open", "unpaid", Some("requires_action"), Some(State::Waiting)),
        ("open", "unpaid", Some("processing"), Some(State::Approved)),
        ("complete", "unpaid", Some("processing"), Some(State::Approved)),
        // The payer has a voucher and pays it at a counter.
        ("complete", "unpaid", Some("requires_action"), Some(State::Approved)),
        // The bank has said no later, and the page is shut.
        ("complete", "unpaid", Some("requires_payment_method"), Some(failed)),
        ("complete", "unpaid", Some("canceled"), Some(State::Closed)),
        ("complete", "paid", Some("succeeded"), Some(State::Captured)),
        ("complete", "no_payment_required", None, Some(State::Captured)),
        ("expired", "unpaid", None, Some(State::Closed)),
        ("expired", "unpaid", Some("canceled"), Some(State::Closed)),
        ("tomorrows_word", "unpaid", None, None),
    ] {
        let order = order(euros("10"));
        let opened = stripe.open(&order).await.unwrap();
        {
            let ledger = &mut fake.books().ledger;
            if let Some(status) = intent {
                ledger.attempt(&opened.gateway_id, status);
            }
            ledger.set(&opened.gateway_id, "status", session);
            ledger.set(&opened.gateway_id, "payment_status", paid);
        }
        let seen = stripe.look_up(&known(&order, &opened)).await.ok().map(|payment| payment.unwrap().state);
        assert_eq!(seen, state, "{session}, {paid}, {intent:?}");
    }
    for (intent, state) in [
        ("requires_payment_method", Some(State::Waiting)),
        ("requires_confirmation", Some(State::Waiting)),
        ("requires_action", Some(State::Waiting)),
        ("processing", Some(State::Approved)),
        ("succeeded", Some(State::Captured)),
        ("canceled", Some(State::Closed)),
        ("tomorrows_word", None),
    ] {
        let order = order_for_seller(euros("10"), "1");
        let opened = stripe.open(&order).await.unwrap();
        fake.books().ledger.attempt(&opened.gateway_id, intent);
        let seen = stripe.look_up(&known(&order, &opened)).await.ok().map(|payment| payment.unwrap().state);
        assert_eq!(seen, state, "{intent}");
    }
}

#[tokio::test]
async fn what_went_back_and_what_was_taken_back_is_distinguished() {
    let (fake, stripe) = pair().await;
    let order = order_for_seller(euros("100"), "1");
    let opened = stripe.open(&order).await.unwrap();
    let (_, charge) = fake.books().ledger.pay(&opened.gateway_id);
    fake.books().ledger.set(&charge, "amount_refunded", 2_500);
    let mut reversed = Vec::new();
    for (amount, status) in [
        (1_000, "won"),
        (2_000, "warning_closed"),
        // An inquiry moves no money.
        (3_000, "warning_needs_response"),
        (4_000, "prevented"),
        (100, "needs_response"),
        (200, "under_review"),
        (300, "lost"),
    ] {
        fake.books().ledger.dispute(&charge, amount, status);
        reversed.push(sums(&stripe.look_up(&known(&order, &opened)).await.unwrap().unwrap()).3);
    }
    assert_eq!(reversed, ["0", "0", "0", "0", "1", "3", "6"]);
    let seen = sums(&stripe.look_up(&known(&order, &opened)).await.unwrap().unwrap());
    assert_eq!(seen, (State::Captured, "100".to_owned(), "25".to_owned(), "6".to_owned()));
    // Disputes come in pages, too.
    fake.books().ledger.page_max = 2;
    assert_eq!(sums(&stripe.look_up(&known(&order, &opened)).await.unwrap().unwrap()).3, "6");
}

#[tokio::test]
async fn a_payment_without_an_id_is_searched_page_by_page() {
    let (fake, stripe) = pair().await;
    let wanted = order(euros("10"));
    let asked_at = Utc::now();
    stripe.open(&wanted).await.unwrap();
    for _ in 0..6 {
        stripe.open(&order(euros("10"))).await.unwrap();
    }
    fake.books().ledger.page_max = 2;
    let before = fake.books().calls.len();
    let handle = Handle { asked_at, ..handle(&wanted) };
    let found = stripe.look_up(&handle).await.unwrap().unwrap();
    assert_eq!(found.gateway_id, "cs_test_000001");
    // Four pages, and the one that is found.
    assert_eq!(fake.books().calls.len() - before, 5);
    let asked: i64 = fake.call("GET /v1/checkout/sessions").field("created[gte]").unwrap().parse().unwrap();
    assert_eq!(asked, asked_at.timestamp() - 60);

    // What is older than the question is not looked at, and what nobody has asked for is not there.
    let later = Handle { asked_at: Utc::now() + TimeDelta::hours(1), ..handle.clone() };
    assert!(stripe.look_up(&later).await.unwrap().is_none());
    let never = Handle { reference: Uuid::new_v4(), ..handle };
    assert!(stripe.look_up(&never).await.unwrap().is_none());

    // Of very many it cannot be said that it is not among them.
    fake.books().ledger.page_max = 1;
    for _ in 0..50 {
        stripe.open(&order(euros("10"))).await.unwrap();
    }
    assert!(matches!(stripe.look_up(&never).await, Err(gateways::Error::Unavailable(_))));
}

#[tokio::test]
async fn an_id_that_is_not_stripes_is_not_there() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    for id in ["", "cs_../../accounts", "pi_1?x=1", "ch_1", "cs"] {
        let handle = Handle { gateway_id: Some(id.to_owned()), ..handle(&order) };
        assert!(stripe.look_up(&handle).await.unwrap().is_none(), "{id}");
    }
    assert!(fake.books().calls.is_empty());
    let unknown = Handle { gateway_id: Some("cs_test_1".to_owned()), ..handle(&order) };
    assert!(stripe.look_up(&unknown).await.unwrap().is_none());
}

#[tokio::test]
async fn closing_reports_the_payments_status_and_never_fails_for_a_paid_one() {
    let (fake, stripe) = pair().await;
    for order in [order(euros("10")), order_for_seller(euros("10"), "1")] {
        let opened = stripe.open(&order).await.unwrap();
        // With the id and without, again and again.
        for handle in [known(&order, &opened), handle(&order), handle(&order)] {
            let closed = stripe.close(&handle).await.unwrap();
            assert_eq!((closed.state, closed.approve_url), (State::Closed, None));
        }
    }
    for order in [order(euros("10")), order_for_seller(euros("10"), "1")] {
        let opened = stripe.open(&order).await.unwrap();
        fake.books().ledger.pay(&opened.gateway_id);
        let closed = stripe.close(&known(&order, &opened)).await.unwrap();
        assert_eq!((closed.state, closed.captured), (State::Captured, decimal("10")));
    }
}

#[tokio::test]
async fn an_answer_with_more_or_less_than_is_used_is_read() {
    let (fake, stripe) = pair().await;
    let order = order(euros("10"));
    let opened = stripe.open(&order).await.unwrap();
    {
        let ledger = &mut fake.books().ledger;
        ledger.set(&opened.gateway_id, "metadata", Value::Null);
        ledger.set(&opened.gateway_id, "tomorrows_field", json!({"nested": [1.5, {"a": null}]}));
    }
    assert_eq!(stripe.look_up(&known(&order, &opened)).await.unwrap().unwrap().state, State::Waiting);
}
