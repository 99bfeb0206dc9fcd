//! Checking what a shop asks for, so that every mistake is told at once.

use entities::{PaymentMethod, currency};
use gateways::Source;
use iso_currency::Currency;
use payments::{
    checkout::NewCheckout,
    money::{self, AmountError},
};
use poem_openapi::types::ToJSON;
use rust_decimal::Decimal;

use super::{
    CheckoutWrong,
    countries::is_country,
    request::{Amount, CheckoutRequest, Context, Payer, RedirectMode},
    submit::method,
};
use crate::{
    problem::{Code, Counted, Format, Mistake, Problem, Wrong},
    web_url::WebUrl,
};

/// Longest name of a channel, characters.
const CHANNEL_MAX: usize = 255;

impl CheckoutRequest {
    /// Refuses what no database is needed to see.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mut mistakes = Mistakes::default();
        mistakes.amounts(self);
        if let Some(context) = &self.context {
            mistakes.context(context);
        }
        if let Some(payer) = &self.payer {
            mistakes.payer(payer);
        }
        if self.client_id.as_ref().is_some_and(|id| id.trim().is_empty()) {
            mistakes.wrong("/clientId", Wrong::Blank);
        }
        for (pointer, given) in [("/cancelUrl", &self.cancel_url), ("/successUrl", &self.success_url)] {
            match given {
                None if self.redirect_mode() == RedirectMode::Embedded => {
                    mistakes.wrong(pointer, CheckoutWrong::RequiredInEmbeddedMode);
                }
                Some(url) if !is_absolute(url) => mistakes.wrong(pointer, Format::WebUrl),
                _ => {}
            }
        }
        if mistakes.0.is_empty() { Ok(()) } else { Err(Problem::new(Code::ValidationFailed).mistakes(mistakes.0)) }
    }

    fn redirect_mode(&self) -> RedirectMode {
        self.context.as_ref().and_then(|context| context.redirect_mode).unwrap_or(RedirectMode::Embedded)
    }

    /// What the core is asked for; the amounts fit this currency.
    pub(super) fn into_core(self, currency: &currency::Model) -> Result<NewCheckout, Problem> {
        let total = &self.purchase.total;
        let decimals = payments::checkout::decimals(currency);
        let mut mistakes = Mistakes::default();
        let value = mistakes.value("/purchase/total/value", total, decimals);
        let items = self.purchase.items.iter().flatten().enumerate();
        for (index, item) in items {
            mistakes.value(&format!("/purchase/items/{index}/amount/value"), &item.amount, decimals);
        }
        let (Some(value), true) = (value, mistakes.0.is_empty()) else {
            return Err(Problem::new(Code::ValidationFailed).mistakes(mistakes.0));
        };
        let source = self.plan.as_ref().and_then(|plan| plan.source).map(Source::from);
        let redirect_mode = self.redirect_mode().into();
        let context = self.context.unwrap_or_default();
        Ok(NewCheckout {
            total: value,
            currency: total.currency.clone(),
            // A card as long as nobody has chosen.
            payment_method: source.map_or(PaymentMethod::CreditCard, method),
            purchase: self.purchase.to_json().unwrap_or_default(),
            redirect_mode,
            locale: context.locale,
            channels: context.channels.and_then(|channels| channels.to_json()),
            terminal_id: context.terminal_id,
            payer: self.payer.and_then(|payer| payer.to_json()),
            client_id: self.client_id,
            client_note: self.client_note,
            source: source.map(|source| source.code().to_owned()),
            cancel_url: self.cancel_url.map(|url| url.0),
            success_url: self.success_url.map(|url| url.0),
        })
    }
}

