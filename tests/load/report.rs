//! The report: one page that holds everything, and its plots as files beside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::calls::{MILLISECOND, percentile};
use crate::chart::{Chart, Line, escape};
use crate::judge::{Judged, Verdict};
use crate::run::Seen;
use crate::scenario::Load;
use ::tests::bound::nanos;

/// The number of parts that a run's time is cut into for its plots.
const PARTS: i128 = 60;
/// The number of plotted keys; the table has all of them.
const PLOTTED: usize = 3;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}\
.WRONG{background:#fdd}svg{max-width:100%}";

/// Writes `report.html` and the plots to `folder`; returns the page's path.
pub(crate) fn write(
    folder: &Path,
    load: &Load,
    seen: &Seen,
    keys: &[Judged],
    verdicts: &[Verdict],
) -> anyhow::Result<PathBuf> {
    let charts =
        [("latency", latency(seen)), ("admitted", admitted(seen, keys)), ("memory", memory(seen))];
    let charts: Vec<(&str, String)> = charts
        .into_iter()
        .filter(|(_, chart)| !chart.lines.is_empty())
        .map(|(name, chart)| Ok((name, chart.svg()?)))
        .collect::<anyhow::Result<_>>()?;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\
         <style>{STYLE}</style>\n<h1>{name}</h1>\n<p>{rate} calls a second for {seconds} s, \
         {environments} execution environments.</p>\n",
        name = escape(load.name),
        rate = load.rate,
        seconds = load.seconds,
        environments = load.environments,
    );
    page.push_str("<table><tr><th></th><th>Promised</th><th>Seen</th></tr>\n");
    for Verdict { promise, seen, held } in verdicts {
        let held = if *held { "ok" } else { "WRONG" };
        let (promise, seen) = (escape(promise), escape(seen));
        let _ = writeln!(
            page,
            "<tr class=\"{held}\"><td>{held}</td><td>{promise}</td><td>{seen}</td></tr>"
        );
    }
    page.push_str("</table>\n");
    for (_, svg) in &charts {
        page.push_str(svg);
    }
    page.push_str(&table(keys));

    std::fs::create_dir_all(folder)
        .with_context(|| format!("can't make the folder `{}`", folder.display()))?;
    for (name, svg) in &charts {
        std::fs::write(folder.join(format!("{name}.svg")), svg)?;
    }
    let path = folder.join("report.html");
    std::fs::write(&path, page).with_context(|| format!("can't write `{}`", path.display()))?;
    Ok(path)
}

/// The table of keys, with the allowed calls and the most that the limits allow.
fn table(keys: &[Judged]) -> String {
    let mut table = String::from(
        "<table><tr><th>Key</th><th>Calls</th><th>Admitted</th><th>Allowed</th>\
         <th>Fullest window</th><th>Refused</th><th>of them not due</th></tr>\n",
    );
    for Judged { key, account, .. } in keys {
        let worst = account.worst.map_or(String::new(), |worst| {
            let window = (worst.to - worst.from) / MILLISECOND;
            format!("{} of {} in {window} ms", worst.admitted, worst.allowed)
        });
        let _ = writeln!(
            table,
            "<tr><td>{key}</td><td>{}</td><td>{}</td><td>{}</td><td>{worst}</td><td>{}</td>\
             <td>{}</td></tr>",
            account.calls, account.admitted, account.allowed, account.refused, account.undue
        );
    }
    table.push_str("</table>\n");
    table
}

/// The start of each part of the run, and the milliseconds from the run's start to its end.
fn parts(seen: &Seen) -> (i128, i128) {
    let (first, last) = seen.calls.extent();
    (first, ((last - first) / PARTS).max(MILLISECOND))
}

fn marks(seen: &Seen) -> Vec<(i128, String)> {
    let (first, _) = seen.calls.extent();
    let moments = seen.happened.iter();
    moments
        .map(|happened| {
            ((happened.from - first).max(0) / MILLISECOND, happened.act.name().to_owned())
        })
        .collect()
}

/// The median and two high percentiles, part by part.
fn latency(seen: &Seen) -> Chart {
    let (first, part) = parts(seen);
    let mut lines: Vec<Line> = ["p50", "p95", "p99"]
        .map(|name| Line { name: name.to_owned(), dashed: false, points: Vec::new() })
        .into();
    let mut calls = seen.calls.all.iter().peekable();
    for number in 1..=PARTS + 1 {
        let end = first + number * part;
        let mut micros = Vec::new();
        while let Some(call) = calls.next_if(|call| call.received <= end) {
            micros.push(call.micros);
        }
        for (line, percent) in lines.iter_mut().zip([50, 95, 99]) {
            if let Some(micros) = percentile(&mut micros, percent) {
                line.points.push(((end - first) / MILLISECOND, i128::from(micros / 1_000)));
            }
        }
    }
    lines.retain(|line| !line.points.is_empty());
    Chart { title: "Latency".to_owned(), unit: "ms", lines, marks: marks(seen) }
}

/// The plot of calls admitted since the first call, with the most that the limits allow.
fn admitted(seen: &Seen, keys: &[Judged]) -> Chart {
    let (first, part) = parts(seen);
    let mut lines = Vec::new();
    for judged in keys.iter().take(PLOTTED) {
        let calls = seen.calls.all.iter().filter(|call| call.key == judged.key);
        let start = calls.clone().map(|call| call.sent).min().unwrap_or(first);
        let mut passed = calls.filter(|call| call.status == 200).peekable();
        let (mut let_through, mut most, mut count) = (Vec::new(), Vec::new(), 0);
        for number in 0..=PARTS + 1 {
            let end = first + number * part;
            while passed.next_if(|call| call.received <= end).is_some() {
                count += 1;
            }
            let at = (end - first) / MILLISECOND;
            let_through.push((at, count));
            most.push((at, judged.promise.most((end - start).max(0))));
        }
        let name = |what: &str| format!("key {}, {what}", judged.key);
        lines.push(Line { name: name("admitted"), dashed: false, points: let_through });
        lines.push(Line { name: name("allowed"), dashed: true, points: most });
    }
    let shown = keys.first().map_or(String::new(), |key| {
        let seconds = nanos(key.promise.interval) / MILLISECOND;
        format!(" (first key: {} at once, one more in {seconds} ms)", key.promise.burst)
    });
    Chart { title: format!("Admitted against allowed{shown}"), unit: "", lines, marks: marks(seen) }
}

/// The resident memory of each process.
fn memory(seen: &Seen) -> Chart {
    let (first, _) = seen.calls.extent();
    let lines = seen.samples.iter().map(|(name, samples)| Line {
        name: name.clone(),
        dashed: false,
        points: samples
            .iter()
            .map(|sample| {
                ((sample.at - first).max(0) / MILLISECOND, i128::from(sample.resident / 1_000))
            })
            .collect(),
    });
    let lines = lines.take(6).collect();
    Chart { title: "Resident memory".to_owned(), unit: "MB", lines, marks: Vec::new() }
}
