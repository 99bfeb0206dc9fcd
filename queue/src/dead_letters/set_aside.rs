//! Steps that are to be left alone because an operator has discarded their letter.

/// A condition that holds while one of these kinds of message about the row `id` is discarded, and nothing has happened to
/// the row since: what was decided about it as it was does not bind what is asked of it later. Both are columns of the
/// query that the condition stands in, in full, such as `payments.id`.
#[must_use]
pub fn set_aside(kinds: &[&str], id: &str, changed_at: &str) -> String {
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
    // The state stands word by word as in the condition of an index.
    format!(
        "EXISTS (SELECT 1 FROM dead_letters WHERE state = 'discarded' AND dead_letters.kind IN ({}) \
         AND dead_letters.subject_id = {id} AND dead_letters.state_at >= {changed_at})",
        kinds.join(", ")
    )
}
