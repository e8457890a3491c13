//! Whether bytes are a photograph that can be kept: JPEG or PNG by their own first bytes, of a size that makes sense.
//! Never by what the sender says they are. Nothing is decoded: a browser does that, far from here.

/// The most bytes; a check in the database says the same.
pub const BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most pixels along a side.
const SIDE_MAX: u16 = 12_000;

/// Bytes that are a photograph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    bytes: Vec<u8>,
    kind: &'static str,
}

/// Why bytes are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPhoto {
    /// Neither JPEG nor PNG, or broken off before its size is told.
    #[error("is neither a JPEG nor a PNG")]
    Unknown,
    /// No pixels, or too many.
    #[error("must have from 1 to {SIDE_MAX} pixels along each side")]
    Size,
    /// Too many bytes.
    #[error("must have at most {BYTES_MAX} bytes")]
    TooLarge,
}

impl Photo {
    /// Reads the head.
    pub fn new(bytes: Vec<u8>) -> Result<Self, NoPhoto> {
        if bytes.len() > BYTES_MAX {
            return Err(NoPhoto::TooLarge);
        }
        let (kind, (width, height)) = match png(&bytes) {
            Some(size) => ("image/png", size),
            None => ("image/jpeg", jpeg(&bytes).ok_or(NoPhoto::Unknown)?),
        };
        let is_sensible = |side: u32| (1..=u32::from(SIDE_MAX)).contains(&side);
        if is_sensible(width) && is_sensible(height) { Ok(Self { bytes, kind }) } else { Err(NoPhoto::Size) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `image/jpeg` or `image/png`.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Width and height of a PNG (ISO/IEC 15948, 5.2 and 11.2.2: the signature, then IHDR).
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let (width, rest) = header.split_first_chunk::<4>()?;
    let (height, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
}

/// Width and height of a JPEG (ITU-T T.81, B.2.2): in the first frame header after SOI, over the segments before it.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let (marker, after) = rest.split_first_chunk::<2>()?;
        let [0xff, marker] = *marker else { return None };
        if marker == 0xff {
            // A fill byte before the marker.
            rest = &rest[1..];
            continue;
        }
        let (length, _) = after.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let segment = after.get(2..length)?;
        // Frame headers, but not the tables that lie between their numbers.
        if (0xc0..=0xcf).contains(&marker) && ![0xc4, 0xc8, 0xcc].contains(&marker) {
            let [_, h1, h2, w1, w2, ..] = *segment else { return None };
            return Some((u32::from(u16::from_be_bytes([w1, w2])), u32::from(u16::from_be_bytes([h1, h2]))));
        }
        rest = after.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        [head, width.to_be_bytes().into(), height.to_be_bytes().into(), vec![8, 2, 0, 0, 0]].concat()
    }

    fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
        let [w1, w2] = width.to_be_bytes();
        let [h1, h2] = height.to_be_bytes();
        let app0 = b"\xff\xe0\0\x04ab".to_vec();
        [b"\xff\xd8".to_vec(), app0, vec![0xff, 0xff, 0xc0, 0, 8, 8, h1, h2, w1, w2, 3]].concat()
    }

    #[test]
    fn jpeg_and_png_are_known_by_their_own_bytes() {
        assert_eq!(Photo::new(png_of(640, 480)).unwrap().kind(), "image/png");
        assert_eq!(Photo::new(jpeg_of(4000, 3000)).unwrap().kind(), "image/jpeg");
        for wrong in
            [&b""[..], b"GIF89a", b"<svg xmlns='x'/>", b"\xff\xd8", b"\xff\xd8\xff\xe0\0\0", b"\x89PNG\r\n\x1a\n"]
        {
            assert_eq!(Photo::new(wrong.into()), Err(NoPhoto::Unknown), "{wrong:?}");
        }
    }

    #[test]
    fn what_has_no_pixels_or_too_many_or_too_many_bytes_is_refused() {
        for (width, height) in [(0, 10), (10, 0), (12_001, 10), (10, u32::MAX)] {
            assert_eq!(Photo::new(png_of(width, height)), Err(NoPhoto::Size));
        }
        assert_eq!(Photo::new(jpeg_of(0, 9)), Err(NoPhoto::Size));
        let mut large = png_of(10, 10);
        large.resize(BYTES_MAX + 1, 0);
        assert_eq!(Photo::new(large), Err(NoPhoto::TooLarge));
    }

    #[test]
    fn neither_a_cut_nor_a_changed_byte_makes_it_panic() {
        for whole in [png_of(9, 9), jpeg_of(9, 9)] {
            for cut in 0..=whole.len() {
                let _ = Photo::new(whole[..cut].into());
            }
            for (place, byte) in (0..whole.len()).flat_map(|place| (0..=255).map(move |byte| (place, byte))) {
                let mut changed = whole.clone();
                changed[place] = byte;
                let _ = Photo::new(changed);
            }
        }
    }
}
