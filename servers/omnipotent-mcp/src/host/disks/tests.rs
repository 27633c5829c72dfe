//! Deadlines, remembered values and filters of the disk survey.

use std::sync::mpsc;

use super::*;

/// Source, mount point, type and device number.
type Row = (&'static str, &'static str, &'static str, u64);

#[test]
fn keeps_each_real_disk_once_at_its_shortest_path() {
    let check = |rows: &[Row], expected: &[&str]| {
        let mounts = rows
            .iter()
            .map(|&(source, mountpoint, fs_type, number)| Mount {
                source: source.into(),
                mountpoint: mountpoint.into(),
                fs_type: fs_type.into(),
                device_number: Some(number),
            });
        let disks = real_disks(mounts);
        let paths: Vec<_> = disks
            .iter()
            .map(|mount| mount.mountpoint.as_path())
            .collect();
        let expected: Vec<_> = expected.iter().map(Path::new).collect();
        assert_eq!(paths, expected, "{rows:?}");
    };
    let root = ("/dev/sda1", "/", "ext4", 1);
    check(&[("/dev/sda1", "/etc/hosts", "ext4", 1), root], &["/"]);
    check(
        &[
            root,
            ("/dev/sdb", "/d", "xfs", 2),
            ("/dev/sdc", "/d", "xfs", 3),
        ],
        &["/", "/d"],
    );
    check(
        &[
            ("/dev/sdd", "/", "btrfs", 4),
            ("/dev/sdd", "/home", "btrfs", 5),
        ],
        &["/"],
    );
    check(
        &[
            root,
            ("fuse", "/a", "fuse.x", 6),
            ("fuse", "/b", "fuse.x", 7),
        ],
        &["/", "/a", "/b"],
    );
    check(
        &[
            root,
            ("share", "/a", "virtiofs", 8),
            ("share", "/a/b", "virtiofs", 8),
        ],
        &["/", "/a"],
    );
    check(&[("overlay", "/", "overlay", 9)], &["/"]);
    check(&[root, ("overlay", "/var/lib/x", "overlay", 9)], &["/"]);
    check(&[root, ("/dev/loop0", "/image", "erofs", 10)], &["/"]);
}

#[tokio::test]
async fn lists_what_was_last_known_while_a_disk_does_not_answer() {
    let disk = |mountpoint: &str| Disk {
        device: "/dev/sda1".into(),
        mountpoint: mountpoint.into(),
        fs_type: "ext4".into(),
        total: 4,
        used: 1,
        free: 3,
        percent: 25.0,
    };
    let (before, after) = (vec![disk("/")], vec![disk("/"), disk("/d")]);
    let probe = Probe::default();
    let impatience = Duration::from_millis(10);
    let (release, stuck) = mpsc::channel::<()>();
    let hang = {
        let after = after.clone();
        move || {
            assert!(stuck.recv().is_err());
            Ok(after)
        }
    };

    let first = before.clone();
    let answer = probe.ask(PATIENCE, move || Ok(first)).await.unwrap();
    assert_eq!((answer.disks, answer.unavailable), (before.clone(), 0));

    let answer = probe.ask(impatience, hang).await.unwrap();
    assert_eq!((answer.disks, answer.unavailable), (before.clone(), 1));
    let second = || -> Survey { panic!("asked while a thread hangs") };
    let answer = probe.ask(impatience, second).await.unwrap();
    assert_eq!((answer.disks, answer.unavailable), (before, 1));

    drop(release);
    let fresh = after.clone();
    let answer = probe.ask(PATIENCE, move || Ok(fresh)).await.unwrap();
    assert_eq!((answer.disks, answer.unavailable), (after, 0));
}
