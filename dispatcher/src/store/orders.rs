//! Daily help: what can be ordered.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::StoreError;

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
