//! `tollgate policy diff`.

mod settings;

use std::path::{Path, PathBuf};

use authorizer::{Accepted, Config, Require};
use clap::Args;
use policy::access::{Change, Side, Tokens, compare};
use serde_json::{Value, json};

use self::settings::{Setting, changed};
use crate::args::Source;
use crate::error::Error;
use crate::layout::list;
use crate::output::Output;

/// Show who gains or loses which route by a change of the configuration.
///
/// Both are evaluated, as by the authorizer, for every kind of caller and request that their rules
/// tell apart. `may gain` and `may lose` depend on a condition (`when`), which is not evaluated.
/// `undecided` is a setting outside the rules whose effect is not compared. Rates and quotas are not
/// access: of `[throttle]`, only what refuses a caller without a plan or a subject is looked at.
///
/// With `--deny-widening` exits with 1 if a caller gains or may gain a route, or if something is
/// undecided; otherwise with 0.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Diff {
    /// The configuration in use, or - for standard input.
    old: PathBuf,
    /// The configuration that replaces it, or - for standard input.
    new: PathBuf,
    /// Exit with 1 if access widens, or may widen.
    #[arg(long)]
    deny_widening: bool,
}

impl Diff {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        let Self { old, new, deny_widening } = self;
        if old == Path::new("-") && new == Path::new("-") {
            return Err(Error::misuse("standard input can't be both: give one of them a file"));
        }
        let [(old, before), (new, after)] =
            [Source { file: old }.text_and_config()?, Source { file: new }.text_and_config()?];
        let settings = changed((&old, &before), (&new, &after)).map_err(Error::misuse)?;
        let mut undecided = settings.undecided;
        if settings.rules_differ && before.rules.may_be_too_long() {
            undecided.push(Setting::new(
                "policy.document_limit",
                "a caller whose policy is too long now may get one that is not",
            ));
        }
        let (before, after) = (side(&before), side(&after));
        let (gains, losses) = match (compare(&before, &after), compare(&after, &before)) {
            (Ok(gains), Ok(losses)) => (gains, losses),
            (Err(many), _) | (_, Err(many)) => {
                undecided.push(Setting::new("rule", many.to_string()));
                (Vec::new(), Vec::new())
            }
        };
        let widens = gains.len().saturating_add(undecided.len());
        output.print(text(&gains, &losses, &undecided), &json(&gains, &losses, &undecided))?;
        match deny_widening && widens > 0 {
            true => Err(Error::refused(format!(
                "access widens, or may widen: {widens} of `gain`, `may gain` and `undecided`"
            ))),
            false => Ok(()),
        }
    }
}

/// The rules of a configuration, and the callers whom it accepts.
pub(super) fn side(config: &Config) -> Side<'_> {
    let issuers = config.issuers.iter().filter(|_| config.callers.takes_tokens());
    let tokens = issuers.map(|issuer| Tokens {
        issuer: Some(&issuer.checks.issuer),
        clients: match &issuer.checks.clients {
            Some(Accepted::These(clients)) => Some(clients.as_slice()),
            Some(Accepted::Any) | None => None,
        },
    });
    // Callers with a key alone have no issuer. Of a token and a key, rules see the token.
    let by_key = matches!(config.callers.require, Require::Key | Require::Either);
    let keys = by_key.then_some(Tokens { issuer: None, clients: None });
    Side { rules: &config.rules, issuers: tokens.chain(keys).collect() }
}

fn word(change: &Change, surely: &'static str, perhaps: &'static str) -> String {
    if change.certain { surely.to_owned() } else { perhaps.to_owned() }
}

fn text(gains: &[Change], losses: &[Change], undecided: &[Setting]) -> String {
    if gains.is_empty() && losses.is_empty() && undecided.is_empty() {
        return "no caller gains or loses a route".to_owned();
    }
    let mut rows = vec![["CHANGE", "CALLERS", "ROUTE"].map(str::to_owned).to_vec()];
    let row =
        |change: &Change, word: String| vec![word, change.who.to_string(), change.route.clone()];
    rows.extend(gains.iter().map(|it| row(it, word(it, "gain", "may gain"))));
    rows.extend(losses.iter().map(|it| row(it, word(it, "lose", "may lose"))));
    rows.extend(undecided.iter().map(|Setting { name, what }| {
        vec!["undecided".to_owned(), format!("`{name}`"), what.clone()]
    }));
    list(&rows)
}

fn json(gains: &[Change], losses: &[Change], undecided: &[Setting]) -> Value {
    let undecided = undecided.iter().map(|it| json!({"setting": it.name, "what": it.what}));
    json!({"gains": gains, "losses": losses, "undecided": undecided.collect::<Vec<_>>()})
}

const EXAMPLES: &str = "\
Examples:
  tollgate policy diff deployed.toml tollgate.toml
  tollgate policy diff deployed.toml tollgate.toml --deny-widening
  tollgate policy diff - tollgate.toml --json < deployed.toml";
