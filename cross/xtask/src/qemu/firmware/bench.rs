//! One board on the bench: what the host end of the link says and hears, the sensors' settings, the lamps, and the resets, all in
//! the order in which they came.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use trimtab_wire::mcu::{
    Arrivals, BootNumber, Challenge, Config, Counters, Decoder, FirmwareVersion, FromMcu, Greeting, Hello, Key, LogEnd,
    LogEntry, NackReason, Name, Query, Received, Telemetry, ToMcu, Versions, encode, encode_greeting,
};

use super::gdb::Debugger;
use super::machine::{HEAT, Machine, POWER, Parts};
use super::qmp::Qmp;

/// Between two heartbeats, and between two greetings that are not answered.
const BEAT: Duration = Duration::from_millis(50);
/// Longest wait for the board's bytes at a time.
const LOOK: Duration = Duration::from_millis(2);
/// After so long a board that is silent where it should speak counts as hung.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// The key that boards on the bench are provisioned with.
pub(super) const KEY: [u8; 32] = *b"a key for boards on the bench...";

const PERMITS: u32 = 0x4002_8000;
const RESETS: u32 = 0x4002_f004;

/// Something that came from the board, or became of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Heard {
    Hello(Hello),
    Refusal,
    Telemetry(Telemetry),
    Event(LogEntry),
    Log(LogEntry),
    LogEnd(LogEnd),
    Ack(u32),
    Nack(u32, NackReason),
    Counters(Box<Counters>),
    Config(Box<Config>),
    Other,
    /// QEMU tells of a reset.
    Reset,
    /// QEMU tells that the board's watchdog ran out.
    Watchdog,
}

/// How the host's heart beats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beat {
    Even,
    /// It beats, and its number stands still.
    Frozen,
    Silent,
    /// It does not even greet.
    Mute,
}

/// The board's lines; true is asserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lines {
    pub(super) throttle: bool,
    pub(super) cut: bool,
    pub(super) reset: bool,
}

/// What the emulated sensors see, in mA, mV and m°C.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct World {
    pub(super) current: i64,
    pub(super) voltage: i64,
    pub(super) heat: i64,
}

impl Lines {
    /// As the lamps show them.
    pub(super) fn read(qmp: &mut Qmp) -> Result<Self> {
        let (permits, resets) = (qmp.word(PERMITS)?, qmp.word(RESETS)?);
        Ok(Self { throttle: permits & 1 == 0, cut: permits & 2 == 0, reset: resets & 1 != 0 })
    }
}

impl World {
    /// Has the sensors that are there see it.
    pub(super) fn show(self, qmp: &mut Qmp, parts: Parts) -> Result<()> {
        if parts.power {
            qmp.set(POWER, "vin", self.voltage)?;
            qmp.set(POWER, "iout", self.current)?;
        }
        if parts.heat {
            qmp.set(HEAT, "temperature", self.heat)?;
        }
        Ok(())
    }
}

/// The board and the host end of its link.
pub(super) struct Bench {
    machine: Machine,
    debugger: PathBuf,
    port: UnixStream,
    parts: Parts,
    decoder: Decoder<FromMcu>,
    key: Key,
    /// Number of the next frame.
    number: u32,
    /// What the host claims to speak.
    pub(super) versions: Versions,
    version: Option<u8>,
    /// Whether the host greeted since the board, or it, started over.
    greeted: bool,
    pub(super) beat: Beat,
    count: u32,
    begun: Instant,
    next_beat: Instant,
    pub(super) world: World,
    pub(super) challenge: Option<Challenge>,
    /// The board's frames by their numbers.
    pub(super) arrivals: Arrivals,
    /// Everything, in order.
    pub(super) heard: Vec<Heard>,
}

impl Bench {
    /// A board with its sensors, running.
    pub(super) fn new(image: &Path, parts: Parts, provisioned: bool, world: World) -> Result<Self> {
        let key: &[u8] = if provisioned { &KEY } else { &[] };
        let (machine, port) = Machine::new(image, key, parts)?;
        port.set_read_timeout(Some(LOOK))?;
        let debugger = machine.debugger();
        let mut bench = Self {
            machine,
            debugger,
            port,
            parts,
            decoder: Decoder::new(),
            key: Key::new(KEY),
            number: 0,
            versions: Versions::SPOKEN,
            version: None,
            greeted: false,
            beat: Beat::Even,
            count: 0,
            begun: Instant::now(),
            next_beat: Instant::now(),
            world,
            challenge: None,
            arrivals: Arrivals::new(),
            heard: Vec::new(),
        };
        bench.set_world(world)?;
        bench.machine.run()?;
        Ok(bench)
    }

