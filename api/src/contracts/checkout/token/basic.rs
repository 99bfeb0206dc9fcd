//! A client's credentials in the header `Authorization: Basic` (RFC 7617), each of the two encoded as in a form (RFC 6749,
//! section 2.3.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use poem::{Request, http::header};

use crate::{
    contracts::checkout::CheckoutWrong,
    problem::{Code, Location, Problem},
};

/// Id and secret; none where the header is missing or speaks of something else, such as a token that is renewed with it.
pub(super) fn credentials(request: &Request) -> Result<Option<(String, String)>, Problem> {
    let Some((scheme, encoded)) = request.header(header::AUTHORIZATION).and_then(|value| value.split_once(' ')) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let malformed =
        || Problem::new(Code::ValidationFailed).wrong("/Authorization", Location::Header, CheckoutWrong::Basic);
    decode(encoded.trim()).map(Some).ok_or_else(malformed)
}

fn decode(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?)).filter(|(id, secret)| !id.is_empty() && !secret.is_empty())
}

/// The text behind `application/x-www-form-urlencoded`; many clients send it as it is, which is the same for ours: neither a
/// key nor a secret has a character that would be encoded.
fn form_decoded(text: &str) -> Option<String> {
    let field = format!("v={}", text.replace('&', "%26"));
    url::form_urlencoded::parse(field.as_bytes()).next().map(|(_, value)| value.into_owned())
}

/// The answer to wrong ones says which way they came.
pub(super) fn wrong() -> Problem {
    super::wrong().header(header::WWW_AUTHENTICATE, r#"Basic realm="quittance", charset="UTF-8""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        decode(&STANDARD.encode(text))
    }

    #[test]
    fn both_halves_are_decoded_as_in_a_form() {
        let two = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(read("qk_1:qs_a-b_c"), two("qk_1", "qs_a-b_c"));
        assert_eq!(read("a%3Ab+c:d%26e%25"), two("a:b c", "d&e%"));
        assert_eq!(read("a:b:c&d=e"), two("a", "b:c&d=e"), "a colon in the secret is its own");
    }

    #[test]
    fn what_is_no_pair_is_none() {
        for wrong in ["", "qk_1", ":", "qk_1:", ":qs"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(decode("no base64!"), None);
        assert_eq!(decode(&STANDARD.encode(b"\xff:\xff")), None);
    }
}
