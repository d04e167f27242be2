//! The courses.

use trimtab_core::{Joules, Millis};
use trimtab_wire::mcu::{Config, Milliamps};

use crate::{Course, PERIOD_MS, Point};

const fn point(at_ms: u64, current: i32) -> Point {
    Point { at: at_ms * 1_000, current: Some(current), heat: 25_000 }
}

/// µs between two instants of sampling, where a step is hardest to see.
const OFF_BEAT: u64 = 7_000;

const fn step(at_ms: u64, from: i32, to: i32) -> [Point; 2] {
    let at = at_ms * 1_000 + OFF_BEAT;
    [Point { at, ..point(0, from) }, Point { at, ..point(0, to) }]
}

/// µJ in a joule.
const J: u64 = 1_000_000;
/// Five seconds before the microseconds that 32 bits hold: there the low half of the clock wraps round, and at the same instant
/// the board's timer for the 25th time.
const BEFORE_WRAP: u64 = (1 << 32) - 5_000_000;
/// Ten seconds before the board has run for an hour.
const BEFORE_HOUR: u64 = 3_590_000_000;
const DAY: Millis = Millis::new(86_400_000);

fn plain(config: &mut Config) {
    config.sample_period = Millis::new(PERIOD_MS);
    config.current.most = Milliamps::new(20_000);
    config.current.jump = Milliamps::new(40_000);
    config.current.stuck = 0;
    config.current_limits.dwell = Millis::new(100);
}

/// The board's start lies long back, in which nothing is missed.
fn long_started(config: &mut Config) {
    plain(config);
    (config.sensor_lost, config.sensor_cut) = (DAY, DAY);
    config.host.start = DAY;
}

const PLAIN: Course = Course {
    name: "",
    length_ms: 60_000,
    clock: 0,
    configure: plain,
    greets_ms: 50,
    silent_ms: u64::MAX,
    points: &[point(0, 2_000)],
};

const A_STEP: [Point; 2] = step(10_000, 1_000, 3_000);
const A_STEP_BACK: [Point; 2] = step(20_000, 3_000, 1_000);
const A_SURGE: [Point; 2] = step(5_000, 2_000, 9_000);

/// All of them; the image is told which by number.
pub const COURSES: &[Course] = &[
    Course { name: "constant", ..PLAIN },
    Course { name: "ramp", points: &[point(0, 0), point(30_000, 4_000), point(60_000, 0)], ..PLAIN },
    Course { name: "steps", points: &[point(0, 1_000), A_STEP[0], A_STEP[1], A_STEP_BACK[0], A_STEP_BACK[1]], ..PLAIN },
    Course {
        name: "budget at constant power",
        length_ms: 30_000,
        configure: |config| {
            plain(config);
            config.budgets.total = Some(Joules::from_micro(480 * J));
        },
        ..PLAIN
    },
    Course {
        name: "budget on a ramp",
        length_ms: 40_000,
        configure: |config| {
            plain(config);
            config.budgets.hour = Some(Joules::from_micro(300 * J));
        },
        points: &[point(0, 500), point(40_000, 4_000)],
        ..PLAIN
    },
    Course { name: "over-current", length_ms: 10_000, points: &[point(0, 2_000), A_SURGE[0], A_SURGE[1]], ..PLAIN },
    Course {
        name: "a sensor that disappears and comes back",
        length_ms: 12_000,
        points: &[point(0, 2_000), Point { current: None, ..point(4_000, 0) }, point(8_000, 2_000)],
        configure: |config| {
            plain(config);
            config.sensor_lost = Millis::new(500);
            config.sensor_cut = Millis::new(2_000);
        },
        ..PLAIN
    },
    Course {
        name: "a sensor that reads negative",
        length_ms: 8_000,
        points: &[point(0, 2_000), point(4_000, 2_000), point(4_000, -500)],
        ..PLAIN
    },
    Course {
        name: "a host that falls silent",
        length_ms: 20_000,
        silent_ms: 5_000,
        configure: |config| {
            plain(config);
            config.host.hold_off = Millis::new(60_000);
        },
        ..PLAIN
    },
    Course { name: "clocks that wrap round", length_ms: 60_000, clock: BEFORE_WRAP, configure: long_started, ..PLAIN },
    Course {
        name: "a budget that is new every hour",
        length_ms: 15_000,
        clock: BEFORE_HOUR,
        configure: |config| {
            long_started(config);
            config.budgets.hour = Some(Joules::from_micro(100_000 * J));
        },
        ..PLAIN
    },
];
