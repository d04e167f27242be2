//! The thread that owns the wire: it opens and reopens the port, keeps the talk going, and hands on what is heard.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use trimtab_wire::mcu::{BudgetWindow, FromMcu, NackReason, Query, ToMcu};

use super::mirror::Mirror;
use super::port::Port;
use super::session::{Heard, Session};
use super::shared::{Link, Shared};
use super::{Command, ReleaseError, SupervisorConfig};

/// How often the host's heart beats: a small part of what the microcontroller waits for.
const BEAT_EVERY: Duration = Duration::from_millis(250);
/// The longest that the thread sleeps: commands wait no longer.
const SLEEP: Duration = Duration::from_millis(20);
/// Pause before the port is opened again; doubled up to the longest.
const REOPEN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Without a telemetry for so long the microcontroller is greeted again.
const GREET_AFTER: Duration = Duration::from_secs(1);
/// How long an order may stay without an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a farewell may take to be heard.
const GOODBYE_WITHIN: Duration = Duration::from_millis(500);
/// Bytes read at once.
const READ_BYTES: usize = 512;

/// An order that the microcontroller has not answered.
struct Order {
    number: u32,
    sent: Instant,
    what: What,
}

enum What {
    Budget(BudgetWindow),
    Farewell,
    Release(tokio::sync::oneshot::Sender<Result<(), ReleaseError>>),
}

pub(super) struct Worker {
    pub(super) config: SupervisorConfig,
    pub(super) boot: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Receiver<Command>,
}

impl Worker {
    pub(super) fn run(self) {
        let mut pause = REOPEN.0;
        while !self.shared.stops() {
            let trouble = match Port::open(&self.config.port, self.config.baud) {
                Ok(port) => {
                    self.shared.set_link(Link::Silent);
                    let (fault, talked) = self.talk(port);
                    if talked {
                        pause = REOPEN.0;
                    }
                    fault
                }
                Err(fault) => fault,
            };
            if self.shared.stops() {
                return;
            }
            self.shared.set_link(Link::Closed(explained(&trouble)));
            self.refuse_commands();
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.shared.stops() {
                self.shared.look();
                std::thread::sleep(SLEEP);
                self.refuse_commands();
            }
            pause = (pause * 2).min(REOPEN.1);
        }
    }

    /// Talks until the wire fails or the runtime stops; says whether anything sensible was heard.
    fn talk(&self, port: Port) -> (io::Error, bool) {
        let mut talk = Talk::new(self, port);
        loop {
            if self.shared.stops() {
                talk.say_goodbye();
                return (io::ErrorKind::Interrupted.into(), talk.heard);
            }
            if let Err(fault) = talk.step() {
                return (fault, talk.heard);
            }
        }
    }

    fn refuse_commands(&self) {
        while let Ok(Command::Release { answer, .. }) = self.commands.try_recv() {
            // Whoever asked may have gone.
            let _ = answer.send(Err(ReleaseError::Away));
        }
    }
}

/// One connection.
struct Talk<'a> {
    worker: &'a Worker,
    port: Port,
    session: Session,
    begun: Instant,
    beat: Instant,
    told: Instant,
    orders: Vec<Order>,
    heard: bool,
}

impl<'a> Talk<'a> {
    fn new(worker: &'a Worker, port: Port) -> Self {
        let now = Instant::now();
        Self {
            worker,
            port,
            session: Session::new(worker.boot),
            begun: now,
            beat: now,
            told: now,
            orders: Vec::new(),
            heard: false,
        }
    }

    fn step(&mut self) -> io::Result<()> {
        self.session.tick(self.begun.elapsed());
        if self.session.is_open() && self.told.elapsed() >= GREET_AFTER {
            self.session.start_anew();
            self.told = Instant::now();
        }
        self.beat();
        self.read_log();
        self.take_commands();
        self.expire_orders();
        self.write()?;
        let writes = !self.session.outgoing().is_empty();
        self.port.wait(writes, SLEEP)?;
        self.read()?;
        self.worker.shared.set_losses(self.session.losses());
        self.worker.shared.look();
        Ok(())
    }

    fn beat(&mut self) {
        let count = self.worker.shared.beats.load(Ordering::Relaxed);
        // A command that only looks has no heart, and must not be taken for a runtime that has died.
        if count > 0 && self.session.is_open() && self.beat.elapsed() >= BEAT_EVERY {
            self.beat = Instant::now();
            let uptime_ms = u32::try_from(self.worker.shared.start.elapsed().as_millis() % (1 << 32)).unwrap_or(0);
            self.session.send(&ToMcu::Heartbeat { count, uptime_ms });
        }
    }

