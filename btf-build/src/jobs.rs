//! Runs work in parallel, with as many jobs as cargo's jobserver has tokens for, plus the one that
//! this process may always run.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use jobserver::{Acquired, Client};

use crate::environment::{self, Jobserver};

/// Interval between requests for a token while work waits for one.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Returns the results of `work` for each item, in the order of the items.
pub(crate) fn run<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    run_within(&Limit::new(), items, work)
}

fn run_within<T: Sync, R: Send>(
    limit: &Limit,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    // A single item needs no thread.
    if let [item] = items {
        return vec![work(item)];
    }
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let (done, finished) = channel();
    let work = &work;
    std::thread::scope(|scope| {
        let mut waiting = items.iter().enumerate().peekable();
        let mut tokens = Vec::new();
        let mut running = 0;
        while running > 0 || waiting.peek().is_some() {
            while waiting.peek().is_some() {
                if running > 0 {
                    match limit.token(running) {
                        Some(token) => tokens.push(token),
                        None => break,
                    }
                }
                let Some((index, item)) = waiting.next() else {
                    break;
                };
                let done = done.clone();
                scope.spawn(move || {
                    // The scope reports a panic only when it ends, and the loop below waits for
                    // this result.
                    let result =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(item)));
                    let _ = done.send((index, result));
                });
                running += 1;
            }
            let event = match waiting.peek() {
                Some(_) => finished.recv_timeout(RETRY_INTERVAL),
                None => finished.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            if let Ok((index, result)) = event {
                running -= 1;
                tokens.pop();
                match result {
                    Ok(result) => results[index] = Some(result),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        }
    });
    results.into_iter().flatten().collect()
}

/// Limit on the number of parallel jobs.
enum Limit {
    /// A token of the jobserver for each job but the first.
    Jobserver(Client),
    /// A fixed number.
    Count(usize),
}

/// Permission to run a job, returned to the jobserver on drop.
struct Token {
    _acquired: Option<Acquired>,
}

impl Limit {
    /// Returns the limit that cargo sets for this build script.
    fn new() -> Limit {
        match environment::jobserver() {
            Jobserver::Connected(client) => Limit::Jobserver(client),
            // Any more jobs than one would exceed the limit.
            Jobserver::Unusable => Limit::Count(1),
            Jobserver::None => Limit::Count(environment::jobs()),
        }
    }

    /// Returns a token for one more job than are `running`, if one is available now.
    fn token(&self, running: usize) -> Option<Token> {
        let acquired = match self {
            Limit::Count(count) => return (running < *count).then_some(Token { _acquired: None }),
            // An error leaves this process with the job that needs no token.
            Limit::Jobserver(client) => client.try_acquire().ok().flatten()?,
        };
        Some(Token {
            _acquired: Some(acquired),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Returns the largest number of jobs that ran at the same time.
    fn most_at_once(limit: &Limit) -> usize {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<u32> = (0..8).collect();
        let results = run_within(limit, &items, |item| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(30));
            now.fetch_sub(1, Ordering::SeqCst);
            item * 2
        });
        assert_eq!(results, [0, 2, 4, 6, 8, 10, 12, 14]);
        most.into_inner()
    }

    #[test]
    fn number_limits_jobs() {
        assert_eq!(most_at_once(&Limit::Count(1)), 1);
        assert_eq!(most_at_once(&Limit::Count(3)), 3);
    }

    #[test]
    #[ignore = "a part of other tests, which run it in a process with an environment of its own"]
    fn in_child() {
        println!("most at once: {}", most_at_once(&Limit::new()));
    }

    /// Runs [`in_child`] without cargo's jobserver, and returns the number that it prints.
    fn child(configure: impl FnOnce(&mut Command)) -> usize {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([
            "--exact",
            "jobs::tests::in_child",
            "--ignored",
            "--nocapture",
        ]);
        for name in ["CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"] {
            child.env_remove(name);
        }
        configure(&mut child);
        let output = child.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let (_, number) = stdout.split_once("most at once: ").expect(&stdout);
        number.lines().next().unwrap().parse().unwrap()
    }

    #[test]
    fn tokens_limit_jobs_and_are_returned() {
        for (tokens, expected) in [(0, 1), (2, 3)] {
            let server = Client::new(tokens).unwrap();
            assert_eq!(child(|child| server.configure(child)), expected);
            assert_eq!(server.available().unwrap(), tokens);
        }
    }

    #[test]
    fn number_limits_jobs_without_jobserver() {
        let most = child(|child| {
            child.env("NUM_JOBS", "2");
        });
        assert_eq!(most, 2);
    }

    #[test]
    fn runs_one_job_at_a_time_if_jobserver_is_unusable() {
        for flags in [
            "",
            "-j",
            "-j --jobserver-auth=",
            "-j --jobserver-auth=-2,-2",
            "-j --jobserver-auth=fifo:/nowhere/at/all",
            // Standard input is a regular file.
            "-j --jobserver-auth=0,0",
            "-j --jobserver-auth=4000000000,4000000000",
        ] {
            let most = child(|child| {
                let file = File::open("/proc/self/exe").unwrap();
                child.env("CARGO_MAKEFLAGS", flags);
                child.env("NUM_JOBS", "3").stdin(Stdio::from(file));
            });
            assert_eq!(most, 1, "{flags}");
        }
    }

    #[test]
    #[should_panic(expected = "number 3")]
    fn panic_in_a_job_reaches_the_caller() {
        run_within(&Limit::Count(2), &[1, 2, 3, 4], |n| {
            assert_ne!(*n, 3, "number {n}")
        });
    }
}
