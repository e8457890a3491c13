//! Finding a resident whom somebody telephones about.

use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;

/// More than that is no answer: the caller has to say more.
const FOUND_MAX: i64 = 20;

/// A resident who may be meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Their identity.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// Where they are served.
    pub community: Option<String>,
    /// Where they live.
    pub address: String,
    /// Their telephone.
    pub phone: Option<String>,
}

/// Residents whose name, address, telephone or a contact's telephone holds `text`; those whose name
/// begins with it first.
pub async fn search(conn: &mut PgConnection, text: &str, scope: &Scope) -> Result<Vec<Found>, StoreError> {
    let found = sqlx::query_as!(
        Found,
        r#"select r.id, r.name, r.address, r.phone,
            (select c.name from org_node n join org_node c on c.id = any(n.path) and c.level = 'community'
             where n.id = r.serving_node) as community
         from resident r
         where lies_below(r.serving_node, $4)
            and (r.name ilike $1 or r.address ilike $1 or r.phone like $1
                or exists (select from contact k where k.resident_id = r.id and k.phone like $1))
         order by r.name ilike $2 desc, r.name, r.id
         limit $3"#,
        format!("%{}%", literal(text)),
        format!("{}%", literal(text)),
        FOUND_MAX,
        scope.nodes(),
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Whether there is such a resident in a scope.
pub async fn exists(conn: &mut PgConnection, resident: Uuid, scope: &Scope) -> Result<bool, StoreError> {
    let is_there = sqlx::query_scalar!(
        r#"select exists (select from resident where id = $1 and lies_below(serving_node, $2)) as "there!""#,
        resident,
        scope.nodes(),
    )
    .fetch_one(conn)
    .await?;
    Ok(is_there)
}

/// `text` in a `like` pattern, where it means itself.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_mean_themselves() {
        assert_eq!(literal(r"50%_a\"), r"50\%\_a\\");
    }
}
