//! The API's own description: what stands beside the handlers, and what goes for many of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{Method, header};
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response as Answer,
    ResponseBuilder, Schema, Type,
};
use utoipa::{IntoResponses, Modify, OpenApi as _};

use super::caller::COOKIE;
use super::errors::Problem;
use super::routes;

/// The scheme of those who are logged in; its scopes are deeds ([`crate::access`]).
const SESSION: &str = "session";
/// What such a call needs as well when it changes something.
const CSRF: &str = "csrf";

/// It cannot be done as things are.
pub(super) struct Conflict;

impl IntoResponses for Conflict {
    fn responses() -> BTreeMap<String, RefOr<Answer>> {
        let why = "It cannot be done as things are: `code` and `reason` say why";
        [("409".to_owned(), problem(why).into())].into()
    }
}

/// It can be read, but it cannot be.
pub(super) struct Unprocessable;

impl IntoResponses for Unprocessable {
    fn responses() -> BTreeMap<String, RefOr<Answer>> {
        [("422".to_owned(), problem("It can be read, but it cannot be: `code` and `field` say why").into())].into()
    }
}

fn problem(why: &str) -> Answer {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(why).content("application/json", problem).build()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "一点通 Yidiantong",
        description = "Emergency alerts for home care. Every answer that is not the one that was asked for is a \
            `Problem`: a status, a stable code, a sentence. Times are UTC, distances metres, coordinates degrees \
            (WGS-84), longitude first only in GeoJSON and in shapes.",
    ),
    tags(
        (name = "session", description = "Who calls"),
        (name = "incidents", description = "The queue, the cards, and everything that is done to an incident"),
        (name = "residents", description = "Those who are to be helped"),
        (name = "commands", description = "What terminals are told to do"),
        (name = "check-ins", description = "When somebody is to be heard of"),
        (name = "presence", description = "Terminals that are not heard, or are no help"),
        (name = "fences", description = "Where they should be"),
        (name = "fence_rules", description = "When they should be there, and pauses"),
        (name = "usual", description = "Where residents usually are, and who is out when they never are"),
        (name = "map", description = "What has a place"),
        (name = "clocks", description = "How fast help comes"),
        (name = "ladders", description = "Who is called in while nobody answers"),
        (name = "responders", description = "Those who go"),
        (name = "providers", description = "Who employs them, and how good their work is"),
        (name = "centres", description = "120, 119, 110"),
        (name = "operation", description = "For those who run it"),
    ),
    components(schemas(Problem)),
    modifiers(&Schemes),
)]
struct Document;

/// The document without its paths.
pub(super) fn empty() -> OpenApi {
    Document::openapi()
}

/// The description in full
///
/// OpenAPI 3.1. The page `/api.html` shows it to people.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "operation",
    responses((status = 200, body = serde_json::Value)),
)]
pub(super) async fn document() -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| serde_json::to_vec(&routes::document()).unwrap_or_default().into());
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (headers, TEXT.clone()).into_response()
}

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let cookie = ApiKeyValue::with_description(
            COOKIE,
            "Set by `POST /api/v1/session`. The scopes are what the caller's role must allow: `see`, `answer`, \
             `take_over`, `order`, `oversee`, `administer`, over the subtree in which the thing lies.",
        );
        components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let csrf = ApiKeyValue::with_description("X-CSRF-Token", "`csrf` of `GET /api/v1/session`.");
        components.add_security_scheme(CSRF, SecurityScheme::ApiKey(ApiKey::Header(csrf)));
        components.add_security_scheme("responder", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let signed =
            ApiKeyValue::with_description(wire::signature::HEADER, "`docs/120.md` says what is signed, and how.");
        components.add_security_scheme("signature", SecurityScheme::ApiKey(ApiKey::Header(signed)));
        let callback = ApiKeyValue::with_description("key", "`sms.status_key` of the settings.");
        components.add_security_scheme("callback", SecurityScheme::ApiKey(ApiKey::Query(callback)));
    }
}

