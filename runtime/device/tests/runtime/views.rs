//! A view that has not changed is not encoded again, whether its frame is the same or only differs by noise.

use std::time::{Duration, Instant};

use trimtab_device::shell::Device;

use crate::bad_input::ask;
use crate::home::{CAMERAS, Home, local_first};

/// A grey wall, seen by a sensor with noise: no two frames are the same.
const WALL: &str = "exec:ffmpeg -nostdin -loglevel error -re -f lavfi \
    -i color=c=gray:size=640x480:rate=10,noise=c0s=10:c0f=t -c:v mjpeg -q:v 4 -f mjpeg -";

async fn encodes(device: &Device, key: &str) -> u64 {
    device.status().await["encodes"][key].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_view_is_not_encoded_again() {
    // A loaded machine may keep ffmpeg from its turn for longer than a robot would trust a picture.
    let wall = format!("[[camera]]\nname = \"wall\"\nsource = \"{WALL}\"\nfreshness = \"60 s\"\n");
    let home = Home::new().with(&wall);
    let device = home.device(local_first()).await;
    let started = Instant::now();
    while device.status().await["cameras"][3]["available"] != true {
        assert!(started.elapsed() < Duration::from_secs(30), "ffmpeg shows nothing: run `cargo xtask setup`");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let views = CAMERAS.len() as u64 + 1;
    let first = ask(&device, "Please turn off the lamp.").await;
    assert_eq!((encodes(&device, "done").await, encodes(&device, "unchanged").await), (views, 0));
    let frames = device.cameras()[3].counts().frames;
    while device.cameras()[3].counts().frames < frames + 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let second = ask(&device, "Please turn off the lamp.").await;
    assert_eq!((encodes(&device, "done").await, encodes(&device, "unchanged").await), (views, views));
    assert!(encodes(&device, "saved_uj").await > 0, "encoding is not free");
    let seen = |record: &trimtab_turn::TurnRecord| record.views.iter().map(|view| view.association).collect::<Vec<_>>();
    assert_eq!(seen(&first), seen(&second));

    let frame = home.path().join("frames/wrist/000.jpg");
    std::fs::copy(home.path().join("frames/doorway/000.jpg"), frame).unwrap();
    // A recording of one frame moves on five times a second.
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&device, "Please turn off the lamp.").await;
    assert_eq!(encodes(&device, "done").await, views + 1);
    device.stop().await;
}
