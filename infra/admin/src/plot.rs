//! Plots as SVG, and the page around them. They load nothing, and follow a dark screen.
//!
//! The command line and the load tests draw with this file.

use plotters::chart::ChartBuilder;
use plotters::coord::types::RangedCoordi128;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::prelude::{
    Cartesian2d, ChartContext, Color, DrawingArea, IntoDrawingArea, IntoFont, SVGBackend,
};
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours that readers who cannot tell red from green can tell apart.
pub(crate) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(crate) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(crate) const RED: RGBColor = RGBColor(200, 72, 0);
pub(crate) const GREEN: RGBColor = RGBColor(0, 140, 102);
pub(crate) const PURPLE: RGBColor = RGBColor(170, 80, 140);
pub(crate) const GREY: RGBColor = RGBColor(112, 120, 128);

const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(31, 35, 40);
const FAINT: RGBColor = RGBColor(226, 229, 233);
const EMPTY: RGBColor = RGBColor(242, 244, 246);

/// Each colour on a light screen, and the one that replaces it on a dark one.
const DARK: [(RGBColor, &str); 10] = [
    (BLUE, "#5AB4F0"),
    (ORANGE, "#F0B93C"),
    (RED, "#FF8A4C"),
    (GREEN, "#3CCB9F"),
    (PURPLE, "#DB9AC8"),
    (GREY, "#98A2AD"),
    (PAPER, "#15191E"),
    (INK, "#E4E8EC"),
    (FAINT, "#323941"),
    (EMPTY, "#20262C"),
];

const STYLE: &str = ":root{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--soft:#5c6670;\
--line:#e2e5e9;--wrong:#fde3dc}\
@media(prefers-color-scheme:dark){:root{--paper:#15191e;--ink:#e4e8ec;--soft:#98a2ad;\
--line:#323941;--wrong:#4a2418}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);\
max-width:60rem;margin:0 auto;padding:2rem 1.25rem}\
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}\
h2{font-size:1.1rem;margin:2.25rem 0 .5rem;overflow-wrap:anywhere}\
p{margin:.25rem 0}.soft{color:var(--soft)}\
dl{display:flex;flex-wrap:wrap;gap:.75rem 2.5rem;margin:1.25rem 0}\
dt{color:var(--soft);font-size:.85rem}dd{margin:0;font-size:1.5rem;line-height:1.2;\
font-variant-numeric:tabular-nums}\
svg{display:block;width:100%;height:auto}svg text{font-family:system-ui,sans-serif}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .75rem .3rem 0;text-align:left;border-bottom:1px solid var(--line);\
vertical-align:top}th{color:var(--soft);font-weight:500;font-size:.85rem}\
td.name{overflow-wrap:anywhere;min-width:12rem}\
td.n,th.n{text-align:right;white-space:nowrap}tfoot td{font-weight:600;border-bottom:0}\
tr.wrong td{background:var(--wrong)}\
@media print{body{max-width:none;padding:0}h2,svg,tr{break-inside:avoid}}";

/// A run of points without a gap.
pub(crate) type Run = Vec<(i128, i128)>;

/// The shape of a series.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A line for each run, with gaps between them.
    Lines(Vec<Run>),
    Dashes(Vec<Run>),
    /// Bars, each from one place to another, from one height to another.
    Bars(Vec<[(i128, i128); 2]>),
    /// Spans without data, each over the whole height.
    Gaps(Vec<(i128, i128)>),
}

impl Shape {
    fn is_empty(&self) -> bool {
        match self {
            Self::Lines(runs) | Self::Dashes(runs) => runs.iter().all(Vec::is_empty),
            Self::Bars(bars) => bars.is_empty(),
            Self::Gaps(gaps) => gaps.is_empty(),
        }
    }

    fn highest(&self) -> i128 {
        let heights: Vec<_> = match self {
            Self::Lines(runs) | Self::Dashes(runs) => {
                runs.iter().flatten().map(|(_, value)| *value).collect()
            }
            Self::Bars(bars) => bars.iter().map(|[_, (_, to)]| *to).collect(),
            Self::Gaps(_) => Vec::new(),
        };
        heights.into_iter().max().unwrap_or(0)
    }
}

/// A series in one colour, with its name in the legend.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) colour: RGBColor,
    pub(crate) shape: Shape,
}

