//! Secrets that are made here and shown once, and passwords that a person types.

use anyhow::Context as _;

/// Without those that are mistaken for one another when they are read out: no 0 and o, no 1, i and l.
const LETTERS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz_";
/// 5 bits each: nobody guesses 130.
const LENGTH: usize = 26;
/// Shorter passwords are guessed.
const PASSWORD_CHARACTERS_MIN: usize = 10;

/// A secret that nobody can guess, to be typed or pasted.
pub fn fresh() -> String {
    let letter = |byte: u8| char::from(LETTERS[usize::from(byte % 32)]);
    dispatcher::clock::random_bytes::<LENGTH>().into_iter().map(letter).collect()
}

/// A password, and whether the person who ran the command knows it already.
#[derive(Debug)]
pub enum Password {
    /// Made here: to be shown once.
    Made(String),
    /// Typed by them.
    Typed(String),
}

impl Password {
    /// Asks for one twice at the terminal; makes one when that is wanted or there is no terminal to ask at.
    pub fn get(generate: bool) -> anyhow::Result<Self> {
        use std::io::IsTerminal as _;
        if generate || !std::io::stdin().is_terminal() {
            return Ok(Self::Made(fresh()));
        }
        let typed = rpassword::prompt_password("Password (it is not shown): ").context("no password could be read")?;
        check(&typed)?;
        let again = rpassword::prompt_password("The same again: ").context("no password could be read")?;
        anyhow::ensure!(typed == again, "the two passwords differ: nothing was changed");
        Ok(Self::Typed(typed))
    }

    /// The form in which it is stored.
    pub fn hash(&self) -> anyhow::Result<String> {
        let (Self::Made(text) | Self::Typed(text)) = self;
        dispatcher::http::password::hash(text)
            .map_err(|error| anyhow::anyhow!("the password cannot be hashed: {error}"))
    }

    /// Shows one that was made here.
    pub fn show(&self, login: &str) {
        if let Self::Made(text) = self {
            super::say(format_args!("password of {login} (shown once): {text}"));
        }
    }
}

fn check(password: &str) -> anyhow::Result<()> {
    let length = password.chars().count();
    anyhow::ensure!(
        length >= PASSWORD_CHARACTERS_MIN,
        "this password has {length} characters; take at least {PASSWORD_CHARACTERS_MIN}, or let one be made with --generate"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_long() {
        let secrets: std::collections::BTreeSet<String> = (0..100).map(|_| fresh()).collect();
        assert_eq!(secrets.len(), 100);
        assert!(secrets.iter().all(|secret| secret.len() == LENGTH && secret.is_ascii()));
    }

    #[test]
    fn a_short_password_is_refused() {
        assert!(check("短密码").is_err());
        assert!(check("一二三四五六七八九十").is_ok());
    }
}
