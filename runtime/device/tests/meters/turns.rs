//! Turns of a running device whose joules come from a sensor of its board.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use trimtab_core::{Joules, Placement};
use trimtab_device::config::Config;
use trimtab_device::shell::{Ask, Chooser, Device, Parts};
use trimtab_turn::{EnergyPhase, EnergySource, TurnRecord};

use crate::board::Board;

async fn device(board: &Board, toml: &str) -> Device {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped");
    let mut text = format!("[device]\nstate_dir = {:?}\n", board.root().join("state"));
    write!(
        text,
        "[models]\nencoder = {:?}\nlm = {:?}\npolicy = \"none\"\n",
        shipped.join("encoder"),
        shipped.join("lm")
    )
    .unwrap();
    write!(text, "[energy]\nsysfs = {:?}\n{toml}\n", board.root()).unwrap();
    let path = board.root().join("trimtab.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    Device::start(config, Parts { chooser: Chooser::Configured, ..Parts::default() }).await.unwrap()
}

async fn ask(device: &Device) -> TurnRecord {
    let prompt = "please turn off the lamp".to_owned();
    let ask = Ask { conversation: "c".into(), prompt, ..Ask::default() };
    device.ask(ask).unwrap().record().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_settles_with_the_joules_of_the_sensor_and_tells_its_phases() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, 600);
    let device = device(&board, "peak_watts = 8\nperiod = \"10 ms\"\n").await;
    // Long enough to know what the board draws idle.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let calm = ask(&device).await;
    assert_eq!(calm.placement, Placement::Local);
    assert_eq!(calm.energy_source, EnergySource::Measured("hwmon ina3221/1+2+3".to_owned()));
    let phases: Vec<EnergyPhase> = calm.phases.iter().map(|phase| phase.phase).collect();
    assert_eq!(phases, [EnergyPhase::Encode, EnergyPhase::Generate]);
    let told: Joules = calm.phases.iter().map(|phase| phase.total).sum();
    // 3 W all the while, whatever it does: all of it is the board's own, but for the little that is read late.
    assert!(
        told.micro() > 0
            && told
                <= Joules::of(
                    trimtab_core::Watts::from_milli(8_000),
                    calm.cost.latency.plus(trimtab_core::Millis::new(50))
                ),
        "{told}"
    );
    let above: Joules = calm.phases.iter().map(|phase| phase.above_idle).sum();
    assert!(above.micro() * 2 < told.micro(), "{above} of {told}");

    let status = device.status().await["energy"].clone();
    assert_eq!(status["source"], "measured:hwmon ina3221/1+2+3");
    let idle = status["idle_uw"].as_u64().unwrap();
    assert!((2_800_000..=3_400_000).contains(&idle), "{status}");
    assert_eq!((&status["trouble"], &status["peak_uw"]), (&serde_json::Value::Null, &8_000_000.into()));

    // The board draws twice as much from now on, and that is seen.
    board.set("class/hwmon/hwmon0/curr1_input", 1_200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let busy = ask(&device).await;
    let watts = |record: &TurnRecord| record.cost.energy.as_f64() / (record.cost.latency.get().max(1) as f64 / 1e3);
    assert!(watts(&busy) > watts(&calm) * 1.3, "{} W, then {} W", watts(&calm), watts(&busy));

    // It goes away: turns go on, at peak power, and the status says so.
    board.remove("class/hwmon/hwmon0");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let blind = ask(&device).await;
    assert_eq!(blind.placement, Placement::Local);
    assert!(watts(&blind) > watts(&calm) * 1.8, "{} W, then {} W", watts(&calm), watts(&blind));
    let status = device.status().await["energy"].clone();
    assert!(status["trouble"].as_str().unwrap().contains("class/hwmon"), "{status}");
    assert!(status["assumed_uj"].as_u64() > Some(0) && status["meter_faults"].as_u64() > Some(0), "{status}");
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_better_meter_that_does_not_work_is_told_in_the_status() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, -600);
    let device = device(&board, "").await;
    let status = device.status().await["energy"].clone();
    assert!(status["source"].as_str().unwrap().starts_with("estimated:"), "{status}");
    assert!(status["passed_over"][0].as_str().unwrap().contains("swap IN+ and IN-"), "{status}");
    device.stop().await;
}
