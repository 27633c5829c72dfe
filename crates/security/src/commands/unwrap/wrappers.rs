//! Which programs run another one, and where in their arguments it stands.

/// A program whose arguments hold a command.
pub(super) struct Wrapper {
    pub(super) names: &'static [&'static str],
    /// Options that take the next argument.
    pub(super) valued: &'static [&'static str],
    /// Arguments before the command, options not counted.
    pub(super) positionals: usize,
}

pub(super) const WRAPPERS: &[Wrapper] = &[
    wrapper(
        &["sudo"],
        &[
            "-u",
            "-g",
            "-h",
            "-p",
            "-C",
            "-T",
            "-r",
            "-t",
            "-D",
            "-R",
            "-U",
            "--user",
            "--group",
            "--host",
            "--prompt",
            "--close-from",
            "--command-timeout",
            "--role",
            "--type",
            "--chdir",
            "--chroot",
            "--other-user",
        ],
        0,
    ),
    wrapper(&["doas"], &["-u", "-C", "-a"], 0),
    wrapper(&["env"], &["-u", "--unset", "-C", "--chdir"], 0),
    wrapper(&["nice"], &["-n", "--adjustment"], 0),
    wrapper(
        &["ionice"],
        &["-c", "-n", "-p", "--class", "--classdata"],
        0,
    ),
    wrapper(&["chrt", "taskset"], &[], 1),
    wrapper(
        &[
            "nohup", "setsid", "builtin", "busybox", "toybox", "fakeroot", "prlimit", "unbuffer",
        ],
        &[],
        0,
    ),
    wrapper(&["command"], &[], 0),
    wrapper(&["exec"], &["-a"], 0),
    wrapper(&["time"], &["-f", "-o", "--format", "--output"], 0),
    wrapper(&["timeout"], &["-s", "-k", "--signal", "--kill-after"], 1),
    wrapper(
        &["stdbuf"],
        &["-i", "-o", "-e", "--input", "--output", "--error"],
        0,
    ),
    wrapper(&["chroot"], &[], 1),
    wrapper(
        &["flock"],
        &["-w", "-E", "--timeout", "--wait", "--conflict-exit-code"],
        1,
    ),
    wrapper(&["pkexec", "runuser"], &["-u", "--user"], 0),
    wrapper(
        &["setpriv"],
        &["--reuid", "--regid", "--groups", "--ruid", "--rgid"],
        0,
    ),
    wrapper(&["parallel"], &["-j", "--jobs"], 0),
    wrapper(&["strace", "ltrace"], &["-e", "-o", "-p", "-s", "-u"], 0),
    wrapper(
        &["systemd-run"],
        &["-p", "-u", "-M", "-H", "--unit", "--property", "--slice"],
        0,
    ),
    wrapper(&["unshare", "nsenter"], &["-t", "-S", "-G"], 0),
    wrapper(&["watch"], &["-n", "--interval"], 0),
    wrapper(
        &["xargs"],
        &[
            "-I",
            "-n",
            "-P",
            "-L",
            "-d",
            "-E",
            "-s",
            "-a",
            "--arg-file",
            "--delimiter",
            "--max-args",
            "--max-chars",
            "--max-procs",
        ],
        0,
    ),
];

/// Programs that read commands from an argument or from their input.
pub(super) const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "rbash", "fish", "su", "script",
];

const fn wrapper(
    names: &'static [&'static str],
    valued: &'static [&'static str],
    positionals: usize,
) -> Wrapper {
    Wrapper {
        names,
        valued,
        positionals,
    }
}
