//! An OpenTelemetry collector on loopback that keeps what servers send it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::{PATIENCE, until};

/// A collector. Its thread ends with the test.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
}

/// What was sent so far.
#[derive(Debug, Default)]
struct Taken {
    spans: Vec<Span>,
    resources: Vec<KeyValue>,
    bytes: Vec<u8>,
}

impl Collector {
    /// Takes spans on a free port.
    pub fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let taken = Arc::new(Mutex::new(Taken::default()));
        let keeper = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                take(&stream, &keeper);
            }
        });
        Self { address, taken }
    }

    /// Where it takes them.
    pub fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// All spans, once one is called `name`.
    #[track_caller]
    pub fn spans_with(&self, name: &str) -> Vec<Span> {
        let has = || self.lock().spans.iter().any(|span| span.name == name);
        until(&format!("a span `{name}`"), has);
        self.lock().spans.clone()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.lock().spans.clone()
    }

    /// What the processes say of themselves.
    pub fn resource(&self) -> BTreeMap<String, String> {
        texts(&self.lock().resources)
    }

    /// Everything that was sent.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Attributes as text; that of an integer shows its type, as `int 7`.
pub fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |held: &KeyValue| {
        let value = held.value.as_ref().and_then(|value| value.value.as_ref());
        let text = match value {
            Some(any_value::Value::StringValue(text)) => text.clone(),
            Some(any_value::Value::IntValue(number)) => format!("int {number}"),
            other => panic!("no attribute of ours is {other:?}"),
        };
        (held.key.clone(), text)
    };
    attributes.iter().map(text).collect()
}

/// Reads one request, keeps its spans and answers.
fn take(mut stream: &TcpStream, taken: &Mutex<Taken>) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).expect("a line of text") == 0 {
            return;
        }
    }
    let head = head.to_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf\r\n"),
        "{head}"
    );
    let length = head.split_once("content-length: ").expect("a length").1;
    let length = length.split("\r\n").next().unwrap_or_default();
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a whole body");
    let request = ExportTraceServiceRequest::decode(&*body).expect("a request for spans");
    {
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.bytes.extend_from_slice(&body);
        for of_process in request.resource_spans {
            let resource = of_process.resource.unwrap_or_default();
            taken.resources.extend(resource.attributes);
            let scopes = of_process.scope_spans.into_iter();
            taken.spans.extend(scopes.flat_map(|scope| scope.spans));
        }
    }
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    // A server that has ended meanwhile does not wait for the answer.
    drop(stream.write_all(answer.as_bytes()));
}
