//! Lets the server have the descriptors that it may.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as are asked for: the connections of all commands and clients at once, several times.
const WANTED: u64 = 65_536;

/// Raises the soft limit on open descriptors as far as the hard one allows (getrlimit(2),
/// `RLIMIT_NOFILE`). Programs are started with 1024 for the sake of select(2), which is not used
/// here. To be called before the first thread is started.
pub fn use_more_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if current.is_some_and(|current| current < allowed) {
        let raised = Rlimit {
            current: Some(allowed),
            maximum,
        };
        // The server works with fewer as well; who is refused one is told.
        setrlimit(Resource::Nofile, raised).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit is the whole process's, so a process of its own has it lowered and raised.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test starts itself again")]
    fn raises_the_soft_limit_only() {
        const INSIDE: &str = "RAISES_THE_SOFT_LIMIT";
        if std::env::var_os(INSIDE).is_none() {
            let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
            inner.args(["--exact", "descriptors::tests::raises_the_soft_limit_only"]);
            assert!(inner.env(INSIDE, "1").status().unwrap().success());
            return;
        }
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let low = Rlimit {
            current: Some(200),
            maximum,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        use_more_descriptors();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.maximum, maximum);
        assert_eq!(
            now.current,
            Some(maximum.map_or(WANTED, |it| it.min(WANTED)))
        );
    }
}
