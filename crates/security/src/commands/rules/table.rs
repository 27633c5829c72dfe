//! The rules.

use super::targets::{is_account_file, is_raw_device, is_vital};
use super::{Rule, Seen};

/// All rules, in the order in which they are tried.
pub(in crate::commands) const RULES: &[Rule] = &[
    Rule {
        id: "remove-system",
        reason: "removes a system or home directory recursively",
        matches: |seen| {
            seen.is(&["rm"])
                && (seen.options().any(|option| option.starts_with("--no-pres"))
                    || (seen.has_option(&['r', 'R'], "recursive") && seen.operands().any(is_vital)))
        },
        must_deny: &[
            "rm -rf /",
            "rm -fr /*",
            "rm -r -f //",
            "rm --recursive --force /etc",
            "rm -Rf /usr/../",
            "rm -rf ~",
            "rm -rf ~/",
            "rm -rf ~root",
            "rm -rf $HOME",
            "rm -rf \"${HOME}\"/*",
            "rm -rf -- /home/*",
            "rm x -rf /var",
            "rm --no-preserve-root -r x",
            "/bin/rm -rf /",
            "\\rm -rf /",
            "r'm' -rf '/'",
            "sudo -u root rm -rf /",
            "sudo env A=1 nice -n 5 rm -rf /",
            "sh -c 'rm -rf /'",
            "bash -lc \"rm -rf /\"",
            "eval 'rm -rf /'",
            "echo hi; rm -rf /",
            "echo hi\nrm -rf /",
            "true && (rm -rf /)",
            "if true; then rm -rf /; fi",
            "for i do rm -rf /; done",
            "case x in x) rm -rf /;; esac",
            "f() { rm -rf /; }; f",
            "echo $(rm -rf /)",
            "echo \"`rm -rf /`\"",
            "echo \"${x:-$(rm -rf /)}\"",
            "cat <(rm -rf /)",
            "cat <<E\n$(rm -rf /)\nE",
            "cat <<'E'\ntext\nE\nrm -rf /",
            "find . -exec rm -rf / \\;",
            "xargs -n 1 rm -rf /",
            "timeout -s KILL 5 rm -rf /",
            "busybox rm -rf /",
            "rm${IFS}-rf${IFS}/",
            "$'\\x72m' -rf /",
            "! (rm -rf /)",
            "!(rm -rf /)",
            "((rm -rf /))",
            "echo $(( $(rm -rf /) + 1 ))",
            "x=$(rm -rf /)",
            "x=( $(rm -rf /) )",
            "time -p rm -rf /",
            "env -S 'rm -rf /'",
            "r\\\nm -rf /",
            "rm -rf /{etc,usr}",
            "rm -rf /u*",
            "rm -rf ~/.*",
            "env -uSHELL rm -rf /",
            "rm -rf /usr/*",
            "sudo --user root rm -rf /",
            "stdbuf --output L rm -rf /",
            "flock --timeout 5 lock rm -rf /",
            "flock lock -c 'rm -rf /'",
            "xargs --arg-file x rm -rf /",
            "script -qc 'rm -rf /' log",
            "pkexec rm -rf /",
            "env -iS 'rm -rf /'",
            "env A=1 rm -rf / -S x",
            "eval -- rm -rf /",
            "trap -- 'rm -rf /' EXIT",
            "bash <<E\nrm -rf /\nE",
            "sudo sh -s <<'E'\nrm -rf /\nE",
            "sh <<< 'rm -rf /'",
            "declare -A a=([x]=$(rm -rf /))",
        ],
        must_allow: &[
            "rm -rf ./build",
            "rm -rf /tmp/x",
            "rm -rf build/*",
            "rm -rf $HOME/project/target",
            "rm -rf ~/.cache/x",
            "rm -rf '~'",
            "rm -rf '$HOME'",
            "rm -rf /home/me/project/*",
            "rm /etc",
            "echo \"rm -rf /\"",
            "echo rm -rf /",
            "cat <<E\nrm -rf /\nE",
            "cat <<'E'\n$(rm -rf /)\nE",
            "git commit -m 'no more rm -rf /'",
            "# rm -rf /",
            "echo '$(rm -rf /)'",
            "grep 'rm -rf /' file",
            "rm -rf $HOMEBREW_CACHE",
            "rm -rf /usr/local/node-v*",
            "rm -rf /tmp/{a,b}",
            "rm -rf ~/.cache*",
            "bash script <<E\nrm -rf /\nE",
        ],
    },
    Rule {
        id: "find-delete",
        reason: "deletes below a system or home directory",
        matches: |seen| {
            let starts = seen
                .args
                .iter()
                .skip_while(|arg| matches!(&*arg.text, "-H" | "-L" | "-P"))
                .take_while(|arg| !arg.text.starts_with('-'));
            seen.is(&["find"])
                && (seen.has_argument(|arg| arg == "-delete") || seen.runs_for_each("rm"))
                && starts.into_iter().any(is_vital)
        },
        must_deny: &[
            "find / -name x -delete",
            "find ~ -delete",
            "find -L / -delete",
            "find / -type f -exec rm {} +",
            "find /etc -execdir /bin/rm -rf {} \\;",
        ],
        must_allow: &[
            "find / -name x -exec ls {} +",
            "find . -exec rm {} +",
            "find . -name '*.o' -delete",
            "find / -name x",
            "find /tmp/a -delete",
        ],
    },
    Rule {
        id: "windows-delete",
        reason: "deletes recursively or formats a drive (Windows)",
        matches: |seen| {
            let lower = seen.program.to_ascii_lowercase();
            let program = lower.trim_end_matches(".exe").trim_end_matches(".com");
            match program {
                "del" | "erase" | "rd" | "rmdir" => {
                    seen.has_argument(|arg| arg.eq_ignore_ascii_case("/s"))
                }
                "format" => seen.has_argument(is_drive),
                _ => false,
            }
        },
        must_deny: &[
            "del /S /Q x",
            "del /s",
            "DEL /S C:",
            "rd /s /q x",
            "format C:",
            "format.com d: /q",
        ],
        must_allow: &[
            "rmdir build",
            "git log --format='%h'",
            "black --format x",
            "format file.rs",
        ],
    },
    Rule {
        id: "make-filesystem",
        reason: "makes a file system or erases its signatures",
        matches: |seen| {
            (seen.program == "mkfs" || seen.program.starts_with("mkfs.") || seen.is(&["mke2fs"]))
                && !seen.only_asks()
                || seen.is(&["mkswap", "blkdiscard"]) && !seen.only_asks()
                || seen.is(&["wipefs"]) && seen.has_option(&['a', 'o'], "all")
        },
        must_deny: &[
            "mkfs.ext4 /dev/sda1",
            "mkfs -t xfs x",
            "mke2fs x",
            "sudo wipefs -a /dev/sdb",
        ],
        must_allow: &[
            "man mkfs.ext4",
            "wipefs /dev/sda",
            "ls /sbin/mkfs.ext4",
            "mkfs.ext4 --help",
        ],
    },
    Rule {
        id: "raw-copy",
        reason: "copies raw blocks with dd",
        matches: |seen| {
            seen.is(&["dd"])
                && seen.has_argument(|arg| {
                    arg.starts_with("if=") || arg.strip_prefix("of=").is_some_and(is_raw_device)
                })
        },
        must_deny: &[
            "dd if=/dev/zero of=/dev/sda",
            "dd if=a of=b",
            "dd bs=1M of=/dev/nvme0n1",
        ],
        must_allow: &["dd --help", "dd of=copy.bin bs=1M", "git add if=x"],
    },
    Rule {
        id: "device-write",
        reason: "writes to a disk or to the machine's memory",
        matches: |seen| {
            seen.writes_to(|path| is_raw_device(path) || path == "/proc/sysrq-trigger")
                || seen.is(&["tee", "shred", "cp", "mv", "install", "truncate"])
                    && seen.operands().any(|word| is_raw_device(&word.text))
        },
        must_deny: &[
            "echo x > /dev/sda",
            "> /dev/sdb",
            "cat a >>/dev/nvme0n1",
            "x 2> /dev/vda",
            "{ a; } > /dev/sda",
            "echo b > /proc/sysrq-trigger",
            "cat a | tee /dev/sda",
            "shred -n 3 /dev/sda",
            "a >| //dev/./mem",
            "[[ a > /dev/sda ]]",
        ],
        must_allow: &[
            "echo x > /dev/null",
            "x >&2 2>/dev/stderr",
            "head -c 10 < /dev/sda",
            "echo 'x > /dev/sda'",
            "shred -u secret.txt",
        ],
    },
    Rule {
        id: "power",
        reason: "stops or restarts the machine",
        matches: stops_machine,
        must_deny: &[
            "shutdown -h now",
            "reboot",
            "/sbin/reboot",
            "\\reboot",
            "reb\"oot\"",
            "halt -p",
            "poweroff",
            "init 0",
            "init 6",
            "telinit 6",
            "systemctl poweroff",
            "systemctl --force reboot",
            "systemctl isolate reboot.target",
            "sudo systemctl kexec",
        ],
        must_allow: &[
            "grep shutdown file",
            "man reboot",
            "git init",
            "npm init 0",
            "systemctl status reboot.target",
            "echo reboot",
            "shutdown --help",
            "./scripts/init_db 0",
        ],
    },
    Rule {
        id: "fork-bomb",
        reason: "defines a function that multiplies itself",
        matches: |seen| {
            let name = seen.invocation.words.first().map(|word| &*word.text);
            let Some(within) = seen.invocation.within.as_deref() else {
                return false;
            };
            let calls_itself = |invocation: &&crate::commands::script::Invocation| {
                invocation.within.as_deref() == Some(within)
                    && invocation
                        .words
                        .first()
                        .is_some_and(|word| word.text == within)
            };
            name == Some(within)
                && seen.invocation.concurrent
                && seen.all.iter().filter(calls_itself).count() > 1
        },
        must_deny: &[
            ":(){ :|:& };:",
            "f() { f | f & }; f",
            "bomb() {\n  bomb & bomb &\n}\nbomb",
            "function f { f | f; }; f",
            "f() (f | f); f",
        ],
        must_allow: &[
            "walk() { for f in *; do walk $f; done; }; walk",
            "f() { g | h & }; f",
            "f() { echo x; }; f | f",
        ],
    },
    Rule {
        id: "change-owner-or-mode",
        reason: "changes owner or mode of a system or home directory recursively",
        matches: |seen| {
            seen.is(&["chmod", "chown", "chgrp", "setfacl"])
                && seen.has_option(&['R'], "recursive")
                && seen.operands().any(is_vital)
        },
        must_deny: &[
            "chmod -R 777 /",
            "chown -R me:me /etc",
            "chmod --recursive a+w ~",
        ],
        must_allow: &[
            "chmod -R u+w ./build",
            "chmod 755 /tmp/x",
            "chown -R me /srv/app/data",
        ],
    },
    Rule {
        id: "move-system",
        reason: "moves a system directory away, or a file over /dev/null",
        matches: |seen| {
            seen.is(&["mv"])
                && (seen.operands().any(|word| word.text == "/dev/null")
                    || seen.operands().next().is_some_and(is_vital))
        },
        must_deny: &[
            "mv / /dev/null",
            "mv ~ /dev/null",
            "mv file /dev/null",
            "mv /etc /tmp/e",
        ],
        must_allow: &["mv a b", "mv a /tmp/", "mv a ~"],
    },
    Rule {
        id: "kill-all",
        reason: "signals every process or the first one",
        matches: |seen| seen.is(&["killall5"]) || seen.is(&["kill"]) && signals_all(seen),
        must_deny: &[
            "kill -9 -1",
            "kill -KILL -- -1",
            "kill 1",
            "kill -s TERM 1",
            "killall5 -9",
        ],
        must_allow: &[
            "kill -0 1",
            "kill -1 1234",
            "kill 1234",
            "kill -9 $PID",
            "kill -l",
            "kill %1",
        ],
    },
    Rule {
        id: "kernel",
        reason: "loads or unloads kernel code",
        matches: |seen| seen.is(&["insmod", "rmmod", "modprobe", "kexec"]) && !seen.only_asks(),
        must_deny: &[
            "insmod x.ko",
            "rmmod x",
            "sudo modprobe -r kvm",
            "kexec -l k",
        ],
        must_allow: &["lsmod", "modinfo kvm", "modprobe --help"],
    },
    Rule {
        id: "mounts",
        reason: "changes what is mounted",
        matches: |seen| {
            seen.is(&["umount", "pivot_root", "swapoff", "swapon"]) && !seen.only_asks()
                || seen.is(&["mount"])
                    && (seen.operands().count() > 0 || seen.has_option(&['a'], "all"))
        },
        must_deny: &[
            "mount /dev/sda1 /mnt",
            "mount -a",
            "umount -l /",
            "swapoff -a",
        ],
        must_allow: &["mount", "mount -l", "findmnt /", "docker run --mount x"],
    },
    Rule {
        id: "firewall",
        reason: "drops the firewall's rules",
        matches: |seen| match seen.program {
            "iptables" | "ip6tables" => seen.has_option(&['F', 'X'], "flush"),
            "nft" => seen.first_operand() == Some("flush"),
            "ufw" => seen.first_operand() == Some("disable"),
            _ => false,
        },
        must_deny: &[
            "iptables -F",
            "ip6tables --flush",
            "nft flush ruleset",
            "ufw disable",
        ],
        must_allow: &["iptables -L", "nft list ruleset", "ufw status"],
    },
    Rule {
        id: "crontab",
        reason: "removes a user's scheduled jobs",
        matches: |seen| seen.is(&["crontab"]) && seen.has_option(&['r'], "remove"),
        must_deny: &["crontab -r", "crontab -u me -r"],
        must_allow: &["crontab -l", "echo crontab -r"],
    },
    Rule {
        id: "account-files",
        reason: "changes a file that says who may log in",
        matches: |seen| {
            seen.writes_to(is_account_file)
                || seen.is(&["tee", "rm", "mv", "truncate", "shred", "unlink"])
                    && seen.operands().any(|word| is_account_file(&word.text))
                || seen.is(&["cp", "install", "ln"])
                    && seen
                        .operands()
                        .last()
                        .is_some_and(|word| is_account_file(&word.text))
        },
        must_deny: &[
            "echo x >> /etc/passwd",
            "> /etc/shadow",
            "echo x | sudo tee -a /etc/sudoers",
            "rm /etc/shadow",
            "cp x /etc//passwd",
        ],
        must_allow: &[
            "cat /etc/passwd",
            "grep me < /etc/group",
            "cp /etc/passwd ./copy",
        ],
    },
];

