//! A thousand terminals from one list, as whoever installs them brings them in: all of them or none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sqlx::Row as _;
use system::mosquitto::{Mosquitto, Version};
use system::scene::{Scene, sends_a_vehicle};
use system::server::Terminal;
use system::shell::Shell;
use system::wait::{SOON, until_so};
use wire::directory::hash_secret;

const MANY: usize = 1000;
/// In the middle of the list; the headings are line 1.
const ODD_LINE: usize = 701;

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn serial(number: usize) -> String {
    format!("Q{number:04}")
}

/// The list, with another serial in one line if one is wanted.
fn list(odd: Option<(usize, &str)>) -> String {
    let mut list = "终端号,型号\n".to_owned();
    for number in 1..=MANY {
        match odd {
            Some((line, serial)) if line == number + 1 => writeln!(list, "{serial},YDT-2"),
            _ => writeln!(list, "{},YDT-2", serial(number)),
        }
        .expect("a text takes all");
    }
    list
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_terminals_come_from_one_list_and_one_odd_line_keeps_all_of_them_out() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let shell = Shell::at(scene.server.data());
    let mut records = scene.records().await;
    let work = tempfile::tempdir().expect("a folder can be made");
    let (file, secrets) = (work.path().join("terminals.csv"), work.path().join("secrets.csv"));
    let many = ["terminal", "provision", path(&file), "--credentials", path(&secrets)];
    let listed = "select count(*) from terminal where serial like 'Q%'";

    let odd = [
        (ODD_LINE, "Q/0700", "Q/0700: the serial holds a slash"),
        (ODD_LINE, "Q+0700", "Q+0700: a serial and a login have letters"),
        (ODD_LINE, "P1001", "P1001 is there already"),
        (MANY + 1, "Q0001", "Q0001 or its login stands there twice"),
    ];
    for (line, serial, why) in odd {
        std::fs::write(&file, list(Some((line, serial)))).expect("a list");
        let refused = shell.refuses(&many);
        assert!(refused.contains(&format!("line {line}: {why}")), "{refused}");
        assert_eq!(refused.matches("line ").count(), 1, "another line is named: {refused}");
        assert!(!secrets.exists(), "there are secrets of terminals that were not added");
        assert_eq!(records.count(listed, &[]).await, 0, "all or nothing");
    }

    std::fs::write(&file, list(None)).expect("a list");
    let said = shell.says(&many);
    assert!(said.contains(&format!("{MANY} terminals added")), "{said}");
    let told = std::fs::read_to_string(&secrets).expect("the secrets");
    let rows = told.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let told: BTreeMap<String, (String, String)> =
        rows.map(|row| (row[0].to_owned(), (row[1].to_owned(), row[2].to_owned()))).collect();
    assert_eq!(told.len(), MANY);
    let rows = records.ask("select serial, login, secret_sha256 from terminal where serial like 'Q%'", &[]).await;
    assert_eq!(rows.len(), MANY);
    for row in rows {
        let (login, secret) = &told[&row.get::<String, _>(0)];
        assert_eq!((login.clone(), hash_secret(secret.as_bytes()).to_vec()), (row.get(1), row.get(2)));
    }
    let different: std::collections::BTreeSet<_> = told.values().map(|(_, secret)| secret).collect();
    assert_eq!(different.len(), MANY, "two have one secret");

    // The server that runs meanwhile lets them in.
    for number in [1, MANY / 2, MANY] {
        let serial = serial(number);
        let (login, secret) = told[&serial].clone();
        let (dialect, wearer) = ("ydt".into(), String::new());
        let terminal = Terminal { serial, login, secret, dialect, wearer, lat: 0.0, lon: 0.0 };
        let hand = Mosquitto { door: scene.ready().mqtt, terminal: &terminal, version: Version::V5 };
        let is_let_in = async || hand.try_to_listen(&terminal.topic("notice")).await.code == Some(0);
        until_so(format!("{} is let in", terminal.serial), SOON, is_let_in).await;
    }

    let refused = shell.refuses(&many);
    let already = refused.matches("is there already").count();
    assert_eq!(already, MANY, "each line that cannot be taken is named: {refused}");
}
