//! Waiting for what the gateway tells.

use gateways::Source;
use maud::Markup;
use payments::checkout::{Checkout, Status};

use super::{choose, layout::Html};
use crate::checkout::Language;

/// Seconds after which the browser looks again.
const LOOK_AGAIN_S: u32 = 3;

pub(super) fn page(of: &Checkout, language: Language, token: &str) -> Markup {
    let source = super::source_of(of);
    let mut page = Html::new(language, "Waiting for your payment").refreshed(LOOK_AGAIN_S);
    page.purchase(of);
    page.raw(r#"<section class="state" role="status"><span class="spinner" aria-hidden="true"></span><h2>"#);
    page.say("Waiting for your payment").raw("</h2><p>");
    let gateway = source.map_or("…", Source::title);
    page.say(&format!("We are waiting for {gateway} to confirm. This page goes on by itself.")).raw("</p>");
    if source.is_some_and(Source::is_mobile_money) {
        page.raw("<p>").say("If you are asked on your phone, please confirm there.").raw("</p>");
    }
    page.raw("</section>");
    let agreed = of.status() == Status::Approved;
    let approve = of.session.as_ref().and_then(|session| session.approve_url.as_deref()).filter(|_| !agreed);
    if let Some(url) = approve {
        page.raw(r#"<a class="button primary" href=""#).text(url).raw(r#"">"#);
        page.say(&format!("Open the payment page of {gateway}")).raw("</a>");
    }
    page.raw(&format!(r#"<a class="button quiet" href="/checkout/{}">"#, of.payment.id));
    page.say("Look again").raw("</a>");
    if !agreed {
        choose::cancel(&mut page, of, token);
    }
    page.finish()
}
