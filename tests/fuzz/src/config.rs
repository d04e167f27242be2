//! Files and words that people write: configurations, the profile of the clouds, amounts and limits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;
use trimtab_bridge::BridgeConfig;
use trimtab_core::limits::{BUDGETS_MAX, VIEWS_MAX};
use trimtab_device::config::quantity::{bits_per_s, bytes as data, joules, millis, usd, watts};
use trimtab_device::config::{Config, ConfigError, TURN_TIME_MAX};
use trimtab_fleet::amount::LimitArgument;
use trimtab_rig::profile::CloudProfile;
use trimtab_wire::limits::{OFFERS_MAX, TOKENS_MAX};

use crate::Seed;
use crate::check::told;
use crate::site::{scratch, write};

/// Device and operator's program read amounts independently: what both take means the same to both.
pub(crate) fn quantity(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let plain: String = text.split_whitespace().collect();
    let limit =
        |resource: &str| format!("{resource}:day={plain}").parse::<LimitArgument>().ok().map(|read| read.0.limit);
    let known = [
        (joules(&text).map(|amount| amount.micro()), limit("energy"), "uJ"),
        (usd(&text).map(|amount| amount.nano()), limit("money"), "nUSD"),
        (data(&text).map(|amount| amount.get()), limit("bytes"), "B"),
        (millis(&text).map(|amount| amount.get()), limit("latency"), "ms"),
        (watts(&text).map(|amount| amount.micro()), None, "uW"),
        (bits_per_s(&text), None, "bit/s"),
    ];
    for (read, limit, unit) in known {
        match read {
            Ok(amount) => {
                assert!(limit.is_none_or(|limit| limit == amount), "{text:?}: {amount} here, {limit:?} there");
                let again = [
                    joules(&format!("{amount} {unit}")).map(|amount| amount.micro()),
                    usd(&format!("{amount} {unit}")).map(|amount| amount.nano()),
                    data(&format!("{amount} {unit}")).map(|amount| amount.get()),
                    millis(&format!("{amount} {unit}")).map(|amount| amount.get()),
                    watts(&format!("{amount} {unit}")).map(|amount| amount.micro()),
                    bits_per_s(&format!("{amount} {unit}")),
                ];
                assert!(again.contains(&Ok(amount)), "{amount} {unit} does not come back");
            }
            Err(fault) => told(&fault, &[&format!("{text:?}")]),
        }
    }
    if let Err(fault) = text.parse::<LimitArgument>() {
        told(&fault, &[&format!("{text:?}"), "energy:day=500J"]);
    }
}

pub(crate) fn quantity_seeds() -> Vec<Seed> {
    let texts = [
        "500 J",
        "0.05 USD",
        "20MB",
        "1.5 MiB",
        " 8 s ",
        "4.5 W",
        "1.5 Mbit/s",
        "0.5Wh",
        "12_000 µJ",
        "0.0000000019 USD",
        "energy:day=500J",
        "money:turn=0.5mUSD",
        "bytes:hour=20MB",
        "latency:turn=8s",
    ];
    texts.iter().enumerate().map(|(index, text)| (format!("{index:02}"), text.as_bytes().to_vec())).collect()
}

/// A file of one target.
struct Place {
    folder: TempDir,
    name: &'static str,
}

impl Place {
    fn new(name: &'static str) -> Self {
        Self { folder: scratch(), name }
    }

    fn with(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(self.name);
        write(&path, bytes);
        path
    }
}

pub(crate) fn device(bytes: &[u8]) {
    static PLACE: LazyLock<Place> = LazyLock::new(|| Place::new("trimtab.toml"));
    let path = PLACE.with(bytes);
    match Config::load(Some(&path)) {
        Ok(config) => {
            assert!(config.api.listen.is_none_or(|address| address.ip().is_loopback()));
            assert!((1..=VIEWS_MAX).contains(&config.cameras.len()) && config.budgets.len() <= BUDGETS_MAX);
            let names: BTreeSet<&str> = config.cameras.iter().map(|camera| camera.name()).collect();
            assert_eq!(names.len(), config.cameras.len(), "two cameras of one name");
            assert!((1..=TOKENS_MAX).contains(&config.turn.max_tokens) && config.turn.time <= TURN_TIME_MAX);
            assert!(config.preference.is_valid());
            let again = Config::load(Some(&path)).expect("the same file is the same configuration");
            assert_eq!(format!("{config:?}"), format!("{again:?}"));
        }
        Err(fault @ ConfigError::Whole { .. }) => told(&fault, &[]),
        Err(fault) => {
            told(&fault, &["trimtab.toml"]);
            assert!(!fault.to_string().contains('\n'), "a fault of several lines: {fault:?}");
        }
    }
}

