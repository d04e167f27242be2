//! The API over real sockets, answered by the local model.

use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::home::{Home, exchange, get, http, post};

fn chat(prompt: &str, stream: bool) -> String {
    let body =
        json!({"model": "trimtab", "stream": stream, "user": "kim", "messages": [{"role": "user", "content": prompt}]});
    post("/v1/chat/completions", &body.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_answered_explained_and_scored() {
    let home = Home::new();
    let (device, api) = home.served().await;
    let address = api.address().unwrap();

    let reply = http(address, &chat("Please turn off the lamp.", false)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answer = reply.json();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(!text.is_empty());
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(reply.header("x-trimtab-placement"), Some("local"));
    assert_eq!(reply.header("x-trimtab-views"), Some(""));
    assert_eq!(reply.header("x-trimtab-reason"), Some("best_score"));
    let turn = reply.header("x-trimtab-turn").unwrap().to_owned();
    assert_eq!(turn, "1-1");

    let scored = http(address, &post("/v1/trimtab/feedback", &json!({"turn": turn, "score": 0.75}).to_string())).await;
    assert_eq!(scored.status, 200, "{}", scored.body);
    let record = http(address, &get(&format!("/v1/trimtab/explain/{turn}"))).await.json();
    assert_eq!(record["answer"], text);
    assert_eq!(record["conversation_name"], "kim");
    assert_eq!(record["feedback"], json!([{"score": 0.75, "source": "user"}]));
    assert_eq!(record["views"].as_array().unwrap().len(), 3);

    let status = http(address, &get("/v1/trimtab/status")).await.json();
    assert_eq!((&status["turns"], &status["local"], &status["faults"][0]), (&json!(1), &json!(true), &Value::Null));
    api.stop().await;
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_turn_sends_its_decision_first() {
    let home = Home::new();
    let (device, api) = home.served().await;
    let reply = http(api.address().unwrap(), &chat("Please turn on the radio.", true)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("x-trimtab-placement"), Some("local"));
    let events: Vec<&str> = reply.body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    let record = device.record("1-1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(text, record.answer);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], record.finish.openai());
    api.stop().await;
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_socket_serves_the_same_and_is_not_taken_over() {
    let home = Home::new();
    let (device, api) = home.served().await;
    let socket = UnixStream::connect(api.socket()).await.unwrap();
    let models = exchange(socket, &get("/v1/models")).await.json();
    assert_eq!(models["data"][0]["id"], "trimtab");
    let second = trimtab_device::api::Api::start(device.clone(), &home.config().api).await.unwrap_err();
    assert!(second.to_string().contains("another runtime serves"), "{second}");
    api.stop().await;
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_are_told_what_is_wrong() {
    let home = Home::new();
    let (device, api) = home.served().await;
    let address = api.address().unwrap();
    let wizard = json!({"model": "trimtab", "messages": [{"role": "wizard", "content": "hi"}]}).to_string();
    let long = json!({"model": "trimtab", "messages": [{"role": "user", "content": "x".repeat(1 << 20)}]}).to_string();
    let cases = [
        (post("/v1/chat/completions", "{\"model\""), 400, "the body is no JSON"),
        (post("/v1/chat/completions", &wizard), 400, "role \"wizard\" is unknown; use system"),
        (post("/v1/chat/completions", &long), 413, "leave out old messages"),
        (post("/v1/trimtab/feedback", "{\"turn\": \"1-1\", \"score\": 2}"), 400, "it lies in 0..=1"),
        (post("/v1/trimtab/feedback", "{\"turn\": \"9-9\", \"score\": 1}"), 404, "turn 9-9 is not in the ledger"),
        (get("/v1/trimtab/explain/seven"), 400, "write boot-number, as in 3-17"),
        (get("/v1/completions"), 404, "/v1/chat/completions"),
        (get("/v1/chat/completions"), 405, "takes POST"),
        (
            "GET /healthz HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".to_owned(),
            403,
            "is not this machine",
        ),
        (
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\nconnection: close\r\n\r\n"
                .to_owned(),
            403,
            "may not use the robot's API",
        ),
    ];
    for (request, status, message) in cases {
        let reply = http(address, &request).await;
        assert_eq!(reply.status, status, "{message}: {}", reply.body);
        let error = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(error.contains(message), "{error}");
    }
    // None of it stopped the runtime.
    assert_eq!(http(address, &chat("Please turn off the lamp.", false)).await.status, 200);
    api.stop().await;
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_wait_in_a_bounded_queue() {
    use trimtab_device::shell::{Ask, AskError, TURNS_WAITING_MAX};
    let home = Home::new();
    let (device, api) = home.served().await;
    let ask = || Ask { conversation: "kim".into(), prompt: "Please turn off the lamp.".into(), ..Ask::default() };
    let mut taken = Vec::new();
    let full = loop {
        match device.ask(ask()) {
            Ok(news) => taken.push(news),
            Err(fault) => break fault,
        }
    };
    assert_eq!(full, AskError::Full);
    assert!(taken.len() >= TURNS_WAITING_MAX);
    for news in taken {
        assert!(news.record().await.is_some());
    }
    api.stop().await;
    device.stop().await;
    assert_eq!(device.ask(ask()).unwrap_err(), AskError::Stopping);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_are_named_only_where_that_is_allowed() {
    use trimtab_device::shell::{Device, Parts};
    let chat = |actions: &Value| {
        let body = json!({
            "model": "trimtab", "messages": [{"role": "user", "content": "Please turn off the lamp."}],
            "trimtab": {"actions": actions},
        });
        post("/v1/chat/completions", &body.to_string())
    };
    let local = json!([{"node": "local"}]);
    for explore in [false, true] {
        let home = Home::new();
        let mut config = home.config();
        assert!(!config.api.explore, "it has to be asked for");
        config.api.explore = explore;
        let api_config = config.api.clone();
        let device = Device::start(config, Parts::default()).await.unwrap();
        let api = trimtab_device::api::Api::start(device.clone(), &api_config).await.unwrap();
        let address = api.address().unwrap();
        let reply = http(address, &chat(&local)).await;
        if explore {
            assert_eq!((reply.status, reply.header("x-trimtab-reason")), (200, Some("only")), "{}", reply.body);
            for (actions, expect) in [
                (json!([{"node": "moon"}]), "trimtab.actions[0].node: \"moon\" is no node"),
                (
                    json!([{"node": "local"}, {"node": "local", "views": ["roof"]}]),
                    "actions[1].views: \"roof\" is no camera",
                ),
                (json!([{"node": "local", "views": ["wrist"]}]), "the local node takes no views"),
            ] {
                let reply = http(address, &chat(&actions)).await;
                assert!(reply.status == 400 && reply.body.replace("\\\"", "\"").contains(expect), "{}", reply.body);
            }
        } else {
            assert_eq!((reply.status, &reply.json()["error"]["code"]), (403, &json!("explore_not_allowed")));
        }
        api.stop().await;
        device.stop().await;
    }
}
