//! The page on which a payer pays: static files of our own, no third-party host, nothing about the payment in them.

use poem_openapi::{ApiResponse, OpenApi, param::Path, payload::PlainText};
use uuid::Uuid;

use super::Tag;
use crate::problem::Refused;

/// Only our own scripts and styles run, nothing is fetched from elsewhere, any site may embed the page, and the token
/// in its address is told to nobody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";

/// A file of the page.
#[derive(ApiResponse)]
pub(crate) enum PageFile {
    /// The page.
    #[oai(status = 200, content_type = "text/html; charset=utf-8")]
    Html(
        PlainText<&'static str>,
        #[oai(header = "Content-Security-Policy")] String,
        #[oai(header = "Referrer-Policy")] String,
    ),
    /// Its styles.
    #[oai(status = 200, content_type = "text/css; charset=utf-8")]
    Css(PlainText<&'static str>, #[oai(header = "Cache-Control")] String),
    /// A script of it.
    #[oai(status = 200, content_type = "text/javascript; charset=utf-8")]
    Script(PlainText<&'static str>, #[oai(header = "Cache-Control")] String),
}

const CACHED: &str = "public, max-age=300";

pub(crate) struct PayPage;

#[OpenApi(prefix_path = "/pay", tag = "Tag::Widget")]
impl PayPage {
    /// The payment page
    #[oai(path = "/:id", method = "get", operation_id = "pay_page", hidden = true)]
    async fn page(&self, _id: Path<Uuid>) -> Result<PageFile, Refused> {
        let (policy, nobody) = (POLICY.to_owned(), "no-referrer".to_owned());
        Ok(PageFile::Html(PlainText(include_str!("../assets/pay.html")), policy, nobody))
    }

    /// Its styles
    #[oai(path = "/assets/pay.css", method = "get", operation_id = "pay_page_styles", hidden = true)]
    async fn styles(&self) -> Result<PageFile, Refused> {
        Ok(PageFile::Css(PlainText(include_str!("../assets/pay.css")), CACHED.to_owned()))
    }

    /// Its script
    #[oai(path = "/assets/pay.js", method = "get", operation_id = "pay_page_script", hidden = true)]
    async fn script(&self) -> Result<PageFile, Refused> {
        Ok(PageFile::Script(PlainText(include_str!("../assets/pay.js")), CACHED.to_owned()))
    }

    /// How it talks to a wallet
    #[oai(path = "/assets/wallet.js", method = "get", operation_id = "pay_page_wallet", hidden = true)]
    async fn wallet(&self) -> Result<PageFile, Refused> {
        Ok(PageFile::Script(PlainText(include_str!("../assets/wallet.js")), CACHED.to_owned()))
    }

    /// How it writes amounts
    #[oai(path = "/assets/text.js", method = "get", operation_id = "pay_page_text", hidden = true)]
    async fn text(&self) -> Result<PageFile, Refused> {
        Ok(PageFile::Script(PlainText(include_str!("../assets/text.js")), CACHED.to_owned()))
    }
}
