//! What the payer's browser is shown: choosing a gateway, waiting, and the end. Plain forms and no script at all.

mod choose;
mod ended;
mod images;
mod layout;
mod waiting;

use entities::PaymentId;
use gateways::Source;
use maud::Markup;
use payments::checkout::{self, Checkout, Status};
use poem::{FromRequest, Request, RequestBody, Response, Result, http::StatusCode, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi, param::Path, payload::PlainText,
};

use super::{
    Language, Tag,
    create::is_phone,
    plan::offered,
    submit::{choice, submitted},
};
use crate::{
    access::require_same_origin,
    body,
    edge::{Class, RequestId},
    problem::{Code, Problem, Refused},
    state::State,
};

/// A page, or the way to the next.
#[derive(ApiResponse)]
enum Page {
    /// The page.
    #[oai(status = 200, content_type = "text/html; charset=utf-8")]
    Shown(
        PlainText<String>,
        #[oai(header = "Content-Security-Policy")] String,
        #[oai(header = "Referrer-Policy")] String,
        #[oai(header = "Content-Language")] String,
    ),
    /// The page once more, with what has to be mended.
    #[oai(status = 400, content_type = "text/html; charset=utf-8")]
    Mend(
        PlainText<String>,
        #[oai(header = "Content-Security-Policy")] String,
        #[oai(header = "Referrer-Policy")] String,
        #[oai(header = "Content-Language")] String,
    ),
    /// Where the browser goes.
    #[oai(status = 303)]
    SeeOther(#[oai(header = "Location")] String),
}

/// Only our own styles and pictures, no script, in nobody's frame, and only forms of ours; a form's answer may send the
/// browser to a gateway or a shop, which browsers count as a form's target.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      form-action 'self' https: http:";

/// Our forms have to be recognisable as ours, which a page without any referrer takes from them.
const REFERRERS: &str = "same-origin";

impl Page {
    fn shown(page: Markup, language: Language) -> Self {
        let page = PlainText(page.into_string());
        Self::Shown(page, POLICY.to_owned(), REFERRERS.to_owned(), language.tag().to_owned())
    }

    fn mend(page: Markup, language: Language) -> Self {
        let page = PlainText(page.into_string());
        Self::Mend(page, POLICY.to_owned(), REFERRERS.to_owned(), language.tag().to_owned())
    }
}

/// A page that only says what is wrong.
pub(super) fn problem(status: StatusCode, detail: &str, language: Language) -> Response {
    let body = ended::problem(detail, language).into_string();
    let response = Response::builder().status(status).content_type("text/html; charset=utf-8");
    response.header(header::CONTENT_SECURITY_POLICY, POLICY).header(header::REFERRER_POLICY, REFERRERS).body(body)
}

/// What the request itself likes best to read.
pub(super) struct Reader(Language);

impl<'a> FromRequest<'a> for Reader {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self(Language::of(request)))
    }
}

impl Reader {
    /// The payment's own language comes first: the shop knows its customer.
    fn language(&self, checkout: &Checkout) -> Language {
        checkout.checkout.locale.as_deref().and_then(Language::of_tag).unwrap_or(self.0)
    }
}

/// What the forms of our pages are signed for.
const FORM: &str = "form";

/// A form of our own page.
struct Form {
    fields: Vec<(String, String)>,
}

impl<'a> ApiExtractor<'a> for Form {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::PoemExtractor];

    type ParamType = ();
    type ParamRawType = ();

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        require_same_origin(request)?;
        Ok(Self { fields: body::form(request, body).await? })
    }
}

impl Form {
    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// Whether our page has made it for this payment.
    fn require_own(&self, state: &State, id: PaymentId) -> Result<(), Problem> {
        if state.checkout_links().verify_word(FORM, id, self.field("token")) {
            return Ok(());
        }
        Err(Problem::new(Code::ForeignOrigin).detail("The signature is missing or wrong"))
    }
}

pub(crate) struct Pages(pub(crate) State);

#[OpenApi(prefix_path = "/checkout", tag = "Tag::Checkout")]
impl Pages {
    /// The page of a payment
    #[oai(path = "/:id", method = "get", operation_id = "checkout_page", hidden = true)]
    async fn page(&self, id: Path<String>, reader: Reader) -> Result<Page, Refused<404>> {
        let found = self.find(&id.0).await?;
        let language = reader.language(&found);
        Ok(match found.status() {
            Status::Init | Status::Pending => Page::shown(self.choose(&found, language, None), language),
            Status::Submitted | Status::Approved => {
                Page::shown(waiting::page(&found, language, &self.token(&found)), language)
            }
            Status::Captured | Status::Completed => match &found.checkout.success_url {
                Some(url) => Page::SeeOther(back_to(url, found.payment.id)),
                None => Page::shown(ended::thanks(&found, language), language),
            },
            Status::Canceled | Status::Failed => match &found.checkout.cancel_url {
                Some(url) => Page::SeeOther(back_to(url, found.payment.id)),
                None => Page::shown(ended::without_money(&found, language), language),
            },
        })
    }

