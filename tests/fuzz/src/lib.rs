//! Every decoder of bytes from outside as a fuzz target: a function of bytes that panics where a property does not hold.
//!
//! The same targets run in two ways. `cargo test -p trimtab-fuzz` runs every file of the committed corpus and a fixed
//! number of seeded mutations of each, on the stable toolchain, in seconds. `cargo xtask fuzz` hands them to libFuzzer,
//! which looks for inputs that reach new code; what it finds and is worth keeping joins the corpus.
//!
//! A target drives the decoder through the nearest public boundary: where that is a running program (the API, the
//! device's topics, the bridge), the real one runs, on loopback, without models.

mod api;
mod camera;
mod check;
mod config;
#[path = "../../../runtime/wire/tests/mcu/frames.rs"]
mod frames;
mod ledger;
mod mcu;
mod model;
mod mqtt;
pub mod mutate;
mod operator;
mod site;
#[path = "../../../models/engine/tests/engine/tiny.rs"]
mod tiny;
mod wire;

use std::path::{Path, PathBuf};

/// A name and what an encoder of ours made under it.
pub type Seed = (String, Vec<u8>);

/// One decoder.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus folder.
    pub name: &'static str,
    /// Feeds it one input.
    ///
    /// # Panics
    /// Where a property does not hold.
    pub run: fn(&[u8]),
    /// What our own encoders and shipped files give to begin with.
    pub seeds: fn() -> Vec<Seed>,
    /// Longest input that is tried, bytes.
    pub bytes_max: usize,
    /// Mutations of each corpus file in a test run: fewer where an input is slow.
    pub mutations: u64,
}

/// Every target, in the order of their cost.
pub const TARGETS: &[Target] = &[
    Target { name: "wire_up", run: wire::up, seeds: wire::up_seeds, bytes_max: 4096, mutations: 400 },
    Target { name: "wire_down", run: wire::down, seeds: wire::down_seeds, bytes_max: 4096, mutations: 400 },
    Target { name: "wire_topic", run: wire::topic, seeds: wire::topic_seeds, bytes_max: 300, mutations: 400 },
    Target { name: "wire_chunks", run: wire::chunks, seeds: wire::chunk_seeds, bytes_max: 256, mutations: 60 },
    Target { name: "mcu_frames", run: mcu::decode, seeds: mcu::frame_seeds, bytes_max: 1024, mutations: 400 },
    Target { name: "supervisor", run: mcu::live, seeds: mcu::life_seeds, bytes_max: 1024, mutations: 200 },
    Target { name: "operator", run: operator::payloads, seeds: operator::seeds, bytes_max: 4096, mutations: 200 },
    Target { name: "quantity", run: config::quantity, seeds: config::quantity_seeds, bytes_max: 64, mutations: 400 },
    Target { name: "device_config", run: config::device, seeds: config::device_seeds, bytes_max: 8192, mutations: 200 },
    Target { name: "bridge_config", run: config::bridge, seeds: config::bridge_seeds, bytes_max: 8192, mutations: 200 },
    Target {
        name: "cloud_profile",
        run: config::profile,
        seeds: config::profile_seeds,
        bytes_max: 8192,
        mutations: 200,
    },
    Target { name: "text", run: model::text, seeds: model::text_seeds, bytes_max: 2048, mutations: 200 },
    Target { name: "tokenizer", run: model::tokenizer, seeds: model::tokenizer_seeds, bytes_max: 16384, mutations: 60 },
    Target { name: "picture", run: camera::picture, seeds: camera::picture_seeds, bytes_max: 8192, mutations: 60 },
    Target { name: "camera_file", run: camera::file, seeds: camera::picture_seeds, bytes_max: 8192, mutations: 60 },
    Target { name: "camera_stream", run: camera::stream, seeds: camera::stream_seeds, bytes_max: 8192, mutations: 40 },
    Target {
        name: "camera_multipart",
        run: camera::multipart,
        seeds: camera::multipart_seeds,
        bytes_max: 16384,
        mutations: 40,
    },
    Target { name: "camera_rtsp", run: camera::rtsp, seeds: camera::rtsp_seeds, bytes_max: 4096, mutations: 40 },
    Target { name: "raw_picture", run: camera::raw, seeds: camera::raw_seeds, bytes_max: 8192, mutations: 400 },
    Target { name: "policy", run: model::policy, seeds: model::policy_seeds, bytes_max: 32768, mutations: 60 },
    Target { name: "onnx", run: model::onnx, seeds: model::onnx_seeds, bytes_max: 16384, mutations: 400 },
    Target { name: "model_folder", run: model::folder, seeds: model::folder_seeds, bytes_max: 16384, mutations: 8 },
    Target { name: "ledger", run: ledger::damaged, seeds: ledger::seeds, bytes_max: 258, mutations: 20 },
    Target { name: "chat", run: api::chat, seeds: api::chat_seeds, bytes_max: 4096, mutations: 40 },
    Target { name: "http", run: api::http, seeds: api::http_seeds, bytes_max: 4096, mutations: 40 },
    Target { name: "device_inbox", run: mqtt::device, seeds: mqtt::device_seeds, bytes_max: 4096, mutations: 10 },
    Target { name: "bridge_intake", run: mqtt::intake, seeds: mqtt::intake_seeds, bytes_max: 4096, mutations: 10 },
    Target {
        name: "bridge_upstream",
        run: mqtt::upstream,
        seeds: mqtt::upstream_seeds,
        bytes_max: 4096,
        mutations: 10,
    },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

impl Target {
    /// Where its committed inputs are.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
    }
}
