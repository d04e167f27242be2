//! An operator who listens: mosquitto of its own port and folder, and what its subscriber writes down.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::bench::LIMIT;
use super::runtime::LOOK;
use crate::clock::must;
/// What every device tells of its microcontroller.
const TOPIC: &str = "trimtab/v1/+/+/tele/supervisor";

/// A broker and a subscriber, ended when dropped.
pub(super) struct Operator {
    port: u16,
    folder: PathBuf,
    broker: Option<Child>,
    subscriber: Option<Child>,
}

impl Operator {
    /// Listens; `folder` is there already.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n",
            folder.display()
        );
        fs::write(folder.join("mosquitto.conf"), text)?;
        let mut operator = Self { port, folder: folder.to_owned(), broker: None, subscriber: None };
        operator.come_back()?;
        let mut words = Command::new("setpriv");
        words.args(["--pdeathsig", "KILL", "--", "stdbuf", "-oL", "mosquitto_sub", "-d", "-V", "mqttv5"]);
        // The broker keeps its session.
        words.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "-i", "operator", "-x", "3600"]);
        words.args(["-q", "1", "-t", TOPIC]);
        operator.subscriber = Some(quiet(&mut words, &operator.written())?);
        operator.until("the subscription", |written| written.contains("Subscribed").then_some(()))?;
        Ok(operator)
    }

    /// The broker stops on purpose: it keeps who subscribed.
    pub(super) fn leave(&mut self) -> Result<()> {
        let mut broker = self.broker.take().context("no broker")?;
        must(Command::new("kill").args(["-TERM", &broker.id().to_string()]))?;
        broker.wait()?;
        Ok(())
    }

    /// The broker starts.
    pub(super) fn come_back(&mut self) -> Result<()> {
        // Debian keeps the daemon where an ordinary user's PATH may not look.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let mut words = Command::new("setpriv");
        words.args(["--pdeathsig", "KILL", "--", "mosquitto", "-c"]).arg(self.folder.join("mosquitto.conf"));
        self.broker = Some(quiet(words.env("PATH", path), &self.folder.join("mosquitto.log"))?);
        let port = self.port;
        self.until("the broker", |_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())?;
        Ok(())
    }

    /// What the subscriber writes.
    fn written(&self) -> PathBuf {
        self.folder.join("operator.log")
    }

    /// Where devices find the broker.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Everything that was told, in order.
    pub(super) fn told(&self) -> Result<Vec<Value>> {
        told(&fs::read_to_string(self.written())?)
    }

    /// Waits until something was told.
    pub(super) fn hears(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        self.until(what, |written| told(written).ok()?.into_iter().find(&is))
    }

    fn until<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            let written = fs::read_to_string(self.written()).unwrap_or_default();
            if let Some(found) = look(&written) {
                return Ok(found);
            }
            ensure!(begun.elapsed() < LIMIT, "waited in vain for {what}: {written}");
            sleep(LOOK);
        }
    }
}

/// What of it was told. What begins otherwise is the subscriber's own account; what has no end is being written.
fn told(written: &str) -> Result<Vec<Value>> {
    let whole = written.split_inclusive('\n').filter(|line| line.starts_with('{') && line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
}

impl Drop for Operator {
    fn drop(&mut self) {
        for child in self.subscriber.iter_mut().chain(&mut self.broker) {
            // Both fail only where there is nothing left to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a program that writes into a file.
fn quiet(command: &mut Command, file: &Path) -> Result<Child> {
    let file = File::create(file)?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    command.spawn().with_context(|| format!("cannot start {command:?}"))
}
