//! Sellers with accounts at Stripe.

use chrono::{NaiveDate, TimeDelta, Utc};
use gateways::{Error, Money, PayoutState, Processor, Seller, Stripe};
use uuid::Uuid;

use crate::{
    fake_stripe::{FakeStripe, Fault},
    stripe::{config, decimal, euros, pair},
};

fn seller() -> Seller {
    Seller {
        reference: Uuid::new_v4(),
        business_name: "Café Sol".to_owned(),
        first_name: "Ana".to_owned(),
        last_name: "Sousa & Filhos".to_owned(),
        email: "ana@example.com".to_owned(),
        phone: Some("+351912345678".to_owned()),
        dob: NaiveDate::from_ymd_opt(1984, 2, 29).unwrap(),
        address: "Rua da Prata 1".to_owned(),
        city: "Lisboa".to_owned(),
        postal_code: "1100-001".to_owned(),
        country: "PT".to_owned(),
        nif: "123456789".to_owned(),
        iban: "pt50 0002 0123 1234 5678 9015 4".into(),
        tos_accepted_at: Some(Utc::now()),
        told_at: Utc::now(),
    }
}

fn payout(account: &str, amount: &str) -> gateways::Payout {
    gateways::Payout {
        reference: Uuid::new_v4(),
        account: account.to_owned(),
        amount: euros(amount),
        processor_id: None,
        asked_at: Utc::now(),
    }
}

#[tokio::test]
async fn an_account_is_opened_once_with_what_the_seller_has_submitted() {
    let (fake, stripe) = pair().await;
    let seller = seller();
    assert!(stripe.find_account(seller.reference, seller.told_at).await.unwrap().is_none());
    let opened = stripe.put_account(&seller, None).await.unwrap();
    assert!(!opened.charges_enabled && !opened.payouts_enabled);
    assert_eq!(opened.requirements_due, ["tos_acceptance.date"]);
    let (call, ours) = (fake.call("POST /v1/accounts"), seller.reference.to_string());
    for (name, value) in [
        ("country", "PT"),
        ("email", "ana@example.com"),
        ("business_type", "individual"),
        ("business_profile[name]", "Café Sol"),
        ("individual[first_name]", "Ana"),
        ("individual[dob][day]", "29"),
        ("individual[dob][month]", "2"),
        ("individual[dob][year]", "1984"),
        ("individual[address][postal_code]", "1100-001"),
        ("external_account[object]", "bank_account"),
        ("external_account[account_number]", "PT50000201231234567890154"),
        ("external_account[account_holder_name]", "Ana Sousa & Filhos"),
        ("external_account[country]", "PT"),
        ("external_account[currency]", "eur"),
        ("controller[stripe_dashboard][type]", "express"),
        ("controller[fees][payer]", "application"),
        ("capabilities[transfers][requested]", "true"),
        ("settings[payouts][schedule][interval]", "manual"),
        ("metadata[reference]", &ours),
    ] {
        assert_eq!(call.field(name), Some(value), "{name}");
    }
    assert!(call.field("metadata[tos_accepted_at]").is_some());
    assert_eq!(call.header("idempotency-key"), Some(ours.as_str()));

    assert_eq!(stripe.put_account(&seller, None).await.unwrap(), opened);
    assert_eq!(fake.books().ledger.ids("acct_").len(), 1);
    assert_eq!(stripe.find_account(seller.reference, seller.told_at).await.unwrap().unwrap(), opened);
}

#[tokio::test]
async fn an_account_whose_opening_is_not_answered_is_found() {
    let (fake, stripe) = pair().await;
    let seller = seller();
    fake.fail(Fault::Cut);
    assert!(matches!(stripe.put_account(&seller, None).await, Err(Error::Unknown(_))));
    let found = stripe.find_account(seller.reference, seller.told_at).await.unwrap().unwrap();
    assert_eq!(stripe.put_account(&seller, None).await.unwrap().id, found.id);
    assert_eq!(fake.books().ledger.ids("acct_").len(), 1);
    assert!(stripe.find_account(Uuid::new_v4(), seller.told_at).await.unwrap().is_none());
}

#[tokio::test]
async fn details_that_change_change_the_same_account() {
    let (fake, stripe) = pair().await;
    let seller = seller();
    let opened = stripe.put_account(&seller, None).await.unwrap();
    let moved = Seller {
        email: "ana@example.org".to_owned(),
        told_at: seller.told_at + TimeDelta::milliseconds(1),
        ..seller.clone()
    };
    let keys = async |seller: &Seller| {
        stripe.put_account(seller, Some(&opened.id)).await.unwrap();
        let call = fake.last_call();
        assert_eq!(call.path, format!("/v1/accounts/{}", opened.id));
        assert_eq!((call.field("country"), call.field("controller[fees][payer]")), (None, None));
        call.header("idempotency-key").unwrap().to_owned()
    };
    let (first, second, again) = (keys(&seller).await, keys(&moved).await, keys(&moved).await);
    assert_ne!(first, second);
    assert_eq!(second, again);
    assert_ne!(first, seller.reference.to_string());
    assert_eq!(fake.books().ledger.ids("acct_").len(), 1);
    assert_eq!(fake.books().ledger.objects[&opened.id]["email"], "ana@example.org");
    let stranger = Seller { reference: Uuid::new_v4(), ..seller };
    assert!(matches!(stripe.put_account(&stranger, Some("acct_none")).await, Err(Error::Declined { .. })));
}

