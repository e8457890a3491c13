//! Passwords: argon2id with the crate's own parameters, which are OWASP's (19 MiB, two passes).

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::{Error, PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};

use crate::clock;

/// The form in which a password is stored: a PHC string with its own salt. Takes tens of milliseconds.
pub fn hash(password: &str) -> Result<String, Error> {
    let salt = SaltString::encode_b64(&clock::random_bytes::<16>())?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Whether `password` is the one behind `stored`. Takes as long as [`hash`]; an error means that
/// `stored` is no hash.
pub(crate) fn is_right(password: &str, stored: &str) -> Result<bool, Error> {
    match Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(stored)?) {
        Ok(()) => Ok(true),
        Err(Error::Password) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The same work for a login that nobody has, so that time does not tell which logins exist.
pub(crate) fn waste_time(password: &str) {
    static NOBODY: OnceLock<Option<String>> = OnceLock::new();
    if let Some(stored) = NOBODY.get_or_init(|| hash("nobody's password").ok()) {
        let _ = is_right(password, stored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_is_right() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(is_right("correct horse", &stored).unwrap());
        assert!(!is_right("correct horsE", &stored).unwrap());
        assert!(is_right("x", "no hash").is_err());
    }
}
