//! Concentrators: whom the directory lets speak for whom, and that a login is one's own.

use dispatcher::store::concentrators;
use dispatcher::store::terminals::{self, Reinstate, Rotated};
use sqlx::PgPool;
use wire::directory::{Concentrator, Directory, Fingerprint, Identity, Lookup, hash_secret};

use crate::district::District;

fn hub(login: &str, secret: &[u8]) -> Concentrator {
    Concentrator { login: login.into(), secret_sha256: hash_secret(secret), certificate: None }
}

/// A directory that is kept up to date by hand.
struct Kept<'d> {
    district: &'d District,
    directory: Directory,
}

impl Kept<'_> {
    /// Asks until something is told.
    async fn follow(&self) {
        let edition = self.directory.edition();
        let following = async {
            while self.directory.edition() == edition {
                let update = self.district.desk.directory_since(self.directory.version()).await.unwrap();
                self.directory.apply(update).unwrap();
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(2), following).await.expect("nothing is told");
    }

    fn is_let_in(&self, login: &str, secret: &[u8]) -> bool {
        matches!(self.directory.by_login(login), Lookup::Listed(identity)
            if identity.is_secret(secret) && matches!(identity, Identity::Concentrator(_)))
    }

    fn speaks_for(&self, login: &str, serial: &str) -> bool {
        let topic = format!("ydt/1/{serial}/alert");
        self.directory.spoken_for(&hub(login, b""), &topic).is_some()
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn what_is_said_of_concentrators_reaches_the_doors(pool: PgPool) {
    let district = District::new(pool.clone()).await;
    let mut conn = pool.acquire().await.unwrap();
    let kept = Kept { district: &district, directory: Directory::default() };
    assert!(concentrators::add(&mut conn, &hub("hub", b"s"), "3 栋网关").await.unwrap());
    let serials = ["P1", "P2", "P9"].map(String::from);
    let attached = concentrators::attach(&mut conn, &serials, Some("hub")).await.unwrap();
    assert_eq!(attached.len(), 2, "P9 is none");
    kept.follow().await;
    assert!(kept.is_let_in("hub", b"s") && kept.speaks_for("hub", "P1") && !kept.speaks_for("hub", "P3"));

    // A certificate that one must show, of either kind.
    let certificate = Fingerprint::of(b"certificate");
    assert!(terminals::bind(&mut conn, "P2", Some(&certificate)).await.unwrap());
    assert!(concentrators::bind(&mut conn, "hub", Some(&certificate)).await.unwrap());
    assert!(!concentrators::bind(&mut conn, "none", Some(&certificate)).await.unwrap());
    kept.follow().await;
    for login in ["P2", "hub"] {
        let is_bound = |identity: &Identity| identity.certificate() == Some(&certificate);
        assert!(matches!(kept.directory.by_login(login), Lookup::Listed(identity) if is_bound(&identity)));
    }

    concentrators::attach(&mut conn, &serials[..1], None).await.unwrap();
    kept.follow().await;
    assert!(!kept.speaks_for("hub", "P1") && kept.speaks_for("hub", "P2"));

    assert!(concentrators::revoke(&mut conn, "hub").await.unwrap());
    assert!(!concentrators::revoke(&mut conn, "hub").await.unwrap());
    kept.follow().await;
    assert!(!kept.is_let_in("hub", b"s"));
    assert_eq!(concentrators::rotate(&mut conn, &hub("hub", b"t"), Reinstate::No).await.unwrap(), Rotated::Revoked);
    assert_eq!(concentrators::rotate(&mut conn, &hub("hub", b"t"), Reinstate::Yes).await.unwrap(), Rotated::Done);
    kept.follow().await;
    assert!(kept.is_let_in("hub", b"t"));
    let listed = concentrators::list(&mut conn).await.unwrap();
    assert_eq!((listed.len(), listed[0].terminals, listed[0].name.as_str()), (1, 1, "3 栋网关"));
    // Whoever begins now is told the same.
    let anew = Kept { district: &district, directory: Directory::default() };
    anew.follow().await;
    assert!(anew.is_let_in("hub", b"t") && anew.speaks_for("hub", "P2"));
}

#[sqlx::test(migrations = "./migrations")]
async fn a_login_is_a_terminals_or_a_concentrators_and_never_both(pool: PgPool) {
    let _district = District::new(pool.clone()).await;
    let mut conn = pool.acquire().await.unwrap();
    assert!(!concentrators::add(&mut conn, &hub("P1", b"s"), "").await.unwrap(), "P1 is a terminal's");
    assert!(concentrators::add(&mut conn, &hub("hub", b"s"), "").await.unwrap());
    assert!(!concentrators::add(&mut conn, &hub("hub", b"s"), "").await.unwrap());
    let (serials, logins) = (["P2", "new"].map(String::from), ["hub", "P1", "x"].map(String::from));
    assert_eq!(terminals::taken(&mut conn, &serials, &logins).await.unwrap(), ["P1", "P2", "hub"]);
    for steal in [
        "insert into terminal (serial, login, secret_sha256, dialect)
            select 'T', 'hub', secret_sha256, 'ydt' from concentrator",
        "insert into concentrator (login, secret_sha256) select 'P1', secret_sha256 from concentrator",
        "update terminal set login = 'hub' where serial = 'P1'",
        "update concentrator set login = 'P1'",
    ] {
        let refused = sqlx::query(steal).execute(&mut *conn).await.unwrap_err().to_string();
        assert!(refused.contains("mqtt_login_pkey"), "{steal}: {refused}");
    }
    // What is given up is free again.
    for fine in [
        "update terminal set login = 'x' where serial = 'P4'",
        "update concentrator set login = 'P4'",
        "delete from concentrator",
        "update terminal set login = 'hub' where serial = 'P4'",
    ] {
        sqlx::query(fine).execute(&mut *conn).await.unwrap();
    }
    let differ = "select count(*) from mqtt_login full join terminal using (login)
         where mqtt_login is null or terminal is null";
    let differ: i64 = sqlx::query_scalar(differ).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(differ, 0);
}
