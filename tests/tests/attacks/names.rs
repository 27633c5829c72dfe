//! A name server for the names of a case (RFC 1035), on port 53 of every address.

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Names {
    closed: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

const PORT: u16 = 53;
const A: u16 = 1;
const AAAA: u16 = 28;
/// The header of a message, in bytes (section 4.1.1).
const HEADER: usize = 12;

impl Names {
    /// Serves `names`: each question for a name gets the next of its addresses; every other name
    /// does not exist.
    pub(crate) fn serve(names: impl Iterator<Item = (String, Vec<IpAddr>)>) -> Self {
        let names: BTreeMap<_, _> = names.collect();
        let socket = UdpSocket::bind(("::", PORT)).expect("port 53 of the namespace");
        let closed = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&closed);
        let serving = thread::spawn(move || {
            let mut asked = BTreeMap::new();
            let mut question = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut question) {
                if ending.load(Ordering::Acquire) {
                    return;
                }
                let answer = answer(&question[..length], &names, &mut asked);
                drop(socket.send_to(&answer, client));
            }
        });
        Self {
            closed,
            serving: Some(serving),
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        let waker = UdpSocket::bind(("::1", 0)).expect("a free port");
        drop(waker.set_write_timeout(Some(Duration::from_secs(1))));
        drop(waker.send_to(b"", ("::1", PORT)));
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

/// The answer to one question.
fn answer(
    question: &[u8],
    names: &BTreeMap<String, Vec<IpAddr>>,
    asked: &mut BTreeMap<(String, u16), usize>,
) -> Vec<u8> {
    let (name, end) = name_in(question);
    let kind = u16::from_be_bytes([question[end], question[end + 1]]);
    let fits = |address: &&IpAddr| match kind {
        A => address.is_ipv4(),
        AAAA => address.is_ipv6(),
        _ => false,
    };
    let known = names.get(&name);
    let addresses: Vec<&IpAddr> = known.into_iter().flatten().filter(fits).collect();
    let turn = asked.entry((name, kind)).or_default();
    let address = addresses.get(*turn % addresses.len().max(1));
    *turn += 1;
    let mut message = question[..2].to_vec();
    // A response, recursion desired and available; code 3 is "no such name".
    message.extend([0x81, if known.is_some() { 0x80 } else { 0x83 }]);
    message.extend([0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    message.extend(&question[HEADER..end + 4]);
    if let Some(address) = address {
        // The name at 12, which is the one of the question (section 4.1.4), its type, class IN, a time to live of zero.
        message.extend([0xc0, 0x0c]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0]);
        match address {
            IpAddr::V4(address) => message.extend([&[0, 4], &address.octets()[..]].concat()),
            IpAddr::V6(address) => message.extend([&[0, 16], &address.octets()[..]].concat()),
        }
    }
    message
}

/// The name of a question in lower case, and where it ends.
fn name_in(question: &[u8]) -> (String, usize) {
    let mut at = HEADER;
    let mut labels = Vec::new();
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    (labels.join("."), at + 1)
}
