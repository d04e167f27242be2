//! What deciding takes of a turn's energy: encoding prompt and views, policy and shield, against the whole turn, by the device's own
//! account. Whole turns through device, broker, bridge and stand-in nodes, each answered on the device and then by a cloud node:
//! `cargo bench -p trimtab-rig`. Without a sensor the joules are an estimate: processor time, bytes and time, each at its power.

use std::error::Error;
use std::sync::Arc;

use trimtab_core::{Action, NodeIndex, Placement, ViewSet};
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_rig::world::{Settings, TurnOutcome, World};
use trimtab_scenes::Split;

const TURNS: usize = 40;
const SEED: u64 = 7;
const SIZE: FrameSize = FrameSize { width: 640, height: 480 };
/// The node that is asked, by its place among the offers.
const CLOUD: usize = 2;

fn row(name: &str, outcomes: &[TurnOutcome]) {
    let mean = |of: &dyn Fn(&TurnOutcome) -> u64| {
        outcomes.iter().map(of).sum::<u64>() as f64 / outcomes.len().max(1) as f64 / 1e6
    };
    let decision = mean(&|outcome| outcome.record.decision_energy.micro());
    let whole = mean(&|outcome| outcome.record.cost.energy.micro());
    let (kind, count) = (outcomes.first().map_or("unknown", TurnOutcome::energy_kind), outcomes.len());
    let share = 100.0 * decision / whole;
    println!("{name:<28} {decision:>11.4} {whole:>10.4} {share:>8.1} %  {kind:<10} {count:>5}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recording = Arc::new(Recording::generate(SEED, Split::HeldOut, TURNS, SIZE)?);
    let mut world = Box::pin(World::start(Settings { budgets: Vec::new(), ..Settings::shipped()? }, recording)).await?;
    let node = NodeIndex::new(CLOUD).ok_or("no such node")?;
    let actions = [
        ("answered on the device", Placement::Local, Action::LOCAL),
        ("by a cloud node, one view", Placement::Cloud, Action { node, views: ViewSet::first(1) }),
        ("by a cloud node, three views", Placement::Cloud, Action { node, views: ViewSet::first(3) }),
    ];
    println!("{:<28} {:>11} {:>10} {:>10}  {:<10} {:>5}", "turn", "decision J", "whole J", "share", "joules", "turns");
    for (name, placement, action) in actions {
        let mut outcomes = Vec::new();
        for index in 0..TURNS {
            let outcome = world.turn_only(index, action).await?;
            if outcome.record.placement == placement {
                outcomes.push(outcome);
            }
        }
        row(name, &outcomes);
    }
    world.stop().await;
    Ok(())
}
