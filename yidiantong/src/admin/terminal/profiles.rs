//! Whether there is the profile that a terminal is listed with.

use gateway::codec;
use gateway::codec::mapped::Profiles;
use wire::directory::Dialect;

/// What is wrong with a profile, in a sentence that says which there are.
pub(in crate::admin) fn fault(dialect: Dialect, profile: &str, profiles: &Profiles) -> Option<String> {
    if dialect == Dialect::Mapped {
        let there = || profiles.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", ");
        return profiles.named(profile).is_none().then(|| {
            format!("no profile is called {profile:?}; these settings have {} (docs/dialects/mapped.md)", there())
        });
    }
    let unknown = codec::unknown_habit(dialect, profile)?;
    let (name, habits) = (dialect.as_str(), codec::habits(dialect).join(", "));
    Some(match &*habits {
        "" => format!("{name} has no profiles: leave {unknown:?} out"),
        habits => format!("{name} knows no {unknown:?}; a profile is a list of {habits}"),
    })
}
