//! `trimtab cameras list` and `trimtab cameras test`, as an operator calls them; the second also of a camera behind TLS, because a
//! program of its own can be given authorities to trust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use trimtab_engine::RgbFrame;

use crate::picture;
use crate::rtsp::{Server, free_port};

fn trimtab(folder: &Path, cameras: &str, arguments: &[&str]) -> Output {
    command(folder, cameras, arguments).output().unwrap()
}

fn command(folder: &Path, cameras: &str, arguments: &[&str]) -> Command {
    let path = folder.join("trimtab.toml");
    fs::write(&path, cameras).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
    command.arg("--config").arg(path).args(arguments);
    command
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {output:?}"))
}

#[test]
fn configured_cameras_are_tried_and_their_pictures_saved() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("frames")).unwrap();
    fs::write(folder.path().join("frames/0.jpg"), picture(64, 48, 200)).unwrap();
    fs::write(folder.path().join("loop.sh"), "while :; do cat \"$1\"; sleep 0.05; done\n").unwrap();
    let (script, frame) = (folder.path().join("loop.sh"), folder.path().join("frames/0.jpg"));
    let cameras = format!(
        "[[camera]]\nname = \"doorway\"\nsource = \"dir:frames\"\nmask = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]\nupload = \"never\"\n\
         [[camera]]\nname = \"wrist\"\nsource = \"exec:sh {} {}\"\n\
         [[camera]]\nname = \"gone\"\nsource = \"v4l2:/dev/video-none\"\n",
        script.display(),
        frame.display()
    );
    let saved = folder.path().join("saved");
    let arguments = ["--json", "cameras", "test", "--seconds", "2", "--save", saved.to_str().unwrap()];
    let output = trimtab(folder.path(), &cameras, &arguments);
    let found = json(&output);
    assert_eq!((output.status.code(), &found["ok"]), (Some(1), &false.into()), "{found}");
    let [doorway, wrist, gone] = found["cameras"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&doorway["width"], &doorway["height"]), (&64.into(), &48.into()));
    assert!(wrist["fps"].as_f64().unwrap() > 2.0 && wrist["frames"].as_u64().unwrap() > 2, "{wrist}");
    assert!(gone["trouble"].as_str().unwrap().contains("/dev/video-none: there is no such device"), "{gone}");
    // What is saved is masked like everything else.
    let black = RgbFrame::decode(&fs::read(saved.join("doorway.jpg")).unwrap(), "saved").unwrap();
    assert!(black.pixels().iter().all(|number| *number < 4));
    assert_eq!(fs::read(saved.join("wrist.jpg")).unwrap(), fs::read(frame).unwrap());

    let output = trimtab(folder.path(), &cameras, &["cameras", "test", "--seconds", "1", "doorway"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.starts_with("fine     doorway  dir:"), "{text}");
    let output = trimtab(folder.path(), &cameras, &["cameras", "test", "porch"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no camera is called \"porch\"; there are doorway, wrist, gone"), "{text}");
}

/// Writes an authority and a server of its, `localhost`; says where authority, certificate and key are.
fn certificates(folder: &Path) -> [PathBuf; 3] {
    let places = ["ca.pem", "server.pem", "key.pem"].map(|name| folder.join(name));
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let issuer = Issuer::from_params(&ca, &ca_key);
    let texts =
        [ca.self_signed(&ca_key).unwrap().pem(), server.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem()];
    for (place, text) in places.iter().zip(texts) {
        fs::write(place, text).unwrap();
    }
    places
}

#[test]
fn a_camera_behind_tls_is_watched_if_its_authority_is_trusted_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let [authority, certificate, key] = certificates(folder.path());
    let port = free_port();
    let _server = Server::start(port, &["tls", certificate.to_str().unwrap(), key.to_str().unwrap()]);
    let look = |host: &str, trusted: &Path, seconds: &str| {
        let camera = format!("[[camera]]\nname = \"gate\"\nsource = \"rtsps://{host}:{port}/jpeg\"\n");
        let mut command = command(folder.path(), &camera, &["--json", "cameras", "test", "--seconds", seconds]);
        json(&command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR").output().unwrap())["cameras"][0].take()
    };
    let found = look("localhost", &authority, "10");
    assert_eq!((&found["width"], &found["height"], &found["bad"]), (&320.into(), &240.into(), &0.into()), "{found}");
    assert!(found["frames"].as_u64().unwrap() > 0, "{found}");
    let stranger = folder.path().join("stranger.pem");
    fs::write(
        &stranger,
        CertificateParams::new(Vec::new()).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap().pem(),
    )
    .unwrap();
    for (host, trusted) in [("localhost", &stranger), ("127.0.0.1", &authority)] {
        let found = look(host, trusted, "4");
        let trouble = found["trouble"].as_str().unwrap();
        assert!(trouble.contains("is not trusted (") && trouble.contains("update-ca-certificates"), "{found}");
    }
}

#[test]
fn cameras_are_listed_without_their_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let cameras = "[[camera]]\nname = \"gate\"\nsource = \"http://10.0.0.9/mjpg?pwd=hush\"\nupload = \"never\"\n";
    let output = trimtab(folder.path(), cameras, &["cameras", "list", "--json"]);
    let found = json(&output);
    assert!(output.status.success() && found["devices"].is_array(), "{found}");
    assert_eq!(found["cameras"][0]["source"], "http://10.0.0.9/mjpg?…");
    let output = trimtab(folder.path(), cameras, &["cameras", "list"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("camera   gate  http://10.0.0.9/mjpg?…, never uploaded"), "{text}");
}

#[test]
fn what_is_wrong_in_an_entry_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (entry, expected) in [
        (
            "source = \"rtsp://a:hush@door/1\"",
            "trimtab.toml:3: camera.source: this is no address of a camera: a password",
        ),
        (
            "source = \"http://a:hush@door/\"",
            "trimtab.toml:3: camera.source: this is no address of a camera: a password",
        ),
        (
            "source = \"rtsp://door/1\"\nsize = \"64x48\"",
            "trimtab.toml:4: camera.size: size says nothing to a camera of",
        ),
        (
            "source = \"v4l2:/dev/video0\"\nformat = \"h264\"",
            "trimtab.toml:4: camera.format: \"h264\" is no pixel format",
        ),
        ("source = \"v4l2:/dev/video0\"\nsize = \"huge\"", "trimtab.toml:4: camera.size: \"huge\" is no size"),
        (
            "source = \"exec:cat\"\nformat = \"nv12\"",
            "trimtab.toml:4: camera.format: format says nothing to a program without size",
        ),
        ("source = \"exec:cat\"\nfps = 5.0", "trimtab.toml:4: camera.fps: fps says nothing to a program: tell"),
        (
            "source = \"pattern:\"\ncredential_env = \"A\"",
            "trimtab.toml:4: camera.credential_env: a credential says nothing",
        ),
        (
            "source = \"http://door/\"\ncredential_env = \"A\"\ncredential_file = \"b\"",
            "trimtab.toml:4: camera.credential_env: credential_env and credential_file are both given",
        ),
        ("source = \"pattern:\"\nnoise = 200", "trimtab.toml:4: camera.noise: 200 is outside 0 to 64"),
    ] {
        let output = trimtab(folder.path(), &format!("[[camera]]\nname = \"wrist\"\n{entry}\n"), &["cameras", "list"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{text}");
        assert!(text.contains(expected), "{text}\nexpected {expected}");
        assert!(!text.contains("hush"), "{text}");
    }
}
