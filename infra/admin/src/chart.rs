//! Bars of usage, on a terminal and in a report.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::output;

/// The usage of one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The period: `2026-11-21`, `2026-W47`, `2026-11`.
    pub(crate) label: String,
    pub(crate) used: u64,
    /// The rest of the quota, if the plan has one.
    pub(crate) left: Option<u64>,
    pub(crate) granted: u64,
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
#[derive(Clone, Copy)]
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

    const fn class(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::Full => "full",
        }
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
pub(crate) fn svg(title: &str, rows: &[Row]) -> String {
    let height = u64::try_from(rows.len()).unwrap_or(0).saturating_mul(STEP).saturating_add(36);
    let most = longest(rows);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" \
         viewBox=\"0 0 720 {height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>.low{{fill:#2e7d32}}.high{{fill:#f9a825}}.full{{fill:#c62828}}</style>\n\
         <title>{title}</title>\n<text x=\"8\" y=\"18\" font-weight=\"bold\">{title}</text>\n",
        title = escaped(title)
    );
    for (at, row) in (0_u64..).zip(rows) {
        let y = at.saturating_mul(STEP).saturating_add(30);
        let width = scaled(row.used, most, 440);
        let said = match row.left {
            Some(left) => format!("{} used, {left} left", row.used),
            None => format!("{} used", row.used),
        };
        let _ = writeln!(
            out,
            "<text x=\"8\" y=\"{base}\">{label}</text>\
             <rect class=\"{class}\" x=\"92\" y=\"{y}\" width=\"{width}\" height=\"14\"/>\
             <text x=\"{after}\" y=\"{base}\">{said}</text>",
            base = y.saturating_add(11),
            label = escaped(&row.label),
            class = row.level().class(),
            after = width.saturating_add(98),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// A self-contained page: a heading, and a picture for each section.
pub(crate) fn html(title: &str, sections: &[(String, Vec<Row>)]) -> String {
    let title = escaped(title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n"
    );
    for (heading, rows) in sections {
        out.push_str(&svg(heading, rows));
    }
    out.push_str("</body></html>\n");
    out
}

/// Escapes a text for XML and HTML: subjects come from tokens.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in output::escaped(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// `part` of `whole`, where the whole is `size`; rounded down, and at most `size`.
fn scaled(part: u64, whole: u64, size: u64) -> u64 {
    let scaled = u128::from(part).saturating_mul(size.into()).checked_div(whole.into());
    scaled.and_then(|scaled| u64::try_from(scaled).ok()).unwrap_or(0).min(size)
}

/// From one bar of a picture to the next, in pixels.
const STEP: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(used: u64, left: Option<u64>) -> Row {
        Row { label: "2026-11-21".to_owned(), used, left, granted: 0 }
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
        for (used, left, class) in
            [(79, Some(21), "low"), (80, Some(20), "high"), (9, Some(0), "full"), (9, None, "low")]
        {
            assert_eq!(row(used, left).level().class(), class, "{used} {left:?}");
        }
    }

    #[test]
    fn a_picture_holds_no_markup_of_a_subject_s() {
        let picture = svg("<script>alert('x')</script> & co", &[row(5, Some(5)), row(0, None)]);
        assert!(!picture.contains("<script>"), "{picture}");
        assert!(picture.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; co"));
        assert!(picture.contains("5 used, 5 left") && picture.contains("0 used<"));
        assert!(svg("a\u{202e}b\u{7f}", &[]).contains("a\\u202eb\\u007f"));
        let page = html("\"<b>", &[("a".to_owned(), vec![row(1, None)])]);
        assert!(page.contains("<h1>&quot;&lt;b&gt;</h1>") && page.ends_with("</html>\n"));
    }
}
