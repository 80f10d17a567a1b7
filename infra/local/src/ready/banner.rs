//! The text for a person: addresses, callers, and one command for each outcome.

use std::fmt;

use super::{Client, Ready, User, routes};
use crate::gateway::{Kind, Payload};
use crate::terminal;

mod calls;
mod shown;

use calls::Api;
pub(crate) use shown::Shown;

/// The most callers that are listed; a program gets all.
const MAX_LISTED: usize = 6;

pub(super) fn write(ready: &Ready, shown: &Shown, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "Tollgate runs on this machine alone; Ctrl-C ends it.\n")?;
    write_addresses(ready, shown, f)?;
    if !shown.is_plain {
        write_callers(ready, f)?;
    } else if !ready.api_keys.is_empty() {
        writeln!(f, "\nAPI keys of usage plans, the same at every start:")?;
        write_keys(ready, f)?;
    }
    routes::write(ready, f)?;
    if !ready.notes.is_empty() {
        writeln!(f, "\nDifferent from your files, or not to be shown:")?;
        for note in &ready.notes {
            writeln!(f, "  - {}", terminal::line(note))?;
        }
    }
    if shown.is_plain {
        return routes::write_calls(ready, f);
    }
    let Some(caller) = &shown.examples.caller else {
        let why =
            "No caller here has a token that is accepted: see above, and give one by --users.";
        return writeln!(f, "\n{why}");
    };
    let url = &shown.examples.token_url;
    writeln!(f, "\nPaste, in another terminal:\n")?;
    if shown.by_key {
        writeln!(f, "  # with the API key of {caller}; `tollgate key create` makes others")?;
    } else {
        writeln!(f, "  # a token for the {caller}; for others: ?client=…, ?user=…")?;
        if shown.ttl > 0 {
            writeln!(f, "  TOKEN_URL='{url}'")?;
        }
        writeln!(f, "  TOKEN=$(curl -s '{url}')")?;
        writeln!(f, "  AUTH={}", shown.token("$TOKEN"))?;
    }
    let Some(allowed) = &shown.examples.allowed else { return Ok(()) };
    if !ready.api.is_empty() {
        Api { url: &ready.api, name: "", shown, allowed, refuse: shown.refuse, none: 401 }
            .write(f)?;
    }
    if let Some(url) = &ready.http_api {
        writeln!(f)?;
        Api {
            url,
            name: "HTTP API, ",
            shown,
            allowed,
            refuse: shown.refuse_http,
            none: shown.unauthorized_http,
        }
        .write(f)?;
    }
    if let Some(url) = ready.websocket_api.as_deref().filter(|_| shown.examples.connects) {
        let api = ready.apis.iter().find(|api| api.url == url);
        calls::write_socket(url, api.and_then(|api| api.message.as_ref()), shown, f)?;
    }
    Ok(())
}

fn write_addresses(ready: &Ready, shown: &Shown, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if ready.has_several_of_a_kind() {
        for api in &ready.apis {
            writeln!(f, "  {:<13} {}  ({})", api.kind, api.url, terminal::line(&api.name))?;
        }
    } else {
        write_apis(ready, shown, f)?;
    }
    if let Some(console) = &ready.console {
        writeln!(f, "  console       {console}")?;
    }
    let issuers = ready.issuers.iter().enumerate().filter(|_| !shown.is_plain);
    for (at, issuer) in issuers {
        let label = if at == 0 { "token issuer" } else { "" };
        let base = issuer.token_endpoint.trim_end_matches("/oauth2/token");
        if issuer.iss.starts_with(base) {
            writeln!(f, "  {label:<13} {}", issuer.iss)?;
        } else {
            writeln!(f, "  {label:<13} {base}  (plays {})", issuer.iss)?;
        }
    }
    if shown.is_plain {
        writeln!(f, "  DynamoDB      {}", ready.dynamodb)?;
        return Ok(());
    }
    let tables = if ready.tables.len() == 1 { "table" } else { "tables" };
    writeln!(
        f,
        "  DynamoDB      {}  ({tables} {})",
        ready.dynamodb,
        terminal::line(&ready.tables.join(", "))
    )?;
    let pids: Vec<String> = ready.environments.iter().map(ToString::to_string).collect();
    writeln!(f, "  authorizer    {} processes: {}", pids.len(), pids.join(" "))?;
    match &shown.file {
        Some(file) => writeln!(f, "  configuration {file}")?,
        None => writeln!(f, "  configuration the demonstration's: tollgate-local --print-config")?,
    }
    if shown.ttl > 0 {
        writeln!(
            f,
            "  results       cached for {} s: a repeated token is not counted, and its 429 stays",
            shown.ttl
        )?;
    }
    for plan in &shown.made_up {
        writeln!(f, "  plan {plan:<8} made up: 1/s, 10 at once; to change it:")?;
        writeln!(
            f,
            "    tollgate plan put {plan} FILE --table {} --endpoint-url {}",
            ready.table, ready.dynamodb
        )?;
    }
    writeln!(f)
}

