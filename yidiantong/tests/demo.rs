//! The invented district in the database: everybody where they belong, and twice the same.

use sqlx::PgPool;
use tempfile::TempDir;
use yidiantong::demo::{Wanted, seed};

async fn ask(pool: &PgPool, question: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(question.to_owned())).fetch_one(pool).await.expect("an answer")
}

#[sqlx::test(migrations = "../dispatcher/migrations")]
async fn the_district_tiles_in_the_database_too_and_everybody_belongs_to_where_they_are(pool: PgPool) {
    let data = TempDir::new().expect("a folder");
    let demo = seed(&pool, data.path(), Wanted::District).await.expect("a district").expect("a demonstration");
    assert_eq!((demo.terminals.len(), demo.responders.len()), (278, 120));
    let third = &demo.terminals[2];
    assert_eq!((third.worn.serial.as_str(), third.worn.login.as_str()), ("wang/phone", "wang"));

    for (question, answer) in [
        ("select count(*) from org_node", 321),
        ("select count(*) from resident", 277),
        ("select count(*) from terminal_assignment where until is null", 278),
        ("select count(*) from provider", 40),
        ("select count(*) from responder where on_duty", 120),
        ("select count(*) from ambulance_station", 6),
        // Parts lie in the whole, and their areas are its area.
        (
            "select count(*) from org_node part join org_node whole on whole.id = part.parent_id
             where not st_coveredby(part.area::geometry, whole.area::geometry)",
            0,
        ),
        (
            "select count(*) from org_node whole
             where level <> 'courtyard' and abs(1 - (select sum(st_area(area)) from org_node
                where parent_id = whole.id) / st_area(area)) > 1e-9",
            0,
        ),
        (
            "select count(*) from org_node one join org_node other on one.parent_id = other.parent_id and one.id < other.id
             where st_overlaps(one.area::geometry, other.area::geometry)",
            0,
        ),
        ("select count(*) from org_node where not st_isvalid(area::geometry)", 0),
        // Whoever looks for a home by its place finds the courtyard that it belongs to.
        ("select count(*) from resident where node_at(home) is distinct from serving_node", 0),
        ("select count(*) from resident r where not exists (select from medical_card m where m.resident_id = r.id)", 0),
        ("select count(*) from resident r where not exists (select from contact c where c.resident_id = r.id)", 0),
        // Everybody is inside their own; and the one who is let wander off has one that is soon left, and an elder's years.
        (
            "select count(*) from fence f join resident r on r.id = f.resident_id
             where not st_dwithin(r.home, f.area, coalesce(f.radius_m, 0))",
            0,
        ),
        (
            "select count(*) from fence f join terminal_assignment a on a.resident_id = f.resident_id
             join terminal t on t.id = a.terminal_id join resident r on r.id = f.resident_id
             where t.serial = 'P1016' and f.radius_m <= 300 and r.born_in < 1950",
            1,
        ),
        ("select count(*) from resident where handover_policy = 'operator_first' and category <> '智障'", 0),
    ] {
        assert_eq!(ask(&pool, question).await, answer, "{question}");
    }
    let elsewhere = "select count(*) from resident r join org_node home on home.id = r.serving_node
        where r.registered_node <> all(home.path)";
    assert!((12..35).contains(&ask(&pool, elsewhere).await));
    // One of the street's operators, and of a community's grid officers.
    let scopes = "select count(*) from role_grant g join org_node n on n.id = g.node_id
        where (g.role, n.level) in (('operator', 'street'), ('grid_officer', 'community'))";
    assert_eq!(ask(&pool, scopes).await, 2);
}

#[sqlx::test(migrations = "../dispatcher/migrations")]
async fn a_district_that_is_there_keeps_its_secrets_and_gives_new_passwords(pool: PgPool) {
    let data = TempDir::new().expect("a folder");
    let first = seed(&pool, data.path(), Wanted::District).await.expect("a district").expect("a demonstration");
    let again = seed(&pool, data.path(), Wanted::Everything).await.expect("a district").expect("a demonstration");
    let secrets = |demo: &yidiantong::demo::Demo| -> Vec<String> {
        let pagers = demo.terminals.iter().map(|terminal| terminal.worn.secret.clone());
        pagers.chain(demo.responders.iter().map(|responder| responder.token.clone())).collect()
    };
    assert_eq!(secrets(&first), secrets(&again));
    assert_eq!(first.users.len(), 7);
    for (before, after) in first.users.iter().zip(&again.users) {
        assert_eq!(before.login, after.login);
        assert_ne!(before.password, after.password);
    }
    assert_eq!(ask(&pool, "select count(*) from resident").await, 277);
    // Somebody else's database is left alone.
    let elsewhere = TempDir::new().expect("a folder");
    let refused = seed(&pool, elsewhere.path(), Wanted::District).await.expect_err("residents are there already");
    assert!(refused.to_string().contains("use an empty database"), "{refused}");
}
