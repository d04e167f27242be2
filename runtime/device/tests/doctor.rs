//! What `trimtab doctor` says of twenty-odd faults, each injected alone: part, state, and the remedy in the line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use trimtab_device::config::Config;
use trimtab_device::doctor::{Finding, Places, State, examine};
use trimtab_device::memory::MemorySources;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trimtab");

/// A robot that is well: its models, one camera, and a kernel with all that is looked for.
struct Robot {
    folder: tempfile::TempDir,
    places: Places,
}

impl Robot {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), text).unwrap();
        };
        write("proc/self/statm", "9 1000 0 0 0 0 0\n");
        write("proc/self/cgroup", "0::/trimtab\n");
        write("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n");
        write("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
        write("cgroup/cgroup.controllers", "cpu memory\n");
        write("cgroup/trimtab/memory.max", "800000000\n");
        write("sys/class/rtc/rtc0/name", "rtc\n");
        write("sys/block/mmcblk0/device/life_time", "0x01 0x01\n");
        write("sys/class/powercap/intel-rapl:0/name", "package-0\n");
        write("sys/class/powercap/intel-rapl:0/energy_uj", "100\n");
        write("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "1000000\n");
        write("run/systemd/timesync/synchronized", "");
        fs::create_dir_all(at("dev")).unwrap();
        let places = Places {
            memory: MemorySources { proc: at("proc"), cgroup: at("cgroup"), ..MemorySources::default() },
            sys: at("sys"),
            dev: at("dev"),
            run: at("run"),
            etc: at("etc"),
            now: SystemTime::now,
        };
        Self { folder, places }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }

    /// Writes a configuration with `extra` in it, unless that sets the same section.
    fn configured(&self, extra: &str) -> PathBuf {
        let mut text = String::new();
        let shipped = shipped();
        let (encoder, lm, policy) = (shipped.join("encoder"), shipped.join("lm"), shipped.join("policy/policy.onnx"));
        for (section, keys) in [
            ("[device]", "state_dir = \"state\"\n".to_owned()),
            ("[models]", format!("encoder = {encoder:?}\nlm = {lm:?}\npolicy = {policy:?}\n")),
            ("[[camera]]", "name = \"front\"\nsource = \"pattern:\"\n".to_owned()),
            ("[energy]", format!("meter = \"powercap\"\nsysfs = {:?}\n", self.at("sys"))),
        ] {
            if !extra.contains(section) {
                text.push_str(&format!("{section}\n{keys}"));
            }
        }
        self.write("trimtab.toml", text + extra);
        self.at("trimtab.toml")
    }

    async fn examined(&self, extra: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        examine(Config::load(Some(&self.configured(extra))), &self.places, &mut |finding| findings.push(finding)).await;
        findings
    }

    /// Looks, and expects a line of this part and state with these words.
    async fn says(&self, extra: &str, part: &str, state: State, words: &[&str]) {
        let findings = self.examined(extra).await;
        let fits = |finding: &&Finding| {
            finding.part == part && finding.state == state && words.iter().all(|word| finding.says.contains(word))
        };
        assert!(findings.iter().any(|finding| fits(&finding)), "{part} {state:?} {words:?}: {findings:#?}");
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(86_400)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_robot_that_is_well_has_no_other_line() {
    let findings = Robot::new().examined("").await;
    let unwell: Vec<_> = findings.iter().filter(|finding| finding.state != State::Ok).collect();
    assert!(unwell.is_empty(), "{unwell:#?}");
    for part in [
        "configuration",
        "runtime",
        "state folder",
        "disk",
        "ledger",
        "model",
        "camera",
        "meter",
        "memory",
        "memory group",
        "clock",
        "broker",
    ] {
        assert!(findings.iter().any(|finding| finding.part == part), "{part}: {findings:#?}");
    }
    let hashed = |name: &str| findings.iter().any(|finding| finding.says.starts_with(name) && finding.says.len() > 64);
    assert!(hashed("encoder ") && hashed("lm ") && hashed("policy "), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_the_configuration_and_of_cameras() {
    let robot = Robot::new();
    robot.says("[camrea]\n", "configuration", State::Fail, &["unknown", "camrea"]).await;
    let camera = |source: &str| format!("[[camera]]\nname = \"front\"\nsource = \"{source}\"\n");
    robot.says(&camera("dir:gone"), "camera", State::Fail, &["front", "gone", "make it readable"]).await;
    robot.says(&camera("exec:false"), "camera", State::Fail, &["front", "false ended", "tried again"]).await;
    robot.says(&camera("exec:sleep 60"), "camera", State::Fail, &["no frame from sleep yet"]).await;
    robot.write("torn/0.jpg", [0xff, 0xd8, 0xff, 0xe0]);
    robot.says(&camera("dir:torn"), "camera", State::Fail, &["0.jpg"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_models() {
    let robot = Robot::new();
    let models =
        |encoder: &Path, lm: &Path| format!("[models]\nencoder = {encoder:?}\nlm = {lm:?}\npolicy = \"none\"\n");
    let (encoder, lm) = (shipped().join("encoder"), shipped().join("lm"));
    robot.says(&models(&robot.at("none"), &lm), "model", State::Fail, &["none"]).await;
    let torn = robot.at("torn");
    copy(&lm, &torn);
    robot.write("torn/onnx/model.onnx", "no model");
    robot.says(&models(&encoder, &torn), "model", State::Fail, &["torn/onnx/model.onnx"]).await;
    let pulled = robot.at("pulled");
    copy(&lm, &pulled);
    let pins = format!(
        "{{\"id\": \"a/b\", \"revision\": \"1\", \"files\": {{\"config.json\": {{\"sha256\": \"{}\", \"bytes\": 1}}}}}}",
        "0".repeat(64)
    );
    robot.write("pulled/trimtab-lock.json", pins);
    robot.says(&models(&encoder, &pulled), "model", State::Fail, &["pulled/config.json", "pull the model again"]).await;
    robot.write("policy.onnx", "no policy");
    let policy = format!("[models]\nencoder = {encoder:?}\nlm = {lm:?}\npolicy = \"policy.onnx\"\n");
    robot.says(&policy, "model", State::Fail, &["policy.onnx"]).await;
    robot
        .says("[memory]\nceiling = \"5 MB\"\n", "model", State::Fail, &["the encoder needs", "raise [memory] ceiling"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_the_disk_and_of_the_ledger() {
    let robot = Robot::new();
    robot.write("state/ledger.sqlite", "this was a ledger once, and is not any more".repeat(100));
    robot.says("", "ledger", State::Fail, &["ledger.sqlite", "damaged", "move the file"]).await;
    fs::remove_file(robot.at("state/ledger.sqlite")).unwrap();
    {
        let newer = rusqlite::Connection::open(robot.at("state/ledger.sqlite")).unwrap();
        newer
            .execute_batch("CREATE TABLE meta (id); PRAGMA application_id = 0x5452494d; PRAGMA user_version = 999")
            .unwrap();
    }
    robot.says("", "ledger", State::Fail, &["schema 999", "install the newer trimtab"]).await;
    robot.write("sys/block/mmcblk0/device/life_time", "0x0b 0x03\n");
    robot.says("", "storage mmcblk0", State::Fail, &["used up", "replace it"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_memory_and_of_the_meter() {
    let robot = Robot::new();
    robot.says("[memory]\nceiling = \"900 MB\"\n", "memory", State::Ok, &["800.0 MB"]).await;
    robot
        .says(
            "[energy]\nmeter = \"none\"\n[[budget]]\nresource = \"energy\"\nwindow = \"day\"\nlimit = \"1 J\"\n",
            "meter",
            State::Fail,
            &["set [energy] meter"],
        )
        .await;
    robot.says("[energy]\nmeter = \"estimate\"\n", "meter", State::Warn, &["calibrate"]).await;
    robot.write("cgroup/trimtab/memory.max", "max\n");
    robot.says("", "memory", State::Warn, &["no ceiling", "MemoryMax"]).await;
    robot
        .says(
            "[memory]\nceiling = \"9 GB\"\n",
            "memory",
            State::Warn,
            &["above the machine's 4.1 GB", "lower [memory] ceiling"],
        )
        .await;
    robot.write("cgroup/cgroup.controllers", "cpu io\n");
    robot.says("", "memory group", State::Warn, &["cgroup_enable=memory"]).await;
    fs::remove_file(robot.at("proc/pressure/memory")).unwrap();
    robot.says("", "memory pressure", State::Warn, &["psi=1"]).await;
    fs::remove_dir_all(robot.at("sys/class/powercap/intel-rapl:0")).unwrap();
    robot.says("", "meter, as configured", State::Fail, &["[energy] meter"]).await;
    let gone = "[energy]\nmeter = \"hwmon\"\nsysfs = \"gone\"\n";
    robot.says(gone, "meter, as configured", State::Fail, &["gone/class/hwmon", "[energy] meter"]).await;
    robot.write("sys/class/thermal/thermal_zone0/temp", "91000\n");
    robot.write("sys/class/thermal/thermal_zone0/type", "cpu\n");
    robot.write("sys/class/thermal/thermal_zone0/trip_point_0_temp", "90000\n");
    robot.write("sys/class/thermal/thermal_zone0/trip_point_0_type", "passive\n");
    robot.says("", "heat and supply", State::Fail, &["91.0 °C", "cool it better"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_clock_and_link() {
    let mut robot = Robot::new();
    fs::remove_dir_all(robot.at("sys/class/rtc")).unwrap();
    robot.says("", "real-time clock", State::Warn, &["battery-backed"]).await;
    fs::remove_dir_all(robot.at("run")).unwrap();
    robot.says("", "clock", State::Warn, &["not known to be synchronised", "systemd-timesyncd"]).await;

    let certificates = Certificates::write(&robot);
    let mqtt = |port: u16, cert: &str| {
        format!(
            "[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\ntls = {{ ca = \"ca.pem\", cert = \"{cert}\", key = \"key.pem\" }}\n"
        )
    };
    // A port that nobody listens on: taken, and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    robot
        .says(
            &mqtt(port, certificates.expired),
            "certificate",
            State::Fail,
            &["expired.pem", "expired on 2021-01-01", "renewed"],
        )
        .await;
    robot.says(&mqtt(port, certificates.expiring), "certificate", State::Warn, &["expiring.pem", "renewed"]).await;
    fs::set_permissions(robot.at("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    robot.says(&mqtt(port, certificates.good), "key", State::Fail, &["key.pem", "chmod 600"]).await;
    fs::set_permissions(robot.at("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    robot
        .says(&mqtt(port, certificates.good), "broker", State::Fail, &["no connection within", "check host, port"])
        .await;
    fs::remove_file(robot.at("key.pem")).unwrap();
    robot.says(&mqtt(port, certificates.good), "broker", State::Fail, &["key.pem"]).await;
    robot.places.now = long_ago;
    robot.says("", "clock", State::Fail, &["1970-01-02", "set the clock"]).await;
}

/// A fleet's certificates, good and bad.
struct Certificates {
    good: &'static str,
    expired: &'static str,
    expiring: &'static str,
}

impl Certificates {
    fn write(robot: &Robot) -> Self {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        robot.write("ca.pem", ca.self_signed(&ca_key).unwrap().pem());
        robot.write("key.pem", key.serialize_pem());
        let issuer = Issuer::from_params(&ca, &ca_key);
        let soon = SystemTime::now() + Duration::from_secs(7 * 86_400);
        for (name, to) in [
            ("good.pem", date_time_ymd(2090, 1, 1)),
            ("expired.pem", date_time_ymd(2021, 1, 1)),
            ("expiring.pem", soon.into()),
        ] {
            let mut own = CertificateParams::new(vec!["robot-1".to_owned()]).unwrap();
            (own.not_before, own.not_after) = (date_time_ymd(2020, 1, 1), to);
            robot.write(name, own.signed_by(&key, &issuer).unwrap().pem());
        }
        Self { good: "good.pem", expired: "expired.pem", expiring: "expiring.pem" }
    }
}

/// Runs the program as a user without rights: this one if it has none, else `nobody`.
fn as_nobody(words: &[&str]) -> Output {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", PROGRAM]);
        command
    } else {
        Command::new(PROGRAM)
    };
    command.args(words).output().unwrap()
}

#[test]
fn without_rights_the_program_names_the_file_and_fails() {
    let robot = Robot::new();
    fs::set_permissions(robot.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for closed in ["state", "frames"] {
        fs::create_dir_all(robot.at(closed)).unwrap();
        fs::set_permissions(robot.at(closed), fs::Permissions::from_mode(0o500)).unwrap();
    }
    fs::set_permissions(robot.at("frames"), fs::Permissions::from_mode(0o000)).unwrap();
    let config =
        robot.configured("[[camera]]\nname = \"front\"\nsource = \"dir:frames\"\n[energy]\nmeter = \"estimate\"\n");
    let config = config.display().to_string();
    let output = as_nobody(&["doctor", "--json", "--config", &config]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["ok"]), (Some(1), &Value::Bool(false)));
    let says = |part: &str, words: &[&str]| {
        let lines = report["findings"].as_array().unwrap();
        assert!(
            lines.iter().any(|line| {
                let says = line["says"].as_str().unwrap();
                line["part"] == part && line["state"] == "fail" && words.iter().all(|word| says.contains(word))
            }),
            "{part} {words:?}: {report:#}"
        );
    };
    says("state folder", &["state: not writable", "chown"]);
    says("camera", &["front", "frames", "Permission denied"]);
}

#[test]
fn a_full_and_a_read_only_disk_are_told() {
    let robot = Robot::new();
    fs::create_dir_all(robot.at("state")).unwrap();
    let config = robot.configured("[energy]\nmeter = \"estimate\"\n").display().to_string();
    for (options, words) in [("size=4m", "free disk space"), ("size=4m,ro", "read-only")] {
        // A file system of its own, seen by nobody else, gone with the program.
        let script = format!(
            "mount -t tmpfs -o {options} tmpfs '{}' && exec '{PROGRAM}' doctor --json --config '{config}'",
            robot.at("state").display()
        );
        let output =
            Command::new("unshare").args(["--mount", "--map-root-user", "sh", "-c", &script]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&output.stderr)));
        let found = report["findings"].as_array().unwrap().iter().any(|line| {
            line["part"] == "disk" && line["state"] == "fail" && line["says"].as_str().unwrap().contains(words)
        });
        assert!(found, "{options}: {report:#}");
    }
}
