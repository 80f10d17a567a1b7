//! `tollgate key import`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::ready;
use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::json;
use table::{KeyDetails, WriteError};
use throttle::{Plan, PlanId};

use super::csv::{ImportedKey, ImportedKeys, Unit, read_csv};
use super::json::{is_json, read_json};
use crate::args::plan_id;
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::{Error, RowError};
use crate::output::note;
use crate::progress::Progress;
use crate::read::{place, read};

/// Import API Gateway's keys from CSV or JSON. Stores only digests.
///
/// JSON is the output of `aws apigateway get-api-keys --include-values`, `get-api-key
/// --include-value` or `get-usage-plan-keys`. It names no plans: give `--plan`, or add a list
/// `usagePlanIds` to each key. Invalid keys are reported and the others are stored. Stored keys
/// stay as they are, so the command can be repeated.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file, or - for standard input.
    file: PathBuf,
    /// Overwrite stored keys whose details differ. Their rights and expiry stay.
    #[arg(long)]
    replace: bool,
    /// Plan of the keys for which the file names none.
    #[arg(long, value_parser = plan_id)]
    plan: Option<PlanId>,
    /// For a key on several plans: use the plan that is attached to this API (`apiStages`). Add the
    /// stage if several of them are.
    #[arg(long, value_name = "ID[/STAGE]")]
    api: Option<String>,
    #[command(flatten)]
    dry: Dry,
}

/// The outcome of one row of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    New,
    Same,
    Replaced,
    Differs,
}

struct Tally {
    unit: Unit,
    counts: BTreeMap<Outcome, usize>,
    /// The rows whose keys are stored already with other details.
    differing: Vec<usize>,
    /// The rows that are wrong, and why.
    wrong: Vec<(usize, String)>,
}

impl Import {
    /// An import of content that was already read.
    pub(crate) fn of(api: Option<String>, replace: bool, dry: Dry) -> Self {
        Self { file: PathBuf::new(), replace, plan: None, api, dry }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let content = read(&self.file, MOST)?;
        let place = place(&self.file);
        self.import(context, &place, &content, BTreeMap::new()).await
    }

    /// Imports the content of a file. `known` has plans that a dry run would store before.
    pub(crate) async fn import(
        self,
        context: &Context,
        place: &str,
        content: &[u8],
        known: BTreeMap<PlanId, Option<Plan>>,
    ) -> Result<(), Error> {
        let (imported, more) = match is_json(content) {
            true => read_json(content),
            false => read_csv(content).map(|keys| (keys, false)),
        }
        .map_err(|error| Error::refused(format!("{place}: {error}")))?;
        let ImportedKeys { unit, mut keys, errors, .. } = imported;
        let total = keys.len().saturating_add(errors.len());
        let mut tally = Tally { unit, counts: BTreeMap::new(), differing: vec![], wrong: vec![] };
        for error in &errors {
            tally.wrong.push((error.line(), error.to_string()));
        }
        if let Some(plan) = &self.plan {
            for key in keys.iter_mut().filter(|key| key.plans.is_empty()) {
                key.plans.push(plan.clone());
                key.details = key.details.clone().with_plan(plan.as_str());
            }
        }
        let without = keys.iter().filter(|key| key.plans.is_empty()).count();
        let keys = self.with_plans(context, keys, known, &mut tally).await?;
        let count = keys.len();
        if let Err(error) = self.store(context, keys, &mut tally).await {
            let done = tally.of(Outcome::New) + tally.of(Outcome::Replaced);
            let left = count.saturating_sub(tally.counts.values().sum());
            let error = error.after(format_args!(
                "{place}: {done} keys were stored before it failed, {left} are left; run it again \
                 for those"
            ));
            return Err(error.following(tally.lines(place)));
        }
        let printed = self.print(context, place, total, tally);
        if more {
            note("the file says that there are more keys than it has: import the other pages too");
        }
        if unit == Unit::Key && without > 0 {
            note(format_args!(
                "keys without a plan of their own: {without}; put each under one by `tollgate key \
                 assign`, or all by `--plan ID --replace`"
            ));
        }
        printed
    }

