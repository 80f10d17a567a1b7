//! `tollgate init`.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write as _, stdin};
use std::path::PathBuf;

use authorizer::{Config, DEFAULT_TABLE, shell_word};
use clap::{Args, ValueEnum};
use policy::{RoutePattern, Severity};
use serde_json::{Value, json};
use table::Key;
use throttle::PlanId;

use crate::args::{output_file, plan_id};
use crate::confirm::ask;
use crate::context::Common;
use crate::error::Error;
use crate::output::note;
use crate::read::secret;

/// Write a commented configuration, from flags or from answers.
///
/// The file is written only if the authorizer accepts it. An existing file stays, unless `--force`
/// is given. With limits, the file holds an API key: keep it as you keep secrets.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// Cognito user pool whose tokens are accepted.
    #[arg(long, value_name = "ID", conflicts_with = "issuer")]
    user_pool: Option<String>,
    /// Another issuer: the exact `iss` of its tokens.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Accept API keys of the table instead of tokens.
    #[arg(long, conflicts_with_all = ["user_pool", "issuer", "clients", "token_use"])]
    keys: bool,
    /// App client whose tokens are accepted; repeat it for others.
    #[arg(long = "client", value_name = "ID")]
    clients: Vec<String>,
    /// Kind of token that callers send.
    #[arg(long, value_enum, default_value_t = TokenUse::Access)]
    token_use: TokenUse,
    /// A route that a group may call: 'admins=ANY /admin/*'; repeat it for others.
    #[arg(long = "group-rule", value_name = "GROUP=ROUTE", value_parser = grant)]
    group_rules: Vec<Grant>,
    /// A route that a scope allows: 'orders/read=GET /orders'; repeat it for others.
    #[arg(long = "scope-rule", value_name = "SCOPE=ROUTE", value_parser = grant)]
    scope_rules: Vec<Grant>,
    /// Plan of every caller without another one. Without it there are no limits.
    #[arg(long, value_name = "NAME", value_parser = plan_id)]
    default_plan: Option<PlanId>,
    /// Another plan, which `tollgate subject assign` gives to single callers; repeat for others.
    #[arg(long = "plan", value_name = "NAME", value_parser = plan_id, requires = "default_plan")]
    plans: Vec<PlanId>,
    /// Value of the API key that allowed callers are put on, or - for standard input. By default a
    /// new random one, which you then create in API Gateway.
    #[arg(long, value_name = "KEY", requires = "default_plan")]
    api_key: Option<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "tollgate.toml",
        value_parser = output_file)]
    out: PathBuf,
    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TokenUse {
    Access,
    Id,
}

/// A route for the callers of a group or scope.
#[derive(Clone, Debug)]
struct Grant {
    to: String,
    route: String,
}

impl Init {
    pub(crate) fn run(mut self, common: &Common) -> Result<(), Error> {
        self.complete()?;
        if self.token_use == TokenUse::Id && !self.scope_rules.is_empty() {
            return Err(Error::misuse(
                "ID tokens have no scopes: use `--token-use access`, or `--group-rule`",
            ));
        }
        let text = self.configuration(&common.table)?;
        let config = Config::parse(&text, &self.out.display().to_string())
            .map_err(|error| Error::misuse(format!("{error}; nothing was written")))?;
        self.write(&text)?;

        let findings = config.lint();
        let number = |severity| findings.iter().filter(|it| it.severity == severity).count();
        let (warnings, notes) = (number(Severity::Warning), number(Severity::Note));
        let file = self.out.display().to_string();
        let next = self.next(common);
        let width = next.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
        let lines = next.iter().map(|(line, why)| format!("\n  {line:<width$}  # {why}"));
        let said = format!(
            "wrote `{file}` (`policy lint`: {warnings} warnings, {notes} notes)\n\nNext:{}",
            lines.collect::<String>()
        );
        let json = json!({
            "file": file,
            "warnings": warnings,
            "notes": notes,
            "next": next.iter().map(|(line, _)| line).collect::<Vec<_>>(),
        });
        common.output().print(said, &json)
    }

