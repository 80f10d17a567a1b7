//! The text for a person: addresses, callers, and one command for each outcome.

use std::fmt;

use authorizer::{HttpUnauthorized, Refuse, Require, Scheme};
use serde_json::Value;

use super::{Client, Filled, Ready, User, routes};
use crate::examples::{Call, Examples, Limit};
use crate::gateway::{KeySource, Kind, Payload};
use crate::options::Options;
use crate::setup::Setup;

/// The most callers that are listed; a program gets all.
const MAX_LISTED: usize = 6;

/// The parts of the text beside the addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    examples: Examples,
    /// Plans that were made up.
    made_up: Vec<String>,
    rest: Kind,
    http: Option<Payload>,
    /// Seconds for which results are cached; 0 for none.
    ttl: u64,
    /// The key that each request must bring.
    pub(super) key: Option<String>,
    /// True if callers have only keys.
    by_key: bool,
    /// A key that a request may bring in place of a token.
    other_key: Option<String>,
    file: Option<String>,
    /// The header that holds the token.
    header: String,
    /// True if the header has no scheme before the token.
    bare: bool,
    socket: Socket,
    refuse: Option<Refuse>,
    refuse_http: Option<Refuse>,
    /// The status of an HTTP API for a request without a credential.
    unauthorized_http: u16,
    /// The APIs' own usage plan.
    native: Option<Limit>,
    upstream: bool,
    /// True if no route asks Tollgate's authorizer.
    pub(super) is_plain: bool,
}

/// The place of a WebSocket's token.
#[derive(Clone, Debug, Default)]
enum Socket {
    Subprotocol(String),
    Query(String),
    #[default]
    Header,
}

impl Shown {
    pub(super) fn new(
        setup: &Setup,
        options: &Options,
        filled: Filled,
        examples: Examples,
    ) -> Self {
        let by_header = options.api_key_source == KeySource::Header;
        let key = setup.api_key.clone().filter(|_| by_header);
        let first = setup.functions.first();
        let require = setup.callers().require;
        let (needed, other_key) = match require {
            Require::Either => (None, filled.caller_key),
            _ => (filled.caller_key, None),
        };
        let token = setup.of(Kind::WebSocket).map(|one| one.token.clone()).unwrap_or_default();
        let http = options.http.map(Kind::Http);
        Self {
            examples,
            made_up: filled.made_up,
            rest: options.rest,
            http: options.http,
            ttl: options.authorizer_ttl.as_secs(),
            key: needed.or(key),
            by_key: require == Require::Key,
            other_key,
            file: setup.file.clone(),
            header: first.map(|one| one.config.token.header().to_owned()).unwrap_or_default(),
            bare: first.is_some_and(|one| one.config.token.scheme() == Scheme::None),
            socket: match (token.subprotocol, token.query) {
                (Some(name), _) => Socket::Subprotocol(name),
                (None, Some(name)) => Socket::Query(name),
                (None, None) => Socket::Header,
            },
            refuse: setup.refuse(options.rest).filter(|refuse| {
                // A key that the caller brings is never the authorizer's.
                !(by_header && *refuse == Refuse::UnknownKey)
            }),
            refuse_http: http.and_then(|kind| setup.refuse(kind)),
            unauthorized_http: http.map_or(401, |kind| unauthorized(kind, setup, options)),
            native: options.usage_plan.as_ref().map(|plan| Limit::of("of the key", plan)),
            upstream: options.upstream.is_some(),
            is_plain: false,
        }
    }

    /// The header that holds the token, to be set by the shell.
    fn token(&self, token: &str) -> String {
        let scheme = if self.bare { "" } else { "Bearer " };
        format!("\"{}: {scheme}{token}\"", title(&self.header))
    }

    /// Headers of a request with the token.
    fn credentials(&self) -> String {
        if self.by_key {
            return self.key_header().trim_start().to_owned();
        }
        format!("-H \"$AUTH\"{}", self.key_header())
    }

