//! What is kept of a hand-over beside its state: what the centre was told, and where its vehicle is.

use domain::id::HandoverId;
use domain::place::Position;
use sqlx::PgConnection;
use wire::centre::Message;

use super::StoreError;

/// Says where the vehicle of a hand-over is now.
pub async fn place_vehicle(
    conn: &mut PgConnection,
    handover: HandoverId,
    plate: Option<String>,
    at: Position,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update handover set vehicle_plate = coalesce($2, vehicle_plate),
            vehicle_place = st_setsrid(st_makepoint($3, $4), 4326)::geography, vehicle_at = clock_timestamp()
         where id = $1",
        handover.0,
        plate,
        at.lon_deg(),
        at.lat_deg(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What the centre was, or is to be, told last.
pub async fn last_message(conn: &mut PgConnection, handover: HandoverId) -> Result<Option<Message>, StoreError> {
    let payload = sqlx::query_scalar!(
        "select payload from outbox where about = $1 and channel = 'centre' order by id desc limit 1",
        handover.0,
    )
    .fetch_optional(conn)
    .await?;
    let impossible = |_| StoreError::Impossible { table: "outbox", id: handover.to_string(), column: "payload" };
    payload.map(|payload| serde_json::from_value(payload).map_err(impossible)).transpose()
}
