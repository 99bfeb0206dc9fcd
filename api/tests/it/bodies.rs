//! What clients read: one life through each contract, with every answer as it goes over the wire.

mod redaction;