/// The addresses of one API of each kind.
fn write_apis(ready: &Ready, shown: &Shown, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !ready.api.is_empty() {
        let kind = if shown.rest == Kind::RestRequest { "REQUEST" } else { "TOKEN" };
        let kind = if shown.is_plain { String::new() } else { format!("  ({kind} authorizer)") };
        writeln!(f, "  REST API      {}{kind}", ready.api)?;
    }
    if let Some(api) = &ready.http_api {
        let form = match shown.http {
            Some(Payload::V1) => "payload 1.0",
            Some(Payload::Simple) => "payload 2.0, simple responses",
            _ => "payload 2.0",
        };
        writeln!(f, "  HTTP API      {api}  ({form})")?;
    }
    if let Some(api) = &ready.websocket_api {
        writeln!(f, "  WebSocket API {api}")?;
    }
    Ok(())
}

fn write_keys(ready: &Ready, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for key in &ready.api_keys {
        writeln!(f, "  key    {}  of API Gateway: {}", key.value, terminal::line(&key.name))?;
    }
    Ok(())
}

fn write_callers(ready: &Ready, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "Callers, all of them throwaway:")?;
    if let Some(key) = ready.caller_key.as_deref() {
        writeln!(f, "  key    {}  of {}", key, crate::demo::CALLER_KEY_SUBJECT)?;
    }
    write_keys(ready, f)?;
    // Some of each, whichever there are more of.
    let clients = MAX_LISTED - ready.users.len().min(MAX_LISTED / 2);
    let clients = clients.min(ready.clients.len());
    let users = (MAX_LISTED - clients).min(ready.users.len());
    let clients = || ready.clients.iter().take(clients);
    let users = || ready.users.iter().take(users);
    let ids = clients().map(|client| &client.id).chain(users().map(|user| &user.username));
    let name = ids.map(String::len).max().unwrap_or_default();
    let secrets = clients().map(|client| &client.secret).chain(users().map(|user| &user.password));
    let secret = secrets.map(String::len).max().unwrap_or_default();
    // One issuer goes without saying.
    let of = |issuer: &str| {
        if ready.issuers.len() > 1 { format!("  of {issuer}") } else { String::new() }
    };
    for Client { id, secret: own, scopes, issuer } in clients() {
        let scopes = scopes.join(" ");
        writeln!(f, "  client {id:<name$}  secret   {own:<secret$}  {scopes}{}", of(issuer))?;
    }
    for User { username, password, groups, issuer } in users() {
        let groups = if groups.is_empty() { "no group".into() } else { groups.join(" ") };
        writeln!(
            f,
            "  user   {username:<name$}  password {password:<secret$}  {groups}{}",
            of(issuer)
        )?;
    }
    let (clients, users) = (clients().count(), users().count());
    let more = (ready.clients.len() + ready.users.len()).saturating_sub(clients + users);
    if more > 0 {
        writeln!(f, "  … and {more} more: --json has all")?;
    }
    Ok(())
}
