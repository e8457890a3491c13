//! Sessions that the database has confirmed lately, so that a console which is open stays open while the
//! database is away, and comes back after a restart of this process although the database does not.
//!
//! Never asked while the database answers. In its file lie hashes of session tokens, never a token: who reads it
//! can be nobody. The CSRF tokens in it are worth nothing without the cookie.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::caller::TokenHash;
use crate::access::Grant;
use crate::clock;
use crate::store::users::{Session, User};

/// A session that the database has confirmed is believed for this long while the database is away.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// How many confirmed sessions are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// The file is not written more often than this.
const WRITTEN_EVERY: Duration = Duration::from_secs(3);

/// The sessions, and the file that they outlive the process in.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    sessions: Mutex<Sessions>,
    file: Option<PathBuf>,
    /// Held while the file is written, so that what is older never replaces what is newer.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_token: HashMap<TokenHash, (Session, Timestamp)>,
    is_written: bool,
}

impl Remembered {
    /// What `file` holds. One that is damaged is passed over: people then log in again.
    pub(super) fn read(file: Option<PathBuf>) -> Self {
        let by_token = file.as_deref().map(read).unwrap_or_default();
        Self { sessions: Mutex::new(Sessions { by_token, is_written: true }), file, writing: Mutex::default() }
    }

    pub(super) fn confirm(&self, token: TokenHash, session: &Session) {
        let now = clock::now();
        let mut sessions = self.sessions.lock();
        let by_token = &mut sessions.by_token;
        if by_token.len() >= REMEMBERED_MAX && !by_token.contains_key(&token) {
            by_token.retain(|_, (session, confirmed_at)| is_believed(session, *confirmed_at, now));
            if by_token.len() >= REMEMBERED_MAX {
                return;
            }
        }
        by_token.insert(token, (session.clone(), now));
        sessions.is_written = false;
    }

    pub(super) fn forget(&self, token: &TokenHash) {
        let mut sessions = self.sessions.lock();
        if sessions.by_token.remove(token).is_some() {
            sessions.is_written = false;
        }
    }

    pub(super) fn believe(&self, token: &TokenHash) -> Option<Session> {
        let sessions = self.sessions.lock();
        let (session, confirmed_at) = sessions.by_token.get(token)?;
        is_believed(session, *confirmed_at, clock::now()).then(|| session.clone())
    }

    /// Writes what has changed, again and again.
    pub(super) async fn keep(self: Arc<Self>) -> Infallible {
        loop {
            tokio::time::sleep(WRITTEN_EVERY).await;
            Arc::clone(&self).write().await;
        }
    }

    /// Writes what has changed, now.
    pub(super) async fn write(self: Arc<Self>) {
        // A task that broke down has said so.
        let _ = tokio::task::spawn_blocking(move || self.write_blocking()).await;
    }

    fn write_blocking(&self) {
        let Some(file) = &self.file else { return };
        let _turn = self.writing.lock();
        let kept: Vec<Kept> = {
            let mut sessions = self.sessions.lock();
            if std::mem::replace(&mut sessions.is_written, true) {
                return;
            }
            let now = clock::now();
            let believed = sessions.by_token.iter().filter(|(_, (session, at))| is_believed(session, *at, now));
            believed.map(|(token, (session, at))| Kept::new(*token, session, *at)).collect()
        };
        if let Err(cause) = write(file, &kept) {
            self.sessions.lock().is_written = false;
            tracing::warn!(%cause, file = %file.display(), "who is logged in would not be known after a restart");
        }
    }
}

/// A clock that went back, as one without a battery does in a power cut, must not silence a console: what was
/// confirmed in the future was confirmed.
fn is_believed(session: &Session, confirmed_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(confirmed_at) < BELIEVED_FOR && session.expires_at > now
}

/// One session in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    #[serde(with = "hex::serde")]
    token_sha256: TokenHash,
    user: Uuid,
    login: String,
    name: String,
    grants: Vec<Grant>,
    csrf: String,
    expires_at: Timestamp,
    confirmed_at: Timestamp,
}

impl Kept {
    fn new(token_sha256: TokenHash, session: &Session, confirmed_at: Timestamp) -> Self {
        let Session { user: User { id, login, name, grants, .. }, csrf, expires_at } = session.clone();
        Self { token_sha256, user: id.0, login, name, grants, csrf, expires_at, confirmed_at }
    }

    fn into_entry(self) -> (TokenHash, (Session, Timestamp)) {
        let user = User::new(self.user, self.login, self.name, self.grants);
        let session = Session { user, csrf: self.csrf, expires_at: self.expires_at };
        (self.token_sha256, (session, self.confirmed_at))
    }
}

fn read(file: &Path) -> HashMap<TokenHash, (Session, Timestamp)> {
    let kept = match std::fs::read(file) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return HashMap::new(),
        Err(cause) => Err(cause),
        Ok(bytes) => serde_json::from_slice::<Vec<Kept>>(&bytes).map_err(std::io::Error::from),
    };
    match kept {
        Ok(kept) => kept.into_iter().map(Kept::into_entry).collect(),
        Err(cause) => {
            tracing::warn!(%cause, file = %file.display(), "who was logged in cannot be read");
            HashMap::new()
        }
    }
}

/// Whole or not at all, and for our own eyes.
fn write(file: &Path, kept: &[Kept]) -> std::io::Result<()> {
    let part = file.with_extension("part");
    let mut open = std::fs::OpenOptions::new();
    let mut written = open.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    written.write_all(&serde_json::to_vec(kept)?)?;
    written.sync_all()?;
    std::fs::rename(part, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const TOKEN: TokenHash = [7; 32];

    fn session() -> Session {
        let id = clock::fresh_id();
        let user = User::new(id, "lin".into(), "小林".into(), Vec::new());
        Session { user, csrf: "c".into(), expires_at: clock::now() + SignedDuration::from_hours(1) }
    }

    #[test]
    fn a_session_that_was_confirmed_is_believed_by_the_next_process_and_a_forgotten_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.json");
        let session = session();
        let first = Remembered::read(Some(file.clone()));
        first.confirm(TOKEN, &session);
        first.confirm([8; 32], &session);
        first.forget(&[8; 32]);
        first.write_blocking();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let next = Remembered::read(Some(file.clone()));
        assert_eq!((next.believe(&TOKEN), next.believe(&[8; 32])), (Some(session), None));
        next.forget(&TOKEN);
        next.write_blocking();
        assert_eq!(Remembered::read(Some(file)).believe(&TOKEN), None);
    }

    #[test]
    fn a_file_that_is_damaged_or_missing_is_passed_over_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.json");
        for damaged in [None, Some("[{\"token_sha256\": \"07"), Some("")] {
            if let Some(text) = damaged {
                std::fs::write(&file, text).unwrap();
            }
            let remembered = Remembered::read(Some(file.clone()));
            assert_eq!(remembered.believe(&TOKEN), None);
            let session = session();
            remembered.confirm(TOKEN, &session);
            remembered.write_blocking();
            assert_eq!(Remembered::read(Some(file.clone())).believe(&TOKEN), Some(session));
        }
    }

    #[test]
    fn a_session_is_believed_for_ten_minutes_and_not_beyond_its_end() {
        let (now, mut session) = (clock::now(), session());
        let minutes = SignedDuration::from_mins;
        for (confirmed_at, believed) in [(now - minutes(9), true), (now - minutes(10), false), (now + minutes(3), true)]
        {
            assert_eq!(is_believed(&session, confirmed_at, now), believed, "confirmed at {confirmed_at}, now {now}");
        }
        session.expires_at = now;
        assert!(!is_believed(&session, now, now));
    }
}
