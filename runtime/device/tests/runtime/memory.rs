//! The device under memory pressure, as a kernel made for the purpose tells it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab_core::{Bytes, Millis, Placement};
use trimtab_device::clock::Clock;
use trimtab_device::memory::{MemorySources, REST};
use trimtab_device::shell::{Ask, AskError, Device, Parts};

use crate::home::{Home, local_first};

/// Far more than the models need.
const CEILING: u64 = 1_000_000_000;
/// The longest that a change is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time that passes, and leaps.
struct Leaping {
    began: Instant,
    leapt: AtomicU64,
}

impl Leaping {
    fn leap(&self, span: Millis) {
        self.leapt.fetch_add(span.get(), Ordering::SeqCst);
    }
}

impl Clock for Leaping {
    fn now(&self) -> Millis {
        Millis::from_duration(self.began.elapsed()).plus(Millis::new(self.leapt.load(Ordering::SeqCst)))
    }
}

/// A kernel that tells what a test writes.
struct Kernel(tempfile::TempDir);

impl Kernel {
    fn new() -> Self {
        let kernel = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(kernel.sources().proc.join("self")).unwrap();
        kernel.takes(100);
        kernel
    }

    fn sources(&self) -> MemorySources {
        let place = |name| self.0.path().join(name);
        MemorySources { proc: place("proc"), cgroup: place("cgroup"), heap: || Bytes::ZERO }
    }

    /// So many thousandths of the ceiling are resident.
    fn takes(&self, permille: u64) {
        let pages = CEILING / 1000 * permille / rustix_page();
        let statm = self.sources().proc.join("self/statm");
        // Replaced as a whole: the runtime never sees half of it.
        let new = Path::new(&statm).with_extension("new");
        std::fs::write(&new, format!("{pages} {pages} 0 0 0 0 0\n")).unwrap();
        std::fs::rename(new, statm).unwrap();
    }
}

fn rustix_page() -> u64 {
    rustix::param::page_size() as u64
}

async fn until(device: &Device, what: &str, there: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let status = device.status().await;
        if there(&status) {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {}", status["memory"]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ask(device: &Device) -> Result<trimtab_turn::TurnRecord, AskError> {
    let ask = Ask { conversation: "kim".into(), prompt: "Please turn off the lamp.".into(), ..Ask::default() };
    Ok(device.ask(ask)?.record().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_model_goes_before_a_turn_is_refused_and_comes_back() {
    let (home, kernel) = (Home::new(), Kernel::new());
    let clock = Arc::new(Leaping { began: Instant::now(), leapt: AtomicU64::new(0) });
    let mut config = home.config();
    config.memory_ceiling = Some(Bytes::new(CEILING));
    let parts = Parts {
        clock: Some(Arc::clone(&clock) as Arc<dyn Clock>),
        memory: kernel.sources(),
        chooser: local_first(),
        ..Parts::default()
    };
    let device = Device::start(config, parts).await.unwrap();
    assert_eq!(ask(&device).await.unwrap().placement, Placement::Local);

    kernel.takes(930);
    let status = until(&device, "the local model is evicted", |status| status["local"] == json!(false)).await;
    assert!(status["faults"].to_string().contains("evicted, because memory is short"), "{}", status["faults"]);
    assert_eq!(status["memory"]["rung"], "evict");
    let record = ask(&device).await.unwrap();
    assert_eq!(record.placement, Placement::Refused, "nobody is left to answer, and the turn is recorded");

    kernel.takes(990);
    until(&device, "turns are refused", |status| status["memory"]["rung"] == "refuse").await;
    let refused = ask(&device).await.unwrap_err();
    assert!(refused == AskError::Memory && refused.to_string().contains("raise [memory] ceiling"), "{refused}");

    kernel.takes(100);
    for rung in ["evict", "trim", "calm"] {
        // It rests on each rung.
        tokio::time::sleep(Duration::from_millis(700)).await;
        clock.leap(REST);
        until(&device, rung, |status| status["memory"]["rung"] == rung).await;
    }
    clock.leap(Millis::new(3_600_000));
    let status = until(&device, "the local model is back", |status| status["local"] == json!(true)).await;
    assert_eq!(status["faults"], json!([]));
    assert_eq!(ask(&device).await.unwrap().placement, Placement::Local);
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ceiling_below_one_model_refuses_turns_and_says_which() {
    let (home, kernel) = (Home::new(), Kernel::new());
    let mut config = home.config();
    config.memory_ceiling = Some(Bytes::new(CEILING / 10 + 1_000_000));
    let device = Device::start(config, Parts { memory: kernel.sources(), ..Parts::default() }).await.unwrap();
    let faults = device.faults().join("; ");
    for what in ["the encoder needs", "the local model needs", "raise [memory] ceiling or choose a smaller model"] {
        assert!(faults.contains(what), "{faults}");
    }
    let record = ask(&device).await.unwrap();
    assert_eq!(record.placement, Placement::Refused);
    assert!(record.trouble.is_some_and(|trouble| trouble.contains("no encoder is loaded")));
    device.stop().await;
}