    /// Sets what the sensors see.
    pub(super) fn set_world(&mut self, world: World) -> Result<()> {
        self.world = world;
        world.show(&mut self.machine.qmp, self.parts)
    }

    /// What the lamps show.
    pub(super) fn lines(&mut self) -> Result<Lines> {
        Lines::read(&mut self.machine.qmp)
    }

    /// How deep the stack was at most, bytes: the emulated memory was zero.
    pub(super) fn stack(&mut self, lowest: u32, bytes: usize) -> Result<usize> {
        let words = self.machine.qmp.words(lowest, bytes / 4)?;
        let untouched = words.iter().take_while(|word| **word == 0).count();
        Ok(bytes - 4 * untouched)
    }

    /// Presses the board's reset button.
    pub(super) fn press_reset(&mut self) -> Result<()> {
        self.machine.qmp.run("system_reset", &json!({}))?;
        Ok(())
    }

    /// Has the board's program go on somewhere else.
    pub(super) fn jump(&mut self, address: u32) -> Result<()> {
        Debugger::attach(&self.debugger)?.jump(address)
    }

    /// The host starts over: it greets before it says anything else.
    pub(super) const fn forget_version(&mut self) {
        (self.version, self.greeted) = (None, false);
    }

    /// Waits until both ends have agreed on a version.
    fn agree(&mut self) -> Result<()> {
        let begun = Instant::now();
        while self.version.is_none() && self.beat != Beat::Mute {
            ensure!(begun.elapsed() < LIMIT, "the board did not greet within {LIMIT:?}");
            self.pump()?;
        }
        Ok(())
    }

