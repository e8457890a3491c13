//! 120, 119 and 110 on the line, in our JSON and in CAP: each story is told of all three, so that none is served worse.

use dispatcher::config::{CentreConfig, CentreFormat, Certificates, Config, Secret};
use dispatcher::http::{self, Api, Surroundings};
use dispatcher::store::positions::{self, Tower};
use domain::id::IncidentId;
use domain::incident::{Authority, Centre, HandoverState, Incident, Input, Voice};
use domain::place::{Metres, Position, Source};
use domain::press::AlertKind;
use domain::word::Word as _;
use firmware_sim::centre::{self, Behaviour, Delays, Down, Format};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::centre::{Progress, Purpose};
use wire::report::{Cell, Event, Report};

use crate::district::District;
use crate::faults::{execute, run_until};

/// A district with a link to each centre, and a case that all three are to have.
struct Town {
    district: District,
    centres: Vec<centre::Centre>,
    incident: IncidentId,
    _stop: DropGuard,
}

impl Town {
    async fn open(pool: PgPool, format: CentreFormat, behaviour: Behaviour) -> Self {
        let stop = CancellationToken::new();
        let (mut centres, mut links) = (Vec::new(), Vec::new());
        for &number in Centre::ALL {
            // Each has a secret of its own.
            let secret = format!("between {number} and us");
            let speaks = match format {
                CentreFormat::Json => Format::Json,
                CentreFormat::Cap => Format::Cap,
            };
            let config = centre::Config { format: speaks, ..centre::Config::new(secret.as_str(), behaviour.clone()) };
            let centre = centre::start(config, stop.clone()).await.unwrap();
            let mut link = CentreConfig::new(number, centre.url(), Secret(secret), &Certificates::default()).unwrap();
            link.format = format;
            links.push(link);
            centres.push(centre);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public_url = format!("http://{}", listener.local_addr().unwrap());
        let district = District::with(pool, Config { centres: links, public_url, ..Config::default() }).await;
        tokio::spawn(http::serve(listener, Api::new(district.desk.clone(), Surroundings::default()), stop.clone()));
        let incident = district.press("P1", 1).await;
        let town = Self { district, centres, incident, _stop: stop.drop_guard() };
        let by = town.district.operator;
        town.apply(Input::Claim { by, authority: Authority::Operator }).await;
        // 120 was called by the press itself; an operator adds the others.
        for centre in [Centre::Fire, Centre::Police] {
            town.apply(Input::HandOver { by, centre }).await;
        }
        town
    }

    async fn apply(&self, input: Input) -> Incident {
        self.district.desk.apply(self.incident, input).await.unwrap()
    }

    /// Waits until all three hand-overs are so.
    async fn all(&self, what: &str, is_so: &'static str) {
        run_until(&self.district, what, is_so).await;
    }

    /// What the case holds now.
    async fn handovers(&self) -> Vec<domain::incident::Handover> {
        let incident = self.apply(Input::Wake).await;
        let mut called: Vec<Centre> = incident.handovers.iter().map(|handover| handover.centre).collect();
        called.sort();
        assert_eq!(called, Centre::ALL);
        incident.handovers
    }

    /// What the timeline tells of a centre, in order.
    async fn told(&self, centre: Centre) -> Vec<String> {
        sqlx::query_scalar(
            "select coalesce(data->>'state', what) from incident_entry
             where incident_id = $1 and data->>'centre' = $2 order by seq",
        )
        .bind(self.incident.0)
        .bind(centre.as_str())
        .fetch_all(&self.district.desk_pool)
        .await
        .unwrap()
    }

    async fn stand_down(&self) {
        for &centre in Centre::ALL {
            let by = self.district.operator;
            self.apply(Input::StandDown { by, centre, reason: "本人平安 <well>".into() }).await;
        }
    }

    /// Each centre has taken the request, and its withdrawal.
    fn are_all_called_off(&self) {
        for centre in &self.centres {
            let cases = centre.cases();
            assert_eq!((cases.badly_signed, cases.cases.len()), (0, 1));
            let case = &cases.cases[0];
            assert_eq!((case.purpose, case.times_received, case.times_stood_down), (Purpose::StandDown, 1, 1));
            assert!(case.message.briefing.contains("本人平安 <well>"), "{}", case.message.briefing);
            assert!(case.message.requested_at.is_some_and(|at| at <= case.message.written_at));
        }
    }
}

/// As far as `Acknowledged`, and no further.
fn only_acknowledges() -> Behaviour {
    Behaviour::Normal { delays: Delays { dispatched_s: None, ..Delays::none() } }
}

async fn all_the_way(pool: PgPool, format: CentreFormat) {
    let town = Town::open(pool, format, Behaviour::Normal { delays: Delays::none() }).await;
    town.all("each has finished", "select count(*) = 3 from handover where state = 'closed' and voice = 'not_needed'")
        .await;
    for (&number, centre) in Centre::ALL.iter().zip(&town.centres) {
        let mut told = town.told(number).await;
        // The centre may be quicker with its report than we are with writing down that it has the message.
        told.retain(|what| what != "sent");
        assert_eq!(told, ["handed_over", "acknowledged", "dispatched", "arrived", "closed"], "{number}");
        let case = &centre.cases().cases[0];
        let story = [Progress::Acknowledged, Progress::Dispatched, Progress::Arrived, Progress::Closed];
        assert_eq!((case.reported.as_slice(), case.times_received), (&story[..], 1), "{number}");
        assert_eq!(case.message.person.as_ref().unwrap().medical_card.as_deref(), Some("高血压"));
    }
    let references: i64 = sqlx::query_scalar("select count(*) from handover where reference = '120-000001'")
        .fetch_one(&town.district.desk_pool)
        .await
        .unwrap();
    assert_eq!(references, 3, "each has told its own number");
}

async fn refused(pool: PgPool, format: CentreFormat) {
    let reason = "没有车 & no crew".to_owned();
    let town = Town::open(pool, format, Behaviour::Refuse { after_s: 0.0, reason: reason.clone() }).await;
    town.all("each refuses", "select count(*) = 3 from handover where state = 'refused' and voice = 'due'").await;
    for handover in town.handovers().await {
        assert_eq!(handover.state, HandoverState::Refused { reason: reason.clone() }, "{}", handover.centre);
    }
}

async fn taken_in_silence(pool: PgPool, format: CentreFormat) {
    let town = Town::open(pool, format, Behaviour::Lie).await;
    town.all("each machine has it", "select count(*) = 3 from handover where state = 'sent'").await;
    execute(&town.district, "update handover set acknowledge_by = clock_timestamp()").await;
    execute(&town.district, "update incident set wake_at = clock_timestamp()").await;
    town.all("each is to be telephoned", "select count(*) = 3 from handover where state = 'sent' and voice = 'due'")
        .await;
    for &number in Centre::ALL {
        let by = town.district.operator;
        town.apply(Input::VoiceDone { by, centre: number, reference: None }).await;
        assert_eq!(town.told(number).await, ["handed_over", "sent", "voice_due", "voice_done"], "{number}");
    }
    for handover in town.handovers().await {
        assert!(matches!(handover.voice, Voice::Done { .. }), "{handover:?}");
    }
}

async fn failed(pool: PgPool, format: CentreFormat) {
    let town = Town::open(pool, format, Behaviour::Down { how: Down::Fails }).await;
    execute(&town.district, "update outbox set not_after = clock_timestamp() where channel = 'centre'").await;
    town.all("each has failed", "select count(*) = 3 from handover where state = 'failed' and voice = 'due'").await;
    for &number in Centre::ALL {
        let told = town.told(number).await;
        assert_eq!(told, ["handed_over", "failed", "voice_due"], "{number}");
    }
}

async fn called_off_before(pool: PgPool, format: CentreFormat) {
    let town = Town::open(pool, format, Behaviour::Lie).await;
    town.all("each machine has it", "select count(*) = 3 from handover where state = 'sent'").await;
    town.stand_down().await;
    town.all("each is told", "select count(*) = 3 from outbox where what = 'stand_down' and state = 'accepted'").await;
    town.are_all_called_off();
    for handover in town.handovers().await {
        assert!(matches!(handover.state, HandoverState::StoodDown { .. }), "{handover:?}");
        assert_eq!(handover.voice, Voice::NotNeeded);
    }
}

async fn called_off_after(pool: PgPool, format: CentreFormat) {
    let town = Town::open(pool, format, only_acknowledges()).await;
    town.all("each has taken it", "select count(*) = 3 from handover where state = 'acknowledged'").await;
    town.stand_down().await;
    town.all("each is told", "select count(*) = 3 from outbox where what = 'stand_down' and state = 'accepted'").await;
    // What they report of it comes over the same road, and changes nothing.
    let all_reported = async {
        while !town.centres.iter().all(|centre| centre.cases().cases[0].reported.len() == 2) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), all_reported).await.unwrap();
    town.are_all_called_off();
    for handover in town.handovers().await {
        assert!(matches!(handover.state, HandoverState::StoodDown { .. }), "{handover:?}");
    }
}