    /// Asks for what the flags leave out, on a terminal; elsewhere it is an error.
    fn complete(&mut self) -> Result<(), Error> {
        let mut missing = Vec::new();
        let has_issuer = self.user_pool.is_some() || self.issuer.is_some();
        let has_rule = !(self.group_rules.is_empty() && self.scope_rules.is_empty());
        if !has_issuer && !self.keys {
            missing.push("`--user-pool ID`, `--issuer URL` or `--keys`");
        }
        if self.clients.is_empty() && !self.keys {
            missing.push("`--client ID`");
        }
        if !has_rule {
            missing.push("`--group-rule 'GROUP=GET /path'` or `--scope-rule 'SCOPE=GET /path'`");
        }
        if missing.is_empty() {
            return Ok(());
        }
        if !stdin().is_terminal() || self.api_key.as_deref() == Some("-") {
            let missing = missing.join(", and ");
            return Err(Error::misuse(format!(
                "give {missing}; on a terminal, `tollgate init` asks for them"
            )));
        }
        if !has_issuer && !self.keys {
            let answer = required("Cognito user pool id, or the issuer's URL: ")?;
            if answer.contains("://") {
                self.issuer = Some(answer);
            } else {
                self.user_pool = Some(answer);
            }
        }
        if self.clients.is_empty() && !self.keys {
            let answer = required("App client ids, with spaces between them: ")?;
            self.clients = answer.split_whitespace().map(str::to_owned).collect();
        }
        while self.group_rules.is_empty() && self.scope_rules.is_empty() {
            self.group_rules = grants("A group and its route, such as admins=ANY /admin/*")?;
            if self.token_use == TokenUse::Access {
                self.scope_rules =
                    grants("A scope and its route, such as orders/read=GET /orders")?;
            }
        }
        while self.default_plan.is_none() {
            let answer = ask("Plan of every caller, such as free (Enter for no limits): ")?;
            if answer.is_empty() {
                break;
            }
            match plan_id(&answer) {
                Ok(plan) => self.default_plan = Some(plan),
                Err(error) => note(format_args!("the plan's name {error}")),
            }
        }
        Ok(())
    }

    fn configuration(&self, table: &str) -> Result<String, Error> {
        let mut text = if self.keys {
            format!("{HEAD}\n{KEYS}[keys]\ntable = {}\n\n{RULES}", toml(table))
        } else {
            self.issuer()
        };
        text.push_str(&rules("group", "any_group", &self.group_rules));
        text.push_str(&rules("scope", "any_scope", &self.scope_rules));
        text.push_str(&match &self.default_plan {
            Some(plan) => self.limits(table, plan)?,
            None => NO_LIMITS.replace("TABLE", &toml(table)).replace("SUBJECT", self.subject().0),
        });
        if !self.keys {
            text.push_str(&REVOCATION.replace("TABLE", &toml(table)));
        }
        Ok(text)
    }

    /// The subject of limits, with its comment.
    fn subject(&self) -> (&'static str, &'static str) {
        if self.keys { ("api_key", KEY_SUBJECT) } else { ("sub", SUBJECT) }
    }

    /// The text up to the rules, for tokens.
    fn issuer(&self) -> String {
        let (field, issuer) = match (&self.user_pool, &self.issuer) {
            (Some(pool), _) => ("user_pool", pool.as_str()),
            (None, issuer) => ("url", issuer.as_deref().unwrap_or_default()),
        };
        let claims = if field == "url" { OTHER_CLAIMS } else { "" };
        let token_use = match self.token_use {
            TokenUse::Access => "access",
            TokenUse::Id => "id",
        };
        format!(
            "{HEAD}\n{ISSUER}[[issuer]]\n{field} = {}\n{CLIENTS}clients = {}\n{TOKEN_USE}token_use = \
             \"{token_use}\"\n{claims}\n{RULES}",
            toml(issuer),
            list(self.clients.iter().map(String::as_str)),
        )
    }

