//! Bars of usage, on a terminal and in a report.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::error::Error;
use crate::output::escaped;
use crate::plot::{
    BLUE, GREY, ORANGE, Plot, RED, Run, Series, Shape, escape, number, numbers, page,
};

/// The usage of one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The period: `2026-11-21`, `2026-W47`, `2026-11`.
    pub(crate) label: String,
    /// The same, shorter: `21 Nov`, `W47`, `Nov 2026`.
    pub(crate) short: String,
    pub(crate) used: u64,
    /// The rest of the quota, if the plan has one.
    pub(crate) left: Option<u64>,
    pub(crate) granted: u64,
    /// The most that may be used in this period, if the plan has a quota of such periods.
    pub(crate) quota: Option<u64>,
    /// False if the bucket no longer remembers this period, or it is still to come.
    pub(crate) is_known: bool,
}

impl Row {
    /// The quota with grants, or the usage without a quota.
    fn whole(&self) -> u64 {
        self.used.saturating_add(self.left.unwrap_or(0))
    }

    /// The usage in percent of the quota; `None` without a quota.
    fn percent(&self) -> Option<u64> {
        self.left?;
        Some(scaled(self.used, self.whole(), 100))
    }

    fn level(&self) -> Level {
        match self.percent() {
            Some(100..) => Level::Full,
            Some(80..) => Level::High,
            _ => Level::Low,
        }
    }
}

/// The level of usage, shown by a bar's colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Low,
    High,
    Full,
}

impl Level {
    fn style(self) -> Style {
        let colour = match self {
            Self::Low => AnsiColor::Green,
            Self::High => AnsiColor::Yellow,
            Self::Full => AnsiColor::Red,
        };
        Style::new().fg_color(Some(colour.into()))
    }
}

/// A bar of blocks for a terminal; the longest has `room` of them.
pub(crate) fn bar(row: &Row, longest: u64, room: usize) -> String {
    let room = u64::try_from(room).unwrap_or(0);
    let eighths = scaled(row.used, longest, room.saturating_mul(8));
    let whole = usize::try_from(eighths / 8).unwrap_or_default();
    let rest = usize::try_from(eighths % 8).unwrap_or_default();
    let mut bar = "█".repeat(whole);
    bar.extend(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(rest).copied());
    // What was used at all is seen.
    if bar.is_empty() && row.used > 0 && room > 0 {
        bar.push('▏');
    }
    if bar.is_empty() {
        return bar;
    }
    let style = row.level().style();
    format!("{style}{bar}{style:#}")
}

/// The most that any of these used.
pub(crate) fn longest(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.used).max().unwrap_or(0)
}

/// A picture of these rows, as SVG by itself.
pub(crate) fn svg(title: &str, rows: &[Row]) -> Result<String, Error> {
    picture(title, rows, true)
}

fn picture(title: &str, rows: &[Row], with_title: bool) -> Result<String, Error> {
    plot(title, rows).svg(with_title).map_err(Error::unavailable)
}

