//! Reads whom an access token belongs to, anew for every request, so that a revocation takes effect at once. Requests
//! that arrive while a query is under way share the next one: the load on the database grows with time, not requests.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use entities::{
    IntegrationId, NodeId, RoleId, SubjectKind, TokenFamilyId, UserId, integration, node, now, role, role_permission,
    token_family, user,
};
use payments::{Caller, CallerKind, Permission};
use queue::Database;
use sea_orm::{Condition, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, Select, prelude::*};
use tokio::sync::{mpsc, oneshot};

use crate::problem::{Code, Problem};

/// Requests that one query answers at most.
const BATCH_MAX: usize = 256;

type Key = (SubjectKind, TokenFamilyId);
type Answer = Result<Option<Arc<Caller>>, ()>;

/// Loads callers by their sign-in.
pub(crate) struct CallerLoader {
    waiting: mpsc::Sender<(Key, oneshot::Sender<Answer>)>,
}

impl CallerLoader {
    pub(crate) fn start(db: Database) -> Self {
        let (waiting, queue) = mpsc::channel(4 * BATCH_MAX);
        tokio::spawn(run(db, queue));
        Self { waiting }
    }

    /// The caller; none when the sign-in was revoked, or its user or integration is gone.
    pub(crate) async fn load(&self, kind: SubjectKind, family: TokenFamilyId) -> Result<Option<Arc<Caller>>, Problem> {
        let unavailable = || Problem::new(Code::Unavailable).retry_after(1);
        let (reply, answer) = oneshot::channel();
        self.waiting.send(((kind, family), reply)).await.map_err(|_| unavailable())?;
        answer.await.map_err(|_| unavailable())?.map_err(|()| unavailable())
    }
}

async fn run(db: Database, mut queue: mpsc::Receiver<(Key, oneshot::Sender<Answer>)>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let keys: BTreeSet<Key> = waiting.iter().map(|(key, _)| *key).collect();
        let callers = load(&db, &keys).await.map_err(|error| tracing::error!(%error, "callers cannot be loaded"));
        for (key, reply) in waiting.drain(..) {
            let answer = match &callers {
                Ok(callers) => Ok(callers.get(&key).cloned()),
                Err(()) => Err(()),
            };
            // The request that waited may be gone.
            let _ = reply.send(answer);
        }
    }
}

async fn load(db: &Database, keys: &BTreeSet<Key>) -> Result<HashMap<Key, Arc<Caller>>, DbErr> {
    let of = |wanted: SubjectKind| keys.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, family)| *family);
    let mut callers = integrations(db, of(SubjectKind::Integration).collect()).await?;
    callers.extend(users(db, of(SubjectKind::User).collect()).await?);
    Ok(callers)
}

/// Live families of this kind with these ids.
fn families(kind: SubjectKind, ids: Vec<TokenFamilyId>) -> Select<token_family::Entity> {
    token_family::Entity::find()
        .select_only()
        .column_as(token_family::Column::Id, "family")
        .filter(token_family::Column::Id.is_in(ids))
        .filter(token_family::Column::SubjectKind.eq(kind))
        .filter(token_family::Column::RevokedAt.is_null())
        .filter(node::Column::DeletedAt.is_null())
        .column_as(node::Column::Id, "node_id")
        .column_as(node::Column::Path, "node_path")
}

#[derive(FromQueryResult)]
struct IntegrationRow {
    family: TokenFamilyId,
    id: IntegrationId,
    node_id: NodeId,
    node_path: String,
    permissions: Json,
}

async fn integrations(db: &Database, ids: Vec<TokenFamilyId>) -> Result<HashMap<Key, Arc<Caller>>, DbErr> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    use integration::Column as C;
    let subject = token_family::Entity::belongs_to(integration::Entity).from(token_family::Column::SubjectId).to(C::Id);
    let stands_on = integration::Entity::belongs_to(node::Entity).from(C::NodeId).to(node::Column::Id);
    let rows = families(SubjectKind::Integration, ids)
        .join(JoinType::InnerJoin, subject.into())
        .join(JoinType::InnerJoin, stands_on.into())
        .column_as(C::Id, "id")
        .column_as(C::Permissions, "permissions")
        .filter(C::RevokedAt.is_null())
        .filter(Condition::any().add(C::ExpiresAt.is_null()).add(C::ExpiresAt.gt(now())))
        .into_model::<IntegrationRow>()
        .all(&**db)
        .await?;
    let caller = |row: IntegrationRow| Caller {
        kind: CallerKind::Integration(row.id),
        node_id: row.node_id,
        node_path: row.node_path,
        permissions: granted(&row.permissions),
        is_admin: false,
    };
    Ok(rows.into_iter().map(|row| ((SubjectKind::Integration, row.family), Arc::new(caller(row)))).collect())
}

/// The permissions that a stored list of words grants; words of later versions grant nothing.
pub(crate) fn granted(words: &Json) -> Vec<Permission> {
    let words = words.as_array().into_iter().flatten().filter_map(Json::as_str);
    words.filter_map(Permission::from_word).collect()
}

#[derive(FromQueryResult)]
struct UserRow {
    family: TokenFamilyId,
    id: UserId,
    node_id: NodeId,
    node_path: String,
    role_id: RoleId,
    is_admin: bool,
}

async fn users(db: &Database, ids: Vec<TokenFamilyId>) -> Result<HashMap<Key, Arc<Caller>>, DbErr> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    use user::Column as C;
    let subject = token_family::Entity::belongs_to(user::Entity).from(token_family::Column::SubjectId).to(C::Id);
    let stands_on = user::Entity::belongs_to(node::Entity).from(C::NodeId).to(node::Column::Id);
    let has = user::Entity::belongs_to(role::Entity).from(C::RoleId).to(role::Column::Id);
    let rows = families(SubjectKind::User, ids)
        .join(JoinType::InnerJoin, subject.into())
        .join(JoinType::InnerJoin, stands_on.into())
        .join(JoinType::InnerJoin, has.into())
        .column_as(C::Id, "id")
        .column_as(C::RoleId, "role_id")
        .column_as(role::Column::IsAdmin, "is_admin")
        .filter(C::DisabledAt.is_null())
        .into_model::<UserRow>()
        .all(&**db)
        .await?;
    let roles: BTreeSet<RoleId> = rows.iter().map(|row| row.role_id).collect();
    let granted = role_permission::Entity::find().filter(role_permission::Column::RoleId.is_in(roles)).all(&**db);
    let mut by_role: HashMap<RoleId, Vec<Permission>> = HashMap::new();
    for grant in granted.await? {
        by_role.entry(grant.role_id).or_default().extend(Permission::from_word(&grant.permission));
    }
    let caller = |row: UserRow| Caller {
        kind: CallerKind::User(row.id),
        node_id: row.node_id,
        node_path: row.node_path,
        permissions: by_role.get(&row.role_id).cloned().unwrap_or_default(),
        is_admin: row.is_admin,
    };
    Ok(rows.into_iter().map(|row| ((SubjectKind::User, row.family), Arc::new(caller(row)))).collect())
}
