//! The authorizer's configuration as a stack needs it: a copy whose keys come from this machine,
//! the callers that fit it, its tables and its plans.
//!
//! The user's file is never changed. In the copy each issuer keeps its name and its `iss`, so that
//! rules, limits and revocations mean what they mean elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use authorizer::{CallersConfig, Config, ConfigError, FirstOf, Refuse, Require};
use policy::RuleSpec;
use serde::Deserialize;
use table::KeyRights;
use toml::Table;

use crate::demo;
use crate::gateway::{KeySource, Kind, Payload};
use crate::issuer::{self, AppClient, Form, User};
use crate::options::Options;

mod callers;
mod derive;
mod users;

use users::Users;
pub use users::UsersError;

/// The most scopes or groups of the key that is made here.
const MAX_RIGHTS: usize = 100;

/// The longest configuration that is passed on: one environment variable of a process holds it.
const MAX_TEXT: usize = 120 * 1024;

/// Errors of reading what a stack is started with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has a mistake, in the authorizer's words.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file of users has a mistake.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The configuration can't be handed on.
    #[error("`{0}`: the configuration can't be handed to the authorizer: {1}")]
    Text(String, String),
    /// A flag is about an API key, and there is none.
    #[error("{0}: needs an API key: add --api-key, or `api_key` in the configuration's [throttle]")]
    NoKey(&'static str),
}

/// Everything that a configuration says to a stack.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The configuration file's path; `None` for the demonstration.
    pub(crate) file: Option<String>,
    /// The REST API's function, and the demonstration's second one for the other kinds.
    pub(crate) functions: Vec<Configured>,
    pub(crate) issuers: Vec<Played>,
    /// Every table that is named, the limits' first.
    pub(crate) tables: Vec<String>,
    /// The plans that can be named, beside the demonstration's.
    pub(crate) plans: BTreeSet<String>,
    /// The key of the stage's usage plan.
    pub(crate) api_key: Option<String>,
    /// One line for each setting that is not honoured here.
    pub(crate) notes: Vec<String>,
}

/// One function's configuration.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) name: &'static str,
    /// The text before it was copied.
    pub(crate) written: String,
    /// The derived copy, as text and as it was read.
    pub(crate) text: String,
    pub(crate) config: Config,
    pub(crate) rules: Vec<RuleSpec>,
    pub(crate) token: TokenView,
}

/// An issuer whose part this machine plays.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) name: String,
    pub(crate) iss: String,
    /// The first part of its paths here.
    pub(crate) id: String,
    /// The address below which it is served.
    pub(crate) address: String,
    pub(crate) form: Form,
    pub(crate) lifetime: Duration,
    pub(crate) clients: Vec<AppClient>,
    pub(crate) users: Vec<User>,
    /// True where `token_use` is `id`, which no machine client can have.
    pub(crate) is_id_only: bool,
}

/// The fields of a configuration that are looked at here; the authorizer has checked them all.
#[derive(Debug, Deserialize)]
struct View {
    #[serde(default)]
    issuer: Vec<IssuerView>,
    rule: Vec<RuleSpec>,
    #[serde(default)]
    token: TokenView,
    #[serde(default)]
    claim_paths: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct IssuerView {
    user_pool: Option<String>,
    clients: Option<toml::Value>,
    audiences: Option<toml::Value>,
    scopes_claim: Option<String>,
    groups_claim: Option<String>,
    client_claim: Option<String>,
    principal: Option<FirstOf>,
    #[serde(default)]
    any_scope: Vec<String>,
    #[serde(default)]
    all_scopes: Vec<String>,
    #[serde(default)]
    any_group: Vec<String>,
    #[serde(default)]
    all_groups: Vec<String>,
    #[serde(default)]
    required_claims: Table,
}

/// The places of a WebSocket's token beside the header.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct TokenView {
    pub(crate) query: Option<String>,
    pub(crate) subprotocol: Option<String>,
}

/// A configuration that the authorizer accepts.
struct Loaded {
    place: String,
    text: String,
    table: Table,
    config: Config,
    view: View,
}

impl Loaded {
    fn file(path: &Path) -> Result<Self, Error> {
        let place = path.display().to_string();
        let read = Config::read(path);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let config = read.or_else(|error| {
            // A file that the Lambda's package has, and this machine lacks: its keys are not used.
            let stripped = derive::without_key_files(&text);
            stripped.and_then(|text| Config::parse(&text, &place).ok()).ok_or(error)
        })?;
        Self::new(place, &text, config)
    }

    fn text(text: &str) -> Result<Self, Error> {
        let place = "demonstration".to_owned();
        let config = Config::parse(text, &place)?;
        Self::new(place, text, config)
    }

    fn new(place: String, text: &str, config: Config) -> Result<Self, Error> {
        let wrong = |error: toml::de::Error| Error::Text(place.clone(), error.to_string());
        let table: Table = text.parse().map_err(wrong)?;
        let view: View = table.clone().try_into().map_err(wrong)?;
        Ok(Self { place, text: text.to_owned(), table, config, view })
    }
}

