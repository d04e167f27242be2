//! The program on a disk that fills up under it: turns go on, budgets hold, and every command tells what was lost.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trimtab");
/// Where the part that sees the disk finds its folder.
const PLACE: &str = "TRIMTAB_FULL";
const TURNS: u64 = 240;

#[test]
fn turns_go_on_when_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("state")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=16m tmpfs '{0}/state' && {PLACE}='{0}' exec \"$0\" --exact inside --nocapture",
        folder.path().display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("all was seen"), "{out}\n{err}");
}

struct Robot {
    folder: PathBuf,
    process: Child,
}

impl Robot {
    fn start(folder: &Path) -> Self {
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg("--config").arg(folder.join("trimtab.toml")).stdout(Stdio::null()).stderr(log);
        let mut robot = Self { folder: folder.to_owned(), process: command.spawn().unwrap() };
        let until = Instant::now() + Duration::from_secs(60);
        while !robot.cli(&["status"]).status.success() {
            let ended = robot.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}\n{}", robot.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        robot
    }

    fn cli(&self, words: &[&str]) -> Output {
        Command::new(PROGRAM).args(words).arg("--config").arg(self.folder.join("trimtab.toml")).output().unwrap()
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.cli(words);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[words, &["--json"]].concat())).unwrap()
    }

    /// Asks so often, and every turn is answered, or refused by its budget; how many were answered.
    fn asks(&self, count: u64) -> u64 {
        let mut answered = 0;
        for _ in 0..count {
            let output = self.cli(&["ask", "--max-tokens", "4", "Is the stove on?"]);
            let code = output.status.code();
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(
                code == Some(0) || code == Some(4) && err.contains("budget"),
                "{code:?} {out}{err}\n{}",
                self.log()
            );
            answered += u64::from(code == Some(0));
        }
        answered
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The part that sees the disk.
#[test]
fn inside() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let folder = Path::new(&place);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped");
    let text = format!(
        "[device]\nstate_dir = \"state\"\n[api]\nlisten = \"none\"\nsocket = \"socket\"\n[energy]\nmeter = \"estimate\"\n\
         [[camera]]\nname = \"front\"\nsource = \"pattern:\"\n\
         [models]\nmeasure = false\npolicy = \"none\"\nencoder = {:?}\nlm = {:?}\n\
         [[budget]]\nresource = \"energy\"\nwindow = \"day\"\nlimit = \"3 J\"\n",
        shipped.join("encoder"),
        shipped.join("lm")
    );
    fs::write(folder.join("trimtab.toml"), text).unwrap();
    let within = |status: &Value| {
        let budget = &status["budgets"][0];
        let used = budget["spent"].as_u64().unwrap() + budget["held"].as_u64().unwrap();
        assert!(used > 0 && used <= budget["limit"].as_u64().unwrap(), "{budget}");
    };

    let robot = Robot::start(folder);
    robot.asks(20);
    let mut filler = File::create(folder.join("state/filler")).unwrap();
    for chunk in [1 << 16, 512] {
        while filler.write_all(&vec![1; chunk]).is_ok() {}
    }
    assert!(robot.asks(TURNS) >= 50, "{}", robot.log());
    let status = robot.json(&["status"]);
    within(&status);
    let lost = status["ledger"]["lost"].as_u64().unwrap();
    assert!(status["ledger"]["disk_full"] == true && lost > 0, "{}", status["ledger"]);
    assert!(robot.says(&["status"]).contains(&format!("{lost} records were lost to a full disk, since ")));
    let told = robot.says(&["explain", "1-1"]);
    assert!(told.contains("turn 1-1 was dropped, with ") && told.contains("free disk space"), "{told}");
    let said = robot.log().matches("the disk is full").count();
    assert_eq!(said, 1, "{}", robot.log());
    let doctor = robot.says(&["doctor"]);
    assert!(doctor.contains(&format!("{lost} records went because the disk is full")), "{doctor}");

    // Killed in the middle of it.
    robot.kill();
    let robot = Robot::start(folder);
    robot.asks(5);
    let status = robot.json(&["status"]);
    within(&status);
    assert!(status["ledger"]["lost"].as_u64() >= Some(lost), "{}", status["ledger"]);

    drop(filler);
    fs::remove_file(folder.join("state/filler")).unwrap();
    robot.asks(3);
    let status = robot.json(&["status"]);
    let lost = status["ledger"]["lost"].as_u64().unwrap();
    assert_eq!(status["ledger"]["disk_full"], false, "{}", status["ledger"]);
    robot.kill();

    let ledger = folder.join("state/ledger.sqlite");
    let rows = rusqlite::Connection::open(&ledger).unwrap();
    let count = |what: &str| rows.query_row(what, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned();
    assert_eq!(count("SELECT count(*) FROM turns WHERE record IS NOT NULL") + lost, 20 + TURNS + 5 + 3);
    assert_eq!(count("SELECT count(*) FROM spare"), 1);
    let replayed = Command::new(PROGRAM).arg("replay").arg(&ledger).arg("--json").output().unwrap();
    let replayed: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert!(replayed["dropped"] == lost && replayed["different"] == 0, "{replayed}");
    println!("all was seen");
}
