//! Pictures of the gateways: their names in plain letters on a calm ground. Nobody's artwork is in them.

use gateways::Source;
use maud::{Markup, html};

/// The picture, which reads in light and in dark surroundings.
pub(super) fn svg(source: Source) -> Markup {
    let (ground, name, below) = match source {
        Source::Stripe => ("#4b5bd6", "Stripe", ""),
        Source::PayPal => ("#2b6a9e", "PayPal", ""),
        Source::MvolaMadagascar => ("#2f7d4f", "MVola", "MG"),
        Source::MvolaComoros => ("#2f7d4f", "MVola", "KM"),
        Source::Holo => ("#a3562a", "Holo", ""),
        Source::HuriMoney => ("#7a4a8c", "Huri", ""),
    };
    let text = |y: u32, size: u32, text: &str| {
        html! {
            text x="48" y=(y) text-anchor="middle" font-family="system-ui, sans-serif" font-size=(size) font-weight="600"
                fill="#fff" { (text) }
        }
    };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 60" width="96" height="60" role="img"
            aria-label=(source.title()) {
            rect width="96" height="60" rx="10" fill=(ground) {}
            @if below.is_empty() { (text(37, 21, name)) } @else { (text(31, 21, name)) (text(48, 13, below)) }
        }
    }
}