    /// Sets the plan of each key; one without a plan that can count is wrong.
    async fn with_plans(
        &self,
        context: &Context,
        keys: Vec<ImportedKey>,
        known: BTreeMap<PlanId, Option<Plan>>,
        tally: &mut Tally,
    ) -> Result<Vec<ImportedKey>, Error> {
        let (plans, mut found) = (context.plans(), known);
        for plan in keys.iter().flat_map(|key| &key.plans) {
            if !found.contains_key(plan) {
                let stored = match plans.get(plan).await.map_err(RowError::from) {
                    Ok(stored) => stored.map(|stored| stored.plan),
                    // A plan that cannot be read cannot count.
                    Err(RowError::Row(_)) => None,
                    Err(RowError::Table(error)) => return Err(error),
                };
                found.insert(plan.clone(), stored);
            }
        }
        let stored = |plan: &PlanId| found.get(plan).and_then(Option::as_ref);
        let mut right = Vec::with_capacity(keys.len());
        for mut key in keys {
            let column = match tally.unit {
                Unit::Line => "UsagePlanIds",
                Unit::Key => "usagePlanIds",
            };
            match self.plan(&key, column, stored, &context.table) {
                Ok(details) => {
                    key.details = details;
                    right.push(key);
                }
                Err(why) => {
                    tally.wrong.push((key.line, format!("{} {}: {why}", tally.unit, key.line)));
                }
            }
        }
        Ok(right)
    }

