//! [`town::crowd`] in a database: everybody with a pager and a fence around their home, people who can be sent to them,
//! and an operator who closes their cases.

use anyhow::{Context as _, bail};
use dispatcher::access::Role;
use dispatcher::http::password;
use dispatcher::store::presence;
use dispatcher::store::registry::{self, root};
use sqlx::{PgConnection, PgPool};
use town::crowd;
use uuid::Uuid;
use wire::directory::hash_secret;

/// The operator's login, and their password.
pub(crate) const OPERATOR: (&str, &str) = ("load", "the operator of a database that holds nobody");
/// So many rows a statement.
const CHUNK: usize = 10_000;
/// A fence lets everybody go to market.
const FENCE_M: f64 = 300.0;
/// A provider serves so many houses from west to east, and as many rows of them…
const BLOCK: u32 = 100;
/// …with so many people.
const RESPONDERS: u32 = 10;

/// Registers `count` people, under so many concentrators, in a database that has its tables and maybe holds them
/// already; gives up what an earlier run left behind; and puts everybody who can be sent on duty.
pub(crate) async fn prepare(pool: &PgPool, count: u32, concentrators: u32) -> anyhow::Result<()> {
    match registered(pool).await? {
        (0, 0) => {
            let began = std::time::Instant::now();
            fill(pool, count, concentrators).await?;
            eprintln!("{count} registered in {:.1?}", began.elapsed());
        }
        (people, speakers) if people == i64::from(count) && speakers == i64::from(concentrators) => {}
        (people, speakers) => bail!(
            "{people} people and {speakers} concentrators are registered there, not {count} and {concentrators}: another \
             folder is wanted"
        ),
    }
    staff(pool, count).await?;
    begin_anew(pool).await
}

async fn registered(pool: &PgPool) -> anyhow::Result<(i64, i64)> {
    let counts = sqlx::query_as(
        "select (select count(*) from terminal where model = 'load'), (select count(*) from concentrator)",
    );
    Ok(counts.fetch_one(pool).await?)
}

/// Registers everybody in an empty database.
pub(crate) async fn fill(pool: &PgPool, count: u32, concentrators: u32) -> anyhow::Result<()> {
    let mut tx = dispatcher::store::begin(pool).await?;
    speakers(&mut tx, concentrators).await.context("concentrators")?;
    let everybody: Vec<u32> = (0..count).collect();
    for people in everybody.chunks(CHUNK) {
        residents(&mut tx, people).await.context("residents")?;
        terminals(&mut tx, people, concentrators).await.context("terminals")?;
    }
    tx.commit().await?;
    sqlx::raw_sql("vacuum analyze").execute(pool).await?;
    Ok(())
}

/// Those who work with it: responders, if there are none, and an operator.
async fn staff(pool: &PgPool, count: u32) -> anyhow::Result<()> {
    let hash = password::hash(OPERATOR.1).map_err(anyhow::Error::msg)?;
    let mut tx = dispatcher::store::begin(pool).await?;
    // Whoever is not called by a centre that is not there can be helped and closed.
    sqlx::query("update org_node set handover_policy = 'operator_first' where parent_id is null")
        .execute(&mut *tx)
        .await?;
    let nobody: bool = sqlx::query_scalar("select not exists (select from responder)").fetch_one(&mut *tx).await?;
    if nobody {
        helpers(&mut tx, count).await.context("providers")?;
    }
    let root = root(&mut tx).await?;
    registry::put_user(&mut tx, OPERATOR.0, "坐席", &[(Role::Operator, root)], &hash).await?;
    Ok(tx.commit().await?)
}

/// No cases, no positions; responders on duty who have just said where they are.
async fn begin_anew(pool: &PgPool) -> anyhow::Result<()> {
    // The server goes on with the cases of the run before and holds their tables in another order: whichever of the two is
    // told that they would wait for each other for ever, once the other is done it goes.
    while let Err(error) = sqlx::raw_sql("truncate incident cascade; truncate fix").execute(pool).await {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let is_deadlock = code.is_some_and(|code| code == "40P01");
        anyhow::ensure!(is_deadlock, error);
    }
    sqlx::raw_sql("update responder_position set at = clock_timestamp()").execute(pool).await?;
    // A terminal's presence may name a case, so all of them went as well. As where they have long been worn, some are due
    // at any moment, and what they have in common with others is known.
    let mut tx = dispatcher::store::begin(pool).await?;
    let looked_after: Vec<i64> = sqlx::query_scalar(
        "insert into presence (terminal_id, given_at, look_at)
         select terminal_id, since, clock_timestamp() + random() * interval '20 minutes'
         from wearer where resident_id is not null and not canary
         on conflict (terminal_id) do nothing
         returning terminal_id",
    )
    .fetch_all(&mut *tx)
    .await?;
    for some in looked_after.chunks(CHUNK) {
        presence::note_ties(&mut tx, some).await?;
    }
    tx.commit().await?;
    sqlx::raw_sql("checkpoint").execute(pool).await?;
    Ok(())
}

/// The resident who has this number.
fn resident(number: u32) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))
}

