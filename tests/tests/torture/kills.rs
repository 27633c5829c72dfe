//! Processes that write and read one file, killed at random moments.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mcp_tests::{Dice, Ended, Era, PATIENCE, Setup, Stdio};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::ledger::Ledger;
use crate::script::{Step, script};

/// Rounds when `TORTURE_ROUNDS` does not say how many.
const ROUNDS: u64 = 20;
/// Rounds on one file, so that looking it over does not take ever longer.
const ROUNDS_ON_A_FILE: u64 = 25;
/// Processes on the file.
const SERVERS: usize = 4;
/// The moment of a kill, in microseconds after the calls were sent: a round takes about as long.
const KILLED_WITHIN: u64 = 60_000;

#[test]
fn killed_processes_lose_nothing_that_was_acknowledged() {
    let rounds = std::env::var("TORTURE_ROUNDS").map_or(ROUNDS, |rounds| {
        rounds.parse().expect("TORTURE_ROUNDS is a number")
    });
    let mut dice = Dice::new("kills");
    let (mut done, mut kills, mut acknowledged, mut under_way) = (0, 0, 0, 0);
    while done < rounds {
        let mut file = Torture::new();
        let until = rounds.min(done + ROUNDS_ON_A_FILE);
        for round in done..until {
            file.round(&mut dice, round);
        }
        done = until;
        file.look_over();
        kills += file.kills;
        acknowledged += file.all.iter().map(Ledger::acknowledged).sum::<usize>();
        under_way += file.all.iter().map(Ledger::under_way).sum::<usize>();
        println!(
            "{done} rounds, {kills} processes killed with {under_way} writes under way, \
             {acknowledged} writes acknowledged"
        );
    }
    assert!(under_way > 0, "no process was killed at work");
}

/// A file and the processes on it.
struct Torture {
    /// Keeps the directory; never killed, and idle.
    home: Stdio,
    directory: PathBuf,
    servers: Vec<Stdio>,
    all: Vec<Ledger>,
    kills: u64,
    started: u64,
}

fn start(directory: &Path) -> Stdio {
    Setup::memory_at(directory).stdio(Era::Modern)
}

impl Torture {
    fn new() -> Self {
        let mut home = Setup::memory().stdio(Era::Modern);
        let directory = home.stage.path("home/memory");
        // The last process on a file takes the log up when it ends: after this one nobody does.
        home.process.signal(Signal::KILL);
        home.process.ended_within(PATIENCE);
        let servers = (0..SERVERS).map(|_| start(&directory)).collect();
        Self {
            home,
            directory,
            servers,
            all: Vec::new(),
            kills: 0,
            started: 0,
        }
    }

    /// All call at once; one is killed, or at times all are; new ones take their places.
    fn round(&mut self, dice: &mut Dice, round: u64) {
        let all_die = dice.once_in(4);
        let victim = dice.index(SERVERS);
        let mut ledger = Ledger::default();
        let moment = Duration::from_micros(dice.roll(0..KILLED_WITHIN));
        let plans: Vec<Plan> = (0..SERVERS)
            .map(|at| {
                self.started += 1;
                Plan {
                    steps: script(dice, round, &format!("w{}", self.started)),
                    killed_after: (all_die || at == victim).then_some(moment),
                    is_replaced: !all_die,
                }
            })
            .collect();
        let directory = &self.directory;
        let entries: Vec<_> = thread::scope(|scope| {
            let running = self.servers.iter_mut().zip(plans);
            let running: Vec<_> = running
                .map(|(server, plan)| scope.spawn(move || plan.carry_out(server, directory)))
                .collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        self.kills += 1;
        if all_die {
            // Nobody has the file open now, and its log was left in the middle of a write.
            self.kills += u64::try_from(SERVERS).unwrap() - 1;
            self.servers = (0..SERVERS).map(|_| start(&self.directory)).collect();
        }
        for (step, response) in entries.into_iter().flatten() {
            ledger.enter(step, response);
        }
        ledger.check(&mut start(&self.directory));
        self.examine();
        self.all.push(ledger);
    }

    /// The pages, the indexes and the index of the full text are sound.
    fn examine(&self) {
        let doctor = Setup::memory_at(&self.directory).arguments(&["doctor"]);
        let (ended, said, errors) = doctor.run();
        assert_eq!(ended, Ended::Exited(0), "{said}{errors}");
    }

    /// What was written in earlier rounds is there too, when all processes are gone.
    fn look_over(&mut self) {
        self.servers.clear();
        let mut server = start(&self.directory);
        for ledger in &self.all {
            ledger.check(&mut server);
        }
        assert!(self.home.stage.path("home/memory/knowledge.db").exists());
    }
}

/// What a client does in a round.
struct Plan {
    steps: Vec<Step>,
    /// When its server is killed, after the calls were sent.
    killed_after: Option<Duration>,
    /// Whether another one takes its place while others go on.
    is_replaced: bool,
}

impl Plan {
    /// Sends all calls, then reads the answers. In the place of a server that was killed another one
    /// is started, while the others go on.
    fn carry_out(self, server: &mut Stdio, directory: &Path) -> Vec<(Step, Option<Value>)> {
        let ids: Vec<u64> = self
            .steps
            .iter()
            .map(|step| server.send_call(step.tool, &step.arguments))
            .collect();
        let mut responses = match self.killed_after {
            None => ids.iter().map(|id| server.response(*id)).collect(),
            Some(moment) => {
                let came = killed(server, moment);
                if self.is_replaced {
                    *server = start(directory);
                }
                came
            }
        };
        let find = |id: u64| {
            let at = responses.iter().position(|came: &Value| came["id"] == id)?;
            Some(responses.swap_remove(at))
        };
        let answered: Vec<_> = ids.into_iter().map(find).collect();
        self.steps.into_iter().zip(answered).collect()
    }
}

/// Kills a server after a moment; returns what it answered before.
fn killed(server: &mut Stdio, moment: Duration) -> Vec<Value> {
    let pid = i32::try_from(server.process.pid()).unwrap();
    // It is reaped by its owner only, so the number stays its own.
    let pid = Pid::from_raw(pid).unwrap();
    let (sender, over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Nothing is ever sent: this is the moment, or the end of the test.
            over.recv_timeout(moment).ok();
            kill_process(pid, Signal::KILL).unwrap();
        });
        let came = server.rest();
        drop(sender);
        assert_eq!(server.process.ended_within(PATIENCE), Ended::Signaled(9));
        came
    })
}
