//! Who there is: nodes, residents, terminals, providers, responders, users. Written by administrators
//! and by the demo; read by the line.

use domain::id::{ProviderId, ResidentId, ResponderId, TerminalId, UserId};
use domain::place::Position;
use domain::word::Word as _;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;
use wire::directory::Terminal;

use super::StoreError;
use crate::access::Role;
use crate::clock;

/// A node of the organisation tree.
#[derive(Debug, Clone)]
pub struct NewNode<'n> {
    /// Above it.
    pub parent: Uuid,
    /// `district`, `street`, `community`, `grid`, `courtyard`.
    pub level: &'n str,
    /// Its name.
    pub name: &'n str,
    /// When an emergency goes to 120; none: as the parent says.
    pub handover_policy: Option<&'n str>,
}

/// The root of the tree, which is always there.
pub async fn root(conn: &mut PgConnection) -> Result<Uuid, StoreError> {
    Ok(sqlx::query_scalar!(r#"select root_node() as "root!""#).fetch_one(conn).await?)
}

/// Gives the root its level and name.
pub async fn name_root(conn: &mut PgConnection, level: &str, name: &str) -> Result<Uuid, StoreError> {
    let id = sqlx::query_scalar!(
        "update org_node set level = $1, name = $2 where parent_id is null returning id",
        level,
        name
    )
    .fetch_one(conn)
    .await?;
    Ok(id)
}

/// Adds a node.
pub async fn add_node(conn: &mut PgConnection, node: &NewNode<'_>) -> Result<Uuid, StoreError> {
    let id = clock::fresh_id();
    sqlx::query!(
        "insert into org_node (id, parent_id, level, name, path, handover_policy)
         select $1, id, $3, $4, path || $1::uuid, $5 from org_node where id = $2",
        id,
        node.parent,
        node.level,
        node.name,
        node.handover_policy,
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// Somebody who is to be helped.
#[derive(Debug, Clone)]
pub struct NewResident<'n> {
    /// Name.
    pub name: &'n str,
    /// `female` or `male`.
    pub sex: &'n str,
    /// Year of birth.
    pub born_in: i16,
    /// Telephone.
    pub phone: &'n str,
    /// 孤寡, 空巢, 残疾 …
    pub category: &'n str,
    /// Where they live, in words.
    pub address: &'n str,
    /// How to get in.
    pub door_access: &'n str,
    /// Where they live.
    pub home: Position,
    /// Where they are served.
    pub node: Uuid,
    /// When an emergency goes to 120; none: as the node says.
    pub handover_policy: Option<&'n str>,
    /// Illnesses, medicines, allergies.
    pub medical_card: &'n str,
    /// Name, relation and telephone, nearest first.
    pub contacts: &'n [(&'n str, &'n str, &'n str)],
}

/// Adds a resident with contacts and medical card.
pub async fn add_resident(conn: &mut PgConnection, resident: &NewResident<'_>) -> Result<ResidentId, StoreError> {
    let id = clock::fresh_id();
    sqlx::query!(
        "insert into resident (id, name, sex, born_in, phone, category, address, door_access, home, serving_node,
            registered_node, handover_policy)
         values ($1, $2, $3, $4, $5, $6, $7, $8, st_setsrid(st_makepoint($9, $10), 4326)::geography, $11, $11, $12)",
        id,
        resident.name,
        resident.sex,
        resident.born_in,
        resident.phone,
        resident.category,
        resident.address,
        resident.door_access,
        resident.home.lon_deg(),
        resident.home.lat_deg(),
        resident.node,
        resident.handover_policy,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("insert into medical_card (resident_id, card) values ($1, $2)", id, resident.medical_card)
        .execute(&mut *conn)
        .await?;
    for (rank, (name, relation, phone)) in (1i16..).zip(resident.contacts) {
        sqlx::query!(
            "insert into contact (resident_id, rank, name, relation, phone) values ($1, $2, $3, $4, $5)",
            id,
            rank,
            name,
            relation,
            phone,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(ResidentId(id))
}

/// Adds a terminal, or gives an existing serial new settings and a new secret. Worn by `wearer` from
/// now on, if given.
pub async fn put_terminal(
    conn: &mut PgConnection,
    terminal: &Terminal,
    model: &str,
    wearer: Option<ResidentId>,
) -> Result<TerminalId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into terminal (serial, login, secret_sha256, dialect, model, manual_publish_means_help, drill,
            concentrator_id, certificate_sha256, profile)
         values ($1, $2, $3, $4, $5, $6, $7, (select id from concentrator where login = $8), $9, $10)
         on conflict (serial) do update set concentrator_id = excluded.concentrator_id,
            certificate_sha256 = excluded.certificate_sha256, login = excluded.login, secret_sha256 = excluded.secret_sha256,
            dialect = excluded.dialect, model = excluded.model, drill = excluded.drill,
            manual_publish_means_help = excluded.manual_publish_means_help, profile = excluded.profile, revoked_at = null
         returning id",
        &*terminal.serial,
        &*terminal.login,
        &terminal.secret_sha256,
        terminal.dialect.as_str(),
        model,
        terminal.manual_publish_means_help,
        terminal.drill,
        terminal.concentrator.as_deref(),
        terminal.certificate.as_ref().map(|certificate| certificate.0.to_vec()),
        terminal.profile.as_deref(),
    )
    .fetch_one(&mut *conn)
    .await?;
    if let Some(wearer) = wearer {
        sqlx::query!(
            "update terminal_assignment set until = clock_timestamp()
             where terminal_id = $1 and until is null and resident_id <> $2",
            id,
            wearer.0,
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "insert into terminal_assignment (terminal_id, resident_id, since)
             select $1, $2, clock_timestamp()
             where not exists (select from terminal_assignment where terminal_id = $1 and until is null)",
            id,
            wearer.0,
        )
        .execute(conn)
        .await?;
    }
    Ok(TerminalId(id))
}

/// Takes a terminal's right to connect away. False when there is no such terminal.
pub async fn revoke_terminal(conn: &mut PgConnection, serial: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!("update terminal set revoked_at = clock_timestamp() where serial = $1", serial)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Adds a provider with a contract for emergencies below a node.
pub async fn add_provider(
    conn: &mut PgConnection,
    name: &str,
    phone: &str,
    node: Uuid,
    categories: &[String],
) -> Result<ProviderId, StoreError> {
    let id = clock::fresh_id();
    sqlx::query!("insert into provider (id, node_id, name, phone) values ($1, $2, $3, $4)", id, node, name, phone)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "insert into contract (provider_id, node_id, category) select $1, $2, unnest($3::text[])",
        id,
        node,
        categories,
    )
    .execute(conn)
    .await?;
    Ok(ProviderId(id))
}

/// Somebody who goes.
#[derive(Debug, Clone)]
pub struct NewResponder<'n> {
    /// Their company.
    pub provider: ProviderId,
    /// Their login, if they have one.
    pub user: Option<UserId>,
    /// Name.
    pub name: &'n str,
    /// Telephone.
    pub phone: &'n str,
    /// SHA-256 of the token of their application.
    pub token_sha256: Option<[u8; 32]>,
    /// Where they are now.
    pub place: Option<Position>,
}

