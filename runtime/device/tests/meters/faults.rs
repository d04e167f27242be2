//! A sensor that lies, sticks, goes away and comes back: the runtime goes on, says what is wrong and counts what it assumes.

use std::time::{Duration, Instant};

use trimtab_core::{Joules, Millis, Watts};
use trimtab_device::meter::{BoardSensor, Meter, Sampled, Sampling};

use crate::board::Board;

const PEAK: Watts = Watts::from_milli(20_000);
const WAIT_MAX: Duration = Duration::from_secs(20);

fn meter(board: &Board) -> Sampled {
    let sensor = BoardSensor::hwmon(&board.root().join("class/hwmon"), None).unwrap();
    let sampling = Sampling { period: Millis::new(10), peak: Some(PEAK), peak_floor: Watts::ZERO };
    Sampled::start(Box::new(sensor), sampling).unwrap()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT_MAX, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the trouble says this; meanwhile peak power is counted and told as assumed.
fn troubled(meter: &Sampled, words: &[&str]) {
    until(&format!("{words:?}, but {:?}", meter.health()), || {
        meter.health().trouble.is_some_and(|trouble| words.iter().all(|word| trouble.contains(word)))
    });
    let (begun, before, assumed) = (Instant::now(), meter.energy().unwrap(), meter.health().assumed);
    std::thread::sleep(Duration::from_millis(100));
    let took = meter.energy().unwrap().minus(before);
    let spent = Millis::from_duration(begun.elapsed());
    assert!(
        took >= Joules::of(PEAK, Millis::new(80)) && took <= Joules::of(PEAK, spent.plus(Millis::new(20))),
        "{took}"
    );
    assert!(meter.health().assumed > assumed && meter.power().is_none());
}

fn well(meter: &Sampled, power: Watts) {
    until(&format!("{power}, but {:?}", meter.health()), || {
        meter.power() == Some(power) && meter.health().trouble.is_none()
    });
}

#[test]
fn every_way_to_fail_has_a_message_costs_peak_power_and_ends() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, 800);
    let meter = meter(&board);
    well(&meter, Watts::from_milli(4_000));
    assert_eq!(meter.health().assumed, Joules::ZERO);
    let amperes = "class/hwmon/hwmon0/curr1_input";

    board.set(amperes, -640);
    troubled(&meter, &["hwmon0/curr1_input: -3.200 W", "swap IN+ and IN-"]);
    board.set(amperes, 900);
    well(&meter, Watts::from_milli(4_500));
    board.set(amperes, 0);
    troubled(&meter, &["hwmon ina3221/1+2+3: 0.000 W is not what a running board draws", "wrong unit"]);
    board.set(amperes, 900_000);
    troubled(&meter, &["4500.000 W is not what a running board draws", "to 80.000 W"]);
    board.set(amperes, "EIO");
    troubled(&meter, &["curr1_input: \"EIO\" is no number"]);
    board.remove("class/hwmon/hwmon0");
    troubled(&meter, &["class/hwmon: no power sensor of a board here"]);
    // It comes back under another number.
    board.ina3221("hwmon7", 5_000, 820);
    well(&meter, Watts::from_milli(4_100));
    let health = meter.health();
    assert!(health.faults >= 5, "{health:?}");
    // Five troubles of a tenth of a second each and a little more.
    let told = health.assumed.as_f64();
    assert!((8.0..80.0).contains(&told), "{told} J assumed");
}

#[test]
fn more_than_the_peak_is_believed_and_told() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, 800);
    let meter = meter(&board);
    board.set("class/hwmon/hwmon0/curr1_input", 5_000);
    well(&meter, Watts::from_milli(25_000));
    assert_eq!(meter.peak(), Watts::from_milli(25_000));
    let told = meter.health().above_peak.unwrap();
    assert!(
        told.contains("25.000 W was read, more than the 20.000 W") && told.contains("trimtab meter calibrate"),
        "{told}"
    );
}

#[test]
fn a_sampling_thread_costs_less_than_half_a_percent_of_a_core() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, 800);
    let sensor = BoardSensor::hwmon(&board.root().join("class/hwmon"), None).unwrap();
    let sampling = Sampling { period: Millis::new(50), peak: None, peak_floor: PEAK };
    let before = meter_threads();
    let meter = Sampled::start(Box::new(sensor), sampling).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let tasks: Vec<i32> = meter_threads().into_iter().filter(|task| !before.contains(task)).collect();
    let [task] = tasks[..] else {
        // Another test of this process started a meter meanwhile; the figure is that of the busiest.
        println!("threads {tasks:?}");
        return measure(&meter, &tasks);
    };
    measure(&meter, &[task]);
}

fn measure(meter: &Sampled, tasks: &[i32]) {
    let ran = || tasks.iter().filter_map(|task| ran(*task)).max().unwrap();
    let (begun, used, samples) = (Instant::now(), ran(), meter.samples());
    std::thread::sleep(Duration::from_secs(3));
    let (used, span) = (ran() - used, begun.elapsed());
    let share = used.as_secs_f64() / span.as_secs_f64();
    let samples = meter.samples() - samples;
    println!("{samples} readings of six files took {used:?} of {span:?}: {:.3} % of a core", share * 100.0);
    assert!(share < 0.005, "{:.3} % of a core", share * 100.0);
}

fn meter_threads() -> Vec<i32> {
    let tasks =
        std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    let is_meter = |task: &i32| {
        std::fs::read_to_string(format!("/proc/self/task/{task}/comm")).is_ok_and(|name| name.trim() == "meter")
    };
    tasks.filter(is_meter).collect()
}

/// Processor time of a thread; none once it has ended.
fn ran(task: i32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{task}/schedstat")).ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}
