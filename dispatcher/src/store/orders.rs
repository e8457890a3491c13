//! Daily help: what can be ordered, and what is said of it afterwards.

use domain::id::{IncidentId, UserId};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::timeline::{self, Line};
use super::{StoreError, facts};

/// Something that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CategoryView {
    /// The word for it, in contracts and on the wire.
    pub word: String,
    /// What it is called in Chinese.
    pub zh: String,
    /// What it is called in English.
    pub en: String,
}

/// Everything that can be ordered now.
pub async fn categories(conn: &mut PgConnection) -> Result<Vec<CategoryView>, StoreError> {
    let categories =
        sqlx::query_as!(CategoryView, "select word, zh, en from service_category where active order by word")
            .fetch_all(conn)
            .await?;
    Ok(categories)
}

/// What came of rating a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rated {
    /// It is written down.
    Given,
    /// It was rated before, and stays as it was.
    Before,
    /// It is not over.
    TooEarly,
}

/// How good help was, from 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stars(i16);

impl Stars {
    /// `None` when it is no number from 1 to 5.
    pub fn new(stars: i16) -> Option<Self> {
        (1..=5).contains(&stars).then_some(Self(stars))
    }
}

/// Writes down what the person who was helped told an operator; `None` when there is no such case.
pub async fn rate(
    conn: &mut PgConnection,
    incident: IncidentId,
    stars: Stars,
    comment: Option<&str>,
    by: UserId,
) -> Result<Option<Rated>, StoreError> {
    let is_open = sqlx::query_scalar!(
        r#"select closed_at is null as "open!" from incident where id = $1 for update"#,
        incident.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    match is_open {
        None => return Ok(None),
        Some(true) => return Ok(Some(Rated::TooEarly)),
        Some(false) => {}
    }
    let given = sqlx::query!(
        "insert into rating (incident_id, stars, comment, user_id) values ($1, $2, $3, $4) on conflict do nothing",
        incident.0,
        stars.0,
        comment,
        by.0,
    )
    .execute(&mut *conn)
    .await?;
    if given.rows_affected() == 0 {
        return Ok(Some(Rated::Before));
    }
    let now = facts::now(conn).await?;
    let line = Line { what: "rated", who: Some(by.0), data: json!({ "stars": stars.0, "comment": comment }) };
    timeline::append(conn, incident, now, &[line]).await?;
    Ok(Some(Rated::Given))
}
