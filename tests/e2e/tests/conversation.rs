//! The device driven by the ordinary OpenAI client and watched by an independent MQTT client, over a plain broker and over
//! one with client certificates and an access list.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use trimtab_e2e::broker::{FLEET, OPERATOR};
use trimtab_e2e::cloud::Cloud;
use trimtab_e2e::python;
use trimtab_e2e::room;
use trimtab_e2e::site::{Node, Robot, RunningRobot, Site};

const CALL_MS: u64 = 20_000;
const SCENE_SEED: u64 = 11;

#[test]
fn foreign_clients_over_a_plain_broker() -> Result<()> {
    drive(&Site::plain()?)
}

#[test]
fn foreign_clients_over_a_confined_broker() -> Result<()> {
    let site = Site::confined()?;
    let eavesdropper = site.broker.identity("robot-9")?;
    let mut listening = site.broker.client("mosquitto_sub", Some(&eavesdropper));
    listening.args(["-q", "1", "-t", "trimtab/v1/#", "-t", &format!("trimtab/v1/{FLEET}/robot-1/#"), "-v"]);
    let mut listening = listening.stdout(Stdio::piped()).spawn()?;
    drive(&site)?;
    ensure!(site.broker.log().contains("u'robot-9'"), "the eavesdropper never got in, so its silence says nothing");
    listening.kill()?;
    let heard = listening.wait_with_output()?.stdout;
    let heard = String::from_utf8_lossy(&heard);
    let leaked: Vec<&str> =
        heard.lines().filter(|line| line.contains("/robot-1/") || line.contains("/robot-2/")).collect();
    ensure!(leaked.is_empty(), "another robot's certificate heard: {leaked:?}");
    Ok(())
}

/// Everything that an application and an operator do with two robots, one of which has no model of its own.
fn drive(site: &Site) -> Result<()> {
    let cloud = Cloud::start()?;
    let node =
        |name| -> Result<Node<'_>> { Ok(Node { name, model: name, base_url: cloud.base_url()?, timeout_ms: CALL_MS }) };
    let mut bridge = site.bridge(&[node("good")?, node("cheap")?])?;
    let turn = room::turns(SCENE_SEED, 1).pop().context("a turn")?;
    let mut with_model = site.configured(Robot::new("robot-1")?)?;
    let mut without = site.configured(Robot { local: false, ..Robot::new("robot-2")? })?;
    for robot in [&mut with_model, &mut without] {
        room::show(robot.folder(), &turn)?;
        robot.start()?;
        robot.sees_nodes(2)?;
    }
    let prompts: Vec<String> = room::prompts(&turn, SCENE_SEED).into_iter().map(|prompt| prompt.text).collect();

    let mut turns = Vec::new();
    for stream in [false, true] {
        for robot in [&with_model, &without] {
            turns.extend(chat(robot, stream, &prompts)?);
        }
    }
    let unique: std::collections::BTreeSet<_> = turns.iter().map(|turn| turn["id"].to_string()).collect();
    ensure!(unique.len() == turns.len(), "two turns have one name: {turns:?}");
    ensure!(cloud.completions()? > 0, "no answer came from the cloud");

    feedback_reaches_the_ledger(&with_model)?;
    operator_sees_and_commands(site, &with_model, &prompts[0])?;
    operator_sets_budgets(site, &with_model)?;
    ensure!(bridge.runs()?, "the bridge has ended: {}", bridge.output());
    Ok(())
}

