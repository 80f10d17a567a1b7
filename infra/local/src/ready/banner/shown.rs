//! The parts of the text that depend on the configuration and the flags.

use authorizer::{HttpUnauthorized, Refuse, Require, Scheme};

use crate::examples::{Examples, Limit};
use crate::gateway::{KeySource, Kind, Payload};
use crate::options::Options;
use crate::ready::Filled;
use crate::setup::Setup;

/// The parts of the text beside the addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(super) examples: Examples,
    /// Plans that were made up.
    pub(super) made_up: Vec<String>,
    pub(super) rest: Kind,
    pub(super) http: Option<Payload>,
    /// Seconds for which results are cached; 0 for none.
    pub(super) ttl: u64,
    /// The key that each request must bring.
    pub(in crate::ready) key: Option<String>,
    /// True if callers have only keys.
    pub(super) by_key: bool,
    /// A key that a request may bring in place of a token.
    pub(super) other_key: Option<String>,
    pub(super) file: Option<String>,
    /// The header that holds the token.
    header: String,
    /// True if the header has no scheme before the token.
    bare: bool,
    pub(super) socket: Socket,
    pub(super) refuse: Option<Refuse>,
    pub(super) refuse_http: Option<Refuse>,
    /// The status of an HTTP API for a request without a credential.
    pub(super) unauthorized_http: u16,
    /// The APIs' own usage plan.
    pub(super) native: Option<Limit>,
    pub(super) upstream: bool,
    /// True if no route asks Tollgate's authorizer.
    pub(in crate::ready) is_plain: bool,
}

/// The place of a WebSocket's token.
#[derive(Clone, Debug, Default)]
pub(super) enum Socket {
    Subprotocol(String),
    Query(String),
    #[default]
    Header,
}

impl Shown {
    pub(in crate::ready) fn new(
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
    pub(super) fn token(&self, token: &str) -> String {
        let scheme = if self.bare { "" } else { "Bearer " };
        format!("\"{}: {scheme}{token}\"", title(&self.header))
    }

    /// Headers of a request with the token.
    pub(super) fn credentials(&self) -> String {
        if self.by_key {
            return self.key_header().trim_start().to_owned();
        }
        format!("-H \"$AUTH\"{}", self.key_header())
    }

    /// The same with a token of its own for each request: a cached result is for one token.
    pub(super) fn fresh_credentials(&self) -> String {
        if self.ttl == 0 || self.by_key {
            return self.credentials();
        }
        format!("-H {}{}", self.token("$(curl -s $TOKEN_URL)"), self.key_header())
    }

    pub(super) fn key_header(&self) -> String {
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
