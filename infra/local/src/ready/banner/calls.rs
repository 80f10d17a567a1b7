//! The commands for each API: one for each outcome.

use std::fmt;

use authorizer::Refuse;
use serde_json::Value;

use super::shown::{Shown, Socket};
use crate::examples::{Call, Limit};
use crate::ready::routes;

/// The commands for one API that answers HTTP.
pub(super) struct Api<'a> {
    pub(super) url: &'a str,
    pub(super) name: &'a str,
    pub(super) shown: &'a Shown,
    pub(super) allowed: &'a Call,
    pub(super) refuse: Option<Refuse>,
    /// The status of a request without a credential.
    pub(super) none: u16,
}

impl Api<'_> {
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

pub(super) fn write_socket(
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
        return writeln!(f, "  TOKEN=$TOKEN {}", routes::socket(&address, Some(message)));
    }
    writeln!(f, "  # WebSocket API, a message and its echo (Node 22 or newer)")?;
    writeln!(
        f,
        "  TOKEN=$TOKEN node -e 'const s = new WebSocket({address});\n    \
         s.onopen = () => s.send(JSON.stringify({{ action: \"echo\" }}));\n    \
         s.onmessage = m => {{ console.log(m.data); s.close() }}'"
    )
}
