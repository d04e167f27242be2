//! The program for the boards decides and answers as the host's does: ten recorded turns, run natively and under
//! user-mode emulation.
//!
//! Every turn begins at a fresh start on fresh state, so that nothing learnt from how slow the emulator is (latencies of
//! local answers, the link) enters the next quote; what then differs is arithmetic alone.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use trimtab_e2e::cloud::Cloud;
use trimtab_e2e::site::{Node, Robot, Site};
use trimtab_e2e::{programs, room};

const TURNS: usize = 10;
const SEED: u64 = 21;
/// Largest difference of a candidate's score. The kernels add up in another order on each processor.
const SCORE_TOLERANCE: f64 = 0.02;
const CALL_MS: u64 = 20_000;
/// Time and memory are ample, the link is as declared: nothing but prompt and views decides.
const LINES: &str = "[turn]\ntime = \"300 s\"\n[link]\nround_trip = \"60 ms\"\nuplink = \"5 Mbit/s\"\nmeasure = false\n\
                     [memory]\nceiling = \"1000 GB\"\n[energy]\nmeter = \"none\"\n";
const EMULATOR: [&str; 3] = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];

#[test]
fn ten_recorded_turns_are_the_same_on_aarch64() -> Result<()> {
    let site = Site::plain()?;
    let cloud = Cloud::start()?;
    let node =
        |name| -> Result<Node<'_>> { Ok(Node { name, model: name, base_url: cloud.base_url()?, timeout_ms: CALL_MS }) };
    let _bridge = site.bridge(&[node("good")?, node("cheap")?])?;
    let host = vec![programs::program("trimtab")?];
    let mut board: Vec<PathBuf> = EMULATOR.iter().map(PathBuf::from).collect();
    board.push(programs::board_program()?);
    let mut places = std::collections::BTreeSet::new();
    for (index, turn) in room::turns(SEED, TURNS).iter().enumerate() {
        let run = |id: &str, program: &[PathBuf]| -> Result<Value> {
            let robot = Robot { measure: false, program: program.to_vec(), lines: LINES.to_owned(), ..Robot::new(id)? };
            let mut robot = site.configured(robot)?;
            room::show(robot.folder(), turn)?;
            robot.start()?;
            robot.sees_nodes(2)?;
            let reply = robot.ask(&turn.prompt.text)?;
            ensure!(reply.status == 200, "{}", reply.body);
            let record = robot.record(reply.header("x-trimtab-turn").context("no turn")?)?;
            robot.kill()?;
            fs::remove_dir_all(robot.folder())?;
            Ok(record)
        };
        let native = run("robot-1", &host)?;
        let emulated = run("robot-2", &board)?;
        let what = format!("turn {index}, {:?}", turn.prompt.text);
        for key in ["task", "placement", "node", "views_used", "view_dropped", "reason", "answer", "finish"] {
            ensure!(native[key] == emulated[key], "{what}: {key} is {} here and {} there", native[key], emulated[key]);
        }
        same_scores(&native, &emulated).context(what)?;
        places.insert(native["placement"].to_string());
    }
    ensure!(places.len() > 1, "every turn was answered in one place, so the comparison says little: {places:?}");
    Ok(())
}

fn same_scores(native: &Value, emulated: &Value) -> Result<()> {
    let scores = |record: &Value| -> Vec<f64> {
        let candidates = record["candidates"].as_array().into_iter().flatten();
        candidates.filter_map(|candidate| candidate["score"].as_f64()).collect()
    };
    let (native, emulated) = (scores(native), scores(emulated));
    ensure!(!native.is_empty() && native.len() == emulated.len(), "{} and {} scores", native.len(), emulated.len());
    for (here, there) in native.iter().zip(&emulated) {
        ensure!((here - there).abs() <= SCORE_TOLERANCE, "a score is {here} here and {there} there");
    }
    Ok(())
}
