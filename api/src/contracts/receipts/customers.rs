//! Sign-in of a shop's customers and its back office, by e-mail and password.

use std::time::Duration;

use entities::{Shared as _, SubjectKind, UserId, now, role, user};
use payments::{Caller, Permission};
use poem::web::cookie::CookieJar;
use poem_openapi::{Object, OpenApi, payload::Json, types::Example};
use sea_orm::{EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use uuid::Uuid;

use super::{Declined, Tag, home};
use crate::{
    access::{Account, CUSTOMER, NOBODYS, cookies, hash_in_turn, new_family, precis, sign_ins, verify_pin},
    body::Body,
    edge::{AuthConfig, ClientAddress},
    problem::{Code, Format, Problem},
    state::State,
};

/// Says to a shop's own scripts which role has signed in; it proves nothing.
const ROLE_COOKIE: &str = "krafta-role";

/// How long a sign-in at a shop lasts.
const SIGN_IN_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Somebody who wants to be a customer.
#[derive(Object)]
#[oai(example)]
pub(crate) struct Registration {
    /// Their e-mail address, which they sign in with.
    #[oai(validator(min_length = 1, max_length = 255))]
    email: String,
    /// At least six characters.
    #[oai(validator(min_length = 6, max_length = 1024))]
    password: String,
}

impl Example for Registration {
    fn example() -> Self {
        Self { email: "ada@example.org".to_owned(), password: "correct horse".to_owned() }
    }
}

/// What a customer signs in with.
#[derive(Object)]
#[oai(example)]
pub(crate) struct CustomerCredentials {
    /// Their e-mail address.
    #[oai(validator(min_length = 1, max_length = 255))]
    email: String,
    /// Their password.
    #[oai(validator(min_length = 1, max_length = 1024))]
    password: String,
}

impl Example for CustomerCredentials {
    fn example() -> Self {
        Self { email: "ada@example.org".to_owned(), password: "correct horse".to_owned() }
    }
}

/// A user, as shops know one.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Customer {
    id: Uuid,
    email: String,
    /// CLIENTE, ADMIN, TALLER or CREADOR.
    role: String,
    /// Always null: shops of creators are kept elsewhere.
    creator_store: Option<String>,
}

/// Who has signed in.
#[derive(Object)]
pub(crate) struct SignedIn {
    /// Always true.
    success: bool,
    user: Customer,
    /// The same as in the cookie, for clients that send it as a bearer token; good for 24 hours, for this contract and that
    /// of connected sellers.
    token: String,
}

pub(crate) struct Customers(pub(crate) State);

#[OpenApi(prefix_path = "/api/auth", tag = "Tag::Receipts")]
impl Customers {
    /// Become a customer
    ///
    /// Signs in, too: sets the cookie `krafta-token`, whose value is also accepted as a bearer token for 24 hours, and
    /// `krafta-role`, which scripts can read. 400 when a field is missing, the password is short, or the address is
    /// taken.
    #[oai(path = "/register", method = "post", operation_id = "register_customer")]
    async fn register(
        &self,
        jar: &CookieJar,
        address: ClientAddress,
        body: Body<Registration, true>,
    ) -> Result<Json<SignedIn>, Declined> {
        let email = address_of(&body.value.email)?;
        // Hashing is dear on purpose: one at a time for each address.
        let _turn = self.0.sign_ins().turn(&address.network()).await;
        let hash = hash_in_turn(&self.0, body.value.password).await?;
        let user = self.insert(email, hash).await?;
        Ok(Json(self.start(jar, user).await?))
    }

    /// Sign a customer in
    ///
    /// Sets the cookies `krafta-token` and `krafta-role`, as registering does, and answers the token, too. 401 for a wrong password and for an
    /// unknown address alike; 429 after five wrong tries from one address on the
    /// network, or for one user from wherever.
    #[oai(path = "/login", method = "post", operation_id = "login_customer")]
    async fn login(
        &self,
        jar: &CookieJar,
        address: ClientAddress,
        body: Body<CustomerCredentials, true>,
    ) -> Result<Json<SignedIn>, Declined<401>> {
        let CustomerCredentials { email, password } = body.value;
        let email = precis::email(&email);
        let user = self.find(&email).await?;
        let account = Account::of_user(&email, user.as_ref());
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let outcome = sign_ins::attempt(&self.0, &address, &account, verify_pin(&self.0, password, hash)).await?;
        let wrong = || Problem::new(Code::Unauthorized).detail("Wrong e-mail address or password");
        outcome.refuse(wrong)?;
        Ok(Json(self.start(jar, user.ok_or_else(wrong)?).await?))
    }
}

