//! An endpoint of another's, with a server that answers as it is told.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

/// Gets the body of a request, and gives status and body of the answer.
type Answer = Box<dyn FnMut(&Json) -> (u16, String) + Send>;

struct Server {
    url: String,
    requests: Arc<Mutex<VecDeque<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(mut answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let requests: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                let (_, body) = request.split_once("\r\n\r\n").unwrap();
                let (status, body) = answer(&serde_json::from_str(body).unwrap());
                seen.lock().unwrap().push_back(request);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self {
            url,
            requests,
            _task: task,
        }
    }

    fn config(&self) -> EndpointConfig {
        let config = json!({"url": self.url, "model": "small", "timeout": "5s", "batch": 4});
        serde_json::from_value(config).unwrap()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        stream.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8(request.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            return text;
        }
    }
}

/// Vectors as the hashing encoder makes them, three times as long, the last text first.
fn hashed(question: &Json) -> (u16, String) {
    let encoder = Hashing::new("", 8);
    let texts = question["input"].as_array().unwrap();
    let texts = texts.iter().map(|text| text.as_str().unwrap());
    if texts.clone().any(|text| text.contains("refuse")) {
        return (400, "too long".to_owned());
    }
    let vectors = texts.map(|text| encoder.embed(text).into_iter().map(|x| x * 3.0));
    let data: Vec<Json> = vectors
        .enumerate()
        .map(|(index, vector)| json!({"index": index, "embedding": vector.collect::<Vec<_>>()}))
        .rev()
        .collect();
    (200, json!({ "data": data }).to_string())
}

fn endpoint(stage: &Stage, store: &Arc<Store>, endpoint: EndpointConfig) -> Embedder {
    let config = EmbeddingConfig {
        endpoint: Some(endpoint),
        ..EmbeddingConfig::default()
    };
    stage.build(store, &config).unwrap()
}

fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts_and_have_length_1() {
    let stage = Stage::new();
    let store = stage.open().await;
    let server = Server::start(Box::new(hashed)).await;
    let mut config = server.config();
    config.key_env = Some("TEST_KEY".to_owned());
    let embedder = endpoint(&stage, &store, config);
    let query = embedder.query("first words").await.unwrap();
    let encoder = Hashing::new("", 8);
    assert!(near(&query.vector, &encoder.embed("first words")));
    let texts = ["one", "two", "three"];
    let vectors = embedder.embed(texts.map(str::to_owned).to_vec()).await;
    for (text, vector) in texts.iter().zip(vectors.unwrap()) {
        assert!(near(&vector, &encoder.embed(text)), "{text}");
    }
    let request = server.requests.lock().unwrap().pop_back().unwrap();
    let request = request.to_lowercase();
    assert!(request.starts_with("post /v1/embeddings "), "{request}");
    assert!(
        request.contains("authorization: bearer s3cret"),
        "{request}"
    );
    assert!(request.contains("\"model\":\"small\""), "{request}");
    let name = store.model_in_use().await.unwrap().unwrap().1;
    assert_eq!(
        (name.name, name.dimension),
        (format!("{} small", server.url), 8)
    );
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_for_a_while() {
    let stage = Stage::new();
    let store = stage.open().await;
    for (status, body, reason) in [
        (500, "down", "it answered 500 down"),
        (401, "who?", "it answered 401 who?"),
        (200, "nonsense", "expected"),
        (200, r#"{"data":[]}"#, "0 vectors came for 1 texts"),
        (
            200,
            r#"{"data":[{"index":0,"embedding":[0,0]}]}"#,
            "no direction",
        ),
        (
            200,
            r#"{"data":[{"index":0,"embedding":[1,0]}]}"#,
            "has 2 numbers, not 3",
        ),
    ] {
        let server = Server::start(Box::new(move |_| (status, body.to_owned()))).await;
        let mut config = server.config();
        config.dimension = std::num::NonZeroU32::new(3);
        let embedder = endpoint(&stage, &store, config);
        assert_eq!(embedder.availability(), Availability::Ready);
        for _ in 0..2 {
            let error = embedder.query("text").await.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(server.count(), 1, "{reason}");
        assert_ne!(embedder.availability(), Availability::Ready);
    }
}

#[tokio::test]
async fn a_text_that_an_endpoint_refuses_fails_alone() {
    let stage = Stage::new();
    let store = stage.open().await;
    let server = Server::start(Box::new(hashed)).await;
    let embedder = endpoint(&stage, &store, server.config());
    let drafts = ["a", "b", "refuse", "d", "e"].map(|text| draft(text, text));
    store.put_all(drafts.to_vec()).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(Worker::new(embedder.clone()).run(stop.clone()));
    for _ in 0..400 {
        if store.embedding_progress().await.unwrap().done == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let progress = store.embedding_progress().await.unwrap();
    assert_eq!((progress.done, progress.pending), (4, 1));
    assert_eq!(embedder.availability(), Availability::Ready);
    // To learn the dimension, of four texts, of each of them, and of the one that is left.
    assert_eq!(server.count(), 1 + 1 + 4 + 1);
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn what_cannot_be_an_endpoint_is_refused_at_the_start() {
    let stage = Stage::new();
    let store = stage.open().await;
    let refused = |url: &str, key: Option<&str>| {
        let config = json!({"url": url, "model": "small", "key_env": key});
        let config = EmbeddingConfig {
            endpoint: Some(serde_json::from_value(config).unwrap()),
            ..EmbeddingConfig::default()
        };
        stage.build(&store, &config).unwrap_err().to_string()
    };
    let error = refused("http://10.1.2.3/v1", None);
    assert!(error.starts_with("embedding.endpoint.url: "), "{error}");
    let error = refused("http://127.0.0.1/v1", Some("NO_KEY"));
    assert_eq!(error, "embedding.endpoint.key_env: NO_KEY is not set");
}
