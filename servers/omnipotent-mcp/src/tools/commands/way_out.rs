//! The commands' way out to the network: that of the tools, with its policy and its bounds.

use std::io;
use std::net::TcpListener;

use mcp_egress::{CommandProxy, Egress};
use mcp_sandbox::{Gateway, Passage};

/// Serves each command a proxy of its own.
#[derive(Debug)]
pub struct WayOut(pub Egress);

struct Proxied(CommandProxy);

impl Gateway for WayOut {
    fn open(&self, listener: TcpListener) -> io::Result<Box<dyn Passage>> {
        Ok(Box::new(Proxied(self.0.proxy(listener)?)))
    }
}

impl Passage for Proxied {
    fn refusals(&self) -> Vec<String> {
        let refusals = self.0.refusals().into_iter();
        refusals
            .map(|refused| format!("{} (egress.{})", refused.what, refused.setting))
            .collect()
    }
}
