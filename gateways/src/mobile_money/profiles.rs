//! How the operators differ, as data.

use rust_decimal::Decimal;

use crate::{Error, Money, Source};

/// One operator.
pub(crate) struct Profile {
    pub(crate) source: Source,
    pub(super) access: Access,
    /// Path under which payments are asked for.
    pub(super) pay: &'static str,
    /// What stands before the id of a request in the path of its state.
    pub(super) states: &'static str,
    /// What stands before the id of a transaction in its path.
    pub(super) transactions: &'static str,
    /// What stands before our id in the path of an answer that we may have missed, where the operator has that.
    pub(super) missed: Option<&'static str>,
    /// Whether transactions can be taken back.
    pub(super) reversals: bool,
    /// Headers that every request has.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// Header that names the merchant's number.
    pub(super) account_header: Option<&'static str>,
    /// Header that names the merchant.
    pub(super) partner_header: Option<&'static str>,
    /// Codes of ISO 4217 and the operator's words for them. All are written without fraction.
    pub(super) currencies: &'static [(&'static str, &'static str)],
    pub(super) phones: Phones,
    /// Longest text, characters; all but letters, digits and a few signs of ASCII is left out if it is plain.
    pub(super) description_max: usize,
    pub(super) description_plain: bool,
    /// Whether callbacks carry a JSON body or a query.
    pub(super) callback_format: CallbackFormat,
    pub(super) proof: Proof,
}

/// How the operator knows us.
pub(crate) enum Access {
    /// A token for client credentials.
    OAuth { token_path: &'static str, scope: Option<&'static str> },
    /// User and password with each request.
    Basic,
    /// A key in this header of each request.
    Key { header: &'static str },
}

/// How payers' numbers are written.
pub(super) enum Phones {
    /// With plus sign and country.
    International,
    /// Without the country's code; numbers of other countries are not served.
    National { country: &'static str, trunk: &'static str },
}

/// What a callback's verb makes of it: `GET` has nothing but a query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CallbackFormat {
    Json,
    Query,
}