/// Mistakes so far.
#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn wrong(&mut self, pointer: &str, wrong: impl Into<Wrong>) {
        self.0.push(Mistake::in_body(pointer, wrong));
    }

    fn amounts(&mut self, request: &CheckoutRequest) {
        let total = &request.purchase.total;
        self.shape("/purchase/total/value", total);
        if Currency::from_code(&total.currency).is_none() {
            self.wrong("/purchase/total/currency", CheckoutWrong::UnknownCurrency);
        }
        for (index, item) in request.purchase.items.iter().flatten().enumerate() {
            let pointer = format!("/purchase/items/{index}");
            if item.name.trim().is_empty() {
                self.wrong(&format!("{pointer}/name"), Wrong::Blank);
            }
            self.shape(&format!("{pointer}/amount/value"), &item.amount);
            if item.amount.currency != total.currency {
                self.wrong(&format!("{pointer}/amount/currency"), CheckoutWrong::OtherCurrency);
            }
        }
    }

    fn shape(&mut self, pointer: &str, amount: &Amount) {
        if !is_decimal(&amount.value) {
            self.wrong(pointer, CheckoutWrong::WrittenAmount);
        }
    }

    /// The amount, if it is one of a currency with so many fraction digits.
    fn value(&mut self, pointer: &str, amount: &Amount, decimals: u32) -> Option<Decimal> {
        if decimals == 0 && amount.value.contains('.') {
            self.wrong(pointer, CheckoutWrong::Fraction);
            return None;
        }
        // Rounded it would be another amount than the one that was sent.
        let Ok(value) = Decimal::from_str_exact(&amount.value) else {
            self.wrong(pointer, AmountError::TooLarge);
            return None;
        };
        // As it was written: `1.500` is no amount of cents. Parts may be free; that the total is not, the core sees to.
        let fine = value.scale() > decimals;
        let checked = if fine { Err(AmountError::TooFine(decimals)) } else { money::check_cost(value, decimals) };
        checked.map_err(|error| self.wrong(pointer, error)).ok()
    }

    fn context(&mut self, context: &Context) {
        if context.locale.as_ref().is_some_and(|locale| !is_locale(locale)) {
            self.wrong("/context/locale", CheckoutWrong::Locale);
        }
        for (index, channel) in context.channels.iter().flatten().enumerate() {
            if channel.chars().count() > CHANNEL_MAX {
                let too_long = Wrong::TooMany { max: CHANNEL_MAX, of: Counted::Characters };
                self.wrong(&format!("/context/channels/{index}"), too_long);
            }
        }
    }

    fn payer(&mut self, payer: &Payer) {
        if payer.email.as_ref().is_some_and(|email| !is_email(email)) {
            self.wrong("/payer/email", Format::Email);
        }
        if payer.phone.as_ref().is_some_and(|phone| !is_phone(phone)) {
            self.wrong("/payer/phone", CheckoutWrong::Phone);
        }
        let Some(address) = &payer.address else { return };
        for (pointer, text) in [("/payer/address/line1", &address.line1), ("/payer/address/city", &address.city)] {
            if text.trim().is_empty() {
                self.wrong(pointer, Wrong::Blank);
            }
        }
        if !is_country(&address.country) {
            self.wrong("/payer/address/country", CheckoutWrong::Country);
        }
    }
}

/// Digits, and a point with digits behind it; no sign, no exponent, no leading zeros.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}

/// A language, and a country behind a dash where one is named.
fn is_locale(text: &str) -> bool {
    let (language, country) = text.split_once('-').map_or((text, None), |(language, rest)| (language, Some(rest)));
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && country.is_none_or(is_country)
}

/// `^\+[0-9]+$`.
pub(super) fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Deliberately loose: only a letter that arrives proves an address.
fn is_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace))
}

/// Whether browsers can be sent there: the standard of browsers decides, since it is they who read it.
fn is_absolute(given: &WebUrl) -> bool {
    let url = url::Url::parse(&given.0);
    url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_plain_decimals() {
        for good in ["0", "1500", "12.50", "0.01"] {
            assert!(is_decimal(good), "{good}");
        }
        for bad in ["", "-1", "+1", "1e3", "1,5", ".5", "5.", "01", " 1", "1.2.3", "NaN", "٣"] {
            assert!(!is_decimal(bad), "{bad}");
        }
    }

    #[test]
    fn locales_and_phones_have_their_shapes() {
        assert!(is_locale("fr-KM") && is_locale("fr") && is_locale("swb-KM"));
        for bad in ["FR-KM", "fr_KM", "fr-km", "french", "fr-XX", "", "f", "fr-"] {
            assert!(!is_locale(bad), "{bad}");
        }
        assert!(is_phone("+2693210000"));
        for bad in ["2693210000", "+", "+269 321", "+269a", "", "++1"] {
            assert!(!is_phone(bad), "{bad}");
        }
    }
}
