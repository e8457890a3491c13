//! Every route there is, in one list that can be asked.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use super::{Api, centre, fences, health, incidents, live, map, offers, orders, records, residents, sessions};

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{id}` where an id goes.
    pub path: &'static str,
}

/// The router in the making, with the list of what is in it.
pub(super) struct Routes {
    router: Router<Api>,
    list: Vec<Route>,
}

impl Routes {
    fn route<T: 'static>(mut self, method: Method, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        let filter = match method {
            Method::GET => MethodFilter::GET,
            Method::POST => MethodFilter::POST,
            Method::PUT => MethodFilter::PUT,
            Method::DELETE => MethodFilter::DELETE,
            _ => unreachable!("the list below has no other methods"),
        };
        self.router = self.router.route(path, on(filter, handler));
        self.list.push(Route { method, path });
        self
    }

    fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.route(Method::GET, path, handler)
    }

    fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.route(Method::POST, path, handler)
    }

    fn put<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.route(Method::PUT, path, handler)
    }

    fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.route(Method::DELETE, path, handler)
    }

    pub(super) fn into_router(self) -> Router<Api> {
        self.router
    }
}

/// Every route but the console's pages.
pub fn list() -> Vec<Route> {
    all().list
}

pub(super) fn all() -> Routes {
    Routes { router: Router::new(), list: Vec::new() }
        .post("/api/v1/session", sessions::log_in)
        .get("/api/v1/session", sessions::who_am_i)
        .delete("/api/v1/session", sessions::log_out)
        .post("/api/v1/presence", sessions::present)
        .get("/api/v1/incidents", incidents::list)
        .post("/api/v1/incidents", incidents::open_by_telephone)
        .get("/api/v1/incidents/{id}", incidents::detail)
        .post("/api/v1/incidents/{id}/claim", incidents::claim)
        .post("/api/v1/incidents/{id}/release", incidents::release)
        .post("/api/v1/incidents/{id}/ask", incidents::ask)
        .post("/api/v1/incidents/{id}/withdraw", incidents::withdraw)
        .post("/api/v1/incidents/{id}/hand-over", incidents::hand_over)
        .post("/api/v1/incidents/{id}/stand-down", incidents::stand_down)
        .post("/api/v1/incidents/{id}/voice-done", incidents::voice_done)
        .post("/api/v1/incidents/{id}/close", incidents::close)
        .post("/api/v1/incidents/{id}/note", incidents::note)
        .post("/api/v1/incidents/{id}/category", orders::categorize)
        .post("/api/v1/incidents/{id}/rating", orders::rate)
        .get("/api/v1/incidents/{id}/candidates", incidents::candidates)
        .get("/api/v1/incidents/{id}/map", map::case)
        .get("/api/v1/categories", orders::categories)
        .get("/api/v1/residents", residents::search)
        .get("/api/v1/residents/{id}", residents::kept)
        .put("/api/v1/residents/{id}", records::change)
        .post("/api/v1/residents/{id}/locate", residents::locate)
        .get("/api/v1/settings/map", map::settings)
        .get("/api/v1/map/nodes", map::nodes)
        .get("/api/v1/map/people", map::people)
        .get("/api/v1/map/incidents", map::incidents)
        .get("/api/v1/map/responders", map::responders)
        .get("/api/v1/map/stations", map::stations)
        .get("/api/v1/residents/{id}/fences", fences::list)
        .post("/api/v1/residents/{id}/fences", fences::create)
        .put("/api/v1/fences/{id}", fences::change)
        .delete("/api/v1/fences/{id}", fences::delete)
        .get("/api/v1/live", live::follow)
        .get("/api/v1/offers", offers::list)
        .get("/api/v1/offers/live", offers::follow)
        .post("/api/v1/offers/{id}/accept", offers::accept)
        .post("/api/v1/offers/{id}/decline", offers::decline)
        .post("/api/v1/offers/{id}/on-the-way", offers::on_the_way)
        .post("/api/v1/offers/{id}/arrived", offers::arrived)
        .post("/api/v1/offers/{id}/done", offers::done)
        .put("/api/v1/responder/position", offers::position)
        .put("/api/v1/responder/duty", offers::duty)
        .post("/api/v1/handovers/{id}/status", centre::status)
        .get("/api/v1/health", health::health)
        .get("/api/v1/metrics", health::metrics)
        // Where probes and Prometheus look by habit.
        .get("/health", health::health)
        .get("/metrics", health::metrics)
}
