//! mosquitto: its own process, port, folder and configuration; the packaged service is left alone.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::certificates::{Authority, Identity};
use crate::process::Process;
use crate::{programs, wait};

/// The fleet of the access list in `cross/mosquitto/trimtab.acl`.
pub const FLEET: &str = "home";
/// The bridge of that list.
pub const BRIDGE: &str = "bridge-1";
/// The operator of that list.
pub const OPERATOR: &str = "operator";

const START_LIMIT: Duration = Duration::from_secs(10);

/// A running mosquitto.
pub struct Broker {
    folder: PathBuf,
    port: u16,
    authority: Option<Authority>,
    process: Option<Process>,
}

impl Broker {
    /// Plain MQTT on loopback, anonymous.
    pub fn plain(folder: &Path) -> Result<Self> {
        Self::start(folder, None)
    }

    /// TLS with client certificates, the certificate's name as the user, and the access list that the project ships.
    pub fn confined(folder: &Path) -> Result<Self> {
        Self::start(folder, Some(Authority::new(&folder.join("certificates"), "trimtab test authority")?))
    }

    fn start(folder: &Path, authority: Option<Authority>) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = wait::free_port()?;
        let mut text = format!(
            "user root\nlistener {port} 127.0.0.1\nset_tcp_nodelay true\nmax_inflight_messages 20\n\
             persistence true\npersistence_location {}/\nautosave_interval 1\nautosave_on_changes true\nlog_type all\n",
            folder.display()
        );
        if let Some(authority) = &authority {
            let server = authority.leaf("localhost")?;
            write!(
                text,
                "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nuse_identity_as_username true\n\
                 allow_anonymous false\nacl_file {}\n",
                server.authority.display(),
                server.certificate.display(),
                server.key.display(),
                programs::root().join("cross/mosquitto/trimtab.acl").display(),
            )?;
        } else {
            text.push_str("allow_anonymous true\n");
        }
        fs::write(folder.join("mosquitto.conf"), text)?;
        let mut broker = Self { folder: folder.to_owned(), port, authority, process: None };
        broker.restart()?;
        Ok(broker)
    }

    /// Ends the broker as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::kill)
    }

    /// Starts it again on the same port and folder.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let mut command = Command::new(daemon());
        command.arg("-c").arg(self.folder.join("mosquitto.conf"));
        let mut process = Process::start("mosquitto", &self.folder, &mut command)?;
        let port = self.port;
        process.until("mosquitto to listen", START_LIMIT, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())?;
        self.process = Some(process);
        Ok(())
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether clients need a certificate.
    pub fn has_tls(&self) -> bool {
        self.authority.is_some()
    }

    /// A certificate for `name`; only a broker with TLS has an authority.
    pub fn identity(&self, name: &str) -> Result<Identity> {
        self.authority.as_ref().context("this broker has no TLS")?.leaf(name)
    }

    /// What mosquitto has logged.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// `mosquitto_pub` or `mosquitto_sub` with the words for this broker, as `identity` where the broker wants one.
    pub fn client(&self, program: &str, identity: Option<&Identity>) -> Command {
        let mut command = Command::new(program);
        command.args(["-V", "mqttv5", "-h", "localhost", "-p", &self.port.to_string()]);
        if let Some(identity) = identity {
            command.arg("--cafile").arg(&identity.authority);
            command.arg("--cert").arg(&identity.certificate).arg("--key").arg(&identity.key);
        }
        command
    }

    /// Publishes with QoS 1 and returns what the client said.
    pub fn publish(&self, identity: Option<&Identity>, topic: &str, payload: &str) -> Result<Output> {
        let mut command = self.client("mosquitto_pub", identity);
        command.args(["-q", "1", "-t", topic, "-m", payload]);
        command.output().context("cannot start mosquitto_pub: `cargo xtask setup` installs it")
    }

    /// The first message on `topic` within `seconds`, if there is one.
    pub fn first_message(&self, identity: Option<&Identity>, topic: &str, seconds: u32) -> Result<Option<String>> {
        let mut command = self.client("mosquitto_sub", identity);
        command.args(["-q", "1", "-C", "1", "-W", &seconds.to_string(), "-t", topic]);
        let output = command.output().context("cannot start mosquitto_sub: `cargo xtask setup` installs it")?;
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        Ok((!text.is_empty()).then_some(text))
    }
}

/// Debian keeps the daemon where an ordinary user's PATH does not look.
fn daemon() -> PathBuf {
    let listed = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&listed)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("mosquitto"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from("mosquitto"))
}
