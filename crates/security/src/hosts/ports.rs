//! Which ports may be spoken to in HTTP.

/// The bad ports of the WHATWG Fetch standard, section 2.9 "Port blocking": services that could
/// mistake an HTTP request for their own protocol.
const BAD: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

/// Judges ports. A denied port wins; with no allowed port every port is allowed that the Fetch
/// standard does not block.
#[derive(Debug, Clone, Default)]
pub struct PortPolicy {
    /// Ports that may be reached, even those the Fetch standard blocks; empty means the default.
    pub allow: Vec<u16>,
    /// Ports that may not be reached.
    pub deny: Vec<u16>,
}

impl PortPolicy {
    /// Whether a connection to `port` may be made.
    pub fn allows(&self, port: u16) -> bool {
        if self.deny.contains(&port) {
            return false;
        }
        if self.allow.is_empty() {
            BAD.binary_search(&port).is_err()
        } else {
            self.allow.contains(&port)
        }
    }
}
