//! The closed list of problem codes, each with its status and title.

use poem::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:ident, $title:literal, $retryable:literal;)+) => {
        /// What kind of problem it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[$doc])* $name),+
        }

        impl Code {
            /// Every code, in the order of their statuses.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),+ }
            }

            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            pub(crate) fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable),+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request cannot be read", false;
    /// Some values are wrong; `errors` names them.
    ValidationFailed = "validation_failed", BAD_REQUEST, "The request has invalid values", false;
    /// The payment's state or rail does not allow sending it again.
    NotEligible = "not_eligible", BAD_REQUEST, "Payment not eligible for retry", false;
    /// No token, or one that is not valid.
    Unauthorized = "unauthorized", UNAUTHORIZED, "Authentication is required", false;
    /// The caller lacks a permission.
    PermissionMissing = "permission_missing", FORBIDDEN, "Permission is missing", false;
    /// The node is outside the caller's own.
    OutOfReach = "node_out_of_reach", FORBIDDEN, "The node is out of reach", false;
    /// A cookie-carried write from another site.
    ForeignOrigin = "foreign_origin", FORBIDDEN, "The request comes from another site", false;
    /// There is nothing at this path or with this id.
    NotFound = "not_found", NOT_FOUND, "Not found", false;
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed", false;
    /// The headers or the body took too long to arrive.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive", true;
    /// The state of things does not allow it.
    Conflict = "conflict", CONFLICT, "Conflict", false;
    /// The node has a payment with this external id.
    ExternalIdTaken = "external_id_taken", CONFLICT, "The external id is taken", false;
    /// A request with this idempotency key is still under way.
    IdempotencyInFlight = "idempotency_in_flight", CONFLICT, "The first request is still under way", true;
    /// The body is larger than allowed.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large", false;
    /// The path with its query is longer than allowed.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "The path is too long", false;
    /// The body is not of a media type that is read here.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", false;
    /// The idempotency key belongs to another body.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key is taken", false;
    /// Too many requests; `Retry-After` says when to come again.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests", true;
    /// The headers are larger than allowed.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large", false;
    /// A fault of ours, logged under the request id.
    Internal = "internal_error", INTERNAL_SERVER_ERROR, "Internal error", true;
    /// The database or another part does not answer, or the request took too long.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable", true;
}