/// How we know that a callback is the operator's.
#[derive(Clone, Copy)]
pub(crate) enum Proof {
    /// User and password.
    Basic,
    /// The secret in a header.
    Header(&'static str),
    /// The secret in the query of the URL, which nobody but the operator is given.
    Query(&'static str),
}

/// After MVola's public documentation of its merchant pay API. It has no resource for answers that got lost and takes no
/// transaction back; its callbacks carry no credentials, so that the URL does. Calls back with `PUT`.
pub(crate) const MVOLA_MG: Profile = Profile {
    source: Source::MvolaMadagascar,
    access: Access::OAuth { token_path: "/token", scope: Some("EXT_INT_MVOLA_SCOPE") },
    pay: "/mvola/mm/transactions/type/merchantpay/1.0.0/",
    states: "/mvola/mm/transactions/type/merchantpay/1.0.0/status/",
    transactions: "/mvola/mm/transactions/type/merchantpay/1.0.0/",
    missed: None,
    reversals: false,
    headers: &[("Version", "1.0"), ("UserLanguage", "FR"), ("Cache-Control", "no-cache")],
    account_header: Some("UserAccountIdentifier"),
    partner_header: Some("partnerName"),
    currencies: &[("MGA", "Ar")],
    phones: Phones::National { country: "261", trunk: "0" },
    description_max: 50,
    description_plain: true,
    callback_format: CallbackFormat::Json,
    proof: Proof::Query("token"),
};

/// The same API as in Madagascar, with another currency and other numbers. Calls back with `POST`.
pub(crate) const MVOLA_KM: Profile = Profile {
    source: Source::MvolaComoros,
    currencies: &[("KMF", "KMF")],
    phones: Phones::National { country: "269", trunk: "" },
    ..MVOLA_MG
};

/// Holo publishes no documentation. This is the GSMA's API, with a key; calls back with `GET`.
pub(crate) const HOLO: Profile = Profile {
    source: Source::Holo,
    access: Access::Key { header: "X-API-Key" },
    pay: "/transactions/type/merchantpay",
    states: "/requeststates/",
    transactions: "/transactions/",
    missed: Some("/responses/"),
    reversals: true,
    headers: &[],
    account_header: None,
    partner_header: None,
    currencies: &[("KMF", "KMF")],
    phones: Phones::International,
    description_max: 160,
    description_plain: false,
    callback_format: CallbackFormat::Query,
    proof: Proof::Header("x-callback-key"),
};

/// Huri Money publishes no documentation. This is the GSMA's API, with Basic credentials both ways; calls back with
/// `POST`.
pub(crate) const HURI: Profile = Profile {
    source: Source::HuriMoney,
    access: Access::Basic,
    callback_format: CallbackFormat::Json,
    proof: Proof::Basic,
    ..HOLO
};

impl Profile {
    /// Whether the settings must have a client id.
    pub(crate) fn needs_client_id(&self) -> bool {
        !matches!(self.access, Access::Key { .. })
    }

    /// Whether the settings must have a user who calls back.
    pub(crate) fn needs_callback_user(&self) -> bool {
        matches!(self.proof, Proof::Basic)
    }

    /// Amount and currency as the operator writes them.
    pub(super) fn amount(&self, money: &Money) -> Result<(String, &'static str), Error> {
        let known = self.currencies.iter().find(|(code, _)| *code == money.currency);
        let Some((_, currency)) = known else {
            let message = format!("{} does not take {}", self.source.title(), money.currency);
            return Err(declined("currency_unsupported", &message));
        };
        if !money.value.fract().is_zero() || money.value <= Decimal::ZERO {
            return Err(declined("amount_precision", "mobile money moves whole units of the currency only"));
        }
        Ok((money.value.trunc().normalize().to_string(), currency))
    }

    /// The payer's number as the operator writes it; ours are E.164.
    pub(super) fn payer(&self, phone: Option<&str>) -> Result<String, Error> {
        let Some(phone) = phone.filter(|phone| !phone.is_empty()) else {
            return Err(declined("phone_required", "the payer's phone number is needed for mobile money"));
        };
        match &self.phones {
            Phones::International => Ok(phone.to_owned()),
            Phones::National { country, trunk } => {
                let digits = phone.trim_start_matches('+');
                let Some(national) = digits.strip_prefix(country).filter(|rest| !rest.is_empty()) else {
                    let message = format!("{} serves phone numbers that begin with +{country}", self.source.title());
                    return Err(declined("phone_foreign", &message));
                };
                Ok(format!("{trunk}{national}"))
            }
        }
    }

    pub(super) fn description(&self, text: &str) -> String {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._, ".contains(letter);
        let kept = text.chars().map(|letter| if self.description_plain && !allowed(letter) { ' ' } else { letter });
        kept.take(self.description_max).collect()
    }
}

fn declined(code: &str, message: &str) -> Error {
    Error::Declined { code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(value: &str, currency: &str) -> Money {
        Money { value: value.parse().unwrap(), currency: currency.to_owned(), decimals: 2 }
    }

    #[test]
    fn amounts_are_whole_and_in_the_operators_word() {
        assert_eq!(MVOLA_MG.amount(&money("1500", "MGA")).unwrap(), ("1500".to_owned(), "Ar"));
        assert_eq!(MVOLA_MG.amount(&money("1500.00", "MGA")).unwrap(), ("1500".to_owned(), "Ar"));
        assert_eq!(HOLO.amount(&money("1000000", "KMF")).unwrap(), ("1000000".to_owned(), "KMF"));
        for (value, currency) in [("1500.50", "MGA"), ("0", "MGA"), ("-5", "MGA"), ("5", "EUR"), ("5", "KMF")] {
            assert!(matches!(MVOLA_MG.amount(&money(value, currency)), Err(Error::Declined { .. })), "{value}");
        }
    }

    #[test]
    fn phones_are_written_as_the_operator_does() {
        assert_eq!(MVOLA_MG.payer(Some("+261343500003")).unwrap(), "0343500003");
        assert_eq!(MVOLA_KM.payer(Some("+2693212345")).unwrap(), "3212345");
        assert_eq!(HURI.payer(Some("+2693212345")).unwrap(), "+2693212345");
        let code = |phone| match MVOLA_MG.payer(phone) {
            Err(Error::Declined { code, .. }) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(None), "phone_required");
        assert_eq!(code(Some("")), "phone_required");
        assert_eq!(code(Some("+33612345678")), "phone_foreign");
        assert_eq!(code(Some("+261")), "phone_foreign");
    }

    #[test]
    fn descriptions_fit() {
        assert_eq!(MVOLA_MG.description("Café <b> n° 7, v1.0"), "Caf   b  n  7, v1.0");
        assert_eq!(MVOLA_MG.description(&"a".repeat(80)).len(), 50);
        assert_eq!(HOLO.description("Café"), "Café");
    }
}
