//! Which meter is taken on which board.

use std::sync::Arc;
use std::time::Duration;

use trimtab_core::{Joules, Watts};
use trimtab_device::meter::{Battery, BoardSensor, MeterError, MeterKind, PowerSensor, probe, survey};
use trimtab_device::supervisor::{BAUD, PortAddress, Supervisor, SupervisorConfig};
use trimtab_turn::EnergySource;

use crate::board::{Board, PMIC, energy};

fn taken(board: &Board, toml: &str) -> Result<String, String> {
    let probed = probe(&energy(toml), &board.sources()).map_err(|fault| fault.to_string())?;
    Ok(match probed.meter.map(|meter| meter.source()) {
        Some(EnergySource::Measured(by)) => by,
        Some(EnergySource::Estimated(_)) => "estimate".to_owned(),
        _ => "none".to_owned(),
    })
}

fn hwmon(board: &Board, wanted: &str) -> Result<Watts, String> {
    let config = energy(&format!("meter = \"hwmon\"\nhwmon = {wanted:?}"));
    let probed = probe(&config, &board.sources()).map_err(|fault| fault.to_string())?;
    Ok(probed.meter.and_then(|meter| meter.power()).unwrap_or_default())
}

#[test]
fn the_most_trusted_meter_is_taken_and_the_others_are_told() {
    let board = Board::new();
    assert_eq!(taken(&board, "").unwrap(), "estimate");
    board.battery(&[("voltage_now", "11100000"), ("current_now", "-800000")]);
    assert_eq!(taken(&board, "").unwrap(), "battery test_battery");
    board.set_all(
        "class/powercap/intel-rapl:0",
        &[("name", "package-0"), ("energy_uj", "100"), ("max_energy_range_uj", "1000000")],
    );
    assert_eq!(taken(&board, "").unwrap(), "powercap package-0");
    board.program("vcgencmd", &format!("cat <<'END'\n{PMIC}\nEND"));
    assert!(taken(&board, "").unwrap().starts_with("pmic rails"));
    board.set_all(
        "bus/iio/devices/iio:device0",
        &[("name", "ina226"), ("in_power2_raw", "40"), ("in_power2_scale", "25.0")],
    );
    assert_eq!(taken(&board, "").unwrap(), "iio ina226/2");
    board.ina3221("hwmon3", 11_984, 800);
    assert_eq!(taken(&board, "").unwrap(), "hwmon ina3221/1+2+3");
    for (toml, by) in [
        ("meter = \"battery\"", "battery test_battery"),
        ("meter = \"powercap\"", "powercap package-0"),
        ("meter = \"estimate\"", "estimate"),
        ("meter = \"none\"", "none"),
    ] {
        assert_eq!(taken(&board, toml).unwrap(), by);
    }
    let all = survey(&energy(""), &board.sources());
    let told: Vec<(&str, bool, Option<u64>)> = all
        .iter()
        .map(|meter| {
            (meter.kind.name(), meter.chosen, meter.found.as_ref().ok().and_then(|it| it.power).map(Watts::micro))
        })
        .collect();
    assert_eq!(
        told[..4],
        [
            ("supervisor", false, None),
            ("hwmon", true, Some(9_587_200)),
            ("iio", false, Some(1_000_000)),
            ("pmic", false, Some(2_690_000)),
        ]
    );
    assert_eq!(told[5], ("battery", false, Some(8_880_000)));
    assert!(matches!(all[0].found, Err(MeterError::NoSupervisor)));
    let reads = &all[1].found.as_ref().unwrap().reads;
    assert_eq!(reads.len(), 6, "{reads:?}");
    assert!(reads[1].ends_with("class/hwmon/hwmon3/curr1_input"), "{reads:?}");
}

#[test]
fn a_supervisor_that_does_not_speak_leaves_the_next_meter_in_charge() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, 600);
    let mut sources = board.sources();
    let port = PortAddress::Socket(board.root().join("mcu.sock"));
    let nobody = SupervisorConfig { port, baud: BAUD, hour: None, day: None };
    let start = || Some(Arc::new(Supervisor::start(&nobody, 1).unwrap()));
    sources.supervisor = start();
    let meter = probe(&energy(""), &sources).unwrap().meter.unwrap();
    assert_eq!(meter.source(), EnergySource::Measured("hwmon ina3221/1+2+3".to_owned()));
    std::thread::sleep(Duration::from_millis(150));
    assert!(meter.energy().unwrap() >= Joules::from_micro(300_000) && meter.power() == Some(Watts::from_milli(3_000)));
    assert!(taken(&board, "meter = \"supervisor\"").unwrap_err().contains("no supervisor is configured"));
    // A supervisor is one meter for good.
    sources.supervisor = start();
    let alone = probe(&energy("meter = \"supervisor\""), &sources).unwrap().meter.unwrap();
    assert!(alone.energy().unwrap_err().to_string().contains("the supervisor does not answer"));
}

