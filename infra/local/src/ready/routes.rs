//! The routes of a template's APIs, and a call of each API, for a person.

use std::fmt;

use authorizer::shell_word;
use serde_json::{Value, json};

use super::{Api, Ready, Route};
use crate::terminal;

/// The most routes of one API that are listed; a program gets all.
const MAX_LISTED: usize = 12;

/// Lists the routes.
pub(super) fn write(ready: &Ready, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for api in ready.apis.iter().filter(|api| !api.routes.is_empty()) {
        writeln!(f, "\nRoutes of {}:", terminal::line(&api.name))?;
        let is_socket = api.url.starts_with("ws:");
        let width = api.routes.iter().take(MAX_LISTED).map(|route| route.key.len()).max();
        let width = width.unwrap_or_default();
        for route in api.routes.iter().take(MAX_LISTED) {
            let mut parts = Vec::new();
            let named = route.authorizer.as_ref().filter(|name| !name.is_empty());
            parts.extend(named.map(|name| format!("authorizer {name}")));
            parts.extend(route.needs_key.then(|| "API key".to_owned()));
            let unserved = if is_socket { "not served" } else { "501" };
            parts.extend((!route.is_served).then(|| unserved.to_owned()));
            let line = format!("  {:<width$}  {}", route.key, parts.join(", "));
            writeln!(f, "{}", terminal::line(line.trim_end()))?;
        }
        let more = api.routes.len().saturating_sub(MAX_LISTED);
        if more > 0 {
            writeln!(f, "  … and {more} more: --json has all")?;
        }
    }
    Ok(())
}

/// Writes a command for each API: its first route that is open, or else the first that is served.
pub(super) fn write_calls(ready: &Ready, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let calls: Vec<String> = ready.apis.iter().filter_map(call).collect();
    if calls.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nPaste, in another terminal:\n")?;
    calls.iter().try_for_each(|call| writeln!(f, "  {call}"))
}

fn call(api: &Api) -> Option<String> {
    if api.url.starts_with("ws:") {
        return socket_call(api);
    }
    let served = || api.routes.iter().filter(|route| route.is_served);
    let is_open = |route: &&Route| route.authorizer.is_none() && !route.needs_key;
    let is_read = |route: &&Route| route.key.starts_with("GET ") || route.key.starts_with("ANY ");
    let first = served().filter(is_open).find(is_read).or_else(|| served().find(is_open));
    let route = first.or_else(|| served().next())?;
    let (method, path) = route.key.split_once(' ').unwrap_or(("ANY", "/"));
    let verb = match method {
        "GET" | "ANY" => String::new(),
        other => format!("-X {other} "),
    };
    let key = api.key.as_ref().filter(|_| route.needs_key);
    let key = key.map(|key| format!("-H {} ", shell_word(&format!("x-api-key: {key}"))));
    let key = key.map(|key| terminal::line(&key)).unwrap_or_default();
    Some(format!("curl -i {verb}{key}'{}{}'; echo", api.url, filled(path)))
}

/// A connection with the key that `$connect` needs; what its authorizer wants is not known.
fn socket_call(api: &Api) -> Option<String> {
    let connect = api.routes.iter().find(|route| route.key == "$connect");
    if api.message.is_none() && !connect?.is_served {
        return None;
    }
    let key = api.key.as_ref().filter(|_| connect.is_some_and(|route| route.needs_key));
    let headers = key.map(|key| json!({ "headers": { "x-api-key": key } }));
    let headers = headers.map(|all| format!(", {all}").replace('\'', "\\u0027"));
    let address = format!("\"{}\"{}", api.url, headers.unwrap_or_default());
    let call = terminal::escaped(&socket(&address, api.message.as_ref())).into_owned();
    let guard = connect.and_then(|route| route.authorizer.as_deref()).map(terminal::line);
    let note = guard.map(|name| format!("# with what the authorizer {name} asks for, added:\n  "));
    Some(note.unwrap_or_default() + &call)
}