/// Adds what goes for every operation of its kind, so that no handler has to say it.
pub(super) fn complete(document: &mut OpenApi) {
    let schemas = document.components.take().unwrap_or_default();
    for (path, item) in &mut document.paths.paths {
        let has_id = path.contains("{id}");
        let changing = [&mut item.post, &mut item.put, &mut item.delete];
        if let Some(operation) = &mut item.get {
            complete_one(operation, has_id);
        }
        for operation in changing.into_iter().flatten() {
            complete_one(operation, has_id);
            need_no_body(operation, &schemas);
            for way in operation.security.iter_mut().flatten() {
                if scopes(way, SESSION).is_some() {
                    *way = std::mem::take(way).add(CSRF, Vec::<String>::new());
                }
            }
        }
    }
    document.components = Some(schemas);
}

/// A call that need not say anything may go without a body.
fn need_no_body(operation: &mut Operation, components: &Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    let schemas = body.content.values().filter_map(|content| match content {
        RefOr::T(content) => content.schema.as_ref(),
        RefOr::Ref(_) => None,
    });
    let needs_something = schemas.into_iter().any(|schema| {
        let RefOr::Ref(named) = schema else { return true };
        let name = named.ref_location.rsplit('/').next().unwrap_or_default();
        !matches!(components.schemas.get(name), Some(RefOr::T(Schema::Object(object))) if object.required.is_empty())
    });
    if !needs_something {
        body.required = Some(Required::False);
    }
}

/// The operations of a path.
pub(super) fn operations(item: PathItem) -> impl Iterator<Item = (Method, Operation)> {
    let all =
        [(Method::GET, item.get), (Method::POST, item.post), (Method::PUT, item.put), (Method::DELETE, item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation?)))
}

/// What a session's role must allow for an operation.
pub(super) fn deed(operation: &Operation) -> Option<String> {
    operation.security.iter().flatten().find_map(|way| scopes(way, SESSION)?.into_iter().next())
}

/// The scopes of a scheme in a requirement that names it. The library writes them, but does not tell them.
fn scopes(way: &SecurityRequirement, scheme: &str) -> Option<Vec<String>> {
    let way = serde_json::to_value(way).ok()?;
    serde_json::from_value(way.get(scheme)?.clone()).ok()
}

fn complete_one(operation: &mut Operation, has_id: bool) {
    // A handler's name is its own within its module only.
    if let (Some(tag), Some(id)) = (operation.tags.iter().flatten().next(), &mut operation.operation_id) {
        *id = format!("{tag}_{id}");
    }
    if has_id {
        let id =
            ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        let mut parameter = Parameter::new("id");
        parameter.parameter_in = ParameterIn::Path;
        parameter.required = Required::True;
        parameter.schema = Some(id.into());
        operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
        answer(operation, "404", "There is no such thing, or none that the caller may know of");
    }
    if operation.parameters.is_some() || operation.request_body.is_some() {
        answer(operation, "400", "It cannot be read");
    }
    if operation.request_body.is_some() {
        answer(operation, "413", "The body is too large");
    }
    if operation.security.is_some() {
        answer(operation, "401", "Nobody is logged in, or the credentials are not right");
        answer(operation, "403", "The caller's role does not allow it, or X-CSRF-Token is not right");
    }
    answer(operation, "429", "Too many calls at a time: try again in a moment");
    answer(operation, "500", "A mistake of ours; it has been noted");
    answer(operation, "503", "The database does not answer: try again in a moment");
}

fn answer(operation: &mut Operation, status: &str, why: &str) {
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| problem(why).into());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_a_summary_and_an_answer() {
        let mut names = BTreeSet::new();
        for (path, item) in routes::document().paths.paths {
            for (method, operation) in operations(item) {
                let name = operation.operation_id.unwrap();
                assert!(names.insert(name.clone()), "{name} twice");
                assert!(operation.summary.is_some_and(|summary| !summary.is_empty()), "{method} {path}");
                assert!(operation.responses.responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
            }
        }
        assert!(names.len() > 40, "{names:?}");
    }

    #[test]
    fn whatever_changes_something_by_session_names_the_csrf_token() {
        for (path, item) in routes::document().paths.paths {
            for (method, operation) in operations(item) {
                for way in operation.security.iter().flatten().filter(|way| scopes(way, SESSION).is_some()) {
                    assert_eq!(scopes(way, CSRF).is_some(), method != Method::GET, "{method} {path}");
                }
            }
        }
    }
}
