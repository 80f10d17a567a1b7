//! `tollgate key import`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::ready;
use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::json;
use throttle::table::WriteError;
use throttle::{ImportedKey, Key, PlanId};

use crate::ask::Dry;
use crate::desk::Desk;
use crate::exit::Failed;
use crate::progress::Progress;
use crate::read::{place, read};

/// Store the keys of API Gateway's CSV file: their digests, never the keys.
///
/// Nothing is stored unless every line is right and every plan in it is there. A key that is
/// stored already stays as it is, so that an import that was interrupted can be run again.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file, or - for standard input.
    file: PathBuf,
    /// Where a key is stored already and the file says something else of it, write it over.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    dry: Dry,
}

/// What became of one line of the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    New,
    Same,
    Replaced,
    Differs,
}

#[derive(Default)]
struct Tally {
    counts: BTreeMap<Outcome, usize>,
    /// The lines whose keys are stored already with something else said of them.
    differing: Vec<usize>,
}

impl Import {
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failed> {
        let place = place(&self.file);
        let keys = Key::read_csv(read(&self.file, MOST)?).map_err(|errors| {
            Failed::refused_for(errors.iter().map(|error| format!("{place}: {error}")))
        })?;
        check_plans(desk, &place, &keys).await?;
        let (total, mut tally) = (keys.len(), Tally::default());
        self.store(desk, keys, &mut tally).await.map_err(|failed| {
            let done = tally.of(Outcome::New) + tally.of(Outcome::Replaced);
            let left = total.saturating_sub(tally.counts.values().sum());
            failed.after(format_args!(
                "{place}: {done} keys were stored before it failed, {left} are left; run it again \
                 for those"
            ))
        })?;
        self.print(desk, &place, tally)
    }

    /// Stores keys, several at a time; after a failure no more are begun.
    async fn store(
        &self,
        desk: &Desk,
        keys: Vec<ImportedKey>,
        tally: &mut Tally,
    ) -> Result<(), Failed> {
        let mut progress = Progress::new("keys imported", Some(keys.len()));
        let (stop, mut outcome) = (Cell::new(false), Ok(()));
        let stored = iter(keys)
            .take_while(|_| ready(!stop.get()))
            .map(|key| async move { (key.line, self.store_one(desk, key).await) })
            .buffer_unordered(AT_ONCE);
        let mut stored = std::pin::pin!(stored);
        while let Some((line, stored)) = stored.next().await {
            match stored {
                Ok(what) => {
                    tally.add(line, what);
                    progress.add(1);
                }
                Err(failed) => {
                    stop.set(true);
                    outcome = outcome.and(Err(failed));
                }
            }
        }
        outcome
    }

    async fn store_one(&self, desk: &Desk, imported: ImportedKey) -> Result<Outcome, Failed> {
        let (keys, ImportedKey { key, details, .. }) = (desk.keys(), imported);
        let stored = if self.dry.dry_run {
            match keys.find(&key).await? {
                None => return Ok(Outcome::New),
                Some(stored) => stored,
            }
        } else {
            match keys.import(&key, details.clone(), desk.now()).await {
                Ok(_) => return Ok(Outcome::New),
                // It is there already.
                Err(WriteError::Conflict { .. }) => keys.find(&key).await?.ok_or_else(|| {
                    Failed::refused("a key was deleted by somebody else meanwhile")
                })?,
                Err(error) => return Err(error.into()),
            }
        };
        if stored.details == details {
            return Ok(Outcome::Same);
        }
        if self.replace && !self.dry.dry_run {
            keys.update(&stored, details).await?;
        }
        Ok(if self.replace { Outcome::Replaced } else { Outcome::Differs })
    }

    fn print(&self, desk: &Desk, place: &str, mut tally: Tally) -> Result<(), Failed> {
        let [new, same, replaced, differ] =
            [Outcome::New, Outcome::Same, Outcome::Replaced, Outcome::Differs]
                .map(|what| tally.of(what));
        let last = if self.dry.dry_run { "; nothing was done" } else { "" };
        let text = format!("keys: {new} new, {same} there already, {replaced} written over{last}");
        tally.differing.sort_unstable();
        let json = json!({
            "new": new, "same": same, "replaced": replaced, "differ": tally.differing,
            "dryRun": self.dry.dry_run,
        });
        desk.output.print(text, &json)?;
        if differ == 0 {
            return Ok(());
        }
        let lines = tally.differing.iter().take(SHOWN).map(|line| {
            format!(
                "{place}: line {line}: the key is stored already and something else is said of \
                 it: it was left as it is; --replace writes it over"
            )
        });
        let more = differ.saturating_sub(SHOWN);
        let more = (more > 0).then(|| format!("{place}: the same of {more} more lines"));
        Err(Failed::refused_for(lines.chain(more)))
    }
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
}

/// Refuses plans that aren't there, each with the first line that names it.
async fn check_plans(desk: &Desk, place: &str, keys: &[ImportedKey]) -> Result<(), Failed> {
    let mut named: BTreeMap<&PlanId, usize> = BTreeMap::new();
    for key in keys {
        if let Some(plan) = key.details.plan() {
            named.entry(plan).or_insert(key.line);
        }
    }
    let (plans, mut missing) = (desk.plans(), Vec::new());
    for (plan, line) in named {
        if plans.get(plan).await?.is_none() {
            missing.push((line, plan));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable();
    Err(Failed::refused_for(missing.iter().map(|(line, plan)| {
        format!(
            "{place}: line {line}: `UsagePlanIds` there is no plan `{plan}` in `{}`: `tollgate \
             plan import` or `plan put` it first",
            desk.table
        )
    })))
}

const EXAMPLES: &str = "\
Examples:
  tollgate key import keys.csv --dry-run
  tollgate key import keys.csv";

/// The most bytes that a file of keys may have, as `throttle` reads it.
const MOST: u64 = 16 * 1024 * 1024;
const AT_ONCE: usize = 16;
const SHOWN: usize = 100;
