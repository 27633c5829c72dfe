//! What developers run all day works in the sandbox: each tool that is installed here.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::path::Path;
use std::sync::Arc;

use mcp_sandbox::{
    Boundary, CommandSpec, Ground, Guard, Guarded, GuardedName, Runner, SandboxConfig, Status, Tier,
};

use crate::support::{become_plain_user, helper, printed, runner, sh, within};

/// Tool, what it needs to be there, and a script that prints `works` in the end.
const TOOLS: [(&str, &str); 13] = [
    (
        "gcc",
        "printf 'int main(void) { return 0; }' > a.c && gcc -O2 a.c -o a && ./a && echo works",
    ),
    (
        "g++",
        "printf '#include <thread>\\nint main() { std::thread([] {}).join(); }' > b.cc && \
         g++ -pthread b.cc -o b && ./b && echo works",
    ),
    (
        "make",
        "printf 'all:\\n\\t@echo works\\n' > Makefile && make -s -j4",
    ),
    (
        "tar",
        "mkdir d && echo x > d/f && tar czf d.tgz d && rm -r d && tar xzf d.tgz && cat d/f && echo works",
    ),
    (
        "git",
        "git init -q . && git config user.email a@b.c && git config user.name a && \
             echo x > file && git add -A && git commit -qm one && git log --oneline && \
             git clone -q . ../clone 2>/dev/null; git status --short; echo works",
    ),
    (
        "python3",
        "python3 -c 'import json, sqlite3, subprocess, threading, tempfile; \
         subprocess.run([\"true\"], check=True); tempfile.TemporaryFile(); \
         sqlite3.connect(\"db\").execute(\"create table t(x)\"); print(\"works\")'",
    ),
    (
        "python3",
        "python3 -c 'import multiprocessing as m; a, b = m.Pipe(); \
         m.get_context(\"fork\").Process(target=b.send, args=(\"works\",)).start(); \
         print(a.recv())'",
    ),
    (
        "python3",
        "python3 -m venv --without-pip v && v/bin/python -c 'print(\"works\")'",
    ),
    (
        "node",
        "node -e 'require(\"child_process\").execSync(\"true\"); require(\"fs\").writeFileSync(\"n\", \"\"); \
         new (require(\"worker_threads\").Worker)(\"\", { eval: true }).on(\"exit\", () => console.log(\"works\"))'",
    ),
    (
        "npm",
        "printf '{\"name\":\"a\",\"version\":\"1.0.0\",\"scripts\":{\"test\":\"echo works\"}}' > package.json && \
         npm pack --silent --offline && npm test --silent --offline",
    ),
    (
        "javac",
        "printf 'class A { public static void main(String[] a) { System.out.println(\"works\"); } }' \
         > A.java && javac A.java && java A",
    ),
    ("java", "java -version && echo works"),
    (
        "perl",
        "perl -e 'system(\"true\") == 0 and print \"works\\n\"'",
    ),
];

const HOME: &str = "/home/somebody";

/// As a server sets it up: a home directory, protected names, and the paths that rules cover.
fn prepared(script: &str, root: &Path, tier: Tier) -> CommandSpec {
    let mut spec = within(sh(script), root);
    let roots = std::mem::take(&mut spec.boundary.roots);
    let config = SandboxConfig {
        require: tier,
        prefer: tier,
        ..SandboxConfig::default()
    };
    spec.boundary = Boundary::closed(&config, Some(Path::new(HOME)));
    spec.boundary.roots = roots;
    spec.environment = vec![
        ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
        ("HOME".into(), HOME.into()),
    ];
    spec.timeout = std::time::Duration::from_mins(1);
    spec
}