    /// Returns a key's details with its plans, of which one counts.
    fn plan<'a>(
        &self,
        key: &ImportedKey,
        column: &str,
        stored: impl Fn(&PlanId) -> Option<&'a Plan>,
        table: &str,
    ) -> Result<KeyDetails, String> {
        let details = key.details.clone();
        let missing = key.plans.iter().find(|plan| stored(plan).is_none());
        let put_it = missing.map(|plan| {
            format!(
                "there is no plan `{plan}` in `{table}`: `tollgate plan import` or `plan put` it \
                 first"
            )
        });
        match (key.plans.as_slice(), &self.api) {
            ([] | [_], _) => match put_it {
                None => Ok(details),
                Some(put_it) => Err(format!("`{column}`: {put_it}")),
            },
            (plans, None) => Err(format!(
                "`{column}` names {} plans, and one must count: choose it by `--api ID`, an \
                 API's id",
                plans.len()
            )),
            (plans, Some(api)) => {
                let of_api = |plan: &&PlanId| stored(plan).is_some_and(|it| is_on(it, api));
                let matching: Vec<_> = plans.iter().filter(of_api).collect();
                match matching.as_slice() {
                    [plan] => {
                        let all = plans.iter().map(ToString::to_string);
                        Ok(details.with_plans(plan.as_str(), all))
                    }
                    [] => {
                        let fix = put_it.unwrap_or_else(|| "choose another API".to_owned());
                        Err(format!("none of its plans is attached to the API `{api}`: {fix}"))
                    }
                    several => Err(format!(
                        "{} of its plans are attached to `{api}`: choose by `--api ID/STAGE`",
                        several.len()
                    )),
                }
            }
        }
    }

    /// Stores keys, several at a time. After a failure of the table no more are begun.
    async fn store(
        &self,
        context: &Context,
        keys: Vec<ImportedKey>,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let progress = Progress::new("keys imported", Some(keys.len()));
        let unit = tally.unit;
        let (stop, mut outcome) = (Cell::new(false), Ok(()));
        let stored = iter(keys)
            .take_while(|_| ready(!stop.get()))
            .map(|key| async move { (key.line, self.store_one(context, key).await) })
            .buffer_unordered(AT_ONCE);
        let mut stored = std::pin::pin!(stored);
        while let Some((line, stored)) = stored.next().await {
            match stored {
                Ok(what) => tally.add(line, what),
                Err(RowError::Row(error)) => {
                    tally.wrong.push((line, format!("{unit} {line}: {error}")));
                }
                Err(RowError::Table(error)) => {
                    stop.set(true);
                    outcome = outcome.and(Err(error));
                    continue;
                }
            }
            progress.add(1);
        }
        outcome
    }

    async fn store_one(
        &self,
        context: &Context,
        imported: ImportedKey,
    ) -> Result<Outcome, RowError> {
        let (keys, ImportedKey { key, mut details, .. }) = (context.keys(), imported);
        let stored = if self.dry.dry_run {
            match keys.find(&key).await? {
                None => return Ok(Outcome::New),
                Some(stored) => stored,
            }
        } else {
            match keys.put(&key, details.clone(), context.now()).await {
                Ok(_) => return Ok(Outcome::New),
                // It is there already.
                Err(WriteError::Conflict { .. }) => {
                    let stored = keys.find(&key).await?;
                    let gone = || RowError::Row("the key was deleted meanwhile".to_owned());
                    stored.ok_or_else(gone)?
                }
                Err(error) => return Err(error.into()),
            }
        };
        // No file has these, so it cannot take them away.
        details.rights = stored.details.rights.clone();
        details.expires = stored.details.expires;
        if stored.details == details {
            return Ok(Outcome::Same);
        }
        if self.replace && !self.dry.dry_run {
            keys.update(&stored, details).await?;
        }
        Ok(if self.replace { Outcome::Replaced } else { Outcome::Differs })
    }

    fn print(
        &self,
        context: &Context,
        place: &str,
        total: usize,
        mut tally: Tally,
    ) -> Result<(), Error> {
        let [new, same, replaced] =
            [Outcome::New, Outcome::Same, Outcome::Replaced].map(|what| tally.of(what));
        let last = if self.dry.dry_run { "; nothing was done" } else { "" };
        let text = format!("keys: {new} new, {same} there already, {replaced} written over{last}");
        tally.differing.sort_unstable();
        let json = json!({
            "new": new, "same": same, "replaced": replaced, "differ": tally.differing,
            "dryRun": self.dry.dry_run,
        });
        context.output.print(text, &json)?;
        for line in &tally.differing {
            let why = "the key is stored already with other details: it was left as it is; \
                       --replace writes it over";
            tally.wrong.push((*line, format!("{} {line}: {why}", tally.unit)));
        }
        if tally.wrong.is_empty() {
            return Ok(());
        }
        Err(Error::rows(tally.lines(place), total, self.dry.dry_run))
    }
}

/// Returns whether a plan is attached to an API, given by its id or by its id and stage.
fn is_on(plan: &Plan, api: &str) -> bool {
    let (id, stage) = match api.split_once('/') {
        Some((id, stage)) => (id, Some(stage)),
        None => (api, None),
    };
    let mut stages = plan.api_stages().iter();
    stages.any(|it| it.api_id() == id && stage.is_none_or(|stage| it.stage() == stage))
}

impl Tally {
    fn add(&mut self, line: usize, what: Outcome) {
        let count = self.counts.entry(what).or_default();
        *count = count.saturating_add(1);
        if what == Outcome::Differs {
            self.differing.push(line);
        }
    }

    fn of(&self, what: Outcome) -> usize {
        self.counts.get(&what).copied().unwrap_or_default()
    }

    /// The reasons of the wrong rows, in the file's order.
    fn lines(&mut self, place: &str) -> Vec<String> {
        self.wrong.sort();
        self.wrong.iter().map(|(_, why)| format!("{place}: {why}")).collect()
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key import keys.csv --dry-run
  tollgate key import keys.csv --api a1b2c3d4e5
  aws apigateway get-api-keys --include-values |
    tollgate key import - --plan free
  aws apigateway get-usage-plan-keys --usage-plan-id c7y23b |
    tollgate key import - --plan c7y23b";

/// The most bytes that a file of keys may have, as `throttle` reads it.
const MOST: u64 = 16 * 1024 * 1024;
const AT_ONCE: usize = 16;
