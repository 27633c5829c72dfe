//! Names of files whose loss is the loss of the system.

use crate::commands::script::Word;

const SYSTEM: &[&str] = &[
    "",
    "bin",
    "boot",
    "dev",
    "etc",
    "home",
    "lib",
    "lib32",
    "lib64",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "var",
    "var/lib",
    "var/log",
];

const DISKS: &[&str] = &[
    "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "dm-", "md", "loop", "mapper/", "disk/", "nbd",
];
const MEMORIES: &[&str] = &["mem", "kmem", "port"];

const ACCOUNTS: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
];

/// Whether a word names the root, a system directory, a home directory, or all that is in one.
pub(super) fn is_vital(word: &Word) -> bool {
    let text = &*word.text;
    if word.expands {
        let variable = text.strip_prefix("$HOME");
        let home = variable
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '…']))
            .or_else(|| text.strip_prefix('~'));
        if let Some(below) = home {
            // `~user` too: a name up to the slash.
            let below = below.split_once('/').map_or("", |(_, below)| below);
            return names_all_of(&tidy(below), word).is_some_and(str::is_empty);
        }
    }
    let Some(path) = text.strip_prefix('/') else {
        return false;
    };
    let path = tidy(path);
    let Some(directory) = names_all_of(&path, word) else {
        return false;
    };
    SYSTEM.contains(&directory)
}

/// The directory itself or, for a final pattern without a fixed beginning, the directory it
/// matches in; none when a pattern stands further in front. Beneath the root every pattern counts.
fn names_all_of<'a>(path: &'a str, word: &Word) -> Option<&'a str> {
    let is_special = |c: char| match c {
        '*' | '?' | '[' => word.globs,
        '{' => word.expands,
        _ => false,
    };
    let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
    let in_root = parent.is_empty() && word.text.starts_with('/');
    let matches_all = last.trim_start_matches('.').starts_with(is_special)
        || (in_root && last.contains(is_special));
    let directory = if matches_all { parent } else { path };
    (!directory.contains(is_special)).then_some(directory.trim_matches('/'))
}

/// Without empty parts, `.` and `..`.
pub(super) fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a path names a disk or the machine's memory.
pub(super) fn is_raw_device(path: &str) -> bool {
    let Some(below) = path.strip_prefix('/').map(tidy) else {
        return false;
    };
    let Some(name) = below.strip_prefix("dev/") else {
        return false;
    };
    MEMORIES.contains(&name) || DISKS.iter().any(|disk| name.starts_with(disk))
}

/// Whether a path names a file that says who may log in.
pub(super) fn is_account_file(path: &str) -> bool {
    path.strip_prefix('/')
        .is_some_and(|below| ACCOUNTS.contains(&&*format!("/{}", tidy(below))))
}

/// Whether a word starts with a drive of Windows: `C:`, `c:\dir`.
pub(super) fn is_drive(word: &str) -> bool {
    let mut chars = word.chars();
    chars
        .next()
        .is_some_and(|drive| drive.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && chars.next().is_none_or(|next| matches!(next, '\\' | '/'))
}
