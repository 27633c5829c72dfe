//! A network namespace in which every address is this machine's.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set in the test process that runs in the namespace.
const INSIDE: &str = "ATTACKS_IN_NAMESPACE";

/// Makes all of IPv4 and IPv6 local (`ip-route(8)`, type `local`), and every port free to bind, so
/// that a test may be the name server too. One public address is an interface's own.
const ALL_IS_LOCAL: &str = "ip link set lo up && \
    ip route add local default dev lo && \
    ip -6 route add local default dev lo && \
    ip address add 93.184.216.99/32 dev lo && \
    echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start && \
    exec \"$@\"";

/// Runs `play` in such a namespace: this test process executes itself again in one, for the one
/// test `name`.
pub(crate) fn inside(name: &str, play: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return play();
    }
    let as_user: &[&str] = if rustix::process::geteuid().is_root() {
        &[]
    } else {
        &["--user", "--map-current-user", "--keep-caps"]
    };
    let mut again = Command::new("unshare");
    again
        .arg("--net")
        .args(as_user)
        .args(["sh", "-c", ALL_IS_LOCAL, "sh"]);
    again.arg(env::current_exe().expect("the test knows its executable"));
    again
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1");
    // Ends with the test runner's process group, as this process does.
    let error = again.exec();
    panic!("unshare(1) is needed to make a network namespace: {error}");
}
