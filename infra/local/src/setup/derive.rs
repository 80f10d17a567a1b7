//! The copy of a configuration whose keys come from this machine, and what is not honoured in it.

use std::path::Path;

use authorizer::{Config, HttpForm, Refuse, ThrottleConfig};
use toml::{Table, Value};

use super::{Error, IssuerView, Loaded, MAX_TEXT, Played, View};
use crate::gateway::{KeySource, Kind, Payload};
use crate::issuer;
use crate::options::{ConsolePort, Options};

/// The least time-out of a table here, in milliseconds: a laptop that is busy building stalls as no
/// data centre does.
const TIMEOUT_MS: i64 = 1_000;

/// The fields of an issuer's keys, which `jwks_uri` replaces in the copy.
const KEYS: [&str; 3] = ["jwks_uri", "jwks", "jwks_file"];

/// The fields of an issuer's name, which `url` replaces in the copy.
const NAMES: [&str; 4] = ["user_pool", "replica_regions", "domain_suffix", "url"];

/// Writes the copy.
pub(super) fn copy(
    loaded: &Loaded,
    played: &[Played],
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<String, Error> {
    let mut table = loaded.table.clone();
    // The console shows the times of record lines; lines that are printed as JSON stay as they are.
    if options.console != ConsolePort::Off && options.log.has_reports() {
        let metrics = table.entry("metrics").or_insert_with(|| Table::new().into());
        if let Some(metrics) = metrics.as_table_mut() {
            metrics.insert("enabled".to_owned(), true.into());
        }
    }
    for (issuer, played) in tables(&mut table, "issuer").zip(played) {
        place_keys(issuer, played, notes);
    }
    for rule in tables(&mut table, "rule") {
        name_issuers(rule, &loaded.config);
    }
    for name in ["throttle", "keys", "revocation"] {
        if let Some(limits) = table.get_mut(name).and_then(Value::as_table_mut) {
            raise_timeout(name, limits, notes);
        }
    }
    let place = || loaded.place.clone();
    let text = toml::to_string(&table).map_err(|error| Error::Text(place(), error.to_string()))?;
    if text.len() > MAX_TEXT {
        let message = format!("without comments it is longer than {MAX_TEXT} bytes: shorten it");
        return Err(Error::Text(place(), message));
    }
    Ok(text)
}

fn tables<'t>(table: &'t mut Table, name: &str) -> impl Iterator<Item = &'t mut Table> {
    let array = table.get_mut(name).and_then(Value::as_array_mut);
    array.into_iter().flatten().filter_map(Value::as_table_mut)
}

/// Lets the keys come from here; name and `iss` stay.
fn place_keys(issuer: &mut Table, played: &Played, notes: &mut Vec<String>) {
    let name = &played.name;
    for (field, why) in [
        ("jwks", "its keys are local's"),
        ("jwks_file", "its keys are local's"),
        ("replica_regions", "tokens here name the pool's own Region"),
    ] {
        if issuer.contains_key(field) {
            notes.push(format!("issuer `{name}`: `{field}` is not used: {why}"));
        }
    }
    for field in KEYS {
        issuer.remove(field);
    }
    // An `iss` that is not a URL and the pattern of many tenants stay as they are.
    if !issuer.contains_key("iss") && !issuer.contains_key("tenants") {
        for field in NAMES {
            issuer.remove(field);
        }
        issuer.insert("url".to_owned(), played.iss.as_str().into());
    }
    issuer.insert("name".to_owned(), name.as_str().into());
    issuer.insert("jwks_uri".to_owned(), issuer::jwks_uri(&played.address).into());
    let algorithms = issuer.get("algorithms").and_then(Value::as_array);
    let has =
        |name: &str| algorithms.is_none_or(|all| all.iter().any(|a| a.as_str() == Some(name)));
    if !has("RS256") {
        notes.push(format!(
            "issuer `{name}`: `algorithms` is RS256 here: local signs with no other"
        ));
        issuer.insert("algorithms".to_owned(), vec!["RS256"].into());
    }
}

/// A pool's several URLs have become one: rules name the issuer.
fn name_issuers(rule: &mut Table, config: &Config) {
    for written in rule.get_mut("issuers").and_then(Value::as_array_mut).into_iter().flatten() {
        let url = |issuer: &&authorizer::Issuer| {
            issuer.identities.iter().any(|known| Some(known.iss.as_str()) == written.as_str())
        };
        if let Some(issuer) = config.issuers.iter().find(url) {
            *written = issuer.checks.issuer.as_str().into();
        }
    }
}

