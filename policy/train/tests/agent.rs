//! A language model decides, turn by turn: numbers are taken, everything else is asked for again, and then answered locally.

mod published;
mod synthetic;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use trimtab_core::Usd;
use trimtab_train::agent::{Agent, AgentError, SILENT_MAX, TRIES_MAX, Terms, WAIT};
use trimtab_train::dataset::Class;
use trimtab_wire::price::Prices;

#[derive(Clone, Copy)]
enum Reply {
    Says(&'static str),
    Fails,
    Hangs,
}
use Reply::{Fails, Hangs, Says};

/// Plays the model: the n-th request gets the n-th reply, the last one again after that.
struct Model {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Model {
    fn start(replies: &'static [Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, number) = (Arc::new(Mutex::new(Vec::new())), AtomicUsize::new(0));
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let reply = replies[number.fetch_add(1, Ordering::Relaxed).min(replies.len() - 1)];
                let heard = Arc::clone(&heard);
                thread::spawn(move || answer(stream.unwrap(), reply, &heard));
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    fn questions(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|body| body["messages"].as_array().unwrap().last().unwrap()["content"].to_string()).collect()
    }
}

fn answer(mut stream: TcpStream, reply: Reply, heard: &Mutex<Vec<Value>>) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let body = loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                break body.to_owned();
            }
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the request broke off: {text}");
        read.extend(&buffer[..count]);
    };
    heard.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    let (status, body) = match reply {
        Says(text) => {
            let choice = json!({"message": {"content": text}, "finish_reason": "stop"});
            let usage = json!({"prompt_tokens": 100, "completion_tokens": 1});
            ("200 OK", json!({"choices": [choice], "usage": usage}).to_string())
        }
        Fails => ("500 Internal Server Error", r#"{"error": {"message": "out of order"}}"#.to_owned()),
        Hangs => return thread::sleep(Duration::from_secs(5)),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // The asker may have hung up.
    let _ = stream.write_all((head + &body).as_bytes());
}

fn evaluate(model: &Model, env: &str, train: &Path, test: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trimtab-lab"))
        .args(["evaluate", "--env", env, "--algo", "llm", "--llm-model", "tester", "--llm-wait", "1", "--json"])
        .args(["--llm-url", &model.url(), "--llm-prices", "10,20"])
        .args([Path::new("--train"), train, Path::new("--test"), test])
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn numbers_are_taken_and_nothing_else_is() {
    let model = Model::start(&[
        Says("3"),
        Says("action 5"),
        Says("5"),
        Says("it depends"),
        Says(""),
        Says("3 or 4"),
        Fails,
        Says("8\n"),
        Hangs,
        Fails,
        Fails,
        Says("0"),
        Says("9"),
        Says("7"),
        Says("1"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let [train, test] = [("train.json", 6), ("test.json", 2)].map(|(name, count)| {
        let path = folder.path().join(name);
        let dialogues = published::dialogues(count, 0.1, |question, _| Class::ALL[question % 3]);
        std::fs::write(&path, serde_json::to_vec(&dialogues).unwrap()).unwrap();
        path
    });
    let report = report(&evaluate(&model, "published", &train, &test));
    assert_eq!(report["actions"], json!(["3508", "0071"]));
    let asked = &report["llm"];
    assert_eq!((&asked["turns"], &asked["calls"], &asked["fallbacks"]), (&json!(8), &json!(15), &json!(2)));
    // Eleven answers of 100 and 1 tokens, and what three failures and a silence may have cost.
    assert!(asked["spent_nusd"].as_u64().unwrap() >= 11 * (100 * 10_000 + 20_000), "{asked}");
    let questions = model.questions();
    for part in [
        "Prompt: ",
        "Task: ",
        "View 2: cosine",
        "Left for the whole conversation: 30.00 s",
        "Action 8: cloud with views 0, 1, 2",
    ] {
        assert!(questions[0].contains(part), "{part}: {}", questions[0]);
    }
    assert!(questions[1].contains("action 3") && questions[2].contains("Reply with one number from 0 to 8"));
}

#[test]
fn recorded_turns_are_decided_too() {
    let model = Model::start(&[Says("0"), Says("16"), Says("I would not say")]);
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table");
    synthetic::write(&table, 1..2, 3);
    let report = report(&evaluate(&model, "trimtab", &table, &table));
    assert_eq!(report["llm"]["fallbacks"], 1);
    assert_eq!(report["llm"]["calls"], 5);
    let shares: Vec<f64> =
        report["reports"][0]["node_percent"].as_array().unwrap().iter().map(|n| n[1].as_f64().unwrap()).collect();
    assert!((shares[0] - 200.0 / 3.0).abs() < 1e-9 && (shares[2] - 100.0 / 3.0).abs() < 1e-9, "{report}");
    let questions = model.questions();
    assert!(
        questions[0].contains("View wrist") && questions[0].contains("Action 16: cloud node cheap"),
        "{}",
        questions[0]
    );
    let nobody = Command::new(env!("CARGO_BIN_EXE_trimtab-lab"))
        .args([Path::new("evaluate"), Path::new("--algo"), Path::new("llm"), Path::new("--test"), &table])
        .output()
        .unwrap();
    assert!(
        nobody.status.code() == Some(1) && String::from_utf8_lossy(&nobody.stderr).contains("--llm-url"),
        "{nobody:?}"
    );
    assert!(
        questions[2].contains("cloud node cheap (quality 0.60) with wrist and overhead and doorway"),
        "{}",
        questions[2]
    );
}

fn agent(url: String, calls_max: u64) -> Agent {
    let prices = Prices { prompt: Usd::ZERO, completion: Usd::ZERO, image: Usd::ZERO };
    Agent::new(Terms { url, model: "tester".into(), key: None, wait: WAIT, calls_max, prices }).unwrap()
}

#[test]
fn what_was_answered_is_kept_and_what_is_down_is_left_alone() {
    let model = Model::start(&[Says("2"), Says("1")]);
    let mut asked = agent(model.url(), 2);
    let chosen: Vec<_> = ["a", "b", "a", "c"].map(|situation| asked.choose(situation.into(), 3)).into();
    assert_eq!(chosen, [Some(2), Some(1), Some(2), None]);
    let counts = asked.counts();
    assert_eq!((counts.calls, counts.cached, counts.fallbacks), (2, 1, 1));
    asked.check().unwrap();

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut down = agent(format!("http://{closed}"), 1_000);
    for turn in 0..20 {
        assert_eq!(down.choose(format!("turn {turn}"), 3), None);
    }
    assert_eq!(down.counts().calls, u64::from(SILENT_MAX * TRIES_MAX));
    assert!(matches!(down.check(), Err(AgentError::Silent { .. })));
}
