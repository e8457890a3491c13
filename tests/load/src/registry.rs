//! [`town::crowd`] in a database: everybody with a pager and a fence around their home.

use anyhow::Context as _;
use sqlx::PgPool;

/// Registers `count` people in an empty database that has its tables, and puts them under so many concentrators.
pub(crate) async fn fill(pool: &PgPool, count: u32, concentrators: u32) -> anyhow::Result<()> {
    let mut tx = dispatcher::store::begin(pool).await?;
    for (what, statement) in STATEMENTS {
        let query = sqlx::query(statement).bind(i64::from(count)).bind(i64::from(concentrators));
        query.execute(&mut *tx).await.with_context(|| format!("{what} cannot be registered"))?;
    }
    tx.commit().await?;
    sqlx::raw_sql("vacuum analyze").execute(pool).await?;
    Ok(())
}

const STATEMENTS: [(&str, &str); 7] = [
    (
        "the district",
        "insert into org_node (id, level, name, path)
         select id, 'district', '负载', array[id] from (select gen_random_uuid() as id where $1::bigint + $2::bigint > 0) n
         where not exists (select from org_node)",
    ),
    (
        "residents",
        "insert into resident (id, name, address, home, serving_node, registered_node)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '居民' || n, n || ' 号',
            st_setsrid(st_makepoint(112.80 + (n % 1000) * 0.0005, 28.10 + (n / 1000) * 0.0005), 4326)::geography,
            root_node(), root_node()
         from generate_series(0, $1::bigint - 1) n where $2::bigint >= 0",
    ),
    (
        "concentrators",
        "insert into concentrator (login, secret_sha256, name)
         select 'LC' || lpad(n::text, 3, '0'),
            sha256(convert_to('load-secret-of-concentrator-' || lpad(n::text, 3, '0'), 'UTF8')), '集中器' || n
         from generate_series(0, $2::bigint - 1) n where $1::bigint > 0",
    ),
    (
        "terminals",
        "insert into terminal (serial, login, secret_sha256, dialect, model, concentrator_id)
         select 'L' || lpad(n::text, 6, '0'), 'L' || lpad(n::text, 6, '0'),
            sha256(convert_to('load-secret-of-pager-' || lpad(n::text, 6, '0'), 'UTF8')), 'ydt', 'load', c.id
         from generate_series(0, $1::bigint - 1) n
         left join concentrator c on $2::bigint > 0 and c.login = 'LC' || lpad((n % nullif($2::bigint, 0))::text, 3, '0')",
    ),
    (
        "who wears them",
        "insert into terminal_assignment (terminal_id, resident_id)
         select t.id, ('00000000-0000-7000-8000-' || lpad(to_hex(substr(t.serial, 2)::bigint), 12, '0'))::uuid
         from terminal t where $1::bigint + $2::bigint > 0",
    ),
    (
        "fences",
        "insert into fence (id, resident_id, name, kind, area, radius_m)
         select gen_random_uuid(), r.id, '家', 'safe', r.home, 300 from resident r where $1::bigint + $2::bigint > 0",
    ),
    (
        "what is known of them",
        "insert into terminal_state (terminal_id) select id from terminal where $1::bigint + $2::bigint > 0",
    ),
];
