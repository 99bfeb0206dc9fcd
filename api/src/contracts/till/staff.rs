//! Sign-in of people, by name and PIN, with tokens in cookies.

use entities::{Shared as _, SubjectKind, Unscoped as _, now, refresh_token, role, token_family, user};
use payments::{Caller, CallerKind, Permission};
use poem::{Request, web::cookie::CookieJar};
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json, types::Example};
use queue::Transaction;
use sea_orm::{EntityTrait, QueryFilter, prelude::*, sea_query::Query};
use uuid::Uuid;

use super::{
    Declined, Tag,
    staff_cookies::{REFRESH_TOKEN, StaffCookies},
    till_name,
};
use crate::{
    access::{
        Account, Allowed, Nothing, SignInOutcome, find_refresh, precis, require_same_origin, revoke_family, sign_ins,
        start_family, verify_pin,
    },
    body::Body,
    edge::ClientAddress,
    problem::{Code, Problem},
    state::State,
};

/// What a person signs in with.
#[derive(Object)]
#[oai(example)]
pub(crate) struct Login {
    /// The user's name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: String,
    /// The user's PIN.
    #[oai(validator(min_length = 1, max_length = 255))]
    pin: String,
}

impl Example for Login {
    fn example() -> Self {
        Self { name: "admin".to_owned(), pin: "481516".to_owned() }
    }
}

/// A user, as tills know one.
#[derive(Object)]
pub(crate) struct StaffUser {
    user_id: Uuid,
    name: String,
    email: Option<String>,
    phone: Option<String>,
    /// Name of the role.
    role: String,
    role_id: Uuid,
    /// Whether the role reaches every node and has every permission.
    #[oai(rename = "isAdmin")]
    is_admin: bool,
}

/// A permission.
#[derive(Object)]
pub(crate) struct StaffPermission {
    /// The same word as `name`.
    id: String,
    /// What it is called at tills, such as `payments_read`.
    name: String,
    description: String,
    /// Whether the user has it.
    enabled: bool,
}

impl From<Permission> for StaffPermission {
    fn from(permission: Permission) -> Self {
        let name = till_name(permission);
        Self { id: name.clone(), name, description: describe(permission), enabled: true }
    }
}

/// A user and what they may do.
#[derive(Object)]
pub(crate) struct Me {
    user: StaffUser,
    perms: Vec<StaffPermission>,
}

/// A successful sign-in.
#[derive(Object)]
pub(crate) struct LoggedIn {
    /// Always `Login successful`.
    message: String,
    user: StaffUser,
    perms: Vec<StaffPermission>,
}

/// A sentence.
#[derive(Object)]
pub(crate) struct Message {
    /// The sentence.
    message: String,
}

impl Message {
    fn new(message: &str) -> Json<Self> {
        Json(Self { message: message.to_owned() })
    }
}

/// How long an address is blocked.
#[derive(Object)]
pub(crate) struct Blocked {
    /// Seconds until the next try.
    #[oai(rename = "retryAfter")]
    retry_after: u64,
}

