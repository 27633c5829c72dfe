//! What the kernel says of a process: memory and wake-ups (proc(5)).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::process::Pid;

/// Proportional set size, in bytes: shared pages count by share.
pub(super) fn proportional(pid: Pid) -> Result<f64> {
    bytes(pid, "smaps_rollup", "Pss")
}

/// Resident set size, in bytes.
pub(super) fn resident(pid: Pid) -> Result<f64> {
    bytes(pid, "status", "VmRSS")
}

/// The largest resident set size since [`forget_peak`], in bytes.
pub(super) fn peak(pid: Pid) -> Result<f64> {
    bytes(pid, "status", "VmHWM")
}

/// Starts the peak anew at the present size.
pub(super) fn forget_peak(pid: Pid) -> Result<()> {
    let path = process(pid).join("clear_refs");
    fs::write(&path, "5").with_context(|| format!("cannot write {}", path.display()))
}

/// How often the threads of a process have gone to sleep, and so been woken, since they started.
pub(super) fn wakeups(pid: Pid) -> Result<f64> {
    let mut total = 0;
    for task in fs::read_dir(process(pid).join("task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        total += field(&status, "voluntary_ctxt_switches")
            .context("the kernel does not count context switches")?;
    }
    Ok(f64::from(total))
}

fn bytes(pid: Pid, file: &str, name: &str) -> Result<f64> {
    let path = process(pid).join(file);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let kib = field(&text, name).with_context(|| format!("no {name} in {}", path.display()))?;
    Ok(f64::from(kib) * 1024.0)
}

fn process(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()))
}

/// The number of a `Name:  123 kB` line.
fn field(text: &str, name: &str) -> Option<u32> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_field_by_its_whole_name() {
        let text = "VmHWM:\t    2096 kB\nVmRSS:\t    1980 kB\nvoluntary_ctxt_switches:\t7\n\
                    nonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(field(text, "VmRSS"), Some(1980));
        assert_eq!(field(text, "voluntary_ctxt_switches"), Some(7));
        assert_eq!(field(text, "Vm"), None);
        assert_eq!(field(text, "VmSwap"), None);
    }

    #[test]
    fn knows_its_own_process() {
        let own = rustix::process::getpid();
        assert!(proportional(own).unwrap() <= resident(own).unwrap());
        assert!(peak(own).unwrap() > 0.0);
        assert!(wakeups(own).is_ok());
    }
}
