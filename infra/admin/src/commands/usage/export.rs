//! `tollgate usage export`.

use std::borrow::Cow;
use std::fmt::Display;

use clap::Args;
use csv::Writer;
use serde_json::{Value, json};
use throttle::{BucketRecord, History, PlanId, PlanRecord, Window};

use super::{Picture, Span, name_of, rows, save, words};
use crate::args::plan_id;
use crate::chart::{Part, Row, plan_page, svg};
use crate::context::Context;
use crate::error::Error;
use crate::output::{Output, write};
use crate::pages::each_page;

/// Export the usage of a plan's subjects as CSV. Reads the whole table.
///
/// Subjects that start with `=`, `+`, `-` or `@` are prefixed with `'`.
///
/// `--json` has the form of API Gateway's GetUsage. A subject belongs to the plan of its last
/// request.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Export {
    /// The plan's name.
    #[arg(value_parser = plan_id)]
    plan: PlanId,
    #[command(flatten)]
    span: Span,
    #[command(flatten)]
    picture: Picture,
}

/// The target of the rows.
enum To {
    Csv,
    Json { first: bool },
    Picture(Summary),
}

/// The content of a report: all subjects together, and those that used most.
#[derive(Default)]
struct Summary {
    /// The periods, without a quota: each subject has its own.
    total: Vec<Row>,
    most: Vec<(u64, String, Vec<Row>)>,
    subjects: u64,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let plan = context.plan(&self.plan).await?;
        let (mut to, windows) = self.begin(context, &plan)?;
        let (buckets, mut damaged) = (context.buckets(), Vec::new());
        each_page(
            "subjects",
            async |from| buckets.list(from.as_deref()).await,
            |page| {
                damaged.extend(page.damaged);
                self.page(context, &plan, page.items, &mut to)
            },
        )
        .await?;
        self.end(context, &plan, to, &windows, damaged.len()).await?;
        match damaged.len() {
            0 => Ok(()),
            // They are not named: a subject may be a person.
            count => Err(Error::refused(format!(
                "damaged buckets were left out: {count}; `tollgate subject reset` each, or repair \
                 them in the table"
            ))),
        }
    }

    fn begin(&self, context: &Context, plan: &PlanRecord) -> Result<(To, Vec<Window>), Error> {
        let (report, windows) = self.span.report(context, plan, [])?;
        let to = if self.picture.html.is_some() || self.picture.svg.is_some() {
            // The periods of one who used nothing.
            let none = History::default();
            let entries = vec![vec![0]; windows.len()];
            let mut total = rows(&none, plan, &entries, &windows, context.now());
            total.iter_mut().for_each(|row| row.quota = None);
            To::Picture(Summary { total, ..Summary::default() })
        } else if context.output == Output::Json {
            let mut head = serde_json::to_string(&report).unwrap_or_default();
            // What follows is the inside of `values`, which comes last.
            head.truncate(head.trim_end_matches("}}").len());
            write(head)?;
            To::Json { first: true }
        } else {
            let mut heading = Writer::from_writer(Vec::new());
            let names = ["subject", "plan", "period", "used", "remaining", "granted"];
            heading.write_record(names).map_err(of_csv)?;
            write(csv_text(heading)?)?;
            To::Csv
        };
        Ok((to, windows))
    }

    fn page(
        &self,
        context: &Context,
        plan: &PlanRecord,
        mut items: Vec<BucketRecord>,
        to: &mut To,
    ) -> Result<(), Error> {
        items.retain(|item| item.stamp.as_ref().is_some_and(|stamp| stamp.plan == plan.id));
        items.sort_by(|a, b| a.subject.cmp(&b.subject));
        let subjects = items.iter().map(|item| (item.subject.as_str(), &item.history));
        let (report, windows) = self.span.report(context, plan, subjects)?;
        let (mut text, mut lines) = (String::new(), Writer::from_writer(Vec::new()));
        for item in &items {
            let name = item.subject.as_str();
            let entries = report.values.get(name).map(Vec::as_slice).unwrap_or_default();
            match to {
                To::Json { first } => {
                    let comma = if std::mem::take(first) { "" } else { "," };
                    text.push_str(&format!("{comma}{}:{}", json!(name), json!(entries)));
                }
                To::Csv => {
                    for row in rows(&item.history, plan, entries, &windows, context.now()) {
                        let left = row.left.map(|left| left.to_string()).unwrap_or_default();
                        let (used, granted) = (row.used.to_string(), row.granted.to_string());
                        let name = plain(name);
                        let cells = [&*name, plan.id.as_str(), &row.label, &used, &left, &granted];
                        lines.write_record(cells).map_err(of_csv)?;
                    }
                }
                To::Picture(summary) => {
                    summary.add(name, rows(&item.history, plan, entries, &windows, context.now()));
                }
            }
        }
        write(text + &csv_text(lines)?)
    }

    async fn end(
        &self,
        context: &Context,
        plan: &PlanRecord,
        to: To,
        windows: &[Window],
        damaged: usize,
    ) -> Result<(), Error> {
        let summary = match to {
            To::Csv => return Ok(()),
            To::Json { .. } => return write("}}\n"),
            To::Picture(summary) => summary,
        };
        let title = format!("Usage of plan {}", plan.plan.name().unwrap_or(plan.id.as_str()));
        let words = words(title, plan, self.span, windows);
        let (file, text) = match (&self.picture.html, &self.picture.svg) {
            (Some(file), _) => {
                let mut most = Vec::new();
                for (_, name, rows) in summary.most {
                    most.push(Part { name: name_of(context, &name).await?, rows });
                }
                (file, plan_page(&words, summary.subjects, &summary.total, &most)?)
            }
            (_, Some(file)) => (file, svg(&words.title, &summary.total)?),
            _ => return Ok(()),
        };
        save(file, &text)?;
        let file = file.display().to_string();
        let json: Value = json!({"file": file, "subjects": summary.subjects, "damaged": damaged});
        context.output.print(format!("wrote `{file}`: {} subjects", summary.subjects), &json)
    }
}

impl Summary {
    fn add(&mut self, name: &str, rows: Vec<Row>) {
        self.subjects = self.subjects.saturating_add(1);
        let mut used = 0_u64;
        for row in &rows {
            used = used.saturating_add(row.used);
        }
        for (total, row) in self.total.iter_mut().zip(&rows) {
            total.used = total.used.saturating_add(row.used);
            total.is_known |= row.is_known;
        }
        self.most.push((used, name.to_owned(), rows));
        self.most.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.most.truncate(SHOWN);
    }
}

/// Prefixes a name that a spreadsheet would read as a formula; it comes from a caller's token.
fn plain(name: &str) -> Cow<'_, str> {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// The lines of CSV (RFC 4180) so far.
fn csv_text(lines: Writer<Vec<u8>>) -> Result<String, Error> {
    let bytes = lines.into_inner().map_err(of_csv)?;
    String::from_utf8(bytes).map_err(of_csv)
}

fn of_csv(error: impl Display) -> Error {
    Error::unavailable(format!("can't write CSV: {error}"))
}

const EXAMPLES: &str = "\
Examples:
  tollgate usage export free > usage.csv
  tollgate usage export free --by month --html usage.html
  tollgate usage export free --from 2026-11-01 --to 2026-11-30 --json";

/// The number of subjects that a report shows one by one.
const SHOWN: usize = 20;