#[tokio::test]
async fn a_company_is_a_company() {
    let (fake, stripe) = pair().await;
    stripe.put_account(&Seller { nif: "501964843".to_owned(), ..seller() }, None).await.unwrap();
    let call = fake.last_call();
    assert_eq!(call.field("business_type"), Some("company"));
    assert_eq!(call.field("company[tax_id]"), Some("501964843"));
    assert_eq!(call.field("company[name]"), Some("Café Sol"));
    assert_eq!(call.field("external_account[account_holder_name]"), Some("Café Sol"));
    assert_eq!(call.field("individual[first_name]"), None);
}

#[tokio::test]
async fn a_link_leads_to_the_dashboard_or_to_what_is_missing_for_it() {
    let fake = FakeStripe::start().await;
    let mut config = config(&format!("http://{}", fake.address));
    let without = Stripe::new(&config).unwrap();
    config.seller_return_url = Some("https://pay.example/sellers".parse().unwrap());
    let stripe = Stripe::new(&config).unwrap();
    let account = stripe.put_account(&seller(), None).await.unwrap();

    assert!(matches!(without.login_link(&account.id).await, Err(Error::Declined { .. })));
    let link = stripe.login_link(&account.id).await.unwrap();
    assert!(link.as_str().starts_with("https://connect.stripe.test/setup/"));
    assert_eq!(fake.last_call().field("return_url"), Some("https://pay.example/sellers"));
    assert_eq!(fake.last_call().field("type"), Some("account_onboarding"));

    {
        let ledger = &mut fake.books().ledger;
        for name in ["details_submitted", "charges_enabled", "payouts_enabled"] {
            ledger.set(&account.id, name, true);
        }
        ledger.set(&account.id, "requirements", serde_json::json!({"currently_due": []}));
    }
    let complete = stripe.account(&account.id).await.unwrap();
    assert!(complete.charges_enabled && complete.payouts_enabled && complete.requirements_due.is_empty());
    for stripe in [&stripe, &without] {
        assert!(stripe.login_link(&account.id).await.unwrap().as_str().contains("/express/"));
    }
    for unknown in ["acct_none", "../balance"] {
        assert!(matches!(stripe.account(unknown).await, Err(Error::Declined { .. })));
        assert!(matches!(stripe.login_link(unknown).await, Err(Error::Declined { .. })));
    }
}

#[tokio::test]
async fn a_payout_leaves_the_sellers_balance_once() {
    let (fake, stripe) = pair().await;
    let account = stripe.put_account(&seller(), None).await.unwrap().id;
    let payout = payout(&account, "25.50");
    assert!(stripe.look_up_payout(&payout).await.unwrap().is_none());
    fake.fail(Fault::Cut);
    assert!(matches!(stripe.pay_out(&payout).await, Err(Error::Unknown(_))));
    let found = stripe.look_up_payout(&payout).await.unwrap().unwrap();
    assert_eq!(found.state, PayoutState::Pending);
    assert_eq!(found.arrival_date, NaiveDate::from_ymd_opt(2023, 11, 15));
    assert_eq!(stripe.pay_out(&payout).await.unwrap(), found);
    assert_eq!(fake.books().ledger.ids("po_").len(), 1);

    let (call, ours) = (fake.call("POST /v1/payouts"), payout.reference.to_string());
    assert_eq!((call.field("amount"), call.field("currency")), (Some("2550"), Some("eur")));
    assert_eq!(call.header("stripe-account"), Some(account.as_str()));
    assert_eq!(call.header("idempotency-key"), Some(ours.as_str()));
    // Another account's payouts are not ours.
    let elsewhere = gateways::Payout { account: "acct_none".to_owned(), ..payout };
    assert!(stripe.look_up_payout(&elsewhere).await.unwrap().is_none());
}

#[tokio::test]
async fn a_payout_is_reported_with_its_status() {
    let (fake, stripe) = pair().await;
    let account = stripe.put_account(&seller(), None).await.unwrap().id;
    let asked = payout(&account, "25.50");
    let made = stripe.pay_out(&asked).await.unwrap();
    let known = gateways::Payout { processor_id: Some(made.id.clone()), ..asked };
    let failed = |code: &str, message: &str| PayoutState::Failed { code: code.to_owned(), message: message.to_owned() };
    for (status, state) in [
        ("pending", PayoutState::Pending),
        ("in_transit", PayoutState::Pending),
        ("paid", PayoutState::Paid),
        ("canceled", failed("canceled", "The payout did not reach the bank.")),
    ] {
        fake.books().ledger.set(&made.id, "status", status);
        assert_eq!(stripe.look_up_payout(&known).await.unwrap().unwrap().state, state, "{status}");
    }
    {
        let ledger = &mut fake.books().ledger;
        ledger.set(&made.id, "status", "failed");
        ledger.set(&made.id, "failure_code", "account_closed");
        ledger.set(&made.id, "failure_message", "The bank account has been closed.");
    }
    let state = stripe.look_up_payout(&known).await.unwrap().unwrap().state;
    assert_eq!(state, failed("account_closed", "The bank account has been closed."));
}

#[tokio::test]
async fn a_payout_that_is_too_much_or_in_no_amount_of_stripes_is_declined() {
    let (fake, stripe) = pair().await;
    let account = stripe.put_account(&seller(), None).await.unwrap().id;
    let Err(Error::Declined { code, .. }) = stripe.pay_out(&payout(&account, "1000.01")).await else {
        panic!("paid out too much")
    };
    assert_eq!(code, "balance_insufficient");
    let forints = Money { value: decimal("10.50"), currency: "HUF".to_owned(), decimals: 2 };
    let broken = gateways::Payout { amount: forints, ..payout(&account, "1") };
    assert!(matches!(stripe.pay_out(&broken).await, Err(Error::Declined { .. })));
    assert!(matches!(stripe.pay_out(&payout("acct_none", "1")).await, Err(Error::Misconfigured(_))));
    assert!(fake.books().ledger.ids("po_").is_empty());
}
