//! The command line: its flags, and one run from start to Ctrl-C.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use http::Uri;
use throttle::SystemClock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Now;
use crate::demo;
use crate::differences;
use crate::note;
use crate::stack::{Options, Stack};
use crate::terminal;

mod apis;

/// The exit code of a start that failed, as of a wrong command line.
const EXIT_MISUSE: u8 = 2;

const EXAMPLES: &str = r#"Examples:
  local                                    the demonstration, and commands to paste
  local --upstream http://127.0.0.1:3000   in front of a service of your own
  local --print-config > tollgate.toml     the demonstration's configuration, to start from
  local --config tollgate.toml --users users.toml
                                           your own issuers, rules and limits, and your own callers
  local --data ./data --environments 8     a table that stays, shared by eight processes
  local --authorizer request --stage-variable color=blue
                                           REQUEST events, with the stage's variables
  local --http --websocket                 an HTTP and a WebSocket API beside the REST API
  local --http=simple --route 'GET /orders' --route 'ANY /{proxy+}' --authorizer-ttl 300 \
        --identity-source '$request.header.Authorization' --identity-source '$context.routeKey'
                                           verdicts, kept by token and route
  local --usage-plan '{"throttle": {"rateLimit": 5, "burstLimit": 10}}'
                                           API Gateway's own plan on the key, to compare with
  local --json --api-port 0 --issuer-port 0 --dynamodb-port 0
                                           for a script: free ports, told in one line

Set AWS_LAMBDA_LOG_LEVEL=DEBUG to hear more of the authorizer."#;

/// Tollgate's whole path on this machine: APIs, the real authorizer, a table, a token issuer.
///
/// Everything listens on 127.0.0.1 alone and ends with Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "local", version, after_help = EXAMPLES,
          after_long_help = format!("{EXAMPLES}\n\n{}", differences::LIST))]
pub struct Cli {
    /// Port of the REST API; 0 for a free one
    #[arg(long, default_value_t = 9400, value_name = "PORT")]
    api_port: u16,
    /// Port of the token issuer; 0 for a free one
    #[arg(long, default_value_t = 9401, value_name = "PORT")]
    issuer_port: u16,
    /// Port of the DynamoDB-compatible table; 0 for a free one
    #[arg(long, default_value_t = 9402, value_name = "PORT")]
    dynamodb_port: u16,
    /// Execution environments of the authorizer, one process each: 1 to 64
    #[arg(long, default_value = "2", value_name = "N", value_parser = environments)]
    environments: NonZeroUsize,
    /// Seconds for which the API keeps an authorizer's result, 0 to 3600; 0 keeps none
    #[arg(long, default_value_t = 0, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=3600))]
    authorizer_ttl: u32,
    /// Seconds for which the issuer's tokens are good, 1 to 86400
    #[arg(long, default_value_t = 3600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    token_lifetime: u32,
    /// HTTP service behind the API; without one requests are echoed
    #[arg(long, value_name = "URL", value_parser = upstream)]
    upstream: Option<Uri>,
    /// Folder that keeps the table; without one it is in memory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration of the authorizer in TOML; without one the demonstration's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Users and app clients of your own, beside those that are made up, in TOML:
    /// [[user]] name, groups, scopes, claims, attributes; [[client]] id, secret, scopes, claims.
    /// infra/local/users.example.toml has every field
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Print the demonstration's configuration, to start your own from, and end
    #[arg(long, conflicts_with = "config")]
    print_config: bool,
    /// API key of the usage plan, which an authorizer must name for an allowed caller, else the
    /// answer is 429; by default the configuration's `api_key`
    #[arg(long, value_name = "KEY", value_parser = api_key)]
    api_key: Option<String>,
    #[command(flatten)]
    apis: apis::Apis,
    /// Print one line of JSON when ready, and nothing else on standard output
    #[arg(long)]
    json: bool,
}

fn environments(text: &str) -> Result<NonZeroUsize, String> {
    let number: Option<NonZeroUsize> = text.parse().ok();
    number.filter(|number| number.get() <= 64).ok_or_else(|| "must be 1 to 64".to_owned())
}

fn upstream(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "is not a URL".to_owned())?;
    match (uri.scheme_str(), uri.host(), uri.query()) {
        (Some("http"), Some(_), None) => Ok(uri),
        _ => Err("must be like http://127.0.0.1:3000/path".to_owned()),
    }
}

/// API Gateway's bounds on a key's value; the characters are those that TOML takes as they are.
fn api_key(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte);
    if (20..=128).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be 20 to 128 letters, digits or -_.+/=".to_owned())
    }
}

/// Reads the command line, runs the stack until a signal ends it, and says how that went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            // It may quote the command line.
            note(error.render().to_string().trim_end());
            return ExitCode::from(EXIT_MISUSE);
        }
        Err(error) => error.exit(),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, even if the cause's text has several.
            let text = format!("{error:#}");
            note(&format!("error: {}", text.split_whitespace().collect::<Vec<_>>().join(" ")));
            ExitCode::from(EXIT_MISUSE)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    if cli.print_config {
        print(&demo::printed(cli.issuer_port));
        return Ok(());
    }
    let authorizer = std::env::current_exe().context("this executable can't be found")?;
    let json = cli.json;
    let options = cli.into_options(authorizer)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything is started, so that a Ctrl-C is never missed.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stack = tokio::select! {
            stack = Stack::start(options) => stack?,
            () = either(&mut interrupt, &mut terminate) => return Ok(()),
        };
        announce(&stack, json)?;
        either(&mut interrupt, &mut terminate).await;
        stack.shutdown().await;
        Ok(())
    })
}