/// Where the shipped examples are.
fn shipped(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// Without comments, which would only make an input longer.
fn bare(toml: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(toml);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}

pub(crate) fn device_seeds() -> Vec<Seed> {
    let rest = "[device]\nstate_dir = \"state\"\n[api]\nlisten = \"none\"\n[models]\nlm = \"none\"\npolicy = \"p.onnx\"\n\
        [energy]\nmeter = \"estimate\"\npeak_watts = 12.5\n[[camera]]\nname = \"a\"\nsource = \"pattern:\"\nfps = 0.5\n\
        [mqtt]\nhost = \"localhost\"\nallow_plaintext = true\n[turn]\nview_threshold = 0.5\n";
    let cameras = "[[camera]]\nname = \"a\"\nsource = \"v4l2:/dev/video0\"\nformat = \"yuyv\"\nsize = \"640x480\"\nfps = 15.0\n\
        [[camera]]\nname = \"b\"\nsource = \"http://[::1]:81/a?b\"\ncredential_file = \"c\"\nnoise = 9\n\
        [[camera]]\nname = \"d\"\nsource = \"exec:cat e\"\nformat = \"nv12\"\nsize = \"4x4\"\n";
    vec![
        ("example".into(), bare(&shipped("runtime/device/trimtab.example.toml"))),
        ("rest".into(), rest.as_bytes().to_vec()),
        ("cameras".into(), cameras.as_bytes().to_vec()),
    ]
}

/// What stands in the environment; never seen in any output.
const KEY: &str = "hush-hush";

pub(crate) fn bridge(bytes: &[u8]) {
    static PLACE: LazyLock<Place> = LazyLock::new(|| Place::new("bridge.toml"));
    let path = PLACE.with(bytes);
    let environment = |name: &str| (name == "UPSTREAM_KEY").then(|| KEY.to_owned());
    match BridgeConfig::load(&path, environment) {
        Ok(config) => {
            assert!((1..=OFFERS_MAX).contains(&config.upstreams.len()));
            let names: BTreeSet<String> = config.upstreams.iter().map(|upstream| upstream.node.to_string()).collect();
            assert_eq!(names.len(), config.upstreams.len(), "two nodes of one name");
            assert!(config.upstreams.iter().all(|upstream| (0.0..=1.0).contains(&upstream.quality)));
            assert!(!format!("{config:?}").contains(KEY), "a key was printed");
        }
        Err(fault) => {
            told(&fault, &[]);
            assert!(!fault.to_string().contains(KEY), "a key was printed");
        }
    }
}

pub(crate) fn bridge_seeds() -> Vec<Seed> {
    let rest = "fleet = \"home\"\nbridge = \"b\"\nstate_dir = \"s\"\nblind = true\nbroker = { host = \"::1\", port = 1, \
        allow_plaintext = true, keep_alive_s = 9 }\n[[upstreams]]\nnode = \"n\"\nbase_url = \"http://[::1]:80/v1/\"\n\
        model = \"m\"\nca = \"ca.pem\"\nprices = { prompt = 0.1, completion = 1e3, image = 1 }\nimages_max = 1\n\
        quality = 0\nlatency_p50_ms = 1\nlatency_p95_ms = 2\ntoken_ms = 3\nallow_plaintext = true\n";
    vec![
        ("example".into(), bare(&shipped("runtime/bridge/bridge.example.toml"))),
        ("rest".into(), rest.as_bytes().to_vec()),
    ]
}

pub(crate) fn profile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match CloudProfile::parse(Path::new("cloud-profile.toml"), &text) {
        Ok(profile) => {
            profile.network(profile.primary_network()).expect("the primary network is there");
            assert!(profile.price_names().contains(&profile.primary_prices()));
            for (node, speed) in profile.nodes() {
                assert!(speed.first_token(VIEWS_MAX) >= speed.first_token(0) && speed.per_token().as_secs() <= 60);
                for table in profile.price_names() {
                    let price = profile.price(table, node).expect("every table prices every node");
                    assert!(price.prompt() <= price.prompt().plus(price.completion()).plus(price.image()));
                }
            }
            for name in profile.network_names() {
                let network = profile.network(name).expect("it was just named");
                assert!(network.one_way() <= network.round_trip().duration());
            }
        }
        Err(fault) => told(&fault, &["cloud-profile.toml"]),
    }
}

pub(crate) fn profile_seeds() -> Vec<Seed> {
    vec![("shipped".into(), bare(&shipped("models/shipped/cloud-profile.toml")))]
}