    fn limits(&self, table: &str, plan: &PlanId) -> Result<String, Error> {
        let (key, origin) = match self.api_key.as_deref() {
            Some("-") => (secret("key")?, GIVEN_KEY),
            Some(key) => (key.to_owned(), GIVEN_KEY),
            None => {
                let key = Key::generate().map_err(|error| Error::unavailable(error.to_string()))?;
                // API Gateway documents letters and digits.
                let digits = key.expose().rsplit('_').next().unwrap_or_default();
                (digits.to_owned(), NEW_KEY)
            }
        };
        let default = toml(plan.as_str());
        let choice = if self.plans.is_empty() {
            format!("{ONE_PLAN}plan = {{ default = {default} }}\n")
        } else {
            format!("{SEVERAL_PLANS}plan = {{ assigned = true, default = {default} }}\n")
        };
        let (subject, said) = self.subject();
        Ok(format!(
            "{LIMITS}[throttle]\ntable = {}\n{said}subject = \"{subject}\"\n{choice}{REFUSE}refuse = \
             \"unknown-key\"\n{origin}api_key = {}\n",
            toml(table),
            toml(&key),
        ))
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        let mut options = OpenOptions::new();
        options.write(true);
        if self.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let written = options.open(&self.out).and_then(|mut file| file.write_all(text.as_bytes()));
        let file = self.out.display();
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::refused(format!("`{file}` exists: give `--force` to replace it, or `--out`"))
            }
            _ => Error::misuse(format!("can't write `{file}`: {error}")),
        })
    }

    /// The next commands, each with its purpose.
    fn next(&self, common: &Common) -> Vec<(String, &'static str)> {
        let file = shell_word(&self.out.display().to_string());
        let table = if common.table == DEFAULT_TABLE {
            String::new()
        } else {
            format!(" --table {}", shell_word(&common.table))
        };
        let mut next = vec![
            (format!("tollgate policy lint {file}"), "check the rules"),
            (format!("tollgate-local --config {file}"), "try it on this machine"),
        ];
        for plan in self.default_plan.iter().chain(&self.plans) {
            let plan = shell_word(plan.as_str());
            let line = format!("tollgate plan put {plan} --rate 5 --burst 10{table}");
            next.push((line, "store the plan"));
        }
        if self.keys {
            next.push((format!("tollgate key create{table}"), "create a caller's key; see --help"));
        } else if self.default_plan.is_none() {
            let line = format!("tollgate doctor --config {file}");
            next.push((line, "check the issuer's keys"));
        }
        next
    }
}

/// One rule for each group or scope, with all its routes.
fn rules(kind: &str, field: &str, grants: &[Grant]) -> String {
    let mut text = String::new();
    let mut names: Vec<&str> = Vec::new();
    for Grant { to, .. } in grants {
        if names.contains(&to.as_str()) {
            continue;
        }
        names.push(to);
        let routes = grants.iter().filter(|grant| grant.to == *to);
        let routes = list(routes.map(|grant| grant.route.as_str()));
        let name = toml(&format!("{kind} {to}"));
        let to = list(std::iter::once(to.as_str()));
        text.push_str(&format!("[[rule]]\nname = {name}\n{field} = {to}\nallow = {routes}\n\n"));
    }
    text
}

/// Reads `admins=ANY /admin/*`.
fn grant(text: &str) -> Result<Grant, String> {
    let (to, route) = text
        .split_once('=')
        .filter(|(to, _)| !to.trim().is_empty())
        .ok_or("write a name, `=` and a route, such as 'admins=ANY /admin/*'")?;
    let (to, route) = (to.trim().to_owned(), route.trim().to_owned());
    route.parse::<RoutePattern>().map_err(|error| error.to_string())?;
    Ok(Grant { to, route })
}

/// Asks until an empty answer.
fn grants(question: &str) -> Result<Vec<Grant>, Error> {
    let mut grants = Vec::new();
    loop {
        let answer = ask(&format!("{question} (Enter to go on): "))?;
        if answer.is_empty() {
            return Ok(grants);
        }
        match grant(&answer) {
            Ok(grant) => grants.push(grant),
            Err(error) => note(error),
        }
    }
}

