//! Rows as they go into the database, with the secrets that are made for them: passwords of new logins, tokens of
//! applications, keys of webhooks. A secret is kept nowhere in the clear but a webhook's key, which signs.

use anyhow::Context as _;
use dispatcher::access::Role;
use dispatcher::store::accounts;
use dispatcher::store::roll::{self, Provider, Resident, Responder};
use sqlx::PgConnection;
use wire::directory::hash_secret;

use super::Planned;
use crate::admin::secret;

/// A secret that was made.
#[derive(Debug)]
pub(super) struct Made {
    row: u64,
    name: String,
    /// `password`, `token`, `webhook key`.
    what: &'static str,
    /// For which login or address.
    of: String,
    secret: String,
}

impl Made {
    fn new<T>(planned: &Planned<T>, name: &str, what: &'static str, of: &str) -> Self {
        Self { row: planned.row, name: name.into(), what, of: of.into(), secret: secret::fresh() }
    }

    /// All of them as a list, with a mark, so that every spreadsheet reads it.
    pub(super) fn csv(made: &[Self]) -> anyhow::Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
        out.write_record(["row", "name", "what", "of", "secret"])?;
        for Self { row, name, what, of, secret } in made {
            out.write_record([&row.to_string(), name, *what, of, secret])?;
        }
        Ok(out.into_inner()?)
    }
}

/// Something that a row of a list becomes.
pub(super) trait Written: Sized {
    /// How many secrets are made for it.
    fn secrets_needed(planned: &Planned<Self>) -> usize;

    /// Writes it.
    async fn put(conn: &mut PgConnection, planned: &Planned<Self>, made: &mut Vec<Made>) -> anyhow::Result<()>;
}

impl Written for Provider {
    fn secrets_needed(_: &Planned<Self>) -> usize {
        0
    }

    async fn put(conn: &mut PgConnection, planned: &Planned<Self>, _: &mut Vec<Made>) -> anyhow::Result<()> {
        roll::put_provider(conn, planned.id, &planned.entry).await?;
        Ok(())
    }
}

impl Written for Resident {
    fn secrets_needed(planned: &Planned<Self>) -> usize {
        let is_unsigned = |contact: &&roll::Contact| contact.webhook_url.is_some() && contact.webhook_secret.is_none();
        planned.entry.contacts.iter().filter(is_unsigned).count()
    }

    async fn put(conn: &mut PgConnection, planned: &Planned<Self>, made: &mut Vec<Made>) -> anyhow::Result<()> {
        let mut entry = planned.entry.clone();
        for contact in &mut entry.contacts {
            if let (Some(url), None) = (&contact.webhook_url, &contact.webhook_secret) {
                let key = Made::new(planned, &format!("{}: {}", entry.name, contact.name), "webhook key", url);
                contact.webhook_secret = Some(key.secret.clone());
                made.push(key);
            }
        }
        roll::put_resident(conn, planned.id, &entry).await?;
        Ok(())
    }
}

impl Planned<Responder> {
    /// The login that is to be made.
    fn new_login(&self) -> Option<&str> {
        let is_new = self.id.is_none() || self.changes.contains(&"登录名");
        self.entry.login.as_deref().filter(|_| is_new)
    }

    fn has_new_token(&self) -> bool {
        self.entry.has_token && (self.id.is_none() || self.changes.contains(&"应用令牌"))
    }
}

impl Written for Responder {
    fn secrets_needed(planned: &Planned<Self>) -> usize {
        usize::from(planned.new_login().is_some()) + usize::from(planned.has_new_token())
    }

    async fn put(conn: &mut PgConnection, planned: &Planned<Self>, made: &mut Vec<Made>) -> anyhow::Result<()> {
        let entry = &planned.entry;
        if let Some(login) = planned.new_login() {
            let password = Made::new(planned, &entry.name, "password", login);
            let hash = dispatcher::http::password::hash(&password.secret).context("the password cannot be hashed")?;
            let is_new = accounts::add(conn, login, &entry.name, entry.node, &hash).await?;
            anyhow::ensure!(is_new, "{login} is somebody's login already");
            accounts::grant(conn, login, Role::Responder, entry.node).await?;
            made.push(password);
        }
        let token = planned.has_new_token().then(|| Made::new(planned, &entry.name, "token", &entry.name));
        let token_sha256 = token.as_ref().map(|token| hash_secret(token.secret.as_bytes()));
        roll::put_responder(conn, planned.id, entry, token_sha256).await?;
        made.extend(token);
        Ok(())
    }
}
