//! The files of profiles that the settings name.

use std::path::PathBuf;
use std::sync::Arc;

use gateway::codec::mapped::{ProfileError, Profiles};

use super::Settings;

/// Why a file of profiles is no good.
#[derive(Debug, thiserror::Error)]
pub enum ProfilesError {
    /// It cannot be read.
    #[error("the file of profiles {path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It says something that no profile can; the cause names the line.
    #[error("the file of profiles {path} is not right")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: ProfileError,
    },
}

impl Settings {
    /// The profiles that are shipped, and those of the files over them.
    pub fn read_profiles(&self) -> Result<Arc<Profiles>, ProfilesError> {
        let read = |profiles: Profiles, path: &PathBuf| {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|cause| ProfilesError::Unreadable { path: path.clone(), cause })?;
            profiles.and(&text).map_err(|cause| ProfilesError::Malformed { path: path.clone(), cause })
        };
        self.profiles.iter().try_fold(Profiles::shipped(), read).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = "[[profile]]\nname = \"mine\"\n[profile.topics]\nup = [\"mine/{serial}\"]\n";

    fn said(texts: &[&str]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let write = |(number, text): (usize, &&str)| {
            let path = folder.path().join(format!("{number}.toml"));
            std::fs::write(&path, text).unwrap();
            path
        };
        let profiles = texts.iter().enumerate().map(write).collect();
        let read = Settings { profiles, ..Settings::default() }.read_profiles();
        let named = |profiles: Arc<Profiles>| profiles.iter().map(|profile| profile.name().to_owned()).collect();
        let folder = format!("{}/", folder.path().display());
        read.map(named).map_err(|error| format!("{:#}", anyhow::Error::from(error)).replace(&folder, ""))
    }

    #[test]
    fn profiles_of_ones_own_stand_beside_those_that_are_shipped() {
        assert_eq!(said(&[]).unwrap(), ["g616"]);
        assert_eq!(said(&[MINE]).unwrap(), ["g616", "mine"]);
    }

    #[test]
    fn a_file_that_is_not_right_is_named_with_its_line() {
        let slip = MINE.replace("[profile.topics]", "datum = \"wgs72\"\n[profile.topics]");
        let why = said(&[MINE, &slip]).unwrap_err();
        assert!(why.starts_with("the file of profiles 1.toml is not right: line 3: \"wgs72\" is no datum"), "{why}");
        let twice = said(&[MINE, MINE]).unwrap_err();
        assert_eq!(twice, "the file of profiles 1.toml is not right: line 2: two profiles are called \"mine\"");
        let settings = Settings { profiles: vec!["/not/there.toml".into()], ..Settings::default() };
        let why = format!("{:#}", anyhow::Error::from(settings.read_profiles().unwrap_err()));
        assert!(why.starts_with("the file of profiles /not/there.toml cannot be read: No such file"), "{why}");
    }
}
