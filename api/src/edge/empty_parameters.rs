//! Parameters of a query without a value, such as what a form sends for a field that nobody filled in: they count as absent,
//! as empty fields of bodies do.

use std::collections::HashSet;

use poem::http::{Uri, uri::PathAndQuery};
use poem_openapi::{
    OpenApi,
    registry::{MetaSchema, MetaSchemaRef, Registry},
};

/// The names of an API's parameters that are no texts: an empty number or list is none, and stays what is refused.
pub(crate) fn no_texts<T: OpenApi>() -> HashSet<String> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let operations = T::meta().into_iter().flat_map(|api| api.paths).flat_map(|path| path.operations);
    let parameters = operations.flat_map(|operation| operation.params);
    let counts = |schema: &MetaSchema| ["integer", "number", "boolean", "array"].contains(&schema.ty);
    let is_no_text = |schema: &MetaSchemaRef| match schema {
        MetaSchemaRef::Inline(schema) => counts(schema),
        MetaSchemaRef::Reference(name) => registry.schemas.get(name).is_some_and(counts),
    };
    parameters.filter(|parameter| is_no_text(&parameter.schema)).map(|parameter| parameter.name.to_string()).collect()
}

/// Takes out of the address those that are not named in `kept`.
pub(super) fn drop_from(uri: &mut Uri, kept: &HashSet<String>) {
    let is_empty = |parameter: &str| is_empty(parameter, kept);
    let Some(query) = uri.query().filter(|query| query.split('&').any(is_empty)) else { return };
    let rest: Vec<&str> = query.split('&').filter(|parameter| !is_empty(parameter)).collect();
    let target = if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), rest.join("&")) };
    let mut parts = uri.clone().into_parts();
    // Parts of what was an address are one.
    parts.path_and_query = target.parse::<PathAndQuery>().ok();
    if let Ok(shorter) = Uri::from_parts(parts) {
        *uri = shorter;
    }
}

fn is_empty(parameter: &str, kept: &HashSet<String>) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    value.is_empty() && !kept.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_no_value_is_dropped() {
        let kept = HashSet::from(["page", "desc"].map(str::to_owned));
        for (before, after) in [
            ("/a?b=&c=1&d", "/a?c=1"),
            ("/a?b=", "/a"),
            ("/a?", "/a"),
            ("/a?wallet_id=&page=&status=&desc=", "/a?page=&desc="),
            ("/a", "/a"),
            ("/a?b=1&c=x%3D&cursor=abc=", "/a?b=1&c=x%3D&cursor=abc="),
            ("http://pay.example/a?b=&c==", "http://pay.example/a?c=="),
        ] {
            let mut uri = before.parse().unwrap();
            drop_from(&mut uri, &kept);
            assert_eq!(uri.to_string(), after, "{before}");
        }
    }
}
