//! The comparison to look at: charts and one page.

mod chart;
mod charts;
mod page;
mod table;

pub use chart::{Axes, ChartError, Series, front, lines, points, stacked};
pub use charts::{Chart, charts};
pub use page::page;
