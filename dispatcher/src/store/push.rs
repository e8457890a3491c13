//! Where responders are reached: their application's address, their browsers' push services, their telephone.

use domain::id::ResponderId;
use sqlx::PgConnection;

use super::StoreError;

/// How many browsers a responder can be pushed to; the oldest go.
const SUBSCRIPTIONS_MAX: i64 = 5;

/// A browser that wants to be pushed to.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Where its push service listens.
    pub endpoint: String,
    /// Its public key, uncompressed: 65 bytes.
    pub p256dh: Vec<u8>,
    /// Its secret: 16 bytes.
    pub auth: Vec<u8>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription(…)")
    }
}

/// Every way to a responder.
#[derive(Default)]
pub struct Ways {
    /// Their application: its address, and what signs for it.
    pub webhook: Option<(String, String)>,
    /// Their browsers that subscribed to the key that we have now.
    pub browsers: Vec<Subscription>,
    /// Their telephone, when a text message can go there.
    pub number: Option<String>,
}

/// How a responder is reached. `server_key` is our public key for pushes, when there is one.
pub async fn ways(conn: &mut PgConnection, responder: &str, server_key: Option<&str>) -> Result<Ways, StoreError> {
    let row = sqlx::query!(
        "select push_url, push_secret, sms_number(phone) as number from responder where id = $1::text::uuid",
        responder
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(Ways::default()) };
    let browsers = sqlx::query_as!(
        Subscription,
        "select endpoint, p256dh, auth from push_subscription
         where responder_id = $1::text::uuid and server_key = $2 order by at desc",
        responder,
        server_key,
    )
    .fetch_all(conn)
    .await?;
    Ok(Ways { webhook: row.push_url.zip(row.push_secret), browsers, number: row.number })
}

/// Keeps where a responder's browser is pushed to. A browser is its last user's.
pub async fn subscribe(
    conn: &mut PgConnection,
    responder: ResponderId,
    subscription: &Subscription,
    server_key: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into push_subscription (endpoint, responder_id, p256dh, auth, server_key) values ($1, $2, $3, $4, $5)
         on conflict (endpoint) do update set responder_id = excluded.responder_id, p256dh = excluded.p256dh,
            auth = excluded.auth, server_key = excluded.server_key, at = clock_timestamp()",
        subscription.endpoint,
        responder.0,
        subscription.p256dh,
        subscription.auth,
        server_key,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from push_subscription where endpoint in (
            select endpoint from push_subscription where responder_id = $1 order by at desc, endpoint offset $2)",
        responder.0,
        SUBSCRIPTIONS_MAX,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A responder's browser is not pushed to any more.
pub async fn unsubscribe(conn: &mut PgConnection, responder: ResponderId, endpoint: &str) -> Result<(), StoreError> {
    sqlx::query!("delete from push_subscription where responder_id = $1 and endpoint = $2", responder.0, endpoint)
        .execute(conn)
        .await?;
    Ok(())
}

/// Push services say that these browsers have gone.
pub async fn forget(conn: &mut PgConnection, endpoints: &[String]) -> Result<(), StoreError> {
    sqlx::query!("delete from push_subscription where endpoint = any($1)", endpoints).execute(conn).await?;
    Ok(())
}
