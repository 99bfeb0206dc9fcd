//! What the pages have in common: the layout, the purchase, and how amounts are written.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use payments::checkout::Checkout;
use poem_openapi::types::ParseFromJSON;

use crate::checkout::{
    Language,
    request::{Amount, Purchase},
};

/// A page that is being written.
pub(super) struct Html {
    language: Language,
    title: String,
    /// Seconds after which the browser looks again.
    refresh: Option<u32>,
    body: String,
}

impl Html {
    pub(super) fn new(language: Language, title: &str) -> Self {
        Self { language, title: title.to_owned(), refresh: None, body: String::new() }
    }

    /// The browser looks again after so many seconds.
    pub(super) fn refreshed(mut self, seconds: u32) -> Self {
        self.refresh = Some(seconds);
        self
    }

    /// HTML of ours.
    pub(super) fn raw(&mut self, html: &str) -> &mut Self {
        self.body.push_str(html);
        self
    }

    /// Text of anybody's.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.body.push_str(&escaped(text));
        self
    }

    /// A sentence of ours in the page's language.
    pub(super) fn say(&mut self, sentence: &str) -> &mut Self {
        let said = self.language.say(sentence);
        self.text(&said)
    }

    /// What is bought, and what it costs.
    pub(super) fn purchase(&mut self, of: &Checkout) -> &mut Self {
        let purchase = purchase(of, self.language).into_string();
        self.raw(&purchase)
    }

    pub(super) fn finish(self) -> Markup {
        // What the builder was given as text is escaped.
        layout(self.language, &self.title, self.refresh, &PreEscaped(self.body))
    }
}

/// Text as it stands between tags and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

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
                title { (language.say(title)) }
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
                p.reference { (language.say("Reference")) " " (reference) }
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
        assert_eq!(escaped(r#"<a href="x">'&"#), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }

    #[test]
    fn amounts_are_written_as_in_the_language() {
        assert_eq!(money("1234567.50", "EUR", Language::English), "EUR\u{a0}1,234,567.50");
        assert_eq!(money("15000", "KMF", Language::French), "15\u{202f}000\u{a0}KMF");
        assert_eq!(money("999.9", "EUR", Language::Spanish), "999,9\u{a0}EUR");
    }
}
