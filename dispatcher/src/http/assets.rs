//! The console's pages, built by Vite and kept inside the executable.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::errors::ApiError;

/// What `npm run build` leaves behind. May be missing: the API does not need it.
#[derive(RustEmbed)]
#[folder = "../console/dist"]
#[allow_missing = true]
struct Console;

const INDEX: &str = "index.html";
/// Shows what the API says of itself; the library that does it has small pictures in its style sheet.
const API: &str = "api.html";
const API_POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Whether the pages were there when this executable was built.
pub fn is_console_built() -> bool {
    Console::get(INDEX).is_some()
}

/// Everything that is no route: a file of the console, or the page that finds its own way.
pub(super) async fn serve(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return ApiError::NotFound("path").into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::NoSuchMethod.into_response();
    }
    if let Some(found) = Console::get(path) {
        return file(path, found);
    }
    // A file that is not there is not there; anything else is an address inside the console.
    if path.rsplit('/').next().is_some_and(|name| name.contains('.')) {
        return (StatusCode::NOT_FOUND, "404").into_response();
    }
    match Console::get(INDEX) {
        Some(found) => file(INDEX, found),
        None => (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response(),
    }
}

fn file(path: &str, found: EmbeddedFile) -> Response {
    // Vite puts a hash of the content into the names below assets/; everything else keeps its name.
    let keep = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = content_type(found.metadata.mimetype());
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep.to_owned())];
    let mut response = (headers, Body::from(found.data)).into_response();
    if path == API {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(API_POLICY));
    }
    response
}

fn content_type(mimetype: &str) -> String {
    let is_text = mimetype.starts_with("text/") || mimetype.ends_with("javascript") || mimetype.ends_with("json");
    if is_text { format!("{mimetype}; charset=utf-8") } else { mimetype.to_owned() }
}

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"zh-CN\">
  <head><meta charset=\"utf-8\"><title>一点通</title></head>
  <body>
    <h1>控制台尚未构建</h1>
    <p>请先构建控制台，再重新编译：<code>npm --prefix console ci &amp;&amp; npm --prefix console run build</code></p>
    <h1 lang=\"en\">The console has not been built</h1>
    <p lang=\"en\">Build it, then compile again. The API under <code>/api/v1</code> works without it.</p>
  </body>
</html>
";