/// Adds a responder, on duty.
pub async fn add_responder(conn: &mut PgConnection, responder: &NewResponder<'_>) -> Result<ResponderId, StoreError> {
    let id = clock::fresh_id();
    sqlx::query!(
        "insert into responder (id, provider_id, node_id, user_id, name, phone, on_duty, token_sha256)
         select $1, id, node_id, $3, $4, $5, true, $6 from provider where id = $2",
        id,
        responder.provider.0,
        responder.user.map(|user| user.0),
        responder.name,
        responder.phone,
        responder.token_sha256.as_ref().map(<[u8; 32]>::as_slice),
    )
    .execute(&mut *conn)
    .await?;
    if let Some(place) = responder.place {
        place_responder(conn, ResponderId(id), place, None, None).await?;
    }
    Ok(ResponderId(id))
}

/// Says where a responder is; `at` none: now, by the database's clock.
pub async fn place_responder(
    conn: &mut PgConnection,
    responder: ResponderId,
    place: Position,
    accuracy_m: Option<f64>,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into responder_position (responder_id, place, accuracy_m, at)
         values ($1, st_setsrid(st_makepoint($2, $3), 4326)::geography, $4, coalesce($5, clock_timestamp()))
         on conflict (responder_id) do update set place = excluded.place, accuracy_m = excluded.accuracy_m, at = excluded.at",
        responder.0,
        place.lon_deg(),
        place.lat_deg(),
        accuracy_m,
        at.map(jiff_sqlx::ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What is asked of these responders is pushed to these addresses from now on, signed with `secret`. They are
/// told apart by their applications' tokens.
pub async fn push_to(
    conn: &mut PgConnection,
    addresses: &[([u8; 32], String)],
    secret: &str,
) -> Result<(), StoreError> {
    let (tokens, urls): (Vec<Vec<u8>>, Vec<String>) =
        addresses.iter().map(|(token_sha256, url)| (token_sha256.to_vec(), url.clone())).unzip();
    sqlx::query!(
        "update responder set push_url = url, push_secret = $3
         from unnest($1::bytea[], $2::text[]) as told (token, url) where token_sha256 = token",
        &tokens,
        &urls,
        secret,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a user, or gives an existing login a new name, password and grants. They are kept at the node of the
/// first grant.
pub async fn put_user(
    conn: &mut PgConnection,
    login: &str,
    name: &str,
    grants: &[(Role, Uuid)],
    password_hash: &str,
) -> Result<UserId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into app_user (id, login, name, node_id, password_hash)
         values ($1, $2, $3, coalesce($4, root_node()), $5)
         on conflict (login) do update set name = excluded.name, node_id = excluded.node_id,
            password_hash = excluded.password_hash, failed_logins = 0, locked_until = null, disabled = false
         returning id",
        clock::fresh_id(),
        login,
        name,
        grants.first().map(|(_, node)| *node),
        password_hash,
    )
    .fetch_one(&mut *conn)
    .await?;
    let (roles, nodes): (Vec<String>, Vec<Uuid>) =
        grants.iter().map(|(role, node)| (role.as_str().to_owned(), *node)).unzip();
    sqlx::query!("delete from role_grant where user_id = $1", id).execute(&mut *conn).await?;
    sqlx::query!(
        "insert into role_grant (user_id, role, node_id) select $1, * from unnest($2::text[], $3::uuid[])
         on conflict do nothing",
        id,
        &roles,
        &nodes,
    )
    .execute(conn)
    .await?;
    Ok(UserId(id))
}

/// The nodes that a terminal's wearer is served in, the root first; none when nobody wears it.
pub async fn home_path(conn: &mut PgConnection, serial: &str) -> Result<Vec<Uuid>, StoreError> {
    let path = sqlx::query_scalar!(
        "select n.path from terminal t
         join terminal_assignment a on a.terminal_id = t.id and a.until is null
         join resident r on r.id = a.resident_id
         join org_node n on n.id = r.serving_node
         where t.serial = $1",
        serial
    )
    .fetch_optional(conn)
    .await?;
    Ok(path.unwrap_or_default())
}

/// How many residents there are: none means that the database is new.
pub async fn resident_count(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(r#"select count(*) as "count!" from resident"#).fetch_one(conn).await?)
}

/// Lets the responder of this name use a login of their own.
pub async fn let_responder_log_in(conn: &mut PgConnection, name: &str, user: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "update responder set user_id = $2
         where id = (select id from responder where name = $1 order by id limit 1) and user_id is distinct from $2",
        name,
        user.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}