    /// The same with a token of its own for each request: a cached result is for one token.
    fn fresh_credentials(&self) -> String {
        if self.ttl == 0 || self.by_key {
            return self.credentials();
        }
        format!("-H {}{}", self.token("$(curl -s $TOKEN_URL)"), self.key_header())
    }

    fn key_header(&self) -> String {
        self.key.as_ref().map(|key| format!(" -H 'x-api-key: {key}'")).unwrap_or_default()
    }
}

/// The status of an API for a request without a credential.
///
/// API Gateway answers it if the API has an identity source, and else the authorizer does.
fn unauthorized(kind: Kind, setup: &Setup, options: &Options) -> u16 {
    let asks = options.identity_sources.is_empty() && setup.serves_without_token();
    let denies = setup
        .of(kind)
        .is_some_and(|one| one.config.response.http_unauthorized == HttpUnauthorized::Deny);
    if asks && denies { 403 } else { 401 }
}

/// `authorization` as people write it.
fn title(header: &str) -> String {
    let part = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    header.split('-').map(part).collect::<Vec<_>>().join("-")
}

pub(super) fn write(ready: &Ready, shown: &Shown, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "Tollgate runs on this machine alone; Ctrl-C ends it.\n")?;
    write_addresses(ready, shown, f)?;
    if !shown.is_plain {
        write_callers(ready, f)?;
    }
    routes::write(ready, f)?;
    if !ready.notes.is_empty() {
        writeln!(f, "\nDifferent from your files, or not to be shown:")?;
        for note in &ready.notes {
            writeln!(f, "  - {note}")?;
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
        write_socket(url, api.and_then(|api| api.message.as_ref()), shown, f)?;
    }
    Ok(())
}

fn write_addresses(ready: &Ready, shown: &Shown, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if ready.has_several_of_a_kind() {
        for api in &ready.apis {
            writeln!(f, "  {:<13} {}  ({})", api.kind, api.url, api.name)?;
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
    writeln!(f, "  DynamoDB      {}  ({tables} {})", ready.dynamodb, ready.tables.join(", "))?;
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

fn write_callers(ready: &Ready, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "Callers, all of them throwaway:")?;
    if let Some(key) = ready.caller_key.as_deref() {
        writeln!(f, "  key    {}  of {}", key, crate::demo::CALLER_KEY_SUBJECT)?;
    }
    for key in &ready.api_keys {
        writeln!(f, "  key    {}  of API Gateway: {}", key.value, key.name)?;
    }
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

/// The commands for one API that answers HTTP.
struct Api<'a> {
    url: &'a str,
    name: &'a str,
    shown: &'a Shown,
    allowed: &'a Call,
    refuse: Option<Refuse>,
    /// The status of a request without a credential.
    none: u16,
}

impl Api<'_> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, name, shown, allowed: Call { method, path }, none, .. } = self;
        let (with, key) = (shown.credentials(), shown.key_header());
        let verb = if method == "GET" { String::new() } else { format!("-X {method} ") };
        let status = if shown.upstream { "what your service answers" } else { "200" };
        // The second API's calls are the first's: one line tells them.
        let tell = |f: &mut fmt::Formatter<'_>, text: String| match name.is_empty() {
            true => writeln!(f, "  # {text}"),
            false => Ok(()),
        };
        writeln!(f, "  API={url}\n")?;
        if !name.is_empty() {
            writeln!(f, "  # {name}{status}, {none}, 403")?;
        }
        tell(f, format!("{status}: it may {method} {path}"))?;
        writeln!(f, "  curl -i {verb}{with} $API{path}; echo")?;
        if let Some(key) = &shown.other_key {
            tell(f, format!("{status}: by an API key in place of the token"))?;
            writeln!(f, "  curl -i {verb}-H 'x-api-key: {key}' $API{path}; echo")?;
        }
        let (missing, key) = if shown.by_key { ("API key", String::new()) } else { ("token", key) };
        tell(f, format!("{none}: no {missing}"))?;
        writeln!(f, "  curl -i {verb}{}$API{path}; echo", pad(&key))?;
        if let Some(Call { method, path }) = &shown.examples.denied {
            tell(f, format!("403: it may not {method} {path}"))?;
            writeln!(f, "  curl -i -X {method} {with} $API{path}; echo")?;
        } else {
            writeln!(f, "  # {name}403: none: this caller may call everything")?;
        }
        self.write_limit(f, &format!("{verb}{} $API{path}", shown.fresh_credentials()))
    }

    /// Calls until the limit is met. The last command stops at the first refusal and shows it.
    fn write_limit(&self, f: &mut fmt::Formatter<'_>, call: &str) -> fmt::Result {
        let Self { name, shown, .. } = self;
        let is_rest = name.is_empty();
        let native = shown.native.as_ref().filter(|_| is_rest);
        let Some(limit) = native.or(shown.examples.limit.as_ref()) else {
            return writeln!(f, "  # {name}429: none: the configuration has no limits");
        };
        let (status, why) = match self.refuse {
            _ if native.is_some() => (429, "API Gateway's own usage plan"),
            Some(Refuse::Context) if is_rest || shown.upstream => {
                let text = "429: the backend's part; the context says `throttled`";
                return writeln!(f, "  # {name}{text}");
            }
            None => return writeln!(f, "  # {name}429: none: no limit is in force here"),
            Some(Refuse::Deny) => (403, "`refuse` is \"deny\""),
            Some(Refuse::UnknownKey) if !is_rest => (403, "an HTTP API has no usage plans"),
            Some(Refuse::UnknownKey) => (429, ""),
            Some(Refuse::Context) => (429, "the backend answers it"),
        };
        let why = if why.is_empty() { String::new() } else { format!("; {why}") };
        let Limit { plan, text, burst, is_slow } = limit;
        writeln!(f, "  # {name}{status}: the plan {plan} allows {text}{why}")?;
        if !is_slow {
            return writeln!(f, "  # (too fast to meet by hand: put a slower plan `{plan}`)");
        }
        let count = burst.saturating_add(10);
        if is_rest {
            writeln!(
                f,
                "  for i in $(seq {count}); do curl -s -o /dev/null -w '%{{http_code}} ' {call}; \
                 done; echo"
            )?;
            writeln!(f, "  # {status}: the first answer that is one, with its headers")?;
        }
        writeln!(
            f,
            "  for i in $(seq {count}); do A=$(curl -si {call})\n    \
             case $A in 'HTTP/1.1 {status}'*) break; esac; done; echo \"$A\""
        )
    }
}

