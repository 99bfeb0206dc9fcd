//! Twice as many bytes of a callback take twice as long to read, whatever they are, up to the longest that is read.

use chrono::Utc;
use fixtures::assert_linear;
use gateways::{Callback, Gateway, PhoenixdConfig, Source};
use tokio::runtime::Runtime;

use crate::{
    fake::{closed_port, install_tls},
    operator::{ALL, CALLBACK_SECRET, gateway_at},
    paypal_server,
    stripe_callbacks::{alone, signed},
};

/// Longest callback that is read, bytes.
const CALLBACK: usize = 256 << 10;

/// Longest query that is read, bytes.
const QUERY: usize = 8 << 10;

/// A start, a part again and again, and an end.
const BODIES: [(&str, &str, &str); 7] = [
    ("{\"id\":\"", "a", "\"}"),
    ("{", "\"a\":1,", "\"id\":\"1\"}"),
    ("{\"metadata\":[", "{\"key\":\"a\",\"value\":1},", "{\"key\":\"a\"}]}"),
    ("{\"data\":{\"object\":", "[", "}}"),
    ("{\"resource\":{\"links\":[", "{\"rel\":\"down\",\"href\":\"/\"},", "{}]}}"),
    ("{\"n\":1", "0", "}"),
    ("", "\\", ""),
];

fn body(size: usize, (start, part, end): (&str, &str, &str)) -> String {
    format!("{start}{}{end}", part.repeat(size / part.len()))
}

fn receive(runtime: &Runtime, gateway: &dyn Gateway, headers: &[(String, String)], query: &str, body: &str) {
    let callback = Callback { headers, query, body: body.as_bytes(), at: Utc::now() };
    let _ = runtime.block_on(gateway.receive(&callback));
}

#[test]
fn callbacks_of_operators() {
    let runtime = Runtime::new().unwrap();
    let nobody = runtime.block_on(closed_port());
    for source in ALL {
        let gateway = gateway_at(source, &nobody);
        let secrets = [("x-callback-key", CALLBACK_SECRET), ("authorization", "Basic b3BlcmF0b3I6d2hhdA==")];
        let headers: Vec<_> = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let token = format!("token={}", CALLBACK_SECRET.replace(' ', "+"));
        for kind in BODIES {
            let input = |size| body(size, kind);
            assert_linear(source.code(), CALLBACK, input, |body| {
                receive(&runtime, gateway.as_ref(), &headers, &token, body)
            });
        }
        for part in ["a=b&", "%", "&", "reference=1&"] {
            let input = |size: usize| part.repeat(size / part.len());
            assert_linear(source.code(), QUERY, input, |query| {
                receive(&runtime, gateway.as_ref(), &headers, query, "{}")
            });
        }
    }
}

#[test]
fn callbacks_of_stripe() {
    let (runtime, stripe, now) = (Runtime::new().unwrap(), alone(), Utc::now());
    for kind in BODIES {
        let input = |size| {
            let body = body(size, kind);
            (vec![("stripe-signature".to_owned(), signed(body.as_bytes(), now))], body)
        };
        assert_linear("Stripe", CALLBACK, input, |(headers, body)| receive(&runtime, &stripe, headers, "", body));
    }
    for part in ["v1=00,", ",", "=", "t=1"] {
        let input = |size: usize| {
            let header = format!("t={},{}", now.timestamp(), part.repeat(size / part.len()));
            vec![("stripe-signature".to_owned(), header)]
        };
        assert_linear("Stripe's header", 2 * QUERY, input, |headers| receive(&runtime, &stripe, headers, "", "{}"));
    }
}

#[test]
fn callbacks_of_paypal() {
    install_tls();
    let gateway = paypal_server::gateway_at("http://127.0.0.1:1");
    for kind in BODIES {
        let input = |size| (body(size, kind), paypal_server::signed("", Utc::now()));
        let claims = |(body, headers): &(String, Vec<(String, String)>)| {
            let callback = Callback { headers, query: "", body: body.as_bytes(), at: Utc::now() };
            let _ = gateway.claims(&callback);
        };
        assert_linear("PayPal", CALLBACK, input, claims);
    }
}

#[test]
fn callbacks_of_phoenixd() {
    let node = PhoenixdConfig { webhook_secret: "secret of the node's".into(), ..PhoenixdConfig::default() };
    for kind in BODIES {
        let input = |size| {
            let body = body(size, kind);
            (vec![("x-phoenix-signature".to_owned(), node.signature(body.as_bytes()))], body)
        };
        assert_linear("phoenixd", CALLBACK, input, |(headers, body)| {
            let _ = node.receive(&Callback { headers, query: "", body: body.as_bytes(), at: Utc::now() });
        });
    }
}

#[test]
fn sources_are_all_here() {
    let operators = ALL.len();
    assert_eq!(Source::ALL.len(), operators + 2, "one more gateway than there are tests of");
}
