//! SIGKILL in the middle of an offload: money stays counted, a late answer is known as late, and nobody pays twice.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use trimtab_e2e::broker::BRIDGE;
use trimtab_e2e::site::{Node, Robot, RunningRobot, Site};
use trimtab_e2e::upstream::{Behaviour, Upstream};
use trimtab_e2e::{room, wait};

const CALL_MS: u64 = 30_000;
const LIMIT: Duration = Duration::from_secs(30);
/// Long enough to kill and restart the device meanwhile.
const THINKING: Duration = Duration::from_secs(6);
const LINES: &str = "[turn]\ntime = \"20 s\"\n[[budget]]\nresource = \"money\"\nwindow = \"day\"\nlimit = \"1 USD\"\n";

/// A robot that can only ask the cloud, and what it shows.
fn robot_without_model(site: &Site) -> Result<RunningRobot> {
    let robot = Robot { local: false, policy: false, lines: LINES.to_owned(), ..Robot::new("robot-1")? };
    let mut robot = site.configured(robot)?;
    room::show(robot.folder(), &room::turns(3, 1).pop().context("a turn")?)?;
    robot.start()?;
    robot.sees_nodes(1)?;
    Ok(robot)
}

fn node(upstream: &Upstream) -> Node<'static> {
    Node { name: "good", model: "test", base_url: upstream.base_url(), timeout_ms: CALL_MS }
}

fn money(robot: &RunningRobot) -> Result<Value> {
    let status = robot.get("/v1/trimtab/status")?;
    let budgets = status["budgets"].as_array().context("no budgets")?;
    budgets.iter().find(|budget| budget["resource"] == "money").cloned().context("no money budget")
}

/// Asks in the background; the reply is lost with the device.
fn ask_aside(robot: &RunningRobot) -> thread::JoinHandle<()> {
    let port = robot.port();
    thread::spawn(move || {
        let body = br#"{"model": "trimtab", "messages": [{"role": "user", "content": "what colour is the mug?"}]}"#;
        // The connection breaks with the device: that is the point.
        drop(trimtab_e2e::http::send(port, "POST", "/v1/chat/completions", &[], body));
    })
}

#[test]
fn a_device_killed_in_mid_offload_keeps_its_hold_and_hears_the_late_answer() -> Result<()> {
    let site = Site::plain()?;
    let upstream = Upstream::start(Behaviour::AnswerAfter(THINKING, "It is red.".to_owned()))?;
    let _bridge = site.bridge(&[node(&upstream)])?;
    let mut robot = robot_without_model(&site)?;
    ensure!(money(&robot)?["held"] == 0, "something is held before the first turn");

    let asking = ask_aside(&robot);
    wait::until("the call of the upstream", LIMIT, || Ok((upstream.calls().len() == 1).then_some(())))?;
    robot.kill()?;
    asking.join().ok();
    robot.start()?;

    let open = money(&robot)?;
    ensure!(open["held"].as_u64() > Some(0), "the open hold is forgotten: {open}\n{}", robot.log());
    let turn = wait::until("the record of the broken turn", LIMIT, || {
        Ok(robot.send("GET", "/v1/trimtab/explain/1-1", b"")?.json().get("finish").cloned())
    })?;
    ensure!(turn == "lost", "the broken turn ended as {turn}");

    let record = wait::until("the late answer", LIMIT, || {
        let record = robot.record("1-1")?;
        Ok((!record["late"].is_null()).then_some(record))
    })
    .with_context(|| robot.log())?;
    ensure!(record["late"]["node"] == "good" && record["late"]["settled"] == true, "late: {}", record["late"]);
    ensure!(upstream.calls().len() == 1, "the upstream was called {} times", upstream.calls().len());
    let settled = money(&robot)?;
    ensure!(settled["held"] == 0 && settled["spent"].as_u64() > Some(0), "after the late answer: {settled}");

    // The device goes on as if nothing had happened.
    upstream.behave(Behaviour::Answer("It is blue.".to_owned()));
    let reply = robot.ask("what colour is the mug?")?;
    ensure!(reply.status == 200 && reply.body.contains("It is blue."), "{}", reply.body);
    Ok(())
}

#[test]
fn a_bridge_killed_in_mid_call_never_pays_twice() -> Result<()> {
    let site = Site::plain()?;
    let upstream = Upstream::start(Behaviour::AnswerAfter(THINKING, "It is red.".to_owned()))?;
    let bridge = site.bridge(&[node(&upstream)])?;
    let robot = robot_without_model(&site)?;
    let asking = ask_aside(&robot);
    wait::until("the call of the upstream", LIMIT, || Ok((upstream.calls().len() == 1).then_some(())))?;
    bridge.kill()?;
    let _bridge = site.bridge(&[node(&upstream)])?;
    asking.join().ok();
    let record = wait::until("the end of the turn", LIMIT * 3, || {
        let record = robot.send("GET", "/v1/trimtab/explain/1-1", b"")?.json();
        Ok(record.get("finish").is_some().then_some(record))
    })
    .with_context(|| robot.log())?;
    ensure!(upstream.calls().len() == 1, "the upstream was called {} times", upstream.calls().len());
    let budget = money(&robot)?;
    let counted = budget["spent"].as_u64().unwrap_or(0) + budget["held"].as_u64().unwrap_or(0);
    ensure!(counted > 0, "{BRIDGE} was killed, and the money it may have spent is forgotten: {budget}\n{record}");
    Ok(())
}
