//! `yidiantong decode`, as a support engineer types it, and as captured frames are compared with what they mean.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_yidiantong");
/// The dialects that have a file of captured frames.
const CAPTURED: [&str; 6] = ["watch", "jt808", "gt06", "eview", "owntracks", "scaip"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn decode(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("decode").args(arguments).output().expect("the executable can be run")
}

#[test]
fn one_frame_is_told_in_words() {
    let frame = "[3G*9710000011*004A*AL,140326,081530,A,28.256100,N,112.985400,E,0,0,0,9,88,76,0,0,00010000,0,0]";
    let said = decode(&["--dialect", "watch", frame]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8_lossy(&said.stdout);
    for words in [
        "AL from 9710000011: alarm",
        "at 2026-03-14T08:15:30Z at 28.256100, 112.985400, a satellite fix",
        "battery 76 %",
        "means: an alert (sos)",
        "rings at the operators'",
        "is answered once it is stored: [3G*9710000011*0002*AL]",
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    // Binary ones in hexadecimal digits, and blanks as they come.
    let said = decode(&["--dialect", "jt808", "7e 0002 0000 013907310001 0007 0a 7e"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("0002 from 13907310001: heartbeat"));
    assert_eq!(decode(&["--dialect", "morse", "..."]).status.code(), Some(1));
}

#[test]
fn a_file_of_frames_is_told_line_by_line_in_its_order() {
    for dialect in CAPTURED {
        let file = root().join(format!("gateway/frames/{dialect}.jsonl"));
        let said = decode(&[file.to_str().expect("a path")]);
        assert!(said.status.success(), "{dialect}: {}", String::from_utf8_lossy(&said.stderr));
        let ids = |text: &str| -> Vec<Value> {
            let id = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].take();
            text.lines().map(id).collect()
        };
        let frames = std::fs::read_to_string(&file).expect("frames");
        assert_eq!(ids(&String::from_utf8_lossy(&said.stdout)), ids(&frames), "{dialect}");
    }
}

/// Where the folder with captured frames is beside the checkout, the tool that lies with them has the last word.
#[test]
fn captured_frames_mean_what_they_mean() {
    let shared = root().join("../shared");
    let tool = shared.join("tools/check-frames");
    if !tool.is_file() {
        return;
    }
    let files = CAPTURED.map(|dialect| shared.join(format!("frames/{dialect}.public.jsonl")));
    let compared = Command::new(tool).args(["--verbose", PROGRAM, "decode", "--"]).args(&files).output();
    let compared = compared.expect("the tool can be run");
    let told = String::from_utf8_lossy(&compared.stdout);
    assert!(compared.status.success(), "{told}{}", String::from_utf8_lossy(&compared.stderr));
}