/// A conversation by the OpenAI client; every turn must be in the ledger as the client saw it.
fn chat(robot: &RunningRobot, stream: bool, prompts: &[String]) -> Result<Vec<Value>> {
    let mut command = python::script("chat.py")?;
    command.args(["--base-url", &robot.base_url()]);
    if stream {
        command.arg("--stream");
    }
    let seen = python::json(command.args(prompts))?;
    ensure!(seen["models"].as_array().is_some_and(|models| models.iter().any(|model| model == "trimtab")), "{seen}");
    let turns = seen["turns"].as_array().context("no turns")?;
    let mut ids = Vec::new();
    for (turn, prompt) in turns.iter().zip(prompts) {
        ensure!(turn["status"] == 200, "{prompt}: {turn}\n{}", robot.log());
        let text = turn["text"].as_str().unwrap_or_default();
        ensure!(!text.is_empty(), "{prompt}: an empty answer: {turn}");
        let header = |name: &str| turn["headers"][name].as_str().with_context(|| format!("no {name}: {turn}"));
        let id = header("x-trimtab-turn")?;
        let record = robot.record(id)?;
        ensure!(record["answer"] == text, "the ledger says {}, the client heard {text}", record["answer"]);
        ensure!(record["prompt"] == prompt.as_str(), "the ledger has another prompt: {}", record["prompt"]);
        // A streamed head is sent when the decision is made; a fallback after that is in the record alone.
        if record["fallback"].is_null() {
            ensure!(record["placement"] == header("x-trimtab-placement")?, "{turn}\n{record}");
            ensure!(record["reason"] == header("x-trimtab-reason")?, "{turn}\n{record}");
        }
        header("x-trimtab-views")?;
        ensure!(record["left_open"] == serde_json::json!([]), "a hold is left open: {record}");
        ids.push(serde_json::json!({ "id": format!("{}/{id}", robot.base_url()) }));
    }
    ensure!(ids.len() == prompts.len(), "{} turns for {} prompts", ids.len(), prompts.len());
    // A bridge gathers what an upstream says at once; the local model's tokens come one by one.
    let local = turns.iter().any(|turn| turn["headers"]["x-trimtab-placement"] == "local");
    let in_pieces = turns.iter().any(|turn| turn["pieces"].as_u64() > Some(1));
    ensure!(!stream || !local || in_pieces, "nothing was streamed in pieces: {seen}");
    Ok(ids)
}

fn feedback_reaches_the_ledger(robot: &RunningRobot) -> Result<()> {
    let reply = robot.ask("turn on the kitchen lamp")?;
    let turn = reply.header("x-trimtab-turn").context("no turn")?.to_owned();
    let body = serde_json::json!({ "turn": turn, "score": 0.75, "source": "judge:test" }).to_string();
    let kept = robot.send("POST", "/v1/trimtab/feedback", body.as_bytes())?;
    ensure!(kept.status == 200, "feedback: {}", kept.body);
    let said = robot.cli(&["feedback", &turn, "0.25"])?;
    ensure!(said.status.success(), "trimtab feedback: {}", String::from_utf8_lossy(&said.stderr));
    let scores = robot.record(&turn)?["feedback"].clone();
    let given: Vec<f64> = scores.as_array().into_iter().flatten().filter_map(|score| score["score"].as_f64()).collect();
    ensure!(given == [0.75, 0.25], "feedback in the ledger: {scores}");
    let explained = robot.cli(&["explain", &turn, "--json"])?;
    ensure!(explained.status.success(), "trimtab explain: {}", String::from_utf8_lossy(&explained.stderr));
    let explained: Value = serde_json::from_slice(&explained.stdout)?;
    ensure!(explained["turn"].is_string() || explained["turn"].is_object(), "{explained}");
    Ok(())
}

/// The branch of robot-1, read and commanded by paho.
fn operator(site: &Site, words: &[&str]) -> Result<Value> {
    let mut command = python::script("operator_client.py")?;
    command.args(["--port", &site.broker.port().to_string(), "--root", &format!("trimtab/v1/{FLEET}/robot-1")]);
    if let Some(identity) = site.identity(OPERATOR)? {
        command.arg("--cafile").arg(identity.authority);
        command.arg("--cert").arg(identity.certificate).arg("--key").arg(identity.key);
    }
    let seen = python::json(command.args(words))?;
    for (branch, messages) in seen["heard"].as_object().into_iter().flatten() {
        let operators = ["status", "tele", "budget", "preference", "policy", "cmd"];
        if operators.contains(&branch.split('/').next().unwrap_or_default()) {
            for message in messages.as_array().into_iter().flatten() {
                ensure!(!message["payload"].is_null(), "{branch} carries no JSON");
            }
        }
    }
    Ok(seen)
}

