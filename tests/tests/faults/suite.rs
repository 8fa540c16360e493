//! The suite: runs each scenario with failing calls, and checks the state afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::calls::{Call, errno_name};
use crate::left::{GRACE, Left, clean, describe};
use crate::place::Place;
use crate::scenarios::{SCENARIOS, Scenario};
use crate::tracer::{Plan, Run, run};

/// Outcomes of a call that failed with an error, over all its occurrences.
#[derive(Debug, Default)]
struct Outcomes {
    /// The work failed, or went on without it.
    is_reported: bool,
    is_bridged: bool,
    left: usize,
}

/// Counts, and rows of the tables.
struct Suite {
    place: Place,
    before: Left,
    rows: BTreeMap<Row, Outcomes>,
    /// Objects that are yet to go.
    pending: BTreeMap<(&'static str, String), Pending>,
    runs: usize,
    broken: usize,
}

/// A call and an error.
type Row = (&'static str, &'static str);

/// An object of a run that has ended.
struct Pending {
    since: Instant,
    row: Row,
    what: String,
}

pub(crate) fn main() {
    let filters: Vec<String> = std::env::args().skip(1).collect();
    std::panic::set_hook(Box::new(|_| {}));
    let place = Place::enter();
    let mut suite = Suite {
        before: Left::read(&place),
        place,
        rows: BTreeMap::new(),
        pending: BTreeMap::new(),
        runs: 0,
        broken: 0,
    };
    for (number, scenario) in SCENARIOS.iter().enumerate() {
        if filters.is_empty() || filters.iter().any(|text| scenario.name.contains(text)) {
            suite.scenario(number, scenario);
        }
    }
    suite.print();
    let (runs, broken) = (suite.runs, suite.broken);
    println!("{runs} runs, {broken} broken");
    drop(suite);
    std::process::exit(i32::from(broken > 0));
}

impl Suite {
    fn scenario(&mut self, number: usize, scenario: &Scenario) {
        if running() < scenario.since {
            let (major, minor) = scenario.since;
            println!("OLD {}\tsince {major}.{minor}", scenario.name);
            return;
        }
        let started = Instant::now();
        note(&format!("{}: in this process", scenario.name));
        // In this process: what is read once is read, and its forks have it.
        if let Err(e) = (scenario.run)(&self.place) {
            println!("BROKEN {}: without a fault: {e}", scenario.name);
            self.broken += 1;
            return;
        }
        note("until its objects have gone");
        self.before = self.settled();
        note("traced");
        let whole = self.run(scenario, Plan::None);
        note("with faults");
        let calls = whole.calls;
        let first = self.runs;
        for (at, call) in calls.iter().enumerate() {
            let kind = call.kind().expect("it can fail");
            // Other scenarios prepare as this one does, and one that only loads does the same many
            // times: together they have all errors.
            let most = match (at < whole.preparation, whole.preparation) {
                (true, _) => 1,
                (false, 0) => 3,
                (false, _) => usize::MAX,
            };
            // A file that is read to its end.
            let is_repeated = kind.name == "read"
                && at >= 2
                && calls[at - 2..at].iter().all(|c| c.number == call.number);
            let most = if is_repeated { 0 } else { most };
            let errnos = kind.errnos.iter().cycle().skip(at + number);
            for &errno in errnos.take(most.min(kind.errnos.len())) {
                self.fail(scenario, call, Plan::Fail { at, errno }, errno);
            }
            if kind.makes_fd {
                let errno = libc::EMFILE;
                self.fail(scenario, call, Plan::Exhaust { at, errno }, errno);
            }
        }
        self.await_pending();
        let mut kinds = BTreeSet::new();
        for at in whole.preparation..calls.len() {
            kinds.extend(self.kill(scenario, at));
        }
        let kinds: Vec<&str> = kinds.into_iter().collect();
        println!("KILLED {}\t{}", scenario.name, kinds.join(", "));
        println!(
            "DONE {}: {} calls, {} runs, {:.1} s",
            scenario.name,
            calls.len(),
            self.runs - first,
            started.elapsed().as_secs_f32()
        );
    }

    /// Waits until the last objects of this process are gone, and returns the state.
    fn settled(&self) -> Left {
        let mut last = Left::read(&self.place);
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = Left::read(&self.place);
            if now == last {
                return now;
            }
            last = now;
        }
    }

    fn run(&mut self, scenario: &Scenario, plan: Plan) -> Run {
        self.runs += 1;
        let place = &self.place;
        run(plan, &|| (scenario.run)(place))
    }

