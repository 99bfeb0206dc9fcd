use gateways::{CallbackRefused, CallbackSubject, Notification, Source};
use serde_json::json;
use uuid::Uuid;

use crate::{
    fake::callback,
    operator::{ALL, CALLBACK_SECRET, gateway_at},
};

/// What an operator sends with each callback: headers and what it appends to the query.
type Credentials = (Vec<(String, String)>, String);

/// `operator` and this secret, as the operator does it.
fn credentials(source: Source, secret: &str) -> Credentials {
    let header = |name: &str, value: String| vec![(name.to_owned(), value)];
    match source {
        Source::Holo => (header("x-callback-key", secret.to_owned()), String::new()),
        Source::HuriMoney => (header("authorization", basic("operator", secret)), String::new()),
        _ => (Vec::new(), format!("token={}", secret.replace(' ', "+"))),
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Query and body of a callback about this payment.
fn told(source: Source, reference: Uuid) -> (String, String) {
    if source == Source::Holo {
        let query = format!("serverCorrelationId=b32d-0&transactionStatus=completed&reference={reference}");
        return (query, String::new());
    }
    let body = json!({
        "transactionStatus": "completed", "serverCorrelationId": "b32d-0", "transactionReference": "641235",
        "requestDate": "2026-01-01T00:00:00.000Z",
        "debitParty": [{ "key": "msisdn", "value": "0343500003" }],
        "metadata": [{ "key": "fee", "value": 7 }, { "key": "XCorrelationId", "value": reference }],
    });
    (String::new(), body.to_string())
}

fn heard(reference: Option<Uuid>, gateway_id: Option<&str>) -> Notification {
    Notification {
        event_id: None,
        about: CallbackSubject::Payment { reference, gateway_id: gateway_id.map(str::to_owned) },
    }
}

async fn gateway(source: Source) -> std::sync::Arc<dyn gateways::Gateway> {
    gateway_at(source, &crate::fake::closed_port().await)
}

#[tokio::test]
async fn a_callback_names_the_payment_before_the_answer_has_come() {
    for source in ALL {
        let (gateway, reference) = (gateway(source).await, Uuid::now_v7());
        let (headers, proof) = credentials(source, CALLBACK_SECRET);
        let (query, body) = told(source, reference);
        let query = format!("{query}&{proof}");
        // Sent twice, it is looked at twice: operators do not number what they tell.
        for _ in 0..2 {
            let told = gateway.receive(&callback(&headers, &query, &body)).await.unwrap();
            assert_eq!(told, heard(Some(reference), Some("b32d-0")), "{source}");
        }
    }
}

#[tokio::test]
async fn a_payment_is_named_in_any_of_the_ways_that_are_documented() {
    let (gateway, reference) = (gateway(Source::HuriMoney).await, Uuid::now_v7());
    let (headers, _) = credentials(Source::HuriMoney, CALLBACK_SECRET);
    let in_url = format!("reference={reference}");
    for (query, body, expected) in [
        (in_url.as_str(), r#"{"metadata":null}"#.to_owned(), heard(Some(reference), None)),
        (
            "",
            json!({ "requestingOrganisationTransactionReference": reference }).to_string(),
            heard(Some(reference), None),
        ),
        ("", json!({ "clientCorrelationId": reference }).to_string(), heard(Some(reference), None)),
        ("", json!({ "transactionReference": "REF-1" }).to_string(), heard(None, Some("REF-1"))),
        ("", json!({ "serverCorrelationId": "b32d-0" }).to_string(), heard(None, Some("b32d-0"))),
    ] {
        assert_eq!(gateway.receive(&callback(&headers, query, &body)).await.unwrap(), expected, "{query} {body}");
    }
}

#[tokio::test]
async fn a_callback_without_the_operators_credentials_is_forged() {
    for source in ALL {
        let gateway = gateway(source).await;
        let (query, body) = told(source, Uuid::now_v7());
        let mut wrong = vec![(Vec::new(), String::new())];
        for secret in ["", "what", "what only the operator knowS", "what only the operator knows "] {
            wrong.push(credentials(source, secret));
        }
        // The right secret where this operator does not have it.
        wrong.extend(
            ALL.iter().filter(|other| !same_way(**other, source)).map(|other| credentials(*other, CALLBACK_SECRET)),
        );
        for (headers, proof) in wrong {
            let query = format!("{query}&{proof}");
            let refused = gateway.receive(&callback(&headers, &query, &body)).await;
            assert_eq!(refused, Err(CallbackRefused::Forged), "{source} {headers:?} {proof}");
        }
    }
}

fn same_way(one: Source, other: Source) -> bool {
    let way = |source| {
        let (headers, query) = credentials(source, "");
        (headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), query)
    };
    way(one) == way(other)
}

#[tokio::test]
async fn basic_credentials_must_be_right_in_both_parts() {
    let gateway = gateway(Source::HuriMoney).await;
    let (_, body) = told(Source::HuriMoney, Uuid::now_v7());
    for wrong in [
        basic("somebody", CALLBACK_SECRET),
        basic("", CALLBACK_SECRET),
        basic("operator", ""),
        basic("operator", CALLBACK_SECRET).replace("Basic", "Bearer"),
        "Basic".to_owned(),
        "Basic ???".to_owned(),
        "Basic b3BlcmF0b3I=".to_owned(),
    ] {
        let headers = vec![("authorization".to_owned(), wrong.clone())];
        assert_eq!(gateway.receive(&callback(&headers, "", &body)).await, Err(CallbackRefused::Forged), "{wrong}");
    }
}

#[tokio::test]
async fn what_nobody_can_read_is_malformed() {
    for source in ALL {
        let gateway = gateway(source).await;
        let (headers, proof) = credentials(source, CALLBACK_SECRET);
        for body in ["", "hello", "[]", "1", "{}", r#"{"serverCorrelationId":7}"#, r#"{"serverCorrelationId":"../x"}"#]
        {
            let refused = gateway.receive(&callback(&headers, &proof, body)).await.unwrap_err();
            assert!(matches!(refused, CallbackRefused::Malformed(_)), "{source} {body}: {refused:?}");
        }
    }
    let (headers, _) = credentials(Source::Holo, CALLBACK_SECRET);
    for query in ["reference=7", "serverCorrelationId=", "serverCorrelationId=..%2Fx"] {
        let refused = gateway(Source::Holo).await.receive(&callback(&headers, query, "")).await.unwrap_err();
        assert!(matches!(refused, CallbackRefused::Malformed(_)), "{query}: {refused:?}");
    }
}
