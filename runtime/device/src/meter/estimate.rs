//! Energy by a model: processor time, bytes sent, and a share of the idle draw while time passes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use trimtab_core::{Bytes, Joules, Millis, Watts};
use trimtab_turn::EnergySource;

use super::elsewhere::{Elsewhere, WorkElsewhere};
use super::{Counters, EnergyConfig, Meter, MeterError};

/// Processor time is exact to far less than this.
const PERIOD: Millis = Millis::new(1);
const NANOS: u128 = 1_000_000_000;

/// Bytes sent over the uplink. Clones share one count.
#[derive(Clone, Debug, Default)]
pub struct Uplink(Arc<AtomicU64>);

impl Uplink {
    /// Adds what is handed to the network.
    pub fn add(&self, sent: Bytes) {
        self.0.fetch_add(sent.get(), Ordering::Relaxed);
    }
    /// All bytes so far.
    #[must_use]
    pub fn total(&self) -> Bytes {
        Bytes::new(self.0.load(Ordering::Relaxed))
    }
}

/// Whose processor time counts. Clones share one book.
#[derive(Clone, Debug, Default)]
pub struct CpuTime {
    scope: Scope,
    elsewhere: Elsewhere,
}

#[derive(Clone, Debug, Default)]
enum Scope {
    /// The whole process.
    #[default]
    Process,
    /// Threads that said so.
    Threads(Arc<Mutex<Threads>>),
}

#[derive(Debug, Default)]
struct Threads {
    /// Processor time that a running thread had when it came, by its number; nanoseconds.
    running: HashMap<i32, u64>,
    /// Processor time of threads that have left, nanoseconds.
    left: u64,
}

/// While this lives, the thread that made it counts.
#[derive(Debug)]
#[must_use = "dropping it ends the count"]
pub struct OnCpu {
    threads: Option<Arc<Mutex<Threads>>>,
    // Bound to its thread: the count is of the thread that drops it.
    _here: std::marker::PhantomData<*const ()>,
}

impl CpuTime {
    /// Every thread of the process counts: the process is the device and nothing else.
    #[must_use]
    pub fn process() -> Self {
        Self::default()
    }

    /// Only threads between [`CpuTime::enter`] and its end count: for a process that holds other programs too.
    #[must_use]
    pub fn threads() -> Self {
        Self { scope: Scope::Threads(Arc::default()), elsewhere: Elsewhere::default() }
    }

    /// Counts so many processors as busy from now on: another process of this board works for this one.
    pub fn enter_elsewhere(&self, cores: u32) -> WorkElsewhere {
        self.elsewhere.enter(cores)
    }

    /// Counts the calling thread from now on. Without effect where the whole process counts, and within another entry of
    /// the same thread.
    pub fn enter(&self) -> OnCpu {
        let threads = match &self.scope {
            Scope::Process => None,
            Scope::Threads(threads) => {
                let mut book = threads.lock().unwrap_or_else(PoisonError::into_inner);
                match book.running.entry(this_thread()) {
                    std::collections::hash_map::Entry::Occupied(_) => None,
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        entry.insert(nanos(ClockId::ThreadCPUTime));
                        Some(Arc::clone(threads))
                    }
                }
            }
        };
        OnCpu { threads, _here: std::marker::PhantomData }
    }

    /// Nanoseconds so far.
    fn total(&self, proc: &Path) -> Result<u64, MeterError> {
        let here = match &self.scope {
            Scope::Process => nanos(ClockId::ProcessCPUTime),
            Scope::Threads(threads) => {
                let book = threads.lock().unwrap_or_else(PoisonError::into_inner);
                let mut total = book.left;
                for (thread, came) in &book.running {
                    let now = if *thread == this_thread() {
                        nanos(ClockId::ThreadCPUTime)
                    } else {
                        scheduled(proc, *thread)?
                    };
                    total = total.saturating_add(now.saturating_sub(*came));
                }
                total
            }
        };
        Ok(here.saturating_add(self.elsewhere.total()))
    }
}

impl Drop for OnCpu {
    fn drop(&mut self) {
        let Some(threads) = &self.threads else { return };
        let mut book = threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(came) = book.running.remove(&this_thread()) {
            let since = nanos(ClockId::ThreadCPUTime).saturating_sub(came);
            book.left = book.left.saturating_add(since);
        }
    }
}

fn this_thread() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec)
        .unwrap_or(0)
        .saturating_mul(NANOS as u64)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nanoseconds that another thread of this process has run, by the scheduler's own statistics.
fn scheduled(proc: &Path, thread: i32) -> Result<u64, MeterError> {
    let path = proc.join(format!("self/task/{thread}/schedstat"));
    let text = fs::read_to_string(&path).map_err(|source| MeterError::Read { path: path.clone(), source })?;
    let ran = text.split_ascii_whitespace().next();
    ran.and_then(|field| field.parse().ok())
        .ok_or_else(|| MeterError::Form { path, text: text.chars().take(64).collect() })
}

/// Joules by the model, estimated.
#[derive(Debug)]
pub struct Estimate {
    counters: Counters,
    per_core: Watts,
    idle: Watts,
    per_byte: u64,
    peak: Watts,
    proc: PathBuf,
    name: String,
    start: Instant,
    cpu_at_start: u64,
    bytes_at_start: Bytes,
    highest: AtomicU64,
}

