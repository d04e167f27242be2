//! Turns of a recorded table in words.

use std::collections::HashMap;
use std::fmt::Write;

use trimtab_core::{Action, Preference, TaskKind};

use super::Agent;
use crate::dataset::Turn;

/// The action of every turn, by dialogue and number, in the order of the table; `done` is called after each.
pub fn decide(
    agent: &mut Agent,
    turns: &[&Turn],
    preference: &Preference,
    done: &mut dyn FnMut(),
) -> HashMap<(u64, usize), Action> {
    let mut found = HashMap::new();
    let mut before: Option<(&Turn, usize)> = None;
    for turn in turns {
        let earlier = before.filter(|(earlier, _)| earlier.dialogue == turn.dialogue);
        let chosen =
            agent.choose(describe(turn, earlier, preference), turn.tried.len()).unwrap_or_else(|| turn.local());
        found.insert((turn.dialogue, turn.number), turn.tried[chosen].action);
        before = Some((turn, chosen));
        done();
    }
    found
}

fn describe(turn: &Turn, before: Option<(&Turn, usize)>, preference: &Preference) -> String {
    let mut text = format!("Turn {} of a conversation.\n", turn.number + 1);
    // Writing to a text does not fail.
    let _ = writeln!(text, "Prompt: {}", serde_json::Value::from(turn.prompt.as_str()));
    if turn.unknown {
        let _ = writeln!(text, "Task: like none of the known ones");
    } else {
        let tasks: Vec<String> =
            TaskKind::KNOWN.iter().zip(turn.tasks).map(|(kind, p)| format!("{} {p:.2}", kind.name())).collect();
        let _ = writeln!(text, "Task, by probability: {}", tasks.join(", "));
    }
    for (name, view) in turn.setting.views.iter().zip(&turn.views) {
        let _ = if view.available {
            writeln!(
                text,
                "View {name}: cosine with the prompt {:.3}, shows what is asked with probability {:.2}",
                view.association, view.shows
            )
        } else {
            writeln!(text, "View {name}: not available")
        };
    }
    let [quality, association, latency, cost, energy] = preference.weights();
    let _ = writeln!(
        text,
        "Worth to the owner: {quality} a right answer, {association} views that show what is asked; less {latency} for 10 s, {cost} for \
         0.001 USD, {energy} for 10 J"
    );
    let _ = writeln!(text, "No budget is short.");
    if let Some((earlier, chosen)) = before {
        let _ =
            writeln!(text, "Before: {}, {}", serde_json::Value::from(earlier.prompt.as_str()), place(earlier, chosen));
    }
    for (number, tried) in turn.tried.iter().enumerate() {
        let quote = &tried.quote;
        let _ = writeln!(
            text,
            "Action {number}: {}, at most {:.2} s, {:.6} USD, {:.2} J",
            place(turn, number),
            quote.latency.get() as f64 / 1e3,
            quote.money.nano() as f64 / 1e9,
            quote.energy.as_f64()
        );
    }
    text
}

fn place(turn: &Turn, number: usize) -> String {
    let action = turn.tried[number].action;
    let node = &turn.setting.nodes[action.node.get()];
    let views: Vec<&str> = action.views.iter().map(|view| turn.setting.views[view].as_str()).collect();
    let views = if views.is_empty() { "no view".into() } else { views.join(" and ") };
    if action.node.is_local() {
        "local model".into()
    } else {
        format!("cloud node {} (quality {:.2}) with {views}", node.name, node.profile.quality)
    }
}