fn stops_machine(seen: &Seen<'_>) -> bool {
    match seen.program {
        "shutdown" | "reboot" | "halt" | "poweroff" | "telinit" => !seen.only_asks(),
        "init" => {
            seen.args.len() == 1
                && seen.has_argument(|level| matches!(level, "0" | "1" | "6" | "s" | "S"))
        }
        "systemctl" | "loginctl" => {
            let mut operands = seen.operands().map(|word| &*word.text);
            match operands.next() {
                Some("start" | "isolate") => operands.any(is_stopping_target),
                Some(verb) => STOPPING.contains(&verb),
                None => false,
            }
        }
        _ => false,
    }
}

const STOPPING: &[&str] = &[
    "poweroff",
    "reboot",
    "halt",
    "kexec",
    "soft-reboot",
    "suspend",
    "hibernate",
    "hybrid-sleep",
    "rescue",
    "emergency",
];

fn is_stopping_target(unit: &str) -> bool {
    STOPPING.contains(&unit.strip_suffix(".target").unwrap_or(unit))
}

/// Whether `kill` is told process 1 or -1. A first `-1` is signal 1.
fn signals_all(seen: &Seen<'_>) -> bool {
    let mut args = seen.args.iter().map(|arg| &*arg.text).peekable();
    match args.peek() {
        // Signal 0 only asks whether the process is there.
        Some(&("-0" | "-l" | "-L")) => return false,
        Some(&("-s" | "-n")) => drop((args.next(), args.next())),
        Some(first) if first.starts_with('-') => drop(args.next()),
        _ => {}
    }
    args.any(|target| matches!(target, "1" | "-1"))
}

fn is_drive(arg: &str) -> bool {
    let mut chars = arg.chars();
    chars
        .next()
        .is_some_and(|drive| drive.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && chars.next().is_none_or(|next| matches!(next, '\\' | '/'))
}
