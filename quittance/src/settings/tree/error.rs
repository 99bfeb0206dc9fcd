//! What is wrong with a setting, without its value.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

/// A setting that cannot be read: where it stands, and what it must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    path: String,
    sentence: String,
}

impl Wrong {
    pub(super) fn new(sentence: &str) -> Self {
        Self { path: String::new(), sentence: sentence.to_owned() }
    }

    /// The same, seen from the section above.
    pub(super) fn below(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() { name.to_owned() } else { format!("{name}.{}", self.path) };
        self
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.sentence) } else { write!(f, "{} {}", self.path, self.sentence) }
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(&format!("cannot be read: {message}"))
    }

    /// Serde would show what it found, and that may be a password.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(&format!("must be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(&format!("must be {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(&format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(&format!("is no setting; there are {}", expected.join(", "))).below(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("must be set").below(field)
    }
}