impl Customers {
    async fn insert(&self, email: String, password_hash: String) -> Result<user::Model, Problem> {
        let tx = self.0.db().begin().await?;
        let node = home(&*tx, &self.0.config().receipts).await?;
        let role = role::Entity::find().filter(role::Column::Name.eq(CUSTOMER)).one(&*tx).await?;
        let role = role.ok_or_else(|| Problem::new(Code::Internal))?;
        let now = now();
        let user = user::Model {
            id: UserId::new(),
            node_id: node.id,
            role_id: role.id,
            name: email.clone(),
            email: Some(email),
            phone: None,
            // No PIN is known for it: customers do not sign in at tills.
            pin_hash: NOBODYS.to_owned(),
            password_hash: Some(password_hash),
            created_at: now,
            updated_at: now,
            disabled_at: None,
        };
        let inserted = user::Entity::insert(user.clone().into_active_model()).exec_without_returning(&*tx).await;
        inserted.map_err(|error| match error.sql_err() {
            Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => {
                Problem::new(Code::ValidationFailed).detail("This e-mail address is registered already")
            }
            _ => error.into(),
        })?;
        tx.commit().await?;
        Ok(user)
    }

    /// The user with this address, if they may sign in.
    async fn find(&self, email: &str) -> Result<Option<user::Model>, DbErr> {
        user::Entity::find()
            .filter(user::Column::Email.eq(email))
            .filter(user::Column::DisabledAt.is_null())
            .one(&**self.0.db())
            .await
    }

    async fn start(&self, jar: &CookieJar, user: user::Model) -> Result<SignedIn, Problem> {
        let tx = self.0.db().begin().await?;
        let family = new_family(&tx, SubjectKind::User, user.id.0).await?;
        tx.commit().await?;
        let caller = self.0.callers().load(SubjectKind::User, family.id).await?;
        let caller = caller.ok_or_else(|| Problem::new(Code::Unauthorized))?;
        let role = role::Entity::find_shared(user.role_id).one(&**self.0.db()).await?;
        let role = role_word(&caller, role.as_ref().map_or("", |role| role.name.as_str()));
        let token = self.0.tokens().issue_for_shop(user.id.0, family.id, role, SIGN_IN_TTL)?;
        set_cookies(jar, &self.0.config().auth, &token, role);
        let (email, role) = (user.email.unwrap_or_default(), role.to_owned());
        let user = Customer { id: user.id.0, email, role, creator_store: None };
        Ok(SignedIn { success: true, user, token })
    }
}

fn set_cookies(jar: &CookieJar, config: &AuthConfig, token: &str, role: &str) {
    jar.add(cookies::cookie(config, cookies::STORE_TOKEN, token, SIGN_IN_TTL));
    let mut readable = cookies::cookie(config, ROLE_COOKIE, role, SIGN_IN_TTL);
    readable.set_http_only(false);
    jar.add(readable);
}

/// What the contract calls the role. Its ADMIN is whoever may do what an ADMIN does.
fn role_word(caller: &Caller, name: &str) -> &'static str {
    match name {
        _ if caller.can(Permission::ReceiptsManage) => "ADMIN",
        "TALLER" => "TALLER",
        "CREADOR" => "CREADOR",
        _ => CUSTOMER,
    }
}

/// The address in the one way it is kept. Deliberately loose: only a letter that arrives proves an address.
fn address_of(email: &str) -> Result<String, Problem> {
    let email = precis::email(email);
    let parts = email.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if parts.is_none() || email.contains(char::is_whitespace) {
        return Err(Problem::invalid("/email", Format::Email));
    }
    Ok(email)
}
