//! Pictures of the gateways: their names in plain letters on a calm ground. Nobody's artwork is in them.

use gateways::Source;

/// The picture, which reads in light and in dark surroundings.
pub(super) fn svg(source: Source) -> String {
    let (ground, name, below) = match source {
        Source::Stripe => ("#4b5bd6", "Stripe", "card"),
        Source::PayPal => ("#2b6a9e", "PayPal", "account"),
        Source::MvolaMadagascar => ("#2f7d4f", "MVola", "MG"),
        Source::MvolaComoros => ("#2f7d4f", "MVola", "KM"),
        Source::Holo => ("#a3562a", "Holo", "KM"),
        Source::HuriMoney => ("#7a4a8c", "Huri", "KM"),
    };
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 60" width="96" height="60" role="img" aria-label="{}">
<rect width="96" height="60" rx="10" fill="{ground}"/>
<text x="48" y="32" text-anchor="middle" font-family="system-ui, sans-serif" font-size="20" font-weight="600" fill="#fff">{name}</text>
<text x="48" y="48" text-anchor="middle" font-family="system-ui, sans-serif" font-size="11" letter-spacing="1" fill="#fff" fill-opacity=".85">{below}</text>
</svg>
"##,
        source.title()
    )
}
