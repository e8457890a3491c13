//! What outsiders are told about an incident: the message to a centre, and whose terminal it is.

use std::collections::HashMap;

use domain::id::HandoverId;
use domain::incident::{Centre, Handover, HandoverState, Incident};
use domain::place::Source;
use domain::word::Word;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;
use wire::centre::{Message, Person, Place, Purpose, VERSION, kind_in_zh};

use super::StoreError;
use crate::config::Config;

/// The terminals that incidents' news go to: those that pressed last.
pub async fn terminal_serials(
    conn: &mut PgConnection,
    incidents: &[Uuid],
) -> Result<HashMap<Uuid, String>, StoreError> {
    if incidents.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "select i.id, t.serial from incident i join terminal t on t.id = i.terminal_id where i.id = any($1)",
        incidents
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.serial)).collect())
}

/// The message that hands an incident over, says what is known better since, or takes it back.
pub async fn for_centre(
    conn: &mut PgConnection,
    incident: &Incident,
    handover: &Handover,
    purpose: Purpose,
    config: &Config,
    now: Timestamp,
    not_after: Timestamp,
) -> Result<Message, StoreError> {
    let row = sqlx::query!(
        r#"select
            st_y(p.place::geometry) as lat, st_x(p.place::geometry) as lon, p.accuracy_m, p.source, p.at as placed_at,
            p.address, p.home_address, i.caller_phone,
            r.name as "name?", r.born_in as "born_in?", r.sex as "sex?", r.phone as "phone?",
            r.door_access as "door_access?", m.card as "card?"
         from incident i
         join incident_place p on p.incident_id = i.id
         left join resident r on r.id = i.resident_id
         left join medical_card m on m.resident_id = r.id
         where i.id = $1"#,
        incident.id.0
    )
    .fetch_one(&mut *conn)
    .await?;
    let requested_at = match purpose {
        Purpose::Help => None,
        Purpose::Update | Purpose::StandDown => requested_at(conn, handover.id).await?,
    };
    let update = match purpose {
        Purpose::Update => Some(next_update(conn, handover.id).await?),
        Purpose::Help | Purpose::StandDown => None,
    };
    let place = row.lat.zip(row.lon).map(|(lat_deg, lon_deg)| Place {
        lat_deg,
        lon_deg,
        accuracy_m: row.accuracy_m,
        age_s: row.placed_at.map_or(0, |at| now.duration_since(at.to_jiff()).as_secs().max(0)),
        source: row.source.as_deref().and_then(|source| Source::parse(source).ok()).unwrap_or(Source::Unknown),
    });
    let person = row.name.map(|name| Person {
        name,
        born_in: row.born_in,
        sex: row.sex,
        phone: row.phone.or(row.caller_phone),
        medical_card: row.card,
    });
    let kinds: Vec<String> = incident.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let place_in_words = whereabouts(row.address.as_deref(), row.home_address.as_deref());
    let mut briefing = brief(handover, &kinds, person.as_ref(), &place_in_words, incident.drill);
    if purpose == Purpose::Update {
        briefing.insert_str(0, "位置更新。");
    }
    Ok(Message {
        version: VERSION,
        handover: handover.id.0,
        incident: incident.id.0,
        purpose,
        drill: incident.drill,
        written_at: now,
        requested_at,
        update,
        not_after,
        kinds,
        called_at: incident.opened_at,
        person,
        address: row.address,
        home_address: row.home_address,
        place,
        door_access: row.door_access,
        call_back: config.call_back_phone.clone(),
        status_url: format!("{}/api/v1/handovers/{}/status", config.public_url, handover.id),
        briefing,
    })
}

/// When the request for help was written.
async fn requested_at(conn: &mut PgConnection, handover: HandoverId) -> Result<Option<Timestamp>, StoreError> {
    let at = sqlx::query_scalar!("select created_at from outbox where about = $1 and what = 'help'", handover.0)
        .fetch_optional(conn)
        .await?;
    Ok(at.map(jiff_sqlx::Timestamp::to_jiff))
}

/// Which update of a hand-over the next one is, from 1.
async fn next_update(conn: &mut PgConnection, handover: HandoverId) -> Result<u16, StoreError> {
    let before = sqlx::query_scalar!(
        r#"select count(*) as "count!" from outbox where about = $1 and channel = 'centre' and what = 'update'"#,
        handover.0
    )
    .fetch_one(conn)
    .await?;
    Ok(u16::try_from(before + 1).unwrap_or(u16::MAX))
}

/// Where to go, in words.
fn whereabouts(address: Option<&str>, home_address: Option<&str>) -> String {
    let address = address.unwrap_or("地址不详，见坐标");
    home_address.map_or_else(|| address.to_owned(), |home| format!("{address}（不在住处；住址：{home}）"))
}

fn brief(handover: &Handover, kinds: &[String], person: Option<&Person>, address: &str, drill: bool) -> String {
    let drill = if drill { "【演练】" } else { "" };
    let who = person.map_or("身份不明者", |person| person.name.as_str());
    if let HandoverState::StoodDown { reason } = &handover.state {
        return format!("{drill}取消：{who}，{address}，无需出动。原因：{reason}");
    }
    let wanted = match handover.centre {
        Centre::Ambulance => "请求急救",
        Centre::Fire => "请求消防",
        Centre::Police => "请求警察协助",
    };
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind_in_zh(kind)).collect();
    format!("{drill}{wanted}：{who}，{address}。告警：{}。", kinds.join("、"))
}
