//! Waiting for what the gateway tells.

use gateways::Source;
use maud::{Markup, html};
use payments::checkout::{Checkout, Status};

use super::{
    choose,
    layout::{layout, purchase},
};
use crate::contracts::checkout::Language;

/// Seconds after which the browser looks again.
const RELOAD_AFTER_S: u32 = 3;

pub(super) fn page(of: &Checkout, language: Language, token: &str) -> Markup {
    let source = super::source_of(of);
    let gateway = source.map_or("…", Source::title);
    let agreed = of.status() == Status::Approved;
    let approve = of.session.as_ref().and_then(|session| session.approve_url.as_deref()).filter(|_| !agreed);
    let content = html! {
        (purchase(of, language))
        section.state role="status" {
            span.spinner aria-hidden="true" {}
            h2 { (language.translated("Waiting for your payment")) }
            p { (language.translated(&format!("We are waiting for {gateway} to confirm. This page goes on by itself."))) }
            @if source.is_some_and(Source::is_mobile_money) {
                p { (language.translated("If you are asked on your phone, please confirm there.")) }
            }
        }
        @if let Some(url) = approve {
            a.button.primary href=(url) { (language.translated(&format!("Open the payment page of {gateway}"))) }
        }
        a.button.quiet href={ "/checkout/" (of.payment.id) } { (language.translated("Look again")) }
        @if !agreed { (choose::cancel(of, language, token)) }
    };
    layout(language, "Waiting for your payment", Some(RELOAD_AFTER_S), &content)
}
