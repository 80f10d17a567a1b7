//! `tollgate policy explain`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use authorizer::{Config, Require, assumed_caller, decode, is_duplicate_member, strict_json};
use clap::Args;
use policy::{Caller, MethodArn, Verdict};
use serde_json::{Map, Value, json};

use crate::args::Source;
use crate::error::Error;
use crate::output::Output;
use crate::read::{place, read, secret};

/// Show which rule lets a caller call a route, or why none does.
///
/// The claims are assumed to be those of a valid token; `tollgate token inspect` verifies one.
/// Exits with 0 if the call is allowed, with 1 if it is not.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    #[command(flatten)]
    source: Source,
    /// Call to explain: "GET /orders/1", or a route key such as '$connect'.
    #[arg(long)]
    route: String,
    /// Stage of the API.
    #[arg(long, default_value = "prod")]
    stage: String,
    /// File with the claims of the caller's token as JSON; by default standard input.
    #[arg(long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    claims: PathBuf,
    /// Read the caller's token from standard input instead of its claims.
    #[arg(long, conflicts_with = "claims")]
    token: bool,
    /// Read an API key's details, as `key show --json` prints them, instead of claims.
    #[arg(long, conflicts_with_all = ["token", "anonymous"])]
    key: bool,
    /// Explain the call of a caller without a credential.
    #[arg(long, conflicts_with_all = ["token", "claims"])]
    anonymous: bool,
    /// Address of the caller, for rules with `source_ips`.
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
}

impl Explain {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        let Self { source, route, stage, claims, token, key, anonymous, source_ip } = self;
        let reads_input = claims == Path::new("-") && !anonymous;
        if source.file == Path::new("-") && reads_input {
            return Err(Error::misuse(
                "standard input can't be both configuration and claims: give `--claims` a file",
            ));
        }
        let arn = arn(&route, &stage)?;
        let arn = MethodArn::parse(&arn)
            .map_err(|error| Error::misuse(format!("`--route` and `--stage`: {error}")))?;
        let config = source.config()?;
        check_credential(&config, key, anonymous)?;
        let mut claims = if anonymous {
            Map::new()
        } else if token {
            let refused =
                |refusal| Error::misuse(format!("standard input holds no token: {refusal}"));
            decode(&secret("token")?).map_err(refused)?.claims
        } else {
            read_claims(&claims)?
        };
        if !key {
            config.resolve_claim_paths(&mut claims);
        }
        let context = claims.get("context").and_then(Value::as_object).cloned().unwrap_or_default();
        let caller = match (anonymous, key) {
            (true, _) => Caller::anonymous(),
            (false, true) => Caller::new(&context)
                .with_scopes(texts(&claims, "scopes"))
                .with_groups(texts(&claims, "groups")),
            (false, false) => assumed_caller(&claims, &config.issuers).map_err(|refusal| {
                Error::refused(format!(
                    "a token with these claims is refused: {}",
                    refusal.detail()
                ))
            })?,
        };
        let caller = caller.with_source_ip(source_ip);

        let explanation = config.rules.explain(&caller, &arn);
        let json = serde_json::to_value(&explanation).unwrap_or_default();
        let json = json!({"stage": stage, "explanation": json});
        output.print(explanation.to_string().trim_end(), &json)?;
        match explanation.verdict {
            Verdict::Allowed { .. } => Ok(()),
            verdict @ Verdict::Conditional { .. } => {
                Err(Error::refused(format!("{verdict}: say which by `--source-ip`")))
            }
            verdict @ Verdict::Denied { .. } => Err(Error::refused(verdict.to_string())),
        }
    }
}

/// Refuses a credential that the configuration does not look at.
fn check_credential(config: &Config, key: bool, anonymous: bool) -> Result<(), Error> {
    let refused = |why: &str| Err(Error::refused(why.to_owned()));
    match (key, config.callers.require) {
        _ if anonymous => Ok(()),
        (false, Require::Key) => refused(
            "callers need an API key, and a token is not looked at (`require = \"key\"`): explain a \
             key by `--key`",
        ),
        (true, Require::Token) => refused(
            "callers need a token, and an API key is not looked at (`require = \"token\"`): give \
             claims",
        ),
        (true, Require::Both) => refused(
            "callers need a token and an API key (`require = \"both\"`), and rules see the token: \
             give its claims",
        ),
        _ => Ok(()),
    }
}

/// The texts of a list.
fn texts<'m>(members: &'m Map<String, Value>, name: &str) -> impl Iterator<Item = &'m str> {
    let list = members.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// The ARN of a call in an API of no account: only stage, method and path matter to rules.
fn arn(route: &str, stage: &str) -> Result<String, Error> {
    arn_of(route, "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5", stage)
}

/// The ARN of a call in a stage of the API that `api` names.
pub(super) fn arn_of(route: &str, api: &str, stage: &str) -> Result<String, Error> {
    if stage.is_empty() || stage.contains(['/', ':']) {
        return Err(Error::misuse("`--stage` must be a stage's name, such as `prod`"));
    }
    let target = match route.split_once(' ') {
        Some((method, path)) if path.starts_with('/') && METHODS.contains(&method) => {
            format!("{method}{path}")
        }
        None if route.starts_with('$') && !route.contains('/') => route.to_owned(),
        _ => {
            return Err(Error::misuse(format!(
                "`--route` must be a method and a path, such as `GET /orders/1`, or `$connect`: \
                 `{route}`"
            )));
        }
    };
    Ok(format!("{api}/{stage}/{target}"))
}

const EXAMPLES: &str = r#"Examples:
  tollgate policy explain FILE --route "GET /orders/1" --claims claims.json
  echo '{"scope": "orders/read"}' |
    tollgate policy explain tollgate.toml --route "GET /orders/1"
  echo "$TOKEN" |
    tollgate policy explain tollgate.toml --route "GET /orders/1" --token
  printenv API_KEY | tollgate key show - --json |
    tollgate policy explain tollgate.toml --route "GET /orders/1" --key
  tollgate policy explain tollgate.toml --route "GET /health" --anonymous
  tollgate policy explain FILE --route '$connect' --stage dev --claims a.json"#;

/// The most bytes of claims that are read; no token that API Gateway passes on has more.
const MOST: usize = 64 * 1024;

/// The methods that API Gateway routes by.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// Reads the claims; nothing of them is in an error, for they may be a token after all.
fn read_claims(file: &Path) -> Result<Map<String, Value>, Error> {
    let place = match file {
        file if file == Path::new("-") => place(file),
        file => format!("`{}`", place(file)),
    };
    let wrong = |what: String| Error::misuse(format!("{place}: {what}"));
    let text = read(file, MOST as u64)?;
    if text.len() > MOST {
        return Err(wrong(format!("longer than {MOST} bytes: give the claims of one token")));
    }
    match strict_json(&text) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) => {
            Err(wrong("the claims are not a JSON object: write `{\"scope\": \"…\"}`".to_owned()))
        }
        Err(error) if is_duplicate_member(&error) => Err(wrong(format!(
            "the claims have a duplicate member, at line {}, column {}: the authorizer refuses such a \
             token",
            error.line(),
            error.column()
        ))),
        Err(error) => Err(wrong(format!(
            "the claims are not JSON, at line {}, column {}: give a token's payload, decoded",
            error.line(),
            error.column()
        ))),
    }
}
