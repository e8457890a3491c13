//! Whether the case of somebody who wandered off and is back closes by itself, by node.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;

/// What a node says of it, and what holds there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReturnedView {
    /// What the node itself says, in seconds; 0: never. None: as the one above has it.
    pub own_s: Option<i32>,
    /// After so many seconds of being back the case closes by itself; none: somebody closes it.
    pub after_s: Option<i32>,
}

/// What holds in a node.
pub async fn of_node(conn: &mut PgConnection, node: Uuid) -> Result<ReturnedView, StoreError> {
    let found = sqlx::query_as!(
        ReturnedView,
        "select close_returned_s as own_s, close_returned_after(id) as after_s from org_node where id = $1",
        node
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.unwrap_or(ReturnedView { own_s: None, after_s: None }))
}

/// Says what holds in a node in `scope`, and below it where nobody says otherwise, and writes down who did; `false`: there
/// is none. Cases whose wearers are back are looked at at once.
pub async fn set(
    conn: &mut PgConnection,
    node: Uuid,
    own_s: Option<i32>,
    scope: &Scope,
    by: Uuid,
) -> Result<bool, StoreError> {
    let is_there = sqlx::query_scalar!(
        "with said as (update org_node set close_returned_s = $2 where id = $1 and path && $3 returning id)
         insert into audit (user_id, what, about) select $4, 'returned_set', id::text from said returning about",
        node,
        own_s,
        scope.nodes(),
        by,
    )
    .fetch_optional(&mut *conn)
    .await?
    .is_some();
    sqlx::query!(
        "update incident i set wake_at = least(i.wake_at, clock_timestamp())
         from org_node n
         where n.id = i.node_id and $1 = any(n.path) and i.closed_at is null and i.class = 'wandering' and i.returned",
        node,
    )
    .execute(conn)
    .await?;
    Ok(is_there)
}
