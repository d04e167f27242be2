//! `trimtab replay` on the ledger of a device that ran: all verdicts again, and what a change of one of them looks like.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use trimtab_device::shell::LEDGER_FILE;

use crate::home::{Home, local_first};

/// What the program prints, and its exit code.
fn replay(ledger: &Path) -> (Value, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab")).arg("replay").arg(ledger).arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{fault}: {text}")), output.status.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_is_decided_again_and_a_change_is_shown() {
    let home = Home::new().with("[[budget]]\nresource = \"energy\"\nwindow = \"hour\"\nlimit = \"40 J\"");
    for _ in 0..2 {
        let device = home.device(local_first()).await;
        for prompt in ["Please turn off the lamp.", "Is the stove on?", "Write to Anna that I am late."] {
            let record = crate::bad_input::ask(&device, prompt).await;
            assert!(device.feedback(record.turn, 0.5, "user").await.unwrap());
        }
        device.stop().await;
    }
    let ledger = home.config().state_dir.join(LEDGER_FILE);
    let (replayed, code) = replay(&ledger);
    assert_eq!((code, &replayed["same"], &replayed["differences"]), (Some(0), &json!(6), &json!([])), "{replayed}");

    let file = rusqlite::Connection::open(&ledger).unwrap();
    file.execute("UPDATE turns SET record = replace(record, '\"best_score\"', '\"worst_score\"')", []).unwrap();
    let (replayed, code) = replay(&ledger);
    let difference = &replayed["differences"][0];
    assert_eq!((code, &replayed["different"]), (Some(1), &json!(6)), "{replayed}");
    assert_eq!((&difference["turn"], &difference["at"]), (&json!("1-1"), &json!("/reason")));
    assert_eq!(
        (&difference["recorded"], &difference["replayed"]),
        (&json!("\"worst_score\""), &json!("\"best_score\""))
    );

    let (told, code) = replay(&home.path().join("none.sqlite"));
    assert_eq!(code, Some(1));
    assert!(told["error"].as_str().unwrap().contains("none.sqlite"), "{told}");
}
