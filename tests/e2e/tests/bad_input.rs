//! What goes wrong is named with its place and its remedy, the programs keep serving, and every turn ends in the ledger.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use trimtab_e2e::broker::FLEET;
use trimtab_e2e::http::Reply;
use trimtab_e2e::programs;
use trimtab_e2e::room;
use trimtab_e2e::site::{Node, Robot, RunningRobot, Site};
use trimtab_e2e::upstream::{Behaviour, Upstream};
use trimtab_e2e::wait;

const LIMIT: Duration = Duration::from_secs(20);
const QUESTION: &str = "what colour is the mug?";

/// A robot's files on disk, with frames before its cameras; not started.
fn prepared(site: &Site, robot: Robot) -> Result<RunningRobot> {
    let robot = site.configured(robot)?;
    room::show(robot.folder(), &room::turns(5, 1).pop().context("a turn")?)?;
    Ok(robot)
}

/// Replaces text in a robot's configuration.
fn edit(robot: &RunningRobot, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(robot.config())?;
    ensure!(text.contains(from), "the configuration has no {from:?}:\n{text}");
    Ok(fs::write(robot.config(), text.replace(from, to))?)
}

fn says(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "{word:?} is missing in: {text}");
    }
    Ok(())
}

/// The record of the turn that this reply is about; a turn that was refused is named in the reply too.
fn record(robot: &RunningRobot, reply: &Reply) -> Result<Value> {
    let turn = reply.header("x-trimtab-turn").with_context(|| format!("no turn in {reply:?}"))?;
    robot.record(turn)
}

fn keeps_serving(robot: &mut RunningRobot) -> Result<()> {
    ensure!(robot.runs()?, "the program has ended:\n{}", robot.log());
    let reply = robot.ask("turn on the kitchen lamp")?;
    ensure!(reply.status == 200, "after the fault: {}", reply.body);
    ensure!(record(robot, &reply)?["finish"] != Value::Null, "no record after the fault");
    Ok(())
}

#[test]
fn configurations_are_refused_with_file_line_and_key() -> Result<()> {
    let site = Site::plain()?;
    let robot = prepared(&site, Robot::new("robot-1")?)?;
    let whole = fs::read_to_string(robot.config())?;
    let table: [(&str, &str, &[&str]); 5] = [
        ("[api]", "[api]\nlissten = \"127.0.0.1:1\"", &["trimtab.toml", "lissten"]),
        ("listen = \"127.0.0.1:", "listen = \"0.0.0.0:", &["trimtab.toml", "listen", "loopback"]),
        ("id = \"robot-1\"", "id = \"robot/+1\"", &["trimtab.toml:2", "device.id", "'/'"]),
        (
            "[models]",
            "[[budget]]\nresource = \"energy\"\nwindow = \"day\"\nlimit = \"5 cal\"\n[models]",
            &["cal", "kJ"],
        ),
        ("[models]", "[[models]", &["trimtab.toml"]),
    ];
    for (from, to, words) in table {
        ensure!(whole.contains(from), "no {from}");
        fs::write(robot.config(), whole.replacen(from, to, 1))?;
        for command in [&["config", "check"][..], &["run"]] {
            let said = robot.cli(command)?;
            ensure!(said.status.code() == Some(78), "{to:?} with {command:?} ended with {}", said.status);
            says(&String::from_utf8_lossy(&said.stderr), words)?;
        }
    }
    fs::remove_file(robot.config())?;
    let said = robot.cli(&["run"])?;
    ensure!(said.status.code() == Some(78), "a missing configuration ended with {}", said.status);
    says(&String::from_utf8_lossy(&said.stderr), &["trimtab.toml", "check the path"])
}