    /// Sends bytes as they are.
    pub(super) fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.port.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(fault) if waiting(&fault) => self.pump()?,
                Err(fault) => return Err(fault).context("the board's serial port"),
            }
        }
        Ok(())
    }

    /// The next frame with a message, encoded; also its number.
    pub(super) fn frame(&mut self, message: &ToMcu) -> Result<(u32, Vec<u8>)> {
        let number = self.number;
        self.number = number.wrapping_add(1);
        Ok((number, encode(self.version.unwrap_or(Versions::SPOKEN.max), number, message)?.to_vec()))
    }

    /// Sends a message and gives its frame's number.
    pub(super) fn send(&mut self, message: &ToMcu) -> Result<u32> {
        let (number, bytes) = self.frame(message)?;
        self.send_raw(&bytes)?;
        Ok(number)
    }

    /// Sends a message and waits until it is acknowledged, or not.
    pub(super) fn command(&mut self, message: &ToMcu) -> Result<Result<(), NackReason>> {
        self.agree()?;
        let number = self.send(message)?;
        let from = self.heard.len();
        self.until(from, &format!("an answer to frame {number}"), |heard| match heard {
            Heard::Ack(of) if *of == number => Some(Ok(())),
            Heard::Nack(of, reason) if *of == number => Some(Err(*reason)),
            _ => None,
        })
    }

    /// Sends a message that must be acknowledged.
    pub(super) fn must(&mut self, message: &ToMcu) -> Result<()> {
        match self.command(message)? {
            Ok(()) => Ok(()),
            Err(reason) => bail!("the board refused {message:?}: {reason}"),
        }
    }

    /// What a seal is made over, fresh.
    pub(super) fn fresh_challenge(&mut self) -> Result<Challenge> {
        self.challenge = None;
        self.must(&ToMcu::Query(Query::Challenge))?;
        let begun = Instant::now();
        loop {
            if let Some(challenge) = self.challenge {
                return Ok(challenge);
            }
            if begun.elapsed() > LIMIT {
                bail!("no challenge within {LIMIT:?}");
            }
            self.pump()?;
        }
    }

    /// Puts a configuration in force, under its seal.
    pub(super) fn configure(&mut self, config: &Config) -> Result<Result<(), NackReason>> {
        let nonce = self.fresh_challenge()?.nonce;
        let tag = self.key.configure(&nonce, config);
        self.command(&ToMcu::SetConfig { config: *config, tag })
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// All counts.
    pub(super) fn counters(&mut self) -> Result<Counters> {
        let from = self.heard.len();
        self.must(&ToMcu::Query(Query::Counters))?;
        self.until(from, "the counters", |heard| match heard {
            Heard::Counters(counters) => Some(**counters),
            _ => None,
        })
    }

    /// Waits until something is heard, from one place in the record on.
    pub(super) fn until<T>(&mut self, from: usize, what: &str, wanted: impl Fn(&Heard) -> Option<T>) -> Result<T> {
        self.find(from, what, wanted).map(|(_, found)| found)
    }

    /// Waits until something is heard, from one place in the record on; gives the place after it also.
    pub(super) fn find<T>(
        &mut self,
        from: usize,
        what: &str,
        wanted: impl Fn(&Heard) -> Option<T>,
    ) -> Result<(usize, T)> {
        let begun = Instant::now();
        let mut place = from;
        loop {
            while let Some(heard) = self.heard.get(place) {
                place += 1;
                if let Some(found) = wanted(heard) {
                    return Ok((place, found));
                }
            }
            if begun.elapsed() > LIMIT {
                bail!("no {what} within {LIMIT:?}");
            }
            self.pump()?;
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, span: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < span {
            self.pump()?;
        }
        Ok(())
    }

    /// Hears what is there and says what is due.
    pub(super) fn pump(&mut self) -> Result<()> {
        self.machine.alive()?;
        for event in self.machine.qmp.events()? {
            match event.as_str() {
                "RESET" => self.on_reset()?,
                "WATCHDOG" => self.heard.push(Heard::Watchdog),
                _ => {}
            }
        }
        let mut bytes = [0; 4096];
        match self.port.read(&mut bytes) {
            Ok(0) => bail!("QEMU closed the board's serial port"),
            Ok(count) => {
                for byte in bytes.into_iter().take(count) {
                    // A frame that was cut off by a reset is no fault of the board's; the numbers tell of any other loss.
                    if let Some(Ok(received)) = self.decoder.push(byte) {
                        self.take(received);
                    }
                }
            }
            Err(fault) if waiting(&fault) => {}
            Err(fault) => return Err(fault).context("the board's serial port"),
        }
        if Instant::now() >= self.next_beat {
            self.next_beat = Instant::now() + BEAT;
            self.say_due()?;
        }
        Ok(())
    }

    /// The sensors are as new after a reset; the world is not.
    fn on_reset(&mut self) -> Result<()> {
        self.heard.push(Heard::Reset);
        self.forget_version();
        self.set_world(self.world)
    }

    fn say_due(&mut self) -> Result<()> {
        if self.beat == Beat::Mute {
            return Ok(());
        }
        if self.version.is_none() {
            let hello = Hello {
                versions: self.versions,
                name: Name::try_from("bench").unwrap_or_default(),
                firmware: FirmwareVersion::default(),
                boot: BootNumber(0),
            };
            let number = self.number;
            self.number = number.wrapping_add(1);
            let greeting = encode_greeting(number, &Greeting::Hello(hello))?;
            self.greeted = true;
            return self.send_raw(&greeting);
        }
        if self.beat != Beat::Silent {
            if self.beat == Beat::Even {
                self.count = self.count.wrapping_add(1);
            }
            let uptime_ms = self.begun.elapsed().as_millis() as u32;
            self.send(&ToMcu::Heartbeat { count: self.count, uptime_ms })?;
        }
        Ok(())
    }

    fn take(&mut self, received: Received<FromMcu>) {
        let heard = match received {
            Received::Greeting { number, greeting: Greeting::Hello(hello) } => {
                self.arrivals.restart(number);
                if self.greeted {
                    // What was said before this end greeted was an announcement; what is said from now on finds it greeted.
                    self.version = self.versions.agree(hello.versions).ok();
                }
                Heard::Hello(hello)
            }
            Received::Greeting { greeting: Greeting::Refusal(_), .. } => Heard::Refusal,
            Received::Message { number, message } => {
                self.arrivals.take(number);
                match message {
                    FromMcu::Telemetry(it) => Heard::Telemetry(it),
                    FromMcu::Event(it) => Heard::Event(it),
                    FromMcu::Log(it) => Heard::Log(it),
                    FromMcu::LogEnd(it) => Heard::LogEnd(it),
                    FromMcu::Ack { of } => Heard::Ack(of),
                    FromMcu::Nack(it) => Heard::Nack(it.of, it.reason),
                    FromMcu::Counters(it) => Heard::Counters(Box::new(it)),
                    FromMcu::Config(it) => Heard::Config(Box::new(it)),
                    FromMcu::Challenge(it) => {
                        self.challenge = Some(it);
                        Heard::Other
                    }
                    FromMcu::Budgets(_) => Heard::Other,
                }
            }
        };
        self.heard.push(heard);
    }
}

fn waiting(fault: &std::io::Error) -> bool {
    matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
