use std::ffi::OsString;

use super::*;
use crate::settings::Overrides;

/// What is said of a configuration that the environment makes.
fn assessed(variables: &[(&str, &str)]) -> Assessment {
    let names =
        variables.iter().map(|(name, value)| (OsString::from(format!("QUITTANCE_{name}")), OsString::from(value)));
    assess(&Settings::read(&Overrides::default(), names).unwrap())
}

/// The settings for which a configuration is refused.
fn refused(variables: &[(&str, &str)]) -> Vec<String> {
    let dangers = assessed(variables).dangers.into_iter();
    dangers.filter(|danger| danger.severity == Severity::Refused).map(|danger| danger.what).collect()
}

const WEBHOOK_SECRET: (&str, &str) = ("GATEWAYS__STRIPE__WEBHOOK_SECRET", "whsec_1");
const NO_SANDBOX: (&str, &str) = ("GATEWAYS__SANDBOX__ENABLED", "false");
const NO_DEVCHAIN: (&str, &str) = ("DEVCHAIN__ENABLED", "false");
const BOTH: [&str; 2] = ["gateways.sandbox.enabled", "devchain.enabled"];

#[test]
fn the_default_is_a_playground_with_nothing_unsafe_about_it() {
    let assessment = assessed(&[]);
    assert_eq!((assessment.mode, assessment.dangers), (Mode::Development, Vec::new()));
    assert_eq!(assessed(&[("DATABASE__URL", "postgres:///quittance")]).mode, Mode::Production);
}

#[test]
fn real_money_and_the_playground_do_not_start_together() {
    let stripe = |key| [("GATEWAYS__STRIPE__SECRET_KEY", key), WEBHOOK_SECRET];
    let fake = ("GATEWAYS__STRIPE__BASE_URL", "http://127.0.0.1:12111");
    for key in ["sk_live_1", "rk_live_1", "sk_1"] {
        assert_eq!(refused(&stripe(key)), BOTH, "{key}");
    }
    assert_eq!(refused(&[&stripe("sk_live_1")[..], &[fake]].concat()), BOTH, "a proxy may stand there");
    for test in [&stripe("sk_test_1")[..], &stripe("rk_test_1"), &[&stripe("sk_1")[..], &[fake]].concat()] {
        assert_eq!(refused(test), Vec::<String>::new(), "{test:?}");
    }
    let paypal = |url| {
        [
            ("GATEWAYS__PAYPAL__CLIENT_ID", "x"),
            ("GATEWAYS__PAYPAL__CLIENT_SECRET", "x"),
            ("GATEWAYS__PAYPAL__WEBHOOK_ID", "x"),
            ("GATEWAYS__PAYPAL__BASE_URL", url),
        ]
    };
    assert_eq!(refused(&paypal("https://api-m.paypal.com")), BOTH);
    assert!(refused(&paypal("https://api-m.sandbox.paypal.com")).is_empty());
    assert!(refused(&paypal("http://127.0.0.1:1")).is_empty());
    let decided = [&stripe("sk_live_1")[..], &[NO_SANDBOX, NO_DEVCHAIN]].concat();
    assert!(refused(&decided).is_empty(), "somebody has decided for production");
    assert_eq!(assessed(&decided).mode, Mode::Production);
    assert_eq!(refused(&[&stripe("sk_live_1")[..], &[NO_SANDBOX]].concat()), ["devchain.enabled"]);
}

#[test]
fn what_others_reach_is_no_playground() {
    for listen in ["0.0.0.0:9154", "[::]:9154", "192.168.1.4:9154"] {
        assert_eq!(refused(&[("LISTEN", listen)]), BOTH, "{listen}");
    }
    for listen in ["127.0.0.1:1", "[::1]:1", "127.0.0.9:1"] {
        assert!(refused(&[("LISTEN", listen)]).is_empty(), "{listen}");
    }
    let proxies = ("HTTP__TRUSTED_PROXIES", "none");
    assert_eq!(refused(&[("BASE_URL", "https://pay.example"), proxies]), BOTH);
    assert!(refused(&[("BASE_URL", "http://localhost:9154")]).is_empty());
}

#[test]
fn a_public_address_needs_a_decision_about_proxies() {
    let public = [("BASE_URL", "https://pay.example"), NO_SANDBOX, NO_DEVCHAIN];
    assert_eq!(refused(&public), ["http.trusted_proxies"]);
    for decision in ["none", "0", "1", "2"] {
        assert!(refused(&[&public[..], &[("HTTP__TRUSTED_PROXIES", decision)]].concat()).is_empty(), "{decision}");
    }
}

#[test]
fn cookies_follow_the_base_url() {
    let secure = |variables: &[(&str, &str)]| {
        let names =
            variables.iter().map(|(name, value)| (OsString::from(format!("QUITTANCE_{name}")), OsString::from(value)));
        Settings::read(&Overrides::default(), names).unwrap().api().auth.cookie_secure
    };
    assert_eq!(secure(&[]), Some(false));
    assert_eq!(secure(&[("BASE_URL", "https://pay.example")]), Some(true));
    assert_eq!(secure(&[("BASE_URL", "https://pay.example"), ("AUTH__COOKIE_SECURE", "false")]), Some(false));
    assert_eq!(secure(&[("AUTH__COOKIE_SECURE", "true")]), Some(true));
}
