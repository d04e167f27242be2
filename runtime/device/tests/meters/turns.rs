//! Turns of a running device whose joules come from a sensor of its board.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use trimtab_core::{Joules, Placement, Watts};
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

async fn energy(device: &Device) -> Value {
    device.status().await["energy"].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_settles_with_the_joules_of_the_sensor_and_tells_its_phases() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, 600);
    let device = device(&board, "peak_watts = 8\nperiod = \"10 ms\"\n").await;
    // Long enough to know what the board draws idle.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let drawn = |status: &Value| Joules::from_micro(status["uj"].as_u64().unwrap());
    let before = drawn(&energy(&device).await);
    let calm = ask(&device).await;
    let all = drawn(&energy(&device).await).minus(before);
    assert_eq!(calm.placement, Placement::Local);
    assert_eq!(calm.energy_source, EnergySource::Measured("hwmon ina3221/1+2+3".to_owned()));
    let phases: Vec<EnergyPhase> = calm.phases.iter().map(|phase| phase.phase).collect();
    assert_eq!(phases, [EnergyPhase::Encode, EnergyPhase::Generate]);
    let told: Joules = calm.phases.iter().map(|phase| phase.total).sum();
    // Holds also pay for what lies between two phases, and are settled a moment before the last of these ends.
    let (paid, told_at_least) = (calm.cost.energy, told.scaled_up(3, 4));
    assert!(paid >= told_at_least && paid <= all, "{paid} of {told} in phases, {all} in all");
    assert!(calm.phases.iter().all(|phase| phase.above_idle <= phase.total), "{:?}", calm.phases);

    let status = energy(&device).await;
    assert_eq!(status["source"], "measured:hwmon ina3221/1+2+3");
    assert_eq!((&status["trouble"], &status["peak_uw"]), (&Value::Null, &8_000_000.into()));
    let number = |status: &Value, key: &str| status[key].as_u64().unwrap();
    assert!((2_800_000..=3_800_000).contains(&number(&status, "idle_uw")), "{status}");
    // Every microjoule of the meter is in a phase or was idle.
    assert_eq!(number(&status, "uj") - number(&status, "idle_uj"), told.micro(), "{status}");

    // The board draws twice as much from now on, and that is seen.
    assert_eq!(status["power_uw"], 3_000_000);
    board.set("class/hwmon/hwmon0/curr1_input", 1_200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(energy(&device).await["power_uw"], 6_000_000);
    let busy = ask(&device).await;
    // More than the most is believed, and guards grow with it.
    board.set("class/hwmon/hwmon0/curr1_input", 1_900);
    let begun = Instant::now();
    while device.with_governor(|governor| governor.meter().peak) != Watts::from_milli(9_500) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", energy(&device).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(energy(&device).await["warnings"][0].as_str().unwrap().contains("set [energy] peak_watts"));
    assert_eq!((busy.placement, &busy.energy_source), (Placement::Local, &calm.energy_source));

    // It goes away: turns go on, at peak power, and the status says so.
    board.remove("class/hwmon/hwmon0");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (before, begun) = (energy(&device).await, Instant::now());
    let blind = ask(&device).await;
    assert_eq!(blind.placement, Placement::Local);
    let after = energy(&device).await;
    let watts = (number(&after, "uj") - number(&before, "uj")) as f64 / 1e6 / begun.elapsed().as_secs_f64();
    assert!(watts > 7.0, "{watts} W");
    assert!(after["trouble"].as_str().unwrap().contains("class/hwmon"), "{after}");
    assert!(
        number(&after, "assumed_uj") > number(&before, "assumed_uj") && number(&after, "meter_faults") > 0,
        "{after}"
    );
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_better_meter_that_does_not_work_is_told_in_the_status() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, -600);
    let device = device(&board, "").await;
    let status = energy(&device).await;
    assert!(status["source"].as_str().unwrap().starts_with("estimated:"), "{status}");
    assert!(status["passed_over"][0].as_str().unwrap().contains("swap IN+ and IN-"), "{status}");
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_board_quotes_local_answers_higher_and_says_why() {
    let board = Board::new();
    let zone = "class/thermal/thermal_zone0";
    board.set_all(zone, &[("type", "cpu-thermal"), ("trip_point_0_type", "passive"), ("trip_point_0_temp", "80000")]);
    board.set_all(zone, &[("temp", "84500")]);
    let device = device(&board, "").await;
    let begun = Instant::now();
    let thermal = loop {
        let thermal = device.status().await["thermal"].take();
        if thermal["state"] == "throttled" {
            break thermal;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{thermal}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((&thermal["quotes_percent"], &thermal["hottest_millicelsius"]), (&200.into(), &84_500.into()));
    assert_eq!(thermal["source"], "zone cpu-thermal at 84.5 °C, slows at 80.0 °C");
    let (slowed, ordinary) = device.with_governor(|governor| {
        let slowed = governor.least_local().unwrap();
        governor.set_slowness(100);
        (slowed, governor.least_local().unwrap())
    });
    // What a stop takes to have its effect, which is part of both, does not grow.
    assert!(
        slowed.latency > ordinary.latency && slowed.latency <= ordinary.latency.times(2),
        "{slowed:?} {ordinary:?}"
    );
    device.stop().await;
}
