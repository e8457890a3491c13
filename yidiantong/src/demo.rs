//! The demonstration: a small invented district at Changsha, and simulated far ends for it.

use std::path::Path;

use anyhow::Context as _;
use dispatcher::access::Role;
use dispatcher::config::{CentreConfig, Certificates, Secret};
use dispatcher::http::password;
use dispatcher::store::registry::{self, NewResident, NewResponder};
use domain::id::ProviderId;
use domain::incident::Centre;
use domain::place::Position;
use domain::word::Word as _;
use firmware_sim::ground::Point;
use firmware_sim::{centre, responder};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;
use wire::directory::{Dialect, Terminal, hash_secret};

use crate::serve::Ready;

/// What of the demonstration is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Nothing.
    #[default]
    Nothing,
    /// The district, with nobody to play the far ends.
    District,
    /// The district, a simulated 120 centre and simulated responders.
    Everything,
}

/// Who can log in, and which terminals there are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Demo {
    /// Logins with the passwords of this run.
    pub users: Vec<DemoUser>,
    /// Terminals with their secrets.
    pub terminals: Vec<DemoTerminal>,
    /// Responders with the tokens of their applications.
    pub responders: Vec<DemoResponder>,
}

/// Somebody who can log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoUser {
    /// Login.
    pub login: String,
    /// What they may do.
    pub role: String,
    /// Name.
    pub name: String,
    /// Of this run.
    pub password: String,
}

/// A terminal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoTerminal {
    /// Its name in topics.
    pub serial: String,
    /// Its MQTT user name.
    pub login: String,
    /// Its MQTT password.
    pub secret: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Who wears it.
    pub wearer: String,
    /// Degrees, where they live.
    pub lat: f64,
    /// Degrees, where they live.
    pub lon: f64,
}

/// A responder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DemoResponder {
    /// Name.
    pub name: String,
    /// Of their application.
    pub token: String,
    /// Where they start.
    pub lat: f64,
    /// Where they start.
    pub lon: f64,
}

