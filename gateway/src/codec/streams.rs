//! What holds for every dialect with a connection of its own, whatever comes in: nothing panics, nothing is lost but what
//! is broken, and it makes no difference where a network cuts a stream.

use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use wire::directory::Dialect;

use super::captured::{bytes, lines};
use super::conversation::{Context, Conversation, Strictness, framing};
use super::framing::{Piece, Stream};
use super::told::Told;

const DIALECTS: [Dialect; 3] = [Dialect::Watch, Dialect::Jt808, Dialect::Gt06];

/// Our own frames of a dialect that are whole and undamaged.
fn whole_frames(dialect: Dialect) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("frames/{}.jsonl", dialect.as_str()));
    let frames = lines(&path);
    assert!(!frames.is_empty(), "{}", path.display());
    frames.iter().filter(|frame| frame["quirk"].is_null()).map(bytes).collect()
}

/// All that a stream says, when it comes in these pieces.
fn heard<'p>(dialect: Dialect, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<(Option<String>, Told, usize)> {
    let (cut, limit) = framing(dialect).unwrap();
    let mut stream = Stream::new(cut, limit);
    let mut conversation = Conversation::begin(dialect).unwrap();
    let context = Context { profile: None, received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Lenient };
    let mut heard = Vec::new();
    for piece in pieces {
        stream.push(piece);
        while let Some(piece) = stream.next() {
            if let Piece::Frame(frame) = piece {
                let turn = conversation.read(frame, &context);
                let replies = turn.replies.iter().map(|reply| reply.bytes.len()).sum();
                heard.push((turn.identity.map(std::borrow::Cow::into_owned), turn.told, replies));
            }
        }
    }
    heard
}

fn frame(dialect: Dialect) -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::select(whole_frames(dialect))
}

/// Noise that looks like a beginning, now and then.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let begins = proptest::sample::select(vec![
        &b""[..],
        b"[",
        b"[3G*",
        b"[3G*1234567890*",
        b"[3G*1234567890*00FF*UD,",
        b"[3G*1234567890*FFFF*TK,",
        b"]",
        b"\x78\x78",
        b"\x78\x78\x25\x16",
        b"\x79\x79\xff\xff\x94",
        b"\x78\x78\x05\x69\x26\x01\x01\x08\x00\x00",
        b"\x7e",
        b"\x7e\x02\x00",
        b"\xe7",
        b"(7",
        b"\x0d\x0a",
    ]);
    (begins, proptest::collection::vec(any::<u8>(), 0..40)).prop_map(|(begin, rest)| [begin, &rest[..]].concat())
}

/// Frames with noise between them, and bytes of them changed.
fn speech(dialect: Dialect) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        5 => frame(dialect),
        1 => noise(),
        1 => (frame(dialect), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut frame, at, byte)| {
            let at = at.index(frame.len());
            frame[at] = byte;
            frame
        }),
        1 => (frame(dialect), any::<prop::sample::Index>()).prop_map(|(mut frame, at)| {
            frame.truncate(at.index(frame.len()));
            frame
        }),
    ];
    proptest::collection::vec(part, 1..8).prop_map(|parts| parts.concat())
}

fn check_cuts(dialect: Dialect, speech: &[u8], cuts: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let mut at = cuts.iter().map(|cut| cut.index(speech.len() + 1)).collect::<Vec<_>>();
    at.extend([0, speech.len()]);
    at.sort_unstable();
    let pieces = at.windows(2).map(|pair| &speech[pair[0]..pair[1]]);
    prop_assert_eq!(heard(dialect, pieces), heard(dialect, [speech]));
    prop_assert_eq!(heard(dialect, speech.chunks(1)), heard(dialect, [speech]));
    Ok(())
}

/// Whatever comes before, the second whole frame after it is heard, and so is every one behind that.
fn check_recovery(dialect: Dialect, noise: &[u8], frames: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let quiet = frames.concat();
    let loud = [noise, &quiet].concat();
    let told = |speech: &[u8]| heard(dialect, [speech]).into_iter().map(|(_, told, _)| told).collect::<Vec<_>>();
    let (want, got) = (told(&quiet), told(&loud));
    let want = want.get(1..).unwrap_or_default();
    prop_assert!(got.ends_with(want), "expected at the end {:#?}\ngot {:#?}", want, got);
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for dialect in DIALECTS {
            heard(dialect, [&bytes[..]]);
            // As a frame, too: a transport may keep messages apart by itself.
            let context = Context { profile: Some("jimi,radio_items"), received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Strict };
            let turn = Conversation::begin(dialect).unwrap().read(&bytes, &context);
            turn.into_decoded(Timestamp::UNIX_EPOCH);
        }
    }

    #[test]
    fn a_stream_of_watches_says_the_same_wherever_it_is_cut(
        speech in speech(Dialect::Watch), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        check_cuts(Dialect::Watch, &speech, &cuts)?;
    }

    #[test]
    fn a_stream_of_jt808_says_the_same_wherever_it_is_cut(
        speech in speech(Dialect::Jt808), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        check_cuts(Dialect::Jt808, &speech, &cuts)?;
    }

    #[test]
    fn a_stream_of_gt06_says_the_same_wherever_it_is_cut(
        speech in speech(Dialect::Gt06), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        check_cuts(Dialect::Gt06, &speech, &cuts)?;
    }

    #[test]
    fn noise_costs_a_watch_one_frame_at_most(
        noise in noise(), frames in proptest::collection::vec(frame(Dialect::Watch), 3..6),
    ) {
        check_recovery(Dialect::Watch, &noise, &frames)?;
    }

    #[test]
    fn noise_costs_a_jt808_terminal_one_frame_at_most(
        noise in noise(), frames in proptest::collection::vec(frame(Dialect::Jt808), 3..6),
    ) {
        check_recovery(Dialect::Jt808, &noise, &frames)?;
    }

    #[test]
    fn noise_costs_a_gt06_terminal_one_frame_at_most(
        noise in noise(), frames in proptest::collection::vec(frame(Dialect::Gt06), 3..6),
    ) {
        check_recovery(Dialect::Gt06, &noise, &frames)?;
    }
}

/// Inputs that fuzzing found worth keeping.
#[test]
fn what_fuzzing_has_found_is_read_again() {
    for dialect in DIALECTS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(dialect.as_str());
        let mut inputs = 0;
        for file in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            super::fuzz::say(dialect, &std::fs::read(file.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "{}", folder.display());
    }
}
