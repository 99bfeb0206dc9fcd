//! Lists in one variable.

use super::Wrong;

/// The items of `["a", "b"]`, `[1, 2]` or `a, b`. Quotes around an item are no part of it.
pub(super) fn items(list: &str) -> Result<Vec<String>, Wrong> {
    let list = list.trim();
    let inner = match (list.strip_prefix('['), list.ends_with(']')) {
        (Some(rest), true) => rest.strip_suffix(']').unwrap_or(rest),
        (None, false) => list,
        _ => return Err(Wrong::new("must be a list, such as [\"a\", \"b\"]")),
    };
    let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(items.map(|item| unquoted(item).to_owned()).collect())
}

fn unquoted(item: &str) -> &str {
    let within = |quote| item.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_every_way_that_people_write_them() {
        for (list, expected) in [
            (r#"["127.0.0.0/8", "::1/128"]"#, vec!["127.0.0.0/8", "::1/128"]),
            ("[1, 2,3]", vec!["1", "2", "3"]),
            ("a, b", vec!["a", "b"]),
            ("", vec![]),
            ("[]", vec![]),
        ] {
            assert_eq!(items(list).unwrap(), expected, "{list}");
        }
        for bad in ["[a", "a]"] {
            assert!(items(bad).is_err(), "{bad}");
        }
    }
}
