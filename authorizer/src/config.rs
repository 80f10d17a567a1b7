//! The configuration: one TOML file, or two environment variables.
//!
//! `reference.toml` of this crate has every field, and a test checks that.
//! `AUTHORIZER_CONFIG` is a path or the text itself. `USER_POOL_ID` and `CLIENT_IDS` alone make an
//! authorizer that accepts every valid access token of these clients. Every check is on unless it
//! is turned off by name; a required check that is missing is an error.

mod issuer;

mod lint;
mod metrics;
mod policy;
mod response;
mod revocation;
mod source;
mod throttle;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use ::policy::{Code, RuleSpec, Rules};
use serde::Deserialize;
use toml::Spanned;

use issuer::IssuerSpec;
pub use issuer::{Accepted, BoundTokens, Checks, Identity, Issuer, TokenUse};
pub use metrics::MetricsConfig;
use policy::PolicyConfig;
pub use response::{HttpForm, HttpUnauthorized, ResponseConfig};
pub use revocation::{RevocationConfig, RevocationFailure};
pub use source::TokenSource;
pub(crate) use throttle::UNKNOWN_KEY;
pub use throttle::{PlanChoice, Refuse, ThrottleConfig};

/// The longest configuration, in bytes.
const MAX_CONFIG: usize = 256 * 1024;

/// The rule of a pool that only the environment names: the same as API Gateway's own Cognito
/// authorizer.
const OPEN_RULE: &str = r#"
name = "every valid token"
allow = ["ANY /*"]
everyone = true
"#;

/// The configuration of an authorizer.
#[derive(Debug)]
pub struct Config {
    /// Issuers whose tokens are accepted.
    pub issuers: Vec<Issuer>,
    /// Rules that allow and deny routes.
    pub rules: Rules,
    /// The place of the token in a request.
    pub token: TokenSource,
    /// The form of responses to HTTP APIs.
    pub response: ResponseConfig,
    /// Rate limits and quotas; `None` for no limits.
    pub throttle: Option<ThrottleConfig>,
    /// The table of revocations; `None` if tokens are valid until they expire.
    pub revocation: Option<RevocationConfig>,
    /// Metrics in the log.
    pub metrics: MetricsConfig,
}

/// A mistake in a configuration, and its place.
///
/// Displayed as one line: `place:line: mistake and fix`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    place: String,
    message: String,
}

/// The configuration file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuer: Vec<Spanned<IssuerSpec>>,
    rule: Vec<Spanned<RuleSpec>>,
    #[serde(default)]
    policy: PolicyConfig,
    #[serde(default)]
    token: TokenSource,
    #[serde(default)]
    response: ResponseConfig,
    #[serde(default)]
    metrics: MetricsConfig,
    throttle: Option<Spanned<ThrottleConfig>>,
    revocation: Option<Spanned<RevocationConfig>>,
}