/// A copy of the shipped models, for damage.
fn copied_models(robot: &RunningRobot) -> Result<std::path::PathBuf> {
    let (from, to) = (programs::root().join("models/shipped"), robot.folder().join("models"));
    for folder in ["encoder/onnx", "lm/onnx", "policy"] {
        fs::create_dir_all(to.join(folder))?;
        let parent = folder.trim_end_matches("/onnx");
        for place in [folder, parent] {
            for entry in fs::read_dir(from.join(place))? {
                let path = entry?.path();
                if let Some(name) = path.file_name().filter(|_| path.is_file()) {
                    fs::copy(&path, to.join(place).join(name))?;
                }
            }
        }
    }
    edit(robot, &from.display().to_string(), &to.display().to_string())?;
    Ok(to)
}

/// Replaces bytes in a file by as many others.
fn patch(path: &std::path::Path, from: &[u8], to: &[u8]) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let at = bytes.windows(from.len()).position(|window| window == from).context("nothing to patch")?;
    bytes[at..at + to.len()].copy_from_slice(to);
    Ok(fs::write(path, bytes)?)
}

#[test]
fn broken_models_are_named_and_the_rest_goes_on() -> Result<()> {
    type Damage = fn(&std::path::Path) -> Result<()>;
    let table: [(&str, Damage, &[&str]); 4] = [
        ("no-file", |models| Ok(fs::remove_file(models.join("lm/tokenizer.json"))?), &["lm", "tokenizer.json"]),
        (
            "truncated",
            |models| {
                let path = models.join("lm/onnx/model.onnx");
                let bytes = fs::read(&path)?;
                Ok(fs::write(&path, &bytes[..bytes.len() / 3])?)
            },
            &["lm/onnx/model.onnx"],
        ),
        (
            "layout",
            |models| patch(&models.join("policy/policy.onnx"), b"trimtab-1", b"trimtab-7"),
            &["policy.onnx", "trimtab-7", "trimtab-1"],
        ),
        (
            "encoder",
            |models| {
                let path = models.join("policy/policy.onnx");
                let bytes = fs::read(&path)?;
                let key = b"encoder_sha256";
                let at = bytes.windows(key.len()).position(|window| window == key).context("no encoder_sha256")?;
                let digest = bytes[at + key.len()..].iter().position(u8::is_ascii_hexdigit).context("no digest")?;
                let place = at + key.len() + digest + 8;
                let mut bytes = bytes;
                bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
                Ok(fs::write(&path, bytes)?)
            },
            &["policy.onnx", "encoder", "trimtab-lab recalibrate"],
        ),
    ];
    for (name, damage, words) in table {
        let site = Site::plain()?;
        let mut robot = prepared(&site, Robot::new(&format!("robot-{name}"))?)?;
        damage(&copied_models(&robot)?)?;
        let said = robot.cli(&["config", "check"])?;
        ensure!(!said.status.success(), "{name}: the check found nothing");
        says(&String::from_utf8_lossy(&said.stdout), words).context(name)?;
        robot.start().context(name)?;
        let faults = robot.get("/v1/trimtab/status")?["faults"].to_string();
        says(&faults, words).context(name)?;
        // Without its language model and without a broker's offer it can only refuse, and says so; else it answers.
        let reply = robot.ask("turn on the kitchen lamp")?;
        let kept = record(&robot, &reply).context(name)?;
        if name == "no-file" || name == "truncated" {
            ensure!(reply.status >= 400 && kept["finish"] == "refused", "{name}: {}", reply.body);
            says(&kept["reason"].to_string(), &["model_missing"]).context(name)?;
        } else {
            ensure!(reply.status == 200, "{name}: {}", reply.body);
            says(&kept["reason"].to_string(), &["default"]).context(name)?;
        }
        ensure!(robot.runs()?, "{name}: the program has ended");
    }
    Ok(())
}