fn plot(title: &str, rows: &[Row]) -> Plot {
    let places: Vec<_> = (0..).step_by(STEP).zip(rows).collect();
    let step = i128::try_from(STEP).unwrap_or(1);
    let bars = |level: Level| {
        let rows = places.iter().filter(|(_, row)| row.is_known && row.level() == level);
        let bar = |(at, row): &(i128, &Row)| {
            [(at + step / 8, 0), (at + step - step / 8, i128::from(row.used))]
        };
        Shape::Bars(rows.map(bar).collect())
    };
    // A quota's line has steps where it was granted more, and gaps where there is none.
    let mut quota = vec![Run::new()];
    for (at, row) in &places {
        match (row.quota.filter(|_| row.is_known), quota.last_mut()) {
            (Some(most), Some(run)) => {
                run.extend([(*at, i128::from(most)), (at + step, i128::from(most))]);
            }
            _ => quota.push(Run::new()),
        }
    }
    let mut gaps: Vec<(i128, i128)> = Vec::new();
    for (at, _) in places.iter().filter(|(_, row)| !row.is_known) {
        match gaps.last_mut() {
            Some((_, end)) if end == at => *end = at + step,
            _ => gaps.push((*at, at + step)),
        }
    }
    let series = |name: &str, colour, shape| Series { name: name.to_owned(), colour, shape };
    let every = rows.len().div_ceil(TICKS).max(1);
    let ticks = places.iter().step_by(every);
    Plot {
        title: escaped(title).into_owned(),
        unit: "requests".to_owned(),
        end: i128::try_from(rows.len()).unwrap_or(0).saturating_mul(step),
        ticks: ticks.map(|(at, row)| (at + step / 2, row.short.clone())).collect(),
        series: vec![
            series("no data", GREY, Shape::Gaps(gaps)),
            series("used", BLUE, bars(Level::Low)),
            series("80 % of the quota used", ORANGE, bars(Level::High)),
            series("quota reached", RED, bars(Level::Full)),
            series("quota", GREY, Shape::Dashes(quota)),
        ],
        marks: Vec::new(),
    }
}

/// The words of a report that do not depend on its rows.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) title: String,
    /// Lines below the title.
    pub(crate) about: Vec<String>,
    /// The period of a row: `day`, `week` or `month`.
    pub(crate) period: &'static str,
}

impl Words {
    fn page(&self, body: &str) -> String {
        let about = self.about.iter().map(|line| format!("<p class=\"soft\">{}</p>\n", html(line)));
        page(&escaped(&self.title), &format!("{}{body}", about.collect::<String>()))
    }

    /// The numbers above a picture of these rows.
    fn numbers(&self, rows: &[Row], more: Option<(&'static str, String)>) -> String {
        let busiest = rows.iter().max_by_key(|row| row.used).filter(|row| row.used > 0);
        let busiest = busiest.map(|row| format!("{} ({})", number(row.used), html(&row.short)));
        let name = match self.period {
            "day" => "Busiest day",
            "week" => "Busiest week",
            _ => "Busiest month",
        };
        let used = ("Requests in all", number(total(rows)));
        let busiest = busiest.map(|text| (name, text));
        let reached = rows.iter().filter(|row| row.is_known && row.quota.is_some());
        let reached = reached.map(|row| row.level() == Level::Full).collect::<Vec<_>>();
        let days = reached.iter().filter(|full| **full).count();
        let reached = (!reached.is_empty())
            .then(|| ("Quota reached", format!("{days} of {} {}s", reached.len(), self.period)));
        let all: Vec<_> = more.into_iter().chain([used]).chain(busiest).chain(reached).collect();
        numbers(&all)
    }
}

/// A page about one subject.
pub(crate) fn subject_page(words: &Words, rows: &[Row]) -> Result<String, Error> {
    let picture = picture(&words.title, rows, false)?;
    let table = table(words, rows);
    Ok(words.page(&format!("{}{picture}{table}", words.numbers(rows, None))))
}

/// A subject of a plan's page, with its name for people.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
}

/// A page about all subjects of a plan, and those that used most.
pub(crate) fn plan_page(
    words: &Words,
    subjects: u64,
    all: &[Row],
    most: &[Part],
) -> Result<String, Error> {
    let mut body = words.numbers(all, Some(("Subjects", number(subjects))));
    body.push_str(&picture("All subjects", all, false)?);
    let whole = total(all);
    if !most.is_empty() {
        body.push_str(
            "<h2>Subjects that used most</h2>\n<div class=\"scroll\"><table>\n<thead><tr>\
            <th>Subject</th><th class=\"n\">Requests</th><th class=\"n\">Share</th>\
            <th class=\"n\">Quota reached</th></tr></thead>\n<tbody>\n",
        );
    }
    for Part { name, rows } in most {
        let used = total(rows);
        let full = rows.iter().filter(|row| row.level() == Level::Full).count();
        let full = if full == 0 {
            "never".to_owned()
        } else {
            format!("{full} {}{}", words.period, if full == 1 { "" } else { "s" })
        };
        let _ = writeln!(
            body,
            "<tr><td class=\"name\">{}</td><td class=\"n\">{}</td><td class=\"n\">{} %</td>\
             <td class=\"n\">{full}</td></tr>",
            html(name),
            number(used),
            scaled(used, whole, 100)
        );
    }
    if !most.is_empty() {
        body.push_str("</tbody></table></div>\n");
    }
    for Part { name, rows } in most {
        let _ = write!(body, "<h2>{}</h2>\n{}", html(name), picture(name, rows, false)?);
    }
    Ok(words.page(&body))
}

