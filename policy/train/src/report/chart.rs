//! Charts as SVG text.

use plotters::coord::Shift;
use plotters::prelude::*;

/// Pixels.
const SIZE: (u32, u32) = (760, 420);
const MARGIN: u32 = 12;
/// Room for the legend beside the points, as a share of their width.
const LEGEND: f64 = 0.42;
/// The same beside bars.
const BARS_LEGEND: f64 = 0.3;
const FONT: &str = "sans-serif";
/// Colours that stay apart for the colour-blind (Okabe and Ito 2008).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
    RGBColor(0, 0, 0),
];

/// Behind the points.
const FAINT: RGBColor = RGBColor(200, 200, 200);

/// A chart that cannot be drawn: a value that is no number, or an axis without length.
#[derive(Debug, thiserror::Error)]
#[error("chart {title:?}: {why}")]
pub struct ChartError {
    title: String,
    why: String,
}

/// A series of points.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Left to right.
    pub points: Vec<(f64, f64)>,
}

/// Title and axes.
#[derive(Clone, PartialEq, Debug)]
pub struct Axes<'a> {
    /// Above the chart.
    pub title: &'a str,
    /// What x is, with its unit.
    pub x: &'a str,
    /// What y is, with its unit.
    pub y: &'a str,
    /// In place of numbers along x: names at 0, 1, 2 and so on.
    pub names: &'a [String],
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What is joined by lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    /// The points of each series.
    Series,
    /// Nothing.
    Nothing,
    /// The points of which none has more y at no more x.
    Front,
}

/// Points joined by lines.
pub fn lines(axes: &Axes<'_>, series: &[Series]) -> Result<String, ChartError> {
    draw(axes, series, Joined::Series)
}

/// Points alone, each series one colour.
pub fn points(axes: &Axes<'_>, series: &[Series]) -> Result<String, ChartError> {
    draw(axes, series, Joined::Nothing)
}

/// Points, and a line through those that no other one beats in x and y: less of x is better, and more of y.
pub fn front(axes: &Axes<'_>, series: &[Series]) -> Result<String, ChartError> {
    draw(axes, series, Joined::Front)
}

fn draw(axes: &Axes<'_>, series: &[Series], joined: Joined) -> Result<String, ChartError> {
    framed(axes, |area| {
        let all = || series.iter().flat_map(|series| series.points.iter().copied());
        let (x, y) = (span(all().map(|point| point.0)), span(all().map(|point| point.1)));
        let mut chart = ChartBuilder::on(area)
            .caption(axes.title, (FONT, 18))
            .margin(MARGIN)
            .x_label_area_size(44)
            .y_label_area_size(58)
            .build_cartesian_2d(x.0..x.1 + LEGEND * (x.1 - x.0), y.0..y.1)
            .map_err(|error| error.to_string())?;
        let named = |at: &f64| {
            let whole = (at - at.round()).abs() < 1e-6 && *at >= 0.0;
            let name = if whole { axes.names.get(at.round() as usize) } else { None };
            if axes.names.is_empty() { plain(*at) } else { name.cloned().unwrap_or_default() }
        };
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_labels(if axes.names.is_empty() { 8 } else { 2 * axes.names.len() })
            .x_label_formatter(&named)
            .y_label_formatter(&|at| plain(*at))
            .x_desc(axes.x)
            .y_desc(axes.y)
            .draw()
            .map_err(|error| error.to_string())?;
        if joined == Joined::Front {
            let line = LineSeries::new(unbeaten(all()), FAINT.stroke_width(2));
            chart.draw_series(line).map_err(|error| error.to_string())?;
        }
        for (index, series) in series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            // The same colours again are rings.
            let dot = if index < COLOURS.len() { colour.filled() } else { colour.stroke_width(2) };
            let dots = series.points.iter().map(|point| Circle::new(*point, 4, dot));
            if joined == Joined::Series {
                chart
                    .draw_series(LineSeries::new(series.points.iter().copied(), colour.stroke_width(2)))
                    .map_err(|error| error.to_string())?;
            }
            chart
                .draw_series(dots)
                .map_err(|error| error.to_string())?
                .label(series.name.as_str())
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, dot));
        }
        legend(&mut chart)
    })
}

/// The points of which none has more y at no more x, from the least x.
fn unbeaten(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut sorted: Vec<(f64, f64)> = points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut best = f64::NEG_INFINITY;
    sorted.retain(|(_, y)| {
        let more = *y > best;
        best = best.max(*y);
        more
    });
    sorted
}

/// Stacked bars: for each name along x, the parts from the bottom up.
pub fn stacked(axes: &Axes<'_>, parts: &[Series]) -> Result<String, ChartError> {
    framed(axes, |area| {
        let count = axes.names.len();
        let mut chart = ChartBuilder::on(area)
            .caption(axes.title, (FONT, 18))
            .margin(MARGIN)
            .x_label_area_size(44)
            .y_label_area_size(58)
            .build_cartesian_2d(-0.5..count as f64 * (1.0 + BARS_LEGEND), 0.0..1.0)
            .map_err(|error| error.to_string())?;
        let named = |at: &f64| {
            let whole = (at - at.round()).abs() < 1e-6 && *at >= 0.0;
            if whole { axes.names.get(at.round() as usize).cloned().unwrap_or_default() } else { String::new() }
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .x_labels(2 * count + 2)
            .x_label_formatter(&named)
            .x_desc(axes.x)
            .y_desc(axes.y)
            .draw()
            .map_err(|error| error.to_string())?;
        let mut floor = vec![0.0; count];
        for (index, part) in parts.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let bars: Vec<Rectangle<(f64, f64)>> = part
                .points
                .iter()
                .zip(&mut floor)
                .map(|((x, height), floor)| {
                    let bar = Rectangle::new([(x - 0.35, *floor), (x + 0.35, *floor + height)], colour.filled());
                    *floor += height;
                    bar
                })
                .collect();
            chart
                .draw_series(bars)
                .map_err(|error| error.to_string())?
                .label(part.name.as_str())
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        legend(&mut chart)
    })
}

fn legend<'a, X: Ranged<ValueType = f64>, Y: Ranged<ValueType = f64>>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
) -> Result<(), String> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 12))
        .draw()
        .map_err(|error| error.to_string())
}

fn framed(axes: &Axes<'_>, body: impl FnOnce(&Area<'_>) -> Result<(), String>) -> Result<String, ChartError> {
    let mut text = String::new();
    let refuse = |why: String| ChartError { title: axes.title.into(), why };
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|error| refuse(error.to_string()))?;
        body(&area).map_err(refuse)?;
        area.present().map_err(|error| refuse(error.to_string()))?;
    }
    Ok(text)
}

/// A little more than what is there, so that no point lies on an edge.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high > low { 0.06 * (high - low) } else { 0.5 };
    (low - room, high + room)
}

fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_leaves_out_what_is_beaten() {
        let points = [(2.0, 0.5), (1.0, 0.4), (1.5, 0.3), (2.0, 0.7), (3.0, 0.7), (f64::NAN, 9.0)];
        assert_eq!(unbeaten(points.into_iter()), [(1.0, 0.4), (2.0, 0.7)]);
    }
}