    /// Choose on the page
    #[oai(path = "/:id/submit", method = "post", operation_id = "checkout_page_submit", hidden = true)]
    async fn submit(
        &self,
        id: Path<String>,
        request_id: RequestId,
        reader: Reader,
        form: Form,
    ) -> Result<Page, Refused<404>> {
        let found = self.find(&id.0).await?;
        let (id, language) = (found.payment.id, reader.language(&found));
        form.require_own(&self.0, id)?;
        self.0.spend_on_subject("payment", &id.to_string(), Class::Dear)?;
        let own_page = || Page::SeeOther(self.0.checkout_links().page(id));
        if found.status() != Status::Pending {
            return Ok(own_page());
        }
        let mend = |notice: &str| Ok(Page::mend(self.choose(&found, language, Some(notice)), language));
        let Ok(source) = form.field("source").parse::<Source>() else { return mend("No gateway was chosen") };
        // People write numbers with spaces between.
        let phone: String = form.field("phone").split([' ', '-', '.', '(', ')']).collect();
        let phone = Some(phone).filter(|_| source.is_mobile_money());
        if phone.as_deref().is_some_and(|phone| !is_phone(phone) || phone.len() > 32) {
            return mend("Please enter your phone number for this way to pay.");
        }
        let choice = match choice(&self.0, &found, Some(source), phone) {
            Ok(choice) => choice,
            Err(_) => return mend("This gateway is not offered here"),
        };
        let by = checkout::by_payer(Some(request_id.to_string()));
        match submitted(&self.0, id, choice, by).await {
            Ok(answer) => Ok(Page::SeeOther(answer.next)),
            // Declined, or chosen in another window: the page tells how it stands.
            Err(problem) if poem::error::ResponseError::status(&problem).is_client_error() => Ok(own_page()),
            Err(problem) => Err(problem.into()),
        }
    }

    /// Cancel on the page
    #[oai(path = "/:id/cancel", method = "post", operation_id = "checkout_page_cancel", hidden = true)]
    async fn cancel(&self, id: Path<String>, request_id: RequestId, form: Form) -> Result<Page, Refused<404>> {
        let found = self.find(&id.0).await?;
        let id = found.payment.id;
        form.require_own(&self.0, id)?;
        let mut tx = self.0.db().begin().await?;
        match checkout::cancel(&mut tx, id, checkout::by_payer(Some(request_id.to_string()))).await {
            Ok(_) => tx.commit().await?,
            // The page tells how it stands, whatever was clicked meanwhile.
            Err(checkout::CheckoutError::NotCancelable(_)) => drop(tx),
            Err(error) => return Err(error.into()),
        }
        Ok(Page::SeeOther(self.0.checkout_links().page(id)))
    }
}

impl Pages {
    async fn find(&self, id: &str) -> Result<Checkout, Problem> {
        let unknown = || Problem::not_found("Payment");
        let id: PaymentId = id.parse().map_err(|_| unknown())?;
        checkout::find_for_payer(&**self.0.db(), id).await?.ok_or_else(unknown)
    }

    fn token(&self, found: &Checkout) -> String {
        self.0.checkout_links().signature(FORM, found.payment.id)
    }

    fn choose(&self, found: &Checkout, language: Language, notice: Option<&str>) -> Markup {
        choose::page(found, &offered(&self.0, found), language, &self.token(found), notice)
    }
}

/// The shop's address with the payment's id in its query.
fn back_to(url: &str, id: PaymentId) -> String {
    match url::Url::parse(url) {
        Ok(mut url) => {
            url.query_pairs_mut().append_pair("paymentId", &id.to_string());
            url.into()
        }
        Err(_) => url.to_owned(),
    }
}

/// The gateway that a code names.
fn source_of(found: &Checkout) -> Option<Source> {
    found.checkout.source.as_deref().and_then(|code| code.parse().ok())
}

/// A file of the pages.
#[derive(ApiResponse)]
enum Asset {
    /// Styles.
    #[oai(status = 200, content_type = "text/css; charset=utf-8")]
    Css(PlainText<&'static str>, #[oai(header = "Cache-Control")] String),
    /// A gateway's picture.
    #[oai(status = 200, content_type = "image/svg+xml")]
    Svg(PlainText<String>, #[oai(header = "Cache-Control")] String),
}

const CACHED: &str = "public, max-age=300";

pub(crate) struct Assets;

#[OpenApi(prefix_path = "/checkout/assets", tag = "Tag::Checkout")]
impl Assets {
    /// A file of the pages
    #[oai(path = "/:name", method = "get", operation_id = "checkout_asset", hidden = true)]
    async fn file(&self, name: Path<String>) -> Result<Asset, Refused<404>> {
        let (name, kind) = name.0.rsplit_once('.').unwrap_or_default();
        match (name, kind) {
            ("checkout", "css") => Ok(Asset::Css(PlainText(include_str!("pages/checkout.css")), CACHED.to_owned())),
            (code, "svg") => {
                let source: Result<Source, _> = code.to_uppercase().parse();
                let source = source.map_err(|_| Problem::not_found("Path"))?;
                Ok(Asset::Svg(PlainText(images::svg(source).into_string()), CACHED.to_owned()))
            }
            _ => Err(Problem::not_found("Path").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payments_id_goes_into_the_query_that_is_there() {
        let id = PaymentId::new();
        for (url, back) in [
            ("https://shop.example", format!("https://shop.example/?paymentId={id}")),
            ("https://shop.example/a?b=c%20d#top", format!("https://shop.example/a?b=c%20d&paymentId={id}#top")),
            ("https://shop.example/?", format!("https://shop.example/?paymentId={id}")),
        ] {
            assert_eq!(back_to(url, id), back);
        }
    }
}
