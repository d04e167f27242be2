//! The device's runtime and the board's program on one emulated serial port: the real program of each.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use trimtab_wire::mcu::Config;

use super::bench::{KEY, LIMIT, Lines, World};
use super::image::Image;
use super::machine::{Machine, Parts};
use super::scenario::WORLD;
use crate::clock::must;

/// Power of [`WORLD`], µW.
const POWER_UW: u64 = 12_000_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Plays a scenario with the image and the program of this machine.
type Play = fn(&Image, &Path) -> Result<()>;

/// The scenarios, by name.
pub(super) const SCENARIOS: [(&str, Play); 4] = [
    ("a turn settles with the board's joules", settles),
    ("a runtime that is killed is throttled and then reset", killed),
    ("a runtime that stops on purpose is left alone", stopped),
    ("an unplugged board leaves the next meter in charge", unplugged),
];

/// Builds the program of this machine.
pub(super) fn program(root: &Path) -> Result<PathBuf> {
    let words = ["build", "--release", "--locked", "--quiet", "--workspace", "--bin", "trimtab"];
    must(Command::new("cargo").current_dir(root).args(words))?;
    Ok(crate::dist::target(root).join("release/trimtab"))
}

/// A board and a runtime that is plugged into it.
struct Pair {
    machine: Option<Machine>,
    runtime: Child,
    program: PathBuf,
    folder: PathBuf,
}

impl Pair {
    fn new(image: &Image, program: &Path) -> Result<Self> {
        let (mut machine, port) = Machine::new(&image.file, &KEY, Parts::ALL)?;
        // The port takes one at a time.
        drop(port);
        WORLD.show(&mut machine.qmp, Parts::ALL)?;
        machine.run()?;
        let folder = std::env::temp_dir().join(format!("trimtab-runtime-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped").canonicalize()?;
        let (models, port) = (models.display(), machine.serial());
        let config = format!(
            "[device]\nstate_dir = \"state\"\n[api]\nlisten = \"none\"\n[supervisor]\nport = \"unix:{}\"\nhour = \"900 kJ\"\n\
             [models]\nencoder = \"{models}/encoder\"\nlm = \"{models}/lm\"\npolicy = \"{models}/policy/policy.onnx\"\n\
             [[budget]]\nresource = \"energy\"\nwindow = \"hour\"\nlimit = \"20 kJ\"\n",
            port.display()
        );
        fs::write(folder.join("trimtab.toml"), config)?;
        let runtime = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["run", "--config"])
            .arg(folder.join("trimtab.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log"))?)
            .spawn()
            .context("cannot start setpriv and trimtab")?;
        let pair = Self { machine: Some(machine), runtime, program: program.to_owned(), folder };
        pair.until("the board to measure, and to hear the runtime's heart", |status| {
            let supervisor = &status["supervisor"];
            let alive = supervisor["link"] == "open" && supervisor["telemetry"]["host"] == "alive";
            alive && source(status).starts_with("measured:supervisor mps2-an386")
        })?;
        Ok(pair)
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
        let _ = self.runtime.kill();
        let _ = self.runtime.wait();
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
        let world = World { current: WORLD.current * times, ..WORLD };
        let machine = pair.machine.as_mut().context("no board")?;
        world.show(&mut machine.qmp, Parts::ALL)?;
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
    // By the id of the child, and without a chance to say goodbye.
    pair.runtime.kill()?;
    pair.until_lines(Lines { throttle: true, cut: false, reset: false })?;
    pair.until_lines(Lines { throttle: true, cut: false, reset: true })
}

fn stopped(image: &Image, program: &Path) -> Result<()> {
    let mut pair = Pair::new(image, program)?;
    must(Command::new("kill").args(["-TERM", &pair.runtime.id().to_string()]))?;
    pair.runtime.wait()?;
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
