//! The filter on system calls (seccomp(2)): what no compiler, interpreter or package manager
//! needs is refused, so that a fault in those parts of the kernel is out of reach.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter, sock_filter,
};

use crate::config::Network;

/// Refused with EPERM, whatever their arguments.
const REFUSED: &[i64] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Large, young or privileged parts of the kernel.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    // Files by number instead of by name.
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // The machine itself.
    libc::SYS_acct,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_vhangup,
];

/// System V and POSIX message queues, semaphores and shared memory, which without a namespace are
/// those of the whole machine.
const SHARED: &[i64] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Flags of clone(2) and unshare(2) that make namespaces.
const NAMESPACES: [i32; 8] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    // CLONE_NEWTIME, which clone(2) cannot name: the bit is part of its signal.
    0x80,
];

/// Requests that write into a terminal's input (`ioctl_tty`(2)).
const TERMINAL: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// The bits of a socket's type that are no flags (`SOCK_TYPE_MASK`, linux/net.h).
const SOCKET_KIND: u64 = 0xf;

/// Where the IPC objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ipc {
    /// In a namespace of the command's own.
    Private,
    /// The machine's.
    Shared,
}

/// Compiled filters.
pub(super) struct Filter(Vec<BpfProgram>);

impl Filter {
    /// Compiles them; takes no system call.
    pub(super) fn compile(network: Network, ipc: Ipc) -> Result<Self, BackendError> {
        Ok(Self(vec![
            no_foreign_numbers(),
            program(refused(ipc)?, libc::EPERM)?,
            // The C library falls back to clone(2), whose flags can be judged.
            program(always(&[libc::SYS_clone3]), libc::ENOSYS)?,
            program(sockets(network)?, libc::EAFNOSUPPORT)?,
        ]))
    }

    /// Puts them in force for the calling thread and what it starts.
    pub(super) fn enforce(&self) -> Result<(), seccompiler::Error> {
        self.0.iter().try_for_each(|program| apply_filter(program))
    }
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn program(rules: Rules, errno: i32) -> Result<BpfProgram, BackendError> {
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, errno, TargetArch::x86_64)?.try_into()
}

fn always(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn refused(ipc: Ipc) -> Result<Rules, BackendError> {
    let mut rules = always(REFUSED);
    if ipc == Ipc::Shared {
        rules.extend(always(SHARED));
    }
    let by_flag = |first: usize| {
        let flags = NAMESPACES.into_iter().take(NAMESPACES.len() - first);
        flags
            .map(|flag| {
                let flag = u64::from(flag.unsigned_abs());
                rule([(0, Width::Qword, Is::MaskedEq(flag), flag)])
            })
            .collect::<Result<Vec<_>, _>>()
    };
    rules.insert(libc::SYS_clone, by_flag(1)?);
    rules.insert(libc::SYS_unshare, by_flag(0)?);
    let requests = TERMINAL.map(|request| rule([(1, Width::Dword, Is::Eq, request)]));
    rules.insert(
        libc::SYS_ioctl,
        requests.into_iter().collect::<Result<_, _>>()?,
    );
    // Asking for the personality is fine, and setting the usual one.
    let unusual = [
        (0, Width::Dword, Is::Ne, 0),
        (0, Width::Dword, Is::Ne, u64::from(u32::MAX)),
    ];
    rules.insert(libc::SYS_personality, vec![rule(unusual)?]);
    Ok(rules)
}

/// Sockets of other families than the network allows. A connected pair of streams reaches nobody
/// else; one of datagrams could send to any socket that has a name.
fn sockets(network: Network) -> Result<Rules, BackendError> {
    let family = |families: &[i32]| {
        let others = families
            .iter()
            .map(|family| (0, Width::Dword, Is::Ne, u64::from(family.unsigned_abs())));
        rule(others).map(|rule| vec![rule])
    };
    let allowed = match network {
        Network::None => Vec::new(),
        Network::Loopback => family(&[
            libc::AF_UNIX,
            libc::AF_INET,
            libc::AF_INET6,
            libc::AF_NETLINK,
        ])?,
        // No UNIX sockets: one in a root may be a way past the proxy, to an agent or an engine.
        Network::Proxy => family(&[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK])?,
    };
    let mut pairs = family(&[libc::AF_UNIX])?;
    for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
        let kind = u64::from(kind.unsigned_abs());
        pairs.push(rule([(1, Width::Dword, Is::MaskedEq(SOCKET_KIND), kind)])?);
    }
    Ok([(libc::SYS_socket, allowed), (libc::SYS_socketpair, pairs)].into())
}

fn rule(
    conditions: impl IntoIterator<Item = (u8, Width, Is, u64)>,
) -> Result<SeccompRule, BackendError> {
    let conditions = conditions
        .into_iter()
        .map(|(argument, width, is, value)| SeccompCondition::new(argument, width, is, value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// Ends a process that calls by the numbers of the x32 interface: they share the architecture
/// with the plain ones and would pass every rule about those.
fn no_foreign_numbers() -> BpfProgram {
    /// `__X32_SYSCALL_BIT` (asm/unistd.h).
    const X32: u32 = 0x4000_0000;
    let step = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt,
        jf,
        k,
    };
    vec![
        // The number is the first word of `struct seccomp_data`.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_KILL_PROCESS,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}
