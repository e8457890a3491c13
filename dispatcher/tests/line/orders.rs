//! Daily help, from the service key to the end.

use domain::id::{IncidentId, ResponderId};
use domain::incident::{Category, ClosedBy, Closure, Incident, Input, Outcome};
use sqlx::PgPool;
use wire::receipt::Outcome as Taken;
use wire::report::Event;

use crate::district::District;
use crate::faults::execute;

async fn request(district: &District, category: &str, seq: u32) -> IncidentId {
    let event = Event::Request { category: category.into() };
    let Taken::Committed { incident: Some(incident) } = district.take_one(District::report("P1", event, seq)).await
    else {
        panic!("the request is committed")
    };
    IncidentId(incident)
}

pub(crate) async fn decided(district: &District, category: &str, seq: u32) -> Incident {
    let id = request(district, category, seq).await;
    district.desk.apply(id, Input::Wake).await.unwrap()
}

/// The nearest responder's company cooks no meals; the other's does.
async fn with_a_cook(pool: PgPool) -> (District, ResponderId) {
    let district = District::new(pool).await;
    execute(
        &district,
        "with kitchen as (insert into provider (id, name, node_id) values (gen_random_uuid(), '社区食堂', root_node()) returning id),
            contracted as (insert into contract (provider_id, node_id, category) select id, root_node(), 'meal' from kitchen)
         update responder set provider_id = (select id from kitchen) where name = '张兰'",
    )
    .await;
    let cook = sqlx::query_scalar("select id from responder where name = '张兰'").fetch_one(&district.desk_pool).await;
    (district, ResponderId(cook.unwrap()))
}

#[sqlx::test(migrations = "./migrations")]
async fn an_order_is_offered_to_who_is_contracted_for_it_and_wakes_nobody_else(pool: PgPool) {
    let (district, cook) = with_a_cook(pool).await;
    for (seq, said) in [(1, "meal"), (2, " 送餐"), (3, "Meal Delivery")] {
        let order = decided(&district, said, seq).await;
        assert_eq!(order.category, Some(Category("meal".into())), "{said}");
        assert_eq!(order.offers[0].responder, cook);
        let offer = order.offers[0].id;
        district.desk.apply(order.id, Input::Decline { offer, reason: "oven".into() }).await.unwrap();
    }
    let (centres, letters): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where channel = 'centre'), count(*) filter (where contact_rank is not null) from outbox",
    )
    .fetch_one(&district.desk_pool)
    .await
    .unwrap();
    assert_eq!((centres, letters), (0, 0));
}

#[sqlx::test(migrations = "./migrations")]
async fn an_order_is_held_accepted_and_closed_by_its_responder_as_the_database_has_it(pool: PgPool) {
    let (district, cook) = with_a_cook(pool).await;
    let order = decided(&district, "meal", 1).await;
    let offer = order.offers[0].id;
    let quiet: bool = sqlx::query_scalar("select ring_level = 'none' and ring_next_at = wake_at from incident")
        .fetch_one(&district.desk_pool)
        .await
        .unwrap();
    assert!(quiet, "rings nobody, and will");
    let mut last = order;
    for input in [
        Input::Accept { offer, minutes: 10 },
        Input::SetOut { offer, minutes: 6 },
        Input::Arrive { offer },
        Input::Finish { offer },
    ] {
        last = district.desk.apply(last.id, input).await.unwrap();
    }
    assert!(matches!(
        last.closure,
        Closure::Closed { outcome: Outcome::ServiceDone, by: ClosedBy::Responder(by), .. } if by == cook
    ));
    let mut conn = district.desk_pool.acquire().await.unwrap();
    let read = dispatcher::store::incidents::read(&mut conn, &[last.id.0]).await.unwrap();
    assert_eq!(read, [last.clone()], "what was decided is what is read");
    let aftercare = dispatcher::store::aftercare::read(&mut conn, &[last.id.0]).await.unwrap();
    assert_eq!(aftercare[&last.id.0].finished_at(), None, "whoever was helped is called, and asked how it was");
    let news: Vec<String> = sqlx::query_scalar("select what from outbox where channel = 'terminal' order by id")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    assert_eq!(news, ["received", "coming", "coming", "arrived", "all_clear"]);
    dispatcher::store::timeline::verify(&mut conn, last.id).await.unwrap().unwrap();
}

#[sqlx::test(migrations = "./migrations")]
async fn an_order_that_nobody_understands_is_kept_as_it_was_said_and_rings(pool: PgPool) {
    let (district, cook) = with_a_cook(pool).await;
    for (seq, said) in [(1, "dumplings"), (2, "")] {
        let order = decided(&district, said, seq).await;
        assert_eq!((order.category.as_ref(), order.offers.len()), (None, 0));
        let kept: (String, Option<String>, String) =
            sqlx::query_as("select category, service, ring_level from incident where id = $1")
                .bind(order.id.0)
                .fetch_one(&district.desk_pool)
                .await
                .unwrap();
        assert_eq!((kept.0.as_str(), kept.1), (said, None));
        assert_ne!(kept.2, "none");
        if seq == 1 {
            let by = district.operator;
            let claim = Input::Claim { by, authority: domain::incident::Authority::Operator };
            district.desk.apply(order.id, claim).await.unwrap();
            let category = Category("meal".into());
            let known = district.desk.apply(order.id, Input::Categorize { by, category }).await.unwrap();
            assert_eq!(known.offers[0].responder, cook, "candidates are those of the new category");
        }
    }
}

#[sqlx::test(migrations = "./migrations")]
async fn an_order_with_nobody_to_ask_rings_and_the_same_press_is_one_order(pool: PgPool) {
    let (district, _) = with_a_cook(pool).await;
    let order = decided(&district, "repair", 1).await;
    assert_eq!(order.tasks(), [domain::incident::Task::NobodyLeftToAsk]);
    let again = District::report("P1", Event::Request { category: "repair".into() }, 1);
    assert!(matches!(district.take_one(again).await, Taken::Same { .. }));
    request(&district, "repair", 2).await;
    let orders: i64 = sqlx::query_scalar("select count(*) from incident").fetch_one(&district.desk_pool).await.unwrap();
    assert_eq!(orders, 2, "another press is another order");
}
