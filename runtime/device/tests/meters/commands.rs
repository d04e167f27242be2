//! `trimtab meter`, as the real program on boards that are folders.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::board::{Board, PMIC};

/// The configuration of this board.
fn configured(board: &Board, toml: &str) -> PathBuf {
    let path = board.root().join("trimtab.toml");
    std::fs::write(&path, format!("[energy]\nsysfs = {:?}\n{toml}", board.root())).unwrap();
    path
}

/// Runs the program with the board's own programs first.
fn trimtab(board: &Board, toml: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:{}", board.root().join("bin").display(), std::env::var("PATH").unwrap());
    Command::new(env!("CARGO_BIN_EXE_trimtab"))
        .args(["--config", &configured(board, toml).display().to_string(), "meter"])
        .args(arguments)
        .env("PATH", path)
        .output()
        .unwrap()
}

/// Every JSON document that it prints, and its exit code.
fn said(board: &Board, toml: &str, arguments: &[&str]) -> (Vec<Value>, i32) {
    let output = trimtab(board, toml, &[arguments, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}")));
    (lines.collect(), output.status.code().unwrap())
}

fn listed(board: &Board, toml: &str, kind: &str) -> Value {
    let (said, code) = said(board, toml, &["list"]);
    assert_eq!(code, 0, "{said:?}");
    let meters = said[0]["meters"].as_array().unwrap();
    meters.iter().find(|meter| meter["kind"] == kind).unwrap().clone()
}

#[test]
fn the_list_names_every_kind_with_its_reading_or_its_fault() {
    let board = Board::new();
    board.ina3221("hwmon1", 11_984, 800);
    board.battery(&[("status", "Charging"), ("voltage_now", "12000000"), ("current_now", "1000000")]);
    board.program("vcgencmd", "echo 'VCHI initialization failed'; exit 255");
    let (all, _) = said(&board, "", &["list"]);
    assert_eq!(all[0]["chosen"], "hwmon");
    let kinds: Vec<&str> = all[0]["meters"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["supervisor", "hwmon", "iio", "pmic", "powercap", "battery", "estimate"]);
    let hwmon = listed(&board, "", "hwmon");
    assert_eq!(
        (&hwmon["power_uw"], &hwmon["label"], &hwmon["name"]),
        (&9_587_200.into(), &"measured".into(), &"hwmon ina3221/1+2+3".into())
    );
    assert_eq!(hwmon["reads"].as_array().unwrap().len(), 6);
    let fault = |kind: &str| listed(&board, "", kind)["fault"].as_str().unwrap().to_owned();
    assert!(fault("battery").contains("the battery is \"Charging\""), "{}", fault("battery"));
    for part in ["vcgencmd: failed (exit status: 255): \"VCHI initialization failed\"", "group video"] {
        assert!(fault("pmic").contains(part), "{part}: {}", fault("pmic"));
    }
    assert!(fault("powercap").contains("no energy counter here"), "{}", fault("powercap"));
    assert_eq!(listed(&board, "", "estimate")["label"], "estimated");
    assert_eq!(listed(&board, "meter = \"estimate\"", "estimate")["chosen"], true);

    let text = String::from_utf8(trimtab(&board, "", &["list"]).stdout).unwrap();
    assert!(text.contains("* hwmon         9.587 W  measured: hwmon ina3221/1+2+3"), "{text}");
    let wrong = trimtab(&board, "hwmon = \"/\"\n", &["list"]);
    assert_eq!(wrong.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("[energy] hwmon = \"/\": write a chip"));
}

#[test]
fn a_missing_permission_names_file_group_and_remedy() {
    let board = Board::new();
    let zone = "class/powercap/intel-rapl:0";
    board.set_all(zone, &[("name", "package-0"), ("energy_uj", "100"), ("max_energy_range_uj", "1000000")]);
    let counter = board.root().join(zone).join("energy_uj");
    let config = configured(&board, "meter = \"powercap\"\n");
    std::fs::set_permissions(&counter, std::fs::Permissions::from_mode(0o400)).unwrap();
    std::fs::set_permissions(board.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // As somebody who is not its owner: the tests may run as root, whom no mode keeps out.
    let program = board.root().join("trimtab");
    std::fs::copy(env!("CARGO_BIN_EXE_trimtab"), &program).unwrap();
    let nobody = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .args(["--config", &config.display().to_string(), "meter", "watch", "--seconds", "1"])
        .env("HOME", "/")
        .output()
        .unwrap();
    let text = String::from_utf8(nobody.stderr).unwrap();
    if text.contains("setpriv: setresuid failed") || text.contains("setpriv: setgroups failed") {
        // Only root may become somebody else; whoever is not root is kept out as himself.
        std::fs::set_permissions(&counter, std::fs::Permissions::from_mode(0o000)).unwrap();
        let own = trimtab(&board, "meter = \"powercap\"\n", &["watch", "--seconds", "1"]);
        return denied(&String::from_utf8(own.stderr).unwrap());
    }
    assert_eq!(nobody.status.code(), Some(1));
    denied(&text);
}

fn denied(text: &str) {
    for part in ["intel-rapl:0/energy_uj: permission denied (owner ", ", group ", ", mode ", "udev rule"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn watching_shows_power_energy_and_what_is_assumed() {
    let board = Board::new();
    board.ina3221("hwmon0", 5_000, 800);
    let (lines, code) = said(&board, "peak_watts = 10\n", &["watch", "--seconds", "2"]);
    assert_eq!((lines.len(), code), (2, 0), "{lines:?}");
    for line in &lines {
        let power = line["power_uw"].as_u64().unwrap();
        assert!((3_900_000..=4_500_000).contains(&power), "{line}");
        assert_eq!((&line["label"], &line["fault"]), (&"measured".into(), &Value::Null));
    }
    assert!(lines[1]["energy_uj"].as_u64() > lines[0]["energy_uj"].as_u64());
    let (none, code) = said(&board, "meter = \"none\"\n", &["watch", "--seconds", "1"]);
    assert_eq!(code, 1);
    assert!(none[0]["error"].as_str().unwrap().contains("set [energy] meter to \"auto\""), "{none:?}");
}

#[test]
fn calibration_measures_or_says_why_it_cannot() {
    let board = Board::new();
    let (said_none, code) = said(&board, "", &["calibrate", "--seconds", "2"]);
    assert_eq!(code, 1);
    assert!(said_none[0]["error"].as_str().unwrap().contains("no meter measures here"), "{said_none:?}");

    // A sensor that does not see the processor.
    board.ina3221("hwmon0", 5_000, 540);
    let (stuck, code) = said(&board, "", &["calibrate", "--seconds", "2"]);
    assert_eq!(code, 1);
    assert!(stuck[0]["error"].as_str().unwrap().contains("it does not see the processor"), "{stuck:?}");

    // A power chip that draws more the more processor time the program has used since the last answer.
    let last = board.root().join("last");
    board.program(
        "vcgencmd",
        &format!(
            "used=$(cut -d' ' -f14 /proc/$PPID/stat)\nlast=$(cat {last} 2>/dev/null || echo $used)\necho $used > {last}\n\
             power=$((3000 + (used - last) * 100))\nprintf 'CORE_A current(7)=%d.%03dA\\n' $((power / 1000)) $((power % 1000))\n\
             echo 'CORE_V volt(15)=1.0V'",
            last = last.display()
        ),
    );
    let out = board.root().join("energy.toml");
    let path = out.display().to_string();
    let arguments = ["calibrate", "--seconds", "8", "--write", &path];
    let toml = "meter = \"pmic\"\nperiod = \"500 ms\"\n";
    let (report, code) = said(&board, toml, &arguments);
    assert_eq!(code, 0, "{report:?}");
    let watts = |key: &str| report[0][key].as_f64().unwrap();
    assert!(watts("idle_uw") >= 2.9e6 && watts("all_cores_uw") > watts("idle_uw") * 1.1, "{report:?}");
    assert!(watts("peak_watts") * 1e6 > watts("all_cores_uw") && watts("watts_per_core") > 0.0, "{report:?}");
    let written = std::fs::read_to_string(&out).unwrap();
    for key in ["[energy]", "watts_per_core = ", "idle_watts = ", "peak_watts = "] {
        assert!(written.contains(key), "{written}");
    }
    let (again, code) = said(&board, toml, &["calibrate", "--seconds", "2", "--write", &path]);
    assert_eq!(code, 1);
    assert!(again[0]["error"].as_str().is_some(), "{again:?}");
}

#[test]
fn a_raspberry_pi_is_read_by_its_own_program() {
    let board = Board::new();
    board.program("vcgencmd", &format!("[ \"$1\" = pmic_read_adc ] || exit 1\ncat <<'END'\n{PMIC}\nEND"));
    let pmic = listed(&board, "", "pmic");
    assert_eq!((&pmic["chosen"], &pmic["power_uw"]), (&true.into(), &2_690_000.into()), "{pmic}");
    assert_eq!(pmic["reads"][0], "vcgencmd pmic_read_adc");
}
