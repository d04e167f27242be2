//! The shipped access list confines every certificate to its own topics, against a real mosquitto with client certificates.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use trimtab_e2e::broker::{BRIDGE, Broker, FLEET, OPERATOR};
use trimtab_e2e::certificates::{Authority, Identity};
use trimtab_e2e::wait;

const QUIET_SECONDS: u32 = 2;

fn topic(rest: &str) -> String {
    format!("trimtab/v1/{FLEET}/{rest}")
}

/// Whether the broker took a message of `who` on this topic.
fn may_say(broker: &Broker, who: &Identity, rest: &str) -> Result<bool> {
    let said = broker.publish(Some(who), &topic(rest), "{}")?;
    let errors = String::from_utf8_lossy(&said.stderr);
    let refused = errors.contains("Not authorized");
    ensure!(refused || said.status.success(), "mosquitto_pub on {rest}: {errors}");
    Ok(!refused)
}

/// Whether `listener` hears what `speaker`, who is allowed to, says on this topic.
fn may_hear(broker: &Broker, listener: &Identity, speaker: &Identity, rest: &str) -> Result<bool> {
    let mut subscribe = broker.client("mosquitto_sub", Some(listener));
    subscribe.args(["-q", "1", "-C", "1", "-W", &QUIET_SECONDS.to_string(), "-t", &topic(rest)]);
    let acknowledged = || broker.log().matches("Sending SUBACK").count();
    let before = acknowledged();
    let subscriber = subscribe.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    wait::until("the subscription", Duration::from_secs(5), || Ok((acknowledged() > before).then_some(())))?;
    ensure!(may_say(broker, speaker, rest)?, "the speaker may not speak on {rest}");
    let heard = subscriber.wait_with_output()?;
    Ok(String::from_utf8_lossy(&heard.stdout).contains("{}"))
}

#[test]
fn each_certificate_reaches_its_own_topics_only() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::confined(folder.path())?;
    let robot = broker.identity("robot-1")?;
    let other = broker.identity("robot-2")?;
    let bridge = broker.identity(BRIDGE)?;
    let operator = broker.identity(OPERATOR)?;
    let request = "00112233445566778899aabbccddeeff";

    let speech = [
        (&robot, "robot-1/status".to_owned(), true),
        (&robot, "robot-1/tele/decision".to_owned(), true),
        (&robot, "robot-1/budget/reported".to_owned(), true),
        (&robot, "robot-1/cmd/ask/res".to_owned(), true),
        (&robot, "robot-1/req".to_owned(), true),
        (&robot, format!("robot-1/req/{request}/0"), true),
        (&robot, "robot-2/req".to_owned(), false),
        (&robot, "robot-2/status".to_owned(), false),
        (&robot, format!("robot-2/res/{request}"), false),
        (&robot, format!("robot-1/res/{request}"), false),
        (&robot, "robot-1/budget/desired".to_owned(), false),
        (&robot, "robot-1/cmd/ask".to_owned(), false),
        (&robot, "robot-2/cmd/ask".to_owned(), false),
        (&robot, "robot-2/cmd/ask/res".to_owned(), false),
        (&robot, "_all/cmd/status".to_owned(), false),
        (&robot, format!("_bridge/{BRIDGE}/offers"), false),
        (&bridge, format!("robot-1/res/{request}"), true),
        (&bridge, format!("_bridge/{BRIDGE}/offers"), true),
        (&bridge, "_bridge/bridge-2/offers".to_owned(), false),
        (&bridge, "robot-1/cmd/ask".to_owned(), false),
        (&operator, "robot-1/cmd/ask".to_owned(), true),
        (&operator, "robot-2/budget/desired".to_owned(), true),
        (&operator, "_all/cmd/status".to_owned(), true),
        (&operator, format!("robot-1/res/{request}"), false),
        (&operator, "robot-1/req".to_owned(), false),
    ];
    for (who, rest, expected) in &speech {
        let name = who.certificate.file_stem().unwrap_or_default().to_string_lossy();
        ensure!(may_say(&broker, who, rest)? == *expected, "{name} on {rest}: expected allowed = {expected}");
    }

    let hearing = [
        (&robot, &bridge, format!("robot-1/res/{request}"), true),
        (&other, &bridge, format!("robot-1/res/{request}"), false),
        (&other, &robot, "robot-1/status".to_owned(), false),
        (&other, &robot, "robot-1/req".to_owned(), false),
        (&bridge, &robot, "robot-1/req".to_owned(), true),
        (&bridge, &robot, "robot-1/tele/decision".to_owned(), false),
        (&robot, &bridge, format!("_bridge/{BRIDGE}/offers"), true),
        (&robot, &operator, "_all/cmd/status".to_owned(), true),
        (&other, &operator, "robot-1/cmd/ask".to_owned(), false),
        (&operator, &robot, "robot-1/tele/decision".to_owned(), true),
    ];
    for (listener, speaker, rest, expected) in &hearing {
        let name = listener.certificate.file_stem().unwrap_or_default().to_string_lossy();
        let heard = may_hear(&broker, listener, speaker, rest)?;
        ensure!(heard == *expected, "{name} listens to {rest}: expected to hear = {expected}");
    }
    Ok(())
}

#[test]
fn strangers_do_not_get_in() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::confined(folder.path())?;
    let robot = broker.identity("robot-1")?;
    ensure!(may_say(&broker, &robot, "robot-1/status")?, "the robot itself must get in");

    let elsewhere = Authority::new(&folder.path().join("elsewhere"), "another authority")?;
    let forged = Identity { authority: robot.authority.clone(), ..elsewhere.leaf("robot-1")? };
    let said = broker.publish(Some(&forged), &topic("robot-1/status"), "{}")?;
    ensure!(!said.status.success(), "a certificate of another authority was believed");

    let mut without = broker.client("mosquitto_pub", None);
    without.arg("--cafile").arg(&robot.authority);
    without.args(["-q", "1", "-t", &topic("robot-1/status"), "-m", "{}"]);
    ensure!(!without.output()?.status.success(), "a client without a certificate was let in");
    Ok(())
}
