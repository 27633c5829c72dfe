//! Order, cut and filter of the process list, on live processes.

use mcp_security::processes::ProcessState;

use super::*;

fn stat(pid: u32, name: &str, cpu_ticks: u64, resident_pages: u64) -> ProcessStat {
    ProcessStat {
        pid,
        parent: 1,
        name: name.to_owned(),
        state: ProcessState::Sleeping,
        is_kernel_thread: false,
        cpu_ticks,
        start_ticks: u64::from(pid) * 10,
        resident_pages,
    }
}

fn table() -> Vec<ProcessStat> {
    vec![
        stat(3, "bash", 7, 10),
        stat(1, "Zed", 500, 30),
        stat(2, "atd", 90, 10),
    ]
}

#[test]
fn sorts_every_way_with_ties_by_number() {
    let check = |order: ProcessOrder, expected: [u32; 3]| {
        let mut ranked = Sampler::default().rank(table(), 1010);
        sort(&mut ranked, order);
        let pids: Vec<u32> = ranked.iter().map(|process| process.stat.pid).collect();
        assert_eq!(pids, expected, "{order:?}");
    };
    check(ProcessOrder::Memory, [1, 2, 3]);
    check(ProcessOrder::Cpu, [1, 2, 3]);
    check(ProcessOrder::Pid, [1, 2, 3]);
    check(ProcessOrder::Name, [2, 3, 1]);
    check(ProcessOrder::Started, [3, 2, 1]);
}

#[test]
fn shares_processor_time_over_the_interval_or_the_life() {
    let mut sampler = Sampler::default();
    let mut check = |cpu_ticks: u64, share: f64| {
        let ranked = sampler.rank(vec![stat(1, "busy", cpu_ticks, 1)], 1010);
        assert_eq!(
            ranked.first().map(|process| process.cpu_percent),
            Some(share)
        );
        let baseline = sampler.baseline.as_mut().unwrap();
        baseline.at = baseline.at.checked_sub(Duration::from_secs(1)).unwrap();
    };
    check(500, 50.0);
    check(625, 125.0);
    check(625, 0.0);
}

#[test]
fn does_not_mix_up_processes_that_had_the_same_number() {
    let mut sampler = Sampler::default();
    sampler.rank(vec![stat(1, "old", 900, 1)], 1010);
    let baseline = sampler.baseline.as_mut().unwrap();
    baseline.at = baseline.at.checked_sub(Duration::from_secs(1)).unwrap();
    let later = ProcessStat {
        start_ticks: 1000,
        ..stat(1, "new", 5, 1)
    };
    let ranked = sampler.rank(vec![later], 1010);
    assert_eq!(
        ranked.first().map(|process| process.cpu_percent),
        Some(50.0)
    );
}

#[test]
fn finds_parts_of_names_in_any_case() {
    let check = |name: &str, part: &str, found: bool| assert_eq!(matches(name, part), found);
    check("NetworkManager", "manager", true);
    check("straße", "STRASSE", false);
    check("bash", "", true);
    check("bash", "zsh", false);
}

#[test]
fn names_users_by_the_first_line_that_has_their_number() {
    let names =
        user_names("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\nada:x:1000:1::\n");
    assert_eq!(names.get(&0).map(String::as_str), Some("root"));
    assert_eq!(names.get(&1000).map(String::as_str), Some("ada"));
    assert_eq!(names.len(), 2);
}