impl Estimate {
    /// Begins to count. Fails if processor time cannot be told in the scope that `counters` asks for.
    pub fn new(config: &EnergyConfig, counters: Counters, proc: &Path) -> Result<Self, MeterError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if matches!(counters.cpu.scope, Scope::Threads(_)) {
            scheduled(proc, this_thread())?;
        }
        Ok(Self {
            per_core: config.per_core,
            idle: config.idle,
            per_byte: config.per_byte,
            peak: config.peak.unwrap_or_else(|| config.per_core.times(cores as u64).plus(config.idle)),
            proc: proc.to_path_buf(),
            name: format!(
                "processor time at {}, idle {}, {} nJ a byte sent",
                config.per_core, config.idle, config.per_byte
            ),
            start: Instant::now(),
            cpu_at_start: counters.cpu.total(proc)?,
            bytes_at_start: counters.uplink.total(),
            counters,
            highest: AtomicU64::new(0),
        })
    }
}

/// Power held for so many nanoseconds, in microjoules, rounded up.
fn held(draw: Watts, nanos: u128) -> u64 {
    let micro = u128::from(draw.micro()).saturating_mul(nanos).div_ceil(NANOS);
    u64::try_from(micro).unwrap_or(u64::MAX)
}

impl Meter for Estimate {
    fn source(&self) -> EnergySource {
        EnergySource::Estimated(self.name.clone())
    }

    fn energy(&self) -> Result<Joules, MeterError> {
        let cpu = self.counters.cpu.total(&self.proc)?.saturating_sub(self.cpu_at_start);
        let sent = self.counters.uplink.total().minus(self.bytes_at_start);
        let now = held(self.per_core, u128::from(cpu))
            .saturating_add(held(self.idle, self.start.elapsed().as_nanos()))
            .saturating_add(sent.scaled_up(self.per_byte, 1000).get());
        // A thread that leaves between two statistics may set the sum back by a hair; a reader never sees that.
        let before = self.highest.fetch_max(now, Ordering::Relaxed);
        Ok(Joules::from_micro(now.max(before)))
    }

    fn peak(&self) -> Watts {
        self.peak
    }

    fn period(&self) -> Millis {
        PERIOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::RawEnergy;
    use std::time::Duration;

    fn config(per_core: f64, idle: f64, per_byte: f64) -> EnergyConfig {
        EnergyConfig::try_from(RawEnergy {
            watts_per_core: Some(per_core),
            idle_watts: Some(idle),
            uplink_uj_per_byte: Some(per_byte),
            ..RawEnergy::default()
        })
        .unwrap()
    }

    fn meter(config: &EnergyConfig, counters: &Counters) -> Estimate {
        Estimate::new(config, counters.clone(), Path::new("/proc")).unwrap()
    }

    fn spin(span: Duration) {
        let until = nanos(ClockId::ThreadCPUTime) + span.as_nanos() as u64;
        while nanos(ClockId::ThreadCPUTime) < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn bytes_and_waiting_cost_what_the_configuration_says() {
        let counters = Counters { cpu: CpuTime::threads(), ..Counters::default() };
        let radio = meter(&config(1.0, 0.0, 2.0), &counters);
        counters.uplink.add(Bytes::new(1_000));
        assert_eq!(radio.energy().unwrap(), Joules::from_micro(2_000));
        let waiting = meter(&config(0.0, 2.0, 0.0), &counters);
        std::thread::sleep(Duration::from_millis(20));
        assert!(waiting.energy().unwrap() >= Joules::from_micro(40_000));
        assert!(matches!(waiting.source(), EnergySource::Estimated(_)));
    }

    #[test]
    fn only_threads_that_entered_count_seen_from_any_thread() {
        let counters = Counters { cpu: CpuTime::threads(), ..Counters::default() };
        let meter = meter(&config(1.0, 0.0, 0.0), &counters);
        spin(Duration::from_millis(20));
        assert_eq!(meter.energy().unwrap(), Joules::ZERO);
        let (entered, wait) = std::sync::mpsc::sync_channel(0);
        let (leave, left) = std::sync::mpsc::sync_channel::<()>(0);
        let cpu = counters.cpu;
        let worker = std::thread::spawn(move || {
            let _counted = cpu.enter();
            spin(Duration::from_millis(50));
            entered.send(()).unwrap();
            left.recv().unwrap();
        });
        wait.recv().unwrap();
        let seen = meter.energy().unwrap();
        assert!(seen >= Joules::from_micro(40_000), "{seen}");
        leave.send(()).unwrap();
        worker.join().unwrap();
        assert!(meter.energy().unwrap() >= seen);
    }

    #[test]
    fn what_another_process_does_counts_by_its_processors() {
        let counters = Counters { cpu: CpuTime::threads(), ..Counters::default() };
        let meter = meter(&config(1.0, 0.0, 0.0), &counters);
        let outer = counters.cpu.enter_elsewhere(3);
        let inner = counters.cpu.enter_elsewhere(1);
        std::thread::sleep(Duration::from_millis(20));
        drop(inner);
        let seen = meter.energy().unwrap();
        assert!(seen >= Joules::from_micro(80_000), "{seen}");
        drop(outer);
        let ended = meter.energy().unwrap();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(meter.energy().unwrap(), ended);
    }

    #[test]
    fn the_whole_process_counts_by_default() {
        let meter = meter(&config(1.0, 0.0, 0.0), &Counters::default());
        spin(Duration::from_millis(20));
        let seen = meter.energy().unwrap();
        assert!(seen >= Joules::from_micro(20_000), "{seen}");
    }
}
