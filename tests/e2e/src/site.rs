//! A whole installation in a temporary folder: broker, bridge and robots, each its own process with its own configuration.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use trimtab_scenes::CAMERA_NAMES;

use crate::broker::{BRIDGE, Broker, FLEET};
use crate::certificates::Identity;
use crate::process::Process;
use crate::{http, programs, room, wait};

const START_LIMIT: Duration = Duration::from_secs(60);
/// The key that bridges present to upstreams.
pub const API_KEY: &str = "e2e-key";
const KEY_VARIABLE: &str = "TRIMTAB_E2E_KEY";

/// A broker, and a folder for everything else.
pub struct Site {
    /// Deleted at the end.
    folder: TempDir,
    /// The broker.
    pub broker: Broker,
}

/// One upstream of a bridge.
pub struct Node<'a> {
    /// The node's name in offers.
    pub name: &'a str,
    /// The model that is asked for.
    pub model: &'a str,
    /// Where it is.
    pub base_url: String,
    /// Longest call, milliseconds.
    pub timeout_ms: u64,
}

/// What a robot's configuration says beyond its name, broker and cameras.
#[derive(Clone)]
pub struct Robot {
    /// Its id: its certificate's name.
    pub id: String,
    /// Whether it has the shipped language model; without, only a cloud can answer.
    pub local: bool,
    /// Whether the shipped policy decides; without, the default rule does.
    pub policy: bool,
    /// Whether it measures at its start how fast its models run here.
    pub measure: bool,
    /// The program, and the emulator in front of it if there is one.
    pub program: Vec<PathBuf>,
    /// Further lines of the configuration.
    pub lines: String,
}

impl Robot {
    /// A robot with everything that is shipped.
    pub fn new(id: &str) -> Result<Self> {
        let program = vec![programs::program("trimtab")?];
        Ok(Self { id: id.to_owned(), local: true, policy: true, measure: true, program, lines: String::new() })
    }
}

/// A robot whose program runs.
pub struct RunningRobot {
    robot: Robot,
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Site {
    /// A broker on loopback that lets everyone in.
    pub fn plain() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::plain(&folder.path().join("broker"))?;
        Ok(Self { folder, broker })
    }

    /// A broker with TLS, client certificates and the shipped access list.
    pub fn confined() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::confined(&folder.path().join("broker"))?;
        Ok(Self { folder, broker })
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate, where the broker wants one.
    pub fn identity(&self, name: &str) -> Result<Option<Identity>> {
        if self.broker.has_tls() { self.broker.identity(name).map(Some) } else { Ok(None) }
    }

