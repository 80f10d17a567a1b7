//! The file of `--users`: app clients and users of one's own.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::Played;
use super::callers::ANY_CLIENT;
use crate::demo;
use crate::issuer::{AppClient, User};

/// A mistake in a file of users, as `place:line: mistake and fix`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct UsersError {
    place: String,
    message: String,
}

/// The callers of one's own.
#[derive(Default)]
pub(super) struct Users {
    place: String,
    text: String,
    file: File,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<Spanned<ClientSpec>>,
    #[serde(default)]
    user: Vec<Spanned<UserSpec>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientSpec {
    id: String,
    secret: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    issuer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserSpec {
    name: String,
    password: Option<String>,
    sub: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    claims: Map<String, Value>,
    issuer: Option<String>,
}

impl Users {
    pub(super) fn read(path: &Path) -> Result<Self, UsersError> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| UsersError {
            place: place.clone(),
            message: format!("can't be read: {error}"),
        })?;
        Self::parse(text, place)
    }

    pub(super) fn parse(text: String, place: String) -> Result<Self, UsersError> {
        let file = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            UsersError { place: line(&place, &text, at), message }
        })?;
        Ok(Self { place, text, file })
    }

    pub(super) fn client_ids(&self) -> impl Iterator<Item = String> {
        self.file.client.iter().map(|client| client.as_ref().id.clone())
    }

    /// Adds them to their issuers, before those that were made up; the same name replaces one.
    pub(super) fn add_to(self, issuers: &mut [Played]) -> Result<(), UsersError> {
        let Self { place, text, file } = self;
        let mut seen = BTreeSet::new();
        let mut find = |issuers: &[Played], written: Option<&str>, kind, name: &str, at: usize| {
            let wrong = |message| UsersError { place: line(&place, &text, at), message };
            let issuer = find(issuers, written).map_err(wrong)?;
            if seen.insert((kind, issuer, name.to_owned())) {
                Ok(issuer)
            } else {
                Err(wrong(format!("the {kind} `{name}` is also defined below: remove one")))
            }
        };
        for spec in file.client.into_iter().rev() {
            let at = spec.span().start;
            let ClientSpec { id, secret, scopes, claims, issuer } = spec.into_inner();
            let issuer = find(issuers, issuer.as_deref(), "client", &id, at)?;
            let Some(Played { clients, .. }) = issuers.get_mut(issuer) else { continue };
            let is_accepted = clients.iter().any(|it| it.id == id || it.id == ANY_CLIENT);
            clients.retain(|client| client.id != id);
            let is_public = secret.is_none();
            // A machine client needs one to get a token.
            let secret = secret.or((!scopes.is_empty()).then(|| demo::secret(&id)));
            // Users sign in through the first, so one that no configuration accepts comes last.
            let at = if is_accepted { 0 } else { clients.len() };
            clients.insert(at, AppClient { id, secret, scopes, is_public, claims });
        }
        for spec in file.user.into_iter().rev() {
            let at = spec.span().start;
            let spec = spec.into_inner();
            let issuer = find(issuers, spec.issuer.as_deref(), "user", &spec.name, at)?;
            let Some(Played { users, .. }) = issuers.get_mut(issuer) else { continue };
            users.retain(|user| user.username != spec.name);
            let password = spec.password.unwrap_or_else(|| demo::password(&spec.name));
            let UserSpec { name: username, sub, groups, scopes, attributes, claims, .. } = spec;
            let user = User { username, password, sub, groups, scopes, attributes, claims };
            users.insert(0, user);
        }
        Ok(())
    }
}

/// The issuer of this name or URL; the only one if none is written.
fn find(issuers: &[Played], written: Option<&str>) -> Result<usize, String> {
    let names = || {
        let names: Vec<String> = issuers.iter().map(|one| format!("`{}`", one.name)).collect();
        names.join(", ")
    };
    match written {
        None if issuers.len() == 1 => Ok(0),
        None => Err(format!("there are several issuers: add `issuer`, one of {}", names())),
        Some(written) => issuers
            .iter()
            .position(|one| one.name == written || one.iss == written)
            .ok_or_else(|| format!("`{written}` is not an issuer here: write one of {}", names())),
    }
}

fn line(place: &str, text: &str, at: usize) -> String {
    let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    format!("{place}:{line}")
}
