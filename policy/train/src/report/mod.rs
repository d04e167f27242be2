//! The comparison to look at: charts and one page.

mod chart;
mod page;

pub use chart::{Axes, ChartError, Series, lines, points, stacked};
pub use page::{Chart, charts, page};