    /// Starts a bridge in front of these upstreams and waits for its offers.
    pub fn bridge(&self, nodes: &[Node<'_>]) -> Result<Process> {
        let folder = self.folder().join("bridge");
        fs::create_dir_all(&folder)?;
        let mut text = format!(
            "fleet = \"{FLEET}\"\nbridge = \"{BRIDGE}\"\nstate_dir = \"{}\"\n[broker]\nhost = \"localhost\"\nport = {}\n",
            folder.join("state").display(),
            self.broker.port()
        );
        if let Some(identity) = self.identity(BRIDGE)? {
            let Identity { certificate, key, authority } = identity;
            let (ca, certificate, key) = (authority.display(), certificate.display(), key.display());
            write!(text, "[broker.tls]\nca = \"{ca}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")?;
        }
        for node in nodes {
            write!(
                text,
                "[[upstreams]]\nnode = \"{}\"\nbase_url = \"{}\"\nmodel = \"{}\"\napi_key_env = \"{KEY_VARIABLE}\"\n\
                 prices = {{ prompt = 2.0, completion = 8.0, image = 0.0 }}\nimages_max = 4\nimage_tokens = 85\n\
                 context_tokens_max = 4096\nquality = 0.9\nlatency_p50_ms = 100\nlatency_p95_ms = 300\ntoken_ms = 5\n\
                 timeout_ms = {}\nsilence_max_ms = {}\n",
                node.name, node.base_url, node.model, node.timeout_ms, node.timeout_ms
            )?;
        }
        let path = folder.join("bridge.toml");
        fs::write(&path, text)?;
        let mut command = Command::new(programs::program("trimtab-bridge")?);
        command.args(["run", "--config"]).arg(&path).env(KEY_VARIABLE, API_KEY);
        Process::start("bridge", &folder, &mut command)
    }

    /// Writes a robot's configuration and starts it; returns once its interface answers.
    pub fn robot(&self, robot: Robot) -> Result<RunningRobot> {
        let mut running = self.configured(robot)?;
        running.start()?;
        Ok(running)
    }

    /// Writes a robot's configuration without starting it.
    pub fn configured(&self, robot: Robot) -> Result<RunningRobot> {
        let folder = self.folder().join(&robot.id);
        fs::create_dir_all(&folder)?;
        let port = wait::free_port()?;
        let shipped = programs::root().join("models/shipped");
        let mut text = format!(
            "[device]\nid = \"{}\"\nfleet = \"{FLEET}\"\nstate_dir = \"{1}/state\"\n\
             [api]\nlisten = \"127.0.0.1:{port}\"\nsocket = \"{1}/api.sock\"\n\
             [mqtt]\nhost = \"localhost\"\nport = {2}\n",
            robot.id,
            folder.display(),
            self.broker.port()
        );
        if let Some(identity) = self.identity(&robot.id)? {
            let Identity { certificate, key, authority } = identity;
            let (ca, cert, key) = (authority.display(), certificate.display(), key.display());
            write!(text, "[mqtt.tls]\nca = \"{ca}\"\ncert = \"{cert}\"\nkey = \"{key}\"\n")?;
        }
        for camera in CAMERA_NAMES {
            let frames = room::camera_folder(&folder, camera);
            write!(text, "[[camera]]\nname = \"{camera}\"\nsource = \"dir:{}\"\n", frames.display())?;
        }
        write!(text, "[models]\nmeasure = {}\nencoder = \"{}/encoder\"\n", robot.measure, shipped.display())?;
        if robot.local {
            writeln!(text, "lm = \"{}/lm\"", shipped.display())?;
        }
        if robot.policy {
            writeln!(text, "policy = \"{}/policy/policy.onnx\"", shipped.display())?;
        }
        text.push_str(&robot.lines);
        fs::write(folder.join("trimtab.toml"), text)?;
        Ok(RunningRobot { robot, folder, port, process: None })
    }
}

impl RunningRobot {
    /// Starts the program on its configuration and state.
    pub fn start(&mut self) -> Result<()> {
        self.kill()?;
        let mut command = self.command(&["run"])?;
        let mut process = Process::start(&self.robot.id, &self.folder, &mut command)?;
        let port = self.port;
        let healthy =
            || http::send(port, "GET", "/healthz", &[], b"").ok().filter(|reply| reply.status == 200).map(drop);
        process.until("the robot's interface", START_LIMIT, healthy)?;
        self.process = Some(process);
        Ok(())
    }

    /// The program with these words and this robot's configuration, away from the clone.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let (program, before) = self.robot.program.split_first().context("a robot needs a program")?;
        let mut command = Command::new(program);
        command.args(before).args(words).arg("--config").arg(self.config()).current_dir(&self.folder);
        Ok(command)
    }

    /// Runs the command line against this robot and returns what it said.
    pub fn cli(&self, words: &[&str]) -> Result<Output> {
        Ok(self.command(words)?.output()?)
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("trimtab.toml")
    }

    /// Its folder: configuration, state, cameras, log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the program as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// Whether the program runs.
    pub fn runs(&mut self) -> Result<bool> {
        self.process.as_mut().map_or(Ok(false), Process::runs)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// What an OpenAI client takes as its base URL.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The port of its interface on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// One request to its interface.
    pub fn send(&self, method: &str, path: &str, body: &[u8]) -> Result<http::Reply> {
        http::send(self.port, method, path, &[("content-type", "application/json")], body)
            .with_context(|| format!("log of {}:\n{}", self.robot.id, self.log()))
    }

    /// One prompt, not streamed.
    pub fn ask(&self, prompt: &str) -> Result<http::Reply> {
        let body = serde_json::json!({ "model": "trimtab", "messages": [{ "role": "user", "content": prompt }] });
        self.send("POST", "/v1/chat/completions", body.to_string().as_bytes())
    }

    /// A page of its interface as JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        let reply = self.send("GET", path, b"")?;
        ensure!(reply.status == 200, "{path}: status {}: {}", reply.status, reply.body);
        Ok(reply.json())
    }

    /// The ledger record of a turn.
    pub fn record(&self, turn: &str) -> Result<Value> {
        self.get(&format!("/v1/trimtab/explain/{turn}"))
    }

    /// Waits until it is connected and this many cloud nodes are open to it.
    pub fn sees_nodes(&self, count: usize) -> Result<()> {
        wait::until(&format!("{count} nodes at {}", self.robot.id), START_LIMIT, || {
            let status = self.get("/v1/trimtab/status")?;
            let open =
                status["nodes"].as_array().map_or(0, |nodes| nodes.iter().filter(|node| node["open"] == true).count());
            Ok((status["link"]["up"] == true && open >= count).then_some(()))
        })
        .with_context(|| format!("log of {}:\n{}", self.robot.id, self.log()))
    }
}
