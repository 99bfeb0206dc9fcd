//! The last pages, where the shop has none of its own, and what is wrong.

use payments::checkout::{Checkout, Status};

use super::layout::Html;
use crate::checkout::Language;

/// The money has arrived.
pub(super) fn thanks(of: &Checkout, language: Language) -> Html {
    end(of, language, "done", "Thank you", "Your payment has arrived. You may close this page.")
}

/// It has not, and will not.
pub(super) fn without_money(of: &Checkout, language: Language) -> Html {
    if of.status() == Status::Failed {
        let sentence = "The payment was declined, and nothing was charged. Please return to the shop to try again.";
        return end(of, language, "failed", "Payment failed", sentence);
    }
    end(of, language, "canceled", "Payment canceled", "Nothing was charged. You may close this page.")
}

fn end(of: &Checkout, language: Language, class: &str, title: &str, sentence: &str) -> Html {
    let mut page = Html::new(language, &language.say(title));
    page.purchase(of);
    page.raw(&format!(r#"<section class="state {class}" role="status"><h2>"#)).say(title).raw("</h2><p>");
    page.say(sentence).raw("</p></section>");
    if let Some(url) = &of.checkout.success_url.as_ref().or(of.checkout.cancel_url.as_ref()) {
        page.raw(r#"<a class="button quiet" href=""#).text(&super::back_to(url, of.payment.id)).raw(r#"">"#);
        page.say("Return to the shop").raw("</a>");
    }
    page
}

/// A page that only says what is wrong.
pub(super) fn problem(detail: &str, language: Language) -> Html {
    let mut page = Html::new(language, &language.say("Something went wrong"));
    page.raw(r#"<section class="state failed" role="alert"><h2>"#).say("Something went wrong").raw("</h2><p>");
    page.text(detail).raw("</p></section>");
    page
}
