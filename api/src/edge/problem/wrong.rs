//! What is wrong with a value of a request, as a value. The sentences here are English, each the end of one that begins with
//! the value's name; contracts that have words or languages of their own match on the kinds.

use payments::money::AmountError;
use rust_decimal::Decimal;
use webhooks::UrlRefused;

use super::Own;

/// A kind of mistake, with its numbers and words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// It is missing.
    #[error("is required")]
    Required,
    /// It is null, and may be neither null nor missing.
    #[error("is required and must not be null")]
    Null,
    /// It is a JSON value of another kind.
    #[error("must be {0}")]
    NotA(Kind),
    /// It is the empty text.
    #[error("must not be empty")]
    Empty,
    /// It has nothing but blanks.
    #[error("must not be blank")]
    Blank,
    /// It has more than `max` of these.
    #[error("must have at most {max} {of}")]
    TooMany { max: usize, of: Counted },
    /// It has fewer than `min` of these.
    #[error("must have at least {min} {of}")]
    TooFew { min: usize, of: Counted },
    /// It is a number that is not above this one.
    #[error("must be greater than {0}")]
    GreaterThan(Decimal),
    /// It is a number below this one.
    #[error("must be at least {0}")]
    AtLeast(Decimal),
    /// It is a number above this one.
    #[error("must be at most {0}")]
    AtMost(Decimal),
    /// It is no integer within these bounds, which are allowed themselves.
    #[error("must be an integer from {min} to {max}")]
    IntegerWithin { min: u32, max: u32 },
    /// It is a number that 96 bits and a scale do not hold exactly.
    #[error("has more digits than can be kept exactly (28)")]
    Inexact,
    /// It is an amount that its currency, a rate or the ledger cannot have.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// It is a text of another format.
    #[error(transparent)]
    Format(#[from] Format),
    /// It is none of these words.
    #[error("must be one of {}", .0.join(", "))]
    OneOf(Vec<String>),
    /// It is no word of an enumeration, which the document lists.
    #[error("must be one of the documented words")]
    UnknownWord,
    /// It holds U+0000, which PostgreSQL cannot store.
    #[error("must not contain the character U+0000")]
    Nul,
    /// It cannot be parsed as JSON, for this reason.
    #[error("is not JSON: {0}")]
    NotJson(String),
    /// It cannot be parsed as JSON, and the parser's reason would be about its own types.
    #[error("is not JSON")]
    NotJsonOfOurs,
    /// It is a field that its object has twice.
    #[error("is given more than once")]
    Repeated,
    /// It holds an object that has a field twice, at a pointer too long to repeat.
    #[error("has a field twice in one object")]
    RepeatedWithin,
    /// It is a field that its object does not have.
    #[error("is not a known field")]
    UnknownField,
    /// It has a field that it should not have, whose name is too long to repeat.
    #[error("has a field that is not known here")]
    UnknownFieldWithin,
    /// It is a header that is repeated or not in visible ASCII.
    #[error("must be sent once, in visible ASCII characters")]
    HeaderNotOnce,
    /// It cannot be read as what it should be.
    #[error("cannot be read")]
    Unreadable,
    /// It fits its schema and cannot be read as its type.
    #[error("has a value that cannot be read")]
    UnreadableWithin,
    /// It is no cursor of a list.
    #[error("is not a cursor")]
    NotACursor,
    /// It is a page, or an offset, behind the last one that is numbered.
    #[error("is behind the first {0} items, where pages end; narrow it down or use a cursor")]
    BehindPages(u64),
    /// It is a time that has passed.
    #[error("must be in the future")]
    Past,
    /// It is a time less than so many seconds ahead.
    #[error("must be in the future, at least {0} seconds ahead")]
    TooSoon(u32),
    /// It is not what one contract wants, which alone knows the kind.
    #[error("{0}")]
    Own(Own),
    /// It is a URL that webhooks may not be sent to.
    #[error(transparent)]
    WebhookUrl(#[from] UrlRefused),
    /// It is no type of event; these exist.
    #[error("{name} is no type of event; there are {}", .known.join(", "))]
    UnknownEvent { name: String, known: Vec<&'static str> },
    /// It is another number of decimals than the token's contract has.
    #[error("must be {0}: so says the token's contract")]
    TokenDecimals(u8),
    /// It is a node of another chain.
    #[error("the node is on chain {node}, the network on {network}")]
    OtherChain { node: u64, network: i64 },
    /// It is a body that the job which it is for refuses, for this reason.
    #[error("cannot be read by its job: {0}")]
    NotForJob(String),
    /// It breaks a rule of one operation, which nothing else has words for.
    #[error("{0}")]
    Rule(&'static str),
    /// It breaks a rule that a crate below knows, in that crate's sentence.
    #[error("{0}")]
    Reported(String),
}

/// A kind of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Kind {
    #[error("an object")]
    Object,
    #[error("an array")]
    Array,
    #[error("an integer")]
    Integer,
    #[error("a number")]
    Number,
    #[error("true or false")]
    Boolean,
    #[error("a string")]
    String,
}

/// What a value may have too many or too few of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Counted {
    #[error("characters")]
    Characters,
    #[error("items")]
    Items,
    #[error("bytes")]
    Bytes,
    /// Bytes of the value's JSON.
    #[error("bytes as JSON")]
    BytesAsJson,
    /// JSON values, those in lists and objects included.
    #[error("values")]
    Values,
    /// Lists and objects within each other.
    #[error("levels")]
    Levels,
    #[error("headers")]
    Headers,
}

/// A format of texts that more than one contract knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Format {
    #[error("must be a UUID")]
    Uuid,
    #[error("must be a time as RFC 3339 has it, such as 2030-01-31T12:00:00Z")]
    Time,
    #[error("must be an IPv4 address")]
    Ipv4,
    #[error("must be an e-mail address")]
    Email,
    #[error("must be an http or https URL")]
    WebUrl,
    #[error("must be an http or https URL of at most 255 characters")]
    QueryUrl,
    #[error("must have 1 to 255 characters, none of them U+0000")]
    QueryText,
    #[error("must be 1 to 255 visible ASCII characters")]
    IdempotencyKey,
    #[error("must be a decimal number, such as 12.50")]
    Decimal,
    #[error("must be an EVM address: 0x and 40 hex digits, lower case or with its checksum")]
    EvmAddress,
}