impl Config {
    /// Reads the configuration that the environment names.
    ///
    /// Logs a warning for each rule that tokens of every one of several issuers can meet.
    ///
    /// # Errors
    ///
    /// No configuration is named, the file cannot be read, or it has a mistake.
    pub fn from_env() -> Result<Self, ConfigError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // An empty AUTHORIZER_CONFIG is a mistake: the pool's open rule must not replace the file.
        let source = std::env::var("AUTHORIZER_CONFIG").ok();
        let config = match (source, variable("USER_POOL_ID"), variable("CLIENT_IDS")) {
            (Some(source), None, None) => Self::from_source(&source),
            (None, Some(pool), Some(clients)) => Self::from_pool(&pool, &clients),
            (source, ..) => Err(ConfigError {
                place: "environment".into(),
                message: match source {
                    Some(_) => {
                        "both AUTHORIZER_CONFIG and USER_POOL_ID or CLIENT_IDS are set: \
                                keep one, because the others would be ignored"
                    }
                    None => {
                        "no configuration: set AUTHORIZER_CONFIG to a TOML file or its text, \
                             or both USER_POOL_ID and CLIENT_IDS"
                    }
                }
                .into(),
            }),
        }?;
        for finding in config.lint().iter().filter(|finding| finding.code == Code::AnyIssuer) {
            tracing::warn!(%finding, "a rule trusts every issuer");
        }
        Ok(config)
    }

    /// Reads a configuration from a path, or from the text itself.
    ///
    /// A text with a line break or a bracket is a configuration, any other a path.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it has a mistake.
    pub fn from_source(source: &str) -> Result<Self, ConfigError> {
        if source.is_empty() {
            return Err(ConfigError {
                place: "AUTHORIZER_CONFIG".into(),
                message: "is empty: give a path or the text, or unset it".into(),
            });
        }
        if source.contains(['\n', '[']) {
            return Self::parse(source, "AUTHORIZER_CONFIG");
        }
        Self::read(Path::new(source))
    }

    /// Reads a configuration from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it has a mistake.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let place = path.display().to_string().escape_debug().to_string();
        match read(path) {
            Ok(text) => Self::parse(&text, &place),
            Err(message) => Err(ConfigError { place, message }),
        }
    }

    /// Makes the configuration of one Cognito pool: every valid access token, every route.
    ///
    /// `clients` are separated by commas or spaces.
    ///
    /// # Errors
    ///
    /// The pool's id is invalid, or there is no client.
    pub fn from_pool(pool: &str, clients: &str) -> Result<Self, ConfigError> {
        let error =
            |message: String| ConfigError { place: "USER_POOL_ID and CLIENT_IDS".into(), message };
        let clients: Vec<String> = clients
            .split([',', ' '])
            .filter(|client| !client.is_empty())
            .map(str::to_owned)
            .collect();
        if clients.is_empty() {
            return Err(error("an empty client list lets nobody in: name a client".into()));
        }
        let issuer =
            IssuerSpec::of_pool(pool, clients).and_then(IssuerSpec::resolve).map_err(error)?;
        let rule: RuleSpec =
            toml::from_str(OPEN_RULE).map_err(|found| error(one_line(found.message())))?;
        let rules = Rules::compile(vec![rule]).map_err(|found| error(found.to_string()))?;
        Ok(Self {
            issuers: vec![issuer],
            rules,
            token: TokenSource::default(),
            response: ResponseConfig::default(),
            throttle: None,
            revocation: None,
            metrics: MetricsConfig::default(),
        })
    }

    /// Reads a configuration's text. Errors begin with `place` and the line.
    ///
    /// # Errors
    ///
    /// Any unknown, missing, duplicate or out-of-bounds field, with its line.
    pub fn parse(text: &str, place: &str) -> Result<Self, ConfigError> {
        let error = |Wrong { at, message }: Wrong| ConfigError {
            place: match at {
                Some(offset) => format!("{place}:{}", line_of(text, offset)),
                None => place.to_owned(),
            },
            message,
        };
        if text.len() > MAX_CONFIG {
            return Err(error(Wrong::file(format!("longer than {MAX_CONFIG} bytes"))));
        }
        let file: File = toml::from_str(text).map_err(|found| {
            let at = found.span().map(|span| span.start);
            error(Wrong { at, message: one_line(found.message()) })
        })?;
        file.judge().map_err(error)
    }
}

/// A mistake in a file, and its byte offset if it has one.
struct Wrong {
    at: Option<usize>,
    message: String,
}

impl Wrong {
    fn file(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into() }
    }

    fn at(offset: usize) -> impl FnOnce(String) -> Self {
        move |message| Self { at: Some(offset), message }
    }
}

impl File {
    /// Checks the tables, each by itself and then together.
    fn judge(self) -> Result<Config, Wrong> {
        let Self { issuer, rule, policy, token, response, metrics, throttle, revocation } = self;
        let mut issuers = issuers(issuer)?;
        let rules = rules(rule, policy, response.http, &issuers)?;
        let throttle = checked(throttle, |table| {
            let ids_only = issuers.iter().all(|issuer| issuer.checks.token_use == TokenUse::Id);
            if table.subject == "client_id" && ids_only {
                return Err(
                    "`subject = \"client_id\"` is not in ID tokens, and only ID tokens are \
                            accepted: name another claim, for example `sub`"
                        .into(),
                );
            }
            throttle::check(table)
        })?;
        let revocation = checked(revocation, RevocationConfig::check)?;
        let needs_sub = revocation.is_some()
            || throttle.as_ref().is_some_and(|throttle| throttle.subject == "sub")
            || rules.fills("sub");
        for issuer in &mut issuers {
            Arc::make_mut(&mut issuer.checks).needs_sub = needs_sub;
        }
        Ok(Config { issuers, rules, token, response, throttle, revocation, metrics })
    }
}

