//! The table of mounts of this process (`proc_pid_mountinfo(5)`), as far as control groups need it.

use std::path::Path;

use super::kernel_files;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The directory of the file system that is mounted.
    pub(super) root: String,
    /// Where it is mounted.
    pub(super) mountpoint: String,
    /// Its type, such as `cgroup2`.
    pub(super) fs_type: String,
    /// Options of the file system, separated by commas.
    pub(super) super_options: String,
}

/// The mounts in the order they were made; none where `/proc` is not mounted.
pub(super) fn read() -> Vec<Mount> {
    parse(&kernel_files::read(Path::new("/proc/self/mountinfo")).unwrap_or_default())
}

pub(super) fn parse(content: &str) -> Vec<Mount> {
    content.lines().filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /mount options optional… - type source super-options`
fn parse_line(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let mut kind = kind.split(' ');
    Some(Mount {
        root: unescape(place.next()?),
        mountpoint: unescape(place.next()?),
        fs_type: kind.next()?.to_owned(),
        super_options: kind.nth(1)?.to_owned(),
    })
}

/// Space, tab, line feed and backslash are written as three octal digits.
fn unescape(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    escapes.iter().fold(text.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_escaped_names_and_skips_optional_fields() {
        let line = "36 35 98:0 /a /mnt/my\\040disk rw shared:1 master:2 - cgroup cgroup rw,cpu";
        let mount = Mount {
            root: "/a".into(),
            mountpoint: "/mnt/my disk".into(),
            fs_type: "cgroup".into(),
            super_options: "rw,cpu".into(),
        };
        assert_eq!(parse(&format!("{line}\nnonsense\n")), [mount]);
    }
}
