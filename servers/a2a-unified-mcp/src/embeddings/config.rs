//! What the operator may set.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where vectors come from, and what they may cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// `auto` takes the endpoint when one is set and otherwise the first model that is found: in
    /// `directory`, beside the program, in the data directory, in the program itself. `off` searches
    /// by text only. Anything else is the path of a model file or of its directory. Default: `auto`.
    #[schemars(with = "String")]
    pub model: ModelChoice,
    /// Where a model file is looked for first. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// An OpenAI-compatible endpoint, instead of a model of the server's own. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointConfig>,
    /// How long the model stays in memory unused. Default: 5m.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub idle_unload: Duration,
    /// How much of one processor making vectors of entries may take, in percent from 1 to 100; what
    /// is searched for does not wait. Default: 50.
    #[schemars(with = "u8", range(min = 1, max = 100))]
    pub cpu_percent: CpuShare,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self {
            model: ModelChoice::Auto,
            directory: None,
            endpoint: None,
            idle_unload: Duration::from_mins(5),
            cpu_percent: CpuShare(50),
        }
    }
}

/// Which model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ModelChoice {
    /// The first that is found.
    Auto,
    /// None.
    Off,
    /// The one in this file or directory.
    At(PathBuf),
}

impl From<String> for ModelChoice {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Self::Auto,
            "off" => Self::Off,
            _ => Self::At(text.into()),
        }
    }
}

impl From<ModelChoice> for String {
    fn from(choice: ModelChoice) -> Self {
        match choice {
            ModelChoice::Auto => "auto".to_owned(),
            ModelChoice::Off => "off".to_owned(),
            ModelChoice::At(path) => path.to_string_lossy().into_owned(),
        }
    }
}

/// A share of one processor, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct CpuShare(u8);

impl CpuShare {
    /// How long to rest after work of that length.
    pub(super) fn rest(self, work: Duration) -> Duration {
        let share = u32::from(self.0);
        work * (100 - share) / share
    }
}

impl TryFrom<u8> for CpuShare {
    type Error = String;

    fn try_from(percent: u8) -> Result<Self, String> {
        if (1..=100).contains(&percent) {
            Ok(Self(percent))
        } else {
            Err(format!("{percent} is not a percentage from 1 to 100"))
        }
    }
}

impl From<CpuShare> for u8 {
    fn from(share: CpuShare) -> Self {
        share.0
    }
}

/// An endpoint that speaks `POST {url}/embeddings`
/// (<https://platform.openai.com/docs/api-reference/embeddings>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// Such as `https://api.openai.com/v1`. Its address has to be one that `egress` allows.
    pub url: String,
    /// The environment variable that holds the bearer token. Default: none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// The model's name there.
    pub model: String,
    /// Numbers in each of its vectors. An answer with another number of them is an error. Default:
    /// as many as the first answer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimension: Option<NonZeroU32>,
    /// Texts in one request. Default: 32.
    #[serde(default = "batch")]
    pub batch: NonZeroU32,
    /// Bytes of one text; longer ones are split. Default: 4000, about 1000 tokens of English.
    #[serde(default = "text_bytes")]
    pub text_bytes: NonZeroU32,
    /// Time for one request. Default: 20s.
    #[serde(default = "timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

fn batch() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(31)
}

fn text_bytes() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(3999)
}

fn timeout() -> Duration {
    Duration::from_secs(20)
}