/// What a sign-in comes to.
#[derive(ApiResponse)]
pub(crate) enum LoginAnswer {
    /// Signed in; the cookies `accessToken` and `refreshToken` are set.
    #[oai(status = 200)]
    Done(Json<LoggedIn>),
    /// No user has this name and PIN.
    #[oai(status = 401)]
    Wrong(Json<Message>),
    /// Too many wrong tries from this address, or for this user.
    #[oai(status = 429)]
    Blocked(Json<Blocked>, #[oai(header = "Retry-After")] u64),
}

/// A refreshed access token.
#[derive(Object)]
pub(crate) struct Refreshed {
    /// Always `Access token refreshed successfully`.
    message: String,
    /// The new token, also set as a cookie.
    #[oai(rename = "accessToken")]
    access_token: String,
}

pub(crate) struct Staff(pub(crate) State);

#[OpenApi(tag = "Tag::Staff")]
impl Staff {
    /// Sign a person in
    ///
    /// Sets the cookies `accessToken` and `refreshToken`; the access token is also accepted as a bearer token. A new
    /// sign-in replaces the refresh token of the one before. Five wrong tries from one address are answered 401, the
    /// next 429: the address is then blocked for 1, 1, 2, 3, 5 … minutes. Wrong tries for one user are counted too,
    /// whichever addresses they come from.
    #[oai(path = "/auth/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        request: &Request,
        jar: &CookieJar,
        address: ClientAddress,
        body: Body<Login, true>,
    ) -> Result<LoginAnswer, Declined> {
        let Login { name, pin } = body.value;
        let name = precis::name(&name);
        let user = self.find(&name).await?;
        let account = Account::of_user(&name, user.as_ref());
        let hash = user.as_ref().map(|user| user.pin_hash.clone());
        let outcome = sign_ins::attempt(&self.0, &address, &account, verify_pin(&self.0, pin, hash)).await?;
        if let SignInOutcome::Blocked(seconds) = outcome {
            return Ok(LoginAnswer::Blocked(Json(Blocked { retry_after: seconds }), seconds));
        }
        let Some(user) = user.filter(|_| outcome == SignInOutcome::Right) else {
            return Ok(LoginAnswer::Wrong(Message::new("Invalid credentials")));
        };
        let me = self.start(&StaffCookies::new(jar, &self.0.config().auth, request), user).await?;
        Ok(LoginAnswer::Done(Json(LoggedIn { message: "Login successful".to_owned(), user: me.user, perms: me.perms })))
    }

    /// Get a new access token
    ///
    /// Takes the cookie `refreshToken`, which stays valid, and sets a new cookie `accessToken`. 401 when it is missing,
    /// expired or revoked.
    #[oai(path = "/auth/refresh", method = "post", operation_id = "refresh_login")]
    async fn refresh(&self, request: &Request, jar: &CookieJar) -> Result<Json<Refreshed>, Declined<401, 403>> {
        require_same_origin(request)?;
        let unauthorized = || Problem::new(Code::Unauthorized).detail("Invalid or expired refresh token");
        let cookie = jar.get(REFRESH_TOKEN).ok_or_else(unauthorized)?;
        let found = find_refresh(self.0.db(), SubjectKind::User, cookie.value_str()).await?;
        let (_, family) = found.ok_or_else(unauthorized)?;
        self.0.callers().load(SubjectKind::User, family.id).await?.ok_or_else(unauthorized)?;
        let (access_token, _) = self.0.tokens().issue(SubjectKind::User, family.subject_id, family.id)?;
        StaffCookies::new(jar, &self.0.config().auth, request).set_access(&access_token);
        Ok(Json(Refreshed { message: "Access token refreshed successfully".to_owned(), access_token }))
    }

    /// Sign out
    ///
    /// Empties both cookies and revokes every token of this sign-in.
    #[oai(path = "/auth/logout", method = "post", operation_id = "logout")]
    async fn logout(
        &self,
        caller: Allowed<Nothing>,
        request: &Request,
        jar: &CookieJar,
    ) -> Result<Json<Message>, Declined> {
        let tx = self.0.db().begin().await?;
        revoke_family(&tx, caller.claims.family).await?;
        tx.commit().await?;
        StaffCookies::new(jar, &self.0.config().auth, request).clear();
        Ok(Message::new("Logout successful"))
    }

    /// Who am I
    ///
    /// The user that the token belongs to, and what they may do. A token of an integration is answered 401.
    #[oai(path = "/users/me", method = "get", operation_id = "get_me")]
    async fn me(&self, caller: Allowed<Nothing>) -> Result<Json<Me>, Declined> {
        let nobody = || Problem::new(Code::Unauthorized).detail("The token does not belong to a user");
        let CallerKind::User(id) = caller.kind else { return Err(nobody().into()) };
        let user = user::Entity::find_unscoped(id).one(&**self.0.db()).await?.ok_or_else(nobody)?;
        Ok(Json(self.describe(user, &caller).await?))
    }
}

