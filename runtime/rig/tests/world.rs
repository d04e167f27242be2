//! Whole turns through everything: declared time, outages, operators, single actions.

use std::sync::Arc;
use trimtab_core::{Action, Bytes, NodeIndex, Placement, Resource, ViewSet, Window};
use trimtab_rig::choosing::Choosing;
use trimtab_rig::pace::Pace;
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_rig::world::{Settings, TurnOutcome, World};
use trimtab_scenes::Split;
use trimtab_wire::operator::Limit;

/// By name, so `cheap` comes before `good`.
const CHEAP: usize = 1;
const GOOD: usize = 2;

fn recording(turns: usize) -> Arc<Recording> {
    Arc::new(Recording::generate(3, Split::Train, turns, FrameSize { width: 320, height: 240 }).unwrap())
}

fn settings(choosing: Choosing) -> Settings {
    Settings { choosing, ..Settings::shipped().unwrap() }
}

fn cloud(node: usize, views: usize) -> Action {
    Action { node: NodeIndex::new(node).unwrap(), views: ViewSet::first(views) }
}

async fn world(settings: Settings, turns: usize) -> World {
    World::start(settings, recording(turns)).await.unwrap()
}

fn millis(outcome: &TurnOutcome) -> f64 {
    outcome.record.cost.latency.get() as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_time_is_the_time_that_would_have_been_waited() {
    let mut latencies = Vec::new();
    for pace in [Pace::Real, Pace::Skipped] {
        let mut world = world(Settings { pace, ..settings(Choosing::BestCloudAllViews) }, 3).await;
        // The first turn pays for what is made only once.
        world.turn(0).await.unwrap();
        let outcomes = [world.turn(1).await.unwrap(), world.turn(2).await.unwrap()];
        for outcome in &outcomes {
            assert_eq!(outcome.record.placement, Placement::Cloud, "{:?}", outcome.record);
            assert_eq!((outcome.record.node.as_str(), outcome.views().len()), ("good", 3));
            assert_eq!(outcome.latency_source(), "shaped");
        }
        latencies.push(outcomes.iter().map(millis).sum::<f64>());
        world.stop().await;
    }
    let (real, skipped) = (latencies[0], latencies[1]);
    assert!(skipped > 2.0 * 850.0, "first tokens alone take longer: {skipped}");
    assert!((real - skipped).abs() < 0.25 * real, "{real} ms waited, {skipped} ms skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_can_be_taken_alone() {
    let settings = Settings { view_threshold: Some(0.0), ..settings(Choosing::DefaultRule) };
    let mut world = world(settings, 1).await;
    let actions = world.actions();
    assert_eq!(actions.len(), 17);
    let mut taken = Vec::new();
    for action in [Action::LOCAL, cloud(CHEAP, 0), cloud(CHEAP, 1), cloud(GOOD, 3)] {
        assert!(actions.contains(&action));
        let outcome = world.turn_only(0, action).await.unwrap();
        assert_eq!(outcome.record.views_used, action.views, "{:?}", outcome.record);
        assert_eq!(outcome.record.placement == Placement::Local, action.node.is_local());
        taken.push(outcome.record.cost);
    }
    assert!(taken.windows(2).all(|pair| pair[0].bytes < pair[1].bytes), "more views, more bytes: {taken:?}");
    assert!(taken.windows(2).all(|pair| pair[0].money < pair[1].money), "and more money: {taken:?}");
    assert_eq!(world.completions(), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_in_the_middle_of_a_turn_costs_no_turn() {
    let mut world = world(settings(Choosing::BestCloudAllViews), 2).await;
    world.link().cut_after_request();
    let cut = world.turn(0).await.unwrap();
    assert_eq!(cut.record.placement, Placement::Local, "{:?}", cut.record);
    assert!(cut.record.fallback.is_some() && !cut.record.answer.is_empty(), "{:?}", cut.record);
    world.restore_link().await.unwrap();
    let after = world.turn(1).await.unwrap();
    assert_eq!(after.record.placement, Placement::Cloud, "{:?}", after.record);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_and_a_full_memory_change_what_is_done() {
    let mut world = world(settings(Choosing::BestCloudAllViews), 1).await;
    let energy = |limit| Limit { resource: Resource::Energy, window: Window::Turn, limit };
    world.wish_budgets(&[energy(1_000)]).await.unwrap();
    let poor = world.turn(0).await.unwrap();
    assert_eq!(poor.record.placement, Placement::Refused, "{:?}", poor.record);
    world.wish_budgets(&[energy(50_000_000)]).await.unwrap();
    let rich = world.turn(0).await.unwrap();
    assert_eq!(rich.record.placement, Placement::Cloud, "{:?}", rich.record);
    world.stop().await;

    let mut world = self::world(settings(Choosing::Local), 1).await;
    world.leave_memory(Some(Bytes::new(1_000))).await;
    let full = world.turn(0).await.unwrap();
    assert_eq!(full.record.placement, Placement::Refused);
    assert!(full.record.reason.contains("memory_ceiling"), "{:?}", full.record);
    world.leave_memory(None).await;
    let free = world.turn(0).await.unwrap();
    assert_eq!(free.record.placement, Placement::Local, "{:?}", free.record);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_cameras_show_each_others_recordings() {
    let mut names = Vec::new();
    for cameras in [[0, 1, 2], [2, 0, 1]] {
        let mut world = world(Settings { cameras, ..settings(Choosing::DefaultRule) }, 1).await;
        let outcome = world.turn(0).await.unwrap();
        names.push(outcome.record.views.iter().map(|view| view.association).collect::<Vec<_>>());
        world.stop().await;
    }
    for (camera, recording) in [2, 0, 1].into_iter().enumerate() {
        assert!((names[1][camera] - names[0][recording]).abs() < 1e-5, "{names:?}");
    }
}