impl Setup {
    /// Reads the files that the options name. `origin` is the token issuer's address.
    pub(crate) fn read(options: &Options, origin: &str) -> Result<Self, Error> {
        let mut notes = Vec::new();
        let users = match &options.users {
            Some(path) => Users::read(path)?,
            None => Users::default(),
        };
        let own = issuer::url(origin, demo::POOL);
        let sources = match &options.config {
            Some(path) => vec![("tollgate", Loaded::file(path)?)],
            None => demonstration(options, &own, &users)?,
        };
        let Some((_, first)) = sources.first() else { return Err(no_source()) };
        let mut issuers = callers::play(&first.view, &first.config, origin, options);
        users.add_to(&mut issuers)?;
        let throttle = first.config.throttle.as_ref();
        let api_key = options.api_key.clone().or_else(|| throttle?.api_key().map(str::to_owned));
        if api_key.is_none() && options.usage_plan.is_some() {
            return Err(Error::NoKey("--usage-plan"));
        }
        if api_key.is_none() && options.api_key_source == KeySource::Header {
            return Err(Error::NoKey("--api-key-source header"));
        }
        let revocation = first.config.revocation.as_ref();
        let mut tables: Vec<String> =
            throttle.map(|table| table.table.clone()).into_iter().collect();
        tables.extend(first.config.keys.as_ref().map(|keys| keys.table.clone()));
        tables.extend(revocation.map(|revocation| revocation.table.clone()));
        if tables.is_empty() {
            tables.push(demo::TABLE.to_owned());
        }
        tables.dedup();
        let default = throttle.and_then(|throttle| throttle.plan.default.as_ref());
        let public = throttle.and_then(|throttle| throttle.plan.anonymous.as_ref());
        let of_parents = throttle.into_iter().flat_map(|throttle| &throttle.parents);
        let of_parents = of_parents.filter_map(|parent| parent.plan.as_ref());
        let plans = default.into_iter().chain(public).chain(of_parents);
        let plans = plans.map(ToString::to_string).collect();
        derive::name_unmet(options, &first.view, &first.config, &mut notes);
        let functions = sources
            .into_iter()
            .map(|(name, loaded)| {
                let text = derive::copy(&loaded, &issuers, options, &mut notes)?;
                let config = Config::parse(&text, &loaded.place)?;
                let view = loaded.view;
                let (written, rules, token) = (loaded.text, view.rule, view.token);
                Ok(Configured { name, written, text, config, rules, token })
            })
            .collect::<Result<_, Error>>()?;
        let file = options.config.as_ref().map(|path| path.display().to_string());
        Ok(Self { file, functions, issuers, tables, plans, api_key, notes })
    }

    /// The configuration of the function that is asked for an API of this kind.
    pub(crate) fn of(&self, kind: Kind) -> Option<&Configured> {
        if kind.is_rest() { self.functions.first() } else { self.functions.last() }
    }

    /// The credentials that callers need.
    pub(crate) fn callers(&self) -> CallersConfig {
        self.functions.first().map(|one| one.config.callers).unwrap_or_default()
    }

    /// Returns true if the APIs must call their authorizer for a request without a token.
    pub(crate) fn serves_without_token(&self) -> bool {
        self.functions.first().is_some_and(|one| serves_without_token(&one.config))
    }

    /// The rights of a key that meets every rule.
    pub(crate) fn key_rights(&self) -> KeyRights {
        let rules = || self.functions.iter().flat_map(|one| &one.rules);
        let names = |lists: fn(&RuleSpec) -> [&Option<Vec<String>>; 2]| {
            let all = rules().filter(|rule| !rule.allow.is_empty()).flat_map(lists);
            let all: BTreeSet<String> = all.flatten().flatten().cloned().collect();
            all.into_iter().take(MAX_RIGHTS).collect()
        };
        KeyRights {
            scopes: names(|rule| [&rule.any_scope, &rule.all_scopes]),
            groups: names(|rule| [&rule.any_group, &rule.all_groups]),
            ..KeyRights::default()
        }
    }

    /// The response to a caller over its limit on an API of this kind.
    pub(crate) fn refuse(&self, kind: Kind) -> Option<Refuse> {
        Some(self.of(kind)?.config.throttle.as_ref()?.refuse)
    }
}

/// Makes the REST API's authorizer one of REQUEST events if a TOKEN event cannot serve the
/// configuration's callers.
pub(crate) fn fit_event(options: &mut Options) -> bool {
    let file = options.config.as_deref().filter(|_| options.rest == Kind::RestToken);
    let changes = file
        .and_then(|path| Loaded::file(path).ok())
        .is_some_and(|loaded| serves_without_token(&loaded.config));
    if changes {
        options.rest = Kind::RestRequest;
    }
    changes
}

/// Returns true if a request without a token may be allowed.
fn serves_without_token(config: &Config) -> bool {
    matches!(config.callers.require, Require::Key | Require::Either) || config.rules.has_anonymous()
}

/// The demonstration's configurations: one for the REST API, one for the others if there are any.
fn demonstration(
    options: &Options,
    own: &str,
    users: &Users,
) -> Result<Vec<(&'static str, Loaded)>, Error> {
    let jwks_uri = issuer::jwks_uri(own);
    let clients: Vec<String> =
        demo::clients().into_iter().map(|client| client.id).chain(users.client_ids()).collect();
    let key = options.api_key.as_deref().unwrap_or(demo::API_KEY);
    let rest = demo::config(own, &jwks_uri, &clients, key);
    let mut all = vec![("tollgate", Loaded::text(&rest)?)];
    if options.has_second_function() {
        let simple = options.http == Some(Payload::Simple);
        let text = demo::http_config(own, &jwks_uri, &clients, simple);
        all.push(("tollgate-http", Loaded::text(&text)?));
    }
    Ok(all)
}

fn no_source() -> Error {
    Error::Text("demonstration".to_owned(), "there is none".to_owned())
}

#[cfg(test)]
mod tests;
