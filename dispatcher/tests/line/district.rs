//! A small invented district for the dispatcher's tests: four residents with a pager each, two
//! responders, one operator.

use std::sync::Arc;

use dispatcher::access::Role;
use dispatcher::clock;
use dispatcher::config::Config;
use dispatcher::desk::Desk;
use dispatcher::store::registry::{self, NewResident, NewResponder};
use domain::id::{IncidentId, ResponderId, UserId};
use domain::place::{Position, Source};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;
use wire::directory::{Dialect, Terminal, hash_secret};
use wire::receipt::Outcome;
use wire::report::{Event, Fix, Freshness, Report, Stamp, Surroundings, VERSION};
use wire::topics::Lane;

/// The district and its desk.
pub(crate) struct District {
    pub(crate) desk: Desk,
    pub(crate) desk_pool: PgPool,
    pub(crate) near: ResponderId,
    pub(crate) operator: UserId,
}

impl District {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with(pool, Config::default()).await
    }

    pub(crate) async fn with(pool: PgPool, config: Config) -> Self {
        let mut conn = pool.acquire().await.unwrap();
        let node = registry::name_root(&mut conn, "district", "开福区").await.unwrap();
        for (serial, name) in [("P1", "陈秀英"), ("P2", "王建国"), ("P3", "刘玉兰"), ("P4", "周德明")] {
            move_in(&mut conn, node, serial, name).await;
        }
        let provider =
            registry::add_provider(&mut conn, "康乐家政", "0731-80000002", node, &["emergency".into()]).await.unwrap();
        let mut responders = Vec::new();
        for (name, lat, lon) in [("李卫", 28.2285, 112.9385), ("张兰", 28.240, 112.950)] {
            let responder = NewResponder {
                provider,
                user: None,
                name,
                phone: "13900000000",
                token_sha256: None,
                place: Some(Position::new(lat, lon).unwrap()),
            };
            responders.push(registry::add_responder(&mut conn, &responder).await.unwrap());
        }
        let operator =
            registry::put_user(&mut conn, "operator", "坐席一", &[(Role::Operator, node)], "x").await.unwrap();
        drop(conn);
        let desk = Desk::new(pool.clone(), Arc::new(config));
        desk.open();
        Self { desk, desk_pool: pool, near: responders[0], operator }
    }

    pub(crate) fn fix() -> Fix {
        Fix {
            lat_deg: 28.2281,
            lon_deg: 112.9381,
            accuracy_m: Some(8.0),
            device_at: None,
            source: Source::Gnss,
            speed_kmh: None,
            course_deg: None,
            altitude_m: None,
            freshness: Freshness::Live,
        }
    }

    pub(crate) fn report(serial: &str, event: Event, seq: u32) -> Report {
        Report {
            version: VERSION,
            id: clock::fresh_id(),
            serial: serial.into(),
            dialect: Dialect::Ydt,
            authenticated: true,
            drill: false,
            lane: Lane::Alert,
            topic: format!("ydt/1/{serial}/alert"),
            received_at: clock::now(),
            repeated: false,
            raw: format!("{serial} {event:?} {seq}").into_bytes(),
            stamp: Stamp { boot: Some(1), seq: Some(seq), device_at: None },
            event: Some(event),
            fixes: vec![],
            status: None,
            also: Vec::new(),
            surroundings: Surroundings::default(),
            vitals: Vec::new(),
            doubts: vec![],
        }
    }

    pub(crate) fn telemetry(serial: &str) -> Report {
        Report { lane: Lane::Telemetry, event: None, ..Self::report(serial, Event::CheckIn, 0) }
    }

    pub(crate) async fn take_one(&self, report: Report) -> Outcome {
        let receipts = self.desk.take(&[report]).await.unwrap();
        assert_eq!(receipts.len(), 1);
        receipts[0].outcome
    }

    pub(crate) async fn press(&self, serial: &str, seq: u32) -> IncidentId {
        let event = Event::Alert { kind: domain::press::AlertKind::Sos };
        match self.take_one(Self::report(serial, event, seq)).await {
            Outcome::Committed { incident: Some(incident) } => IncidentId(incident),
            other => panic!("the press is committed: {other:?}"),
        }
    }
}

/// Somebody with a pager.
pub(crate) async fn move_in(conn: &mut PgConnection, node: Uuid, serial: &str, name: &str) {
    let resident = NewResident {
        name,
        sex: "female",
        born_in: 1941,
        phone: "0731-80000001",
        category: "空巢",
        address: "湘雅路 1 号",
        door_access: "钥匙在邻居家",
        home: Position::new(28.228, 112.938).unwrap(),
        node,
        handover_policy: None,
        medical_card: "高血压",
        contacts: &[("陈明", "儿子", "13800000000")],
    };
    let resident = registry::add_resident(conn, &resident).await.unwrap();
    let terminal = Terminal {
        serial: serial.into(),
        login: serial.into(),
        secret_sha256: hash_secret(b"secret"),
        dialect: Dialect::Ydt,
        manual_publish_means_help: false,
        profile: None,
        drill: false,
        concentrator: None,
        certificate: None,
    };
    registry::put_terminal(conn, &terminal, "sim", Some(resident)).await.unwrap();
}
