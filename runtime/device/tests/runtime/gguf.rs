//! A device whose local model is a GGUF file with random weights, run by llama.cpp in the device's own process.

#[path = "../../../../models/gguf/tests/gguf/writer.rs"]
mod writer;

use std::time::{Duration, Instant};

use serde_json::json;
use trimtab_core::Placement;
use trimtab_device::shell::{Device, Parts};
use trimtab_turn::{Finish, TurnRecord};
use writer::{Gguf, Shape, Weights};

use crate::home::{Home, local_first};

const SEED: u64 = 11;

/// A home with this file as its local model.
fn home(bytes: &[u8]) -> Home {
    let home = Home::new();
    let path = home.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    home.with_lm(path.display().to_string())
}

async fn ask(device: &Device) -> TurnRecord {
    crate::bad_input::ask(device, "Please turn off the lamp.").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_answers_by_a_gguf_file_and_pays_for_it() {
    let home = home(&Gguf::random(&Shape::tiny(), Weights::Q4_0, SEED).bytes());
    let device = home.device(local_first()).await;
    let status = device.status().await;
    assert_eq!((&status["local"], &status["local_engine"]), (&json!(true), &json!("gguf")), "{status}");
    let record = ask(&device).await;
    assert_eq!(record.placement, Placement::Local, "{record:?}");
    assert!(!record.answer.is_empty() && !record.cost.energy.is_zero(), "{record:?}");
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_cuts_a_gguf_file_that_talks_on() {
    // Some ten milliseconds a token, and room for many more than the time allows.
    let slow = Shape { layers: 24, width: 512, inner: 1024, context: 4096, ..Shape::tiny() };
    let home =
        home(&Gguf::random(&slow, Weights::Q8_0, SEED).bytes()).with("[turn]\ntime = \"700 ms\"\nmax_tokens = 4000");
    let mut config = home.config();
    config.models.measure = false;
    let device = Device::start(config, Parts { chooser: local_first(), ..Parts::default() }).await.unwrap();
    let began = Instant::now();
    let record = ask(&device).await;
    assert_eq!((record.placement, record.finish), (Placement::Local, Finish::TimeCut), "{record:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gguf_file_that_is_cut_off_is_told_and_the_device_goes_on() {
    let whole = Gguf::random(&Shape::tiny(), Weights::F32, SEED).bytes();
    let home = home(&whole[..whole.len() / 2]);
    let device = home.device(local_first()).await;
    let status = device.status().await;
    assert_eq!(status["local"], json!(false));
    let fault = status["faults"][0].as_str().unwrap();
    assert!(fault.contains("model.gguf"), "{fault}");
    assert_eq!(ask(&device).await.placement, Placement::Refused);
    device.stop().await;
}
