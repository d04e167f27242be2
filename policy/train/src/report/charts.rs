//! Every chart of a comparison.

use super::chart::{self, Axes, ChartError, Series};
use crate::experiment::{
    Ablation, Curve, CurveMean, Judged, LEARNT, OnOwn, Point, Profile, Row, SIGHTED_GREEDY, Study, Transfer,
};
use crate::logged::evaluation::Evaluation;
use crate::published::{ACTIONS, Budget, CLASSES, DEVICES, NAMED_BUDGETS, NETWORKS, class_of};

/// A chart with the name of its file.
pub struct Chart {
    /// Without its ending.
    pub name: &'static str,
    /// As SVG.
    pub svg: String,
}

/// Classes of actions, as in a legend.
const CLASS_NAMES: [&str; CLASSES] = ["local", "cloud, text", "one view", "two views", "three views"];

/// Every chart of a comparison.
pub fn charts(study: &Study) -> Result<Vec<Chart>, ChartError> {
    let mut found = by_budget(study)?;
    found.extend(fronts(study)?);
    found.push(Chart { name: "front-logged-latency", svg: logged(study, "seconds of a turn", |of| of.latency_s)? });
    found.push(Chart { name: "front-logged-cost", svg: logged(study, "USD of a turn", |of| of.usage_usd)? });
    found.push(Chart { name: "yardsticks", svg: yardsticks(study)? });
    found.push(Chart {
        name: "learning-curves",
        svg: curves(study, "Reward while learning", "reward", |at| at.reward)?,
    });
    let over = "Episodes over their budget while learning";
    found.push(Chart { name: "learning-over-budget", svg: curves(study, over, "share", |at| at.over)? });
    found.push(Chart { name: "profiles", svg: profiles(study)? });
    found.push(Chart { name: "action-mix", svg: mix(study, false)? });
    found.push(Chart { name: "action-mix-learners", svg: mix(study, true)? });
    found.push(Chart { name: "action-mix-by-task", svg: by_task(study)? });
    for ablation in &study.ablations {
        found.push(Chart { name: ablation.of, svg: ablated(ablation)? });
    }
    if let Some(transfer) = &study.transfer {
        found.push(Chart { name: "own-latency", svg: own(transfer, "seconds of a turn", |row| row.latency_s)? });
        found.push(Chart { name: "own-cost", svg: own(transfer, "USD of a turn", |row| row.usage_usd)? });
        found.push(Chart {
            name: "own-joules",
            svg: own(transfer, "joules of a turn on the device", |row| row.joules)?,
        });
    }
    Ok(found)
}

/// Contenders under the first budget without the shield, but for the constants.
fn first(study: &Study) -> Vec<&Row> {
    let shown = |row: &&Row| row.budget == NAMED_BUDGETS[0] && !row.shielded && !row.method.starts_with("constant");
    study.rows.iter().filter(shown).collect()
}

fn by_budget(study: &Study) -> Result<Vec<Chart>, ChartError> {
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
    let budgets = Axes { title: "Reward by budget", x: "budget of a conversation", y: "reward", names: &names };
    let reward = series(
        &|row| row.reward.mean,
        &[("oracle", false), (LEARNT, true), ("greedy", true), ("greedy", false), ("local", false), ("rc-a2c", true)],
    );
    let over = |row: &Row| row.over_latency.max(row.over_usage);
    let broken = Axes { title: "Conversations over a budget", y: "share", ..budgets.clone() };
    let rules =
        series(&over, &[("greedy", false), ("cloud", false), ("random", false), (LEARNT, false), (LEARNT, true)]);
    let learners = Axes { title: "Conversations of the published learners over a budget", ..broken.clone() };
    let learnt = series(&over, &["a2c", "ppo", "dqn", "rc-a2c", "rc-ppo", "rc-dqn"].map(|name| (name, false)));
    Ok(vec![
        Chart { name: "reward-by-budget", svg: chart::lines(&budgets, &reward)? },
        Chart { name: "over-budget", svg: chart::lines(&broken, &rules)? },
        Chart { name: "over-budget-learners", svg: chart::lines(&learners, &learnt)? },
    ])
}

