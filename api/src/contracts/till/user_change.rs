//! What may change of a user.

use entities::{RoleId, SubjectKind, TokenFamilyId, now, user};
use poem_openapi::{Object, types::Example};
use queue::Transaction;
use sea_orm::{ActiveValue::Set, EntityTrait, QueryFilter, prelude::*};
use serde_json::{Value, json};

use super::users::non_blank;
use crate::{
    access::{hash_in_turn, precis, revoke_others},
    problem::{Problem, Wrong},
    state::State,
};

/// What is to change of a user. What is left out or null stays as it is, and so does all but the name where it is blank.
#[derive(Object)]
#[oai(example)]
pub(super) struct UserChange {
    /// What they sign in as.
    #[oai(validator(max_length = 255))]
    name: Option<String>,
    /// Four digits or more.
    #[oai(validator(max_length = 64))]
    pin: Option<String>,
    /// Where they can be written to.
    #[oai(validator(max_length = 255))]
    email: Option<String>,
    /// Where they can be called.
    #[oai(validator(max_length = 64))]
    phone: Option<String>,
    /// The id of their role.
    #[oai(validator(max_length = 255))]
    role: Option<String>,
}

impl Example for UserChange {
    fn example() -> Self {
        Self { name: Some("ada".to_owned()), pin: Some("481516".to_owned()), email: None, phone: None, role: None }
    }
}

impl UserChange {
    /// The change, if its values are ones; its PIN is hashed here, where no transaction waits for it.
    pub(super) async fn checked(self, state: &State) -> Result<Change, Problem> {
        if self.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(Problem::invalid("/name", Wrong::Blank));
        }
        let pin = non_blank(self.pin);
        if pin.as_ref().is_some_and(|pin| pin.len() < 4 || !pin.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(Problem::invalid("/pin", Wrong::Rule("must be four digits or more")));
        }
        let pin_hash = match pin {
            Some(pin) => Some(hash_in_turn(state, pin).await?),
            None => None,
        };
        let (email, phone, role) = (non_blank(self.email), non_blank(self.phone), non_blank(self.role));
        let (name, email) = (self.name.as_deref().map(precis::name), email.as_deref().map(precis::email));
        Ok(Change { name, pin_hash, email, phone, role })
    }
}

/// What changes.
pub(super) struct Change {
    name: Option<String>,
    pin_hash: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    /// As it was sent.
    pub(super) role: Option<String>,
}

impl Change {
    /// Writes it, and returns what the audit log says of it. A new PIN ends all sign-ins but the one that sets it: whoever knew the old
    /// one is out.
    pub(super) async fn write(
        self,
        tx: &Transaction,
        user: &user::Model,
        family: TokenFamilyId,
    ) -> Result<Value, Problem> {
        let another_pin = self.pin_hash.is_some();
        let role = self.role.as_deref().and_then(|role| role.parse::<RoleId>().ok());
        let audit_data = json!({
            "name": self.name, "email": self.email, "phone": self.phone, "role": role, "another_pin": another_pin,
        });
        let mut row = user::ActiveModel { updated_at: Set(now()), ..Default::default() };
        if let Some(name) = self.name {
            row.name = Set(name);
        }
        if let Some(pin_hash) = self.pin_hash {
            row.pin_hash = Set(pin_hash);
        }
        if self.email.is_some() {
            row.email = Set(self.email);
        }
        if self.phone.is_some() {
            row.phone = Set(self.phone);
        }
        if let Some(role) = role {
            row.role_id = Set(role);
        }
        let written = user::Entity::update_many().set(row).filter(user::Column::Id.eq(user.id)).exec(&**tx).await;
        written.map_err(|error| Problem::taken(error, "Somebody has this name or address"))?;
        if another_pin {
            revoke_others(tx, SubjectKind::User, user.id.0, family).await?;
        }
        Ok(audit_data)
    }
}
