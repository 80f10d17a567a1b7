//! Plots as SVG: lines over time, in integers.

use std::fmt::Write as _;

const WIDTH: i128 = 760;
const HEIGHT: i128 = 300;
const LEFT: i128 = 70;
const RIGHT: i128 = 20;
const TOP: i128 = 44;
const BOTTOM: i128 = 40;
/// The most lines of the grid.
const GRID: i128 = 5;
/// Colours that differ in grey, and for readers who cannot tell red from green.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];

/// One line of a plot: thousandths of a second, and values.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) dashed: bool,
    pub(crate) points: Vec<(i128, i128)>,
}

/// A plot.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) lines: Vec<Line>,
    /// Moments to be marked, by name.
    pub(crate) marks: Vec<(i128, String)>,
}

impl Chart {
    /// The whole plot, without anything that is loaded from elsewhere.
    pub(crate) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let last = points().map(|(x, _)| *x).max().unwrap_or(0).max(1_000);
        let most = points().map(|(_, y)| *y).max().unwrap_or(0).max(1);
        let step = step(most);
        let most = (most + step - 1) / step * step;
        let x = |value: i128| LEFT + value * (WIDTH - LEFT - RIGHT) / last;
        let y = |value: i128| HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM) / most;

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
             <title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{title}</text>\n",
            title = escape(&self.title),
        );
        let mut at = 0;
        while at <= most {
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y}H{end}\" stroke=\"#ddd\"/><text x=\"{label}\" y=\"{text}\" \
                 text-anchor=\"end\">{at} {unit}</text>",
                y = y(at),
                end = WIDTH - RIGHT,
                label = LEFT - 6,
                text = y(at) + 4,
                unit = self.unit,
            );
            at += step;
        }
        let every = step_of_time(last);
        let mut at = 0;
        while at <= last {
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{seconds} s</text>",
                x = x(at),
                y = HEIGHT - BOTTOM + 18,
                seconds = at / 1_000,
            );
            at += every;
        }
        for (at, name) in &self.marks {
            let _ = writeln!(
                svg,
                "<path d=\"M{x} {TOP}V{bottom}\" stroke=\"#999\" stroke-dasharray=\"2 3\"/>\
                 <text x=\"{x}\" y=\"{y}\" fill=\"#666\" font-size=\"10\" \
                 transform=\"rotate(-90 {x} {y})\" text-anchor=\"end\" dy=\"-3\">{name}</text>",
                x = x(*at),
                y = TOP + 2,
                bottom = HEIGHT - BOTTOM,
                name = escape(name),
            );
        }
        let mut legend = LEFT;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let path: Vec<String> =
                line.points.iter().map(|(at, value)| format!("{} {}", x(*at), y(*value))).collect();
            let dashes = if line.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
            let _ = writeln!(
                svg,
                "<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"{dashes}/>\
                 <path d=\"M{legend} 32h18\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>\
                 <text x=\"{text}\" y=\"36\">{name}</text>",
                path = path.join("L"),
                text = legend + 24,
                name = escape(&line.name),
            );
            legend += 40 + 7 * i128::try_from(line.name.chars().count()).unwrap_or(0);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// 1, 2 or 5 times a power of ten, so that a few of it make the whole.
fn step(most: i128) -> i128 {
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            if factor * power * GRID >= most {
                return factor * power;
            }
        }
        power *= 10;
    }
}

fn step_of_time(last: i128) -> i128 {
    let steps = [1, 2, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200];
    let fits = steps.into_iter().find(|seconds| seconds * 1_000 * 12 >= last);
    fits.unwrap_or(14_400) * 1_000
}

/// Text as it may stand in XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_round_number_that_makes_at_most_five_lines() {
        for (most, wanted) in [(1, 1), (5, 1), (6, 2), (26, 10), (999, 200), (1_001, 500)] {
            assert_eq!(step(most), wanted, "{most}");
        }
    }

    #[test]
    fn a_plot_has_its_lines_and_loads_nothing() {
        let line = Line { name: "a < b".into(), dashed: false, points: vec![(0, 0), (2_000, 10)] };
        let chart = Chart {
            title: "Latency & more".into(),
            unit: "ms",
            lines: vec![line],
            marks: vec![(1_000, "rotate".into())],
        };
        let svg = chart.svg();
        assert!(svg.contains("M70 260L740 44"), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains("Latency &amp; more"), "{svg}");
        assert_eq!(svg.matches("http").count(), 1, "the namespace alone");
    }

    #[test]
    fn a_plot_of_nothing_is_one_too() {
        let chart = Chart { title: String::new(), unit: "", lines: Vec::new(), marks: Vec::new() };
        assert!(chart.svg().ends_with("</svg>\n"));
    }
}