#[test]
fn damaged_and_missing_frames_are_missing_views() -> Result<()> {
    let site = Site::plain()?;
    let mut robot = prepared(&site, Robot::new("robot-1")?)?;
    let frame = room::camera_folder(robot.folder(), "wrist").join("00000.jpg");
    let bytes = fs::read(&frame)?;
    fs::write(&frame, &bytes[..bytes.len() / 2])?;
    fs::remove_file(room::camera_folder(robot.folder(), "doorway").join("00000.jpg"))?;
    robot.start()?;
    let cameras = robot.get("/v1/trimtab/status")?["cameras"].clone();
    says(&cameras[0]["trouble"].to_string(), &["wrist", "00000.jpg"])?;
    says(&cameras[2]["trouble"].to_string(), &["doorway", "holds no"])?;
    ensure!(cameras[1]["available"] == true, "the sound camera: {cameras}");
    let reply = robot.ask(QUESTION)?;
    ensure!(reply.status == 200, "{}", reply.body);
    let kept = record(&robot, &reply)?;
    let available: Vec<bool> =
        kept["views"].as_array().into_iter().flatten().map(|view| view["available"] == true).collect();
    ensure!(available == [false, true, false], "views in the record: {}", kept["views"]);
    keeps_serving(&mut robot)
}

#[test]
fn prompts_far_from_everything_seen_are_called_unknown() -> Result<()> {
    let site = Site::plain()?;
    let mut robot = prepared(&site, Robot::new("robot-1")?)?;
    robot.start()?;
    let reply = robot.ask("integrate x squared times the logarithm of x with respect to x")?;
    let kept = record(&robot, &reply)?;
    ensure!(kept["task"] == "unknown", "the task is {}", kept["task"]);
    says(&kept["reason"].to_string(), &["out_of_distribution"])?;
    keeps_serving(&mut robot)
}

#[test]
fn an_energy_budget_without_a_meter_refuses() -> Result<()> {
    let lines = "[energy]\nmeter = \"none\"\n[[budget]]\nresource = \"energy\"\nwindow = \"day\"\nlimit = \"5 kJ\"\n";
    let site = Site::plain()?;
    let mut robot = prepared(&site, Robot { lines: lines.to_owned(), ..Robot::new("robot-1")? })?;
    let said = robot.cli(&["config", "check"])?;
    says(&String::from_utf8_lossy(&said.stdout), &["energy budget without a meter", "[energy] meter"])?;
    robot.start()?;
    let reply = robot.ask("turn on the kitchen lamp")?;
    ensure!(reply.status >= 400, "{}", reply.body);
    says(&reply.body, &["no_meter"])?;
    let kept = record(&robot, &reply)?;
    ensure!(kept["finish"] == "refused", "the record: {kept}");
    ensure!(robot.runs()?, "the program has ended");
    Ok(())
}

