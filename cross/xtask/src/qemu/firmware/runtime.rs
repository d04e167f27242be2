//! The device's runtime and the board's program on one emulated serial port: the real program of each.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use trimtab_wire::mcu::Config;

use super::bench::{KEY, LIMIT, Lines, World};
use super::image::Image;
use super::machine::{Machine, Parts};
use super::operator::Operator;
use super::scenario::WORLD;
use crate::clock::must;

/// Power of [`WORLD`], µW.
const POWER_UW: u64 = 12_000_000;
/// What was acknowledged is at its subscriber after so long.
const SETTLE: Duration = Duration::from_millis(500);
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// Plays a scenario with the image and the program of this machine.
type Play = fn(&Image, &Path) -> Result<()>;

/// The scenarios, by name.
pub(super) const SCENARIOS: [(&str, Play); 5] = [
    ("a turn settles with the board's joules", settles),
    ("a runtime that is killed is throttled and then reset", killed),
    ("a runtime that stops on purpose is left alone", stopped),
    ("an unplugged board leaves the next meter in charge", unplugged),
    ("what happens while no runtime runs is told once", told_once),
];

/// Builds the program of this machine.
pub(super) fn program(root: &Path) -> Result<PathBuf> {
    let words = ["build", "--release", "--locked", "--quiet", "--workspace", "--bin", "trimtab"];
    must(Command::new("cargo").current_dir(root).args(words))?;
    Ok(crate::dist::target(root).join("release/trimtab"))
}

/// A board, and a runtime that is plugged into it.
struct Pair {
    machine: Option<Machine>,
    runtime: Option<Child>,
    program: PathBuf,
    folder: PathBuf,
}

impl Pair {
    /// A board that runs, and a runtime that has heard from it.
    fn new(image: &Image, program: &Path) -> Result<Self> {
        let mut pair = Self::apart(program)?;
        pair.plug(image, None)?;
        pair.start()?;
        Ok(pair)
    }

    /// Neither of them.
    fn apart(program: &Path) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("trimtab-runtime-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { machine: None, runtime: None, program: program.to_owned(), folder })
    }

    /// Gives a board power, in the place of the one before, and has the configuration name it; `broker`: where operators listen.
    fn plug(&mut self, image: &Image, broker: Option<u16>) -> Result<()> {
        self.machine = None;
        let (mut machine, port) = Machine::new(&image.file, &KEY, Parts::ALL)?;
        // The port takes one at a time.
        drop(port);
        WORLD.show(&mut machine.qmp, Parts::ALL)?;
        machine.run()?;
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped").canonicalize()?;
        let (models, port) = (models.display(), machine.serial());
        let mut config = format!(
            "[device]\nstate_dir = \"state\"\n[api]\nlisten = \"none\"\n[supervisor]\nport = \"unix:{}\"\nhour = \"900 kJ\"\n\
             [models]\nencoder = \"{models}/encoder\"\nlm = \"{models}/lm\"\npolicy = \"{models}/policy/policy.onnx\"\n\
             [[budget]]\nresource = \"energy\"\nwindow = \"hour\"\nlimit = \"20 kJ\"\n",
            port.display()
        );
        if let Some(broker) = broker {
            config += &format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {broker}\nallow_plaintext = true\n");
        }
        fs::write(self.folder.join("trimtab.toml"), config)?;
        self.machine = Some(machine);
        Ok(())
    }