impl Staff {
    /// The user with this name, if they may sign in.
    async fn find(&self, name: &str) -> Result<Option<user::Model>, DbErr> {
        user::Entity::find()
            .filter(user::Column::Name.eq(name))
            .filter(user::Column::DisabledAt.is_null())
            .one(&**self.0.db())
            .await
    }

    async fn start(&self, cookies: &StaffCookies<'_>, user: user::Model) -> Result<Me, Problem> {
        let tx = self.0.db().begin().await?;
        replace_refresh_tokens(&tx, user.id.0).await?;
        let pair = start_family(&self.0, &tx, SubjectKind::User, user.id.0).await?;
        tx.commit().await?;
        let caller = self.0.callers().load(SubjectKind::User, pair.claims.family).await?;
        let caller = caller.ok_or_else(|| Problem::new(Code::Unauthorized))?;
        cookies.set_access(&pair.access_token);
        cookies.set_refresh(&pair.refresh_token);
        self.describe(user, &caller).await
    }

    async fn describe(&self, user: user::Model, caller: &Caller) -> Result<Me, Problem> {
        let role = role::Entity::find_shared(user.role_id).one(&**self.0.db()).await?;
        let held = Permission::ALL.iter().copied().filter(|permission| caller.can(*permission));
        let perms = held.map(StaffPermission::from).collect();
        let user = StaffUser {
            user_id: user.id.0,
            name: user.name,
            email: user.email,
            phone: user.phone,
            role: role.map(|role| role.name).unwrap_or_default(),
            role_id: user.role_id.0,
            is_admin: caller.is_admin,
        };
        Ok(Me { user, perms })
    }
}

/// A user has one live refresh token. Access tokens of the sign-in before it run out by themselves within a minute.
async fn replace_refresh_tokens(tx: &Transaction, user: Uuid) -> Result<(), DbErr> {
    let families = Query::select()
        .column(token_family::Column::Id)
        .from(token_family::Entity)
        .and_where(token_family::Column::SubjectKind.eq(SubjectKind::User))
        .and_where(token_family::Column::SubjectId.eq(user))
        .to_owned();
    refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::ExpiresAt, Expr::value(now()))
        .filter(refresh_token::Column::FamilyId.in_subquery(families))
        .filter(refresh_token::Column::ExpiresAt.gt(now()))
        .exec(&**tx)
        .await?;
    Ok(())
}

fn describe(permission: Permission) -> String {
    let description = match permission {
        Permission::PaymentsRead => "Read payments and their logs",
        Permission::PaymentsCreate => "Create, release and re-send payments",
        Permission::PaymentsCancel => "Cancel payments",
        Permission::PaymentsUpdate => "Correct payments of a till",
        Permission::PaymentsDelete => "Delete payments of a till, and relations of payments to tickets",
        Permission::TicketsCreate => "Write tickets down",
        Permission::TicketsRead => "Read tickets",
        Permission::TicketsUpdate => "Change tickets",
        Permission::UsersCreate => "Create users",
        Permission::UsersRead => "Read who the users are",
        Permission::UsersUpdate => "Change users: their names, PINs and roles",
        Permission::UsersDelete => "Delete users",
        Permission::RolesCreate => "Create roles",
        Permission::RolesRead => "Read which roles there are and what they may do",
        Permission::RolesUpdate => "Rename roles and say what they may do",
        Permission::RolesDelete => "Delete roles",
        Permission::PermissionsRead => "Read which permissions there are",
        Permission::WebhooksManage => "Manage webhook endpoints",
        Permission::NodesManage => "Manage nodes, integrations, wallets and other reference data",
        Permission::ReceiptsManage => "Read orders, decide on receipts of bank transfers, keep the accounts for them",
        Permission::MarketplaceManage => "Keep a seller's account at the card processor, refund card payments, pay out",
        Permission::Operations => "Look at and replay dead letters, look at signers",
    };
    description.to_owned()
}
