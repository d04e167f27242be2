//! What is printed for people, in a hundred columns.

use crate::report::Totals;
use crate::story::Happening;
use std::io::IsTerminal;
use trimtab_core::{Placement, Resource, Window};
use trimtab_rig::pace::Pace;
use trimtab_rig::world::{Left, TurnOutcome, World};
use trimtab_turn::{Fallback, Finish};

/// Columns of a line.
const WIDTH: usize = 100;
/// Columns in front of a turn's details.
const INDENT: usize = 14;

/// Colours, where the output is a terminal that wants them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    /// By what standard output is, and by `NO_COLOR`.
    pub(crate) fn detect() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: std::io::stdout().is_terminal() && !refused }
    }
    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
    fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
    fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
    fn verdict(self, right: bool) -> String {
        if right { self.paint("32", "right") } else { self.paint("31", "wrong") }
    }
}

/// Microjoules with three digits that matter.
pub(crate) fn joules(micro: u64) -> String {
    match micro {
        0 => "0 J".to_owned(),
        1..10_000 => format!("{:.2} mJ", micro as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0} mJ", micro as f64 / 1e3),
        _ => format!("{:.2} J", micro as f64 / 1e6),
    }
}

/// Bytes in decimal units.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1000 => format!("{count} B"),
        1000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.2} MB", count as f64 / 1e6),
    }
}

/// Micro-USD.
pub(crate) fn micro_usd(amount: f64) -> String {
    match amount {
        0.0 => "0 µUSD".to_owned(),
        large if large >= 1e5 => format!("{:.4} USD", large / 1e6),
        small => format!("{small:.1} µUSD"),
    }
}

/// An amount of a resource in its own unit.
fn amount(resource: Resource, count: u64) -> String {
    match resource {
        Resource::Energy => joules(count),
        Resource::Money => micro_usd(count as f64 / 1e3),
        Resource::Bytes => bytes(count),
        Resource::Latency => format!("{:.1} s", count as f64 / 1e3),
    }
}

const fn window(window: Window) -> &'static str {
    match window {
        Window::Turn => "a turn",
        Window::Conversation => "a conversation",
        Window::Hour => "an hour",
        Window::Day => "a day",
    }
}

/// Breaks a text into lines that fit behind the indent.
fn wrapped(text: &str) -> String {
    let room = WIDTH - INDENT;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(INDENT)))
}

fn detail(style: Style, name: &str, text: &str) {
    println!("    {}{}", style.faint(&format!("{name:<10}")), text);
}

/// What runs here, and where the figures come from.
pub(crate) fn opening(style: Style, world: &World) {
    let settings = world.settings();
    println!(
        "{}",
        style.strong("Trimtab: one robot, three cameras, a small model on board and two nodes in the cloud")
    );
    if let Ok(network) = settings.profile.network(&settings.network) {
        let rates = [network.up_bits_per_s, network.down_bits_per_s].map(|rate| rate as f64 / 1e6);
        let how = match settings.pace {
            Pace::Real => "really waited for",
            Pace::Skipped => "skipped on the clock that every part reads",
        };
        let text = format!(
            "{}: {} ms round trip, {} Mbit/s up, {} Mbit/s down; shaped by {}, {how}",
            settings.network,
            network.round_trip_ms,
            rates[0],
            rates[1],
            settings.profile.path().file_name().unwrap_or_default().to_string_lossy(),
        );
        detail(style, "network", &wrapped(&text));
    }
    for (name, node) in settings.profile.nodes() {
        let Ok(price) = settings.profile.price(&settings.prices, name) else { continue };
        let text = format!(
            "node {name}: first token after {:.2} s, then {:.0} a second (shaped); {} / {} / {} USD for a million prompt tokens, answer tokens, images (simulated prices: {})",
            node.first_token_s,
            1.0 / node.per_token_s.max(1e-3),
            price.prompt,
            price.completion,
            price.image,
            settings.prices,
        );
        detail(style, "cloud", &wrapped(&text));
    }
    let budgets: Vec<String> = world
        .left()
        .iter()
        .map(|budget| format!("{} {}", amount(budget.resource, budget.limit), window(budget.window)))
        .collect();
    detail(style, "budgets", &wrapped(&budgets.join(" · ")));
    let note = "latency of local answers is measured, of cloud answers shaped; joules are estimated from processor time, bytes sent and waiting; bytes are counted; associations are cosines of the encoder";
    detail(style, "figures", &wrapped(note));
    println!();
}

/// What happens before a turn.
fn happening(style: Style, happening: Happening) {
    println!("  {} {}", style.paint("33", "▸"), happening.words());
}

