//! Writes a file whole, creates one, or appends to one.

use std::time::Duration;

use mcp_security::files::{Digest, Interrupt, InvalidDigest, Written};
use mcp_security::paths::{ConfinedTarget, Roots};
use mcp_toolcall::bounded::Text;
use mcp_toolcall::{Account, Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::encoding::{Encoding, Label, Place};
use super::{blocking, explain, explain_encoding, within};

/// Writes a file whole, creates one, or appends to one.
#[derive(Debug, Clone)]
pub struct WriteFileSecure {
    /// Where files may be written.
    pub roots: Roots,
}

/// Which file, and what to write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file: absolute, or relative to the first allowed directory. Missing parents are created.
    path: Text<1, 4096>,
    /// What to write.
    content: Text<0, 16_777_216>,
    /// The encoding to write in, by WHATWG label; `-bom` behind a Unicode one adds a byte order
    /// mark; base64 if `content` is base64 of bytes.
    #[serde(default)]
    encoding: Label,
    /// What to do with a file that is there.
    #[serde(default)]
    mode: Mode,
    /// SHA-256 the file must have now, or nothing is written: `hash` of an earlier reply.
    #[serde(default)]
    expected_hash: Option<Text<64, 64>>,
}

/// What to do with a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Replace its content in one step.
    #[default]
    Overwrite,
    /// Fail.
    CreateNew,
    /// Add to its end.
    Append,
}

/// A place that may be written, and what to write there.
#[derive(Debug)]
pub struct Plan {
    target: ConfinedTarget,
    content: String,
    encoding: Encoding,
    mode: Mode,
    expected: Option<Digest>,
}

/// What the write left behind.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The absolute path.
    path: String,
    /// Bytes of the whole file.
    size: u64,
    /// Whether the file is new.
    created: bool,
    /// SHA-256 of the whole file; null after an append to a file of more than 16 MiB.
    hash: Option<String>,
}

impl Tool for WriteFileSecure {
    const SPEC: ToolSpec = ToolSpec {
        name: "write_file_secure",
        title: "Write file",
        summary: "Writes a file under the allowed directories, atomically and durably, to 100 MB \
                  a file; send more than one message holds with mode \"append\". Pass the `hash` \
                  of your last read as expected_hash to be refused if the file has changed since.",
        effects: Effects::DESTRUCTIVE,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let encoding = args.encoding.encoding().map_err(explain_encoding)?;
        let invalid = |error: InvalidDigest| ToolError::invalid("expected_hash", error);
        let expected = args
            .expected_hash
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(invalid)?;
        if args.mode == Mode::CreateNew && expected.is_some() {
            let why = "cannot be met by a file that is yet to be created";
            return Err(ToolError::invalid("expected_hash", why)
                .with_hint("leave it out, or use mode \"overwrite\""));
        }
        let target = self.roots.confine_target(&args.path).map_err(explain)?;
        let content = args.content.into_inner();
        Ok(Plan {
            target,
            content,
            encoding,
            mode: args.mode,
            expected,
        })
    }

    fn account(&self, plan: &Plan) -> Account {
        Account {
            because: vec![within(&self.roots, plan.target.path())],
            ..Account::default()
        }
    }

    async fn run(&self, plan: Plan, _: &Call) -> Result<Reply, ToolError> {
        let path = plan.target.path().to_owned();
        let written = blocking(move |interrupt| plan.write(interrupt)).await?;
        Ok(Reply {
            path,
            size: written.size,
            created: written.created,
            hash: written.digest.map(|digest| digest.to_string()),
        })
    }
}

impl Plan {
    fn write(self, interrupt: &Interrupt) -> Result<Written, ToolError> {
        let Self {
            target,
            content,
            encoding,
            mode,
            expected,
        } = self;
        let place = match mode {
            Mode::Append if target.exists() => Place::Behind,
            Mode::Append | Mode::Overwrite | Mode::CreateNew => Place::Whole,
        };
        let bytes = encoding.encode(&content, place).map_err(explain_encoding)?;
        let written = match mode {
            Mode::Overwrite => target.overwrite(&bytes, expected, interrupt),
            Mode::CreateNew => target.create_new(&bytes, interrupt),
            Mode::Append => target.append(&bytes, expected, interrupt),
        };
        written.map_err(explain)
    }
}