fn raise_timeout(name: &str, table: &mut Table, notes: &mut Vec<String>) {
    let written = table.get("timeout_ms").and_then(Value::as_integer);
    if written.is_some_and(|written| written >= TIMEOUT_MS) {
        return;
    }
    if let Some(written) = written {
        notes.push(format!(
            "[{name}]: `timeout_ms` is {TIMEOUT_MS} here, not {written}: a busy laptop stalls"
        ));
    }
    table.insert("timeout_ms".to_owned(), TIMEOUT_MS.into());
}

/// The text without `jwks_file` where that file is missing; `None` if none is.
pub(super) fn without_key_files(text: &str) -> Option<String> {
    let mut table: Table = text.parse().ok()?;
    let mut found = false;
    for issuer in tables(&mut table, "issuer") {
        let file = issuer.get("jwks_file").and_then(Value::as_str);
        if file.is_none_or(|file| Path::new(file).exists()) {
            continue;
        }
        found = true;
        issuer.remove("jwks_file");
        if !issuer.contains_key("user_pool") && !issuer.contains_key("jwks_uri") {
            issuer.insert("jwks_uri".to_owned(), "http://127.0.0.1/".into());
        }
    }
    if found { toml::to_string(&table).ok() } else { None }
}

/// Names what the flags and this machine do not honour.
pub(super) fn name_unmet(options: &Options, view: &View, config: &Config, notes: &mut Vec<String>) {
    for rule in &view.rule {
        let name = &rule.name;
        let stages = rule.stages.iter().flatten();
        let known = |stage: &&String| options.kinds().iter().any(|kind| kind.stage() == **stage);
        if rule.stages.is_some() && !stages.clone().any(|stage| known(&stage)) {
            let stages = stages.cloned().collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "rule `{name}`: never applies here: it is for the stage {stages}, and local's is \
                 `local`"
            ));
        }
        if rule.source_ips.is_some() {
            notes.push(format!("rule `{name}`: `source_ips`: every caller here is 127.0.0.1"));
        }
    }
    let own = options.config.is_some();
    let has = |wanted: fn(Kind) -> bool| options.kinds().into_iter().any(wanted);
    let refuse = config.throttle.as_ref().map(|throttle| throttle.refuse);
    if own && has(Kind::is_http) && refuse == Some(Refuse::UnknownKey) {
        notes.push(
            "[throttle]: `refuse = \"unknown-key\"` is a 403 on the HTTP API, which has no usage \
             plans: with \"context\" the backend answers 429"
                .to_owned(),
        );
    }
    if options.api_key_source == KeySource::Header && refuse == Some(Refuse::UnknownKey) {
        notes.push(
            "[throttle]: `refuse = \"unknown-key\"` has no effect with --api-key-source header: a \
             throttled caller gets 200"
                .to_owned(),
        );
    }
    if let (Some(given), Some(named)) =
        (&options.api_key, config.throttle.as_ref().and_then(|throttle| throttle.api_key()))
        && given != named
    {
        notes.push("--api-key is not `api_key` of [throttle]: every allowed call gets 429".into());
    }
    let simple = config.response.http == HttpForm::Simple;
    let form = match options.http {
        Some(Payload::V2) if own && simple => Some("--http=simple"),
        Some(Payload::Simple) if own && !simple => Some("--http"),
        _ => None,
    };
    if let Some(form) = form {
        notes
            .push(format!("[response]: `http` is not the form of the HTTP API: start with {form}"));
    }
    if let Some(cookie) = config.token.cookie()
        && options.template.is_none()
        && options.identity_sources.is_empty()
        && !super::serves_without_token(config)
    {
        notes.push(format!(
            "[token]: a request with only the cookie `{cookie}` is a 401 of the API: add \
             --authorizer request --identity-source method.request.header.Cookie"
        ));
    }
    if config.throttle.as_ref().is_some_and(ThrottleConfig::counts_by_api_key)
        && options.rest == Kind::RestToken
    {
        notes.push(
            "[throttle]: `subject = \"api_key\"` refuses every call by TOKEN: add --authorizer \
             request"
                .to_owned(),
        );
    }
}

/// The first of a list of accepted names; `None` for `"any"`.
pub(super) fn first(names: Option<&Value>) -> Option<String> {
    names.and_then(Value::as_array)?.first()?.as_str().map(str::to_owned)
}

impl IssuerView {
    /// The client ids that are listed; none where any is accepted.
    pub(super) fn client_ids(&self) -> Vec<String> {
        let listed = self.clients.as_ref().and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
    }
}