/// A plot.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// The unit of the heights, shown above the axis.
    pub(crate) unit: String,
    /// The end of the horizontal axis, which begins at 0.
    pub(crate) end: i128,
    /// The labels of the horizontal axis.
    pub(crate) ticks: Vec<(i128, String)>,
    /// Later series cover earlier ones.
    pub(crate) series: Vec<Series>,
    /// Named moments.
    pub(crate) marks: Vec<(i128, String)>,
}

type Chart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordi128, RangedCoordi128>>;
type Root<'b> = DrawingArea<SVGBackend<'b>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Plot {
    /// Draws the plot, with its title unless the page around it has one.
    ///
    /// # Errors
    /// The plot cannot be drawn.
    pub(crate) fn svg(&self, with_title: bool) -> Result<String, String> {
        let mut svg = String::new();
        let drawn = self.draw(&mut svg, with_title).map_err(|error| error.to_string());
        drawn.map_err(|error| format!("`{}` can't be drawn: {error}", self.title))?;
        let mut style = String::from(
            "<style>rect{shape-rendering:crispEdges}@media(prefers-color-scheme:dark){",
        );
        for (RGBColor(r, g, b), dark) in DARK {
            let light = format!("#{r:02X}{g:02X}{b:02X}");
            style.push_str(&format!("[fill=\"{light}\"]{{fill:{dark}}}"));
            style.push_str(&format!("[stroke=\"{light}\"]{{stroke:{dark}}}"));
        }
        let head = format!(">\n{style}}}</style>\n<title>{}</title>\n", escape(&self.title));
        Ok(svg.replacen("xmlns=", "role=\"img\" xmlns=", 1).replacen(">\n", &head, 1))
    }

    fn draw(&self, svg: &mut String, with_title: bool) -> Drawn {
        let series: Vec<_> = self.series.iter().filter(|it| !it.shape.is_empty()).collect();
        let most = series.iter().map(|it| it.shape.highest()).max().unwrap_or(0).max(1);
        let top = HEAD + if with_title { TITLE } else { 0 };
        let height = u32::try_from(HEIGHT + top).unwrap_or(u32::MAX);
        let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
        root.fill(&PAPER)?;
        if with_title {
            let bold = ("sans-serif", HEADING).into_font().color(&INK);
            root.draw(&Text::new(self.title.clone(), (EDGE, 8), bold))?;
        }
        let mut chart: Chart<'_, '_> = ChartBuilder::on(&root)
            .margin_top(top)
            .margin_right(RIGHT)
            .x_label_area_size(FOOT)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(0..self.end.max(1), 0..most + most / 12 + 1)?;
        let gaps = series.iter().filter(|it| matches!(it.shape, Shape::Gaps(_)));
        for it in gaps {
            draw_series(&mut chart, it, most)?;
        }
        self.draw_heights(&chart, &root, most)?;
        for it in series.iter().filter(|it| !matches!(it.shape, Shape::Gaps(_))) {
            draw_series(&mut chart, it, most)?;
        }
        self.draw_marks(&mut chart, &root, most)?;
        self.draw_ticks(&chart, &root)?;
        let edge = if with_title { EDGE } else { 0 };
        self.draw_legend(&root, &series, (edge, top - 18))?;
        root.present()?;
        Ok(())
    }

    /// Draws a line with its number at round heights.
    fn draw_heights(&self, chart: &Chart<'_, '_>, root: &Root<'_>, most: i128) -> Drawn {
        let style = ("sans-serif", TEXT).into_font().color(&GREY);
        let style = style.pos(Pos::new(HPos::Right, VPos::Center));
        let step = round_step(most / HEIGHTS);
        for height in (0..=most / step).map(|nth| nth * step) {
            let (from, y) = chart.backend_coord(&(0, height));
            let (to, _) = chart.backend_coord(&(self.end.max(1), height));
            root.draw(&PathElement::new([(from, y), (to, y)], FAINT))?;
            root.draw(&Text::new(number(height), (from - 8, y), style.clone()))?;
        }
        Ok(())
    }

    /// Draws each moment as a vertical line, with its name if there is room for it.
    fn draw_marks(&self, chart: &mut Chart<'_, '_>, root: &Root<'_>, most: i128) -> Drawn {
        let style = ("sans-serif", TEXT).into_font().color(&GREY);
        let style = style.pos(Pos::new(HPos::Left, VPos::Top));
        let mut free = i32::MIN;
        for (at, name) in &self.marks {
            let line = [(*at, 0), (*at, most + most / 12)];
            chart.draw_series(DashedLineSeries::new(line, 2, 3, GREY.stroke_width(1)))?;
            let (x, y) = chart.backend_coord(&(*at, most + most / 12));
            let end = x + 4 + text_width(name);
            if x >= free && end <= i32::try_from(WIDTH).unwrap_or(i32::MAX) {
                root.draw(&Text::new(name.clone(), (x + 4, y + 2), style.clone()))?;
                free = end + 4;
            }
        }
        Ok(())
    }

    fn draw_ticks(&self, chart: &Chart<'_, '_>, root: &Root<'_>) -> Drawn {
        let style = ("sans-serif", TEXT).into_font().color(&GREY);
        let style = style.pos(Pos::new(HPos::Center, VPos::Top));
        for (at, label) in &self.ticks {
            let (x, y) = chart.backend_coord(&(*at, 0));
            root.draw(&PathElement::new([(x, y), (x, y + 4)], FAINT))?;
            root.draw(&Text::new(label.clone(), (x, y + 8), style.clone()))?;
        }
        Ok(())
    }

    /// The unit and the names of the series, in one line above the plot.
    fn draw_legend(&self, root: &Root<'_>, series: &[&Series], (edge, y): (i32, i32)) -> Drawn {
        let place = Pos::new(HPos::Left, VPos::Center);
        let font = || ("sans-serif", TEXT).into_font();
        let (soft, ink) = (font().color(&GREY).pos(place), font().color(&INK).pos(place));
        root.draw(&Text::new(self.unit.clone(), (edge, y), soft))?;
        let mut x = LEFT.max(edge + text_width(&self.unit) + 16);
        for Series { name, colour, shape } in series {
            let block = [(x, y - 5), (x + 14, y + 5)];
            let line = [(x, y), (x + 18, y)];
            match shape {
                Shape::Bars(_) => root.draw(&Rectangle::new(block, colour.filled()))?,
                Shape::Gaps(_) => {
                    root.draw(&Rectangle::new(block, EMPTY.filled()))?;
                    root.draw(&Rectangle::new(block, FAINT.stroke_width(1)))?;
                }
                Shape::Lines(_) => root.draw(&PathElement::new(line, colour.stroke_width(2)))?,
                Shape::Dashes(_) => {
                    for from in [x, x + 7, x + 14] {
                        let dash = [(from, y), (from + 4, y)];
                        root.draw(&PathElement::new(dash, colour.stroke_width(2)))?;
                    }
                }
            }
            root.draw(&Text::new(name.clone(), (x + 24, y), ink.clone()))?;
            x += 24 + text_width(name) + 16;
        }
        Ok(())
    }
}

