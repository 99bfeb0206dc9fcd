//! Documents whose shape is the client's own: they are kept as they are, and therefore have bounds.

use serde_json::Value;

use crate::problem::{Counted, Problem, Wrong};

/// Longest document, bytes of its JSON.
const BYTES_MAX: usize = 64 << 10;

/// Values in a document, those in lists and objects included: what a page can show, and a reader can hold.
const VALUES_MAX: usize = 4_096;

/// Lists and objects within each other.
const DEPTH_MAX: usize = 16;

/// Refuses what is too much of a document, or cannot be stored.
pub(crate) fn check(pointer: &str, document: &Value) -> Result<(), Problem> {
    let mut values = 0;
    let checked = walk(document, 0, &mut values);
    checked.map_err(|wrong| Problem::invalid(pointer, wrong))?;
    if document.to_string().len() > BYTES_MAX {
        return Err(Problem::invalid(pointer, Wrong::TooMany { max: BYTES_MAX, of: Counted::BytesAsJson }));
    }
    Ok(())
}

fn walk(value: &Value, depth: usize, values: &mut usize) -> Result<(), Wrong> {
    *values += 1;
    if *values > VALUES_MAX {
        return Err(Wrong::TooMany { max: VALUES_MAX, of: Counted::Values });
    }
    let too_deep = Wrong::TooMany { max: DEPTH_MAX, of: Counted::Levels };
    let deeper = |depth: usize| if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(too_deep) };
    match value {
        // PostgreSQL stores no U+0000, wherever in a document it stands.
        Value::String(text) if text.contains('\0') => Err(Wrong::Nul),
        Value::Array(items) => {
            let depth = deeper(depth)?;
            items.iter().try_for_each(|item| walk(item, depth, values))
        }
        Value::Object(fields) if fields.keys().any(|name| name.contains('\0')) => Err(Wrong::Nul),
        Value::Object(fields) => {
            let depth = deeper(depth)?;
            fields.values().try_for_each(|field| walk(field, depth, values))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    #[test]
    fn documents_have_bounds() {
        for good in [json!([]), nested(16), json!("a".repeat(65_534)), json!(vec![1; 4_095])] {
            assert!(check("/items", &good).is_ok());
        }
        for bad in [nested(17), json!("a".repeat(65_535)), json!(vec![1; 4_096]), json!({ "a\0": 1 }), json!(["\0"])] {
            assert!(check("/items", &bad).is_err());
        }
    }
}
