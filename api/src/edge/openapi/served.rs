//! Texts as they are served: written and compressed once, with a tag by which a client knows that it has them already.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use poem::{
    IntoResponse, Request, Response,
    http::{HeaderMap, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{Any, Type},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A text that never changes while the process lives.
pub(crate) struct Served {
    plain: String,
    gzip: Vec<u8>,
    etag: String,
}

impl Served {
    pub(crate) fn new(plain: String) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail; without its compressed form a text is served plain.
        let gzip = encoder.write_all(plain.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&plain)[..16]));
        Self { plain, gzip, etag }
    }

    /// The answer to a request for it: nothing if the client has it, compressed if it may be.
    pub(crate) fn answer(&'static self, request: &Request, content_type: &str, cache: &str) -> ServedResponse {
        let headers = request.headers();
        // The tag is of the text, whichever way it is sent: a weak comparison, as RFC 9110 wants it here.
        let answer = Response::builder()
            .header(header::ETAG, format!("W/{}", self.etag))
            .header(header::VARY, header::ACCEPT_ENCODING.as_str())
            .header(header::CACHE_CONTROL, cache);
        if is_known(headers, &self.etag) {
            return ServedResponse(answer.status(StatusCode::NOT_MODIFIED).finish());
        }
        let answer = answer.content_type(content_type);
        if takes_gzip(headers) && !self.gzip.is_empty() {
            return ServedResponse(answer.header(header::CONTENT_ENCODING, "gzip").body(self.gzip.as_slice()));
        }
        ServedResponse(answer.body(self.plain.as_str()))
    }
}

/// An answer with a served text, or without it where the client has it.
pub(crate) struct ServedResponse(Response);

impl IntoResponse for ServedResponse {
    fn into_response(self) -> Response {
        self.0
    }
}

/// As the one visible route has it, which answers JSON.
impl ApiResponse for ServedResponse {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "application/json", schema: Any::<Value>::schema_ref() }];
        let answer = |status, description, content| {
            let tag = MetaHeader {
                name: "ETag".to_owned(),
                description: Some("What `If-None-Match` may name the next time.".to_owned()),
                required: true,
                deprecated: false,
                schema: String::schema_ref(),
            };
            MetaResponse { description, status: Some(status), status_range: None, content, headers: vec![tag] }
        };
        let responses = vec![
            answer(200, "The document; compressed for those who accept gzip.", content),
            answer(304, "It is the one that `If-None-Match` names; there is no body.", Vec::new()),
        ];
        MetaResponses { responses }
    }

    fn register(_: &mut Registry) {}
}

/// Whether `If-None-Match` names it.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// Whether `Accept-Encoding` has gzip, with a weight that is not zero.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = named.flat_map(|list| list.split(',')).map(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").trim_start_matches("Q=");
        (name.trim().to_ascii_lowercase(), !weight.trim_matches(['0', '.']).is_empty())
    });
    codings.any(|(name, wanted)| wanted && (name == "gzip" || name == "x-gzip"))
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn reads_what_clients_accept() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000, br", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&with(header::ACCEPT_ENCODING, value)), takes, "{value}");
        }
        for (value, known) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(is_known(&with(header::IF_NONE_MATCH, value), "\"a\""), known, "{value}");
        }
    }
}
