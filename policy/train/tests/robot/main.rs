//! `trimtab-lab collect --device` against a real device: broker, bridge, stand-in models and API in this process, the program as
//! a child, a judge that errs.

mod judge;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use judge::{Judge, Verdict};
use serde_json::{Value, json};
use trimtab_core::{Budget, Usd, Window};
use trimtab_engine::Encoder;
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_rig::world::{Settings, World};
use trimtab_scenes::Split;
use trimtab_train::dataset::{Dialogue, LoggedTable, Table, read_dialogues};
use trimtab_train::estimator::Prompts;
use trimtab_train::learn::{self, fit};
use trimtab_train::logged::charge::Charges;
use trimtab_train::logged::distil::{Source, learning};
use trimtab_train::logged::recipe::Recipe;

/// Turns of each conversation.
const TURNS: usize = 4;
/// Below what the better node charges for its pictures.
const MONEY_A_TURN: Usd = Usd::from_nano(1_000_000);

/// A device, served, and a folder with prompts.
struct Site {
    world: World,
    folder: tempfile::TempDir,
}

impl Site {
    async fn start(explore: bool, budgets: Vec<Budget>) -> Self {
        let settings = Settings { serve: true, explore, budgets, ..Settings::shipped().unwrap() };
        let recording = Recording::generate(9, Split::Train, 2 * TURNS, FrameSize { width: 320, height: 240 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let line = |(index, said): (usize, &trimtab_scenes::Turn)| {
            let conversation = format!("kitchen {}", index / TURNS);
            json!({"conversation": conversation, "prompt": said.prompt.text, "expected": said.prompt.answer})
                .to_string()
        };
        let lines: Vec<String> = recording.turns().iter().enumerate().map(line).collect();
        std::fs::write(folder.path().join("prompts.jsonl"), lines.join("\n")).unwrap();
        let world = Box::pin(World::start(settings, Arc::new(recording))).await.unwrap();
        world.step_cameras(0);
        Self { world, folder }
    }

    fn url(&self) -> String {
        format!("http://{}", self.world.api().unwrap())
    }

    /// Collects with the file of prompts.
    async fn collect(&mut self, out: &str, arguments: &[&str]) -> Output {
        let prompts = self.folder.path().join("prompts.jsonl");
        let url = self.url();
        let given = ["--device", &url, "--prompts", prompts.to_str().unwrap()];
        self.collect_from(out, &[&given, arguments].concat()).await
    }

    async fn collect_from(&mut self, out: &str, arguments: &[&str]) -> Output {
        let out = self.folder.path().join(out);
        self.lab(&[&["collect", "--out", out.to_str().unwrap()], arguments].concat()).await
    }

    /// Runs the program while the device goes on.
    async fn lab(&mut self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab-lab"));
        command.args(arguments).arg("--json").env("JUDGE_KEY", "secret-of-the-judge");
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        let mut running = tokio::task::spawn_blocking(move || command.output().unwrap());
        loop {
            tokio::select! {
                ended = &mut running => return ended.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(50)) => self.world.keep_offers(),
            }
        }
    }

    fn dialogues(&self, out: &str) -> Vec<Dialogue> {
        let loaded = read_dialogues(&[self.folder.path().join(out)]).unwrap();
        loaded.dialogues.into_iter().map(|(_, dialogue)| dialogue).collect()
    }
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn judged_by(url: &str) -> Vec<String> {
    let scorer = format!("judge:{url}");
    ["--scorer", &scorer, "--judge-model", "tester", "--judge-key-env", "JUDGE_KEY", "--judge-prices", "1,1"]
        .map(str::to_owned)
        .to_vec()
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_propensities_is_scored_by_and_by_and_trains_a_policy() {
    let mut site = Site::start(true, vec![Budget::money(Window::Turn, MONEY_A_TURN)]).await;
    let first = report(&site.collect("log", &[]).await);
    assert_eq!((&first["collected"], &first["unscored"], &first["scored"]), (&json!(2), &json!(2 * TURNS), &json!(0)));
    let none = LoggedTable::read(&[site.folder.path().join("log")]).unwrap_err().to_string();
    assert!(none.contains("none of its 8 turns has a score"), "{none}");

    let dialogues = site.dialogues("log");
    let mut ruled_out = 0;
    for turn in dialogues.iter().flat_map(|dialogue| &dialogue.interactions) {
        let measured = turn.trimtab.as_ref().unwrap();
        assert_eq!((measured.candidates.len(), measured.outcomes.len()), (17, 1));
        let admissible = measured.candidates.iter().filter(|candidate| candidate.propensity > 0.0).count();
        let even = |propensity: f64| propensity == 0.0 || (propensity - 1.0 / admissible as f64).abs() < 1e-9;
        assert!(measured.candidates.iter().all(|candidate| even(candidate.propensity)), "{measured:?}");
        // What the shield forbids was never done, however it was asked for.
        assert!(measured.outcomes[0].money_nusd <= MONEY_A_TURN.nano(), "{measured:?}");
        ruled_out += 17 - admissible;
    }
    assert!(ruled_out > 0, "the budget forbids the dearest actions");

    // The user scores one answer; the judge gets as far as its budget goes, and the rest in another run.
    let asked = dialogues[0].interactions[1].trimtab.as_ref().unwrap().outcomes[0].turn.clone().unwrap();
    assert!(site.world.device().feedback(asked.parse().unwrap(), 0.25, "user").await.unwrap());
    let by_user = report(&site.collect("log", &[]).await);
    assert_eq!((&by_user["collected"], &by_user["scored"], &by_user["told"]), (&json!(0), &json!(1), &json!(0)));
    let judge =
        Judge::start(&[Verdict::Says("0.9"), Verdict::Says("good"), Verdict::Fails, Verdict::Says("0.125")]).await;
    let arguments = judged_by(&format!("http://{}/v1", judge.address));
    let limited = report(&site.collect("log", &[&borrowed(&arguments)[..], &["--judge-budget", "5"]].concat()).await);
    assert_eq!((&limited["judge_calls"], &limited["scored"], &limited["told"]), (&json!(5), &json!(4), &json!(3)));
    // 100 and 2 tokens at 1 USD a million; what fails is not charged.
    assert_eq!(limited["judge_nusd"], json!(4 * 102_000));
    let rest = report(&site.collect("log", &borrowed(&arguments)).await);
    assert_eq!((&rest["collected"], &rest["unscored"], &rest["told"]), (&json!(0), &json!(0), &json!(4)));
    assert_eq!(rest["judge_calls"].as_u64().unwrap() as usize, judge.calls() - 5);

    let scored = site.dialogues("log");
    let turn = |dialogue: usize, turn: usize| scored[dialogue].interactions[turn].clone();
    assert_eq!((turn(0, 0).score, turn(0, 1).score, turn(0, 2).score), (0.9, 0.25, 0.125));
    assert_eq!(turn(0, 1).trimtab.unwrap().scored_by.as_deref(), Some("user"));
    let measured = turn(0, 2).trimtab.unwrap();
    assert_eq!(measured.scored_by.as_deref(), Some("judge:tester"));
    let id = measured.outcomes[0].turn.as_ref().unwrap().parse().unwrap();
    let feedback = site.world.device().record(id).await.unwrap().unwrap().feedback;
    assert_eq!((feedback[0].score, feedback[0].source.as_str()), (0.125, "judge:tester"));

    let table = LoggedTable::read(&[site.folder.path().join("log")]).unwrap();
    assert_eq!((table.turns().len(), table.unscored()), (2 * TURNS, 0));
    assert!(
        table.turns().iter().all(|turn| turn.propensity.is_some_and(|classes| classes[turn.class().index()] > 0.0))
    );
    let encoder = Encoder::load(&site.world.settings().models.join("encoder")).unwrap();
    let vector = |question: &str| encoder.embed_text(question).unwrap().as_slice().to_vec();
    let vectors: Prompts =
        table.turns().iter().map(|turn| (turn.context.question.to_string(), vector(&turn.context.question))).collect();
    let charges = Charges::default();
    let source = Source::new(&table, &charges, &encoder.fingerprint().to_string(), &vectors);
    let recipe = learn::Recipe { epochs: 2, ..learning(1) };
    assert!(source.distil(None, &Recipe::default(), &recipe, &mut |_| {}).is_ok());

    let log = site.folder.path().join("log").to_str().unwrap().to_owned();
    let stats = report(&site.lab(&["dataset", "stats", &log]).await);
    assert_eq!((&stats["turns"], &stats["unscored"]), (&json!(2 * TURNS), &json!(0)));
    let parts = ["--train", &log, "--test", &log];
    let estimated = report(&site.lab(&[&["estimator"], &parts[..]].concat()).await);
    assert_eq!(estimated["n"], json!(2 * TURNS));
    let judged = ["evaluate", "--env", "logged", "--algo", "image"];
    let judged = report(&site.lab(&[&judged, &parts[..]].concat()).await);
    assert!(judged["effective_n"].as_f64().unwrap() >= 1.0, "{judged}");
    site.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_of_some_views_makes_a_table() {
    let mut site = Site::start(true, Vec::new()).await;
    let arguments = ["--every-action", "--cameras", "doorway,wrist", "--scorer", "expected"];
    let made = report(&site.collect("table", &arguments).await);
    assert_eq!((&made["collected"], &made["scored"], &made["left_out"]), (&json!(2), &json!(2 * TURNS), &json!(0)));
    let table = Table::read(&[site.folder.path().join("table")]).unwrap();
    assert_eq!((table.turns().len(), table.views()), (2 * TURNS, &["wrist".to_owned(), "doorway".to_owned()][..]));
    assert!(table.turns().iter().all(|turn| turn.tried.len() == 1 + 2 * 4));
    let tried = || table.turns().iter().flat_map(|turn| &turn.tried);
    assert!(tried().any(|tried| tried.right) && tried().any(|tried| !tried.right));
    let recipe = learn::Recipe { epochs: 2, ..learn::Recipe::default() };
    let policy = fit(&table, &recipe, &mut |_| {});
    assert_eq!(policy.origin.turns, 2 * TURNS);
    site.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_collected_is_told_with_its_remedy() {
    let mut site = Site::start(false, Vec::new()).await;
    let silent = refusal(&site.collect("refused", &[]).await);
    assert!(silent.contains("explore = true under [api]"), "{silent}");
    site.world.stop().await;

    let mut site = Site::start(true, Vec::new()).await;
    let camera = refusal(&site.collect("refused", &["--cameras", "roof"]).await);
    assert!(
        camera.contains("--cameras: \"roof\" is no camera of the device; it has wrist, overhead, doorway"),
        "{camera}"
    );
    let nobody = judged_by("http://127.0.0.1:9/v1");
    let down = refusal(&site.collect("kept", &borrowed(&nobody)).await);
    assert!(down.contains("judge cannot be reached") && down.contains("run the same command again"), "{down}");
    assert_eq!(site.dialogues("kept").len(), 2, "what was collected before is kept");
    let key = ["--scorer", "judge:http://127.0.0.1:9/v1", "--judge-model", "tester", "--judge-key-env", "NO_SUCH_KEY"];
    let key = refusal(&site.collect("refused", &key).await);
    assert!(key.contains("--judge-key-env: variable NO_SUCH_KEY is not set"), "{key}");
    let money =
        refusal(&site.collect("refused", &[&borrowed(&nobody)[..6], &["--judge-budget", "1USD"]].concat()).await);
    assert!(money.contains("--judge-budget: money needs --judge-prices"), "{money}");

    let prompts = site.folder.path().join("prompts.jsonl");
    let (path, url) = (prompts.to_str().unwrap().to_owned(), site.url());
    let gone = ["--device", "http://127.0.0.1:9", "--prompts", &path];
    let gone = refusal(&site.collect_from("refused", &gone).await);
    assert!(gone.contains("no runtime answers at 127.0.0.1:9") && gone.contains("trimtab run"), "{gone}");
    std::fs::write(
        &prompts,
        "{\"conversation\": \"b\", \"prompt\": \"hello\"}\n{\"conversation\": \"b\", \"prompt\": 7}\n",
    )
    .unwrap();
    let line = refusal(&site.collect_from("kept", &["--device", &url, "--prompts", &path]).await);
    assert!(line.contains("prompts.jsonl: line 2: prompt: 7 is no text"), "{line}");
    std::fs::write(&prompts, "{\"conversation\": \"b\", \"prompt\": \"hello\"}\n").unwrap();
    let other = refusal(&site.collect_from("kept", &["--device", &url, "--prompts", &path]).await);
    assert!(other.contains("seed-000001.json: holds conversation \"kitchen 0\", not \"b\""), "{other}");
    site.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_an_action_is_logged_also_where_the_local_model_stepped_in() {
    let mut site = Site::start(true, Vec::new()).await;
    site.world.link().cut_after_request();
    report(&site.collect("log", &["--scorer", "expected"]).await);
    let dialogues = site.dialogues("log");
    let turns = dialogues.iter().flat_map(|dialogue| &dialogue.interactions).map(|turn| turn.trimtab.as_ref().unwrap());
    let after: Vec<_> = turns.skip_while(|turn| !turn.outcomes[0].fallback).collect();
    assert!(after.len() > 1 && after[0].outcomes[0].node != "local", "a cloud was asked and did not answer: {after:?}");
    for turn in &after[1..] {
        let local = turn.candidates.iter().find(|candidate| candidate.node == "local").unwrap();
        assert_eq!((local.propensity, turn.outcomes[0].fallback), (1.0, false), "nothing else is admissible");
    }
    site.world.stop().await;
}