#[test]
fn channels_are_the_labelled_input_or_all_of_the_best_known_chip_or_what_is_written() {
    let board = Board::new();
    // A graphics card and a voltage regulator are parts.
    board.set_all("class/hwmon/hwmon0", &[("name", "amdgpu"), ("power1_average", "30000000")]);
    board.set_all("class/hwmon/hwmon1", &[("name", "cpu_thermal"), ("temp1_input", "41000")]);
    let fault = taken(&board, "meter = \"hwmon\"").unwrap_err();
    assert!(fault.contains("write [energy] hwmon = \"amdgpu\""), "{fault}");
    assert_eq!(hwmon(&board, "amdgpu").unwrap(), Watts::from_milli(30_000));

    board.set_all(
        "class/hwmon/hwmon2",
        &[("name", "ina219"), ("in1_input", "5000"), ("curr1_input", "1"), ("power1_input", "3300000")],
    );
    assert_eq!(taken(&board, "").unwrap(), "hwmon ina219/1");
    board.ina3221("hwmon10", 5_000, 600);
    board.ina3221("hwmon4", 12_000, 500);
    assert_eq!(taken(&board, "").unwrap(), "hwmon ina3221/1+2+3+1+2+3");
    assert_eq!(hwmon(&board, "ina3221").unwrap(), Watts::from_milli(9_000));
    assert_eq!(hwmon(&board, "hwmon10").unwrap(), Watts::from_milli(3_000));
    assert_eq!(hwmon(&board, "hwmon4/1").unwrap(), Watts::from_milli(6_000));
    assert_eq!(hwmon(&board, "ina219").unwrap(), Watts::from_milli(3_300));
    // A wire that is switched off is none.
    board.set("class/hwmon/hwmon10/in2_enable", 0);
    assert_eq!(taken(&board, "hwmon = \"hwmon10\"").unwrap(), "hwmon hwmon10/1+3");
    board.set("class/hwmon/hwmon4/in1_label", "VDD_IN");
    board.set("class/hwmon/hwmon4/in2_label", "VDD_CPU_GPU_CV");
    board.set("class/hwmon/hwmon4/curr2_input", 100);
    assert_eq!(taken(&board, "").unwrap(), "hwmon ina3221/VDD_IN");
    assert_eq!(hwmon(&board, "ina3221/VDD_IN").unwrap(), Watts::from_milli(6_000));
    let fault = hwmon(&board, "ina3221/VDD_OUT").unwrap_err();
    for part in
        ["[energy] hwmon = \"ina3221/VDD_OUT\": no such chip or channel", "ina3221/VDD_IN", "ina219/1", "amdgpu/1"]
    {
        assert!(fault.contains(part), "{part}: {fault}");
    }
}

#[test]
fn industrial_io_has_scales_offsets_and_products() {
    let board = Board::new();
    let folder = "bus/iio/devices/iio:device1";
    board.set_all(
        folder,
        &[("name", "pac1934"), ("in_voltage1_raw", "1030"), ("in_voltage_scale", "5.0"), ("in_voltage1_offset", "-30")],
    );
    let root = board.root().join("bus/iio/devices");
    assert!(matches!(BoardSensor::iio(&root, None), Err(MeterError::Absent { .. })));
    board.set_all(folder, &[("in_current1_raw", "700"), ("in_current1_scale", "0.5")]);
    let mut sensor = BoardSensor::iio(&root, None).unwrap();
    // (1030 - 30) * 5 mV times 700 * 0.5 mA.
    assert_eq!(sensor.power().unwrap(), Watts::from_milli(1_750));
    assert_eq!(sensor.name(), "iio pac1934/1");
    board.set(&format!("{folder}/in_power1_input"), 2_500);
    assert_eq!(BoardSensor::iio(&root, None).unwrap().power().unwrap(), Watts::from_milli(2_500));
}

