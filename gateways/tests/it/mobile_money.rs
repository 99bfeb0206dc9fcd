use gateways::{Error, Source, State};
use serde_json::json;

use crate::{
    fake::{Fault, closed_port, handle, look_then_repeat, money, order, refund},
    operator::{ALL, CALLBACK_SECRET, Operator, gateway_at, payable},
};

#[tokio::test]
async fn mvola_is_called_as_it_documents() {
    let operator = Operator::start(Source::MvolaMadagascar).await;
    let order = payable(operator.source);
    let payment = operator.gateway().open(&order).await.unwrap();
    assert_eq!((payment.gateway_id.as_str(), payment.state, payment.approve_url), ("b32d-0", State::Waiting, None));
    let [call] = &operator.fake.calls("POST /mvola/")[..] else { panic!("not one call") };
    let reference = order.reference.to_string();
    let callback_url = format!(
        "https://pay.example/v1/webhooks/payments/operator?reference={reference}&token={}",
        CALLBACK_SECRET.replace(' ', "+")
    );
    let expected = [
        ("authorization", "Bearer t"),
        ("version", "1.0"),
        ("userlanguage", "FR"),
        ("useraccountidentifier", "msisdn;0343500004"),
        ("partnername", "Itsandra"),
        ("x-correlationid", &reference),
        ("x-callback-url", &callback_url),
        ("content-type", "application/json"),
    ];
    for (name, value) in expected {
        assert_eq!(call.header(name), value, "{name}");
    }
    let mut body = call.json();
    let date = body.as_object_mut().unwrap().remove("requestDate").unwrap();
    assert!(date.as_str().unwrap().ends_with('Z') && date.as_str().unwrap().len() == 24, "{date}");
    assert_eq!(
        body,
        json!({
            "amount": "1500", "currency": "Ar", "descriptionText": "Shop of Itsandra, order 7",
            "debitParty": [{ "key": "msisdn", "value": "0343500003" }],
            "creditParty": [{ "key": "msisdn", "value": "0343500004" }],
            "requestingOrganisationTransactionReference": reference,
            "originalTransactionReference": reference,
            "metadata": [{ "key": "partnerName", "value": "Itsandra" }, { "key": "XCorrelationId", "value": reference }],
        })
    );
}

#[tokio::test]
async fn each_operator_gets_amounts_and_phones_its_own_way() {
    for (source, currency, phone, header, credentials) in [
        (Source::MvolaMadagascar, "Ar", "0343500003", "authorization", "Bearer t"),
        (Source::MvolaComoros, "KMF", "3212345", "authorization", "Bearer t"),
        (Source::Holo, "KMF", "+2693212345", "x-api-key", "merchant's secret"),
        (Source::HuriMoney, "KMF", "+2693212345", "authorization", "Basic bWVyY2hhbnQ6bWVyY2hhbnQncyBzZWNyZXQ="),
    ] {
        let operator = Operator::start(source).await;
        operator.gateway().open(&payable(source)).await.unwrap();
        let call = operator.fake.calls(operator.pay()).remove(0);
        let body = call.json();
        assert_eq!((&body["amount"], &body["currency"]), (&json!("1500"), &json!(currency)), "{source}");
        assert_eq!(body["debitParty"][0]["value"], phone, "{source}");
        assert_eq!(call.header(header), credentials, "{source}");
        let in_url = call.header("x-callback-url").contains("token=");
        assert_eq!(in_url, operator.is_mvola(), "{source}: secrets are in URLs only where there is no other way");
    }
}

#[tokio::test]
async fn a_payment_is_found_paid_without_any_callback() {
    for source in ALL {
        let operator = Operator::start(source).await;
        let (order, gateway) = (payable(source), operator.gateway());
        let id = gateway.open(&order).await.unwrap().gateway_id;
        let handle = handle(&order, Some(&id));
        for _ in 0..2 {
            assert_eq!(gateway.look_up(&handle).await.unwrap().unwrap().state, State::Waiting, "{source}");
        }
        // Nothing takes the question off the phone.
        assert_eq!(gateway.close(&handle).await.unwrap().state, State::Waiting, "{source}");
        operator.agree();
        for payment in [gateway.look_up(&handle).await.unwrap().unwrap(), gateway.capture(&handle).await.unwrap()] {
            assert_eq!((payment.state, payment.captured), (State::Captured, order.amount.value), "{source}");
            assert!(payment.refunded.is_zero() && payment.reversed.is_zero());
        }
        assert_eq!(gateway.close(&handle).await.unwrap().state, State::Captured, "{source}");
        assert_eq!(operator.charges().len(), 1, "{source}");
    }
}

#[tokio::test]
async fn a_payer_who_says_no_has_failed_the_payment() {
    for source in ALL {
        let operator = Operator::start(source).await;
        let (order, gateway) = (payable(source), operator.gateway());
        let id = gateway.open(&order).await.unwrap().gateway_id;
        operator.turn_away();
        let payment = gateway.look_up(&handle(&order, Some(&id))).await.unwrap().unwrap();
        let expected = State::Failed { code: "PayerRejected".to_owned(), message: "The payer said no.".to_owned() };
        assert_eq!(payment.state, expected, "{source}");
        assert!(payment.captured.is_zero() && operator.charges().is_empty());
    }
}

