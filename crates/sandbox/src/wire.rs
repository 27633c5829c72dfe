//! What server and helper say to each other over the control socket.
//!
//! The server sends one [`Ground`](crate::Ground) frame when it starts the helper, one [`Request`]
//! frame when a command is there, then the environment, then standard input, and nothing more: the
//! next thing the helper reads from it, end of stream included, means *stop*. The helper answers
//! with one [`Report`] frame and closes; on a ground with a proxy it sends a listener before
//! (`handover.rs`), as soon as it stands. A frame is a `u32` length, little endian, then JSON.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::boundary::{Guarded, Place, Root};
use crate::config::Limits;
use crate::reap::Remains;
use crate::tier::Layer;

/// Longest frame; the kernel's own bound on a command line is half of it.
pub(crate) const MAX_FRAME: usize = 4 << 20;
/// Length prefix of a frame.
pub(crate) const PREFIX: usize = 4;

/// What the helper is to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// Where it starts; the temporary directory when there is none.
    pub(crate) cwd: Option<Place>,
    pub(crate) roots: Vec<Root>,
    pub(crate) guarded: Vec<Guarded>,
    pub(crate) limits: Limits,
    pub(crate) environment_bytes: usize,
    pub(crate) stdin_bytes: usize,
}

/// What became of it. Sent when the command and its descendants have ended, as far as they have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) ending: Ending,
    pub(crate) remains: Remains,
    pub(crate) layers: Vec<Layer>,
    pub(crate) unpinned: Vec<String>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Exited(i32),
    Signaled(i32),
    Failed { stage: Stage, errno: i32 },
}

/// The step at which the helper failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the request.
    Request,
    /// Leaving the session and the limits of the server.
    Isolate,
    /// Making namespaces: user namespaces may be switched off, or a container forbids them.
    Namespaces,
    /// Laying out the private file system; a fresh /proc is part of it.
    Ground,
    /// Bringing up the private loopback interface.
    Network,
    /// Opening a root inside it.
    Root,
    /// Waiting for a lock that another program holds on a root (flock(2)).
    Lock,
    /// Holding a protected path.
    Guard,
    /// Setting resource limits.
    Limits,
    /// Dropping capabilities.
    Capabilities,
    /// Landlock.
    Landlock,
    /// Filtering system calls.
    Seccomp,
    /// Entering the working directory.
    Directory,
    /// Preparing standard input.
    Stdin,
    /// Executing the program.
    Execute,
    /// Watching the command.
    Watch,
}

/// The environment as the kernel lays it out: `NAME=value`, each with a zero byte.
pub(crate) fn encode_environment(variables: &[(OsString, OsString)]) -> Vec<u8> {
    let mut block = Vec::with_capacity(environment_length(variables));
    for (name, value) in variables {
        block.extend_from_slice(name.as_bytes());
        block.push(b'=');
        block.extend_from_slice(value.as_bytes());
        block.push(0);
    }
    block
}

/// Bytes of [`encode_environment`].
pub(crate) fn environment_length(variables: &[(OsString, OsString)]) -> usize {
    variables
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum()
}

/// The variables that [`encode_environment`] wrote.
pub(crate) fn decode_environment(block: &[u8]) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    block.split(|byte| *byte == 0).filter_map(|entry| {
        let equals = entry.iter().position(|byte| *byte == b'=')?;
        let (name, value) = entry.split_at(equals);
        Some((OsStr::from_bytes(name), OsStr::from_bytes(value.get(1..)?)))
    })
}

/// One frame with `message`.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; PREFIX];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - PREFIX;
    if length > MAX_FRAME {
        return Err(io::ErrorKind::ArgumentListTooLong.into());
    }
    let prefix = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    for (slot, byte) in frame.iter_mut().zip(prefix) {
        *slot = byte;
    }
    Ok(frame)
}

/// Length of the frame that `prefix` announces.
pub(crate) fn frame_length(prefix: [u8; PREFIX]) -> io::Result<usize> {
    usize::try_from(u32::from_le_bytes(prefix))
        .ok()
        .filter(|length| *length <= MAX_FRAME)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The message in the first frame of `bytes`, if the frame is whole.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<Option<T>> {
    let Some((prefix, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    match rest.get(..frame_length(*prefix)?) {
        Some(body) => Ok(Some(serde_json::from_slice(body)?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_whole_or_not_at_all() {
        let ending = Ending::Failed {
            stage: Stage::Execute,
            errno: 2,
        };
        let report = Report {
            ending,
            remains: Remains::Nothing,
            layers: vec![Layer::Landlock { abi: 7 }, Layer::Seccomp],
            unpinned: vec![".env*".to_owned()],
        };
        let frame = encode(&report).unwrap();
        assert_eq!(decode(&frame).unwrap(), Some(report.clone()));
        for cut in 0..frame.len() {
            assert_eq!(
                decode::<Report>(&frame[..cut]).unwrap(),
                None,
                "cut at {cut}"
            );
        }
        decode::<Report>(&[0xff; 8]).unwrap_err();
    }

    #[test]
    fn environments_come_back_as_they_were() {
        let variables = [("A", "1=2"), ("B", ""), ("C", "x y\n")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let block = encode_environment(&variables);
        assert_eq!(block.len(), environment_length(&variables));
        let back: Vec<(OsString, OsString)> = decode_environment(&block)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(back, variables);
    }
}
