//! How many frames of watches a core reads, beside what it costs to copy the same bytes line by line.

#![expect(clippy::unwrap_used, reason = "a benchmark knows its own figures")]

use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use gateway::codec::conversation::{Context, Conversation, Strictness, framing};
use gateway::codec::framing::{Piece, Stream};
use jiff::Timestamp;
use wire::directory::Dialect;

/// Frames of a quarter of an hour: positions, and a life sign after every third.
const FRAMES: usize = 1000;
/// What a socket gives at once.
const SEGMENT: usize = 1460;

const CONTEXT: Context<'static> =
    Context { profile: None, received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Lenient };

fn main() {
    divan::main();
}

/// As many frames, each with a line's end behind it, as the copy needs.
fn speech() -> Vec<u8> {
    let position = "UD_LTE,140326,081530,A,28.256100,N,112.985400,E,0.40,91.5,52.0,9,88,76,1204,3,00000010,2,255,460,0,29524,21403,148,\
                    29524,21401,120,2,Kaifu-Home,a4:56:02:10:20:30,-52,Tea,60:3a:7c:44:55:66,-71,12.5";
    let mut speech = String::new();
    for number in 0..FRAMES {
        let content = if number % 4 == 3 { "LK,1204,3,76" } else { position };
        writeln!(speech, "[3G*9710000011*{:04X}*{content}]", content.len()).unwrap();
    }
    speech.into_bytes()
}

#[divan::bench]
fn frames_read(bencher: Bencher<'_, '_>) {
    let speech = speech();
    let (cut, limit) = framing(Dialect::Watch).unwrap();
    bencher.counter(ItemsCount::new(FRAMES)).counter(BytesCount::new(speech.len())).bench(|| {
        let mut conversation = Conversation::begin(Dialect::Watch).unwrap();
        let mut stream = Stream::new(cut, limit);
        let mut read = 0;
        for segment in speech.chunks(SEGMENT) {
            stream.push(divan::black_box(segment));
            while let Some(piece) = stream.next() {
                if let Piece::Frame(frame) = piece {
                    let turn = conversation.read(frame, &CONTEXT);
                    divan::black_box(turn.into_decoded(Timestamp::UNIX_EPOCH));
                    read += 1;
                }
            }
        }
        assert_eq!(read, FRAMES);
    });
}

#[divan::bench]
fn lines_copied(bencher: Bencher<'_, '_>) {
    let speech = speech();
    bencher.counter(ItemsCount::new(FRAMES)).counter(BytesCount::new(speech.len())).bench(|| {
        let mut copied = 0;
        for line in divan::black_box(&speech).split_inclusive(|byte| *byte == b'\n') {
            divan::black_box(line.to_vec());
            copied += 1;
        }
        assert_eq!(copied, FRAMES);
    });
}
