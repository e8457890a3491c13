//! What providers' people can do: skills, how they get about, languages. Where they are and what they are asked is
//! [`super::offers`]'; when they are to be at work is [`super::shifts`]'.

use domain::id::{ProviderId, ResponderId, UserId};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;

/// What somebody can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Words of their provider's contracts; none: all of it.
    pub skills: Option<Vec<String>>,
    /// `walk`, `ebike`, `car`.
    pub mode: &'static str,
    /// `female` or `male`.
    pub sex: Option<&'static str>,
    /// What they speak beside what everybody does.
    pub languages: Vec<String>,
}

/// One of a provider's people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PersonView {
    /// Their identity.
    pub id: Uuid,
    /// Whoever changes them says which version they saw.
    pub version: i32,
    /// Their provider.
    pub provider: Uuid,
    /// Their name.
    pub name: String,
    /// Their telephone.
    pub phone: String,
    /// Whether they say that they are on duty.
    pub on_duty: bool,
    /// Whether they can be asked: they are on duty, and within a shift where theirs are planned.
    pub at_work: bool,
    /// What they do of what their provider is contracted for; none: all of it.
    pub skills: Option<Vec<String>>,
    /// `walk`, `ebike`, `car`.
    pub mode: String,
    /// `female` or `male`.
    pub sex: Option<String>,
    /// What they speak beside what everybody does.
    pub languages: Vec<String>,
    /// Whether the caller may change them.
    pub editable: bool,
}

/// A provider's people, by name.
pub async fn of_provider(
    conn: &mut PgConnection,
    provider: ProviderId,
    administers: Option<&Scope>,
) -> Result<Vec<PersonView>, StoreError> {
    read(conn, Some(provider), None, administers).await
}

/// Somebody whom the caller administers.
pub async fn one(
    conn: &mut PgConnection,
    id: ResponderId,
    administers: &Scope,
) -> Result<Option<PersonView>, StoreError> {
    Ok(read(conn, None, Some(id), Some(administers)).await?.pop().filter(|person| person.editable))
}

async fn read(
    conn: &mut PgConnection,
    provider: Option<ProviderId>,
    id: Option<ResponderId>,
    administers: Option<&Scope>,
) -> Result<Vec<PersonView>, StoreError> {
    let people = sqlx::query_as!(
        PersonView,
        r#"select r.id, r.version, r.provider_id as provider, r.name, r.phone, r.on_duty,
            is_at_work(r, now()) as "at_work!", r.skills, r.mode, r.sex, r.languages,
            lies_below(r.node_id, $3) as "editable!"
         from responder r
         where r.provider_id = $1 or r.id = $2
         order by r.name, r.id"#,
        provider.map(|provider| provider.0),
        id.map(|id| id.0),
        administers.map_or(&[][..], Scope::nodes),
    )
    .fetch_all(conn)
    .await?;
    Ok(people)
}

/// Holds somebody until the transaction ends.
pub async fn hold(conn: &mut PgConnection, id: ResponderId) -> Result<(), StoreError> {
    sqlx::query!("select id from responder where id = $1 for no key update", id.0).fetch_optional(conn).await?;
    Ok(())
}

/// The first of these words for which somebody's provider has no contract that is not over, and the provider's name.
/// `emergency` is none such: whether somebody goes to emergencies can be said of everybody.
pub async fn not_contracted(
    conn: &mut PgConnection,
    id: ResponderId,
    skills: &[String],
) -> Result<Option<(String, String)>, StoreError> {
    let missing = sqlx::query!(
        r#"select skill as "skill!", p.name
         from responder r join provider p on p.id = r.provider_id, unnest($2::text[]) with ordinality x (skill, n)
         where r.id = $1 and skill <> 'emergency'
            and not exists (select from contract c where c.provider_id = p.id and c.category = skill
                and (c.until is null or c.until >= current_date))
         order by n limit 1"#,
        id.0,
        skills,
    )
    .fetch_optional(conn)
    .await?;
    Ok(missing.map(|missing| (missing.skill, missing.name)))
}

/// Changes what somebody can do.
pub async fn change(
    conn: &mut PgConnection,
    id: ResponderId,
    abilities: &Abilities,
    by: UserId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "with changed as (
            update responder set skills = $2, mode = $3, sex = $4, languages = $5 where id = $1
            returning id, skills, mode, sex, languages
         )
         insert into audit (user_id, what, about, data)
         select $6, 'responder_changed', id::text, to_jsonb(changed) - 'id' from changed",
        id.0,
        abilities.skills.as_deref(),
        abilities.mode,
        abilities.sex,
        &abilities.languages,
        by.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}