#[test]
fn requests_that_are_none_are_answered_in_the_usual_shape() -> Result<()> {
    let site = Site::plain()?;
    let mut robot = prepared(&site, Robot::new("robot-1")?)?;
    robot.start()?;
    let chat = |messages: Value| json!({ "model": "trimtab", "messages": messages }).to_string();
    let long = "x".repeat(2 << 20);
    let table: [(String, u16, &[&str]); 6] = [
        ("no json".to_owned(), 400, &["JSON"]),
        ("{\"model\": \"trimtab\", \"messages\": [".to_owned(), 400, &["JSON"]),
        (chat(json!([{ "role": "wizard", "content": "hello" }])), 400, &["wizard"]),
        (chat(json!([])), 400, &["messages"]),
        (chat(json!([{ "role": "user", "content": "" }])), 400, &["empty"]),
        (chat(json!([{ "role": "user", "content": long }])), 413, &["larger"]),
    ];
    for (body, status, words) in table {
        let shown: String = body.chars().take(60).collect();
        let reply = robot.send("POST", "/v1/chat/completions", body.as_bytes())?;
        ensure!(reply.status == status, "{shown}: status {}: {}", reply.status, reply.body);
        says(&reply.fault(), words).with_context(|| shown.clone())?;
        ensure!(reply.json()["error"]["type"].is_string(), "{shown}: {}", reply.body);
    }
    let reply = robot.send("GET", "/v2/anything", b"")?;
    ensure!(reply.status == 404, "an unknown route: {}", reply.status);
    let reply = robot.send("POST", "/v1/trimtab/feedback", br#"{"turn": "1-1", "score": 7}"#)?;
    ensure!(reply.status == 400 && reply.fault().contains("0..=1"), "feedback of 7: {}", reply.body);
    keeps_serving(&mut robot)
}

#[test]
fn garbage_on_the_broker_is_refused_and_forgotten() -> Result<()> {
    let site = Site::plain()?;
    let upstream = Upstream::start(Behaviour::Answer("It is red.".to_owned()))?;
    let node = Node { name: "good", model: "test", base_url: upstream.base_url(), timeout_ms: 5000 };
    let mut bridge = site.bridge(&[node])?;
    let mut robot = prepared(&site, Robot { local: false, policy: false, ..Robot::new("robot-1")? })?;
    robot.start()?;
    robot.sees_nodes(1)?;
    let request = "00112233445566778899aabbccddeeff";
    let topics = [
        "robot-1/req".to_owned(),
        format!("robot-1/req/{request}/0"),
        format!("robot-1/res/{request}"),
        "robot-1/cmd/ask".to_owned(),
        "robot-1/budget/desired".to_owned(),
        "_bridge/bridge-1/offers".to_owned(),
        "_all/cmd/status".to_owned(),
    ];
    for garbage in ["\u{1}\u{7f}\u{3}garbage", "{\"id\": 5", ""] {
        for topic in &topics {
            let said = site.broker.publish(None, &format!("trimtab/v1/{FLEET}/{topic}"), garbage)?;
            // A message nobody subscribed to is reported as such; it was taken all the same.
            ensure!(!String::from_utf8_lossy(&said.stderr).contains("Error"), "{topic} was not taken");
        }
    }
    wait::until("the bridge's complaint", LIMIT, || Ok(bridge.output().contains("cannot be read").then_some(())))?;
    ensure!(bridge.runs()?, "the bridge has ended: {}", bridge.output());
    ensure!(upstream.calls().is_empty(), "garbage reached the upstream");
    robot.sees_nodes(1)?;
    keeps_serving(&mut robot)
}

#[test]
fn failing_upstreams_leave_a_local_answer_and_the_reason() -> Result<()> {
    let site = Site::plain()?;
    let upstream = Upstream::start(Behaviour::Fails)?;
    let node = Node { name: "good", model: "test", base_url: upstream.base_url(), timeout_ms: 3000 };
    let mut bridge = site.bridge(&[node])?;
    let lines = "[turn]\ntime = \"30 s\"\n".to_owned();
    let mut cloud_only = prepared(&site, Robot { local: false, policy: false, lines, ..Robot::new("robot-1")? })?;
    cloud_only.start()?;
    let table: [(Behaviour, &[&str]); 4] = [
        (Behaviour::Fails, &["good", "500"]),
        (Behaviour::Html, &["good"]),
        (Behaviour::BreaksOff, &["good"]),
        (Behaviour::Silent, &["good"]),
    ];
    for (behaviour, words) in table {
        cloud_only.sees_nodes(1)?;
        upstream.behave(behaviour.clone());
        let before = upstream.calls().len();
        let reply = cloud_only.ask(QUESTION)?;
        ensure!(upstream.calls().len() == before + 1, "{behaviour:?}: {} calls", upstream.calls().len() - before);
        ensure!(reply.status >= 400, "{behaviour:?} was taken for an answer: {}", reply.body);
        let kept = record(&cloud_only, &reply).with_context(|| format!("{behaviour:?}"))?;
        says(&kept["trouble"].to_string(), words).with_context(|| format!("{behaviour:?}: {kept}"))?;
        upstream.behave(Behaviour::Answer("It is red.".to_owned()));
        cloud_only.sees_nodes(1)?;
        let reply = cloud_only.ask(QUESTION)?;
        ensure!(reply.status == 200, "after {behaviour:?}: {}", reply.body);
    }
    ensure!(bridge.runs()?, "the bridge has ended: {}", bridge.output());
    Ok(())
}
