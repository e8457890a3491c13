//! The roll of residents, providers and responders, brought in from lists: who is there already, and what of a row is new.

use domain::place::Position;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use crate::clock;

/// Nobody may add or change a resident or provider until the transaction is over: whoever is not there when a list is
/// compared is not there when it is written.
pub async fn hold(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("lock table resident, contact, medical_card, provider, contract in share row exclusive mode")
        .execute(conn)
        .await?;
    Ok(())
}

/// A resident as a list can say it. Places in WGS-84.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resident {
    /// The number that whoever keeps the list gave them.
    pub code: Option<String>,
    /// Name.
    pub name: String,
    /// `female` or `male`.
    pub sex: Option<String>,
    /// Year of birth.
    pub born_in: Option<i16>,
    /// Telephone.
    pub phone: Option<String>,
    /// 孤寡, 空巢, 残疾 …
    pub category: Option<String>,
    /// Where they live, in words.
    pub address: String,
    /// How to get in.
    pub door_access: Option<String>,
    /// Where they live.
    pub home: Option<Position>,
    /// Where they are served.
    pub serving_node: Uuid,
    /// Where they are registered.
    pub registered_node: Uuid,
    /// `at_once` or `operator_first`; none: as the node says.
    pub handover_policy: Option<String>,
    /// Illnesses, medicines, allergies.
    pub medical_card: Option<String>,
    /// Noted as soon in danger.
    pub medical_risk: bool,
    /// By rank: name, relation, telephone.
    pub contacts: Vec<Contact>,
}

/// Somebody to be told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Contact {
    /// The first is 1.
    pub rank: i16,
    /// Name.
    pub name: String,
    /// What they are to the resident.
    pub relation: String,
    /// Telephone.
    pub phone: String,
    /// Where mails go, if anywhere.
    pub email: Option<String>,
    /// Where a webhook is posted, if anywhere.
    pub webhook_url: Option<String>,
    /// What signs it.
    pub webhook_secret: Option<String>,
}

/// Every resident there is.
pub async fn residents(conn: &mut PgConnection) -> Result<Vec<(Uuid, Resident)>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id as "id!", r.code, r.name as "name!", r.sex, r.born_in, r.phone, r.category,
            r.address as "address!", r.door_access, st_y(r.home::geometry) as lat, st_x(r.home::geometry) as lon,
            r.serving_node as "serving_node!", r.registered_node as "registered_node!",
            r.handover_policy, r.medical_risk as "medical_risk!", m.card as "card?",
            (select coalesce(json_agg(json_build_object(
                'rank', c.rank, 'name', c.name, 'relation', c.relation, 'phone', c.phone, 'email', c.email,
                'webhook_url', c.webhook_url, 'webhook_secret', c.webhook_secret) order by c.rank), '[]')
             from contact c where c.resident_id = r.id) as "contacts!: sqlx::types::Json<Vec<Contact>>"
         from resident r left join medical_card m on m.resident_id = r.id"#
    )
    .fetch_all(conn)
    .await?;
    let resident = rows.into_iter().map(|row| {
        let home = row.lat.zip(row.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok());
        let resident = Resident {
            code: row.code,
            name: row.name,
            sex: row.sex,
            born_in: row.born_in,
            phone: row.phone,
            category: row.category,
            address: row.address,
            door_access: row.door_access,
            home,
            serving_node: row.serving_node,
            registered_node: row.registered_node,
            handover_policy: row.handover_policy,
            medical_card: row.card,
            medical_risk: row.medical_risk,
            contacts: row.contacts.0,
        };
        (row.id, resident)
    });
    Ok(resident.collect())
}

/// Writes a resident, new when there is no such identity, with medical card and contacts.
pub async fn put_resident(conn: &mut PgConnection, id: Option<Uuid>, new: &Resident) -> Result<Uuid, StoreError> {
    let id = id.unwrap_or_else(clock::fresh_id);
    sqlx::query!(
        "insert into resident (id, code, name, sex, born_in, phone, category, address, door_access, home,
            serving_node, registered_node, handover_policy, medical_risk)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, st_setsrid(st_makepoint($10, $11), 4326)::geography, $12, $13, $14, $15)
         on conflict (id) do update set code = excluded.code, name = excluded.name, sex = excluded.sex,
            born_in = excluded.born_in, phone = excluded.phone, category = excluded.category,
            address = excluded.address, door_access = excluded.door_access, home = excluded.home,
            serving_node = excluded.serving_node, registered_node = excluded.registered_node,
            handover_policy = excluded.handover_policy, medical_risk = excluded.medical_risk",
        id,
        new.code,
        new.name,
        new.sex,
        new.born_in,
        new.phone,
        new.category,
        new.address,
        new.door_access,
        new.home.map(Position::lon_deg),
        new.home.map(Position::lat_deg),
        new.serving_node,
        new.registered_node,
        new.handover_policy,
        new.medical_risk,
    )
    .execute(&mut *conn)
    .await?;
    if let Some(card) = &new.medical_card {
        sqlx::query!(
            "insert into medical_card (resident_id, card) values ($1, $2)
             on conflict (resident_id) do update set card = excluded.card",
            id,
            card
        )
        .execute(&mut *conn)
        .await?;
    }
    for contact in &new.contacts {
        put_contact(conn, id, contact).await?;
    }
    Ok(id)
}

