//! QR codes as SVG.

use poem_openapi::{ApiResponse, payload::PlainText};
use qrcode::{EcLevel, QrCode, render::svg::Color};

use crate::problem::{Problem, Wrong};

/// An SVG image.
#[derive(ApiResponse)]
pub(crate) enum Svg {
    /// The image.
    #[oai(status = 200, content_type = "image/svg+xml")]
    Image(PlainText<String>, #[oai(header = "Cache-Control")] String),
}

/// The text as a QR code; its quiet zone is part of the image, and it scales.
pub(super) fn svg(text: &str) -> Result<Svg, Problem> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|_| Problem::invalid("/origin", Wrong::Rule("is too long for a QR code")))?;
    let image = code.render::<Color<'_>>().min_dimensions(240, 240).quiet_zone(true).build();
    Ok(Svg::Image(PlainText(image), "private, no-store".to_owned()))
}