async fn hears_of_a_better_place(pool: PgPool, format: CentreFormat) {
    let town = Town::open(pool, format, only_acknowledges()).await;
    town.all("each has taken it", "select count(*) = 3 from handover where state = 'acknowledged'").await;
    let cell = Cell { mcc: 460, mnc: 0, lac: 9720, cid: 28_373_001, signal: None };
    let position = Position::new(28.2300, 112.9400).unwrap();
    let mut conn = town.district.desk_pool.acquire().await.unwrap();
    positions::put_towers(&mut conn, &[Tower { cell, position, range: Metres(800.0) }]).await.unwrap();
    drop(conn);
    // Twice the same place: better only once.
    for seq in [2, 3] {
        let surroundings = wire::report::Surroundings { cells: vec![cell], ..Default::default() };
        let sos = Event::Alert { kind: AlertKind::Sos };
        town.district.take_one(Report { surroundings, ..District::report("P1", sos, seq) }).await;
    }
    town.all(
        "each hears of the place",
        "select (select count(*) = 3 from outbox where what = 'update' and state = 'accepted')
            and (select count(*) = 0 from unresolved)",
    )
    .await;
    for (&number, centre) in Centre::ALL.iter().zip(&town.centres) {
        assert_eq!(town.told(number).await.last().map(String::as_str), Some("centre_updated"), "{number}");
        let case = &centre.cases().cases[0];
        assert_eq!((case.purpose, case.times_received, case.times_updated), (Purpose::Help, 1, 1), "{number}");
        let message = &case.message;
        assert_eq!((message.purpose, message.update), (Purpose::Update, Some(1)));
        assert_eq!(
            message.place.as_ref().map(|place| (place.source, place.accuracy_m)),
            Some((Source::Cell, Some(800.0)))
        );
        assert!(
            message.requested_at.is_some_and(|at| at <= message.written_at) && message.briefing.contains("位置更新")
        );
    }
    for handover in town.handovers().await {
        assert_eq!(handover.state, HandoverState::Acknowledged, "an update moves nothing");
    }
}

