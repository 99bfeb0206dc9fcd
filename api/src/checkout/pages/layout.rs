//! HTML of the pages: what is filled in is escaped, what surrounds it is ours.

use payments::checkout::Checkout;
use poem_openapi::types::ParseFromJSON;

use crate::checkout::{
    Language,
    request::{Amount, Purchase},
};

/// A page that is being written.
pub(super) struct Html {
    pub(super) language: Language,
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
        let Ok(purchase) = Purchase::parse_from_json(Some(of.checkout.purchase.clone())) else { return self };
        let amount = |amount: &Amount| money(&amount.value, &amount.currency, self.language);
        let total = amount(&purchase.total);
        let items: Vec<(String, String)> = (purchase.items.iter().flatten())
            .map(|item| (format!("{} × {}", item.quantity, item.name), amount(&item.amount)))
            .collect();
        self.raw(r#"<section class="order"><h1><span class="payee">"#)
            .text(&of.payee)
            .raw(r#"</span><span class="total">"#);
        self.text(&total).raw("</span></h1>");
        if !items.is_empty() {
            self.raw(r#"<ul class="items">"#);
            for (name, cost) in items {
                self.raw("<li><span>").text(&name).raw("</span><span>").text(&cost).raw("</span></li>");
            }
            self.raw("</ul>");
        }
        if let Some(reference) = &of.checkout.client_id {
            self.raw(r#"<p class="reference">"#).say("Reference").raw(" ").text(reference).raw("</p>");
        }
        self.raw("</section>")
    }

    pub(super) fn finish(self) -> String {
        let refresh = self
            .refresh
            .map_or_else(String::new, |seconds| format!(r#"<meta http-equiv="refresh" content="{seconds}">"#));
        format!(
            r#"<!doctype html>
<html lang="{}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
{refresh}<title>{}</title>
<link rel="stylesheet" href="/checkout/assets/checkout.css">
</head>
<body>
<main>
{}
</main>
</body>
</html>
"#,
            self.language.tag(),
            escaped(&self.title),
            self.body
        )
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
