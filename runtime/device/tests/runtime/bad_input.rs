//! Whatever is wrong is said with thing, place and remedy, and the device goes on.

use std::path::Path;

use trimtab_core::Placement;
use trimtab_device::config::Config;
use trimtab_device::shell::{Ask, Chooser, Device, Parts};
use trimtab_turn::TurnRecord;

use crate::home::{Home, local_first, shipped};

fn config_fault(toml: &str) -> String {
    Config::load(Some(&Home::new().with(toml).write())).unwrap_err().to_string()
}

pub(crate) async fn ask(device: &Device, prompt: &str) -> TurnRecord {
    let ask = Ask { conversation: "c".into(), prompt: prompt.into(), ..Ask::default() };
    device.ask(ask).unwrap().record().await.unwrap()
}

#[test]
fn a_configuration_is_faulted_by_file_line_and_remedy() {
    let cases = [
        ("[turn]\nlimits = 3\n", "unknown field `limits`, expected one of"),
        (
            "[turn]\ntime = \"8 parsecs\"\n",
            "turn.time: \"8 parsecs\" has the unit \"parsecs\"; this amount is given in ms, s, min, h",
        ),
        (
            "[[budget]]\nresource = \"love\"\nwindow = \"day\"\nlimit = \"1 J\"\n",
            "budget.resource: use energy, money, bytes or latency",
        ),
        ("[[budget]]\nresource = \"energy\"\nwindow = \"day\"\nlimit = \"1 USD\"\n", "budget.limit"),
        ("[preference]\nquality = 1.5\n", "preference.quality: 1.5 is not within 0 and 1"),
        ("[ledger]\ndays = 0\n", "ledger.days: 0 is not within 1 and"),
        ("[[camera]]\nname = \"a/b\"\nsource = \"pattern:\"\n", "camera.name"),
        ("[[camera]]\nname = \"a\"\nsource = \"telepathy\"\n", "camera.source: \"telepathy\" is no source"),
        ("[mqtt]\nhost = \"\"\n", "mqtt.host: the host is empty"),
        ("[energy]\nmeter = \"guess\"\n", "\"estimate\""),
    ];
    for (toml, message) in cases {
        let fault = config_fault(toml);
        assert!(fault.contains(message), "{fault}");
        assert!(fault.contains("trimtab.toml:"), "{fault}");
        assert!(!fault.contains('\n'), "{fault}");
    }
    let home = Home::new();
    let path = home.write();
    let text = std::fs::read_to_string(&path).unwrap().replace("127.0.0.1:0", "0.0.0.0:80");
    std::fs::write(&path, text).unwrap();
    let fault = Config::load(Some(&path)).unwrap_err().to_string();
    assert!(fault.contains("api.listen: 0.0.0.0:80 is not on loopback"), "{fault}");
    let fault = Config::load(Some(Path::new("/nowhere/trimtab.toml"))).unwrap_err().to_string();
    assert!(fault.contains("/nowhere/trimtab.toml: cannot be read"), "{fault}");
}

#[test]
fn the_example_is_a_configuration() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("trimtab.example.toml");
    let config = Config::load(Some(&example)).unwrap();
    let names: Vec<&str> = config.cameras.iter().map(trimtab_device::camera::CameraConfig::name).collect();
    assert_eq!(names, ["wrist", "doorway", "front", "gate"]);
    let standard = Config::standard();
    // What it calls a default is one.
    assert_eq!((config.energy, config.preference, config.link), (standard.energy, standard.preference, standard.link));
    assert_eq!((config.turn, config.ledger), (standard.turn, standard.ledger));
    assert_eq!(config.api.listen, standard.api.listen);
}

fn copy_models(from: &Path, to: &Path, leave_out: &str) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_name() == leave_out {
            continue;
        }
        if entry.path().is_dir() {
            copy_models(&entry.path(), &target, leave_out);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoder_with_a_file_missing_refuses_turns_and_says_why() {
    let home = Home::new();
    let encoder = home.path().join("encoder");
    copy_models(&shipped().join("encoder"), &encoder, "tokenizer.json");
    let home = home.with_encoder(encoder);
    let device = home.device(local_first()).await;
    let fault = &device.faults()[0];
    assert!(fault.contains("encoder/tokenizer.json: missing; "), "{fault}");
    let record = ask(&device, "Is the stove on?").await;
    assert_eq!((record.placement, record.reason.as_str()), (Placement::Refused, "observe_failed"));
    assert!(record.trouble.as_ref().unwrap().contains("set [models] encoder"), "{record:?}");
    assert_eq!(device.record(record.turn).await.unwrap(), Some(record));
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_frames_are_missing_views() {
    let home = Home::new();
    let frames = home.path().join("frames");
    let whole = std::fs::read(frames.join("wrist/000.jpg")).unwrap();
    std::fs::write(frames.join("wrist/000.jpg"), &whole[..whole.len() / 2]).unwrap();
    std::fs::remove_file(frames.join("doorway/000.jpg")).unwrap();
    let device = home.device(local_first()).await;
    let record = ask(&device, "Please turn off the lamp.").await;
    let available: Vec<bool> = record.views.iter().map(|view| view.available).collect();
    assert_eq!(available, [false, true, false]);
    assert_eq!(record.placement, Placement::Local);
    let status = device.status().await;
    let trouble = |index: usize| status["cameras"][index]["trouble"].as_str().unwrap_or_default().to_owned();
    assert!(trouble(0).contains("frames/wrist/000.jpg") && trouble(0).contains("truncated JPEG"), "{}", trouble(0));
    assert!(trouble(2).contains("frames/doorway holds no .jpg"), "{}", trouble(2));
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_energy_budget_without_a_meter_refuses_and_says_so() {
    let home = Home::new()
        .with("[energy]\nmeter = \"none\"\n[[budget]]\nresource = \"energy\"\nwindow = \"day\"\nlimit = \"500 J\"");
    let device = home.device(local_first()).await;
    assert!(device.faults()[0].contains("set [energy] meter to \"auto\""), "{:?}", device.faults());
    let record = ask(&device, "Please turn off the lamp.").await;
    assert_eq!((record.placement, record.reason.as_str()), (Placement::Refused, "no_meter"));
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_is_none_leaves_the_default_rule_to_decide() {
    let home = Home::new();
    let policy = home.path().join("policy.onnx");
    std::fs::write(&policy, b"\x08\x08no policy").unwrap();
    let mut config = home.config();
    config.models.policy = Some(policy);
    let device = Device::start(config, Parts { chooser: Chooser::Configured, ..Parts::default() }).await.unwrap();
    assert!(device.faults()[0].contains("policy.onnx: "), "{:?}", device.faults());
    let record = ask(&device, "Please turn off the lamp.").await;
    assert_eq!(record.placement, Placement::Local);
    assert!(record.trouble.as_ref().unwrap().contains("policy.onnx"), "{record:?}");
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_model_nobody_can_answer() {
    let home = Home::new().without_local_model();
    let device = home.device(local_first()).await;
    let record = ask(&device, "Please turn off the lamp.").await;
    assert_eq!((record.placement, record.reason.as_str()), (Placement::Refused, "model_missing"));
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_runtime_on_one_ledger_is_refused() {
    let home = Home::new();
    let device = home.device(local_first()).await;
    let second = Device::start(home.config(), Parts::default()).await.unwrap_err();
    assert!(second.to_string().contains("another trimtab uses this ledger"), "{second}");
    device.stop().await;
}
