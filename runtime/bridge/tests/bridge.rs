//! The bridge between a real broker and a real HTTP upstream with every way of failing.

mod stage;

use std::time::Duration;

use stage::{Device, Stage, Upstream, WAIT, node};
use trimtab_core::{Millis, Usd};
use trimtab_wire::operator::{Offers, Payload};
use trimtab_wire::{Answer, Down, Finish, Refusal, RefusalReason, filters};

#[track_caller]
fn answer(outcome: Down) -> Answer {
    match outcome {
        Down::Answer(answer) => answer,
        other => panic!("no answer: {other:?}"),
    }
}

#[track_caller]
fn refused(outcome: Down, reason: RefusalReason) -> Refusal {
    match outcome {
        Down::Refusal(refusal) if refusal.reason == reason => refusal,
        other => panic!("not refused as {reason:?}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_views_go_up_in_chunks_and_one_priced_answer_comes_back() {
    let upstream = Upstream::start().await;
    upstream.answers("It is red.", 300, 4);
    let stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let views = [70_000, 68_123, 61_877];
    let heard = device.ask(stage::question("good", 1), &views).await;
    assert!(heard.grants >= 1);
    assert_eq!(heard.streamed, "It is red.".get(..heard.streamed.len()).unwrap(), "pieces are a part of the answer");
    let answer = answer(heard.outcome);
    assert_eq!((answer.text.as_str(), answer.finish, answer.replayed), ("It is red.", Finish::Stop, false));
    // 300 tokens at 2.5, 4 at 10 and 3 images at 1000 USD for a million.
    assert_eq!(answer.cost, Usd::from_nano(300 * 2_500 + 4 * 10_000 + 3 * 1_000_000));

    let body = upstream.last_body();
    let parts = body["messages"][1]["content"].as_array().unwrap();
    assert_eq!(parts[0]["text"], "What colour is the cup?");
    for (part, size) in parts[1..].iter().zip(views) {
        let url = part["image_url"]["url"].as_str().unwrap();
        let base64 = url.strip_prefix("data:image/jpeg;base64,").unwrap();
        assert_eq!(base64.len(), size.div_ceil(3) * 4);
    }
    assert_eq!(upstream.last_authorization(), "Bearer key-of-good");
    assert_eq!(stage.bridge().counts().upstream_calls, 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_is_paid_once_even_across_a_restart() {
    let upstream = Upstream::start().await;
    upstream.answers("Yes.", 20, 2);
    let mut stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let first = answer(device.ask(stage::question("good", 1), &[]).await.outcome);
    stage.restart().await;
    let again = answer(device.ask(stage::question("good", 1), &[]).await.outcome);
    assert_eq!(Answer { replayed: true, ..first }, again);
    let mut other = Device::start(&stage, "other").await;
    assert!(!answer(other.ask(stage::question("good", 1), &[]).await.outcome).replayed, "ids are a device's own");
    assert_eq!(upstream.calls(), 2);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_of_a_request_in_flight_share_one_call() {
    let upstream = Upstream::start().await;
    upstream.answers("Yes.", 20, 2);
    upstream.delay(Duration::from_millis(1_500));
    let stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let mut upload = device.publish(stage::question("good", 1), &[]).await;
    upstream.called(1).await;
    upload.retry(Millis::new(5_000));
    device.publish_upload(&upload).await;
    assert_eq!(answer(device.hear(&mut upload).await.outcome).text, "Yes.");
    assert_eq!((upstream.calls(), stage.bridge().counts().attached), (1, 1));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_call_and_answer_costs_all_that_was_allowed() {
    let upstream = Upstream::start().await;
    upstream.never_answers();
    let mut stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let mut upload = device.publish(stage::question("good", 1), &[]).await;
    upstream.called(1).await;
    stage.restart().await;
    upload.retry(Millis::new(5_000));
    device.publish_upload(&upload).await;
    let refusal = refused(device.hear(&mut upload).await.outcome, RefusalReason::OutcomeUnknown);
    assert_eq!(refusal.cost, upload.request().max_cost);
    assert_eq!(upstream.calls(), 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_allowance_caps_the_tokens_or_refuses_before_the_call() {
    let upstream = Upstream::start().await;
    upstream.answers("Yes.", 20, 2);
    let stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let mut question = stage::question("good", 1);
    question.max_cost = Usd::from_nano(400_000);
    answer(device.ask(question.clone(), &[]).await.outcome);
    let text = question.prompt.len() + question.messages[0].text.len();
    let left = 400_000 - (text as u64 + 2 * 8) * 2_500;
    assert_eq!(upstream.last_body()["max_tokens"], left / 10_000, "as many as are sure to fit");

    let mut poor = stage::question("good", 2);
    poor.max_cost = Usd::from_nano(900);
    let refusal = refused(device.ask(poor, &[]).await.outcome, RefusalReason::CostLimit);
    assert!(refusal.detail.contains("0.900 µUSD is allowed"), "{}", refusal.detail);
    let crowded = device.ask(stage::question("good", 3), &[900, 900, 900, 900, 900]).await;
    refused(crowded.outcome, RefusalReason::NodeLimit);
    refused(device.ask(stage::question("unheard-of", 4), &[]).await.outcome, RefusalReason::UnknownNode);
    assert_eq!(upstream.calls(), 1);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_of_an_upstream_is_named() {
    let upstream = Upstream::start().await;
    let stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let html = "<html><body>Welcome</body></html>";
    let failed = RefusalReason::UpstreamFailed;
    let garbled = RefusalReason::UpstreamGarbled;
    let cases: [(&str, RefusalReason, &str, bool); 6] = [
        (
            &stage::plain("500 Internal Server Error", "application/json", r#"{"error":{"message":"out of memory"}}"#),
            failed,
            "answered 500 Internal Server Error (out of memory)",
            false,
        ),
        (&stage::plain("400 Bad Request", "text/html", html), failed, "Welcome", false),
        (&stage::plain("200 OK", "text/html", html), garbled, "\"text/html\" instead of JSON", true),
        (&stage::plain("200 OK", "application/json", "{\"choices\":3}"), garbled, "no completion", true),
        (
            &stage::plain("200 OK", "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"Y\"}}]}\n\n"),
            garbled,
            "ended its stream before",
            true,
        ),
        (
            &stage::plain("200 OK", "text/event-stream", "data: {\"error\":{\"message\":\"overheated\"}}\n\n"),
            failed,
            "gave up (overheated)",
            true,
        ),
    ];
    for (n, (response, reason, expect, charged)) in cases.into_iter().enumerate() {
        upstream.responds(response);
        // The circuit must not open here: a good answer in between closes it.
        let refusal = refused(device.ask(stage::question("good", 10 + n as u8), &[]).await.outcome, reason);
        assert!(refusal.detail.starts_with("node good ") && refusal.detail.contains(expect), "{}", refusal.detail);
        assert_eq!(refusal.cost > Usd::ZERO, charged, "{}", refusal.detail);
        upstream.answers("Yes.", 20, 2);
        answer(device.ask(stage::question("good", 100 + n as u8), &[]).await.outcome);
    }
    upstream.never_answers();
    let mut hurried = stage::question("good", 50);
    hurried.deadline = Millis::new(1_500);
    let refusal = refused(device.ask(hurried, &[]).await.outcome, RefusalReason::Deadline);
    assert!(refusal.cost > Usd::ZERO, "nobody knows whether the upstream charges for it");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_answers_only_where_allowed_and_affordable() {
    let (good, cheap) = (Upstream::start().await, Upstream::start().await);
    good.responds(&stage::plain("503 Service Unavailable", "text/plain", "busy"));
    cheap.answers("Yes.", 20, 2);
    let stage = Stage::start(&[("good", &good), ("cheap", &cheap)]).await;
    let mut device = Device::start(&stage, "robot").await;
    refused(device.ask(stage::question("good", 1), &[]).await.outcome, RefusalReason::UpstreamFailed);
    let mut question = stage::question("good", 2);
    question.fallback_allowed = true;
    assert_eq!(answer(device.ask(question.clone(), &[]).await.outcome).node, node("cheap"));
    question.id.0[0] = 3;
    refused(
        device.ask(stage::Question { fallback_allowed: false, ..question.clone() }, &[]).await.outcome,
        RefusalReason::UpstreamFailed,
    );
    // Three failures in a row: the node rests, is no longer asked, and is offered as unavailable.
    let calls = good.calls();
    question.id.0[0] = 4;
    assert_eq!(answer(device.ask(question.clone(), &[]).await.outcome).node, node("cheap"));
    refused(device.ask(stage::question("good", 5), &[]).await.outcome, RefusalReason::CircuitOpen);
    assert_eq!(good.calls(), calls);
    let offers = device.wait_for_offers(|offers| offers.nodes.iter().any(|offer| !offer.available)).await;
    assert_eq!(offers.nodes.iter().filter(|offer| offer.available).count(), 1);
    assert!(offers.nodes.iter().any(|offer| offer.node == node("cheap") && offer.calls == 1), "measured, not declared");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_and_the_bridge_goes_on() {
    let upstream = Upstream::start().await;
    upstream.answers("Yes.", 20, 2);
    let stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let mut upload = stage::upload(stage::question("good", 1), &[]);
    device.publish_raw(b"\x01garbage", upload.request().id).await;
    let refusal = refused(device.hear(&mut upload).await.outcome, RefusalReason::Malformed);
    assert!(refusal.detail.contains("garbled"), "{}", refusal.detail);
    let mut no_picture = stage::upload_bytes(stage::question("good", 2), vec![b"PNG, perhaps".to_vec()]);
    device.publish_upload(&no_picture).await;
    let refusal = refused(device.hear(&mut no_picture).await.outcome, RefusalReason::Malformed);
    assert_eq!(refusal.detail, "view view-0 is no JPEG");
    answer(device.ask(stage::question("good", 3), &[]).await.outcome);
    assert_eq!((stage.bridge().counts().malformed, upstream.calls()), (1, 1));
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_bridge_finishes_and_withdraws_its_offers() {
    let upstream = Upstream::start().await;
    upstream.answers("Yes.", 20, 2);
    upstream.delay(Duration::from_millis(300));
    let stage = Stage::start(&[("good", &upstream)]).await;
    let mut device = Device::start(&stage, "robot").await;
    let offers = device.wait_for_offers(|offers| !offers.nodes.is_empty()).await;
    assert_eq!(offers.nodes[0].profile().price_prompt, Usd::from_nano(2_500_000_000));
    assert_eq!(filters::offers(&stage::fleet()), "trimtab/v1/home/_bridge/+/offers");
    assert!(Offers::decode(&offers.encode().unwrap()).is_ok());
    let mut upload = device.publish(stage::question("good", 1), &[]).await;
    upstream.called(1).await;
    let stopping = tokio::spawn(stage.stop());
    assert_eq!(answer(device.hear(&mut upload).await.outcome).text, "Yes.");
    device.wait_for_offers(|offers| offers.nodes.is_empty()).await;
    tokio::time::timeout(WAIT, stopping).await.unwrap().unwrap();
}