/// A column's heading, and its number of a row.
type Column = (&'static str, fn(&Row) -> Option<u64>);

/// The table of a subject's periods. Columns that say nothing are left out.
fn table(words: &Words, rows: &[Row]) -> String {
    let heading = match words.period {
        "day" => "Day",
        "week" => "Week",
        _ => "Month",
    };
    let columns: [Column; 4] = [
        ("Requests", |row| Some(row.used)),
        ("Quota", |row| row.quota),
        ("Left", |row| row.left),
        ("Granted", |row| Some(row.granted).filter(|granted| *granted > 0)),
    ];
    let said = columns.iter().filter(|(_, of)| rows.iter().any(|row| of(row).is_some()));
    let columns: Vec<_> = said.collect();
    let mut out = format!(
        "<h2>By {}</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>{heading}</th>",
        words.period
    );
    for (name, _) in &columns {
        let _ = write!(out, "<th class=\"n\">{name}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        let _ = write!(out, "<tr><td>{}</td>", html(&row.label));
        if !row.is_known {
            let _ = writeln!(
                out,
                "<td class=\"n soft\">no data</td>{}</tr>",
                "<td></td>".repeat(columns.len().saturating_sub(1))
            );
            continue;
        }
        for (_, of) in &columns {
            let cell = of(row).map_or_else(|| "–".to_owned(), number);
            let _ = write!(out, "<td class=\"n\">{cell}</td>");
        }
        out.push_str("</tr>\n");
    }
    let granted = rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.granted));
    out.push_str("</tbody>\n<tfoot><tr><td>Total</td>");
    for (name, _) in &columns {
        let cell = match *name {
            "Requests" => number(total(rows)),
            "Granted" => number(granted),
            _ => String::new(),
        };
        let _ = write!(out, "<td class=\"n\">{cell}</td>");
    }
    out.push_str("</tr></tfoot></table></div>\n");
    out
}

fn total(rows: &[Row]) -> u64 {
    rows.iter().fold(0, |sum, row| sum.saturating_add(row.used))
}

/// Escapes a text for HTML: subjects come from tokens.
fn html(text: &str) -> String {
    escape(&escaped(text))
}

/// `part` of `whole`, where the whole is `size`; rounded down, and at most `size`.
fn scaled(part: u64, whole: u64, size: u64) -> u64 {
    let scaled = u128::from(part).saturating_mul(size.into()).checked_div(whole.into());
    scaled.and_then(|scaled| u64::try_from(scaled).ok()).unwrap_or(0).min(size)
}

