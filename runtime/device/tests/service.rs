//! What a service manager hears of the program: a real process, a real socket, real signals.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for what must come; the program loads its models meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the program is told that its manager waits for.
const WATCHDOG: Duration = Duration::from_millis(600);

struct Service(Child);

impl Service {
    fn start(home: &Path, socket: &str) -> Self {
        Self(command(home, socket).spawn().unwrap())
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Fails only where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(home: &Path, socket: &str) -> Command {
    let config = home.join("trimtab.toml");
    let text = format!(
        "[device]\nstate_dir = \"{0}/state\"\n[api]\nlisten = \"none\"\nsocket = \"{0}/api.sock\"\n",
        home.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
    command.args(["run", "--config"]).arg(&config).current_dir(home).stdin(Stdio::null());
    command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    command
}

fn refused(home: &Path, socket: &str) -> Output {
    command(home, socket).output().unwrap()
}

/// The next datagram, or none within `wait`.
fn heard(manager: &UnixDatagram, wait: Duration) -> Option<String> {
    manager.set_read_timeout(Some(wait)).unwrap();
    let mut buffer = [0; 4096];
    match manager.recv(&mut buffer) {
        Ok(length) => Some(String::from_utf8(buffer[..length].to_vec()).unwrap()),
        Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(fault) => panic!("{fault}"),
    }
}

/// Waits for a datagram that starts so, past signs of life.
fn expect(manager: &UnixDatagram, beginning: &str) -> String {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match heard(manager, PATIENCE) {
            Some(text) if text.starts_with(beginning) => return text,
            Some(text) => assert_eq!(text, "WATCHDOG=1\n", "instead of {beginning}"),
            None => break,
        }
    }
    panic!("{beginning} did not come within {PATIENCE:?}");
}

#[test]
fn a_service_is_ready_gives_signs_of_life_and_says_that_it_stops() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut service = Service::start(home.path(), path.to_str().unwrap());
    let ready = expect(&manager, "READY=1\n");
    // There are no models here, and the state says so in one line.
    assert!(ready.contains("STATUS=serving no TCP, ") && ready.contains("fault(s): "), "{ready}");
    assert_eq!(ready.lines().count(), 2, "{ready}");
    for _ in 0..3 {
        expect(&manager, "WATCHDOG=1\n");
    }

    service.send(Signal::STOP);
    // What was sent before the signal.
    while heard(&manager, Duration::from_millis(50)).is_some() {}
    assert_eq!(heard(&manager, 3 * WATCHDOG), None, "a program that stands still must give no sign of life");
    service.send(Signal::CONT);
    expect(&manager, "WATCHDOG=1\n");

    service.send(Signal::TERM);
    expect(&manager, "STOPPING=1\n");
    assert!(service.0.wait().unwrap().success());
}

#[test]
fn an_address_without_a_file_will_do_and_nonsense_is_named() {
    let home = tempfile::tempdir().unwrap();
    let name = format!("trimtab-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let service = Service::start(home.path(), &format!("@{name}"));
    expect(&manager, "READY=1\n");
    drop(service);

    for (socket, message) in [("nowhere", "no address of a socket"), ("/nowhere/notify", "NotifyAccess=main")] {
        let output = refused(home.path(), socket);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(message) && said.contains(socket), "{said}");
    }
}