/// Each story in both formats.
macro_rules! in_both {
    ($($story:ident: $in_json:ident, $in_cap:ident;)+) => {$(
        #[sqlx::test(migrations = "./migrations")]
        async fn $in_json(pool: PgPool) {
            $story(pool, CentreFormat::Json).await;
        }

        #[sqlx::test(migrations = "./migrations")]
        async fn $in_cap(pool: PgPool) {
            $story(pool, CentreFormat::Cap).await;
        }
    )+};
}

in_both! {
    hears_of_a_better_place: a_better_place_is_told_in_json_once, a_better_place_is_told_in_cap_once;
    all_the_way: every_centre_goes_all_the_way, every_centre_goes_all_the_way_in_cap;
    refused: every_centre_may_refuse_and_is_telephoned, every_centre_may_refuse_in_cap_and_is_telephoned;
    taken_in_silence: every_centre_that_stays_silent_is_telephoned, every_centre_that_stays_silent_in_cap_is_telephoned;
    failed: every_centre_that_cannot_be_reached_is_telephoned, every_centre_that_cannot_be_reached_in_cap_is_telephoned;
    called_off_before: every_centre_is_called_off_before_it_answers, every_centre_is_called_off_in_cap_before_it_answers;
    called_off_after: every_centre_is_called_off_after_it_answers, every_centre_is_called_off_in_cap_after_it_answers;
}