async fn put_contact(conn: &mut PgConnection, resident: Uuid, contact: &Contact) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into contact (resident_id, rank, name, relation, phone, email, webhook_url, webhook_secret)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (resident_id, rank) do update set name = excluded.name, relation = excluded.relation,
            phone = excluded.phone, email = excluded.email, webhook_url = excluded.webhook_url,
            webhook_secret = excluded.webhook_secret",
        resident,
        contact.rank,
        contact.name,
        contact.relation,
        contact.phone,
        contact.email,
        contact.webhook_url,
        contact.webhook_secret,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A provider as a list can say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The number that whoever keeps the list gave them.
    pub code: Option<String>,
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: Option<String>,
    /// Below which node they work.
    pub node: Uuid,
    /// For what they have a contract there, sorted.
    pub categories: Vec<String>,
}

/// Every provider there is, with what is contracted today below its own node.
pub async fn providers(conn: &mut PgConnection) -> Result<Vec<(Uuid, Provider)>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.id, p.code, p.name, p.phone, p.node_id,
            array(select distinct c.category from contract c where c.provider_id = p.id and c.node_id = p.node_id
                and c.since <= current_date and (c.until is null or c.until >= current_date)
                order by 1) as "categories!"
         from provider p"#
    )
    .fetch_all(conn)
    .await?;
    let provider = rows.into_iter().map(|row| {
        let provider = Provider {
            code: row.code,
            name: row.name,
            phone: row.phone,
            node: row.node_id,
            categories: row.categories,
        };
        (row.id, provider)
    });
    Ok(provider.collect())
}

/// Writes a provider, new when there is no such identity. Contracts are added, never ended: a list that names fewer
/// categories is no notice to quit.
pub async fn put_provider(conn: &mut PgConnection, id: Option<Uuid>, new: &Provider) -> Result<Uuid, StoreError> {
    let id = id.unwrap_or_else(clock::fresh_id);
    sqlx::query!(
        "insert into provider (id, code, name, phone, node_id) values ($1, $2, $3, $4, $5)
         on conflict (id) do update set code = excluded.code, name = excluded.name, phone = excluded.phone,
            node_id = excluded.node_id",
        id,
        new.code,
        new.name,
        new.phone,
        new.node,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into contract (provider_id, node_id, category)
         select $1, $2, category from unnest($3::text[]) as category
         where not exists (select from contract c where c.provider_id = $1 and c.node_id = $2
            and c.category = category.category and c.since <= current_date
            and (c.until is null or c.until >= current_date))
         on conflict do nothing",
        id,
        new.node,
        &new.categories,
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// Nobody may add or change a responder or an account until the transaction is over.
pub async fn hold_responders(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("lock table provider, responder, app_user, role_grant in share row exclusive mode")
        .execute(conn)
        .await?;
    Ok(())
}

/// A responder as a list can say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responder {
    /// Their company.
    pub provider: Uuid,
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: String,
    /// The place that they belong to.
    pub node: Uuid,
    /// Whether they can be asked now.
    pub on_duty: bool,
    /// The name that they log in with, if they do.
    pub login: Option<String>,
    /// Whether an application of theirs has a token.
    pub has_token: bool,
}

/// Every responder there is.
pub async fn responders(conn: &mut PgConnection) -> Result<Vec<(Uuid, Responder)>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id as "id!", r.provider_id as "provider_id!", r.name as "name!", r.phone as "phone!",
            r.node_id as "node_id!", r.on_duty as "on_duty!", u.login as "login?",
            r.token_sha256 is not null as "has_token!"
         from responder r left join app_user u on u.id = r.user_id"#
    )
    .fetch_all(conn)
    .await?;
    let responder = rows.into_iter().map(|row| {
        let responder = Responder {
            provider: row.provider_id,
            name: row.name,
            phone: row.phone,
            node: row.node_id,
            on_duty: row.on_duty,
            login: row.login,
            has_token: row.has_token,
        };
        (row.id, responder)
    });
    Ok(responder.collect())
}

/// Writes a responder, new when there is no such identity. Their login is there already; a token that is not given
/// stays.
pub async fn put_responder(
    conn: &mut PgConnection,
    id: Option<Uuid>,
    new: &Responder,
    token_sha256: Option<[u8; 32]>,
) -> Result<Uuid, StoreError> {
    let id = id.unwrap_or_else(clock::fresh_id);
    sqlx::query!(
        "insert into responder (id, provider_id, name, phone, node_id, on_duty, user_id, token_sha256)
         values ($1, $2, $3, $4, $5, $6, (select id from app_user where login = $7), $8)
         on conflict (id) do update set provider_id = excluded.provider_id, name = excluded.name,
            phone = excluded.phone, node_id = excluded.node_id, on_duty = excluded.on_duty,
            user_id = excluded.user_id, token_sha256 = coalesce(excluded.token_sha256, responder.token_sha256)",
        id,
        new.provider,
        new.name,
        new.phone,
        new.node,
        new.on_duty,
        new.login,
        token_sha256.as_ref().map(<[u8; 32]>::as_slice),
    )
    .execute(conn)
    .await?;
    Ok(id)
}