#[test]
fn a_battery_tells_the_draw_only_while_it_discharges() {
    let board = Board::new();
    let root = board.root().join("class/power_supply");
    let open = |coarse| Battery::open(&root, None, coarse);
    assert!(matches!(open(false), Err(MeterError::Absent { .. })));
    board
        .set_all("class/power_supply/hidpp_battery_0", &[("type", "Battery"), ("scope", "Device"), ("power_now", "9")]);
    board.set_all("class/power_supply/test_ac", &[("type", "Mains"), ("online", "1")]);
    assert!(matches!(open(false), Err(MeterError::Absent { .. })));
    board.battery(&[("voltage_now", "12000000"), ("energy_now", "50000000")]);
    assert!(open(false).unwrap_err().to_string().contains("tells only what is left"));
    let mut coarse = open(true).unwrap();
    assert!(matches!(coarse.power(), Err(MeterError::Waiting { .. })));
    std::thread::sleep(Duration::from_millis(100));
    // A milliwatt-hour in a tenth of a second.
    board.set("class/power_supply/test_battery/energy_now", 49_999_000);
    let watts = coarse.power().unwrap().micro() as f64 / 1e6;
    assert!((5.0..=36.0).contains(&watts), "{watts}");

    for sign in ["", "-"] {
        board.set("class/power_supply/test_battery/current_now", &format!("{sign}400000"));
        assert_eq!(open(false).unwrap().power().unwrap(), Watts::from_milli(4_800));
    }
    board.set("class/power_supply/test_battery/power_now", 5_100_000);
    let mut battery = open(false).unwrap();
    assert_eq!(battery.power().unwrap(), Watts::from_milli(5_100));
    board.set("class/power_supply/test_battery/status", "Charging");
    let fault = battery.power().unwrap_err().to_string();
    assert!(fault.contains("test_battery/status: the battery is \"Charging\""), "{fault}");
    assert_eq!(taken(&board, "").unwrap(), "estimate");
    board.set("class/power_supply/test_battery/status", "Discharging");
    assert_eq!(battery.power().unwrap(), Watts::from_milli(5_100));
    // A second pack adds to it while it discharges.
    let second = "class/power_supply/BAT1";
    board.set_all(second, &[("type", "Battery"), ("status", "Not charging"), ("power_now", "2000000")]);
    let mut both = open(false).unwrap();
    assert_eq!((both.name().as_str(), both.power().unwrap()), ("battery BAT1+test_battery", Watts::from_milli(5_100)));
    board.set(&format!("{second}/status"), "Discharging");
    assert_eq!(both.power().unwrap(), Watts::from_milli(7_100));
    assert!(matches!(Battery::open(&root, Some("BAT7"), true), Err(MeterError::Absent { .. })));
}

#[test]
fn a_gauge_in_the_wrong_unit_is_passed_over_with_the_reason() {
    let board = Board::new();
    // The kernel's own test driver begins with 3300 µV and 1600 µA.
    board.battery(&[("voltage_now", "3300"), ("current_now", "-1600")]);
    board.ina3221("hwmon0", 5_000, -700);
    let probed = probe(&energy(""), &board.sources()).unwrap();
    assert!(matches!(probed.meter.map(|meter| meter.source()), Some(EnergySource::Estimated(_))));
    let why = |kind: MeterKind| {
        let fault = probed.passed_over.iter().find(|(passed, _)| *passed == kind);
        fault.map(|(_, fault)| fault.to_string()).unwrap_or_default()
    };
    assert!(
        why(MeterKind::Battery).contains("0.000 W is not what a running board draws (0.020 W"),
        "{}",
        why(MeterKind::Battery)
    );
    let backwards = why(MeterKind::Hwmon);
    for part in ["hwmon0/curr1_input: -3.500 W", "swap IN+ and IN-", "[energy] hwmon"] {
        assert!(backwards.contains(part), "{part}: {backwards}");
    }
    // A wire without load may read a little below nothing.
    board.ina3221("hwmon0", 5_000, 700);
    board.set("class/hwmon/hwmon0/in2_input", 5_000);
    board.set("class/hwmon/hwmon0/curr2_input", -2);
    let mut sensor = BoardSensor::hwmon(&board.root().join("class/hwmon"), None).unwrap();
    assert_eq!(sensor.power().unwrap(), Watts::from_milli(3_500));
}
