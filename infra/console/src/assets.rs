//! The page's files, embedded in the executable.

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use std::sync::Arc;

use crate::guard::Guard;

const INDEX: &str = include_str!("../assets/index.html");
const CLOSED: &str = include_str!("../assets/closed.html");

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// Every other file: its path, its type and its text.
const FILES: &[(&str, &str, &str)] = &[
    ("vendor/htm-preact.js", JS, include_str!("../vendor/htm-preact.js")),
    ("vendor/uPlot.iife.min.js", JS, include_str!("../vendor/uPlot.iife.min.js")),
    ("vendor/uPlot.min.css", CSS, include_str!("../vendor/uPlot.min.css")),
    ("style.css", CSS, include_str!("../assets/style.css")),
    ("parts.css", CSS, include_str!("../assets/parts.css")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
    ("main.js", JS, include_str!("../assets/main.js")),
    ("api.js", JS, include_str!("../assets/api.js")),
    ("parts.js", JS, include_str!("../assets/parts.js")),
    ("list.js", JS, include_str!("../assets/list.js")),
    ("change.js", JS, include_str!("../assets/change.js")),
    ("requests.js", JS, include_str!("../assets/requests.js")),
    ("request.js", JS, include_str!("../assets/request.js")),
    ("buckets.js", JS, include_str!("../assets/buckets.js")),
    ("subject.js", JS, include_str!("../assets/subject.js")),
    ("gauges.js", JS, include_str!("../assets/gauges.js")),
    ("tree.js", JS, include_str!("../assets/tree.js")),
    ("chart.js", JS, include_str!("../assets/chart.js")),
    ("plan-form.js", JS, include_str!("../assets/plan-form.js")),
    ("plan-choice.js", JS, include_str!("../assets/plan-choice.js")),
    ("plans.js", JS, include_str!("../assets/plans.js")),
    ("keys.js", JS, include_str!("../assets/keys.js")),
    ("assignments.js", JS, include_str!("../assets/assignments.js")),
    ("revocations.js", JS, include_str!("../assets/revocations.js")),
    ("trial.js", JS, include_str!("../assets/trial.js")),
    ("rules.js", JS, include_str!("../assets/rules.js")),
];

/// `GET /`: the page. The token in its address becomes a cookie.
pub(crate) async fn index(
    State(guard): State<Arc<Guard>>,
    uri: Uri,
    headers: http::HeaderMap,
) -> Response {
    if let Some(cookie) = guard.cookie_for(uri.query()) {
        return ([(header::SET_COOKIE, cookie)], Html(INDEX)).into_response();
    }
    if guard.knows(&headers) {
        return Html(INDEX).into_response();
    }
    (StatusCode::UNAUTHORIZED, Html(CLOSED)).into_response()
}

/// `GET /assets/{*path}`.
pub(crate) async fn file(Path(path): Path<String>) -> Response {
    let found = FILES.iter().find(|(name, ..)| *name == path);
    let Some((_, kind, text)) = found else { return StatusCode::NOT_FOUND.into_response() };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], current(&path, text)).into_response()
}

/// The embedded text.
#[cfg(not(debug_assertions))]
fn current(_: &str, text: &'static str) -> &'static str {
    text
}

/// The file as it is on disk, so that an edit shows without a build; else the embedded text.
#[cfg(debug_assertions)]
fn current(path: &str, text: &'static str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder =
        if path.starts_with("vendor/") { folder.to_owned() } else { folder.join("assets") };
    std::fs::read_to_string(folder.join(path)).unwrap_or_else(|_| text.to_owned())
}