    fn fail(&mut self, scenario: &Scenario, call: &Call, plan: Plan, errno: i32) {
        let done = self.run(scenario, plan);
        let kind = call.kind().expect("it can fail");
        let mut wrong = judge(&done, errno);
        let row = (kind.name, errno_name(errno));
        let (objects, left) = self.now();
        if !left.is_empty() {
            wrong.push(format!("left behind: {left}"));
            clean(&mut self.place);
            self.before = self.settled();
        }
        for object in objects {
            let what = format!("{}: {plan:?} {} {}", scenario.name, kind.name, call.path);
            let since = Instant::now();
            self.pending
                .entry(object)
                .or_insert(Pending { since, row, what });
        }
        let outcomes = self.rows.entry(row).or_default();
        let is_error = done.report.as_ref().is_some_and(|r| r.error.is_some());
        outcomes.is_reported |= is_error;
        outcomes.is_bridged |= !is_error;
        outcomes.left += usize::from(!left.is_empty());
        let error = done.report.and_then(|report| report.error);
        let text = error.map_or_else(|| "no error".to_owned(), |e| e.text);
        for wrong in wrong {
            self.broken += 1;
            let (call, path, name) = (kind.name, &call.path, errno_name(errno));
            println!(
                "BROKEN {}: {plan:?} {call} {path} {name}: {wrong} [{text}]",
                scenario.name
            );
        }
        if std::env::var_os("BTF_FAULTS_VERBOSE").is_some() {
            let (call, path, name) = (kind.name, &call.path, errno_name(errno));
            println!("SAID {}: {call} {path} {name}: {text}", scenario.name);
        }
    }

    /// Objects that are there, which may go yet; and what else is. The kernel frees pinned links
    /// after a while.
    fn now(&self) -> (Vec<(&'static str, String)>, Left) {
        let end = Instant::now() + GRACE;
        loop {
            let (objects, left) = self.before.split(&Left::read(&self.place));
            if left.is_empty() || Instant::now() > end {
                return (objects, left);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the objects of former runs have gone; those that do not go are left behind.
    fn await_pending(&mut self) {
        loop {
            let (objects, _) = self.before.split(&Left::read(&self.place));
            let objects: BTreeSet<_> = objects.into_iter().collect();
            self.pending.retain(|object, _| objects.contains(object));
            let Some(youngest) = self.pending.values().map(|pending| pending.since).max() else {
                return;
            };
            if youngest.elapsed() > GRACE {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for ((kind, id), pending) in std::mem::take(&mut self.pending) {
            self.broken += 1;
            self.rows.entry(pending.row).or_default().left += 1;
            println!(
                "BROKEN {}: left behind: {}",
                pending.what,
                describe(kind, &id)
            );
        }
        self.before = self.settled();
    }

    /// Kills the process before a call; the kinds of what is left, which it removes.
    fn kill(&mut self, scenario: &Scenario, at: usize) -> BTreeSet<&'static str> {
        let done = self.run(scenario, Plan::Kill { at });
        if done.signal != Some(libc::SIGKILL) {
            println!(
                "BROKEN {}: not killed before call {at}: {done:?}",
                scenario.name
            );
            self.broken += 1;
        }
        let left = self.before.added_for_good(&self.place);
        if left.is_empty() {
            return BTreeSet::new();
        }
        let kinds = left.kinds();
        clean(&mut self.place);
        let still = self.before.added(&self.place);
        if !still.is_empty() {
            println!("BROKEN {}: cannot remove {still}", scenario.name);
            self.broken += 1;
        }
        kinds
    }

    fn print(&self) {
        for ((call, errno), outcomes) in &self.rows {
            let outcome = match (outcomes.is_reported, outcomes.is_bridged) {
                (true, true) => "either",
                (true, false) => "error",
                _ => "goes on",
            };
            println!("ROW {call}\t{errno}\t{outcome}\t{}", outcomes.left);
        }
    }
}

/// Prints progress if `BTF_FAULTS_VERBOSE` is set.
fn note(text: &str) {
    if std::env::var_os("BTF_FAULTS_VERBOSE").is_some() {
        println!("NOTE {text}");
    }
}

/// Returns the problems of a run in which a call failed.
fn judge(run: &Run, errno: i32) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(report) = &run.report else {
        wrong.push(format!("ended by signal {:?}", run.signal));
        return wrong;
    };
    if let Some(panic) = &report.panic {
        wrong.push(format!("panic: {panic}"));
    }
    for held in &report.held {
        wrong.push(format!("left open: {held}"));
    }
    if let Some(error) = &report.error {
        if error.errno.is_some_and(|other| other != errno) {
            wrong.push(format!("another error: {:?}", error.errno));
        }
        let is_denied = errno == libc::EPERM || errno == libc::EACCES;
        if !is_denied && advises_privileges(&error.text) {
            wrong.push("advises privileges".to_owned());
        }
    }
    wrong
}

/// Returns `true` if an error's text says that privileges are missing.
fn advises_privileges(text: &str) -> bool {
    [
        "run it as root",
        "run as root",
        "CAP_BPF",
        "CAP_SYSLOG",
        "locked down",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// The running kernel's version.
fn running() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    let mut numbers = release
        .split(['.', '-'])
        .map(|n| n.trim().parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
