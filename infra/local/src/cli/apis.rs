//! The flags that say which APIs there are, and how each asks its authorizer.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};
use throttle::Plan;

use crate::gateway::{KeySource, Kind, Payload, Route, Source};
use crate::stack::Options;

/// Flags about the APIs.
#[derive(Debug, Args)]
#[command(next_help_heading = "APIs")]
pub(super) struct Apis {
    /// REST event: token (default) or request
    #[arg(long, value_enum, default_value_t = Authorizer::Token, value_name = "TYPE",
          hide_default_value = true, hide_possible_values = true)]
    authorizer: Authorizer,
    /// HTTP API too: 2.0 (default), 1.0, simple
    #[arg(long, value_enum, value_name = "FORM", num_args = 0..=1, require_equals = true,
          default_missing_value = "2.0", hide_possible_values = true)]
    http: Option<HttpForm>,
    /// HTTP API [default: 9403]
    #[arg(long, default_value_t = 9403, value_name = "PORT", hide_default_value = true,
          help_heading = super::PORTS)]
    http_port: u16,
    /// Route of the HTTP API; may be repeated
    #[arg(long, value_name = "ROUTE", value_parser = Route::parse, requires = "http")]
    route: Vec<Route>,
    /// WebSocket API too
    #[arg(long)]
    websocket: bool,
    /// WebSocket API [default: 9404]
    #[arg(long, default_value_t = 9404, value_name = "PORT", hide_default_value = true,
          help_heading = super::PORTS)]
    websocket_port: u16,
    /// Result cache, 0 to 3600
    #[arg(long, default_value_t = 0, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=3600))]
    authorizer_ttl: u32,
    /// Identity source; may be repeated
    #[arg(long, value_name = "SOURCE")]
    identity_source: Vec<Source>,
    /// Stage variable; may be repeated
    #[arg(long, value_name = "NAME=TEXT", value_parser = stage_variable)]
    stage_variable: Vec<(String, String)>,
    /// Key's source: authorizer (default), header
    #[arg(long, value_enum, default_value_t = ApiKeySource::Authorizer, value_name = "SOURCE",
          hide_default_value = true, hide_possible_values = true)]
    api_key_source: ApiKeySource,
    /// Usage plan that the API itself enforces
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
    let (name, value) = text.split_once('=').ok_or("write NAME=TEXT, such as color=blue")?;
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
        options.authorizer_ttl = Duration::from_secs(self.authorizer_ttl.into());
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
