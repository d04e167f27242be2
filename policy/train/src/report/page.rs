//! The comparison as one HTML page.

use std::fmt::Write;

use super::charts::Chart;
use super::table;
use crate::experiment::Study;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}\
td:first-child,th:first-child{text-align:left}.yes{color:#067}.no{color:#a30}svg{max-width:100%;height:auto}\
pre{background:#f4f4f4;padding:.8em;overflow:auto}";

/// The page, with its charts inside.
#[must_use]
pub fn page(study: &Study, charts: &[Chart]) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut page, study, charts);
    page
}

fn write(page: &mut String, study: &Study, charts: &[Chart]) -> std::fmt::Result {
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><title>trimtab-lab report</title><style>{STYLE}</style>\
         <h1>Policies in the published environment</h1><p>Reward, response and costs are those of the published \
         simulator (TMO, arXiv 2502.11007), not of a running system. Means over the splits ± sample standard deviation.</p>"
    )?;
    table::verdicts(page, study)?;
    table::budgets(page, study)?;
    table::paired(page, study)?;
    table::yardsticks(page, study)?;
    table::logged(page, study)?;
    table::profiles(page, study)?;
    table::ablations(page, study)?;
    table::transfer(page, study)?;
    write!(page, "<h2>Charts</h2>")?;
    for chart in charts {
        write!(page, "<figure id={}>{}</figure>", chart.name, chart.svg)?;
    }
    let args = serde_json::to_string_pretty(&study.args).unwrap_or_default();
    write!(page, "<h2>How it was made</h2><pre>{}\nsha256 {}</pre></html>", escape(&args), study.dataset_sha256)
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
