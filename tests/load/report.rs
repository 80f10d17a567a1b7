//! The report: one page that holds everything, and its plots as files beside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::calls::{MILLISECOND, percentile};
use crate::judge::{Judged, Verdict};
use crate::plot::{
    BLUE, GREEN, GREY, ORANGE, PURPLE, Plot, RED, Run, Series, Shape, escape, number, numbers, page,
};
use crate::run::Seen;
use crate::scenario::Load;
use ::tests::bound::nanos;

/// The number of parts that a run's time is cut into for its plots.
const PARTS: i128 = 60;
/// The number of plotted callers; the table has all of them.
const PLOTTED: usize = 3;
/// The steps of a time axis, in seconds.
const STEPS: [i128; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
/// The most labels of a time axis, less one.
const TICKS: i128 = 12;
/// The most processes whose memory is plotted.
const PROCESSES: usize = 4;
/// Samples of memory that are further apart than this many of the usual distances have a gap.
const MISSING: i128 = 3;

/// Writes `report.html` and the plots to `folder`; returns the page's path.
pub(crate) fn write(
    folder: &Path,
    load: &Load,
    seen: &Seen,
    keys: &[Judged],
    verdicts: &[Verdict],
) -> anyhow::Result<PathBuf> {
    let plots = [
        ("admitted", admitted(seen, keys)),
        ("answers", answers(seen)),
        ("latency", latency(seen)),
        ("memory", memory(seen)),
    ];
    let plots: Vec<_> = plots.into_iter().filter(|(_, plot)| !plot.series.is_empty()).collect();
    let mut body = about(load, seen);
    let failed = verdicts.iter().filter(|verdict| !verdict.held).count();
    let conditions = match failed {
        0 => format!("all {} held", verdicts.len()),
        failed => format!("{failed} of {} failed", verdicts.len()),
    };
    let mut micros: Vec<u64> = seen.calls.all.iter().map(|call| call.micros).collect();
    let mut at =
        |percent| percentile(&mut micros, percent).map_or_else(|| "–".to_owned(), milliseconds);
    body.push_str(&numbers(&[
        ("Conditions", conditions),
        ("Calls", number(seen.calls.all.len() as i128)),
        ("Admitted", number(seen.calls.count(200) as i128)),
        ("Over the limit (429)", number(seen.calls.count(429) as i128)),
        ("Median latency", at(50)),
        ("99 of 100 below", at(99)),
    ]));
    let svg = |plot: &Plot, with_title| plot.svg(with_title).map_err(anyhow::Error::msg);
    for (_, plot) in &plots {
        let _ = write!(body, "<h2>{}</h2>\n{}", escape(&plot.title), svg(plot, false)?);
    }
    body.push_str(&conditions_table(verdicts));
    body.push_str(&callers_table(keys));

    std::fs::create_dir_all(folder)
        .with_context(|| format!("can't make the folder `{}`", folder.display()))?;
    for (name, plot) in &plots {
        std::fs::write(folder.join(format!("{name}.svg")), svg(plot, true)?)?;
    }
    let path = folder.join("report.html");
    let page = page(&format!("Load test: {}", load.title), &body);
    std::fs::write(&path, page).with_context(|| format!("can't write `{}`", path.display()))?;
    Ok(path)
}

/// The lines below the title.
fn about(load: &Load, seen: &Seen) -> String {
    let (first, _) = seen.calls.extent();
    let seconds = i64::try_from(first / (1_000 * MILLISECOND)).unwrap_or(0);
    let start = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    format!(
        "<p class=\"soft\"><code>{}</code>: {} calls a second for {}, {} execution \
         environments</p>\n<p class=\"soft\">Started {}</p>\n",
        escape(load.name),
        load.rate,
        time(i128::from(load.seconds) * 1_000, i128::from(load.seconds)),
        load.environments,
        start.strftime("%-d %B %Y at %H:%M UTC"),
    )
}

fn conditions_table(verdicts: &[Verdict]) -> String {
    let mut table = String::from(
        "<h2>Conditions</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th></th><th>Promised</th>\
         <th>Seen</th></tr></thead>\n<tbody>\n",
    );
    for Verdict { promise, seen, held } in verdicts {
        let (class, held) = if *held { ("", "ok") } else { (" class=\"wrong\"", "WRONG") };
        let (promise, seen) = (escape(promise), escape(&spaced(seen)));
        let _ = writeln!(
            table,
            "<tr{class}><td>{held}</td><td class=\"name\">{promise}</td>\
             <td class=\"name\">{seen}</td></tr>"
        );
    }
    table.push_str("</tbody></table></div>\n");
    table
}

/// Adds spaces to JSON of k6, so that it can be wrapped.
fn spaced(text: &str) -> String {
    if text.starts_with('{') { text.replace(",\"", ", \"") } else { text.to_owned() }
}

/// The table of callers, with the allowed calls and the most that the limits allow.
fn callers_table(keys: &[Judged]) -> String {
    let mut table = String::from(
        "<h2>Callers</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th class=\"n\">Caller</th>\
         <th class=\"n\">Calls</th><th class=\"n\">Admitted</th><th class=\"n\">Most allowed</th>\
         <th>Fullest window</th><th class=\"n\">Refused</th>\
         <th class=\"n\">Refused too early</th></tr></thead>\n<tbody>\n",
    );
    for Judged { key, account, .. } in keys {
        let worst = account.worst.map_or(String::new(), |worst| {
            let window = number((worst.to - worst.from) / MILLISECOND);
            format!("{} of {} in {window} ms", number(worst.admitted), number(worst.allowed))
        });
        let _ = writeln!(
            table,
            "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td>{worst}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>",
            key + 1,
            number(account.calls as i128),
            number(account.admitted),
            number(account.allowed),
            number(account.refused),
            number(account.undue),
        );
    }
    table.push_str("</tbody></table></div>\n");
    table
}

/// A plot over the time of the run.
fn plot(seen: &Seen, title: &str, unit: &str, series: Vec<Series>) -> Plot {
    let (first, last) = seen.calls.extent();
    let end = ((last - first) / MILLISECOND).max(1_000);
    let seconds = end / 1_000;
    let step = STEPS.into_iter().find(|step| seconds / step <= TICKS).unwrap_or(7_200);
    let ticks = (0..=seconds / step).map(|at| at * step * 1_000);
    Plot {
        title: title.to_owned(),
        unit: unit.to_owned(),
        end,
        ticks: ticks.map(|at| (at, time(at, seconds))).collect(),
        series,
        marks: marks(seen),
    }
}

/// A time in milliseconds, in seconds or for a long run in minutes.
fn time(at: i128, seconds: i128) -> String {
    if seconds < 120 { format!("{} s", at / 1_000) } else { format!("{} min", at / 60_000) }
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
}

/// Splits points where one is missing, so that a line has a gap there.
fn runs(points: impl IntoIterator<Item = Option<(i128, i128)>>) -> Vec<Run> {
    let mut runs = vec![Run::new()];
    for point in points {
        match (point, runs.last_mut()) {
            (Some(point), Some(run)) => run.push(point),
            (None, Some(run)) if run.is_empty() => {}
            _ => runs.push(Run::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
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

/// The median and two high percentiles, part by part. A part without calls is a gap.
fn latency(seen: &Seen) -> Plot {
    let (first, part) = parts(seen);
    let mut points = [const { Vec::new() }; 3];
    let mut calls = seen.calls.all.iter().peekable();
    for number in 1..=PARTS {
        let end = first + number * part;
        let mut micros = Vec::new();
        while let Some(call) = calls.next_if(|call| call.received <= end) {
            micros.push(call.micros);
        }
        for (points, percent) in points.iter_mut().zip([50, 95, 99]) {
            let value = percentile(&mut micros, percent);
            points.push(value.map(|it| ((end - first) / MILLISECOND, i128::from(it))));
        }
    }
    let most = points.iter().flatten().flatten().map(|(_, micros)| *micros).max().unwrap_or(0);
    // Short ones in microseconds, because the axis has whole numbers.
    let (unit, divisor) = if most < 5_000 { ("µs", 1) } else { ("ms", 1_000) };
    let names = [("median", BLUE), ("95 of 100 below", ORANGE), ("99 of 100 below", RED)];
    let mut series = Vec::new();
    for (points, (name, colour)) in points.into_iter().zip(names) {
        let points = points.into_iter().map(|it| it.map(|(at, value)| (at, value / divisor)));
        let shape = Shape::Lines(runs(points));
        series.push(Series { name: name.to_owned(), colour, shape });
    }
    series.retain(|it| matches!(&it.shape, Shape::Lines(runs) if !runs.is_empty()));
    plot(seen, "Latency", unit, series)
}

/// The answers of each part, as a rate, by what they were.
fn answers(seen: &Seen) -> Plot {
    type Kind = (&'static str, plotters::style::RGBColor, fn(u16) -> bool);
    const KINDS: [Kind; 4] = [
        ("200 admitted", BLUE, |status| status == 200),
        ("429 over the limit", ORANGE, |status| status == 429),
        ("401 or 403", PURPLE, |status| status == 401 || status == 403),
        ("others", RED, |status| ![200, 401, 403, 429].contains(&status)),
    ];
    let (first, part) = parts(seen);
    let (mut bars, mut gaps) = (KINDS.map(|_| Vec::new()), Vec::new());
    let mut calls = seen.calls.all.iter().peekable();
    for number in 0..=PARTS {
        let (from, to) = (first + number * part, first + (number + 1) * part);
        let mut counts = [0_i128; KINDS.len()];
        while let Some(call) = calls.next_if(|call| call.received <= to) {
            for (count, (_, _, is_it)) in counts.iter_mut().zip(KINDS) {
                *count += i128::from(is_it(call.status));
            }
        }
        let (from, to) = ((from - first) / MILLISECOND, (to - first) / MILLISECOND);
        let (space, mut low) = ((to - from) / 8, 0);
        if counts.iter().sum::<i128>() == 0 && number < PARTS {
            gaps.push((from, to));
        }
        for (bars, count) in bars.iter_mut().zip(counts) {
            let high = low + count * 1_000 * MILLISECOND / part;
            if high > low {
                bars.push([(from + space, low), (to - space, high)]);
            }
            low = high;
        }
    }
    let series = bars.into_iter().zip(KINDS).filter(|(bars, _)| !bars.is_empty());
    let series = series.map(|(bars, (name, colour, _))| Series {
        name: name.to_owned(),
        colour,
        shape: Shape::Bars(bars),
    });
    let gaps = Series { name: "no calls".to_owned(), colour: GREY, shape: Shape::Gaps(gaps) };
    plot(seen, "Answers", "a second", std::iter::once(gaps).chain(series).collect())
}

/// The plot of calls admitted since the first call, with the most that the limits allow.
fn admitted(seen: &Seen, keys: &[Judged]) -> Plot {
    let (first, part) = parts(seen);
    let mut series = Vec::new();
    for (judged, colour) in keys.iter().take(PLOTTED).zip([BLUE, RED, GREEN]) {
        let calls = seen.calls.all.iter().filter(|call| call.key == judged.key);
        let start = calls.clone().map(|call| call.sent).min().unwrap_or(first);
        let mut passed = calls.filter(|call| call.status == 200).peekable();
        let (mut let_through, mut most, mut count) = (Vec::new(), Vec::new(), 0);
        for number in 0..=PARTS {
            let end = first + number * part;
            while passed.next_if(|call| call.received <= end).is_some() {
                count += 1;
            }
            let at = (end - first) / MILLISECOND;
            let_through.push((at, count));
            // Before its first call a caller has no line.
            if end >= start {
                most.push((at, judged.promise.most(end - start)));
            }
        }
        let caller = |what: &str| match keys.len() {
            1 => what.to_owned(),
            _ => format!("caller {}: {what}", judged.key + 1),
        };
        let shape = Shape::Lines(vec![let_through]);
        series.push(Series { name: caller("admitted"), colour, shape });
        let (shape, colour) =
            (Shape::Dashes(vec![most]), if keys.len() == 1 { GREY } else { colour });
        series.push(Series { name: caller("most allowed"), colour, shape });
    }
    let limits = keys.first().map_or(String::new(), |key| {
        let interval = nanos(key.promise.interval) / MILLISECOND;
        format!(": {} at once, then one in {interval} ms", key.promise.burst)
    });
    plot(seen, &format!("Admitted calls and the limit{limits}"), "calls", series)
}

/// The resident memory of each process; of many, of those with the most and the least at the end.
fn memory(seen: &Seen) -> Plot {
    let (first, _) = seen.calls.extent();
    let mut processes: Vec<_> = seen.samples.iter().collect();
    if processes.len() > PROCESSES {
        processes.sort_by_key(|(_, samples)| samples.last().map(|sample| sample.resident));
        processes = processes.last().into_iter().chain(processes.first()).copied().collect();
    }
    let colours = [BLUE, ORANGE, GREEN, PURPLE];
    let series = processes.into_iter().zip(colours).map(|((name, samples), colour)| {
        let gaps = samples.iter().zip(samples.iter().skip(1)).map(|(one, next)| next.at - one.at);
        let usual = gaps.min().unwrap_or(0);
        let mut points = Vec::new();
        let mut last = None;
        for sample in samples {
            if last.is_some_and(|last| sample.at - last > MISSING * usual) {
                points.push(None);
            }
            last = Some(sample.at);
            let at = (sample.at - first).max(0) / MILLISECOND;
            points.push(Some((at, i128::from(sample.resident / 1_000))));
        }
        Series { name: name.clone(), colour, shape: Shape::Lines(runs(points)) }
    });
    let series = series.collect();
    Plot { marks: Vec::new(), ..plot(seen, "Resident memory", "MB", series) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

    use ::tests::bound::Promise;
    use serde_json::json;

    use super::*;
    use crate::calls::Calls;
    use crate::scenario::{Act, LOADS};
    use crate::watch::{Sample, Samples};

    /// Calls for ten seconds, five a second, with a pause from the third to the sixth.
    fn seen() -> Seen {
        let mut log = String::new();
        for at in (0..10_000).step_by(200).filter(|at| !(3_000..6_000).contains(at)) {
            let status = if at % 400 == 0 { 200 } else { 429 };
            let (sent, received) = (1_795_251_600_000_u64 + at, 1_795_251_600_005_u64 + at);
            log.push_str(&format!("call,0,{status},{sent},{received},4500,k\n"));
        }
        let mut samples = Samples::new();
        let sample = |second: i128| Sample {
            at: (1_795_251_600_000 + second * 1_000) * MILLISECOND,
            resident: 25_000,
            descriptors: 9,
        };
        samples.insert("authorizer".to_owned(), [0, 1, 2, 8, 9].map(sample).into());
        let happened =
            crate::run::Happened { act: Act::Rotate, from: sample(5).at, to: sample(5).at };
        Seen {
            calls: Calls::read(&log).unwrap(),
            summary: json!({}),
            status: ExitStatus::from_raw(0),
            happened: vec![happened],
            samples,
        }
    }

    fn judged(seen: &Seen) -> Vec<Judged> {
        let promise =
            Promise { interval: Duration::from_millis(500), burst: 5, spread: Duration::ZERO };
        let calls = &seen.calls.by_key()[&0];
        vec![Judged { key: 0, promise, account: promise.account(calls), kept: true }]
    }

    #[test]
    fn a_part_without_calls_is_a_gap_and_not_a_zero() {
        let seen = seen();
        let latency = latency(&seen);
        let Shape::Lines(runs) = &latency.series[0].shape else { panic!("{latency:?}") };
        let during = |(at, _): &(i128, i128)| (3_300..5_800).contains(at);
        assert!(runs.len() > 1 && !runs.iter().flatten().any(during), "{runs:?}");
        assert!(runs.iter().flatten().all(|(_, micros)| *micros == 4_500));
        let memory = memory(&seen);
        assert!(matches!(&memory.series[0].shape, Shape::Lines(runs) if runs.len() == 2));
        let answers = answers(&seen);
        let Shape::Gaps(gaps) = &answers.series[0].shape else { panic!("{answers:?}") };
        assert!(gaps.iter().any(|gap| during(&(gap.0, 0))), "{gaps:?}");
    }

    #[test]
    fn a_report_has_everything_once() {
        let (seen, folder) = (seen(), tempfile::tempdir().unwrap());
        let keys = judged(&seen);
        let verdict =
            |held| Verdict { promise: "<a>".into(), seen: "{\"b\":1,\"c\":2}".into(), held };
        let load = LOADS[1];
        let path = write(folder.path(), &load, &seen, &keys, &[verdict(true), verdict(false)]);
        let page = std::fs::read_to_string(path.unwrap()).unwrap();
        let title = "Load test: One caller over its rate";
        assert_eq!(page.matches(title).count(), 2, "the heading and the window's title");
        for part in [
            "Started 21 November 2026 at 09:00 UTC",
            "<dt>Conditions</dt><dd>1 of 2 failed</dd>",
            "<dt>Calls</dt><dd>35</dd>",
            "<dt>Median latency</dt><dd>4.5 ms</dd>",
            "Admitted calls and the limit: 5 at once, then one in 500 ms",
            "<tr class=\"wrong\"><td>WRONG</td><td class=\"name\">&lt;a&gt;</td>",
            "{&quot;b&quot;:1, &quot;c&quot;:2}",
            "rotate",
            "9 s",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        for name in ["admitted", "answers", "latency", "memory"] {
            let svg = std::fs::read_to_string(folder.path().join(format!("{name}.svg"))).unwrap();
            assert!(svg.contains("prefers-color-scheme:dark"), "{name}");
        }
    }

    #[test]
    fn an_axis_has_a_few_whole_times() {
        let mut seen = seen();
        let ticks = |seen: &Seen| {
            let plot = plot(seen, "", "", Vec::new());
            plot.ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(ticks(&seen).first().map(String::as_str), Some("0 s"));
        assert!((6..=13).contains(&ticks(&seen).len()), "{:?}", ticks(&seen));
        let last = seen.calls.all.last_mut().unwrap();
        last.received += 3_600_000 * MILLISECOND;
        assert!(ticks(&seen).contains(&"60 min".to_owned()), "{:?}", ticks(&seen));
        assert!((6..=13).contains(&ticks(&seen).len()), "{:?}", ticks(&seen));
    }
}