    /// Starts the runtime and waits until board and runtime know each other.
    fn start(&mut self) -> Result<()> {
        let runtime = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program)
            .args(["run", "--config"])
            .arg(self.folder.join("trimtab.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.folder.join("log"))?)
            .spawn()
            .context("cannot start setpriv and trimtab")?;
        self.runtime = Some(runtime);
        self.until("the board to measure, and to hear the runtime's heart", |status| {
            let supervisor = &status["supervisor"];
            let alive = supervisor["link"] == "open" && supervisor["telemetry"]["host"] == "alive";
            alive && source(status).starts_with("measured:supervisor mps2-an386")
        })?;
        Ok(())
    }

    /// Ends the runtime by the id of the child, and without a chance to say goodbye.
    fn kill(&mut self) -> Result<()> {
        let mut runtime = self.runtime.take().context("no runtime")?;
        runtime.kill()?;
        runtime.wait()?;
        Ok(())
    }

    /// Has the sensors see it.
    fn show(&mut self, world: World) -> Result<()> {
        world.show(&mut self.machine.as_mut().context("no board")?.qmp, Parts::ALL)
    }

    /// What the runtime's own command prints.
    fn command(&self, words: &[&str]) -> Result<Value> {
        let config = self.folder.join("trimtab.toml");
        let output = Command::new(&self.program).arg("--config").arg(config).arg("--json").args(words).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).with_context(|| format!("trimtab {words:?} printed {text:?}\n{}", self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until the runtime's state is so; says how long that took.
    fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let status = self.command(&["status"])?;
            if is(&status) {
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < LIMIT, "waited in vain for {what}: {status}\n{}", self.log());
            sleep(LOOK);
        }
    }

    /// Waits until the runtime has told everything; gives how many lines there were. Each was told once, and in order.
    fn caught_up(&self, operator: &Operator) -> Result<usize> {
        self.until("everything to be told", |status| {
            let log = &status["supervisor"]["log"];
            log["level"] == true && log["waiting"] == 0
        })?;
        // The broker has it; the subscriber may need a moment.
        sleep(SETTLE);
        let told = operator.told()?;
        let numbers: Vec<_> = told.iter().filter_map(|told| told["number"].as_u64()).collect();
        ensure!(numbers.iter().copied().eq(0..told.len() as u64), "{numbers:?}: {told:#?}\n{}", self.log());
        ensure!(told.iter().all(|told| told.get("lost_before").is_none()), "{told:#?}");
        Ok(told.len())
    }

    /// A turn's record.
    fn turn(&self) -> Result<Value> {
        let asked = self.command(&["ask", "what colour is the mug on the table?"])?;
        let turn = asked["turn"].as_str().with_context(|| format!("no turn: {asked}\n{}", self.log()))?;
        self.command(&["explain", turn])
    }

    fn until_lines(&mut self, wanted: Lines) -> Result<()> {
        let machine = self.machine.as_mut().context("no board")?;
        let begun = Instant::now();
        while Lines::read(&mut machine.qmp)? != wanted {
            ensure!(begun.elapsed() < LIMIT, "waited in vain for {wanted:?}");
            sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // All three fail only where there is nothing left to end.
        if let Some(runtime) = &mut self.runtime {
            let _ = runtime.kill();
            let _ = runtime.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn source(status: &Value) -> &str {
    status["energy"]["source"].as_str().unwrap_or_default()
}

/// Energy of a turn in µJ, and what so much power makes of its time: a telemetry more or less at either end.
fn energy(record: &Value, power_uw: u64) -> Result<(u64, std::ops::RangeInclusive<u64>)> {
    let of = |key: &str| record[key].as_u64().with_context(|| format!("no {key} in {record}"));
    let took = record["cost"]["energy"].as_u64().with_context(|| format!("no energy in {record}"))?;
    let micros = (of("ended")? - of("started")?) * 1_000;
    let of_time = |micros: u64| (u128::from(micros) * u128::from(power_uw) / 1_000_000) as u64;
    Ok((took, of_time(micros.saturating_sub(250_000)) * 97 / 100..=of_time(micros + 250_000) * 103 / 100))
}

fn settles(image: &Image, program: &Path) -> Result<()> {
    let mut pair = Pair::new(image, program)?;
    for times in [1, 3] {
        pair.show(World { current: WORLD.current * times, ..WORLD })?;
        let power = POWER_UW * times.unsigned_abs();
        pair.until("the board's power", |status| {
            status["energy"]["power_uw"].as_u64().is_some_and(|now| now.abs_diff(power) < power / 50)
        })?;
        let record = pair.turn()?;
        let by = record["energy_source"]["by"].as_str().unwrap_or_default();
        ensure!(record["energy_source"]["kind"] == "measured" && by == "supervisor mps2-an386", "{record}");
        let (took, bounds) = energy(&record, power)?;
        ensure!(bounds.contains(&took), "{took} µJ is not within {bounds:?} at {power} µW: {record}\n{}", pair.log());
        let settled = record["settlements"].as_array().is_some_and(|settled| !settled.is_empty());
        ensure!(settled, "nothing is settled: {record}");
    }
    Ok(())
}

fn killed(image: &Image, program: &Path) -> Result<()> {
    let mut pair = Pair::new(image, program)?;
    pair.until_lines(Lines { throttle: false, cut: false, reset: false })?;
    pair.kill()?;
    pair.until_lines(Lines { throttle: true, cut: false, reset: false })?;
    pair.until_lines(Lines { throttle: true, cut: false, reset: true })
}

fn stopped(image: &Image, program: &Path) -> Result<()> {
    let mut pair = Pair::new(image, program)?;
    let runtime = pair.runtime.as_mut().context("no runtime")?;
    must(Command::new("kill").args(["-TERM", &runtime.id().to_string()]))?;
    runtime.wait()?;
    // Longer than a host that is silent without a word is left alone.
    sleep(Duration::from_millis(Config::DEFAULT.host.reset.get() + 1_000));
    pair.until_lines(Lines { throttle: false, cut: false, reset: false })
}

fn unplugged(image: &Image, program: &Path) -> Result<()> {
    let mut pair = Pair::new(image, program)?;
    let before = pair.command(&["status"])?["energy"]["uj"].as_u64();
    pair.machine = None;
    pair.until("the next meter", |status| !source(status).contains("supervisor"))?;
    let status = pair.command(&["status"])?;
    ensure!(status["supervisor"]["link"] == "closed", "the link is {}", status["supervisor"]);
    ensure!(status["energy"]["uj"].as_u64() > before, "energy stands still: {}", status["energy"]);
    let told = pair.log();
    ensure!(told.contains("no supervisor"), "nothing was said of it:\n{told}");
    // Turns go on.
    let record = pair.turn()?;
    ensure!(record["energy_source"]["by"] != "supervisor mps2-an386" && record["placement"] != "refused", "{record}");
    Ok(())
}

fn told_once(image: &Image, program: &Path) -> Result<()> {
    let mut pair = Pair::apart(program)?;
    let mut operator = Operator::new(&pair.folder)?;
    pair.plug(image, Some(operator.port()))?;
    // Before there was ever a runtime.
    pair.until_lines(Lines { throttle: false, cut: false, reset: false })?;
    pair.show(World { current: 9_000, ..WORLD })?;
    pair.until_lines(Lines { throttle: true, cut: true, reset: false })?;
    pair.show(WORLD)?;
    // Whoever only looks takes nothing.
    let found = pair.command(&["doctor"])?.to_string();
    ensure!(found.contains("has stepped in: cut-accelerator"), "{found}");
    pair.start()?;
    let first = operator.hears("the trip", |told| told["trip"]["cause"] == "over-current")?;
    ensure!(first["trip"]["state"] == "cut-accelerator" && first["missed"] == true, "{first}");
    pair.caught_up(&operator)?;
    // Across a reset of the board, which loses nothing of its log.
    pair.machine.as_mut().context("no board")?.qmp.run("system_reset", &json!({}))?;
    pair.show(WORLD)?;
    operator.hears("the reset of the board", |told| told["event"] == "started" && told["boot"] == 2)?;
    pair.caught_up(&operator)?;
    // Between two runtimes, of which the first said no goodbye.
    pair.kill()?;
    pair.until_lines(Lines { throttle: true, cut: true, reset: true })?;
    pair.until_lines(Lines { throttle: true, cut: true, reset: false })?;
    pair.start()?;
    let reset = operator.hears("the reset", |told| told["stage"] == "resetting")?;
    ensure!(reset["missed"] == true, "{reset}");
    pair.caught_up(&operator)?;
    // While the runtime runs, and the broker does not.
    operator.leave()?;
    pair.show(World { heat: 92_000, ..WORLD })?;
    pair.until("the last trip to wait", |status| {
        status["supervisor"]["telemetry"]["state"] == "safe" && status["supervisor"]["log"]["waiting"] != 0
    })?;
    operator.come_back()?;
    let live = operator.hears("the last trip", |told| told["trip"]["state"] == "safe")?;
    ensure!(live["trip"]["cause"] == "over-temperature" && live["missed"] == false, "{live}");
    let count = pair.caught_up(&operator)?;
    ensure!(count > 8, "only {count} lines were told");
    // Another life of the board, without its record, its log and its count of starts.
    pair.kill()?;
    pair.plug(image, Some(operator.port()))?;
    pair.start()?;
    let anew = operator.hears("the other log", |told| told["anew"] == true)?;
    ensure!(anew["number"] == 0 && anew["event"] == "started", "{anew}");
    pair.until("all of it to be told", |status| status["supervisor"]["log"]["told"].as_u64() > Some(0))?;
    let told = operator.told()?;
    let numbers: Vec<_> = told.iter().skip(count).filter_map(|told| told["number"].as_u64()).collect();
    ensure!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?} after {count} lines: {told:#?}");
    Ok(())
}
