//! The command line: its flags, and one run from start to Ctrl-C.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use http::Uri;
use throttle::SystemClock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Now;
use crate::demo;
use crate::differences;
use crate::log::{self, Format, Log};
use crate::note;
use crate::options::ConsolePort;
use crate::stack::{Options, Stack};
use crate::terminal;

mod apis;
mod own_api;

/// The exit code of a start that failed, as of a wrong command line.
const EXIT_MISUSE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  tollgate-local                          the demonstration, with calls to paste
  tollgate-local --config tollgate.toml   your configuration
  tollgate-local --template FILE          your API
  tollgate-local --http --websocket       an HTTP and a WebSocket API too
  tollgate-local --json --api-port 0      for scripts";

/// API Gateway on this machine, in front of the real authorizer, with a table
/// and a token issuer. Listens on 127.0.0.1 only. Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(name = "tollgate-local", version, verbatim_doc_comment)]
pub struct Cli {
    /// REST API [default: 9400]
    #[arg(long, default_value_t = 9400, value_name = "PORT", hide_default_value = true,
          help_heading = PORTS)]
    api_port: u16,
    /// Token issuer [default: 9401]
    #[arg(long, default_value_t = 9401, value_name = "PORT", hide_default_value = true,
          help_heading = PORTS)]
    issuer_port: u16,
    /// DynamoDB-compatible table [default: 9402]
    #[arg(long, default_value_t = 9402, value_name = "PORT", hide_default_value = true,
          help_heading = PORTS)]
    dynamodb_port: u16,
    /// Console [default: 9405, else a free one]
    #[arg(long, value_name = "PORT", help_heading = PORTS)]
    console_port: Option<u16>,
    #[command(flatten)]
    apis: apis::Apis,
    #[command(flatten)]
    own_api: own_api::OwnApi,
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    strict: Strict,
    #[command(flatten)]
    output: Output,
}

/// The heading of every port.
const PORTS: &str = "Ports (0 for a free one)";

/// Flags that replace parts of the demonstration.
#[derive(Debug, Args)]
#[command(next_help_heading = "Your own")]
struct Own {
    /// Authorizer configuration; default: the demo's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Users and clients to add (see README.md)
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// HTTP service behind the API; default: an echo
    #[arg(long, value_name = "URL", value_parser = upstream)]
    upstream: Option<Uri>,
    /// Folder for the table; default: in memory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// API key; default: the configuration's
    #[arg(long, value_name = "KEY", value_parser = api_key)]
    api_key: Option<String>,
    /// Authorizer processes, 1 to 64
    #[arg(long, default_value = "2", value_name = "N", value_parser = environments)]
    environments: NonZeroUsize,
    /// Lifetime of tokens, 1 to 86400
    #[arg(long, default_value_t = 3600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    token_lifetime: u32,
}

/// Flags that say how closely this follows the real services.
#[derive(Debug, Args)]
#[command(next_help_heading = "As strict as AWS")]
struct Strict {
    /// Do not suspend processes between requests
    #[arg(long)]
    no_freeze: bool,
    /// Let functions write outside of /tmp
    #[arg(long)]
    no_read_only: bool,
    /// Memory of a process [default: 256]
    #[arg(long, default_value_t = crate::lambda::MEMORY_MB, value_name = "MB",
          hide_default_value = true, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory: u32,
    /// Do not throttle a hot key of the table
    #[arg(long)]
    no_partition_limit: bool,
    /// Removal of expired items [default: 3600]
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(1..=172_800))]
    ttl_sweep: u32,
}

/// Flags about what is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// pretty (default): a line per request; json: raw log
    #[arg(long, value_enum, default_value_t = Format::Pretty, value_name = "FORM",
          hide_default_value = true, hide_possible_values = true)]
    log: Format,
    /// Only warnings, errors and requests that fail (5xx)
    #[arg(long)]
    quiet: bool,
    /// Print one line of JSON on standard output when ready
    #[arg(long)]
    json: bool,
    /// Print the demo's configuration and exit
    #[arg(long, conflicts_with = "config")]
    print_config: bool,
    /// Print the differences from API Gateway and exit
    #[arg(long)]
    differences: bool,
}

fn environments(text: &str) -> Result<NonZeroUsize, String> {
    let number: Option<NonZeroUsize> = text.parse().ok();
    number
        .filter(|number| number.get() <= 64)
        .ok_or_else(|| "must be a whole number from 1 to 64".to_owned())
}

fn upstream(text: &str) -> Result<Uri, String> {
    let plain = |uri: &Uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some() && uri.query().is_none()
    };
    let fix = || "write an http URL without a query, such as http://127.0.0.1:3000/path".to_owned();
    text.parse().ok().filter(plain).ok_or_else(fix)
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