fn last<'a>(seen: &'a Value, branch: &str) -> Result<&'a Value> {
    let messages = seen["heard"][branch].as_array().with_context(|| format!("nothing on {branch}: {seen}"))?;
    messages.last().with_context(|| format!("nothing on {branch}"))
}

fn operator_sees_and_commands(site: &Site, robot: &RunningRobot, prompt: &str) -> Result<()> {
    let ask = serde_json::json!({ "prompt": prompt }).to_string();
    let wanted =
        ["--want", "status", "--want", "tele/decision", "--want", "budget/reported", "--want", "preference/reported"];
    let words = [&["--command", "ask", "--payload", &ask][..], &wanted].concat();
    let seen = operator(site, &words)?;
    let status = last(&seen, "status")?;
    ensure!(status["retained"] == true && status["payload"]["online"] == true, "status: {status}");
    ensure!(status["content_type"] == "application/json", "status: {status}");
    let answer = &last(&seen, "cmd/ask/res")?["payload"];
    ensure!(answer["ok"] == true && answer["id"] == seen["id"], "answer to ask: {answer}\n{}", robot.log());
    ensure!(answer["result"]["text"].as_str().is_some_and(|text| !text.is_empty()), "answer to ask: {answer}");
    let decision = &last(&seen, "tele/decision")?["payload"];
    for key in
        ["turn", "task", "association", "node", "placement", "views", "reason", "latency_ms", "energy_uj", "money_uusd"]
    {
        ensure!(!decision[key].is_null(), "tele/decision has no {key}: {decision}");
    }
    let turn = decision["turn"].as_str().context("the decision names its turn")?;
    let explain = serde_json::json!({ "turn": turn }).to_string();
    let seen = operator(site, &["--command", "explain", "--payload", &explain])?;
    let answer = &last(&seen, "cmd/explain/res")?["payload"];
    ensure!(answer["ok"] == true && answer["result"]["prompt"] == prompt, "answer to explain: {answer}");
    let seen = operator(site, &["--command", "status"])?;
    ensure!(last(&seen, "cmd/status/res")?["payload"]["ok"] == true, "answer to status: {seen}");
    let seen = operator(site, &["--command", "explain", "--payload", "{\"turn\": \"7-7777\"}"])?;
    let answer = &last(&seen, "cmd/explain/res")?["payload"];
    ensure!(answer["ok"] == false && answer["error"].as_str().is_some_and(|text| text.contains("7-7777")), "{answer}");
    Ok(())
}

/// A wish is reported back with its version; one that will not do is reported back with the reason and changes nothing.
fn operator_sets_budgets(site: &Site, robot: &RunningRobot) -> Result<()> {
    let identity = site.identity(OPERATOR)?;
    let branch = format!("trimtab/v1/{FLEET}/robot-1/budget");
    let wish = |text: &str| -> Result<Value> {
        let mut command = site.broker.client("mosquitto_pub", identity.as_ref());
        command.args(["-r", "-q", "1", "-t", &format!("{branch}/desired"), "-m", text]);
        ensure!(command.output()?.status.success(), "the wish was not taken");
        Ok(serde_json::from_str(text).unwrap_or(Value::Null))
    };
    let reported = |what: &str, fits: &dyn Fn(&Value) -> bool| {
        trimtab_e2e::wait::until(what, std::time::Duration::from_secs(15), || {
            let text = site.broker.first_message(identity.as_ref(), &format!("{branch}/reported"), 5)?;
            let report: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or(Value::Null);
            Ok(fits(&report).then_some(report))
        })
        .with_context(|| robot.log())
    };
    wish(r#"{"version": 3, "limits": [{"resource": "money", "window": "day", "limit": 5000000}]}"#)?;
    reported("the budget in force", &|report| {
        report["version"] == 3 && report["rejected"].is_null() && report["budgets"][0]["limit"] == 5_000_000
    })?;
    wish(r#"{"version": 4, "limits": [{"resource": "gold", "window": "day", "limit": 5}]}"#)?;
    reported("the rejected budget", &|report| {
        report["rejected"].as_str().is_some_and(|text| text.contains("gold"))
            && report["budgets"][0]["limit"] == 5_000_000
    })?;
    Ok(())
}