/// Name, sex, born in, category, address, how to get in, latitude, longitude, medical card, contact.
type Person = (
    &'static str,
    &'static str,
    i16,
    &'static str,
    &'static str,
    &'static str,
    f64,
    f64,
    &'static str,
    [(&'static str, &'static str, &'static str); 2],
);

const RESIDENTS: [Person; 8] = [
    (
        "陈秀英",
        "female",
        1941,
        "残疾",
        "湘雅路街道 文昌阁社区 3 栋 102",
        "钥匙在 101 刘家",
        28.2182,
        112.9867,
        "双下肢瘫痪；高血压，每日服氨氯地平；青霉素过敏",
        [("陈明", "儿子", "13800000101"), ("刘玉梅", "邻居", "13800000102")],
    ),
    (
        "王建国",
        "male",
        1938,
        "空巢",
        "湘雅路街道 文昌阁社区 7 栋 501",
        "门禁 2580",
        28.2204,
        112.9891,
        "冠心病，放过支架；服阿司匹林",
        [("王芳", "女儿", "13800000103"), ("赵勇", "楼长", "13800000104")],
    ),
    (
        "刘玉兰",
        "female",
        1945,
        "孤寡",
        "伍家岭街道 江湾社区 12 栋 203",
        "密码锁 1357",
        28.2351,
        112.9823,
        "二型糖尿病，用胰岛素",
        [("刘建军", "侄子", "13800000105"), ("孙姨", "邻居", "13800000106")],
    ),
    (
        "周德明",
        "male",
        1950,
        "空巢",
        "伍家岭街道 江湾社区 5 栋 1102",
        "物业有钥匙",
        28.2338,
        112.9851,
        "帕金森病，易跌倒",
        [("周丽", "女儿", "13800000107"), ("吴涛", "邻居", "13800000108")],
    ),
    (
        "黄桂花",
        "female",
        1936,
        "孤寡",
        "新河街道 综合农场社区 2 栋 101",
        "钥匙盒 4 号",
        28.2271,
        112.9795,
        "高龄，骨质疏松；听力差，请大声",
        [("黄志强", "侄孙", "13800000109"), ("何大姐", "邻居", "13800000110")],
    ),
    (
        "唐小满",
        "male",
        2016,
        "智障",
        "新河街道 华夏社区 9 栋 402",
        "父亲 8 时至 18 时不在家",
        28.2296,
        112.9762,
        "自闭症；怕强光和警笛",
        [("唐军", "父亲", "13800000111"), ("李霞", "母亲", "13800000112")],
    ),
    (
        "谢长林",
        "male",
        1932,
        "优抚",
        "四方坪街道 砚瓦池社区 1 栋 301",
        "门禁 9090",
        28.2402,
        113.0013,
        "右眼失明；心房颤动，服华法林",
        [("谢敏", "孙女", "13800000113"), ("彭师傅", "邻居", "13800000114")],
    ),
    (
        "郭淑贞",
        "female",
        1943,
        "空巢",
        "四方坪街道 双湾社区 6 栋 704",
        "密码锁 2468",
        28.2437,
        112.9978,
        "慢性阻塞性肺病，家中有氧气机",
        [("郭伟", "儿子", "13800000115"), ("陆阿姨", "邻居", "13800000116")],
    ),
];

/// Name, telephone, and its people with where they are.
type Company = (&'static str, &'static str, [(&'static str, f64, f64); 4]);

const COMPANIES: [Company; 3] = [
    (
        "康乐居家养老服务中心",
        "0731-80001001",
        [
            ("李卫", 28.2196, 112.9878),
            ("张兰", 28.2221, 112.9842),
            ("罗勇", 28.2173, 112.9921),
            ("邓倩", 28.2248, 112.9903),
        ],
    ),
    (
        "福寿家政",
        "0731-80001002",
        [
            ("肖刚", 28.2343, 112.9832),
            ("曾莉", 28.2312, 112.9797),
            ("蒋波", 28.2367, 112.9870),
            ("袁静", 28.2285, 112.9781),
        ],
    ),
    (
        "四方坪社区卫生服务站",
        "0731-80001003",
        [
            ("戴医生", 28.2410, 113.0002),
            ("龙护士", 28.2429, 112.9990),
            ("石敏", 28.2391, 112.9961),
            ("余斌", 28.2448, 113.0031),
        ],
    ),
];

const USERS: [(&str, Role, &str); 4] = [
    ("operator", Role::Operator, "坐席 小林"),
    ("operator2", Role::Operator, "坐席 小周"),
    ("supervisor", Role::Supervisor, "值班长 老何"),
    ("responder", Role::Responder, "李卫"),
];

fn random_word() -> String {
    hex::encode(dispatcher::clock::random_bytes::<12>())
}

/// Puts the district into an empty database, and gives everybody in it the passwords of this run.
/// Terminals and responders keep theirs, in `demo.json` in the data folder.
pub async fn seed(pool: &PgPool, data: &Path, wanted: Wanted) -> anyhow::Result<Option<Demo>> {
    if wanted == Wanted::Nothing {
        return Ok(None);
    }
    let path = data.join("demo.json");
    let mut tx = dispatcher::store::begin(pool).await?;
    let is_new = registry::resident_count(&mut tx).await? == 0;
    let mut demo: Demo = if is_new {
        settle(&mut tx).await?
    } else {
        let kept = std::fs::read(&path).with_context(|| {
            format!(
                "the database holds residents, but {} with the demonstration's keys is missing: use an empty database",
                path.display()
            )
        })?;
        serde_json::from_slice(&kept)?
    };
    let root = registry::root(&mut tx).await?;
    let mut responder_user = None;
    demo.users.clear();
    for (login, role, name) in USERS {
        let password = random_word();
        let hashing = password.clone();
        let hash = tokio::task::spawn_blocking(move || password::hash(&hashing)).await?.map_err(anyhow::Error::msg)?;
        let user = registry::put_user(&mut tx, login, name, &[(role, root)], &hash).await?;
        if role == Role::Responder {
            responder_user = Some(user);
        }
        demo.users.push(DemoUser { login: login.into(), role: role.as_str().into(), name: name.into(), password });
    }
    if let Some(user) = responder_user {
        registry::let_responder_log_in(&mut tx, USERS[3].2, user).await?;
    }
    write_private(&path, &serde_json::to_vec_pretty(&demo)?)?;
    tx.commit().await?;
    Ok(Some(demo))
}

/// Only for our own eyes: it holds secrets.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

async fn settle(conn: &mut PgConnection) -> anyhow::Result<Demo> {
    let district = registry::name_root(conn, "district", "开福区").await?;
    let mut terminals = Vec::new();
    for (index, person) in (1..).zip(&RESIDENTS) {
        terminals.extend(settle_resident(conn, district, index, person).await?);
    }
    let mut responders = Vec::new();
    for (name, phone, people) in COMPANIES {
        let categories = ["emergency".to_owned(), "meal".to_owned(), "repair".to_owned()];
        let provider = registry::add_provider(conn, name, phone, district, &categories).await?;
        for (name, lat, lon) in people {
            responders.push(settle_responder(conn, provider, name, lat, lon).await?);
        }
    }
    Ok(Demo { users: Vec::new(), terminals, responders })
}

async fn settle_resident(
    conn: &mut PgConnection,
    district: Uuid,
    index: usize,
    person: &Person,
) -> anyhow::Result<Vec<DemoTerminal>> {
    let (name, sex, born_in, category, address, door_access, lat, lon, medical_card, contacts) = person;
    let resident = registry::add_resident(
        conn,
        &NewResident {
            name,
            sex,
            born_in: *born_in,
            phone: &format!("0731-8000{index:04}"),
            category,
            address,
            door_access,
            home: Position::new(*lat, *lon)?,
            node: district,
            // A child who is afraid of sirens: an operator looks first.
            handover_policy: (*category == "智障").then_some("operator_first"),
            medical_card,
            contacts,
        },
    )
    .await?;
    let mut terminals = vec![DemoTerminal {
        serial: format!("P{:04}", 1000 + index),
        login: format!("P{:04}", 1000 + index),
        secret: random_word(),
        dialect: Dialect::Ydt,
        wearer: (*name).into(),
        lat: *lat,
        lon: *lon,
    }];
    if index == 2 {
        terminals.push(DemoTerminal {
            serial: "wang/phone".into(),
            login: "wang".into(),
            secret: random_word(),
            dialect: Dialect::OwnTracks,
            ..terminals[0].clone()
        });
    }
    for terminal in &terminals {
        let (model, manual_publish_means_help) = match terminal.dialect {
            Dialect::Ydt => ("simulated pager", false),
            Dialect::OwnTracks => ("OwnTracks", true),
        };
        let listed = Terminal {
            serial: terminal.serial.clone(),
            login: terminal.login.clone(),
            secret_sha256: hash_secret(terminal.secret.as_bytes()),
            dialect: terminal.dialect,
            manual_publish_means_help,
            drill: false,
        };
        registry::put_terminal(conn, &listed, model, Some(resident)).await?;
    }
    Ok(terminals)
}

async fn settle_responder(
    conn: &mut PgConnection,
    provider: ProviderId,
    name: &str,
    lat: f64,
    lon: f64,
) -> anyhow::Result<DemoResponder> {
    let token = random_word();
    let new = NewResponder {
        provider,
        user: None,
        name,
        phone: "13900000000",
        token_sha256: Some(hash_secret(token.as_bytes())),
        place: Some(Position::new(lat, lon)?),
    };
    registry::add_responder(conn, &new).await?;
    Ok(DemoResponder { name: name.into(), token, lat, lon })
}

/// Starts a simulated 120 centre, and says how the desk reaches it.
pub async fn start_centre(running: &mut JoinSet<()>, stop: CancellationToken) -> anyhow::Result<CentreConfig> {
    // Of this run: the centre forgets its cases with the process.
    let secret = random_word();
    let behaviour = centre::Behaviour::Normal { delays: centre::Delays::default() };
    let centre = centre::start(centre::Config::new(secret.as_str(), behaviour), stop).await;
    let centre = centre.context("the simulated 120 centre does not start")?;
    let config = CentreConfig::new(Centre::Ambulance, centre.url(), Secret(secret), &Certificates::default())?;
    running.spawn(async move {
        if let Err(cause) = centre.stopped().await {
            warn!(%cause, "the simulated 120 centre has ended");
        }
    });
    Ok(config)
}

/// Simulates the responders until told to stop.
pub async fn run_responders(people: Vec<DemoResponder>, api: String, stop: CancellationToken) {
    let mut running = JoinSet::new();
    for (index, person) in people.into_iter().enumerate() {
        let mut config = responder::Config::new(&api, person.token.as_str());
        config.place = Some(Point { lat: person.lat, lon: person.lon });
        // Minutes on the road take seconds in a demonstration.
        config.time_scale = 10.0;
        config.behaviour = match index % 4 {
            // One in four is busy, so that the question is seen to go on to the next.
            0 => responder::Behaviour::Decline { after_s: 5, reason: "正在服务另一位老人".into() },
            _ => responder::Behaviour::Accept { after_s: 4, minutes: None },
        };
        let stop = stop.clone();
        running.spawn(async move {
            if let Err(cause) = responder::run(config, stop).await {
                warn!(%cause, "a simulated responder has ended");
            }
        });
    }
    running.join_all().await;
}

/// Tells a person where everything is and what to type.
#[expect(clippy::print_stdout, reason = "this is what the person at the terminal reads")]
pub fn print(ready: &Ready) {
    println!("\n一点通 is up.\n");
    println!("  console   {}", ready.http);
    println!("  terminals {} (MQTT 3.1.1 and 5)", ready.mqtt);
    let Some(demo) = &ready.demo else { return };
    println!("\nLogins of this run:");
    for user in &demo.users {
        println!("  {:<11} {}   ({})", user.login, user.password, user.name);
    }
    let press = std::env::current_exe()
        .ok()
        .map_or_else(|| "firmware-sim".into(), |exe| exe.with_file_name("firmware-sim").display().to_string());
    println!("\nPress an SOS key; the pager tells what it hears:");
    if let Some(pager) = demo.terminals.first() {
        println!(
            "  {press} press --broker {} --serial {} --secret {} --lat {} --lon {}",
            ready.mqtt, pager.serial, pager.secret, pager.lat, pager.lon
        );
        println!("or with any MQTT client:");
        println!(
            "  mosquitto_pub -h {} -p {} -q 1 -u {} -P {} -t ydt/1/{}/alert -m '{{\"type\":\"alert\",\"kind\":\"sos\",\"boot\":1,\"seq\":'$(date +%s)'}}'",
            ready.mqtt.ip(),
            ready.mqtt.port(),
            pager.login,
            pager.secret,
            pager.serial,
        );
        println!("or sit before a simulated pager and type sos, cancel, ok, quit:");
        println!("  {press} pager --broker {} --serial {} --secret {}", ready.mqtt, pager.serial, pager.secret);
    }
    if let Some(phone) = demo.terminals.iter().find(|terminal| terminal.dialect == Dialect::OwnTracks) {
        println!("or as a phone with OwnTracks, whose \"publish now\" means help:");
        println!(
            "  mosquitto_pub -h {} -p {} -q 1 -u {} -P {} -t owntracks/{} -m '{{\"_type\":\"location\",\"t\":\"u\",\"lat\":{},\"lon\":{},\"acc\":12,\"tst\":'$(date +%s)'}}'",
            ready.mqtt.ip(),
            ready.mqtt.port(),
            phone.login,
            phone.secret,
            phone.serial,
            phone.lat,
            phone.lon,
        );
    }
    println!("\nCtrl-C stops it.\n");
}