/// One turn.
pub(crate) fn turn(style: Style, happenings: &[Happening], outcome: &TurnOutcome) {
    for before in happenings {
        happening(style, *before);
    }
    let record = &outcome.record;
    let prompt = wrapped(&format!("“{}”", record.prompt));
    println!("{:>2}  {:<10}{}", outcome.index + 1, "prompt", style.strong(&prompt));
    let sees: Vec<String> = record.views.iter().map(|view| format!("{} {:+.2}", view.name, view.association)).collect();
    // A turn that is refused before anything is encoded has seen nothing.
    let seen = if sees.is_empty() { String::new() } else { format!("cosine with {}", sees.join(" · ")) };
    detail(style, "task", &format!("{:<16}{}", record.task.name(), style.faint(&seen)));
    detail(style, "decided", &wrapped(&decided(outcome)));
    detail(style, "took", &wrapped(&took(outcome)));
    if !outcome.left.is_empty() {
        detail(style, "left", &wrapped(&left(&outcome.left)));
    }
    let answer = if record.answer.is_empty() { "(nothing)".to_owned() } else { format!("“{}”", record.answer) };
    let answer = wrapped(&format!("{answer}{}", ending(outcome)));
    detail(style, "answer", &format!("{answer}  {}", style.verdict(outcome.right)));
    println!();
}

fn decided(outcome: &TurnOutcome) -> String {
    let record = &outcome.record;
    let place = match record.placement {
        Placement::Local => "local model".to_owned(),
        Placement::Cloud => {
            let views = outcome.views();
            let with = if views.is_empty() { "no view".to_owned() } else { views.join(", ") };
            format!("cloud node {} with {with}", record.node)
        }
        Placement::Refused => "refused".to_owned(),
    };
    let mut text = format!("{place} — {}", record.reason);
    if !record.view_dropped.is_empty() {
        let dropped: Vec<&str> = record
            .view_dropped
            .iter()
            .filter_map(|view| record.views.get(view))
            .map(|view| view.name.as_str())
            .collect();
        text.push_str(&format!("; dropped as adding nothing: {}", dropped.join(", ")));
    }
    text
}

fn took(outcome: &TurnOutcome) -> String {
    let cost = &outcome.record.cost;
    let mut parts = vec![
        format!("{} ms {}", cost.latency.get(), outcome.latency_source()),
        format!("{} {}", joules(cost.energy.micro()), outcome.energy_kind()),
    ];
    if !outcome.record.left_open.is_empty() {
        parts.push("what the request costs is not known yet and stays reserved".to_owned());
    } else if cost.bytes.get() > 0 || !cost.money.is_zero() {
        parts.push(format!("{} {}", micro_usd(cost.money.micro_f64()), outcome.price_source));
        parts.push(format!("{} up, counted", bytes(cost.bytes.get())));
    } else {
        parts.push("no money, nothing sent".to_owned());
    }
    parts.join(" · ")
}

/// Budgets of a turn are whole again before the next one, so they are not shown.
fn left(budgets: &[Left]) -> String {
    let lasting = budgets.iter().filter(|budget| budget.window != Window::Turn);
    let parts: Vec<String> = lasting
        .map(|budget| {
            let left = amount(budget.resource, budget.left);
            format!("{left} for {}", window(budget.window))
        })
        .collect();
    parts.join(" · ")
}

/// How the answer ended, where that is not the model's own end.
fn ending(outcome: &TurnOutcome) -> String {
    let record = &outcome.record;
    let cut = match record.finish {
        Finish::Stop => "",
        Finish::Length => " — cut at the longest answer allowed",
        Finish::EnergyCut => " — cut at the joules of its hold",
        Finish::TimeCut => " — cut at the time of its turn",
        Finish::Lost => " — lost",
        Finish::Refused => " — refused",
    };
    let fallback = match &record.fallback {
        Some(Fallback { cause, .. }) => format!(" — the local model stepped in: {cause}"),
        None => String::new(),
    };
    format!("{cut}{fallback}")
}

/// A table: the first column to the left, the others to the right.
pub(crate) fn table(style: Style, head: &[&str], rows: &[Vec<String>]) {
    let columns = head.len();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("  {}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    println!("{}", style.faint(&line(&mut head.iter().copied())));
    for row in rows {
        println!("{}", line(&mut row.iter().map(String::as_str)));
    }
}

/// Heads of the columns that [`totals_cells`] fills.
pub(crate) const TOTALS_HEAD: [&str; 6] = ["right", "s a turn", "J a turn", "µUSD a turn", "kB up a turn", "value"];

/// Means a turn.
pub(crate) fn totals_cells(totals: &Totals, value: f64) -> Vec<String> {
    let turns = totals.turns.max(1) as f64;
    vec![
        format!("{}/{}", totals.right, totals.turns),
        format!("{:.2}", totals.latency_ms as f64 / 1e3 / turns),
        format!("{:.3}", totals.energy_uj as f64 / 1e6 / turns),
        format!("{:.1}", totals.money_uusd / turns),
        format!("{:.1}", totals.bytes_up as f64 / 1e3 / turns),
        format!("{value:+.3}"),
    ]
}

/// A heading.
pub(crate) fn heading(style: Style, text: &str) {
    println!("{}", style.strong(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_the_digits_that_matter() {
        assert_eq!(joules(4_200), "4.20 mJ");
        assert_eq!(joules(420_000), "420 mJ");
        assert_eq!(joules(12_345_678), "12.35 J");
        assert_eq!(bytes(123_456), "123.5 kB");
        assert_eq!(micro_usd(0.0), "0 µUSD");
        assert_eq!(micro_usd(1003.96), "1004.0 µUSD");
    }

    #[test]
    fn long_texts_stay_within_the_width() {
        let text = wrapped(&"word ".repeat(60));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().count() > 3);
    }
}