/// A connection that sends a message, if there is one, and shows what comes for five seconds.
pub(super) fn socket(address: &str, message: Option<&Value>) -> String {
    let opened = match message {
        None => "console.log(\"connected\")".to_owned(),
        Some(Value::String(text)) => format!("s.send({})", json!(text)),
        Some(other) => format!("s.send(JSON.stringify({other}))"),
    };
    let opened = opened.replace('\'', "\\u0027");
    format!(
        "node -e 'const s = new WebSocket({address}); // Node 22 or newer\n    \
         s.onopen = () => {opened};\n    \
         s.onmessage = m => console.log(m.data); setTimeout(() => s.close(), 5000)'"
    )
}

/// A path with `1` for each parameter.
fn filled(path: &str) -> String {
    let mut parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        path.push('/');
        path.push_str(part);
    }
    terminal::line(&path.replace('\'', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Kind;

    #[test]
    fn the_call_is_of_a_route_that_is_open_if_there_is_one() {
        let route = |key: &str, authorizer: Option<&str>, is_served| Route {
            key: key.to_owned(),
            authorizer: authorizer.map(str::to_owned),
            needs_key: false,
            is_served,
        };
        let mut api = Api::new(Some("A".to_owned()), Kind::RestToken, "http://127.0.0.1:1");
        assert_eq!(call(&api), None);
        api.routes = vec![route("GET /no", None, false), route("GET /mine", Some("Mine"), true)];
        assert_eq!(call(&api).unwrap(), "curl -i 'http://127.0.0.1:1/mine'; echo");
        api.routes.push(route("POST /a/{id}/b/{more+}", None, true));
        assert_eq!(call(&api).unwrap(), "curl -i -X POST 'http://127.0.0.1:1/a/1/b/1'; echo");
    }

    #[test]
    fn a_web_socket_api_has_a_message_that_one_of_its_routes_takes() {
        let mut api = Api::new(Some("A".to_owned()), Kind::WebSocket, "http://127.0.0.1:1");
        assert_eq!(call(&api), None);
        api.message = Some(serde_json::json!({"to": "it's"}));
        let shown = call(&api).unwrap();
        assert!(shown.contains(r#"new WebSocket("ws://127.0.0.1:1")"#), "{shown}");
        assert!(shown.contains(r#"s.send(JSON.stringify({"to":"it\u0027s"}))"#), "{shown}");
        api.message = Some("hello".into());
        assert!(call(&api).unwrap().contains(r#"s.send("hello")"#));
    }

    #[test]
    fn a_call_has_the_key_that_its_route_needs() {
        let route = |key: &str, authorizer: Option<&str>| Route {
            key: key.to_owned(),
            authorizer: authorizer.map(str::to_owned),
            needs_key: true,
            is_served: true,
        };
        let mut api = Api::new(None, Kind::RestToken, "http://127.0.0.1:1");
        api.routes = vec![route("GET /a", None)];
        api.key = Some("it's".to_owned());
        let expected = r"curl -i -H 'x-api-key: it'\''s' 'http://127.0.0.1:1/a'; echo";
        assert_eq!(call(&api).unwrap(), expected);

        let mut api = Api::new(None, Kind::WebSocket, "http://127.0.0.1:1");
        api.routes = vec![route("$connect", Some("Judge")), route("$disconnect", None)];
        api.key = Some("it's".to_owned());
        let shown = call(&api).unwrap();
        let start = "# with what the authorizer Judge asks for, added:\n  node -e \
                     'const s = new WebSocket(\"ws://127.0.0.1:1\", \
                     {\"headers\":{\"x-api-key\":\"it\\u0027s\"}});";
        assert!(shown.starts_with(start), "{shown}");
        assert!(shown.contains("s.onopen = () => console.log(\"connected\");"), "{shown}");
    }
}