/// Checks a table, if it is there.
fn checked<T>(
    table: Option<Spanned<T>>,
    check: impl FnOnce(&T) -> Result<(), String>,
) -> Result<Option<T>, Wrong> {
    let Some(table) = table else { return Ok(None) };
    check(table.as_ref()).map_err(Wrong::at(table.span().start))?;
    Ok(Some(table.into_inner()))
}

/// Checks the issuers: each by itself, and that no two share a URL or a name.
fn issuers(specs: Vec<Spanned<IssuerSpec>>) -> Result<Vec<Issuer>, Wrong> {
    if specs.is_empty() {
        return Err(Wrong::file("no issuer: add an [[issuer]] table"));
    }
    let mut issuers: Vec<Issuer> = Vec::with_capacity(specs.len());
    for spec in specs {
        let at = spec.span().start;
        let issuer = spec.into_inner().resolve().map_err(Wrong::at(at))?;
        let mut known = issuers.iter().flat_map(|other| &other.identities);
        if let Some(twice) = known.find(|one| issuer.identities.iter().any(|i| i.iss == one.iss)) {
            let message = format!("duplicate issuer `{}`: remove one", twice.iss);
            return Err(Wrong::at(at)(message));
        }
        let name = &issuer.checks.issuer;
        if issuers.iter().any(|other| other.checks.issuer == *name) {
            return Err(Wrong::at(at)(format!(
                "duplicate issuer name `{name}`: callers of both would share limits; give one \
                 another `name`"
            )));
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

/// Compiles the rules.
fn rules(
    specs: Vec<Spanned<RuleSpec>>,
    policy: PolicyConfig,
    http: HttpForm,
    issuers: &[Issuer],
) -> Result<Rules, Wrong> {
    if specs.is_empty() {
        return Err(Wrong::file("no rule, so no caller may call anything: add a [[rule]] table"));
    }
    let places: Vec<(String, usize)> =
        specs.iter().map(|spec| (spec.as_ref().name.clone(), spec.span().start)).collect();
    let mut named = Vec::with_capacity(specs.len());
    for spec in specs {
        let at = spec.span().start;
        let mut spec = spec.into_inner();
        name_issuers(&mut spec, issuers).map_err(Wrong::at(at))?;
        named.push(spec);
    }
    let rules = Rules::compile_within(named, policy.document_limit);
    let rules =
        rules.and_then(|rules| if policy.deny_rest { rules.denying_rest() } else { Ok(rules) });
    let rules = rules.map_err(|found| {
        // Of two rules with one name the second is wrong.
        let wrong = places.iter().rfind(|(name, _)| name == found.rule());
        Wrong { at: wrong.map(|(_, at)| *at), message: one_line(&found.to_string()) }
    })?;
    if http == HttpForm::Simple
        && let Some((name, field)) = rules.conditioned().next()
    {
        let wrong = places.iter().find(|(other, _)| other == name);
        let message = format!(
            "rule `{}` has `{field}`, which a cached simple response would lose: set \
             `http = \"iam\"` in [response], or remove `{field}`",
            name.escape_debug()
        );
        return Err(Wrong { at: wrong.map(|(_, at)| *at), message });
    }
    Ok(rules)
}

/// Replaces issuers' URLs in a rule by their names.
///
/// A pool has several URLs: a rule for one of them must apply to all.
fn name_issuers(rule: &mut RuleSpec, issuers: &[Issuer]) -> Result<(), String> {
    for written in rule.issuers.iter_mut().flatten() {
        let name = |issuer: &&Issuer| issuer.checks.issuer == *written;
        let url = |issuer: &&Issuer| issuer.identities.iter().any(|known| known.iss == *written);
        let Some(issuer) = issuers.iter().find(name).or_else(|| issuers.iter().find(url)) else {
            let names: Vec<String> =
                issuers.iter().map(|issuer| format!("`{}`", issuer.checks.issuer)).collect();
            return Err(format!(
                "`{}` in `issuers` of rule `{}` is not an [[issuer]] here: write {}, or its URL",
                written.escape_debug(),
                rule.name.escape_debug(),
                names.join(", ")
            ));
        };
        written.clone_from(&issuer.checks.issuer);
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("can't be read: {error}");
    let mut text = String::new();
    // One byte more than is allowed, which `parse` then refuses; a device has no end.
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_CONFIG as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// Returns the line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GOOD: &str = r#"[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = ["client1"]
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /orders", "GET /orders/*"]
any_scope = ["orders/read"]

[throttle]
table = "tollgate"
subject = "client_id"
plan = { claim = "custom:plan", default = "free" }
refuse = "unknown-key"
failure = "closed"
api_key = "a-key-of-twenty-chars"
"#;

    fn error(text: &str) -> String {
        Config::parse(text, "tollgate.toml").unwrap_err().to_string()
    }

    #[test]
    fn reads_the_shape_of_the_documentation() {
        let config = Config::parse(GOOD, "tollgate.toml").unwrap();
        let names: Vec<_> = config.issuers[0].identities.iter().map(|i| i.iss.as_str()).collect();
        assert_eq!(
            names,
            [
                "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123",
                "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123",
            ]
        );
        let throttle = config.throttle.unwrap();
        assert_eq!(
            (throttle.refuse, throttle.failure),
            (Refuse::UnknownKey, ::throttle::FailurePolicy::Closed)
        );
        assert_eq!(throttle.timeout(), Duration::from_millis(100), "unless it is said");
        assert!(!format!("{throttle:?}").contains("a-key-of-twenty-chars"));
    }

    #[test]
    fn names_the_line_of_each_mistake() {
        for (from, to, line, says) in [
            ("token_use", "tokenuse", 4, "unknown field `tokenuse`"),
            ("[\"client1\"]", "[]", 3, "an empty client list"),
            ("[\"client1\"]", "\"all\"", 3, "clients = \"any\""),
            ("clients = [\"client1\"]\n", "", 1, "missing field `clients`"),
            ("token_use = \"access\"\n", "", 1, "missing field `token_use`"),
            ("\"access\"", "\"refresh\"", 4, "unknown variant `refresh`"),
            ("us-east-1_abcDEF123", "us-east-1", 1, "`us-east-1` is not a user pool's id"),
            ("\"GET /orders\"", "\"GET orders\"", 8, "GET orders"),
            ("any_scope", "any_scopes", 9, "unknown field `any_scopes`"),
            ("\"unknown-key\"", "\"429\"", 15, "unknown variant `429`"),
            ("\"free\"", "\"\"", 14, "not a plan's name"),
            ("any_scope = [\"orders/read\"]\n", "", 6, "`readers` requires nothing"),
            ("api_key = \"a-key-of-twenty-chars\"\n", "", 11, "needs `api_key`"),
            ("a-key-of-twenty-chars", "short", 11, "20 to 128"),
            ("\"closed\"", "\"ajar\"", 16, "unknown variant `ajar`"),
            ("[throttle]", "[throttle", 11, ""),
            ("[throttle]", "[throttle]\ntimeout_ms = 9", 11, "10 to 5000"),
            ("[throttle]", "[throttle]\nregion = \"\"", 11, "not a Region's name"),
            ("[throttle]", "[throttle]\nregion = \"eu west\"", 11, "not a Region's name"),
            ("[throttle]", "[throttle]\ntimeout_ms = 5001", 11, "10 to 5000"),
            ("[throttle]", "[throttle]\ntimeout_ms = 0.5", 12, "invalid type"),
            ("\"access\"", "\"id\"", 11, "is not in ID tokens"),
            ("a-key-of-twenty-chars", UNKNOWN_KEY, 11, "choose another"),
            ("\"unknown-key\"", "\"deny\"", 11, "remove it"),
            ("\"client_id\"", "\"\"", 11, "must not be empty"),
            ("\"tollgate\"", "\"\"", 11, "must not be empty"),
            ("[\"client1\"]", "[\"\"]", 3, "an empty client id"),
            (
                "token_use = \"access\"",
                "token_use = \"access\"\nleeway_seconds = 301",
                1,
                "in seconds",
            ),
            ("user_pool", "jwks_uri = \"https://k.example/\"\nuser_pool", 1, "goes with `url`"),
            (
                "user_pool = \"us-east-1_abcDEF123\"",
                "url = \"https://i.example/?x\"",
                1,
                "not an issuer",
            ),
            (
                "user_pool = \"us-east-1_abcDEF123\"",
                "url = \" https://i.example\"",
                1,
                "not an issuer",
            ),
            (
                "user_pool = \"us-east-1_abcDEF123\"",
                "url = \"https://i.example\"\njwks_uri = \"http://i.example/j\"",
                1,
                "keys are not fetched from `http://i.example/j`",
            ),
        ] {
            assert_eq!(GOOD.matches(from).count(), 1, "`{from}` must be there once");
            let text = error(&GOOD.replace(from, to));
            assert!(text.starts_with(&format!("tollgate.toml:{line}: ")), "{to}: {text}");
            assert!(text.contains(says), "{to}: {text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn a_subject_is_needed_where_something_uses_it() {
        let needs = |text: &str| {
            Config::parse(text, "t").unwrap().issuers.iter().all(|issuer| issuer.checks.needs_sub)
        };
        assert!(!needs(GOOD), "only the principal");
        assert!(needs(&GOOD.replace("\"client_id\"", "\"sub\"")), "a limit");
        assert!(!needs(&GOOD.replace("\"client_id\"", "\"username\"")));
        assert!(needs(&format!("{GOOD}[revocation]\ntable = \"t\"\n")), "a revocation");
        assert!(needs(&GOOD.replace("\"GET /orders/*\"", "\"GET /orders/{sub}\"")), "a path");
        assert!(!needs(&GOOD.replace("\"GET /orders/*\"", "\"GET /orders/{username}\"")));
        let deny = GOOD.replace("any_scope", "deny = [\"GET /users/{sub}/*\"]\nany_scope");
        assert!(needs(&deny), "a deny too");
    }

    #[test]
    fn refuses_an_issuer_that_stands_twice() {
        let twice = format!(
            "{GOOD}\n[[issuer]]\nurl = \"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123\"\n\
             clients = \"any\"\ntoken_use = \"any\"\n"
        );
        let text = error(&twice);
        assert!(
            text.starts_with("tollgate.toml:19: ") && text.contains("duplicate issuer `"),
            "{text}"
        );
    }

    #[test]
    fn refuses_a_name_that_two_issuers_share() {
        let other = "[[issuer]]\nurl = \"https://i.example\"\nclients = \"any\"\n\
                     token_use = \"any\"\n";
        assert!(Config::parse(&format!("{GOOD}\n{other}"), "x").is_ok());
        let text = error(&format!("{GOOD}\n{other}name = \"us-east-1_abcDEF123\"\n"));
        assert!(text.starts_with("tollgate.toml:19: ") && text.contains("share limits"), "{text}");
    }

    #[test]
    fn rules_name_issuers_by_name_or_url() {
        let other = "[[issuer]]\nname = \"partner\"\nurl = \"https://i.example\"\n\
                     clients = \"any\"\ntoken_use = \"any\"\n";
        let with = |issuers: &str| {
            format!("{GOOD}\n{other}").replace(
                "any_scope = [\"orders/read\"]\n",
                &format!("any_scope = [\"orders/read\"]\n{issuers}\n"),
            )
        };
        let any_issuer = |text: &str| {
            let findings = Config::parse(text, "x").unwrap().lint();
            findings.iter().any(|finding| finding.code == Code::AnyIssuer)
        };
        assert!(any_issuer(&with("")) && !any_issuer(GOOD));
        for (written, is_pool, is_partner) in [
            ("\"us-east-1_abcDEF123\"", true, false),
            (
                "\"https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123\"",
                true,
                false,
            ),
            ("\"partner\"", false, true),
            ("\"https://i.example\", \"us-east-1_abcDEF123\"", true, true),
        ] {
            let text = with(&format!("issuers = [{written}]"));
            assert!(!any_issuer(&text), "{written}");
            let rules = Config::parse(&text, "x").unwrap().rules;
            let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders";
            let arn = ::policy::MethodArn::parse(arn).unwrap();
            for (issuer, expected) in [("us-east-1_abcDEF123", is_pool), ("partner", is_partner)] {
                let claims = serde_json::Map::new();
                let caller = ::policy::Caller::new(&claims);
                let caller = caller.with_scopes(["orders/read"]).with_issuer(Some(issuer));
                assert_eq!(
                    rules.evaluate(&caller, &arn).verdict.is_authorized(),
                    expected,
                    "{written}"
                );
            }
        }
        let text = error(&with("issuers = [\"https://i.example/\"]"));
        assert!(text.starts_with("tollgate.toml:6: `https://i.example/` in `issuers`"), "{text}");
        assert!(text.contains("write `us-east-1_abcDEF123`, `partner`, or its URL"), "{text}");
    }

    #[test]
    fn the_rest_is_denied_where_the_file_says_so() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders";
        let arn = ::policy::MethodArn::parse(arn).unwrap();
        let claims = serde_json::Map::new();
        let caller = ::policy::Caller::new(&claims).with_scopes(["orders/read"]);
        for (said, is_denied) in
            [("", false), ("deny_rest = false", false), ("deny_rest = true", true)]
        {
            let config = Config::parse(&format!("{GOOD}[policy]\n{said}\n"), "x").unwrap();
            let document = config.rules.evaluate(&caller, &arn).document.unwrap().to_json();
            assert_eq!(document.contains("NotResource"), is_denied, "{said}");
        }
        let dated = GOOD.replace("any_scope =", "until_exp = true\nany_scope =");
        let text = error(&format!("{dated}[policy]\ndeny_rest = true\n"));
        assert!(text.starts_with("tollgate.toml:6: rule `readers` has `until_exp`"), "{text}");
    }

    #[test]
    fn refuses_conditions_that_a_simple_answer_would_lose() {
        for field in ["until_exp = true", "source_ips = [\"10.0.0.0/8\"]"] {
            let rule = format!(
                "\n[[rule]]\nname = \"office\"\nallow = [\"GET /x\"]\neveryone = true\n{field}\n"
            );
            let (name, _) = field.split_once(" = ").unwrap();
            assert!(Config::parse(&format!("{GOOD}{rule}"), "x").is_ok(), "{field}");
            let text = error(&format!("{GOOD}{rule}[response]\nhttp = \"simple\"\n"));
            assert!(text.starts_with("tollgate.toml:19: rule `office` has"), "{text}");
            assert!(text.contains(&format!("or remove `{name}`")), "{text}");
        }
        assert!(Config::parse(&format!("{GOOD}[response]\nhttp = \"simple\"\n"), "x").is_ok());
    }

    #[test]
    fn refuses_a_file_without_issuers_or_rules() {
        assert!(error("rule = []\nissuer = []").contains("no issuer"));
        assert!(error("rule = []").contains("missing field `issuer`"));
        let no_rules = GOOD.split("[[rule]]").next().unwrap();
        assert!(error(no_rules).contains("missing field `rule`"));
        assert!(error(&format!("rule = []\n{no_rules}")).contains("no caller may call"));
    }

    #[test]
    fn a_pool_and_its_clients_alone_suffice() {
        let config = Config::from_pool("eu-west-1_Ab9", "one, two").unwrap();
        let Some(Accepted::These(clients)) = &config.issuers[0].checks.clients else {
            panic!("any")
        };
        assert_eq!(clients, &["one", "two"]);
        assert_eq!(config.issuers[0].checks.token_use, TokenUse::Access);
        for (pool, clients) in [
            ("eu-west-1_Ab9", ""),
            ("eu-west-1_Ab9", " , "),
            ("nonsense", "one"),
            ("eu-west-1_A\"\nx = 1", "one"),
        ] {
            let text = Config::from_pool(pool, clients).unwrap_err().to_string();
            assert!(text.starts_with("USER_POOL_ID and CLIENT_IDS"), "{text}");
        }
    }

    #[test]
    fn tells_a_path_from_a_text() {
        assert!(Config::from_source(GOOD).is_ok());
        assert!(Config::from_source("").unwrap_err().to_string().contains("is empty"));
        let missing = Config::from_source("/nowhere/tollgate.toml").unwrap_err().to_string();
        assert!(missing.starts_with("/nowhere/tollgate.toml: can't be read"), "{missing}");
    }

    #[test]
    fn names_the_second_of_two_rules_with_one_name() {
        let twice = format!(
            "{GOOD}\n[[rule]]\nname = \"readers\"\nallow = [\"GET /x\"]\neveryone = true\n"
        );
        let text = error(&twice);
        assert!(text.starts_with("tollgate.toml:19: "), "{text}");
    }

    #[test]
    fn bounds_what_it_reads() {
        let endless = Config::from_source("/dev/zero").unwrap_err().to_string();
        assert!(endless.contains("longer than"), "{endless}");
        let text = format!("{GOOD}{}", "#".repeat(MAX_CONFIG));
        assert!(error(&text).contains("longer than"));
    }
}
