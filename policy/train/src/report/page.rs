//! The comparison as one HTML page.

use std::fmt::Write;

use super::chart::{self, Axes, ChartError, Series};
use crate::experiment::{Point, Row, Study};
use crate::published::{ACTIONS, Budget, CLASSES, NAMED_BUDGETS, class_of};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;text-align:right;border-bottom:1px solid #ddd}\
td:first-child,th:first-child{text-align:left}.yes{color:#067}.no{color:#a30}svg{max-width:100%;height:auto}\
pre{background:#f4f4f4;padding:.8em;overflow:auto}";

/// A chart with the name of its file.
pub struct Chart {
    /// Without its ending.
    pub name: &'static str,
    /// As SVG.
    pub svg: String,
}

/// Every chart of a comparison.
pub fn charts(study: &Study) -> Result<Vec<Chart>, ChartError> {
    let names: Vec<String> =
        NAMED_BUDGETS.iter().map(|budget| format!("{} s / {} USD", budget.seconds, budget.usd)).collect();
    let series = |of: &dyn Fn(&Row) -> f64, wanted: &[(&str, bool)]| -> Vec<Series> {
        wanted
            .iter()
            .map(|(method, shielded)| {
                let at = |(index, budget): (usize, &Budget)| {
                    let own = |row: &&Row| row.method == *method && row.shielded == *shielded && row.budget == *budget;
                    study.rows.iter().find(own).map(|row| (index as f64, of(row)))
                };
                let name = if *shielded { format!("{method}, shield") } else { (*method).into() };
                Series { name, points: NAMED_BUDGETS.iter().enumerate().filter_map(at).collect() }
            })
            .collect()
    };
    let learnt = "planner, distilled, int8";
    let budgets = Axes { title: "Reward by budget", x: "budget of a conversation", y: "reward", names: &names };
    let reward = series(
        &|row| row.reward.mean,
        &[("oracle", false), (learnt, true), ("greedy", true), ("greedy", false), ("local", false)],
    );
    let broken = Axes { title: "Conversations over a budget", y: "share", ..budgets.clone() };
    let over = series(
        &|row| row.over_latency.max(row.over_usage),
        &[("greedy", false), ("cloud", false), ("random", false), (learnt, false), (learnt, true)],
    );
    let mut found = vec![
        Chart { name: "reward-by-budget", svg: chart::lines(&budgets, &reward)? },
        Chart { name: "over-budget", svg: chart::lines(&broken, &over)? },
    ];
    for (name, title, x, of) in [
        (
            "front-latency",
            "Reward against latency, 30 s / 0.05 USD",
            "seconds of a conversation",
            (|row: &Row| row.latency_s) as fn(&Row) -> f64,
        ),
        ("front-cost", "Reward against cost, 30 s / 0.05 USD", "USD of a conversation", |row: &Row| row.usage_usd),
    ] {
        let one = |row: &Row| Series { name: row.method.clone(), points: vec![(of(row), row.reward.mean)] };
        let shown: Vec<Series> = study
            .rows
            .iter()
            .filter(|row| row.budget == NAMED_BUDGETS[0] && !row.shielded && !row.method.starts_with("constant"))
            .map(one)
            .collect();
        let axes = Axes { title, x, y: "reward", names: &[] };
        found.push(Chart { name, svg: chart::points(&axes, &shown)? });
    }
    found.push(Chart { name: "front-logged", svg: truth(study)? });
    found.push(Chart { name: "action-mix", svg: mix(study)? });
    found.push(Chart { name: "action-mix-by-task", svg: by_task(study)? });
    for ablation in &study.ablations {
        let series = |name: &str, of: &dyn Fn(&Point) -> f64| Series {
            name: name.into(),
            points: ablation.points.iter().map(|point| (point.at, of(point))).collect(),
        };
        let mut shown = vec![series(ablation.of, &|point| point.result.mean)];
        if ablation.points.iter().any(|point| point.over > 0.0) {
            shown.push(series("share over budget", &|point| point.over));
        }
        let axes = Axes { title: ablation.measures, x: ablation.meaning, y: "", names: &[] };
        found.push(Chart { name: ablation.of, svg: chart::lines(&axes, &shown)? });
    }
    Ok(found)
}

/// What policies would have scored by the log, against their time.
fn truth(study: &Study) -> Result<String, ChartError> {
    let swept = |name: &str, points: &[crate::logged::front::Point]| Series {
        name: name.into(),
        points: points.iter().map(|point| (point.evaluation.latency_s, point.evaluation.snips)).collect(),
    };
    let mut series =
        vec![swept("recipe, by limit", &study.logged.by_limit), swept("recipe, by weight", &study.logged.by_weight)];
    series.extend(study.logged.rows.iter().map(|row| Series {
        name: row.policy.clone(),
        points: vec![(row.evaluation.latency_s, row.evaluation.snips)],
    }));
    let title = "Logged scores, off-policy";
    chart::points(&Axes { title, x: "simulated seconds of a turn", y: "score (snips)", names: &[] }, &series)
}

/// Classes of actions, as in a legend.
const CLASS_NAMES: [&str; CLASSES] = ["local", "cloud, text", "one view", "two views", "three views"];

/// What the learnt policy does for each task.
fn by_task(study: &Study) -> Result<String, ChartError> {
    let names: Vec<String> = study.mix.iter().map(|mix| mix.task.to_owned()).collect();
    let part = |(class, name): (usize, &str)| Series {
        name: name.into(),
        points: study.mix.iter().enumerate().map(|(at, mix)| (at as f64, mix.shares[class])).collect(),
    };
    let parts: Vec<Series> = CLASS_NAMES.into_iter().enumerate().map(part).collect();
    let title = "What the planner's policy does, by task";
    chart::stacked(&Axes { title, x: "", y: "share of turns", names: &names }, &parts)
}

/// Shares of the classes of actions, by contender.
fn mix(study: &Study) -> Result<String, ChartError> {
    let rows: Vec<&Row> = study
        .rows
        .iter()
        .filter(|row| row.budget == NAMED_BUDGETS[0] && !row.shielded && !row.method.starts_with("constant"))
        .collect();
    let names: Vec<String> = rows.iter().map(|row| row.method.clone()).collect();
    let share = |row: &Row, class: usize| {
        let digits = || row.runs.iter().flat_map(|run| &run.result.actions).flat_map(|actions| actions.bytes());
        let of = |digit: u8| class_of(usize::from(digit - b'0').min(ACTIONS - 1));
        digits().filter(|digit| of(*digit) == class).count() as f64 / digits().count().max(1) as f64
    };
    let parts: Vec<Series> = CLASS_NAMES
        .into_iter()
        .enumerate()
        .map(|(class, name)| Series {
            name: name.into(),
            points: rows.iter().enumerate().map(|(at, row)| (at as f64, share(row, class))).collect(),
        })
        .collect();
    let axes = Axes { title: "What is done", x: "", y: "share of turns", names: &names };
    chart::stacked(&axes, &parts)
}

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
        "<!doctype html><html lang=en><meta charset=utf-8><title>trimtab-lab report</title><style>{STYLE}</style>"
    )?;
    write!(
        page,
        "<h1>Policies in the published environment</h1><p>Reward, response and costs are those of the published "
    )?;
    write!(
        page,
        "simulator (TMO, arXiv 2502.11007), not of a running system. Means over the splits ± sample standard deviation.</p>"
    )?;
    write!(page, "<h2>Verdicts</h2><table><tr><th>claim<th>holds<th>figures</tr>")?;
    for verdict in &study.verdicts {
        let (class, word) = if verdict.holds { ("yes", "yes") } else { ("no", "no") };
        write!(page, "<tr><td>{}<td class={class}>{word}<td>{}</tr>", escape(verdict.claim), escape(&verdict.because))?;
    }
    write!(page, "</table>")?;
    for budget in NAMED_BUDGETS {
        write!(page, "<h2>{} s and {} USD a conversation</h2><table>", budget.seconds, budget.usd)?;
        write!(
            page,
            "<tr><th>method<th>reward<th>worst seed<th>latency s<th>usage 10⁻³ USD<th>over s %<th>over USD %</tr>"
        )?;
        for row in study.rows.iter().filter(|row| row.budget == budget) {
            let shield = if row.shielded { ", shield" } else { "" };
            write!(
                page,
                "<tr><td>{}{shield}<td>{:.4} ± {:.3}<td>{:.4}<td>{:.2}<td>{:.3}<td>{:.1}<td>{:.1}</tr>",
                escape(&row.method),
                row.reward.mean,
                row.reward.std,
                row.worst_seed,
                row.latency_s,
                row.usage_usd * 1e3,
                100.0 * row.over_latency,
                100.0 * row.over_usage
            )?;
        }
        write!(page, "</table>")?;
    }
    write!(page, "<h2>Paired differences of reward</h2><table><tr><th>less<th>difference<th>95 % interval</tr>")?;
    for pair in &study.paired {
        write!(
            page,
            "<tr><td>{} less {}<td>{:+.4}<td>{:+.4} to {:+.4}</tr>",
            escape(&pair.of),
            escape(&pair.against),
            pair.difference.value,
            pair.difference.low,
            pair.difference.high
        )?;
    }
    write!(
        page,
        "</table><h2>By the logged scores</h2><p>What answers were worth to the judge, told from turns in which the log did "
    )?;
    write!(
        page,
        "what a policy would have done; what is learnt is learnt without the dialogue that it is judged on.</p><table>"
    )?;
    write!(page, "<tr><th>policy<th>snips<th>95 %<th>dr<th>95 %<th>effective n<th>s a turn<th>10⁻³ USD a turn</tr>")?;
    for row in &study.logged.rows {
        let (own, note) = (&row.evaluation, if row.in_sample { " (in sample)" } else { "" });
        write!(
            page,
            "<tr><td>{}{note}<td>{:.3}<td>{:.2} to {:.2}<td>{:.3}<td>{:.2} to {:.2}<td>{:.0}<td>{:.2}<td>{:.2}</tr>",
            escape(&row.policy),
            own.snips,
            own.snips_low,
            own.snips_high,
            own.dr,
            own.dr_low,
            own.dr_high,
            own.effective_n,
            own.latency_s,
            own.usage_usd * 1e3
        )?;
    }
    write!(page, "</table><h2>Charts</h2>")?;
    for chart in charts {
        write!(page, "<figure id={}>{}</figure>", chart.name, chart.svg)?;
    }
    let args = serde_json::to_string_pretty(&study.args).unwrap_or_default();
    write!(page, "<h2>How it was made</h2><pre>{}\nsha256 {}</pre></html>", escape(&args), study.dataset_sha256)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
