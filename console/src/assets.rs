//! The files of the pages, compiled in.

use std::hash::{DefaultHasher, Hash, Hasher};

use poem::{
    Request, Response,
    http::{StatusCode, header},
};

/// A file by its name.
pub(crate) fn file(name: &str, request: &Request) -> Option<Response> {
    let (kind, text) = match name {
        "console.css" => ("text/css; charset=utf-8", include_str!("assets/console.css")),
        "console.js" => ("text/javascript; charset=utf-8", include_str!("assets/console.js")),
        _ => return None,
    };
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let response = Response::builder()
        .header(header::ETAG, &tag)
        .header(header::CACHE_CONTROL, "public, max-age=300")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if request.header(header::IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return Some(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    Some(response.content_type(kind).body(text))
}
