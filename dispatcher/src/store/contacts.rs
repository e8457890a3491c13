//! A resident's contacts as far ends: what they are written, and where it goes.

use domain::id::{IncidentId, ResidentId};
use domain::incident::{Closure, ContactNews, Incident, Rank};
use domain::word::Word;
use jiff::Timestamp;
use sqlx::PgConnection;
use wire::webhook::{Contact, Message, VERSION, What};

use super::StoreError;
use super::outbox::Channel;
use crate::clock;
use crate::config::Config;
use crate::letters::{self, Language, Letter};

/// Where a contact is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// By what.
    pub channel: Channel,
    /// The e-mail address, the webhook's, or the number.
    pub target: String,
}

/// Where a contact can be reached now. E-mail is no way while no server is set up for it, nor are text messages without a
/// provider. Who can be reached otherwise is sent none: they cost money, and say little.
pub async fn addresses(
    conn: &mut PgConnection,
    incident: &Incident,
    rank: Rank,
    config: &Config,
) -> Result<Vec<Address>, StoreError> {
    let row = sqlx::query!(
        "select c.email, c.webhook_url, sms_number(c.phone) as number
         from incident i join contact c on c.resident_id = i.resident_id
         where i.id = $1 and c.rank = $2",
        incident.id.0,
        rank.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let email = row.email.filter(|_| config.mail.is_some()).map(|target| Address { channel: Channel::Email, target });
    let webhook = row.webhook_url.map(|target| Address { channel: Channel::Webhook, target });
    let mut addresses: Vec<Address> = email.into_iter().chain(webhook).collect();
    if addresses.is_empty() {
        let number = row.number.filter(|_| config.sms.is_some());
        addresses.extend(number.map(|target| Address { channel: Channel::Sms, target }));
    }
    Ok(addresses)
}

/// The message to a contact, and the same as a letter; `None` when there is no such contact any more.
pub(super) async fn write(
    conn: &mut PgConnection,
    incident: &Incident,
    rank: Rank,
    news: ContactNews,
    config: &Config,
    (now, not_after): (Timestamp, Timestamp),
) -> Result<Option<(Message, Letter)>, StoreError> {
    let row = sqlx::query!(
        r#"select c.name, c.relation, c.language, r.name as resident, p.address,
            to_char(i.opened_at at time zone coalesce(n.time_zone, 'Asia/Shanghai'), 'YYYY-MM-DD HH24:MI') as "called_at!"
         from incident i
         join incident_place p on p.incident_id = i.id
         join resident r on r.id = i.resident_id
         join contact c on c.resident_id = r.id and c.rank = $2
         left join org_node n on n.id = i.node_id
         where i.id = $1"#,
        incident.id.0,
        rank.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let language = if row.language == "en" { Language::En } else { Language::Zh };
    let mut message = Message {
        version: VERSION,
        message: clock::fresh_id(),
        incident: incident.id.0,
        what: match news {
            ContactNews::Alert => What::Alert,
            ContactNews::AllClear => What::AllClear,
        },
        drill: incident.drill,
        class: incident.class.as_str().to_owned(),
        kinds: incident.kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
        outcome: match incident.closure {
            Closure::Open => None,
            Closure::Closed { outcome, .. } => Some(outcome.as_str().to_owned()),
        },
        resident: row.resident,
        address: row.address,
        called_at: incident.opened_at,
        written_at: now,
        not_after,
        contact: Contact { name: row.name, relation: row.relation },
        call_back: config.call_back_phone.clone(),
        text: String::new(),
    };
    let letter = letters::write(&message, language, &row.called_at, &config.public_url);
    message.text.clone_from(&letter.text);
    Ok(Some((message, letter)))
}

/// The key that a contact's webhook is signed with; `None` when it is not theirs any more.
pub async fn webhook_secret(conn: &mut PgConnection, outbox_id: i64, url: &str) -> Result<Option<String>, StoreError> {
    let secret = sqlx::query_scalar!(
        "select c.webhook_secret from outbox o
         join incident i on i.id = o.incident_id
         join contact c on c.resident_id = i.resident_id and c.rank = o.contact_rank
         where o.id = $1 and c.webhook_url = $2",
        outbox_id,
        url,
    )
    .fetch_optional(conn)
    .await?;
    Ok(secret.flatten())
}

/// Whether nothing that was written to a contact about a case can reach them any more.
pub async fn is_lost(conn: &mut PgConnection, incident: IncidentId, rank: Rank) -> Result<bool, StoreError> {
    let is_lost = sqlx::query_scalar!(
        r#"select not exists (select from outbox
            where incident_id = $1 and contact_rank = $2 and what = 'alert'
                and state not in ('failed', 'expired', 'withdrawn')) as "lost!""#,
        incident.0,
        rank.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(is_lost)
}

/// How a contact is reached besides by telephone.
#[derive(Debug, Clone, Default)]
pub struct Ways<'w> {
    /// E-mail address.
    pub email: Option<&'w str>,
    /// Where a webhook is posted, and what signs it.
    pub webhook: Option<(&'w str, &'w str)>,
    /// The classes of incident that they are told of; none: emergencies, wandering and welfare.
    pub told_of: Option<&'w [&'w str]>,
    /// `zh` or `en`; none: `zh`.
    pub language: Option<&'w str>,
}

/// Says how a contact is reached.
pub async fn set_ways(
    conn: &mut PgConnection,
    resident: ResidentId,
    rank: Rank,
    ways: &Ways<'_>,
) -> Result<(), StoreError> {
    let told_of: Option<Vec<String>> = ways.told_of.map(|classes| classes.iter().map(|&class| class.into()).collect());
    sqlx::query!(
        "update contact set email = $3, webhook_url = $4, webhook_secret = $5,
            told_of = coalesce($6, array['emergency', 'wandering', 'welfare']), language = coalesce($7, 'zh')
         where resident_id = $1 and rank = $2",
        resident.0,
        rank.0,
        ways.email,
        ways.webhook.map(|(url, _)| url),
        ways.webhook.map(|(_, secret)| secret),
        told_of.as_deref(),
        ways.language,
    )
    .execute(conn)
    .await?;
    Ok(())
}
