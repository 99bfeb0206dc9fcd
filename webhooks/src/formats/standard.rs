//! `standard`: every event, with the body that the document describes, signed as Standard Webhooks say.

use super::Format;

pub(super) static FORMAT: Format =
    Format { name: |event| Some(&event.name), body: |event| event.body.clone(), signature: None };
