//! The scenarios that are played in real time, on the image as it is flashed, with emulated sensors and real bytes. They say what
//! happens and in which order; when it happens is for the ones in simulated time (`traced`).

use trimtab_core::{Joules, Millis};
use trimtab_wire::mcu::{
    BudgetWindow, Cause, Channel, ConfigFault, HostStage, Milliamps, NackReason, ResetCause, State, Verdict, Versions,
};

use super::bench::{Beat, Lines};
use super::checks;
use super::machine::Parts;
use super::noise::Noise;
use super::scenario::{Break, Scenario, Seal, Seen, Step};

use Cause::{
    BudgetExhausted, BudgetLow, BudgetOverrun, HostGone, HostLost, OverCurrent, OverTemperature, OwnFault, OwnWatchdog,
    SensorLost,
};
use State::{CutAccelerator, Normal, Safe, Throttle};
use Step::{
    Allow, Break as Happens, Check, Configure, Counted, Current, Heat, Misconfigure, Noise as Hears, Overdraw, Pass,
    Release, Speak, Until, Voltage,
};

const FREE: Step = Step::Lines(Lines { throttle: false, cut: false, reset: false });
const SLOW: Step = Step::Lines(Lines { throttle: true, cut: false, reset: false });
const CUT: Step = Step::Lines(Lines { throttle: true, cut: true, reset: false });
const HOST_HELD: Step = Step::Lines(Lines { throttle: true, cut: false, reset: true });
const AS_IS: Step = Configure(|_| {});

const fn scenario(name: &'static str, steps: &'static [Step]) -> Scenario {
    Scenario { name, parts: Parts::ALL, key: true, steps }
}

/// µJ in a joule.
const J: u64 = 1_000_000;

