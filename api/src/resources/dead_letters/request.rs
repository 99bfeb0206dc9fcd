//! What operators ask for about dead letters.

use poem_openapi::{Object, types::Example};

use super::filter::LetterFilter;

/// Why something is done.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub(crate) struct Reason {
    /// For whoever looks at the letter, the run or the audit log later.
    #[oai(validator(min_length = 3, max_length = 1000))]
    pub(crate) reason: String,
}

impl Example for Reason {
    fn example() -> Self {
        Self { reason: "The order was cancelled by telephone, nothing is left to do".to_owned() }
    }
}

/// An act on all letters that match.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub(crate) struct ManyLetters {
    /// Which letters; an empty filter means all that the caller reaches.
    pub(crate) filter: LetterFilter,
    /// Why, for whoever looks at a letter or the audit log later.
    #[oai(validator(min_length = 3, max_length = 1000))]
    pub(crate) reason: String,
}

impl Example for ManyLetters {
    fn example() -> Self {
        let filter = LetterFilter { fingerprint: Some("5d8f0c1f2a3b4c5d".to_owned()), ..LetterFilter::default() };
        Self { filter, reason: "Load test of the old shop, never meant to be paid".to_owned() }
    }
}

/// How far an act on many letters came.
#[derive(Clone, Debug, Object)]
pub(crate) struct ManyChanged {
    /// Letters that were changed by this request.
    pub(crate) changed: u64,
    /// Whether that was all; otherwise the time was over: repeat the request, it goes on with what is left.
    pub(crate) complete: bool,
}

/// Another body for a letter.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub(crate) struct EditLetter {
    /// The whole new body, as the text of a JSON document. It is checked against what the job of its queue reads.
    #[oai(validator(min_length = 1, max_length = 262144))]
    pub(crate) body: String,
    /// Why, for whoever looks at the letters or the audit log later.
    #[oai(validator(min_length = 3, max_length = 1000))]
    pub(crate) reason: String,
}

impl Example for EditLetter {
    fn example() -> Self {
        Self {
            body: r#"{"payment_id":"0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b"}"#.to_owned(),
            reason: "The id had been cut off by hand".to_owned(),
        }
    }
}
