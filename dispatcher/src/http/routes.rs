//! Every route there is, in one list that can be asked: what a handler says of itself is its route.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::{
    Api, access_points, aftercare, appointments, centre, checkins, clocks, commands, contracts, deliveries, doors,
    drills, fence_rules, fence_trials, fences, health, incidents, ladders, live, map, offers, openapi, orders,
    profiles, push, records, refusals, residents, responders, returned, scores, sessions, silence, site, usual,
};
use crate::photo;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{id}` where an id goes.
    pub path: String,
    /// What a session's role must allow, by the description: `see`, `answer`, `take_over`, `oversee`,
    /// `administer`, `respond`. None: any session does,
    /// or none is asked for.
    pub deed: Option<String>,
}

/// Where probes and Prometheus look by habit, besides the paths that the description names.
const HABITS: [&str; 2] = ["/health", "/metrics"];

#[expect(clippy::too_many_lines, reason = "a list")]
fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::empty())
        .routes(routes!(sessions::log_in))
        .routes(routes!(sessions::who_am_i))
        .routes(routes!(sessions::log_out))
        .routes(routes!(sessions::present))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::open_by_telephone))
        .routes(routes!(incidents::detail))
        .routes(routes!(incidents::timeline))
        .routes(routes!(deliveries::of_incident))
        .routes(routes!(deliveries::not_arrived))
        .routes(routes!(deliveries::redeliver))
        .routes(routes!(incidents::claim))
        .routes(routes!(incidents::release))
        .routes(routes!(incidents::ask))
        .routes(routes!(incidents::withdraw))
        .routes(routes!(incidents::hand_over))
        .routes(routes!(incidents::stand_down))
        .routes(routes!(incidents::voice_done))
        .routes(routes!(incidents::close))
        .routes(routes!(incidents::note))
        .routes(routes!(orders::categorize))
        .routes(routes!(commands::of_incident, commands::tell))
        .routes(routes!(commands::listen_in))
        .routes(routes!(commands::of_resident, commands::tell_resident))
        .routes(routes!(commands::set_up))
        .routes(routes!(commands::cancel))
        .routes(routes!(aftercare::follow_up))
        .routes(routes!(aftercare::rate))
        .routes(routes!(aftercare::excuse))
        .routes(routes!(aftercare::due))
        .routes(routes!(appointments::waiting))
        .routes(routes!(appointments::make))
        .routes(routes!(appointments::change))
        .routes(routes!(appointments::cancel))
        .routes(routes!(clocks::of_case))
        .routes(routes!(clocks::spoken))
        .routes(routes!(clocks::of_node))
        .routes(routes!(clocks::evidence))
        .routes(routes!(clocks::targets, clocks::agree))
        .routes(routes!(clocks::end))
        .routes(routes!(ladders::of_node, ladders::make))
        .routes(routes!(ladders::preview))
        .routes(routes!(ladders::change, ladders::remove))
        .routes(routes!(ladders::set_holidays))
        .routes(routes!(returned::set))
        .routes(routes!(incidents::grid_officer_called))
        .routes(routes!(drills::start))
        .routes(routes!(incidents::candidates))
        .routes(routes!(incidents::choices))
        .routes(routes!(map::case))
        .routes(routes!(orders::categories))
        .routes(routes!(residents::search))
        .routes(routes!(residents::kept))
        .routes(routes!(records::change))
        .routes(routes!(residents::locate))
        .routes(routes!(access_points::home_points, access_points::enter_home_points))
        .routes(routes!(refusals::list, refusals::record))
        .routes(routes!(refusals::take_back))
        .routes(routes!(checkins::show, checkins::tell))
        .routes(routes!(checkins::save, checkins::delete))
        .routes(routes!(checkins::pause))
        .routes(routes!(checkins::resume))
        .routes(routes!(silence::overview))
        .routes(routes!(silence::terminals))
        .routes(routes!(silence::members))
        .routes(routes!(silence::acknowledge))
        .routes(routes!(silence::ledger))
        .routes(routes!(silence::heartbeats, silence::agree))
        .routes(routes!(map::settings))
        .routes(routes!(map::nodes))
        .routes(routes!(map::people))
        .routes(routes!(map::incidents))
        .routes(routes!(map::responders))
        .routes(routes!(map::stations))
        .routes(routes!(fences::list))
        .routes(routes!(fences::create))
        .routes(routes!(fences::change))
        .routes(routes!(fences::delete))
        .routes(routes!(fence_trials::attempt))
        .routes(routes!(fence_trials::common))
        .routes(routes!(fence_rules::list, fence_rules::change))
        .routes(routes!(fence_rules::pause))
        .routes(routes!(fence_rules::resume))
        .routes(routes!(usual::show, usual::choose))
        .routes(routes!(usual::likely))
        .routes(routes!(usual::suspicions))
        .routes(routes!(usual::acknowledge))
        .routes(routes!(live::follow))
        .routes(routes!(offers::list))
        .routes(routes!(offers::follow))
        .routes(routes!(offers::accept))
        .routes(routes!(offers::decline))
        .routes(routes!(offers::on_the_way))
        .routes(routes!(offers::arrived))
        .routes(routes!(offers::done))
        .routes(routes!(offers::seen))
        .routes(routes!(push::key))
        .routes(routes!(push::subscribe))
        .routes(routes!(push::unsubscribe))
        .routes(routes!(site::note))
        .routes(routes!(site::photograph).layer(DefaultBodyLimit::max(photo::BYTES_MAX)))
        .routes(routes!(site::photo))
        .routes(routes!(offers::position))
        .routes(routes!(offers::duty))
        .routes(routes!(scores::list))
        .routes(routes!(scores::set_floors))
        .routes(routes!(contracts::providers))
        .routes(routes!(contracts::make_contract))
        .routes(routes!(contracts::change_contract, contracts::end_contract))
        .routes(routes!(responders::people))
        .routes(routes!(responders::change_abilities))
        .routes(routes!(responders::roster))
        .routes(routes!(responders::plan_shifts))
        .routes(routes!(responders::delete_shift))
        .routes(routes!(centre::status))
        .routes(routes!(centre::message))
        .routes(routes!(deliveries::sms_status))
        .routes(routes!(health::health))
        .routes(routes!(health::metrics))
        .routes(routes!(doors::list))
        .routes(routes!(profiles::profiles))
        .routes(routes!(profiles::keys, profiles::set_key, profiles::remove_key))
        .routes(routes!(openapi::document))
}

pub(super) fn router() -> Router<Api> {
    let [health, metrics] = HABITS;
    Router::from(all()).route(health, get(health::health)).route(metrics, get(health::metrics))
}

/// What the API says of itself.
pub fn document() -> OpenApi {
    let mut document = all().into_openapi();
    openapi::complete(&mut document);
    document
}

/// Every route but the console's pages.
pub fn list() -> Vec<Route> {
    let paths = document().paths.paths;
    let documented = paths.into_iter().flat_map(|(path, item)| {
        openapi::operations(item).map(move |(method, operation)| Route {
            method,
            path: path.clone(),
            deed: openapi::deed(&operation),
        })
    });
    let habits = HABITS.map(|path| Route { method: Method::GET, path: path.to_owned(), deed: None });
    documented.chain(habits).collect()
}