fn required(question: &str) -> Result<String, Error> {
    loop {
        let answer = ask(question)?;
        if !answer.is_empty() {
            return Ok(answer);
        }
    }
}

/// A text in TOML: JSON's escapes are TOML's too.
fn toml(text: &str) -> String {
    Value::from(text).to_string()
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<_> = texts.map(toml).collect();
    format!("[{}]", texts.join(", "))
}

const HEAD: &str = "\
# The configuration of Tollgate's authorizer, written by `tollgate init`.
# All other fields, with their defaults, are in authorizer/reference.toml.
";
const ISSUER: &str = "# Tokens of this issuer are accepted.\n";
const KEYS: &str = "\
# API keys of this DynamoDB table are accepted, and no tokens. `tollgate key create` makes keys with
# the groups and scopes that the rules ask for.
";
const CLIENTS: &str = "# Tokens of these app clients are accepted.\n";
const TOKEN_USE: &str = "\
# \"access\" or \"id\". Only access tokens have scopes. Cognito's access tokens have no custom
# attributes, unless a pre token generation trigger adds them.
";
const OTHER_CLAIMS: &str = "\
# The claims of scopes and groups, if the issuer does not use Cognito's names:
# scopes_claim = \"scp\"
# groups_claim = \"groups\"
";
const RULES: &str = "\
# A rule allows routes to the callers who have its group or scope. `/*` matches everything below.
# A caller gets 403 for each route that no rule allows.
";
const LIMITS: &str = "# Rate limits and quotas, stored in this DynamoDB table.\n";
const SUBJECT: &str = "# Each `sub` has its own limits: a user, or a machine client.\n";
const KEY_SUBJECT: &str =
    "# The subject of each key has its own limits: by default the key itself.\n";
const ONE_PLAN: &str = "\
# Every caller has this plan. It must be in the table, otherwise every call gets 500.
# With `assigned = true`, `tollgate subject assign` gives single callers other plans.
";
const SEVERAL_PLANS: &str = "\
# `tollgate subject assign` gives a caller a plan; every other caller has the default plan, which
# must be in the table, otherwise their calls get 500.
";
const REFUSE: &str = "\
# A REST API answers 429 if it maps its gateway response INVALID_API_KEY to 429. For an HTTP API
# write \"context\", remove `api_key`, and let the backend answer 429.
";
const NEW_KEY: &str = "\
# A new random value. Create an API key with this value in API Gateway, and add it to a usage plan
# of your API: allowed callers are put on this key. Keep it secret.
";
const GIVEN_KEY: &str = "\
# The value of an API key in a usage plan of your API: allowed callers are put on this key. Keep it
# secret.
";
const NO_LIMITS: &str = "\
# There are no limits. To add them, store a plan (`tollgate plan put free --rate 5 --burst 10`) and
# remove the `# ` below. `api_key` is the value of an API key in a usage plan of your API.
# [throttle]
# table = TABLE
# subject = \"SUBJECT\"
# plan = { default = \"free\" }
# refuse = \"unknown-key\"
# api_key = \"the value of that key\"
";
const REVOCATION: &str = "
# A token is valid until it expires. To revoke tokens with `tollgate revoke`, remove the `# ` below:
# [revocation]
# table = TABLE
";

const EXAMPLES: &str = "\
Examples:
  tollgate init
  tollgate init --user-pool us-east-1_abcDEF123 --client 1example23456789 \\
    --group-rule 'admins=ANY /admin/*' --group-rule 'readers=GET /orders' \\
    --default-plan free
  tollgate init --keys --scope-rule 'orders/read=GET /orders' \\
    --default-plan free
  printenv KEY | tollgate init --issuer https://id.example --client web \\
    --scope-rule 'orders/read=GET /orders' --default-plan free \\
    --api-key - --out shop.toml";