fn draw_series(chart: &mut Chart<'_, '_>, series: &Series, most: i128) -> Drawn {
    let Series { colour, shape, .. } = series;
    match shape {
        Shape::Lines(runs) => {
            for run in runs {
                let style = colour.stroke_width(2);
                chart.draw_series(LineSeries::new(run.iter().copied(), style))?;
            }
        }
        Shape::Dashes(runs) => {
            for run in runs {
                let style = colour.stroke_width(2);
                chart.draw_series(DashedLineSeries::new(run.iter().copied(), 6, 4, style))?;
            }
        }
        Shape::Bars(bars) => {
            let bar = |corners: &[(i128, i128); 2]| Rectangle::new(*corners, colour.filled());
            chart.draw_series(bars.iter().map(bar))?;
        }
        Shape::Gaps(gaps) => {
            let highest = most + most / 12 + 1;
            let gap = |(from, to): &(i128, i128)| {
                Rectangle::new([(*from, 0), (*to, highest)], EMPTY.filled())
            };
            chart.draw_series(gaps.iter().map(gap))?;
        }
    }
    Ok(())
}

/// The next of 1, 2, 5, 10, 20, 50, …
fn round_step(least: i128) -> i128 {
    let mut step = 1;
    for factor in [2, 5, 10].into_iter().cycle() {
        if step > least {
            break;
        }
        step = match factor {
            5 => step / 2 * 5,
            _ => step * 2,
        };
    }
    step
}

/// A page that holds everything.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n{body}</html>\n"
    )
}

/// The most important numbers, with their names.
pub(crate) fn numbers(numbers: &[(&str, String)]) -> String {
    let number =
        |(name, value): &(&str, String)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    format!("<dl>{}</dl>\n", numbers.iter().map(number).collect::<String>())
}

