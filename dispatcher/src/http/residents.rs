//! Finding a resident whom somebody telephones about.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Api;
use super::caller::May;
use super::errors::ApiError;
use super::input::{Asked, NoWords, Words};
use crate::access::See;
use crate::store::residents::{self, Found};

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    #[serde(default)]
    q: String,
}

#[derive(Serialize)]
pub(super) struct FoundView {
    residents: Vec<Found>,
}

/// `GET /residents?q=`
pub(super) async fn search(
    State(api): State<Api>,
    who: May<See>,
    Asked(SearchQuery { q }): Asked<SearchQuery>,
) -> Result<Json<FoundView>, ApiError> {
    let residents = match Words::<100>::new(&q) {
        Ok(words) => residents::search(&mut *api.conn().await?, &words.into_inner(), &who.scope).await?,
        // Nothing asked, nothing found.
        Err(NoWords::Empty) => Vec::new(),
        Err(why) => return Err(ApiError::BadRequest(format!("q {why}"))),
    };
    Ok(Json(FoundView { residents }))
}
