//! Closed vocabularies: enums whose every variant has one spelling, the same in code, SQL, API and
//! on the wire.

/// An enum with one fixed spelling for each variant.
pub trait Word: Sized + Copy + 'static {
    /// What kind of word this is, for error messages.
    const KIND: &'static str;
    /// Every variant, in order of declaration.
    const ALL: &'static [Self];
    /// The one spelling of this variant.
    fn as_str(self) -> &'static str;
    /// The variant that is spelled `text`.
    fn parse(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .iter()
            .copied()
            .find(|word| word.as_str() == text)
            .ok_or_else(|| UnknownWord { kind: Self::KIND, text: text.to_owned() })
    }
}

/// A text that is none of the spellings of its vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}")]
pub struct UnknownWord {
    /// The vocabulary that was expected.
    pub kind: &'static str,
    /// What was found instead.
    pub text: String,
}

/// Declares a vocabulary: an enum and its spellings.
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident ($kind:literal) { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $crate::word::Word for $name {
            const KIND: &'static str = $kind;
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::word::Word::as_str(*self))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::word::UnknownWord;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::word::Word::parse(text)
            }
        }
    };
}
pub(crate) use words;