#[tokio::test]
async fn what_cannot_be_requested_is_declined_before_any_request() {
    let code = |result: Result<gateways::Payment, Error>| match result.unwrap_err() {
        Error::Declined { code, .. } => code,
        other => panic!("{other:?}"),
    };
    for source in ALL {
        let operator = Operator::start(source).await;
        let gateway = operator.gateway();
        let mut without_phone = payable(source);
        without_phone.payer.phone = None;
        assert_eq!(code(gateway.open(&without_phone).await), "phone_required", "{source}");
        let mut in_euros = payable(source);
        in_euros.amount = money("5", "EUR");
        assert_eq!(code(gateway.open(&in_euros).await), "currency_unsupported", "{source}");
        let mut fraction = payable(source);
        fraction.amount.value = "5.5".parse().unwrap();
        assert_eq!(code(gateway.open(&fraction).await), "amount_precision", "{source}");
        assert!(operator.fake.calls("").is_empty(), "{source}");
        let mut too_much = payable(source);
        too_much.amount.value = 666.into();
        assert_eq!(code(gateway.open(&too_much).await), "PayerLimitReached", "{source}");
        assert_eq!(operator.questions(), 0, "{source}");
    }
}

#[tokio::test]
async fn what_never_arrived_may_be_requested_again() {
    for source in ALL {
        let operator = Operator::start(source).await;
        let (order, gateway) = (payable(source), operator.gateway());
        let nowhere = gateway_at(source, &closed_port().await);
        assert!(matches!(nowhere.open(&order).await, Err(Error::Unavailable(_))), "{source}");
        operator.fake.fail(operator.pay(), Fault::Refuse(429));
        assert!(matches!(gateway.open(&order).await, Err(Error::Unavailable(_))), "{source}");
        for status in [403, 404] {
            operator.fake.fail(operator.pay(), Fault::Refuse(status));
            assert!(matches!(gateway.open(&order).await, Err(Error::Misconfigured(_))), "{source} {status}");
        }
        assert_eq!(operator.questions(), 0, "{source}");
        gateway.open(&order).await.unwrap();
        assert_eq!(operator.questions(), 1, "{source}");
    }
}