async fn speakers(conn: &mut PgConnection, count: u32) -> anyhow::Result<()> {
    let (logins, secrets): (Vec<String>, Vec<Vec<u8>>) =
        (0..count).map(|number| (crowd::concentrator(number), hashed(&crowd::concentrator_secret(number)))).unzip();
    sqlx::query(
        "insert into concentrator (login, secret_sha256, name)
         select login, secret, login from unnest($1::text[], $2::bytea[]) c (login, secret)",
    )
    .bind(logins)
    .bind(secrets)
    .execute(conn)
    .await?;
    Ok(())
}

fn hashed(secret: &str) -> Vec<u8> {
    hash_secret(secret.as_bytes()).to_vec()
}

async fn residents(conn: &mut PgConnection, people: &[u32]) -> anyhow::Result<()> {
    let ids: Vec<Uuid> = people.iter().copied().map(resident).collect();
    let names: Vec<String> = people.iter().map(|number| format!("居民{number}")).collect();
    let (lons, lats) = places(people);
    sqlx::query(
        "insert into resident (id, name, address, home, serving_node, registered_node)
         select id, name, name || '家', st_setsrid(st_makepoint(lon, lat), 4326)::geography, root_node(), root_node()
         from unnest($1::uuid[], $2::text[], $3::float8[], $4::float8[]) r (id, name, lon, lat)",
    )
    .bind(&ids)
    .bind(names)
    .bind(lons)
    .bind(lats)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into fence (id, resident_id, name, kind, area, radius_m)
         select gen_random_uuid(), id, '家', 'safe', home, $2 from resident where id = any($1)",
    )
    .bind(ids)
    .bind(FENCE_M)
    .execute(conn)
    .await?;
    Ok(())
}

fn places(people: &[u32]) -> (Vec<f64>, Vec<f64>) {
    people.iter().map(|number| crowd::home(*number)).map(|home| (home.lon, home.lat)).unzip()
}

async fn terminals(conn: &mut PgConnection, people: &[u32], concentrators: u32) -> anyhow::Result<()> {
    let serials: Vec<String> = people.iter().copied().map(crowd::serial).collect();
    let secrets: Vec<Vec<u8>> = people.iter().map(|number| hashed(&crowd::secret(*number))).collect();
    let speakers: Vec<Option<String>> =
        people.iter().map(|number| number.checked_rem(concentrators).map(crowd::concentrator)).collect();
    sqlx::query(
        "insert into terminal (serial, login, secret_sha256, dialect, model, concentrator_id)
         select serial, serial, secret, 'ydt', 'load', c.id
         from unnest($1::text[], $2::bytea[], $3::text[]) t (serial, secret, speaker)
         left join concentrator c on c.login = t.speaker",
    )
    .bind(&serials)
    .bind(secrets)
    .bind(speakers)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into terminal_assignment (terminal_id, resident_id)
         select t.id, w.resident from unnest($1::text[], $2::uuid[]) w (serial, resident) join terminal t using (serial)",
    )
    .bind(serials)
    .bind(people.iter().copied().map(resident).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// A provider for each block of houses, contracted for it alone, whose people stand along its diagonal.
async fn helpers(conn: &mut PgConnection, count: u32) -> anyhow::Result<()> {
    let deep = count.div_ceil(crowd::ROW).div_ceil(BLOCK);
    let house = |column: u32, row: u32| row * crowd::ROW + column;
    for (row, column) in
        (0..deep).flat_map(|row| (0..crowd::ROW / BLOCK).map(move |column| (row * BLOCK, column * BLOCK)))
    {
        let (south_west, north_east) =
            (crowd::home(house(column, row)), crowd::home(house(column, row) + BLOCK * (crowd::ROW + 1)));
        let people: Vec<u32> = (0..RESPONDERS)
            .map(|person| person * BLOCK / RESPONDERS)
            .map(|step| house(column + step, row + step))
            .collect();
        let (lons, lats) = places(&people);
        sqlx::query(
            "with p as (
                insert into provider (id, node_id, name) values (gen_random_uuid(), root_node(), $1) returning id
             ), c as (
                insert into contract (provider_id, node_id, category, area)
                select id, root_node(), category,
                    st_multi(st_makeenvelope($2, $3, $4, $5, 4326))::geography
                from p, unnest(array['emergency', 'meal']) category
             ), r as (
                insert into responder (id, provider_id, node_id, name, phone, on_duty, mode)
                select gen_random_uuid(), p.id, root_node(), $1 || n, '', true, 'ebike'
                from p, generate_series(1, cardinality($6::float8[])) n
                returning id
             )
             insert into responder_position (responder_id, place, at)
             select r.id, st_setsrid(st_makepoint(($6::float8[])[r.n::int], ($7::float8[])[r.n::int]), 4326)::geography,
                clock_timestamp()
             from (select id, row_number() over () as n from r) r",
        )
        .bind(format!("服务商{row}/{column}"))
        .bind(south_west.lon)
        .bind(south_west.lat)
        .bind(north_east.lon)
        .bind(north_east.lat)
        .bind(lons)
        .bind(lats)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
