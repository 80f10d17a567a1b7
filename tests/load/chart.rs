//! Line plots over time, as SVG files that load nothing from elsewhere.

use std::fmt::Display;

use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::element::{PathElement, Text};
use plotters::prelude::{Color, IntoDrawingArea, IntoFont, SVGBackend, ShapeStyle};
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::RGBColor;

const SIZE: (u32, u32) = (760, 320);
/// Colours that differ in grey, and for readers who cannot tell red from green.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];
const GREY: RGBColor = RGBColor(110, 110, 110);
const FAINT: RGBColor = RGBColor(225, 225, 225);
/// Readers with a dark screen get the same plot with its lightness inverted.
const DARK: &str = "<style>@media (prefers-color-scheme:dark){\
svg{filter:invert(.9) hue-rotate(180deg)}}</style>";

/// One line of a plot. Its points are pairs of milliseconds and a value.
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
    /// Named moments, in milliseconds.
    pub(crate) marks: Vec<(i128, String)>,
}

impl Chart {
    /// Draws the plot.
    ///
    /// # Errors
    /// The plot cannot be drawn.
    pub(crate) fn svg(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|error| anyhow::anyhow!("`{}`: {error}", self.title))?;
        Ok(svg.replacen("xmlns=", "role=\"img\" xmlns=", 1).replacen(
            ">\n",
            &format!(">{DARK}\n"),
            1,
        ))
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let last = points().map(|(at, _)| *at).max().unwrap_or(0).max(1_000);
        let most = points().map(|(_, value)| *value).max().unwrap_or(0).max(1);
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&RGBColor(255, 255, 255))?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 15))
            .margin(12)
            .x_label_area_size(32)
            .y_label_area_size(68)
            .build_cartesian_2d(0..last, 0..most + most / 20 + 1)?;
        chart
            .configure_mesh()
            .bold_line_style(FAINT)
            .light_line_style(RGBColor(255, 255, 255))
            .x_labels(usize::try_from(last / 1_000).unwrap_or(10).clamp(2, 10))
            .y_labels(6)
            .x_label_formatter(&|at| format!("{} s", at / 1_000))
            .y_label_formatter(&|value| format!("{value} {}", self.unit))
            .draw()?;
        for (at, name) in &self.marks {
            let line = [(*at, 0), (*at, most)];
            chart.draw_series(DashedLineSeries::new(line, 2, 3, GREY.stroke_width(1)))?;
            let style = ("sans-serif", 10).into_font().color(&GREY);
            chart.draw_series([Text::new(name.clone(), (*at, most), style)])?;
        }
        for (line, colour) in self.lines.iter().zip(COLOURS.into_iter().cycle()) {
            let style = colour.stroke_width(2);
            let points = line.points.iter().copied();
            let drawn = if line.dashed {
                chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?
            } else {
                chart.draw_series(LineSeries::new(points, style))?
            };
            drawn.label(line.name.clone()).legend(move |(x, y)| sample(x, y, style));
        }
        if !self.lines.is_empty() {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .background_style(RGBColor(255, 255, 255).mix(0.85))
                .draw()?;
        }
        area.present()?;
        Ok(())
    }
}

/// The line's sample in the legend.
fn sample(x: i32, y: i32, style: ShapeStyle) -> PathElement<(i32, i32)> {
    PathElement::new([(x, y), (x + 18, y)], style)
}

/// Escapes text for HTML and XML.
pub(crate) fn escape(text: impl Display) -> String {
    let text = text.to_string();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_lines_and_loads_nothing() {
        let line = Line { name: "a < b".into(), dashed: false, points: vec![(0, 0), (2_000, 10)] };
        let dashed = Line { name: "most".into(), dashed: true, points: vec![(0, 5), (2_000, 15)] };
        let chart = Chart {
            title: "Latency & more".into(),
            unit: "ms",
            lines: vec![line, dashed],
            marks: vec![(1_000, "rotate".into())],
        };
        let svg = chart.svg().unwrap();
        for part in
            ["a &lt; b", "most", "Latency &amp; more", "rotate", "prefers-color-scheme:dark"]
        {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert_eq!(svg.matches("http").count(), 1, "only the namespace");
    }

    #[test]
    fn a_plot_without_lines_is_drawn() {
        let chart = Chart { title: String::new(), unit: "", lines: Vec::new(), marks: Vec::new() };
        assert!(chart.svg().unwrap().ends_with("</svg>\n"));
    }
}