#[tokio::test]
async fn a_payment_whose_answer_is_lost_is_found_and_charged_once() {
    for source in [Source::Holo, Source::HuriMoney] {
        for fault in Fault::UNKNOWN {
            let operator = Operator::start(source).await;
            let (order, gateway) = (payable(source), operator.gateway());
            assert!(gateway.look_up(&handle(&order, None)).await.unwrap().is_none(), "never asked");
            operator.fake.fail(operator.pay(), *fault);
            let error = gateway.open(&order).await.unwrap_err();
            assert!(matches!(error, Error::Unknown(_)), "{source} {fault:?}: {error:?}");
            let found = look_then_repeat(&*gateway, &order).await;
            assert_eq!((found.gateway_id, found.state), ("b32d-0".to_owned(), State::Waiting));
            operator.agree();
            let found = look_then_repeat(&*gateway, &order).await;
            assert_eq!((found.state, found.captured), (State::Captured, order.amount.value), "{source} {fault:?}");
            assert_eq!((operator.questions(), operator.charges().len()), (1, 1), "{source} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_lost_answer_may_be_found_as_a_transaction() {
    let operator = Operator::start(Source::Holo).await;
    let (order, gateway) = (payable(operator.source), operator.gateway());
    operator.link_to_transactions();
    operator.fake.fail(operator.pay(), Fault::DoneThenCut);
    gateway.open(&order).await.unwrap_err();
    let found = gateway.look_up(&handle(&order, None)).await.unwrap().unwrap();
    assert_eq!((found.gateway_id.as_str(), found.state), ("transactions/REF-b32d-0", State::Waiting));
    operator.agree();
    let handle = handle(&order, Some(&found.gateway_id));
    assert_eq!(gateway.look_up(&handle).await.unwrap().unwrap().state, State::Captured);
    let back = refund(order.amount.clone());
    gateway.refund(&handle, &back).await.unwrap();
    assert_eq!(gateway.look_up(&handle).await.unwrap().unwrap().refunded, order.amount.value);
    assert_eq!(operator.reversals(), ["1500"]);
}

#[tokio::test]
async fn mvola_cannot_be_queried_about_a_lost_answer_so_it_stays_unknown() {
    for fault in Fault::UNKNOWN {
        let operator = Operator::start(Source::MvolaComoros).await;
        let (order, gateway) = (payable(operator.source), operator.gateway());
        operator.fake.fail(operator.pay(), *fault);
        assert!(matches!(gateway.open(&order).await, Err(Error::Unknown(_))), "{fault:?}");
        let look = gateway.look_up(&handle(&order, None)).await;
        assert!(matches!(look, Err(Error::Unknown(_))), "never None, or it would be asked for twice: {look:?}");
        // Even who asks again asks the payer once: the id is taken.
        assert!(matches!(gateway.open(&order).await, Err(Error::Unknown(_))), "{fault:?}");
        operator.agree();
        // The callback names the operator's id.
        let found = gateway.look_up(&handle(&order, Some(&operator.id()))).await.unwrap().unwrap();
        assert_eq!(found.state, State::Captured);
        assert_eq!((operator.questions(), operator.charges().len()), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn requesting_twice_prompts_the_payer_once() {
    let operator = Operator::start(Source::HuriMoney).await;
    let (order, gateway) = (payable(operator.source), operator.gateway());
    let ids = [gateway.open(&order).await.unwrap().gateway_id, gateway.open(&order).await.unwrap().gateway_id];
    assert_eq!(ids, ["b32d-0", "b32d-0"]);
    // It has been asked for, so a look that fails must not say that nothing has happened.
    for fault in Fault::UNKNOWN.iter().chain(&[Fault::Refuse(429), Fault::Refuse(403)]) {
        operator.fake.fail("GET /responses/", *fault);
        let error = gateway.open(&order).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{fault:?}: {error:?}");
    }
    assert_eq!(operator.questions(), 1);
}

#[tokio::test]
async fn what_an_operator_has_forgotten_is_unknown_and_never_requested_again() {
    for source in ALL {
        let operator = Operator::start(source).await;
        let (order, gateway) = (payable(source), operator.gateway());
        let id = gateway.open(&order).await.unwrap().gateway_id;
        operator.forget_all();
        let look = gateway.look_up(&handle(&order, Some(&id))).await;
        assert!(matches!(look, Err(Error::Unknown(_))), "{source}: {look:?}");
    }
}

#[tokio::test]
async fn queries_that_fail_move_nothing() {
    let operator = Operator::start(Source::Holo).await;
    let (order, gateway) = (payable(operator.source), operator.gateway());
    let id = gateway.open(&order).await.unwrap().gateway_id;
    for fault in Fault::UNKNOWN.iter().chain(&[Fault::Refuse(429), Fault::Refuse(422)]) {
        operator.fake.fail("GET /requeststates/", *fault);
        let error = gateway.look_up(&handle(&order, Some(&id))).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn another_amount_than_was_requested_is_never_taken_for_it() {
    let operator = Operator::start(Source::HuriMoney).await;
    let (order, gateway) = (payable(operator.source), operator.gateway());
    let id = gateway.open(&order).await.unwrap().gateway_id;
    operator.agree();
    operator.change_amounts();
    assert!(matches!(gateway.look_up(&handle(&order, Some(&id))).await, Err(Error::Unknown(_))));
}

#[tokio::test]
async fn mvola_gives_nothing_back() {
    for source in [Source::MvolaMadagascar, Source::MvolaComoros] {
        let operator = Operator::start(source).await;
        let (order, gateway) = (payable(source), operator.gateway());
        let id = gateway.open(&order).await.unwrap().gateway_id;
        operator.agree();
        let (handle, back) = (handle(&order, Some(&id)), refund(order.amount.clone()));
        let error = gateway.refund(&handle, &back).await.unwrap_err();
        assert!(matches!(error, Error::Declined { code, .. } if code == "refund_unsupported"));
        assert!(gateway.look_up_refund(&handle, &back).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_transaction_is_taken_back_once_though_the_answer_is_lost() {
    for fault in Fault::UNKNOWN {
        let operator = Operator::start(Source::Holo).await;
        let (order, gateway) = (payable(operator.source), operator.gateway());
        let id = gateway.open(&order).await.unwrap().gateway_id;
        let (handle, back) = (handle(&order, Some(&id)), refund(order.amount.clone()));
        let early = gateway.refund(&handle, &back).await.unwrap_err();
        assert!(matches!(early, Error::Declined { code, .. } if code == "nothing_captured"));
        operator.agree();
        assert!(gateway.look_up_refund(&handle, &back).await.unwrap().is_none());
        operator.fake.fail("POST /transactions/REF-b32d-0/reversals", *fault);
        let error = gateway.refund(&handle, &back).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{fault:?}: {error:?}");
        let found = gateway.look_up_refund(&handle, &back).await.unwrap().unwrap();
        assert_eq!((found.gateway_id.as_str(), found.state), ("b32d-1", State::Captured), "{fault:?}");
        let payment = gateway.look_up(&handle).await.unwrap().unwrap();
        assert_eq!((payment.captured, payment.refunded), (order.amount.value, order.amount.value));
        assert_eq!(operator.reversals(), ["1500"], "{fault:?}");
    }
}

#[tokio::test]
async fn mobile_money_is_not_taken_for_sellers() {
    let operator = Operator::start(Source::Holo).await;
    let mut for_seller = order("5", "KMF");
    for_seller.on_behalf = Some(gateways::OnBehalf { account: "acct_1".to_owned(), fee: 0.into() });
    assert!(matches!(operator.gateway().open(&for_seller).await, Err(Error::Declined { .. })));
}
