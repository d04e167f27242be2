//! What is known of the microcontroller, between the thread that hears it and everybody who asks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use trimtab_wire::mcu::{BudgetWindow, Challenge, Hello, NackReason, Refusal, State as Stepped, Telemetry};

use super::SILENT_AFTER;
use super::meter::SupervisorMeter;
use super::mirror::Mirror;
use super::session::Losses;

/// A silence that is worth a line in the log.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// How the link is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Link {
    /// The port cannot be opened, or failed.
    Closed(String),
    /// The port is open, and nobody has answered.
    Silent,
    /// There is no version in common.
    Refused(Refusal),
    /// A version is agreed on.
    Open,
}

pub(super) struct Shared {
    pub(super) start: Instant,
    /// Advances while the runtime is alive.
    pub(super) beats: AtomicU32,
    /// There are events to tell.
    pub(super) news: Notify,
    stop: AtomicBool,
    meter: OnceLock<SupervisorMeter>,
    seen: Mutex<Seen>,
    mirror: Mutex<Mirror>,
    changed: Condvar,
}

/// Everything that was heard.
pub(super) struct Seen {
    pub(super) link: Link,
    pub(super) hello: Option<Hello>,
    pub(super) telemetry: Option<(Instant, Telemetry)>,
    /// Telemetries that were sent or dropped and did not come.
    pub(super) missing: u32,
    pub(super) challenge: Option<Challenge>,
    pub(super) losses: Losses,
    /// Budgets that were not taken, and why.
    pub(super) refused: Vec<(BudgetWindow, NackReason)>,
    silent: Silence,
}

/// Whether the silence was told.
#[derive(Default)]
struct Silence {
    since: Option<Instant>,
    told: bool,
}

impl Shared {
    pub(super) fn new() -> Self {
        let seen = Seen {
            link: Link::Closed("the port is not open yet".to_owned()),
            hello: None,
            telemetry: None,
            missing: 0,
            challenge: None,
            losses: Losses::default(),
            refused: Vec::new(),
            silent: Silence::default(),
        };
        Self {
            start: Instant::now(),
            beats: AtomicU32::new(0),
            news: Notify::new(),
            stop: AtomicBool::new(false),
            meter: OnceLock::new(),
            seen: Mutex::new(seen),
            mirror: Mutex::new(Mirror::new()),
            changed: Condvar::new(),
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told on of the board's log, and the time by which it goes.
    pub(super) fn mirror(&self) -> (MutexGuard<'_, Mirror>, Duration) {
        (self.mirror.lock().unwrap_or_else(PoisonError::into_inner), self.start.elapsed())
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(super) fn stops(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Hands every reading from now on to this meter; there is one for good.
    pub(super) fn attach(&self, meter: SupervisorMeter) -> SupervisorMeter {
        let meter = self.meter.get_or_init(|| meter).clone();
        let seen = self.seen();
        if let Some(hello) = &seen.hello {
            meter.name(&hello.name);
            if let Some((_, telemetry)) = seen.telemetry.filter(|(heard, _)| heard.elapsed() <= SILENT_AFTER) {
                meter.told(hello.boot, telemetry);
            }
        }
        drop(seen);
        meter
    }

    /// Waits until a telemetry has come or the microcontroller was refused; false after `within`.
    pub(super) fn wait(&self, within: Duration) -> bool {
        let waits = |seen: &mut Seen| seen.telemetry.is_none() && !matches!(seen.link, Link::Refused(_));
        let waited = self.changed.wait_timeout_while(self.seen(), within, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(super) fn set_link(&self, link: Link) {
        let mut seen = self.seen();
        if seen.link != link {
            match &link {
                Link::Closed(trouble) => tracing::warn!(%trouble, "no supervisor"),
                Link::Refused(refusal) => tracing::error!(%refusal, "the supervisor speaks another version"),
                Link::Silent | Link::Open => {}
            }
        }
        seen.link = link;
        drop(seen);
        self.changed.notify_all();
    }

    pub(super) fn greeted(&self, hello: Hello) {
        let (mut mirror, now) = self.mirror();
        mirror.greeted(now, &hello.name, hello.boot);
        drop(mirror);
        if let Some(meter) = self.meter.get() {
            meter.name(&hello.name);
        }
        let mut seen = self.seen();
        if seen.hello.as_ref() != Some(&hello) || seen.link != Link::Open {
            tracing::info!(board = %hello.name, boot = hello.boot.0, "a supervisor watches");
        }
        if seen.hello.as_ref().is_some_and(|before| before.boot != hello.boot) {
            // It numbers from zero again.
            seen.telemetry = None;
        }
        (seen.hello, seen.link) = (Some(hello), Link::Open);
        seen.refused.clear();
    }

    pub(super) fn telemetry(&self, telemetry: Telemetry) {
        let boot = {
            let mut seen = self.seen();
            if let Some((_, before)) = seen.telemetry {
                let missing = telemetry.number.saturating_sub(before.number).saturating_sub(1);
                seen.missing = seen.missing.saturating_add(missing);
                if telemetry.state != before.state {
                    tell_step(before.state, &telemetry);
                }
            }
            seen.telemetry = Some((Instant::now(), telemetry));
            seen.hello.as_ref().map(|hello| hello.boot).unwrap_or_default()
        };
        if let Some(meter) = self.meter.get() {
            meter.told(boot, telemetry);
        }
        self.changed.notify_all();
    }

    pub(super) fn set_challenge(&self, challenge: Challenge) {
        self.seen().challenge = Some(challenge);
    }

    pub(super) fn set_losses(&self, losses: Losses) {
        self.seen().losses = losses;
    }

    pub(super) fn set_budget(&self, window: BudgetWindow, fault: Option<NackReason>) {
        if let Some(reason) = &fault {
            tracing::error!(?window, %reason, "the supervisor does not take the budget");
        }
        let mut seen = self.seen();
        seen.refused.retain(|(refused, _)| *refused != window);
        seen.refused.extend(fault.map(|fault| (window, fault)));
    }

    /// Tells a silence that lasts, once, and its end.
    pub(super) fn look(&self) {
        let Some(meter) = self.meter.get() else { return };
        let away = meter.is_away();
        let silent = &mut self.seen().silent;
        match silent.since {
            None if away => silent.since = Some(Instant::now()),
            Some(since) if away && !silent.told && since.elapsed() >= WORTH_TELLING => {
                silent.told = true;
                tracing::warn!("the supervisor is silent: the next meter counts until it is back");
            }
            Some(_) if !away => {
                if silent.told {
                    tracing::info!("the supervisor is back");
                }
                *silent = Silence::default();
            }
            None | Some(_) => {}
        }
    }
}

fn tell_step(before: Stepped, telemetry: &Telemetry) {
    let (state, cause) = (telemetry.state, telemetry.cause.map_or("none", |cause| cause.name()));
    if state > before {
        tracing::warn!(%state, cause, "the supervisor has stepped in");
    } else {
        tracing::info!(%state, "the supervisor has let go");
    }
}
