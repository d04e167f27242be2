//! The stand-in cloud from a client's side: answers from pixels, the API's shapes, refusals, and declared time.

#[path = "../../engine/tests/engine/tiny.rs"]
mod tiny;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use trimtab_engine::{GenerateOptions, LanguageModel, RgbFrame, Vqa};
use trimtab_standin::{Pacer, RunningStandIn, ServedModel, ServerProfile, StandIn, StandInConfig, StandInError};

const KEY: &str = "secret";
const PROFILE: ServerProfile = ServerProfile {
    first_token: Duration::from_secs(2),
    per_image: Duration::from_millis(300),
    per_token: Duration::from_millis(20),
    images_max: 3,
    image_tokens: 85,
    context_tokens_max: 2048,
};

/// Writes down what it was asked to let pass.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Duration>>>);

impl Pacer for Recorder {
    async fn pause(&self, span: Duration) {
        self.0.lock().unwrap().push(span);
    }
}

struct Cloud {
    dir: tempfile::TempDir,
    server: RunningStandIn,
    pauses: Recorder,
}

impl Cloud {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        tiny::vqa(&dir.path().join("good"), &["red", "blue", "the cup", "two", "I cannot see it"]);
        tiny::vqa(&dir.path().join("cheap"), &["<text>"]);
        tiny::language(&dir.path().join("lm"));
        let pauses = Recorder::default();
        let server = StandIn::start(config(dir.path()), pauses.clone()).await.unwrap();
        Self { dir, server, pauses }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        let stream = TcpStream::connect(self.server.addr()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap())
    }

    async fn post(&self, body: impl ToString) -> (StatusCode, String) {
        let request = Request::post("/v1/chat/completions")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {KEY}"))
            .body(Full::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    async fn complete(&self, body: &Value) -> Value {
        let (status, text) = self.post(body).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn config(dir: &Path) -> StandInConfig {
    let model = |name: &str| ServedModel { name: name.into(), folder: dir.join(name), profile: PROFILE };
    StandInConfig::on_loopback(KEY, vec![model("good"), model("cheap")], dir.join("lm"))
}

fn jpeg(red: u8, green: u8, blue: u8) -> Vec<u8> {
    RgbFrame::new(32, 24, [red, green, blue].repeat(32 * 24)).unwrap().to_jpeg(90).unwrap()
}

fn ask(model: &str, question: &str, pictures: &[Vec<u8>]) -> Value {
    let url = |jpeg: &Vec<u8>| format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
    let mut content = vec![json!({"type": "text", "text": question})];
    content
        .extend(pictures.iter().map(|p| json!({"type": "image_url", "image_url": {"url": url(p), "detail": "low"}})));
    let system = json!({"role": "system", "content": "You look after a home."});
    json!({"model": model, "messages": [system, {"role": "user", "content": content}]})
}

fn text(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_from_the_pixels_and_nothing_else() {
    let cloud = Cloud::start().await;
    let model = Vqa::load(&cloud.dir.path().join("good")).unwrap();
    let mut replies = Vec::new();
    for jpeg in [jpeg(255, 0, 0), jpeg(0, 0, 255), jpeg(0, 255, 0)] {
        let seen = model.answer(&[RgbFrame::decode(&jpeg, "x").unwrap()], "what is it?").unwrap();
        let completion = cloud.complete(&ask("good", "what is it?", &[jpeg])).await;
        assert!(text(&completion).contains(&seen.text), "{completion} for {seen:?}");
        assert_eq!(completion["choices"][0]["finish_reason"], "stop");
        replies.push(text(&completion).to_owned());
    }
    replies.dedup();
    assert!(replies.len() > 1, "every picture gave {replies:?}");
    assert_eq!(cloud.server.completions(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_question_is_not_about_pictures_the_language_model_replies() {
    let cloud = Cloud::start().await;
    let language = LanguageModel::load(&cloud.dir.path().join("lm")).unwrap();
    let options = GenerateOptions { max_tokens: 9, ..GenerateOptions::default() };
    let expected =
        language.session().generate("write to Anna", &options, &mut |_| ControlFlow::Continue(())).unwrap().text;
    for (model, pictures) in [("good", vec![]), ("cheap", vec![]), ("cheap", vec![jpeg(9, 9, 9)])] {
        let mut body = ask(model, "write to Anna", &pictures);
        body["max_tokens"] = 9.into();
        assert_eq!(text(&cloud.complete(&body).await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_carries_the_same_text_and_the_usage() {
    let cloud = Cloud::start().await;
    let mut body = ask("good", "what is it?", &[jpeg(200, 40, 0), jpeg(0, 40, 200)]);
    let whole = cloud.complete(&body).await;
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let (status, events) = cloud.post(&body).await;
    assert_eq!(status, StatusCode::OK);
    let mut events: Vec<&str> = events.split_terminator("\n\n").map(|e| e.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let (usage, events) = events.split_last().unwrap();
    let delta = |event: &Value| event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned();
    assert_eq!(events.iter().map(delta).collect::<String>(), text(&whole));
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &whole["usage"]));

    let tokens = whole["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(events.len() as u64, tokens + 2, "one event for each token, the first and the last");
    assert_eq!(whole["usage"]["prompt_tokens_details"]["image_tokens"], 170);
    let total = whole["usage"]["prompt_tokens"].as_u64().unwrap() + tokens;
    assert_eq!(whole["usage"]["total_tokens"], total);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stops_at_the_tokens_allowed() {
    let cloud = Cloud::start().await;
    let mut body = ask("good", "what is it?", &[jpeg(255, 0, 0)]);
    let whole = cloud.complete(&body).await;
    body["max_tokens"] = 2.into();
    let cut = cloud.complete(&body).await;
    assert_eq!(cut["usage"]["completion_tokens"], 2);
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert!(text(&whole).starts_with(text(&cut)));
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_time_passes_and_our_own_counts_towards_it() {
    let cloud = Cloud::start().await;
    let body = ask("good", "what is it?", &[jpeg(1, 2, 3), jpeg(4, 5, 6)]);
    let whole = cloud.complete(&body).await;
    let tokens = whole["usage"]["completion_tokens"].as_u64().unwrap() as u32;
    let declared = PROFILE.before_first_token(2) + PROFILE.per_token * (tokens - 1);
    let paused: Duration = cloud.pauses.0.lock().unwrap().drain(..).sum();
    assert!(paused <= declared && paused > declared / 2, "{paused:?} of {declared:?}");

    let mut streamed = body;
    streamed["stream"] = true.into();
    cloud.post(&streamed).await;
    let pauses = cloud.pauses.0.lock().unwrap().clone();
    assert_eq!(pauses[1..], vec![PROFILE.per_token; tokens as usize - 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_the_shape_of_the_api() {
    let cloud = Cloud::start().await;
    let picture = || jpeg(5, 5, 5);
    let mut role = ask("good", "hello", &[]);
    role["messages"][0]["role"] = "captain".into();
    let mut remote = ask("good", "hello", &[picture()]);
    remote["messages"][1]["content"][1]["image_url"]["url"] = "http://127.0.0.1/cat.jpg".into();
    let cut = picture()[..200].to_vec();
    let nobody = json!({"model": "good", "messages": [{"role": "system", "content": "x"}]});
    let cases: [(String, u16, Value, &str); 9] = [
        ("no json".into(), 400, Value::Null, "expected"),
        ("{}".into(), 400, Value::Null, "model"),
        (role.to_string(), 400, Value::Null, "captain"),
        (nobody.to_string(), 400, Value::Null, "no message of the user"),
        (ask("gpt", "hello", &[]).to_string(), 404, "model_not_found".into(), "good, cheap"),
        (
            ask("good", "x", &[picture(), picture(), picture(), picture()]).to_string(),
            400,
            "too_many_images".into(),
            "3",
        ),
        (ask("good", "x", &[cut]).to_string(), 400, "invalid_image".into(), "truncated JPEG"),
        (remote.to_string(), 400, "invalid_image".into(), "data:"),
        (ask("good", &"x ".repeat(2000), &[]).to_string(), 400, "context_length_exceeded".into(), "2048"),
    ];
    for (body, status, code, part) in cases {
        let (found, text) = cloud.post(&body).await;
        let error = &serde_json::from_str::<Value>(&text).unwrap()["error"];
        assert_eq!((found.as_u16(), &error["code"]), (status, &code), "{text}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(part), "{text}");
    }
    assert_eq!(cloud.server.completions(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_to_those_who_have_the_key() {
    let cloud = Cloud::start().await;
    let get = |path: &str, key: &str| {
        let request = Request::get(path).header("host", "localhost").header("authorization", format!("Bearer {key}"));
        request.body(Full::default()).unwrap()
    };
    let (status, body) = cloud.send(get("/v1/models", KEY)).await;
    let list: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(list["data"].as_array().unwrap().iter().map(|m| &m["id"]).collect::<Vec<_>>(), ["good", "cheap"]);
    assert_eq!(cloud.send(get("/v1/models", "guess")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(cloud.send(get("/v1/files", KEY)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(cloud.send(get("/v1/chat/completions", KEY)).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_gone_and_a_broken_folder_starts_none() {
    let cloud = Cloud::start().await;
    let addr = cloud.server.addr();
    cloud.server.stop().await;
    assert!(TcpStream::connect(addr).await.is_err());

    std::fs::remove_file(cloud.dir.path().join("cheap/config.json")).unwrap();
    let error = StandIn::start(config(cloud.dir.path()), Recorder::default()).await.unwrap_err();
    assert!(matches!(&error, StandInError::Model { name, .. } if name == "cheap"), "{error}");
}