fn pad(text: &str) -> String {
    let text = text.trim_start();
    if text.is_empty() { String::new() } else { format!("{text} ") }
}

fn write_socket(
    socket: &str,
    message: Option<&Value>,
    shown: &Shown,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let url = socket.replacen("ws://", "http://", 1);
    let upgrade = "--http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\\n    \
                   -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='";
    let missing = if shown.by_key { "API key" } else { "token" };
    writeln!(f, "\n  # WebSocket API, 401: no {missing}")?;
    writeln!(f, "  curl -i {upgrade} {url}/; echo")?;
    let socket_place = if shown.by_key { &Socket::Header } else { &shown.socket };
    let address = match socket_place {
        Socket::Subprotocol(name) => format!("\"{socket}\", [\"{name}\", process.env.TOKEN]"),
        Socket::Query(name) => format!("\"{socket}/?{name}=\" + process.env.TOKEN"),
        Socket::Header => {
            writeln!(f, "  # WebSocket API, 101: connected")?;
            return writeln!(f, "  curl -i -m 1 {} {upgrade} {url}/; echo", shown.credentials());
        }
    };
    if let Some(message) = message {
        writeln!(f, "  # WebSocket API, a message, and what comes for five seconds")?;
        return writeln!(f, "  TOKEN=$TOKEN {}", routes::socket(&address, message));
    }
    writeln!(f, "  # WebSocket API, a message and its echo (Node 22 or newer)")?;
    writeln!(
        f,
        "  TOKEN=$TOKEN node -e 'const s = new WebSocket({address});\n    \
         s.onopen = () => s.send(JSON.stringify({{ action: \"echo\" }}));\n    \
         s.onmessage = m => {{ console.log(m.data); s.close() }}'"
    )
}