impl Cli {
    fn into_options(self, authorizer: PathBuf) -> anyhow::Result<Options> {
        let mut options = Options::new(authorizer, Now::new(SystemClock::new()));
        options.api_port = self.api_port;
        options.issuer_port = self.issuer_port;
        options.dynamodb_port = self.dynamodb_port;
        options.environments = self.environments;
        options.authorizer_ttl = Duration::from_secs(self.authorizer_ttl.into());
        options.token_lifetime = Duration::from_secs(self.token_lifetime.into());
        options.upstream = self.upstream;
        options.data = self.data;
        options.config = self.config;
        options.users = self.users;
        options.api_key = self.api_key;
        self.apis.apply(&mut options)?;
        Ok(options)
    }
}

fn announce(stack: &Stack, json: bool) -> anyhow::Result<()> {
    let ready = stack.ready();
    let text =
        if json { format!("{}\n", serde_json::to_string(&ready)?) } else { ready.to_string() };
    print(&text);
    Ok(())
}

fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // If standard output is closed, serve the API all the same.
    let text = terminal::escaped(text);
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::gateway::{Kind, Payload};

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["local"].iter().chain(arguments))
    }

    #[test]
    fn the_command_line_is_sound_and_its_help_has_examples() {
        Cli::command().debug_assert();
        assert!(Cli::command().render_help().to_string().contains("local --upstream http://"));
        let long = Cli::command().render_long_help().to_string();
        assert!(long.contains("Where this differs from API Gateway"), "{long}");
    }

    #[test]
    fn defaults_and_values_become_options() {
        let options = parse(&[]).unwrap().into_options("/x".into()).unwrap();
        assert_eq!(
            (options.api_port, options.issuer_port, options.dynamodb_port),
            (9400, 9401, 9402)
        );
        assert_eq!((options.environments.get(), options.authorizer_ttl), (2, Duration::ZERO));
        let given = parse(&["--environments", "64", "--authorizer-ttl", "3600", "--api-port", "0"]);
        let options = given.unwrap().into_options("/x".into()).unwrap();
        assert_eq!((options.environments.get(), options.api_port), (64, 0));
        assert_eq!(options.authorizer_ttl, Duration::from_secs(3600));
    }

    #[test]
    fn apis_are_asked_for_by_flags() {
        let options = parse(&[]).unwrap().into_options("/x".into()).unwrap();
        assert_eq!((options.rest, options.http, options.websocket), (Kind::RestToken, None, false));
        let given = parse(&[
            "--authorizer",
            "request",
            "--http",
            "--websocket",
            "--identity-source",
            "context.identity.sourceIp",
            "--stage-variable",
            "color=blue",
            "--route",
            "GET /orders",
        ]);
        let options = given.unwrap().into_options("/x".into()).unwrap();
        let http = Kind::Http(Payload::V2);
        assert_eq!(options.kinds(), [Kind::RestRequest, http, Kind::WebSocket]);
        assert_eq!((options.http_port, options.websocket_port), (9403, 9404));
        assert_eq!(options.stage_variables["color"], "blue");
        let simple = parse(&["--http=simple"]).unwrap().into_options("/x".into()).unwrap();
        assert_eq!(simple.http, Some(Payload::Simple));
    }

    #[test]
    fn an_identity_source_that_no_api_can_have_is_refused() {
        let two = ["--identity-source", "method.request.header.X"].repeat(2);
        let sources: [&[&str]; 4] = [
            &["--identity-source", "$request.header.X"],
            &["--identity-source", "method.request.querystring.q"],
            &["--http", "--identity-source", "route.request.header.X"],
            &two,
        ];
        for arguments in sources {
            let error = parse(arguments).unwrap().into_options("/x".into()).unwrap_err();
            assert!(error.to_string().starts_with("--identity-source: "), "{error}");
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        let long = "k".repeat(129);
        for (flag, value) in [
            ("--environments", "0"),
            ("--environments", "65"),
            ("--authorizer-ttl", "3601"),
            ("--token-lifetime", "0"),
            ("--token-lifetime", "86401"),
            ("--api-port", "65536"),
            ("--upstream", "https://example.com"),
            ("--upstream", "127.0.0.1:3000"),
            ("--upstream", "http://127.0.0.1/?q"),
            ("--http", "3.0"),
            ("--http", "2.0"),
            ("--authorizer", "jwt"),
            ("--identity-source", "Authorization"),
            ("--stage-variable", "color"),
            ("--stage-variable", "a-b=c"),
            ("--stage-variable", "color=two words"),
            ("--route", "GET /orders"),
            ("--usage-plan", "{}x"),
            ("--usage-plan", r#"{"throttle":{"rateLimit":-1,"burstLimit":1}}"#),
            ("--api-key", "too-short"),
            ("--api-key", &long),
            ("--api-key", "quotes\"break\"the\"configuration"),
        ] {
            assert_eq!(parse(&[flag, value]).unwrap_err().exit_code(), 2, "{flag} {value}");
        }
        assert!(parse(&["--upstream", "http://localhost:3000/base"]).is_ok());
    }
}