fn protect(spec: &mut CommandSpec, root: &Path) {
    let mut ground = Ground::clone(&spec.boundary.ground);
    let names = [
        (".bashrc", Guard::Hidden),
        (".ssh", Guard::Hidden),
        (".vscode/tasks.json", Guard::Hidden),
        (".git/hooks", Guard::Hidden),
        (".git/config", Guard::ReadOnly),
    ];
    ground.names = names
        .map(|(name, guard)| GuardedName {
            name: name.into(),
            guard,
        })
        .into();
    spec.boundary.ground = Arc::new(ground);
    for (name, guard) in [
        (".git/hooks", Guard::Hidden),
        (".git/config", Guard::ReadOnly),
    ] {
        if root.join(name).exists() {
            spec.boundary.guarded.push(Guarded {
                file: None,
                path: root.join(name),
                depth: 2,
                guard,
            });
        }
    }
}

fn is_installed(tool: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .any(|at| Path::new(at).join(tool).exists())
}

async fn check(tier: Tier) {
    let runner = runner();
    let mut tried = 0;
    for (tool, script) in TOOLS {
        if !is_installed(tool) {
            continue;
        }
        tried += 1;
        let root = tempfile::tempdir().unwrap();
        let mut spec = prepared(script, root.path(), tier);
        if tier == Tier::Strict {
            protect(&mut spec, root.path());
        }
        let outcome = runner.run(spec, drop).await.unwrap();
        let text = printed(&outcome);
        assert!(
            text.lines().any(|line| line == "works"),
            "{tier} {script}: {text}"
        );
    }
    assert!(tried >= 5, "only {tried} tools are installed");
}

#[tokio::test]
async fn tools_work_in_the_strict_tier() {
    check(Tier::Strict).await;
}

#[tokio::test]
async fn tools_work_in_the_landlock_tier() {
    check(Tier::Landlock).await;
}

#[tokio::test]
async fn a_repository_is_worked_in_while_its_hooks_and_settings_are_held() {
    become_plain_user();
    let root = tempfile::tempdir().unwrap();
    let runner = runner();
    for (script, expect) in [
        (
            "git init -q . && git config user.email a@b.c && git config user.name a && \
             echo 1 > f && git add -A && git commit -qm one && git status --short && echo works",
            "works\n",
        ),
        (
            "echo 2 >> f && git add -A && git commit -qm two && git checkout -qb next && \
             git stash -q 2>/dev/null; git log --oneline | wc -l && git status --short && \
             git diff --stat HEAD~1 | tail -1 && echo works",
            "2\n 1 file changed, 1 insertion(+)\nworks\n",
        ),
        (
            "git config user.name x 2>/dev/null || echo held; \
             echo x > .git/hooks/pre-commit 2>/dev/null || echo held",
            "held\n",
        ),
    ] {
        let mut spec = prepared(script, root.path(), Tier::Strict);
        protect(&mut spec, root.path());
        let text = printed(&runner.run(spec, drop).await.unwrap());
        assert!(text.starts_with(expect), "{script}: {text}");
    }
}

/// As whoever can read the toolchain, root included: the tier holds root too.
#[tokio::test]
async fn cargo_builds_and_runs_offline() {
    let cargo = Path::new(env!("CARGO"));
    let toolchain = cargo.ancestors().nth(2).unwrap();
    if toolchain.starts_with("/root") {
        assert!(
            rustix::process::geteuid().is_root(),
            "{}",
            toolchain.display()
        );
    } else {
        become_plain_user();
    }
    let root = tempfile::tempdir().unwrap();
    let bin = cargo.parent().unwrap().display();
    let script = format!(
        "PATH={bin}:$PATH cargo new -q --vcs none hello && cd hello && \
         PATH={bin}:$PATH cargo run -q --offline && grep CapEff /proc/self/status"
    );
    let mut spec = prepared(&script, root.path(), Tier::Strict);
    let mut ground = Ground::clone(&spec.boundary.ground);
    ground.readable.push(toolchain.to_owned());
    spec.boundary.ground = Arc::new(ground);
    let runner = Runner::with_helper(&SandboxConfig::default(), helper()).unwrap();
    let outcome = runner.run(spec, drop).await.unwrap();
    assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
    assert_eq!(
        printed(&outcome),
        "Hello, world!\nCapEff:\t0000000000000000\n"
    );
}