/// Reward, and quality alone, against what a conversation takes.
fn fronts(study: &Study) -> Result<Vec<Chart>, ChartError> {
    type Of = fn(&Row) -> f64;
    let quality: Of = |row| row.runs.iter().map(|run| run.result.response).sum::<f64>() / row.runs.len().max(1) as f64;
    let (reward, seconds, usd): (Of, Of, Of) = (|row| row.reward.mean, |row| row.latency_s, |row| row.usage_usd);
    let (time, money) = ("seconds of a conversation", "USD of a conversation");
    let wanted: [(&'static str, &str, &str, Of, &str, Of); 4] = [
        ("front-latency", "Reward against latency, 30 s / 0.05 USD", time, seconds, "reward", reward),
        ("front-cost", "Reward against cost, 30 s / 0.05 USD", money, usd, "reward", reward),
        ("quality-latency", "Quality against latency, 30 s / 0.05 USD", time, seconds, "estimated score", quality),
        ("quality-cost", "Quality against cost, 30 s / 0.05 USD", money, usd, "estimated score", quality),
    ];
    let mut found = Vec::new();
    for (name, title, x, along, y, up) in wanted {
        let one = |row: &Row| Series { name: row.method.clone(), points: vec![(along(row), up(row))] };
        let shown: Vec<Series> = first(study).into_iter().map(one).collect();
        found.push(Chart { name, svg: chart::front(&Axes { title, x, y, names: &[] }, &shown)? });
    }
    Ok(found)
}

/// What policies would have scored by the log.
fn logged(study: &Study, x: &str, along: fn(&Evaluation) -> f64) -> Result<String, ChartError> {
    let swept = |name: &str, points: &[crate::logged::front::Point]| Series {
        name: name.into(),
        points: points.iter().map(|point| (along(&point.evaluation), point.evaluation.snips)).collect(),
    };
    let mut series =
        vec![swept("recipe, by limit", &study.logged.by_limit), swept("recipe, by weight", &study.logged.by_weight)];
    series.extend(
        study.logged.rows.iter().map(|row| Series {
            name: row.policy.clone(),
            points: vec![(along(&row.evaluation), row.evaluation.snips)],
        }),
    );
    chart::front(&Axes { title: "Logged scores, off-policy", x, y: "score (snips)", names: &[] }, &series)
}

/// The one yardstick against the other.
fn yardsticks(study: &Study) -> Result<String, ChartError> {
    let shown = study.judged.iter().filter(|judged| !judged.method.starts_with("constant"));
    let one = |judged: &Judged| Series {
        name: judged.method.clone(),
        points: vec![(judged.reward.mean, judged.logged.snips)],
    };
    let axes = Axes {
        title: "Both yardsticks",
        x: "reward in the published environment",
        y: "logged score (snips)",
        names: &[],
    };
    chart::points(&axes, &shown.map(one).collect::<Vec<_>>())
}

fn curves(study: &Study, title: &str, y: &str, of: fn(&CurveMean) -> f64) -> Result<String, ChartError> {
    let one = |curve: &Curve| Series {
        name: curve.method.into(),
        points: curve.points.iter().map(|point| (point.step as f64, of(point))).collect(),
    };
    let series: Vec<Series> = study.curves.iter().map(one).collect();
    chart::lines(&Axes { title, x: "steps", y, names: &[] }, &series)
}

/// Devices side by side, network by network.
fn profiles(study: &Study) -> Result<String, ChartError> {
    let middle = DEVICES.len() / 2;
    let names: Vec<String> = NETWORKS
        .iter()
        .flat_map(|network| (0..DEVICES.len()).map(|at| if at == middle { network.name } else { "" }.into()))
        .collect();
    let mut methods: Vec<&str> = Vec::new();
    for profile in &study.profiles {
        if !methods.contains(&profile.method) {
            methods.push(profile.method);
        }
    }
    let place = |profile: &Profile| {
        let device = DEVICES.iter().position(|device| device.name == profile.device)?;
        let network = NETWORKS.iter().position(|network| network.name == profile.network)?;
        Some(((network * DEVICES.len() + device) as f64, profile.reward.mean))
    };
    let series: Vec<Series> = methods
        .into_iter()
        .map(|method| Series {
            name: method.into(),
            points: study.profiles.iter().filter(|profile| profile.method == method).filter_map(place).collect(),
        })
        .collect();
    let title = "Every device on every network, 30 s / 0.05 USD";
    chart::points(
        &Axes { title, x: "network; the devices from left to right as in the table", y: "reward", names: &names },
        &series,
    )
}

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

/// Shares of the classes of actions, by contender: of the learners, or of the others.
fn mix(study: &Study, learners: bool) -> Result<String, ChartError> {
    let learner = |row: &&Row| study.curves.iter().any(|curve| curve.method == row.method) == learners;
    let rows: Vec<&Row> = first(study).into_iter().filter(learner).collect();
    let names: Vec<String> = rows.iter().map(|row| short(&row.method).to_owned()).collect();
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

/// A name that fits under a bar.
fn short(method: &str) -> &str {
    match method {
        LEARNT => "distilled",
        SIGHTED_GREEDY => "shrunk",
        other => other,
    }
}

fn ablated(ablation: &Ablation) -> Result<String, ChartError> {
    let series = |name: &str, of: &dyn Fn(&Point) -> f64| Series {
        name: name.into(),
        points: ablation.points.iter().map(|point| (point.at, of(point))).collect(),
    };
    let mut shown = vec![series(ablation.of, &|point| point.result.mean)];
    if ablation.points.iter().any(|point| point.over > 0.0) {
        shown.push(series("share over budget", &|point| point.over));
    }
    let names: Vec<String> = ablation.points.iter().filter_map(|point| point.name).map(str::to_owned).collect();
    let axes = Axes { title: ablation.measures, x: ablation.meaning, y: "", names: &names };
    // Between names there is nothing to join.
    if names.is_empty() { chart::lines(&axes, &shown) } else { chart::points(&axes, &shown) }
}

/// Right answers on our own turns against what a turn takes.
fn own(transfer: &Transfer, x: &str, along: fn(&OnOwn) -> f64) -> Result<String, ChartError> {
    let at = |row: &OnOwn| (along(row), 100.0 * row.right.value);
    let mut series: Vec<Series> = transfer
        .fronts
        .iter()
        .map(|swept| Series {
            name: format!("recipe from {}, by limit", swept.fitted_on),
            points: swept.points.iter().map(at).collect(),
        })
        .collect();
    series.extend(transfer.on_own.iter().map(|row| Series {
        name: row.fitted_on.map_or_else(|| row.policy.into(), |from| format!("{} from {from}", row.policy)),
        points: vec![at(row)],
    }));
    chart::front(&Axes { title: "Our own turns", x, y: "right answers, %", names: &[] }, &series)
}
