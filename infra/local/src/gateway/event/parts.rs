//! The parts that events share: headers, parameters, the caller, the time.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use crate::gateway::asked::Asked;
use crate::gateway::backend::forwarded_for;
use crate::gateway::{KeySource, Kind, X_API_KEY};

pub(super) fn set(event: &mut Value, name: &str, value: Value) {
    if let Some(event) = event.as_object_mut() {
        event.insert(name.to_owned(), value);
    }
}

pub(super) type Multi = BTreeMap<String, Vec<String>>;

/// Headers that are for API Gateway, and in no event but that of a handshake.
const DROPPED: [HeaderName; 5] =
    [header::CONNECTION, header::EXPECT, header::TE, header::TRANSFER_ENCODING, header::UPGRADE];
/// The names of the headers that API Gateway adds, as it writes them.
const ADDED: [&str; 4] =
    ["X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"];

/// The headers with those that API Gateway adds, under names as sent or in lower case.
pub(super) fn headers(asked: &Asked<'_>, is_lower: bool) -> Multi {
    let mut headers: HeaderMap = asked.head.headers.clone();
    if asked.kind() == Kind::WebSocket {
        headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    } else {
        for name in DROPPED {
            headers.remove(name);
        }
    }
    if asked.kind().is_rest() {
        headers.remove(header::CONTENT_LENGTH);
    }
    forwarded_for(&mut headers, asked.peer);
    if let Ok(trace) = HeaderValue::from_str(&asked.id.trace(asked.options.now.millis())) {
        headers.entry("x-amzn-trace-id").or_insert(trace);
    }
    let port = asked.port().to_string();
    if let Ok(port) = HeaderValue::from_str(&port) {
        headers.insert("x-forwarded-port", port);
    }
    let written = |name: &HeaderName| {
        let lower = name.as_str();
        let added = ADDED.into_iter().find(|added| added.eq_ignore_ascii_case(lower));
        let sent = || asked.sent.name(lower);
        if is_lower { lower.to_owned() } else { added.unwrap_or_else(sent).to_owned() }
    };
    let mut all = Multi::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(written(name)).or_default().push(value);
    }
    all
}

pub(super) fn query(asked: &Asked<'_>) -> Multi {
    let mut all = Multi::new();
    for (name, value) in asked.query() {
        all.entry(name).or_default().push(value);
    }
    all
}

pub(super) fn last(all: &Multi) -> BTreeMap<&str, &str> {
    all.iter().filter_map(|(name, values)| Some((name.as_str(), values.last()?.as_str()))).collect()
}

pub(super) fn joined(all: &Multi) -> BTreeMap<&str, String> {
    all.iter().map(|(name, values)| (name.as_str(), values.join(","))).collect()
}

pub(super) fn or_null<K: serde::Serialize, V: serde::Serialize>(map: &BTreeMap<K, V>) -> Value {
    if map.is_empty() { Value::Null } else { json!(map) }
}

/// The caller's address and user agent; the API key where a header brings it.
pub(super) fn identity_of_caller(asked: &Asked<'_>) -> Value {
    let mut identity = caller(asked);
    if asked.options.keys.is_some()
        && asked.options.api_key_source == KeySource::Header
        && let Some(key) = asked.header(&X_API_KEY)
    {
        set(&mut identity, "apiKey", json!(key));
    }
    identity
}

/// The caller's address, and its user agent but for HTTP APIs.
pub(in crate::gateway) fn caller(asked: &Asked<'_>) -> Value {
    let mut caller = json!({ "sourceIp": asked.peer });
    if !asked.kind().is_http()
        && let Some(agent) = asked.header(&header::USER_AGENT)
    {
        set(&mut caller, "userAgent", json!(agent));
    }
    caller
}

/// A moment as the common log format writes it: `12/Mar/2020:19:03:58 +0000`.
pub(in crate::gateway) fn time(millis: u64) -> String {
    let moment =
        i64::try_from(millis).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(String::new, |moment| moment.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
}
