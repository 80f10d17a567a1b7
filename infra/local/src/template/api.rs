//! APIs of a template, with their authorizers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::Route;
use crate::gateway::{Cors, GatewayResponse, KeySource, Kind, Payload, Selection, Source};

/// One API.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) name: String,
    /// The id in ARNs, if it is not that of its kind.
    pub(crate) id: Option<String>,
    pub(crate) family: Family,
    pub(crate) stage: String,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) key_source: Option<KeySource>,
    /// The expression that names the route of a WebSocket API's messages.
    pub(crate) selection: Selection,
    /// The media types that a REST API takes and gives in binary.
    pub(crate) binary_types: Vec<String>,
    pub(crate) authorizers: BTreeMap<String, Authorizer>,
    pub(crate) routes: Vec<Route>,
    /// The key of the route that API Gateway makes for a `Target`.
    pub(super) quick: Option<String>,
    /// True if a resource names its stage.
    pub(super) has_stage: bool,
    /// True if the template has the API itself, and not only parts that it adds to one.
    pub(crate) is_here: bool,
    /// The effect of SAM's events on it.
    pub(super) events: Events,
    /// Settings for the routes that SAM makes.
    pub(super) sam: SamSettings,
    /// The CORS settings of an HTTP API.
    pub(crate) cors: Option<Cors>,
    /// A REST API's gateway responses, by their types.
    pub(crate) responses: BTreeMap<String, GatewayResponse>,
}

impl Api {
    pub(super) fn new(name: &str, family: Family, stage: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            family,
            stage: stage.to_owned(),
            variables: BTreeMap::new(),
            key_source: None,
            selection: Selection::default(),
            binary_types: Vec::new(),
            authorizers: BTreeMap::new(),
            routes: Vec::new(),
            quick: None,
            has_stage: false,
            is_here: false,
            events: Events::default(),
            sam: SamSettings::default(),
            cors: None,
            responses: BTreeMap::new(),
        }
    }

    /// The kind of API: that of its first authorizer.
    pub(crate) fn kind(&self) -> Kind {
        if let Some(kind) = self.authorizers.values().find_map(|found| found.kind.clone().ok()) {
            return kind;
        }
        match self.family {
            Family::Rest => Kind::RestToken,
            Family::Http => Kind::Http(Payload::V2),
            Family::WebSocket => Kind::WebSocket,
        }
    }
}

/// The three families of API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Rest,
    Http,
    WebSocket,
}

impl Family {
    /// An OpenAPI document of an HTTP API has a payload format somewhere; no other has.
    pub(super) fn of_document(document: &Value) -> Self {
        let text = document.to_string();
        let is_http = text.contains("payloadFormatVersion")
            || text.contains("authorizerPayloadFormatVersion")
            || document.get("x-amazon-apigateway-cors").is_some();
        if is_http { Self::Http } else { Self::Rest }
    }
}

/// The effect of SAM's events on an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Events {
    /// They make the routes of an API without a definition.
    #[default]
    Make,
    /// They add routes, integrations and guards to the definition of an HTTP API.
    Add,
    /// They replace methods of a REST API's definition: `MergeDefinitions`.
    Replace,
    /// They add guards to methods of a REST API's definition, by `OverrideApiAuth`.
    Guard,
    /// None: the definition is elsewhere, or it is not known here.
    Nothing,
}

/// The name of a guard whose setting has a form that is not known here.
pub(super) const OTHER_FORM: &str = "a setting of another form";

/// An authorizer of an API.
#[derive(Clone, Debug)]
pub(crate) struct Authorizer {
    /// The kind of event; or why it cannot be asked here.
    pub(crate) kind: Result<Kind, String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) ttl: Duration,
    /// The expression that a TOKEN authorizer's token must match.
    pub(crate) validation: Option<String>,
    /// The function's name.
    pub(crate) function: Option<String>,
    /// The function's address, until its stage variables have their values.
    pub(super) staged: Option<String>,
}

/// Settings of an API for the routes that SAM makes.
#[derive(Debug, Default)]
pub(super) struct SamSettings {
    /// The authorizer of events that name none.
    pub(super) default_authorizer: Option<String>,
    /// True if events need a key by default.
    pub(super) needs_key: bool,
    /// The headers of OPTIONS methods, `Access-Control-Allow-Methods` only if it is given.
    pub(super) cors: Option<BTreeMap<&'static str, Value>>,
    /// True if OPTIONS methods have the default authorizer.
    pub(super) guards_preflights: bool,
    /// True if OPTIONS methods need a key where others do.
    pub(super) needs_key_for_preflights: bool,
    /// The authorizers of routes without the default, and `true` for those that need a key.
    pub(super) own: BTreeMap<String, (Option<String>, bool)>,
    /// The guards at the definition's root, for the routes without `security` of their own.
    pub(super) root: (Option<String>, bool),
    /// The routes whose operation has `security` of its own, also an empty one.
    pub(super) listed: BTreeSet<String>,
    /// True if a key alone is `security` too, as it is not for an HTTP API.
    pub(super) has_keys: bool,
}
