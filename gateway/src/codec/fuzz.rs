//! Any bytes on a terminal's connection, for the fuzz targets in `fuzz/`; the tests replay their corpora.
//!
//! The first byte of an input says into what its stream is cut, and which habits the model has. What must hold: nothing
//! panics, every byte belongs to one piece, and it makes no difference where the stream was cut.

use std::sync::LazyLock;

use jiff::Timestamp;
use wire::directory::Dialect;
use wire::topics::Lane;

use super::conversation::{Context, Conversation, Strictness, framing};
use super::framing::{Piece, Stream};
use super::inspect::{self, Specimen};
use super::mapped::Profiles;
use super::told::Told;
use super::{ManualPublish, Message};

/// Habits by the lowest bits of the first byte.
const PROFILES: [Option<&str>; 4] = [
    None,
    Some("jimi,radio_items,utc"),
    Some("local_time,language,more_states"),
    Some("pendant_bits,fall_bit_29,confirm_alarm"),
];

/// Says it, whole and in pieces.
///
/// # Panics
///
/// When it makes a difference, or when more is kept than a limit allows.
pub fn say(dialect: Dialect, input: &[u8]) {
    let Some((&first, speech)) = input.split_first() else { return };
    let context = Context {
        profile: PROFILES.get(usize::from(first & 3)).copied().flatten(),
        received_at: Timestamp::UNIX_EPOCH,
        strictness: if first & 4 == 0 { Strictness::Lenient } else { Strictness::Strict },
    };
    let whole = hear(dialect, &context, [speech]);
    let len = usize::from(first >> 3) + 1;
    assert_eq!(hear(dialect, &context, speech.chunks(len)), whole, "cut into pieces of {len}");
}

/// Topics, by the lowest bits of the first byte.
const TOPICS: [&str; 4] = [
    "owntracks/chen/phone",
    "atom/g616/status/860000000000017",
    "atom/g616/cmd/860000000000017/PHL",
    "owntracks/chen/phone/event",
];

/// A profile that says everything that one can say.
static OTHER: LazyLock<Profiles> = LazyLock::new(|| {
    let read = Profiles::from_toml(include_str!("../../profiles/tests/other.toml"));
    read.unwrap_or_else(|why| unreachable!("tests read it: {why}"))
});

/// Publishes it: the first byte says to which topic, and of mapped terminals by which profile.
pub fn publish(name: &str, input: &[u8]) {
    let Some((&first, bytes)) = input.split_first() else { return };
    if name == "mapped" && first & 8 != 0 {
        let leaf = "/dev/77/report/x";
        let profile = OTHER.of(leaf).map(|(profile, _)| &**profile);
        let (lane, manual_publish) = (Lane::Alert, ManualPublish::MeansHere);
        let (key, received_at) = (None, Timestamp::UNIX_EPOCH);
        let message = Message { leaf, payload: bytes, lane, manual_publish, key, profile, received_at };
        super::decode(Dialect::Mapped, &message);
        return;
    }
    let topic = TOPICS.get(usize::from(first & 3)).copied();
    let key = (first & 4 != 0).then_some("kaifu-2026");
    let specimen = Specimen { bytes, topic, key, profile: None, received_at: Timestamp::UNIX_EPOCH };
    let Some(findings) = inspect::inspect(name, &specimen) else { return };
    for finding in &findings.found {
        finding.told.clone().into_decoded();
    }
    findings.summary();
}

fn hear<'p>(
    dialect: Dialect,
    context: &Context<'_>,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Vec<(Option<String>, Told, usize)> {
    let (Some((cut, limit)), Some(mut conversation)) = (framing(dialect), Conversation::begin(dialect)) else {
        return Vec::new();
    };
    let mut stream = Stream::new(cut, limit);
    let mut heard = Vec::new();
    for piece in pieces {
        stream.push(piece);
        while let Some(piece) = stream.next() {
            if let Piece::Frame(frame) = piece {
                let turn = conversation.read(frame, context);
                let replies = turn.replies.iter().map(|reply| reply.bytes.len()).sum();
                heard.push((turn.identity.clone().map(std::borrow::Cow::into_owned), turn.told.clone(), replies));
                turn.into_decoded(context.received_at);
            }
        }
        assert!(stream.rest().len() <= limit, "more is kept than the limit allows");
    }
    heard
}
