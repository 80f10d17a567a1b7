//! The flags that say which APIs there are, and how each asks its authorizer.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::{Args, ValueEnum};
use throttle::Plan;

use crate::gateway::{KeySource, Kind, Payload, Route, Source};
use crate::stack::Options;

/// Flags about the APIs.
#[derive(Debug, Args)]
#[command(next_help_heading = "APIs")]
pub(super) struct Apis {
    /// Kind of the REST API's authorizer
    #[arg(long, value_enum, default_value_t = Authorizer::Token, value_name = "TYPE")]
    authorizer: Authorizer,
    /// Serve an HTTP API too: by payload 2.0 (if nothing is given) or 1.0 and policies, or by 2.0
    /// and simple responses
    #[arg(long, value_enum, value_name = "FORM", num_args = 0..=1, require_equals = true,
          default_missing_value = "2.0")]
    http: Option<HttpForm>,
    /// Port of the HTTP API; 0 for a free one
    #[arg(long, default_value_t = 9403, value_name = "PORT")]
    http_port: u16,
    /// Route of the HTTP API, as "GET /orders/{id}", "ANY /{proxy+}" or "$default"; more than once
    /// for several; without one there are "ANY /" and "ANY /{proxy+}"
    #[arg(long, value_name = "ROUTE", value_parser = Route::parse, requires = "http")]
    route: Vec<Route>,
    /// Serve a WebSocket API too, whose authorizer is asked at $connect
    #[arg(long)]
    websocket: bool,
    /// Port of the WebSocket API; 0 for a free one
    #[arg(long, default_value_t = 9404, value_name = "PORT")]
    websocket_port: u16,
    /// Identity source, as the API writes it: "method.request.header.X" (REST),
    /// "$request.header.X" (HTTP), "route.request.header.X" (WebSocket); more than once for
    /// several. Without one it is the header Authorization; of a WebSocket API, none
    #[arg(long, value_name = "SOURCE")]
    identity_source: Vec<Source>,
    /// Stage variable of every API; more than once for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = stage_variable)]
    stage_variable: Vec<(String, String)>,
    /// Source of API keys: the authorizer's `usageIdentifierKey` or the header x-api-key
    #[arg(long, value_enum, default_value_t = ApiKeySource::Authorizer, value_name = "SOURCE")]
    api_key_source: ApiKeySource,
    /// Usage plan that the REST API holds the API key to by itself, and with --config a WebSocket
    /// API too, in API Gateway's JSON: '{"throttle": {"rateLimit": 5, "burstLimit": 10}}'
    #[arg(long, value_name = "JSON", value_parser = usage_plan)]
    usage_plan: Option<Plan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Authorizer {
    Token,
    Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HttpForm {
    #[value(name = "1.0")]
    V1,
    #[value(name = "2.0")]
    V2,
    Simple,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ApiKeySource {
    Authorizer,
    Header,
}

/// Names and values have the characters that API Gateway takes in them.
fn stage_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be like name=value")?;
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(named) {
        return Err("a name has 1 to 64 letters, digits or underscores".to_owned());
    }
    let valued = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
    if value.len() > 512 || !value.chars().all(valued) {
        return Err("a value has up to 512 letters, digits or -._~:/?#&=,".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn usage_plan(text: &str) -> Result<Plan, String> {
    Plan::from_json(text).map_err(|error| error.to_string())
}

impl Apis {
    /// Puts the flags into the options, where they fit each other.
    pub(super) fn apply(self, options: &mut Options) -> anyhow::Result<()> {
        options.rest = match self.authorizer {
            Authorizer::Token => Kind::RestToken,
            Authorizer::Request => Kind::RestRequest,
        };
        options.http = self.http.map(|form| match form {
            HttpForm::V1 => Payload::V1,
            HttpForm::V2 => Payload::V2,
            HttpForm::Simple => Payload::Simple,
        });
        options.http_port = self.http_port;
        options.routes = self.route;
        options.websocket = self.websocket;
        options.websocket_port = self.websocket_port;
        let of_token = |source: &&Source| source.serves(Kind::RestToken);
        if options.rest == Kind::RestToken
            && self.identity_source.iter().filter(of_token).count() > 1
        {
            bail!("--identity-source: a TOKEN authorizer has one: add --authorizer request");
        }
        let kinds = options.kinds();
        for source in &self.identity_source {
            if !kinds.iter().any(|kind| source.serves(*kind)) {
                bail!(
                    "--identity-source: no API here can have `{source}`: add --authorizer request, \
                     --http or --websocket"
                );
            }
        }
        options.identity_sources = self.identity_source;
        options.stage_variables = BTreeMap::from_iter(self.stage_variable);
        options.api_key_source = match self.api_key_source {
            ApiKeySource::Authorizer => KeySource::Authorizer,
            ApiKeySource::Header => KeySource::Header,
        };
        options.usage_plan = self.usage_plan;
        Ok(())
    }
}
