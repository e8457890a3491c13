//! A resident's record as an administrator changes it: the whole, over the version that was seen.

use domain::id::UserId;
use domain::place::Position;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;

/// What an administrator may change. Where somebody is served and registered, terminals and fences are other matters.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
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
    /// Illnesses, medicines, allergies.
    pub medical_card: Option<String>,
    /// Noted as soon in danger.
    pub medical_risk: bool,
    /// `female` or `male`: who is to come with daily help.
    pub wants_sex: Option<String>,
    /// What whoever comes with daily help is to speak.
    pub wants_language: Option<String>,
    /// Whom to tell, the first first.
    pub contacts: Vec<Contact>,
}

/// Somebody to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Name.
    pub name: String,
    /// What they are to the resident.
    pub relation: String,
    /// Telephone.
    pub phone: String,
    /// Where mails go.
    pub email: Option<String>,
    /// Where a webhook is posted, and what signs it.
    pub webhook: Option<Webhook>,
    /// The classes of incident that they are told of.
    pub told_of: Vec<String>,
    /// `zh` or `en`.
    pub language: String,
}

/// An address and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is posted.
    pub url: String,
    /// What signs it.
    pub secret: String,
}

/// A record that nobody else can change until the transaction is over.
#[derive(Debug, Clone)]
pub struct Held {
    /// Which version it is.
    pub version: i32,
    /// What it says.
    pub record: Record,
    /// Under which rank each of its contacts is kept.
    pub ranks: Vec<i16>,
    /// The year, where the database is.
    pub this_year: i16,
}

/// Holds the record of a resident in a scope.
pub async fn hold(conn: &mut PgConnection, resident: Uuid, scope: &Scope) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query!(
        r#"select r.version, r.name, r.sex, r.born_in, r.phone, r.category, r.address, r.door_access, r.medical_risk,
            r.wants_sex, r.wants_language, st_y(r.home::geometry) as lat, st_x(r.home::geometry) as lon,
            (select card from medical_card where resident_id = r.id) as card,
            extract(year from now())::smallint as "this_year!"
         from resident r
         where r.id = $1 and lies_below(r.serving_node, $2)
         for no key update of r"#,
        resident,
        scope.nodes(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kept = sqlx::query!(
        "select rank, name, relation, phone, email, webhook_url, webhook_secret, told_of, language
         from contact where resident_id = $1 order by rank",
        resident
    )
    .fetch_all(conn)
    .await?;
    let ranks = kept.iter().map(|contact| contact.rank).collect();
    let contacts = kept
        .into_iter()
        .map(|contact| Contact {
            name: contact.name,
            relation: contact.relation,
            phone: contact.phone,
            email: contact.email,
            webhook: contact.webhook_url.zip(contact.webhook_secret).map(|(url, secret)| Webhook { url, secret }),
            told_of: contact.told_of,
            language: contact.language,
        })
        .collect();
    let record = Record {
        name: row.name,
        sex: row.sex,
        born_in: row.born_in,
        phone: row.phone,
        category: row.category,
        address: row.address,
        door_access: row.door_access,
        home: row.lat.zip(row.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok()),
        medical_card: row.card,
        medical_risk: row.medical_risk,
        wants_sex: row.wants_sex,
        wants_language: row.wants_language,
        contacts,
    };
    Ok(Some(Held { version: row.version, record, ranks, this_year: row.this_year }))
}

/// Writes a record that is held, and who did it; nothing when nothing is different. Contacts get their ranks anew.
pub async fn write(
    conn: &mut PgConnection,
    resident: Uuid,
    (before, after): (&Record, &Record),
    by: UserId,
) -> Result<(), StoreError> {
    let fields = differences(before, after);
    if fields.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update resident set name = $2, sex = $3, born_in = $4, phone = $5, category = $6, address = $7,
            door_access = $8, home = st_setsrid(st_makepoint($9, $10), 4326)::geography, medical_risk = $11,
            wants_sex = $12, wants_language = $13
         where id = $1",
        resident,
        after.name,
        after.sex,
        after.born_in,
        after.phone,
        after.category,
        after.address,
        after.door_access,
        after.home.map(Position::lon_deg),
        after.home.map(Position::lat_deg),
        after.medical_risk,
        after.wants_sex,
        after.wants_language,
    )
    .execute(&mut *conn)
    .await?;
    match &after.medical_card {
        Some(card) => {
            sqlx::query!(
                "insert into medical_card (resident_id, card) values ($1, $2)
                 on conflict (resident_id) do update set card = excluded.card",
                resident,
                card
            )
            .execute(&mut *conn)
            .await?
        }
        None => sqlx::query!("delete from medical_card where resident_id = $1", resident).execute(&mut *conn).await?,
    };
    if before.contacts != after.contacts {
        put_contacts(conn, resident, &after.contacts).await?;
    }
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id, data)
         values ($1, 'resident_changed', $2::uuid::text, $2, jsonb_build_object('fields', $3::text[]))",
        by.0,
        resident,
        &fields,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn put_contacts(conn: &mut PgConnection, resident: Uuid, contacts: &[Contact]) -> Result<(), StoreError> {
    sqlx::query!("delete from contact where resident_id = $1", resident).execute(&mut *conn).await?;
    for (rank, contact) in (1i16..).zip(contacts) {
        sqlx::query!(
            "insert into contact (resident_id, rank, name, relation, phone, email, webhook_url, webhook_secret,
                told_of, language)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            resident,
            rank,
            contact.name,
            contact.relation,
            contact.phone,
            contact.email,
            contact.webhook.as_ref().map(|webhook| webhook.url.as_str()),
            contact.webhook.as_ref().map(|webhook| webhook.secret.as_str()),
            &contact.told_of,
            contact.language,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// The names of the fields that differ: what was in them is nobody's who reads the audit.
fn differences(before: &Record, after: &Record) -> Vec<String> {
    let differs = [
        (before.name != after.name, "name"),
        (before.sex != after.sex, "sex"),
        (before.born_in != after.born_in, "born_in"),
        (before.phone != after.phone, "phone"),
        (before.category != after.category, "category"),
        (before.address != after.address, "address"),
        (before.door_access != after.door_access, "door_access"),
        (before.home != after.home, "home"),
        (before.medical_card != after.medical_card, "medical_card"),
        (before.medical_risk != after.medical_risk, "medical_risk"),
        (before.wants_sex != after.wants_sex, "wants_sex"),
        (before.wants_language != after.wants_language, "wants_language"),
        (before.contacts != after.contacts, "contacts"),
    ];
    differs.into_iter().filter(|(differs, _)| *differs).map(|(_, name)| name.to_owned()).collect()
}
