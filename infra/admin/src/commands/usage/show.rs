//! `tollgate usage show`.

use clap::Args;
use serde_json::json;
use throttle::{Meter, PlanId, PlanRecord};

use super::{Picture, Span, name_of, rows, save, words};
use crate::args::{plan_id, stored_plan_id};
use crate::chart::{Row, bar, longest, subject_page, svg as svg_of};
use crate::context::Context;
use crate::error::Error;
use crate::layout::{list, terminal, wrap};
use crate::output::{Output, escaped, write_styled};
use crate::who::{Who, hint};

/// Show a subject's usage, with a bar for each period.
///
/// `--json` has the form of API Gateway's GetUsage: `[used, remaining]` for each period.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    span: Span,
    /// Plan whose quota is shown; by default that of the last request.
    #[arg(long, value_parser = plan_id)]
    plan: Option<PlanId>,
    #[command(flatten)]
    picture: Picture,
    /// Show what is left of the current quotas of the subject, and of all subjects within it by
    /// their assigned parents (`subject assign --parent`), at most 10,000. Reads the whole table.
    #[arg(long, conflicts_with_all = ["meter", "by", "from", "to", "plan", "html", "svg"])]
    tree: bool,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { who, span, plan, picture, tree } = self;
        let subject = who.find(context)?.subject;
        if tree {
            return super::tree::show(context, subject).await;
        }
        let name = subject.as_str();
        let bucket = context.buckets().get(&subject).await?;
        let last = bucket.as_ref().and_then(|bucket| bucket.stamp.clone()).map(|it| it.plan);
        let plan = match plan.or(last) {
            Some(plan) => plan,
            None => match context.assignments().get(name).await?.and_then(|it| it.plan) {
                Some(plan) => stored_plan_id(&plan)?,
                None => {
                    return Err(Error::refused(format!(
                        "`{name}` has used nothing, and is assigned no plan: name one by `--plan`, \
                         or correct the subject{}",
                        hint(name)
                    )));
                }
            },
        };
        let plan = context.plan(&plan).await?;
        let history = bucket.map(|bucket| bucket.history).unwrap_or_default();
        let (report, windows) = span.report(context, &plan, [(name, &history)])?;
        let entries = report.values.get(name).map(Vec::as_slice).unwrap_or_default();
        let rows = rows(&history, &plan, entries, &windows, context.now());
        let saved = match (&picture.html, &picture.svg) {
            (None, None) => None,
            (html, svg) => {
                let who = name_of(context, name).await?;
                let mut words = words(format!("Usage of {who}"), &plan, span, &windows);
                if who != name {
                    words.about.insert(0, format!("Subject {name}"));
                }
                match (html, svg) {
                    (Some(file), _) => Some((file, subject_page(&words, &rows)?)),
                    (_, Some(file)) => Some((file, svg_of(&words.title, &rows)?)),
                    _ => None,
                }
            }
        };
        if let Some((file, text)) = saved {
            save(file, &text)?;
            let file = file.display().to_string();
            return context.output.print(format!("wrote `{file}`"), &json!({"file": file}));
        }
        match context.output {
            Output::Json => {
                context.output.print("", &serde_json::to_value(&report).unwrap_or_default())
            }
            Output::Text => write_styled(&text(name, &plan, span.meter, &rows)),
        }
    }
}

/// The answer for people, escaped, with coloured bars as long as there is room for.
fn text(name: &str, plan: &PlanRecord, meter: Option<Meter>, rows: &[Row]) -> String {
    let or_dash = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let mut cells = vec![["PERIOD", "USED", "LEFT", "GRANTED"].map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(|row| {
        let granted = Some(row.granted).filter(|granted| *granted > 0);
        vec![row.label.clone(), row.used.to_string(), or_dash(row.left), or_dash(granted)]
    }));
    let terminal = terminal();
    let meter = meter.unwrap_or(Meter::REQUESTS);
    let of = if plan.plan.meters().is_empty() { String::new() } else { format!(", {meter}") };
    let heading = escaped(&format!("{name}, plan {}{of}", plan.id)).into_owned();
    let mut text = wrap(&heading, terminal.unwrap_or(usize::MAX)).join("\n");
    text.push('\n');
    let list = list(&cells);
    let width = list.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let room = terminal.map_or(LONGEST, |all| all.saturating_sub(width + GAP).min(LONGEST));
    let most = longest(rows);
    let bars = std::iter::once(String::new()).chain(rows.iter().map(|row| bar(row, most, room)));
    for (line, bar) in list.lines().zip(bars) {
        let line = if bar.is_empty() { line.to_owned() } else { format!("{line:width$}  {bar}") };
        text.push_str(&format!("\n{line}"));
    }
    text.push('\n');
    let others = plan.plan.every_meter().map(|(meter, _)| meter).filter(|other| *other != meter);
    let others: Vec<_> = others.map(|meter| format!("--meter {meter}")).collect();
    if !others.is_empty() {
        text.push_str(&format!("\nThe plan has other meters: {}\n", others.join(", ")));
    }
    text
}

/// Columns of the longest bar, and before each bar.
const LONGEST: usize = 40;
const GAP: usize = 2;

const EXAMPLES: &str = "\
Examples:
  tollgate usage show 'us-east-1_abcDEF123#client1'
  tollgate usage show maria --by month --html maria.html
  tollgate usage show maria --meter tokens --by month
  tollgate usage show '#tenant#acme' --tree
  tollgate usage show maria --from 2026-11-01 --to 2026-11-30 --json";
