//! Receipts of one transfer: those that name the same number of a bank. It is a hint for whoever looks at the bank, and
//! refuses nothing, because numbers of two banks may be the same.

use std::collections::HashMap;

use entities::{OrderId, SubmissionId};
use sea_orm::{ConnectionTrait, DbErr, Statement};

/// The other receipt of the node that names the same number: one that is confirmed, or else one that came before and is not
/// rejected. Both are looked for by the index, however many there are.
const SQL: &str = "SELECT own.id AS id, COALESCE( \
    (SELECT other.id FROM payment_submissions AS other WHERE other.node_id = own.node_id \
     AND other.reference_key = own.reference_key AND other.status = 'confirmed' AND other.id <> own.id \
     ORDER BY other.id LIMIT 1), \
    (SELECT other.id FROM payment_submissions AS other WHERE other.node_id = own.node_id \
     AND other.reference_key = own.reference_key AND other.status = 'reported' AND other.id < own.id \
     ORDER BY other.id LIMIT 1)) AS other_id \
    FROM payment_submissions AS own WHERE own.order_id = $1";

/// Which of the order's receipts name the number of another receipt, and of which.
///
/// # Errors
/// When the database does not answer.
pub async fn of_order<C: ConnectionTrait>(
    db: &C,
    order_id: OrderId,
) -> Result<HashMap<SubmissionId, SubmissionId>, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), SQL, [order_id.into()]);
    let mut duplicates = HashMap::new();
    for row in db.query_all_raw(statement).await? {
        if let Some(other) = row.try_get::<Option<SubmissionId>>("", "other_id")? {
            duplicates.insert(row.try_get("", "id")?, other);
        }
    }
    Ok(duplicates)
}

/// A bank's number as it is compared: people copy it with blanks and dashes, and without its leading zeros.
pub(super) fn key(reference: &str) -> String {
    let plain: String = reference.chars().filter(|character| character.is_alphanumeric()).collect();
    let plain = plain.to_uppercase();
    match plain.trim_start_matches('0') {
        "" if plain.is_empty() => reference.trim().to_owned(),
        "" => plain,
        significant => significant.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_number_is_compared_by_what_it_says() {
        for (reference, same) in
            [("004211", "4211"), (" 0042-11 ", "4211"), ("ab 7", "AB7"), ("000", "000"), ("-", "-")]
        {
            assert_eq!(key(reference), same, "{reference}");
        }
    }
}