/// All of them.
pub(super) const SCENARIOS: &[Scenario] = &[
    scenario("at rest", &[AS_IS, Pass(500), Step::State(Normal), FREE]),
    scenario(
        "throttle before cut",
        &[
            AS_IS,
            Current(6_000),
            Until(Seen::Tripped(Throttle, OverCurrent)),
            SLOW,
            Current(9_000),
            Until(Seen::Tripped(CutAccelerator, OverCurrent)),
            CUT,
        ],
    ),
    scenario(
        "cut before safe",
        &[
            Configure(|it| it.budgets.total = Some(Joules::from_micro(10 * J))),
            Current(2_526),
            Until(Seen::Tripped(Throttle, BudgetLow)),
            Until(Seen::Tripped(CutAccelerator, BudgetExhausted)),
            Until(Seen::Tripped(Safe, BudgetOverrun)),
            CUT,
        ],
    ),
    scenario(
        "over-temperature",
        &[
            AS_IS,
            Heat(72_000),
            Until(Seen::Tripped(Throttle, OverTemperature)),
            SLOW,
            Heat(82_000),
            Until(Seen::Tripped(CutAccelerator, OverTemperature)),
            CUT,
            Heat(92_000),
            Until(Seen::Tripped(Safe, OverTemperature)),
            CUT,
        ],
    ),
    scenario(
        "short over-current",
        &[
            Configure(|it| it.current_limits.dwell = Millis::new(60_000)),
            Current(9_000),
            Pass(600),
            Step::State(Normal),
            FREE,
        ],
    ),
    scenario(
        "no way back by itself",
        &[
            AS_IS,
            Current(9_000),
            Until(Seen::Tripped(CutAccelerator, OverCurrent)),
            Current(1_011),
            Pass(500),
            Step::State(CutAccelerator),
            CUT,
        ],
    ),
    scenario(
        "release",
        &[
            AS_IS,
            Current(9_000),
            Until(Seen::Tripped(CutAccelerator, OverCurrent)),
            Current(1_011),
            Pass(300),
            Release(Seal::Right),
            Until(Seen::Released(Normal)),
            FREE,
        ],
    ),
    scenario(
        "release with a wrong seal",
        &[
            AS_IS,
            Current(6_000),
            Until(Seen::Tripped(Throttle, OverCurrent)),
            Current(1_011),
            Pass(300),
            Release(Seal::Wrong),
            Until(Seen::SealRefused),
            Step::State(Throttle),
            SLOW,
            Counted("wrong seals", |it| it.wrong_seals, 1),
        ],
    ),
    scenario(
        "release with a used seal",
        &[
            AS_IS,
            Current(6_000),
            Until(Seen::Tripped(Throttle, OverCurrent)),
            Current(1_011),
            Pass(300),
            Release(Seal::Right),
            Until(Seen::Released(Normal)),
            Current(6_000),
            Until(Seen::Tripped(Throttle, OverCurrent)),
            Release(Seal::Used),
            Step::State(Throttle),
            Counted("replayed seals", |it| it.replayed_seals, 1),
        ],
    ),
    scenario(
        "release of a stale trip",
        &[
            AS_IS,
            Current(6_000),
            Until(Seen::Tripped(Throttle, OverCurrent)),
            Current(1_011),
            Pass(300),
            Release(Seal::Right),
            Until(Seen::Released(Normal)),
            Current(6_000),
            Until(Seen::Tripped(Throttle, OverCurrent)),
            Release(Seal::OfStaleTrip),
            Step::State(Throttle),
        ],
    ),
    scenario(
        "release in danger",
        &[
            AS_IS,
            Current(9_000),
            Until(Seen::Tripped(CutAccelerator, OverCurrent)),
            Current(6_000),
            Pass(300),
            Release(Seal::Right),
            Until(Seen::Released(Throttle)),
            SLOW,
            Step::State(Throttle),
        ],
    ),
    Scenario {
        name: "board without a key",
        parts: Parts::ALL,
        key: false,
        steps: &[
            Misconfigure(|_| {}, NackReason::NoKey),
            Current(9_000),
            Until(Seen::Tripped(CutAccelerator, OverCurrent)),
            Current(1_011),
            Release(Seal::ToKeyless),
            Step::State(CutAccelerator),
        ],
    },
    scenario(
        "configuration against its rules",
        &[
            Misconfigure(
                |it| it.current_limits.hard = Milliamps::new(1),
                NackReason::Config(ConfigFault::CurrentLimits),
            ),
            Misconfigure(|it| it.host.warn = Millis::new(1), NackReason::Config(ConfigFault::HostWarn)),
            Check(checks::configuration_as_delivered),
        ],
    ),
    scenario("configuration without its seal", &[Check(checks::unsealed_configuration_is_refused)]),
    scenario("configuration survives a reset", &[Check(checks::configuration_survives)]),
    scenario("brown-out while the configuration is written", &[Check(checks::brown_outs)]),
    Scenario {
        name: "no power sensor",
        parts: Parts { power: false, ..Parts::ALL },
        key: true,
        steps: &[
            Until(Seen::Sensor(Channel::Current, Verdict::Missing)),
            Until(Seen::Tripped(Throttle, SensorLost)),
            SLOW,
            Configure(|it| it.sensor_cut = Millis::new(500)),
            Until(Seen::Tripped(CutAccelerator, SensorLost)),
            CUT,
            Counted("missing currents", |it| it.current.missing, 1),
            Until(Seen::Telemetry(|it| it.widened.micro() > 0)),
        ],
    },
    Scenario {
        name: "no thermometer",
        parts: Parts { heat: false, ..Parts::ALL },
        key: true,
        steps: &[
            Until(Seen::Sensor(Channel::Temperature, Verdict::Missing)),
            Until(Seen::Tripped(Throttle, SensorLost)),
            SLOW,
            Counted("missing temperatures", |it| it.temperature.missing, 1),
        ],
    },
    scenario(
        "stuck sensor",
        &[
            Configure(|it| it.current.stuck = 20),
            Until(Seen::Sensor(Channel::Current, Verdict::Stuck)),
            Until(Seen::Tripped(Throttle, SensorLost)),
            SLOW,
            Counted("stuck currents", |it| it.current.stuck, 1),
        ],
    ),
    scenario(
        "impossible current",
        &[
            AS_IS,
            Current(64_000),
            Until(Seen::Tripped(CutAccelerator, OverCurrent)),
            Until(Seen::Sensor(Channel::Current, Verdict::Range)),
            Until(Seen::Telemetry(|it| it.current.get() == 60_000 && it.widened.micro() > 0)),
            Counted("impossible currents", |it| it.current.range, 1),
        ],
    ),
    scenario(
        "impossible voltage",
        &[
            AS_IS,
            Voltage(2_000),
            Until(Seen::Sensor(Channel::Voltage, Verdict::Range)),
            Until(Seen::Tripped(Throttle, SensorLost)),
            Until(Seen::Telemetry(|it| it.voltage.get() == 30_000)),
        ],
    ),
    scenario(
        "impossible temperature",
        &[
            AS_IS,
            Heat(-60_000),
            Until(Seen::Sensor(Channel::Temperature, Verdict::Range)),
            Until(Seen::Tripped(Throttle, SensorLost)),
            Until(Seen::Telemetry(|it| it.temperature.get() == 125_000)),
        ],
    ),
    scenario(
        "a jump is confirmed before it is believed",
        &[
            Configure(|it| it.current.jump = Milliamps::new(1_000)),
            Current(4_000),
            Until(Seen::Telemetry(|it| it.plausibility.current == Verdict::Good && it.current.get() > 3_900)),
            Counted("jumps", |it| it.current.jump, 1),
            Step::State(Normal),
        ],
    ),
    scenario(
        "a sensor that comes back",
        &[
            AS_IS,
            Heat(-60_000),
            Until(Seen::Sensor(Channel::Temperature, Verdict::Range)),
            Until(Seen::Tripped(Throttle, SensorLost)),
            Heat(25_000),
            Until(Seen::Sensor(Channel::Temperature, Verdict::Good)),
            Step::State(Throttle),
            Release(Seal::Right),
            Until(Seen::Released(Normal)),
            FREE,
        ],
    ),
    scenario(
        "the host's own budget",
        &[
            AS_IS,
            Allow(BudgetWindow::Total, 10 * J),
            Current(2_526),
            Until(Seen::Tripped(Throttle, BudgetLow)),
            SLOW,
            Until(Seen::Tripped(CutAccelerator, BudgetExhausted)),
            CUT,
        ],
    ),
    scenario(
        "a budget above the ceiling",
        &[
            Configure(|it| it.budgets.hour = Some(Joules::from_micro(1_000 * J))),
            Overdraw(BudgetWindow::Hour, 1_001 * J, NackReason::AboveCeiling { limit: Joules::from_micro(1_000 * J) }),
            Overdraw(BudgetWindow::Day, 0, NackReason::ZeroLimit),
            Allow(BudgetWindow::Hour, 999 * J),
        ],
    ),
    scenario(
        "a lost host is reset",
        &[
            Configure(checks::impatient),
            Pass(300),
            Step::Beat(Beat::Silent),
            Until(Seen::Host(HostStage::Warned)),
            Until(Seen::Host(HostStage::Throttled)),
            Until(Seen::Tripped(Throttle, HostLost)),
            Until(Seen::Host(HostStage::Resetting)),
            HOST_HELD,
            Until(Seen::Host(HostStage::HoldOff)),
            SLOW,
            Step::Beat(Beat::Even),
            Until(Seen::Host(HostStage::Alive)),
            Counted("host resets", |it| it.host_resets, 1),
        ],
    ),
    scenario(
        "a host that hangs with its link alive",
        &[
            Configure(checks::impatient),
            Pass(300),
            Step::Beat(Beat::Frozen),
            Until(Seen::Host(HostStage::Warned)),
            Until(Seen::Tripped(Throttle, HostLost)),
            Until(Seen::Host(HostStage::Resetting)),
            HOST_HELD,
            Counted("frozen heartbeats", |it| it.frozen_heartbeats, 1),
        ],
    ),
    scenario(
        "a host that never comes back",
        &[
            Configure(|it| {
                checks::impatient(it);
                it.host.resets_max = 1;
                it.host.hold_off = it.host.warn;
            }),
            Pass(300),
            Step::Beat(Beat::Silent),
            Until(Seen::Host(HostStage::Resetting)),
            Until(Seen::Host(HostStage::HoldOff)),
            Until(Seen::Host(HostStage::Gone)),
            Until(Seen::Tripped(Safe, HostGone)),
            CUT,
        ],
    ),
    scenario(
        "a host that is late",
        &[
            Configure(|it| {
                it.host.warn = Millis::new(300);
                it.host.throttle = Millis::new(60_000);
                it.host.reset = Millis::new(90_000);
            }),
            Pass(200),
            Step::Beat(Beat::Silent),
            Until(Seen::Host(HostStage::Warned)),
            Step::Beat(Beat::Even),
            Until(Seen::Host(HostStage::Alive)),
            Step::State(Normal),
            FREE,
        ],
    ),
    scenario(
        "10 kB of garbage",
        &[
            AS_IS,
            Hears(Noise::Garbage(10_000)),
            Current(6_000),
            Until(Seen::Tripped(Throttle, OverCurrent)),
            Counted("bytes of garbage", |it| it.frames.garbage_bytes, 9_000),
            Check(checks::commands_are_taken),
        ],
    ),
    scenario(
        "a truncated frame",
        &[
            AS_IS,
            Hears(Noise::Truncated),
            Check(checks::commands_are_taken),
            Counted("lost frames", |it| it.missing, 1),
        ],
    ),
    scenario(
        "a repeated frame",
        &[
            AS_IS,
            Hears(Noise::Repeated),
            Counted("repeated frames", |it| it.repeated, 1),
            Check(checks::commands_are_taken),
        ],
    ),
    scenario(
        "frames in the wrong order",
        &[AS_IS, Hears(Noise::Reordered), Counted("late frames", |it| it.late, 1), Check(checks::commands_are_taken)],
    ),
    scenario(
        "an oversized frame",
        &[
            AS_IS,
            Hears(Noise::Oversized),
            Counted("oversized frames", |it| it.frames.oversized, 1),
            Check(checks::commands_are_taken),
        ],
    ),
    scenario(
        "a frame of a version to come",
        &[
            AS_IS,
            Hears(Noise::Future),
            Counted("unknown versions", |it| it.frames.unknown_version, 1),
            Check(checks::commands_are_taken),
        ],
    ),
    scenario(
        "a frame with a wrong checksum",
        &[
            AS_IS,
            Hears(Noise::Flipped),
            Counted("wrong checksums", |it| it.frames.bad_crc, 1),
            Check(checks::commands_are_taken),
        ],
    ),
    scenario(
        "a message that nobody knows",
        &[
            AS_IS,
            Hears(Noise::Unknown),
            Counted("unknown messages", |it| it.frames.undecodable, 1),
            Check(checks::commands_are_taken),
        ],
    ),
    scenario(
        "versions",
        &[
            Speak(Versions { min: 9, max: 9 }),
            Check(checks::start_over),
            Until(Seen::Refusal),
            Speak(Versions { min: 1, max: 9 }),
            Until(Seen::Greeting),
            AS_IS,
            Counted("refused greetings", |it| it.refused, 1),
        ],
    ),
    scenario("a command before the greeting", &[Check(checks::ungreeted_command_is_refused)]),
    scenario(
        "the board's program hangs",
        &[
            // The emulated sensors wake up from a reset with 25 A, until the bench has told them otherwise.
            Configure(|it| it.current_limits.dwell = Millis::new(30_000)),
            Pass(500),
            Happens(Break::Hang),
            CUT,
            Until(Seen::Watchdog),
            Until(Seen::Reset),
            Check(checks::read_log),
            Until(Seen::Started(ResetCause::Watchdog)),
            Until(Seen::Logged(Throttle, OwnWatchdog)),
            SLOW,
        ],
    ),
    scenario(
        "the board's program panics",
        &[
            AS_IS,
            Happens(Break::Panic),
            Until(Seen::Reset),
            Check(checks::read_log),
            Until(Seen::Started(ResetCause::Panic)),
            Until(Seen::Logged(Safe, OwnFault)),
            CUT,
        ],
    ),
    scenario(
        "the board's processor faults",
        &[
            AS_IS,
            Happens(Break::Crash),
            Until(Seen::Reset),
            Check(checks::read_log),
            Until(Seen::Started(ResetCause::Panic)),
            Until(Seen::Logged(Safe, OwnFault)),
            CUT,
        ],
    ),
    scenario(
        "trip and log survive a reset",
        &[
            AS_IS,
            Current(9_000),
            Until(Seen::Tripped(CutAccelerator, OverCurrent)),
            Current(1_011),
            Happens(Break::Reset),
            Until(Seen::Reset),
            Until(Seen::Greeting),
            CUT,
            Until(Seen::Logged(CutAccelerator, OverCurrent)),
            Step::State(CutAccelerator),
            Release(Seal::Right),
            Until(Seen::Released(Normal)),
            FREE,
        ],
    ),
    scenario("energy survives a reset", &[AS_IS, Check(checks::energy_survives)]),
    scenario("telemetry under load", &[AS_IS, Check(checks::telemetry_is_accounted_for)]),
    scenario("energy at 12 V, 1.011 A", &[AS_IS, Check(|bench| checks::energy(bench, 12_000, 1_011))]),
    scenario("energy at 5 V, 5 A", &[Configure(checks::strong), Check(|bench| checks::energy(bench, 5_000, 5_000))]),
    scenario(
        "energy at 24 V, 10 A",
        &[Configure(checks::strong), Check(|bench| checks::energy(bench, 24_000, 10_000))],
    ),
    scenario("energy between two steps of the sensor", &[AS_IS, Check(|bench| checks::energy(bench, 12_000, 1_040))]),
];
