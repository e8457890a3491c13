//! An administrator at a shell: setting a district up, bringing lists in, and the day on which the disk is lost.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use firmware_sim::centre::{Behaviour, Down};
use serde_json::{Value, json};
use sqlx::Row as _;
use system::console::Console;
use system::mosquitto::Version;
use system::postgres::Postgres;
use system::records::Records;
use system::scene::{Scene, sends_a_vehicle};
use system::server::{Setup, User};
use system::shell::Shell;
use system::wait::{SOON, until_so};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("ydt-ops").tempdir_in("/tmp").expect("a folder can be made")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn sos(seq: u32) -> String {
    json!({ "type": "alert", "kind": "sos", "boot": 7, "seq": seq }).to_string()
}

/// The last word of the line that holds a secret.
fn secret(said: &str) -> String {
    let line = said.lines().find(|line| line.contains("(shown once)")).expect("it is shown");
    line.split_whitespace().last().expect("a secret").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_disk_was_lost_a_backup_brings_everything_back_and_an_open_case_goes_on() {
    let mut scene = Scene::open(sends_a_vehicle(8)).await;
    let shell = Shell::at(scene.server.data());
    // Beside the running server, through its own database.
    let password =
        secret(&shell.says(&["user", "add", "li", "--name", "坐席 小李", "--role", "operator", "--generate"]));
    let pager = scene.terminal("P1001");
    scene.hand(&pager, Version::V311).publish_acknowledged(&pager.topic("alert"), sos(1)).await;
    let mut records = scene.records().await;
    let incident = records.incidents().await[0];
    scene.case_of(&incident.to_string()).await;
    until_so("the server knows that 120 has it", SOON, async || {
        records.outbox(&incident.to_string(), "centre").await.iter().all(|(_, state, _)| state != "queued")
    })
    .await;

    let copies = folder();
    let begun = Instant::now();
    let backed_up = shell.says(&["backup", "--to", path(copies.path())]);
    let (backup, begun) = (begun.elapsed(), Instant::now());
    let mode = std::fs::metadata(copies.path().join(backed_up.split(": ").next().expect("a file"))).expect("the copy");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let served = shell.refuses(&["restore", path(copies.path()), "--replace"]);
    assert!(served.contains("stop it first"), "{served}");
    scene.server.stop().await;
    drop(records);

    // The keys of the demonstration's terminals lie beside the database; a real district's pagers have their own.
    std::fs::remove_dir_all(scene.server.data().join("postgres")).expect("the disk can be lost");
    let restored = shell.says(&["restore", path(copies.path())]);
    eprintln!("drill: backup took {backup:?}, restore with a new cluster {:?}\n{backed_up}{restored}", begun.elapsed());
    assert!(restored.contains("1 timelines checked, 0 broken"), "{restored}");

    scene.server.run();
    scene.server.answers().await;
    let pager = scene.terminal("P1001");
    scene.hand(&pager, Version::V311).publish_acknowledged(&pager.topic("alert"), sos(2)).await;
    let mut records = scene.records().await;
    assert_eq!(records.incidents().await, [incident], "the press belongs to the case that was open");
    let presses = records.count("select presses::bigint from incident where closed_at is null", &[]).await;
    assert_eq!(presses, 2);
    let words = records.timeline(&incident.to_string()).await;
    assert_eq!(words.iter().filter(|word| *word == "pressed").count(), 2, "{words:?}");
    assert_eq!(scene.case_of(&incident.to_string()).await.times_received, 1, "120 was not told again");
    // Who was added by hand is there too.
    let mut ready = scene.ready().clone();
    ready.demo.users.push(User { login: "li".into(), password });
    let li = Console::log_in(&ready, "li").await;
    assert_eq!(li.open_incidents().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yesterdays_ambulance_is_not_sent_after_a_restore_and_what_was_there_is_kept() {
    let postgres = Postgres::start();
    let setup = Setup { database_url: Some(postgres.url().to_owned()), ..Setup::default() };
    let mut scene = Scene::open_with(Behaviour::Down { how: Down::Fails }, setup).await;
    let shell = Shell::over(scene.server.data(), postgres.url());
    // Logged in when the backup is made.
    scene.operator().await;
    let pager = scene.terminal("P1001");
    scene.hand(&pager, Version::V5).publish_acknowledged(&pager.topic("alert"), sos(1)).await;
    until_so("120 was tried", SOON, async || scene.cases().attempts > 0).await;
    scene.server.stop().await;
    let incident = {
        let mut records = Records::at(postgres.url()).await;
        let incident = records.incidents().await[0].to_string();
        assert_eq!(records.outbox(&incident, "centre").await[0].1, "queued");
        incident
    };

    let copies = folder();
    shell.says(&["backup", "--to", path(copies.path())]);
    let refused = shell.refuses(&["restore", path(copies.path())]);
    assert!(refused.contains("--replace"), "{refused}");
    spoil_and_mend(copies.path(), || {
        let refused = shell.refuses(&["restore", path(copies.path()), "--replace"]);
        assert!(refused.contains("is not what was written"), "{refused}");
    });
    let said = shell.says(&["restore", path(copies.path()), "--replace"]);
    let kept =
        said.lines().find_map(|line| line.strip_prefix("the database that was there is kept as ")).expect("kept");
    let kept_url = postgres.url().replace("/yidiantong_dev?", &format!("/{kept}?"));
    assert_eq!(Records::at(&kept_url).await.incidents().await.len(), 1, "what was there is kept");

    // A day passes before somebody restores it: everything in it is a day older.
    let mut records = Records::at(postgres.url()).await;
    // Another cluster's transaction numbers mean nothing here, and who was logged in then is not now.
    for gone in [
        "select count(*) from live_event",
        "select count(*) from session",
        "select count(*) from terminal where changed_in > pg_current_xact_id()",
        "select 1 - count(*) from live_horizon where txid > '0'",
    ] {
        assert_eq!(records.count(gone, &[]).await, 0, "{gone}");
    }
    for older in [
        "update outbox set created_at = created_at - interval '1 day', not_after = not_after - interval '1 day',
            next_try_at = next_try_at - interval '1 day'",
        "update handover set acknowledge_by = acknowledge_by - interval '1 day' where acknowledge_by is not null",
        "update incident set opened_at = opened_at - interval '1 day', last_press_at = last_press_at - interval '1 day',
            wake_at = wake_at - interval '1 day', ring_next_at = ring_next_at - interval '1 day'",
    ] {
        records.ask(older, &[]).await;
    }
    let attempts = scene.cases().attempts;
    scene.server.run();
    scene.server.answers().await;
    until_so("the message has become too old", SOON, async || {
        records.outbox(&incident, "centre").await.iter().all(|(_, state, _)| state == "expired")
    })
    .await;
    until_so("somebody has to telephone", SOON, async || {
        records.count("select count(*) from handover where voice = 'due'", &[]).await == 1
    })
    .await;
    assert_eq!(scene.cases().attempts, attempts, "yesterday's ambulance was sent");
    let rings = records.ask("select ring_level from incident where closed_at is null", &[]).await;
    assert_ne!(rings[0].get::<String, _>(0), "none", "the open case rings");
}

/// Changes a byte in the middle of the copy, and puts it back.
fn spoil_and_mend(copies: &Path, meanwhile: impl FnOnce()) {
    let entries = std::fs::read_dir(copies).expect("the folder").map(|entry| entry.expect("an entry").path());
    let dump = entries.into_iter().find(|path| path.extension().is_some_and(|end| end == "dump")).expect("a dump");
    let whole = std::fs::read(&dump).expect("the dump");
    let mut spoiled = whole.clone();
    let middle = spoiled.len() / 2;
    spoiled[middle] ^= 1;
    std::fs::write(&dump, spoiled).expect("it can be spoiled");
    meanwhile();
    std::fs::write(&dump, whole).expect("it can be mended");
}

fn square(folder: &Path, name: &str, west: f64, south: f64, east: f64, north: f64) -> PathBuf {
    let ring = [[west, south], [east, south], [east, north], [west, north], [west, south]];
    let file = folder.join(name);
    std::fs::write(&file, json!({ "type": "Polygon", "coordinates": [ring] }).to_string()).expect("a file");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_district_is_set_up_from_a_shell_and_what_is_wrong_is_said_with_what_to_do() {
    let (postgres, work) = (Postgres::start(), folder());
    let shell = Shell::over(work.path().join("data"), postgres.url());

    let early = shell.refuses(&["user", "list"]);
    assert!(early.contains("yidiantong migrate"), "{early}");
    assert!(shell.says(&["migrate"]).contains("from version nothing to"));
    assert!(shell.says(&["migrate"]).contains("up to date"));
    let unwell = shell.refuses(&["doctor"]);
    assert!(unwell.contains("a press rings for nobody"), "{unwell}");

    // Places: drawn, and refused when they cannot be.
    shell.says(&["node", "name", "/", "开福区"]);
    let area = |name: &str, west, south, east, north| square(work.path(), name, west, south, east, north);
    shell.says(&["node", "area", "开福区", path(&area("d", 112.9, 28.1, 113.1, 28.3))]);
    let peace = area("peace", 112.9, 28.1, 113.0, 28.2);
    shell.says(&["node", "add", "开福区", "和平社区", "--level", "community", "--area", path(&peace)]);
    let bowtie = work.path().join("bowtie");
    let ring = [[112.9, 28.2], [113.0, 28.3], [113.0, 28.2], [112.9, 28.3], [112.9, 28.2]];
    std::fs::write(&bowtie, json!({ "type": "Polygon", "coordinates": [ring] }).to_string()).expect("a file");
    for (file, why) in [
        (area("over", 112.95, 28.1, 113.05, 28.2), "overlaps 和平社区"),
        (area("out", 113.05, 28.2, 113.15, 28.3), "outside 开福区"),
        (area("berlin", 13.3, 52.4, 13.4, 52.5), "km away from the rest"),
        (area("swapped", 28.2, 112.9, 28.3, 113.0), "swapped"),
        (bowtie, "Self-intersection"),
    ] {
        let refused =
            shell.refuses(&["node", "add", "开福区", "江湾社区", "--level", "community", "--area", path(&file)]);
        assert!(refused.contains(why), "{}: {refused}", file.display());
        let is_about_another = why.contains("和平社区") || why.contains("开福区");
        assert!(!is_about_another || refused.contains("开福区/江湾社区"), "both are named: {refused}");
    }
    // Below a node without an area, what counts is the area above that.
    shell.says(&["node", "add", "开福区", "沿江街道", "--level", "street"]);
    for (file, why) in [
        (area("o2", 112.95, 28.1, 113.05, 28.2), "overlaps 和平社区"),
        (area("o3", 113.05, 28.2, 113.15, 28.3), "outside 开福区"),
    ] {
        let refused =
            shell.refuses(&["node", "add", "沿江街道", "堤社区", "--level", "community", "--area", path(&file)]);
        assert!(refused.contains(why), "{}: {refused}", file.display());
    }
    shell.says(&["node", "area", "沿江街道", path(&area("street", 112.9, 28.2, 113.1, 28.3))]);
    let refused = shell.refuses(&["node", "area", "开福区", path(&area("less", 112.9, 28.1, 113.1, 28.25))]);
    assert!(refused.contains("50 % of 沿江街道") && !refused.contains("和平社区"), "{refused}");
    let bay = area("bay", 113.0, 28.1, 113.1, 28.2);
    shell.says(&["node", "add", "开福区", "江湾社区", "--level", "community", "--area", path(&bay)]);

    bring_in_residents(&shell, work.path(), postgres.url()).await;
    bring_in_helpers(&shell, work.path(), postgres.url()).await;

    bring_in_terminals(&shell, work.path());

    // Users.
    let password = secret(&shell.says(&["user", "add", "boss", "--role", "admin", "--node", "开福区"]));
    assert_eq!(password.len(), 26);
    shell.says(&["user", "grant", "boss", "operator", "--node", "和平社区"]);
    let who: Value = serde_json::from_str(&shell.says(&["user", "list", "--json"])).expect("JSON");
    let grants = |login: &str| {
        let one = who.as_array().expect("a list").iter().find(|one| one["login"] == login).expect("they are there");
        one["grants"].as_array().map(Vec::len)
    };
    assert_eq!((grants("boss"), grants("liu")), (Some(2), Some(1)));
    assert!(!who.to_string().contains("argon2"), "a list tells no secrets");

    let findings: Value = serde_json::from_str(&shell.says(&["doctor", "--json"])).expect("JSON");
    let level = |check: &str| {
        let findings = findings.as_array().expect("a list");
        findings.iter().find(|finding| finding["check"] == check).map(|finding| finding["level"].clone())
    };
    assert_eq!(
        (level("users"), level("tables"), level("areas")),
        (Some(json!("ok")), Some(json!("ok")), Some(json!("ok")))
    );
    assert_eq!(level("backup"), Some(json!("warn")), "there is none yet: {findings}");
}

/// From a list; their secrets in a file that only we can read.
fn bring_in_terminals(shell: &Shell, work: &Path) {
    let (list, secrets) = (work.join("terminals.csv"), work.join("secrets.csv"));
    let many = ["terminal", "provision", path(&list), "--credentials", path(&secrets)];
    std::fs::write(&list, "终端号,佩戴人,集中器\nP2001,陈秀英,\nP2002,,3栋\nP+,nobody,\n").expect("a list");
    let refused = shell.refuses(&many);
    for words in ["line 3: there is no concentrator 3栋", "line 4: P+: ", "line 4: there is no resident nobody"] {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    assert!(!secrets.exists() && shell.says(&["terminal", "list"]).contains("no terminal yet"), "all or nothing");
    let hub = secret(&shell.says(&["concentrator", "add", "3栋", "--name", "3 栋网关"]));
    assert_eq!(hub.len(), 26);
    std::fs::write(&list, "终端号,佩戴人,集中器\nP2001,陈秀英,\nP2002,,3栋\n").expect("a list");
    shell.says(&many);
    let mode = std::fs::metadata(&secrets).expect("the secrets").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = shell.refuses(&many);
    assert!(refused.contains("line 2: P2001 is there already"), "{refused}");
    let first = std::fs::read_to_string(&secrets).expect("the secrets");
    let rotated = secret(&shell.says(&["terminal", "rotate", "P2001"]));
    assert!(!first.contains(&rotated));
    assert!(shell.refuses(&["concentrator", "attach", "3栋", "P2001", "P9"]).contains("there is no terminal P9"));
    assert!(shell.says(&["concentrator", "list"]).contains("speaks for 1 terminals"));
    shell.says(&["concentrator", "attach", "3栋", "P2001"]);
    assert!(shell.says(&["terminal", "list"]).contains("under 3栋"));
    shell.says(&["concentrator", "detach", "P2001", "P2002"]);
    assert!(shell.says(&["concentrator", "list"]).contains("speaks for 0 terminals"));
    shell.says(&["concentrator", "revoke", "3栋"]);
    assert!(shell.refuses(&["concentrator", "rotate", "3栋"]).contains("--reinstate"));
    shell.says(&["terminal", "revoke", "P2002"]);
    assert!(shell.refuses(&["terminal", "rotate", "P2002"]).contains("--reinstate"));
    assert!(shell.says(&["terminal", "list"]).contains("worn by 陈秀英"));
}

const LIST: &str = "姓名,性别,出生日期,联系电话,住址,纬度,经度,联系人,联系人电话
陈秀英,女,1941年3月5日,0731-8000 1001,和平社区3栋102,28.15,112.95,陈明,138 0000 0101
王建国,男,15040,１３８００００１００２,江湾社区7栋501,113.05,28.15,,
刘玉兰,女,45-03-05,13800001003,和平社区1栋,28.16,112.96,,
";

async fn bring_in_residents(shell: &Shell, work: &Path, database: &str) {
    let list = work.join("名单.csv");
    let (gbk, ..) = encoding_rs::GBK.encode(LIST);
    std::fs::write(&list, gbk).expect("a list");
    let preview = shell.says(&["import", "residents", path(&list)]);
    for words in ["gb18030", "2 new", "row 4, 出生日期 “45-03-05”", "row 3 was put right"] {
        assert!(preview.contains(words), "{words}: {preview}");
    }
    let mut records = Records::at(database).await;
    assert_eq!(records.count("select count(*) from resident", &[]).await, 0, "a preview writes nothing");
    shell.refuses(&["import", "residents", path(&list), "--apply"]);
    assert_eq!(records.count("select count(*) from resident", &[]).await, 0, "all or nothing");
    shell.says(&["import", "residents", path(&list), "--apply", "--skip-problems"]);
    let rows = records
        .ask(
            "select r.name, n.name, r.phone, c.phone from resident r join org_node n on n.id = r.serving_node
             left join contact c on c.resident_id = r.id order by r.phone",
            &[],
        )
        .await;
    let rows: Vec<(String, String, String, Option<String>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let row = |name: &str, node: &str, phone: &str, contact: Option<&str>| {
        (name.to_owned(), node.to_owned(), phone.to_owned(), contact.map(str::to_owned))
    };
    assert_eq!(
        rows,
        [
            row("陈秀英", "和平社区", "0731-80001001", Some("13800000101")),
            row("王建国", "江湾社区", "13800001002", None),
        ],
        "each where their home lies"
    );
    let left_out = std::fs::read_to_string(work.join("名单.csv.problems.csv")).expect("the rows left out");
    assert!(left_out.contains("刘玉兰") && !left_out.contains("陈秀英"), "{left_out}");

    let versions = "select sum(version)::bigint from resident";
    let before = records.count(versions, &[]).await;
    let again = shell.says(&["import", "residents", path(&list), "--apply", "--skip-problems"]);
    assert!(again.contains("0 new, 0 changed; unchanged: 2"), "{again}");
    assert_eq!(records.count(versions, &[]).await, before, "a second time changes nothing");
}

async fn bring_in_helpers(shell: &Shell, work: &Path, database: &str) {
    let list = |name: &str, text: &str| {
        let file = work.join(name);
        std::fs::write(&file, format!("\u{feff}{text}")).expect("a list");
        file
    };
    let providers = list("providers.csv", "名称,区域,类别\n康乐,和平社区,紧急\n无处,,送餐\n");
    let refused = shell.refuses(&["import", "providers", path(&providers), "--apply"]);
    assert!(refused.contains("nothing was written"), "{refused}");
    let preview = shell.says(&["import", "providers", path(&providers)]);
    assert!(preview.contains("row 3, 区域: has no area"), "{preview}");
    shell.says(&["import", "providers", path(&providers), "--apply", "--skip-problems"]);

    let responders = list(
        "responders.csv",
        "姓名,服务商,电话,登录名,应用令牌,在岗\n刘芳,康乐,138 0000 0201,liu,,是\n张伟,康乐,13800000202,,是,\n赵敏,无处,13800000203,,,\n",
    );
    let preview = shell.says(&["import", "responders", path(&responders)]);
    for words in ["2 new", "row 4, 服务商 “无处”: is no provider", "--credentials FILE"] {
        assert!(preview.contains(words), "{words}: {preview}");
    }
    let apply = ["import", "responders", path(&responders), "--apply", "--skip-problems"];
    let refused = shell.refuses(&apply);
    assert!(refused.contains("2 passwords, tokens or keys are to be made"), "{refused}");
    let mut records = Records::at(database).await;
    assert_eq!(records.count("select count(*) from responder", &[]).await, 0, "all or nothing");
    let credentials = work.join("helpers-secrets.csv");
    let mut with_secrets = apply.to_vec();
    with_secrets.extend(["--credentials", path(&credentials)]);
    shell.says(&with_secrets);
    let mode = std::fs::metadata(&credentials).expect("the secrets").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secrets = std::fs::read_to_string(&credentials).expect("the secrets");
    assert!(secrets.contains("2,刘芳,password,liu,") && secrets.contains("3,张伟,token,张伟,"), "{secrets}");
    let there = "select count(*) from responder r join provider p on p.id = r.provider_id
        left join app_user u on u.id = r.user_id
        where p.name = '康乐' and (r.on_duty, coalesce(u.login, ''), r.token_sha256 is null)
            in ((true, 'liu', true), (false, '', false))";
    assert_eq!(records.count(there, &[]).await, 2);
    let again = shell.says(&apply);
    assert!(again.contains("0 new, 0 changed; unchanged: 2"), "{again}");

    // A contact's addresses, with a key that is made for the one who brings none.
    let contacts = list(
        "contacts.csv",
        "姓名,电话,联系人,联系人电话,联系人邮箱,推送地址\n陈秀英,0731-80001001,陈明,13800000101,ming@mail.example,https://hook.example/1\n",
    );
    let credentials = work.join("contacts-secrets.csv");
    shell.says(&["import", "residents", path(&contacts), "--apply", "--credentials", path(&credentials)]);
    let reached = "select count(*) from contact where email = 'ming@mail.example'
        and webhook_url = 'https://hook.example/1' and length(webhook_secret) = 26";
    assert_eq!(records.count(reached, &[]).await, 1);
    assert!(shell.says(&["import", "residents", path(&contacts), "--apply"]).contains("unchanged: 1"));
}
