//! What the pages have in common: the layout, the purchase, and how amounts are written.

use maud::{DOCTYPE, Markup, html};
use payments::checkout::Checkout;
use poem_openapi::types::ParseFromJSON;

use crate::contracts::checkout::{
    Language,
    request::{Amount, Purchase},
};

/// A whole page. Its title is a sentence of ours; after `refresh_s` seconds the browser loads the page again.
pub(super) fn layout(language: Language, title: &str, refresh_s: Option<u32>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                @if let Some(seconds) = refresh_s { meta http-equiv="refresh" content=(seconds); }
                title { (language.translated(title)) }
                link rel="stylesheet" href="/checkout/assets/checkout.css";
            }
            body { main { (content) } }
        }
    }
}

/// What is bought, and what it costs.
pub(super) fn purchase(of: &Checkout, language: Language) -> Markup {
    let Ok(purchase) = Purchase::parse_from_json(Some(of.checkout.purchase.clone())) else { return html! {} };
    let amount = |amount: &Amount| money(&amount.value, &amount.currency, language);
    let items = purchase.items.unwrap_or_default();
    html! {
        section.order {
            h1 { span.payee { (of.payee) } span.total { (amount(&purchase.total)) } }
            @if !items.is_empty() {
                ul.items {
                    @for item in &items {
                        li { span { (item.quantity) " × " (item.name) } span { (amount(&item.amount)) } }
                    }
                }
            }
            @if let Some(reference) = &of.checkout.client_id {
                p.reference { (language.translated("Reference")) " " (reference) }
            }
        }
    }
}

/// An amount as readers of the language write it. Its spaces keep it on one line.
pub(super) fn money(value: &str, currency: &str, language: Language) -> String {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let (group, point) = match language {
        Language::English => (",", "."),
        Language::French => ("\u{202f}", ","),
        Language::Spanish | Language::Portuguese => (".", ","),
    };
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push_str(group);
        }
        grouped.push(digit);
    }
    if !fraction.is_empty() {
        grouped.push_str(point);
        grouped.push_str(fraction);
    }
    match language {
        Language::English => format!("{currency}\u{a0}{grouped}"),
        Language::French | Language::Spanish | Language::Portuguese => format!("{grouped}\u{a0}{currency}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_no_html() {
        let foreign = r#"<a href="x">&"#;
        let page = layout(Language::English, foreign, None, &html! { img alt=(foreign); (foreign) }).into_string();
        assert_eq!(page.matches("&lt;a href=&quot;x&quot;&gt;&amp;").count(), 3, "{page}");
    }

    #[test]
    fn amounts_are_written_as_in_the_language() {
        assert_eq!(money("1234567.50", "EUR", Language::English), "EUR\u{a0}1,234,567.50");
        assert_eq!(money("15000", "KMF", Language::French), "15\u{202f}000\u{a0}KMF");
        assert_eq!(money("999.9", "EUR", Language::Spanish), "999,9\u{a0}EUR");
    }
}
