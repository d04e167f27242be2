//! Topics parse back to what was built, and strangers' levels go nowhere.

use proptest::prelude::*;
use trimtab_wire::{BridgeId, CommandName, DeviceId, FleetId, RequestId, Subject, Telemetry, Topic, filters};

fn fleet() -> FleetId {
    FleetId::new("f1").unwrap()
}

fn device() -> DeviceId {
    DeviceId::new("robot-7").unwrap()
}

#[test]
fn the_tree_is_spelt_as_documented() {
    let id = RequestId(*b"0123456789abcdef");
    let rid = "30313233343536373839616263646566";
    let cases = [
        (Topic::Status(fleet(), device()), "trimtab/v1/f1/robot-7/status".to_owned()),
        (Topic::Telemetry(fleet(), device(), Telemetry::Decision), "trimtab/v1/f1/robot-7/tele/decision".to_owned()),
        (Topic::Desired(fleet(), device(), Subject::Budget), "trimtab/v1/f1/robot-7/budget/desired".to_owned()),
        (
            Topic::Reported(fleet(), device(), Subject::Preference),
            "trimtab/v1/f1/robot-7/preference/reported".to_owned(),
        ),
        (Topic::Command(fleet(), device(), CommandName::Ask), "trimtab/v1/f1/robot-7/cmd/ask".to_owned()),
        (Topic::CommandAnswer(fleet(), device(), CommandName::Ask), "trimtab/v1/f1/robot-7/cmd/ask/res".to_owned()),
        (Topic::CommandAll(fleet(), CommandName::Status), "trimtab/v1/f1/_all/cmd/status".to_owned()),
        (Topic::Request(fleet(), device()), "trimtab/v1/f1/robot-7/req".to_owned()),
        (Topic::Chunk(fleet(), device(), id, 12), format!("trimtab/v1/f1/robot-7/req/{rid}/12")),
        (Topic::Response(fleet(), device(), id), format!("trimtab/v1/f1/robot-7/res/{rid}")),
        (Topic::Offers(fleet(), BridgeId::new("b").unwrap()), "trimtab/v1/f1/_bridge/b/offers".to_owned()),
    ];
    for (topic, text) in cases {
        assert_eq!(topic.to_string(), text);
        assert_eq!(Topic::parse(&text), Ok(topic));
    }
    assert_eq!(filters::requests_shared(&fleet()), "$share/bridge/trimtab/v1/f1/+/req");
}

#[test]
fn strangers_go_nowhere() {
    for text in [
        "",
        "trimtab/v2/f1/robot/status",
        "trimtab/v1/f1/robot",
        "trimtab/v1/f1/_all/status",
        "trimtab/v1/f1/_me/status",
        "trimtab/v1/f1/a b/status",
        "trimtab/v1/f1/+/req",
        "trimtab/v1/f1/robot/req/30313233343536373839616263646566/007",
        "trimtab/v1/f1/robot/req/30313233343536373839616263646566/64",
        "trimtab/v1/f1/robot/res/3031323334353637383961626364656F",
        "trimtab/v1/f1/robot/res/30313233343536373839616263646566/more",
        "trimtab/v1/f1/robot/status/more/and/more",
    ] {
        assert!(Topic::parse(text).is_err(), "{text} was taken");
    }
    assert!(Topic::parse(&"x".repeat(300)).is_err());
}

proptest! {
    #[test]
    fn a_topic_parses_back(name in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}", bytes: [u8; 16], n in 0_u32..64) {
        let device = DeviceId::new(&name).unwrap();
        for topic in [
            Topic::Chunk(fleet(), device.clone(), RequestId(bytes), n),
            Topic::Response(FleetId::new(&name).unwrap(), device, RequestId(bytes)),
            Topic::Offers(fleet(), BridgeId::new(&name).unwrap()),
        ] {
            prop_assert_eq!(Topic::parse(&topic.to_string()), Ok(topic));
        }
    }

    #[test]
    fn any_text_is_refused_or_is_its_own_spelling(text in "(trimtab/v1/)?[a-z_/+#0-9]{0,40}") {
        if let Ok(topic) = Topic::parse(&text) {
            prop_assert_eq!(topic.to_string(), text);
        }
    }
}