/// The command line, whose help has examples if it is the long one.
fn command(is_long: bool) -> clap::Command {
    let after = if is_long { EXAMPLES } else { "Examples: tollgate-local --help" };
    Cli::command().after_help(after)
}

/// Reads the command line, runs the stack until a signal ends it, and says how that went.
#[must_use]
pub fn main() -> ExitCode {
    // The short help has no examples.
    let is_long = std::env::args().any(|argument| argument == "--help");
    let command = command(is_long).try_get_matches();
    let cli = match command.and_then(|matches| Cli::from_arg_matches(&matches)) {
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
    if cli.output.differences {
        print(differences::LIST);
        return Ok(());
    }
    if cli.output.print_config {
        print(&demo::printed(cli.issuer_port));
        return Ok(());
    }
    let authorizer = std::env::current_exe().context("this executable can't be found")?;
    let json = cli.output.json;
    let log = Log::start(log::Options {
        format: cli.output.log,
        quiet: cli.output.quiet,
        colour: AutoStream::choice(&std::io::stderr()) != ColorChoice::Never,
        config: cli.own.config.clone(),
        issuer_port: cli.issuer_port,
    })?;
    let mut options = cli.into_options(authorizer)?;
    options.log = log.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
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
    });
    log.finish();
    ended
}

impl Cli {
    fn into_options(self, authorizer: PathBuf) -> anyhow::Result<Options> {
        let mut options = Options::new(authorizer, Now::new(SystemClock::new()));
        options.api_port = self.api_port;
        options.issuer_port = self.issuer_port;
        options.dynamodb_port = self.dynamodb_port;
        options.console = self.console_port.map_or(ConsolePort::Usual, ConsolePort::At);
        options.environments = self.own.environments;
        options.token_lifetime = Duration::from_secs(self.own.token_lifetime.into());
        options.memory_mb = self.strict.memory;
        options.freezes = !self.strict.no_freeze;
        options.is_read_only = !self.strict.no_read_only;
        options.has_partition_limit = !self.strict.no_partition_limit;
        options.ttl_sweep = Duration::from_secs(self.strict.ttl_sweep.into());
        options.upstream = self.own.upstream;
        options.data = self.own.data;
        options.config = self.own.config;
        options.users = self.own.users;
        options.api_key = self.own.api_key;
        self.apis.apply(&mut options)?;
        self.own_api.apply(&mut options)?;
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
    use super::*;
    use crate::gateway::{Kind, Payload};

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["tollgate-local"].iter().chain(arguments))
    }

    #[test]
    fn the_help_fits_two_screens_of_80_columns() {
        Cli::command().debug_assert();
        let [short, long] = [false, true].map(|is_long| command(is_long).render_help().to_string());
        for line in long.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(long.lines().count() <= 76, "{} lines", long.lines().count());
        assert!(short.lines().count() < long.lines().count());
        let headings = ["Ports (0 for a free one):", "APIs:", "Your own:", "As strict as AWS:"];
        for heading in headings.into_iter().chain(["Output:", "Examples:"]) {
            assert!(long.lines().any(|line| line == heading), "{heading} in\n{long}");
        }
    }

    #[test]
    fn the_log_is_pretty_unless_json_is_asked_for() {
        let log = |arguments: &[&str]| parse(arguments).unwrap().output.log;
        assert_eq!(log(&[]), Format::Pretty);
        assert_eq!(log(&["--log", "json"]), Format::Json);
        assert!(parse(&["--log", "text"]).is_err());
    }

    #[test]
    fn defaults_and_values_become_options() {
        let options = parse(&[]).unwrap().into_options("/x".into()).unwrap();
        assert_eq!(
            (options.api_port, options.issuer_port, options.dynamodb_port),
            (9400, 9401, 9402)
        );
        assert_eq!((options.environments.get(), options.authorizer_ttl), (2, Duration::ZERO));
        assert!(options.freezes && options.is_read_only && options.has_partition_limit);
        assert_eq!((options.memory_mb, options.ttl_sweep), (256, Duration::from_secs(3600)));
        let given = parse(&["--no-freeze", "--no-read-only", "--no-partition-limit"]).unwrap();
        let options = given.into_options("/x".into()).unwrap();
        assert!(!options.freezes && !options.is_read_only && !options.has_partition_limit);
        let given = parse(&["--memory", "512"]).unwrap().into_options("/x".into()).unwrap();
        assert_eq!(given.memory_mb, 512);
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
            ("--memory", "127"),
            ("--ttl-sweep", "0"),
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
        for (flag, value, fix) in [
            ("--environments", "65", "a whole number from 1 to 64"),
            ("--upstream", "127.0.0.1:3000", "such as http://127.0.0.1:3000/path"),
            ("--stage-variable", "color", "write NAME=TEXT, such as color=blue"),
        ] {
            let said = parse(&[flag, value]).unwrap_err().to_string();
            assert!(said.contains(fix), "{said}");
        }
    }
}