/// From one bar of a picture to the next, in units of its axis.
const STEP: usize = 80;
/// The most labels of a picture's periods.
const TICKS: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(used: u64, left: Option<u64>) -> Row {
        let quota = left.map(|left| used + left);
        let (label, short) = ("2026-11-21".to_owned(), "21 Nov".to_owned());
        Row { label, short, used, left, granted: 0, quota, is_known: true }
    }

    fn plain(used: u64, longest: u64) -> String {
        bar(&row(used, None), longest, 40).chars().filter(|c| ('▀'..='▟').contains(c)).collect()
    }

    #[test]
    fn bars_are_as_long_as_what_was_used() {
        assert_eq!(plain(0, 10), "");
        assert_eq!(plain(0, 0), "");
        assert_eq!(plain(10, 10), "█".repeat(40));
        assert_eq!(plain(5, 10), "█".repeat(20));
        assert_eq!(plain(1, 64), "▋");
        assert_eq!(plain(1, u64::MAX), "▏", "what was used at all is seen");
        assert_eq!(plain(u64::MAX, u64::MAX).chars().count(), 40);
    }

    #[test]
    fn a_colour_says_how_much_is_left() {
        for (used, left, level) in [
            (79, Some(21), Level::Low),
            (80, Some(20), Level::High),
            (9, Some(0), Level::Full),
            (9, None, Level::Low),
        ] {
            assert_eq!(row(used, left).level(), level, "{used} {left:?}");
        }
    }

    #[test]
    fn a_picture_has_the_quota_s_line_and_gaps_for_what_is_not_known() {
        let unknown = Row { is_known: false, ..row(0, Some(100)) };
        let plot = plot("a", &[unknown, row(5, Some(95)), row(85, Some(15)), row(100, Some(0))]);
        let shapes: Vec<_> = plot.series.iter().map(|it| (it.name.as_str(), &it.shape)).collect();
        let [(_, Shape::Gaps(gaps)), .., (_, Shape::Dashes(quota))] = shapes.as_slice() else {
            panic!("{shapes:?}")
        };
        assert_eq!(gaps, &[(0, 80)]);
        let line: Vec<_> = quota.iter().filter(|run| !run.is_empty()).collect();
        assert_eq!(line[0].first(), Some(&(80, 100)), "from the second period");
        assert_eq!((line.len(), line[0].last()), (1, Some(&(320, 100))));
        for (_, shape) in &shapes[1..4] {
            assert!(matches!(shape, Shape::Bars(bars) if bars.len() == 1), "{shape:?}");
        }
    }

    #[test]
    fn a_picture_holds_no_markup_of_a_subject_s() {
        let picture = svg("<script>alert('x')</script> & co", &[row(5, Some(5)), row(0, None)]);
        let picture = picture.unwrap();
        assert!(!picture.contains("<script>"), "{picture}");
        assert!(picture.contains("&lt;script&gt;alert("), "{picture}");
        assert!(svg("a\u{202e}b\u{7f}", &[]).unwrap().contains("a\\u202eb\\u007f"));
    }

    #[test]
    fn a_page_has_its_title_once_totals_and_a_table() {
        let words =
            Words { title: "<b>".to_owned(), about: vec!["by <day>".to_owned()], period: "day" };
        let unknown = Row { is_known: false, label: "2026-01-01".to_owned(), ..row(0, Some(100)) };
        let granted = Row { granted: 7, ..row(1_000, Some(0)) };
        let page = subject_page(&words, &[unknown, row(5, Some(995)), granted]).unwrap();
        assert_eq!(page.matches("<h1>&lt;b&gt;</h1>").count(), 1);
        assert!(!page.contains("<b>") && page.contains("by &lt;day&gt;"), "{page}");
        for part in [
            "<dt>Requests in all</dt><dd>1,005</dd>",
            "<dt>Busiest day</dt><dd>1,000 (21 Nov)</dd>",
            "<dt>Quota reached</dt><dd>1 of 2 days</dd>",
            "<tr><td>2026-01-01</td><td class=\"n soft\">no data</td>",
            "<tfoot><tr><td>Total</td><td class=\"n\">1,005</td>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        let parts = [Part { name: "a<b".to_owned(), rows: vec![row(3, Some(0))] }];
        let page = plan_page(&words, 2, &[row(4, None)], &parts).unwrap();
        assert!(page.contains("<td class=\"name\">a&lt;b</td><td class=\"n\">3</td>"), "{page}");
        assert!(page.contains("75 %") && page.contains(">1 day<"), "{page}");
        assert!(!page.contains("Granted"), "a column that says nothing");
    }
}
