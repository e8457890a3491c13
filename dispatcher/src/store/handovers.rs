//! What a centre tells of a hand-over that decides nothing: where its vehicle is.

use domain::id::HandoverId;
use domain::place::Position;
use sqlx::PgConnection;

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
