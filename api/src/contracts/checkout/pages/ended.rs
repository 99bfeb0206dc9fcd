//! The last pages, where the shop has none of its own, and what is wrong.

use maud::{Markup, html};
use payments::checkout::{Checkout, Status};

use super::layout::{layout, purchase};
use crate::contracts::checkout::Language;

/// The money has arrived.
pub(super) fn thanks(of: &Checkout, language: Language) -> Markup {
    end(of, language, "done", "Thank you", "Your payment has arrived. You may close this page.")
}

/// It has not, and will not.
pub(super) fn without_money(of: &Checkout, language: Language) -> Markup {
    if of.status() == Status::Failed {
        let sentence = "The payment was declined, and nothing was charged. Please return to the shop to try again.";
        return end(of, language, "failed", "Payment failed", sentence);
    }
    end(of, language, "canceled", "Payment canceled", "Nothing was charged. You may close this page.")
}

fn end(of: &Checkout, language: Language, class: &str, title: &str, sentence: &str) -> Markup {
    let content = html! {
        (purchase(of, language))
        section.state.(class) role="status" { h2 { (language.translated(title)) } p { (language.translated(sentence)) } }
        @if let Some(url) = of.checkout.success_url.as_ref().or(of.checkout.cancel_url.as_ref()) {
            a.button.quiet href=(super::back_to(url, of.payment.id)) { (language.translated("Return to the shop")) }
        }
    };
    layout(language, title, None, &content)
}

/// A page that only says what is wrong.
pub(super) fn problem(detail: &str, language: Language) -> Markup {
    let title = "Something went wrong";
    let content = html! {
        section.state.failed role="alert" { h2 { (language.translated(title)) } p { (detail) } }
    };
    layout(language, title, None, &content)
}
