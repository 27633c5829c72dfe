//! An embeddings endpoint of the kind that `OpenAI` defined and many serve.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_egress::{
    Completeness, Egress, Method, Request, RequestHeaders, Response, Robots, VettedUrl,
};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::config::EndpointConfig;
use super::{EmbedError, SetupError, Unavailable};
use crate::store::ModelName;

/// How long an endpoint that failed is not asked again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// The largest answer, in bytes: 64 vectors of 4096 numbers take about 6 MB.
const LARGEST_ANSWER: u64 = 32 << 20;
/// What is embedded to learn how many numbers a vector has.
const PROBE: &str = "dimension";

pub(super) struct Endpoint {
    egress: Egress,
    url: VettedUrl,
    headers: RequestHeaders,
    pub(super) config: EndpointConfig,
    name: OnceCell<ModelName>,
    trouble: Mutex<Option<(String, Instant)>>,
}

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: &'a [String],
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

impl Endpoint {
    /// Judges the URL and reads the key; asks nothing yet.
    pub(super) fn new(
        config: EndpointConfig,
        egress: Egress,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SetupError> {
        let url = format!("{}/embeddings", config.url.trim_end_matches('/'));
        let url = egress.vet(&url).map_err(|refusal| SetupError::Url {
            reason: refusal.to_string(),
        })?;
        let mut fields = vec![("content-type", "application/json".to_owned())];
        if let Some(variable) = &config.key_env {
            let wrong = |reason| SetupError::Key {
                variable: variable.clone(),
                reason,
            };
            let key = environment(variable).ok_or_else(|| wrong("is not set"))?;
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(wrong("does not hold a bearer token (RFC 6750)"));
            }
            fields.push(("authorization", format!("Bearer {key}")));
        }
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let headers = RequestHeaders::try_new(fields).map_err(|refusal| SetupError::Url {
            reason: refusal.to_string(),
        })?;
        Ok(Self {
            egress,
            url,
            headers,
            config,
            name: OnceCell::new(),
            trouble: Mutex::new(None),
        })
    }

    /// What its vectors are known by; asks when the configuration does not say all of it.
    pub(super) async fn name(&self) -> Result<ModelName, EmbedError> {
        let learn = async || {
            let dimension = match self.config.dimension {
                Some(dimension) => usize::try_from(dimension.get()).unwrap_or(usize::MAX),
                None => self
                    .ask(&[PROBE.to_owned()])
                    .await?
                    .iter()
                    .map(Vec::len)
                    .sum(),
            };
            let name = format!("{} {}", self.config.url, self.config.model);
            Ok::<_, EmbedError>(ModelName { name, dimension })
        };
        self.name.get_or_try_init(learn).await.cloned()
    }

    /// A vector of length 1 for each text.
    pub(super) async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let dimension = self.name().await?.dimension;
        let vectors = self.ask(texts).await?;
        match vectors.iter().find(|vector| vector.len() != dimension) {
            None => Ok(vectors),
            Some(vector) => Err(self.failed(format!(
                "a vector has {} numbers, not {dimension}",
                vector.len()
            ))),
        }
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if let Some(trouble) = self.trouble() {
            return Err(trouble.into());
        }
        let question = Question {
            model: &self.config.model,
            input: texts,
        };
        let body = serde_json::to_vec(&question);
        let body = body.map_err(|error| self.failed(error.to_string()))?;
        let request = Request {
            method: Method::Post,
            headers: self.headers.clone(),
            body: Bytes::from(body),
            timeout: self.config.timeout,
            max_body_bytes: LARGEST_ANSWER,
            robots: Robots::Ignore,
            ..Request::get(self.url.clone())
        };
        let response = self.egress.send(request).await;
        let response = response.map_err(|error| self.failed(error.explained()))?;
        match response.status {
            200..300 => {
                let vectors = read(&response, texts.len());
                vectors.map_err(|reason| self.failed(reason))
            }
            // What the server cannot take of the content; the rest of 4xx is about the request.
            400 | 413 | 422 => Err(EmbedError::Text {
                reason: format!("the endpoint answered {}", excerpt(&response)),
            }),
            _ => Err(self.failed(format!("it answered {}", excerpt(&response)))),
        }
    }

    /// Remembers that it failed, so that nobody waits for it in vain for a while.
    fn failed(&self, reason: String) -> EmbedError {
        *self.lock() = Some((reason.clone(), Instant::now()));
        Unavailable::Endpoint { reason }.into()
    }

    /// Why it is not asked now.
    pub(super) fn trouble(&self) -> Option<Unavailable> {
        let trouble = self.lock();
        let (reason, since) = trouble.as_ref()?;
        let reason = reason.clone();
        (since.elapsed() < AFTER_FAILURE).then_some(Unavailable::Endpoint { reason })
    }

    fn lock(&self) -> MutexGuard<'_, Option<(String, Instant)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The status and the beginning of the text.
fn excerpt(response: &Response) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let text: String = text.chars().take(200).collect();
    format!("{} {}", response.status, text.escape_debug())
}

/// The vectors in the order of the texts.
fn read(response: &Response, texts: usize) -> Result<Vec<Vec<f32>>, String> {
    if response.completeness == Completeness::Cut {
        return Err("the answer is too long".to_owned());
    }
    let answer: Answer =
        serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
    let mut items = answer.data;
    items.sort_by_key(|item| item.index);
    if !items.iter().map(|item| item.index).eq(0..texts) {
        let got = items.len();
        return Err(format!("{got} vectors came for {texts} texts"));
    }
    items.into_iter().map(|item| unit(item.embedding)).collect()
}

/// Of length 1, so that a product of two is their cosine.
fn unit(vector: Vec<f32>) -> Result<Vec<f32>, String> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() || length <= 0.0 {
        return Err("a vector has no direction".to_owned());
    }
    Ok(vector.into_iter().map(|x| x / length).collect())
}
