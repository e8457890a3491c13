//! Reading binary fields one after the other, the high byte first, never beyond the end.

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.0
    }

    /// How much has not been read yet.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The next `len` bytes; nothing is taken when there are fewer.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        let [high, middle, low] = self.array()?;
        Some(u32::from_be_bytes([0, high, middle, low]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Binary coded decimals as digits; letters where a nibble is none.
pub(crate) fn bcd_digits(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The words of a model's profile.
pub(crate) fn habits(profile: &str) -> impl Iterator<Item = &str> {
    profile.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty())
}

/// Whether a model's profile has this habit.
pub(crate) fn has_habit(profile: Option<&str>, habit: &str) -> bool {
    profile.is_some_and(|profile| habits(profile).any(|word| word == habit))
}
