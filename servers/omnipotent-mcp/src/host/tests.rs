//! What the machine says of itself, within what must hold on any machine.

use super::*;

fn query(limit: usize) -> ProcessQuery {
    ProcessQuery {
        name_contains: String::new(),
        order: ProcessOrder::Pid,
        limit,
    }
}

#[test]
fn rounds_percent_to_a_tenth() {
    let check = |part: u64, whole: u64, share: f64| {
        assert!(
            (percent(part, whole) - share).abs() < f64::EPSILON,
            "{part} of {whole}"
        );
    };
    check(1, 3, 33.3);
    check(2, 3, 66.7);
    check(5, 2, 250.0);
    check(5, 0, 0.0);
    check(u64::MAX, u64::MAX, 100.0);
}

#[tokio::test]
async fn describes_this_machine() {
    let host = Host::new();
    let platform = host.platform();
    assert_eq!(
        (platform.system.as_str(), platform.machine.as_str()),
        ("Linux", "x86_64")
    );
    let cpu = host.cpu().unwrap();
    assert_eq!(
        usize::try_from(cpu.logical_cores).unwrap(),
        cpu.per_cpu.len()
    );
    assert!(
        (1..=cpu.logical_cores).contains(&cpu.physical_cores),
        "{cpu:?}"
    );
    let memory = host.memory().unwrap().memory;
    assert_eq!(memory.total, memory.used + memory.available);
    let disks = host.disks().await.unwrap();
    assert!(
        disks.disks.iter().all(|disk| disk.used <= disk.total),
        "{disks:?}"
    );
    assert!(host.uptime_seconds().unwrap() > 0);
    assert!(host.load().unwrap().one >= 0.0);
}

#[tokio::test]
async fn lists_this_process_and_cuts_after_sorting() {
    let host = Host::new();
    let all = host.processes(query(usize::MAX)).await.unwrap();
    let pid = std::process::id();
    let me = all.rows.iter().find(|row| row.pid == pid).unwrap();
    assert!(me.memory_bytes > 0 && me.username.is_some(), "{me:?}");
    assert_eq!(all.total, all.rows.len());
    let first = host.processes(query(1)).await.unwrap();
    assert_eq!(first.rows.len(), 1);
    assert_eq!(
        first.rows.first().map(|row| row.pid),
        all.rows.iter().map(|row| row.pid).min()
    );
}
