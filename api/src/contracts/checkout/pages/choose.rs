//! Choosing a gateway.

use gateways::Source;
use maud::{Markup, html};
use payments::checkout::Checkout;
use poem_openapi::types::ParseFromJSON;

use super::layout::{layout, purchase};
use crate::contracts::checkout::{Language, plan::image_path, request::Payer};

/// The page; `notice` says what was wrong with the choice before.
pub(super) fn page(of: &Checkout, offered: &[Source], language: Language, token: &str, notice: Option<&str>) -> Markup {
    let chosen = super::source_of(of).filter(|source| offered.contains(source)).or(offered.first().copied());
    let content = html! {
        (purchase(of, language))
        @if let Some(notice) = notice { p.notice role="alert" { (language.translated(notice)) } }
        @if offered.is_empty() {
            p { (language.translated("No way to pay is offered at the moment. Please contact the shop.")) }
        } @else {
            form method="post" action={ "/checkout/" (of.payment.id) "/submit" } {
                (hidden(token))
                fieldset {
                    legend { (language.translated("How would you like to pay?")) }
                    @for source in offered { (choice(*source, chosen == Some(*source), language)) }
                }
                @if offered.iter().any(|source| source.is_mobile_money()) { (phone(of, language)) }
                button.primary type="submit" { (language.translated("Continue")) }
            }
        }
        (cancel(of, language, token))
    };
    layout(language, &format!("Pay {}", of.payee), None, &content)
}

fn choice(source: Source, chosen: bool, language: Language) -> Markup {
    let how = match source {
        Source::Stripe => "Card, through Stripe",
        Source::PayPal => "PayPal account",
        Source::MvolaMadagascar | Source::MvolaComoros | Source::Holo | Source::HuriMoney => "Mobile money",
    };
    html! {
        label.choice {
            input type="radio" name="source" value=(source.code()) required checked[chosen];
            img src=(image_path(source)) alt="" width="64" height="40";
            span.name { (source.title()) small { (language.translated(how)) } }
        }
    }
}

fn phone(of: &Checkout, language: Language) -> Markup {
    let payer = of.checkout.payer.clone().map(|payer| Payer::parse_from_json(Some(payer)));
    let known = payer.and_then(Result::ok).and_then(|payer| payer.phone).unwrap_or_default();
    html! {
        div.field {
            label for="phone" { (language.translated("Phone number, for mobile money")) }
            input #phone name="phone" type="tel" inputmode="tel" autocomplete="tel" maxlength="32"
                pattern="\\+[0-9 .\\-]+" value=(known) aria-describedby="phone-hint";
            small #phone-hint { (language.translated("With country code, such as +2693210000")) }
        }
    }
}

/// The way out, as long as there is one.
pub(super) fn cancel(of: &Checkout, language: Language, token: &str) -> Markup {
    let words = if of.checkout.cancel_url.is_some() { "Cancel and return to the shop" } else { "Cancel payment" };
    html! {
        form.cancel method="post" action={ "/checkout/" (of.payment.id) "/cancel" } {
            (hidden(token))
            button.quiet type="submit" { (language.translated(words)) }
        }
    }
}

fn hidden(token: &str) -> Markup {
    html! { input type="hidden" name="token" value=(token); }
}