/// Escapes text for HTML and XML.
pub(crate) fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Writes a number with a comma between thousands.
pub(crate) fn number(value: impl Into<i128>) -> String {
    let digits = value.into().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The width of a text of 12 pixels, about.
fn text_width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX).saturating_mul(7)
}

/// The most lines at round heights, about.
const HEIGHTS: i128 = 5;
const WIDTH: u32 = 880;
/// The height without legend and title.
const HEIGHT: i32 = 264;
/// The sizes of texts, as the backend counts them: a pixel is about 1.24 of it.
const TEXT: i32 = 15;
const HEADING: i32 = 19;
/// Above the plot, for the legend, and for a title.
const HEAD: i32 = 38;
const TITLE: i32 = 28;
/// At the left of a title; in a page, texts begin where the page's do.
const EDGE: i32 = 12;
/// Below the plot, and at its sides, for the labels of the axes.
const FOOT: i32 = 34;
const LEFT: i32 = 76;
const RIGHT: i32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(series: Vec<Series>) -> Plot {
        Plot {
            title: "Latency & more".into(),
            unit: "ms".into(),
            end: 3_000,
            ticks: vec![(0, "0 s".into()), (2_000, "2 s".into())],
            series,
            marks: vec![(1_000, "rotate".into())],
        }
    }

    fn series(name: &str, shape: Shape) -> Series {
        Series { name: name.into(), colour: BLUE, shape }
    }

    #[test]
    fn a_plot_has_its_series_once_and_loads_nothing() {
        let run = vec![(0, 0), (2_000, 1_000)];
        let plot = plot(vec![
            series("a < b", Shape::Lines(vec![run.clone()])),
            series("most", Shape::Dashes(vec![run])),
            series("used", Shape::Bars(vec![[(0, 0), (900, 500)]])),
            series("no data", Shape::Gaps(vec![(2_000, 3_000)])),
            series("nothing", Shape::Bars(Vec::new())),
        ]);
        let svg = plot.svg(true).unwrap();
        for part in ["a &lt; b", "most", "used", "no data", "rotate", "2 s", "1,000", "dark"] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert!(!svg.contains("nothing"), "{svg}");
        assert_eq!(svg.matches("http").count(), 1, "only the namespace");
        // Once for readers of the screen, and once for those who hear it.
        assert_eq!(svg.matches("Latency &amp; more").count(), 2);
        assert_eq!(plot.svg(false).unwrap().matches("Latency &amp; more").count(), 1);
    }

    #[test]
    fn a_line_has_a_gap_where_there_are_no_data() {
        let lines = |runs: Vec<Run>| {
            let svg = plot(vec![series("a", Shape::Lines(runs))]).svg(false).unwrap();
            svg.matches("<polyline").count()
        };
        let (first, second) = (vec![(0, 1), (500, 1)], vec![(2_000, 1), (3_000, 1)]);
        let whole = lines(vec![[first.clone(), second.clone()].concat()]);
        assert_eq!(lines(vec![first, second]), whole + 1);
    }

    #[test]
    fn every_colour_has_one_for_a_dark_screen() {
        let colours = [BLUE, ORANGE, RED, GREEN, PURPLE, GREY];
        let bars = |colour: RGBColor| Series {
            colour,
            ..series("a", Shape::Bars(vec![[(0, 0), (900, 500)]]))
        };
        let svg = plot(colours.map(bars).into()).svg(true).unwrap();
        let (style, drawn) = svg.split_once("</style>").unwrap();
        for part in drawn.split('"').filter(|part| part.starts_with('#')) {
            assert!(style.contains(&format!("[fill=\"{part}\"]")), "{part}");
        }
    }

    #[test]
    fn a_plot_without_series_is_drawn_and_a_page_has_its_title_once() {
        let svg = plot(Vec::new()).svg(false).unwrap();
        assert!(svg.ends_with("</svg>\n"));
        let page = page("<Usage>", &svg);
        assert_eq!(page.matches("<h1>&lt;Usage&gt;</h1>").count(), 1);
        assert!(page.ends_with("</html>\n") && !page.contains("<Usage>"));
        let steps = [0, 1, 2, 4, 5, 10, 99, 1_000].map(round_step);
        assert_eq!(steps, [1, 2, 5, 5, 10, 20, 100, 2_000]);
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(
            (number(0), number(999), number(1_000)),
            ("0".into(), "999".into(), "1,000".into())
        );
    }
}