    /// A runtime that stops on purpose says so, if it ever showed life, and stays until it was heard: what was sent may be lost when a
    /// wire is closed at once.
    fn say_goodbye(&mut self) {
        if self.worker.shared.beats.load(Ordering::Relaxed) == 0 {
            return;
        }
        let number = self.session.send(&ToMcu::Farewell);
        self.order(number, What::Farewell);
        let until = Instant::now() + GOODBYE_WITHIN;
        while Instant::now() < until && self.orders.iter().any(|order| matches!(order.what, What::Farewell)) {
            let writes = !self.session.outgoing().is_empty();
            // A wire that fails now is as good as silent.
            if self.write().and_then(|()| self.port.wait(writes, SLEEP)).and_then(|()| self.read()).is_err() {
                return;
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let out = self.session.outgoing();
        if !out.is_empty() {
            let written = self.port.write(out)?;
            self.session.sent(written);
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        while let Some(length) = self.port.read(&mut bytes)? {
            for &byte in bytes.get(..length).unwrap_or_default() {
                if let Some(heard) = self.session.push(byte) {
                    self.hear(heard);
                }
            }
            if length < READ_BYTES {
                break;
            }
        }
        Ok(())
    }

    fn hear(&mut self, heard: Heard) {
        let shared = &self.worker.shared;
        self.told = Instant::now();
        match heard {
            Heard::Greeted(hello) => {
                self.heard = true;
                shared.greeted(hello);
                let config = &self.worker.config;
                for (window, limit) in [(BudgetWindow::Hour, config.hour), (BudgetWindow::Day, config.day)] {
                    let number = self.session.send(&ToMcu::SetBudget { window, limit });
                    self.order(number, What::Budget(window));
                }
                self.session.send(&ToMcu::Query(Query::Challenge));
            }
            Heard::Refused(refusal) => shared.set_link(Link::Refused(refusal)),
            Heard::Message { message, missing } => {
                if missing > 0 {
                    let (mut mirror, now) = shared.mirror();
                    mirror.torn(now);
                }
                self.message(message);
            }
        }
    }

    fn message(&mut self, message: FromMcu) {
        let shared = &self.worker.shared;
        match message {
            FromMcu::Telemetry(telemetry) => shared.telemetry(telemetry),
            FromMcu::Event(entry) => {
                self.mirror(|mirror, now| mirror.event(now, entry));
                // A trip makes a new one.
                self.session.send(&ToMcu::Query(Query::Challenge));
            }
            FromMcu::Log(entry) => self.mirror(|mirror, now| mirror.line(now, entry)),
            FromMcu::LogEnd(end) => self.mirror(|mirror, now| mirror.end(now, end)),
            FromMcu::Challenge(challenge) => shared.set_challenge(challenge),
            FromMcu::Ack { of } => self.answered(of, Ok(())),
            FromMcu::Nack(nack) => self.answered(nack.of, Err(nack.reason)),
            // Nothing here asks for these.
            FromMcu::Counters(_) | FromMcu::Config(_) | FromMcu::Budgets(_) => {}
        }
    }

    /// Has the mirror of the log take something, and whoever tells look at it.
    fn mirror(&self, take: impl FnOnce(&mut Mirror, Duration)) {
        let (mut mirror, now) = self.worker.shared.mirror();
        take(&mut mirror, now);
        if mirror.waiting() > 0 {
            self.worker.shared.news.notify_one();
        }
    }

    /// Asks for the log, if that is due.
    fn read_log(&mut self) {
        if !self.session.is_open() {
            return;
        }
        let (mut mirror, now) = self.worker.shared.mirror();
        if let Some(from) = mirror.wants(now) {
            let number = self.session.send(&ToMcu::Query(Query::Log { from }));
            mirror.asked(now, number);
        }
    }

    fn take_commands(&mut self) {
        loop {
            match self.worker.commands.try_recv() {
                Ok(Command::Release { trip, tag, answer }) => {
                    match self.session.send(&ToMcu::Release { trip, tag }) {
                        Some(number) => self.order(Some(number), What::Release(answer)),
                        // Whoever asked may have gone.
                        None => drop(answer.send(Err(ReleaseError::Away))),
                    }
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn order(&mut self, number: Option<u32>, what: What) {
        if let Some(number) = number {
            self.orders.push(Order { number, sent: Instant::now(), what });
        }
    }

    fn answered(&mut self, number: u32, outcome: Result<(), NackReason>) {
        self.mirror(|mirror, now| mirror.answered(now, number, outcome.is_ok()));
        let Some(at) = self.orders.iter().position(|order| order.number == number) else { return };
        let order = self.orders.swap_remove(at);
        match order.what {
            What::Budget(window) => self.worker.shared.set_budget(window, outcome.err()),
            What::Farewell => {}
            What::Release(answer) => {
                // Used, whether it was right or wrong.
                self.session.send(&ToMcu::Query(Query::Challenge));
                // Whoever asked may have gone.
                let _ = answer.send(outcome.map_err(ReleaseError::Refused));
            }
        }
    }

    fn expire_orders(&mut self) {
        let late = |order: &mut Order| order.sent.elapsed() >= ANSWER_WITHIN;
        for order in self.orders.extract_if(.., late) {
            if let What::Release(answer) = order.what {
                // Whoever asked may have gone.
                let _ = answer.send(Err(ReleaseError::Silent));
            }
        }
    }
}

fn explained(fault: &io::Error) -> String {
    let remedy = match fault.kind() {
        io::ErrorKind::NotFound => "plug it in, or write the right [supervisor] port",
        io::ErrorKind::PermissionDenied => "add the runtime's user to the group dialout",
        io::ErrorKind::UnexpectedEof => "plug it in again",
        _ => "check the cable and [supervisor] port",
    };
    format!("{fault}; {remedy}")
}
