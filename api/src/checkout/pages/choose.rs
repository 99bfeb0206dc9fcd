//! Choosing a gateway.

use gateways::Source;
use maud::Markup;
use payments::checkout::Checkout;
use poem_openapi::types::ParseFromJSON;

use super::layout::{Html, escaped};
use crate::checkout::{Language, plan::image_path, request::Payer};

/// The page; `notice` says what was wrong with the choice before.
pub(super) fn page(of: &Checkout, offered: &[Source], language: Language, token: &str, notice: Option<&str>) -> Markup {
    let mut page = Html::new(language, &format!("Pay {}", of.payee));
    page.purchase(of);
    if let Some(notice) = notice {
        page.raw(r#"<p class="notice" role="alert">"#).say(notice).raw("</p>");
    }
    let id = of.payment.id;
    if offered.is_empty() {
        page.raw("<p>").say("No way to pay is offered at the moment. Please contact the shop.").raw("</p>");
    } else {
        page.raw(&format!(r#"<form method="post" action="/checkout/{id}/submit">{}"#, hidden(token)));
        page.raw("<fieldset><legend>").say("How would you like to pay?").raw("</legend>");
        let chosen = super::source_of(of).filter(|source| offered.contains(source)).or(offered.first().copied());
        for source in offered {
            choice(&mut page, *source, chosen == Some(*source));
        }
        page.raw("</fieldset>");
        if offered.iter().any(|source| source.is_mobile_money()) {
            phone(&mut page, of);
        }
        page.raw(r#"<button type="submit" class="primary">"#).say("Continue").raw("</button></form>");
    }
    cancel(&mut page, of, token);
    page.finish()
}

fn choice(page: &mut Html, source: Source, chosen: bool) {
    let (code, checked) = (source.code(), if chosen { " checked" } else { "" });
    page.raw(&format!(
        r#"<label class="choice"><input type="radio" name="source" value="{code}" required{checked}>
<img src="{}" alt="" width="64" height="40"><span class="name">"#,
        image_path(source)
    ));
    page.text(source.title()).raw(r#"<small>"#);
    let how = match source {
        Source::Stripe => "Card, through Stripe",
        Source::PayPal => "PayPal account",
        Source::MvolaMadagascar | Source::MvolaComoros | Source::Holo | Source::HuriMoney => "Mobile money",
    };
    page.say(how).raw("</small></span></label>");
}

fn phone(page: &mut Html, of: &Checkout) {
    let payer = of.checkout.payer.clone().map(|payer| Payer::parse_from_json(Some(payer)));
    let known = payer.and_then(Result::ok).and_then(|payer| payer.phone).unwrap_or_default();
    page.raw(r#"<div class="field"><label for="phone">"#).say("Phone number, for mobile money").raw("</label>");
    page.raw(&format!(
        r#"<input id="phone" name="phone" type="tel" inputmode="tel" autocomplete="tel" maxlength="32" pattern="\+[0-9 .\-]+" value="{}" aria-describedby="phone-hint">"#,
        escaped(&known)
    ));
    page.raw(r#"<small id="phone-hint">"#).say("With country code, such as +2693210000").raw("</small></div>");
}

/// The way out, as long as there is one.
pub(super) fn cancel(page: &mut Html, of: &Checkout, token: &str) {
    let id = of.payment.id;
    let words = if of.checkout.cancel_url.is_some() { "Cancel and return to the shop" } else { "Cancel payment" };
    page.raw(&format!(r#"<form method="post" action="/checkout/{id}/cancel" class="cancel">{}"#, hidden(token)));
    page.raw(r#"<button type="submit" class="quiet">"#).say(words).raw("</button></form>");
}

fn hidden(token: &str) -> String {
    format!(r#"<input type="hidden" name="token" value="{}">"#, escaped(token))
}
