//! Work done side by side, within what cargo allows: as many jobs as its jobserver gives tokens for, and one for which this
//! process needs none.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::environment;

/// How often the jobserver is asked again while there is work that has no token.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// The results of `work` for each item, in their order.
pub(crate) fn run<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    run_within(&Permits::new(), items, work)
}

fn run_within<T: Sync, R: Send>(
    permits: &Permits,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    // What has no company needs no thread.
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
                    match permits.another(running) {
                        Some(token) => tokens.push(token),
                        None => break,
                    }
                }
                let Some((index, item)) = waiting.next() else {
                    break;
                };
                let done = done.clone();
                scope.spawn(move || {
                    // A panic in it ends the scope; until then nobody may wait for it.
                    let result =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(item)));
                    let _ = done.send((index, result));
                });
                running += 1;
            }
            let answer = match waiting.peek() {
                Some(_) => finished.recv_timeout(ASK_AGAIN),
                None => finished.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            if let Ok((index, result)) = answer {
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

/// Who says how many jobs may run.
enum Permits {
    /// A pipe with a byte for each job that may be begun.
    Jobserver { read: File, write: File },
    /// Nobody but the number itself.
    Count(usize),
}

/// A job that may run until this is dropped.
struct Token<'a>(Option<(&'a File, [u8; 1])>);

impl Permits {
    /// Cargo's jobserver. If cargo speaks of one that is not to be had, one job at a time; if it does not, as many as there
    /// are to be.
    fn new() -> Permits {
        match environment::jobserver() {
            Some(flags) => Permits::jobserver(&flags).unwrap_or(Permits::Count(1)),
            None => Permits::Count(environment::jobs()),
        }
    }

    /// The one that make's flags speak of: `--jobserver-auth=R,W` or `--jobserver-auth=fifo:PATH`.
    fn jobserver(flags: &str) -> Option<Permits> {
        let words = flags.split_ascii_whitespace();
        let mut auth = words.filter_map(|word| {
            word.strip_prefix("--jobserver-auth=")
                .or_else(|| word.strip_prefix("--jobserver-fds="))
        });
        let auth = auth.next_back()?;
        let (read, write) = match auth.strip_prefix("fifo:") {
            Some(path) => (PathBuf::from(path), PathBuf::from(path)),
            None => {
                let (read, write) = auth.split_once(',')?;
                let own = |fd: &str| Some(format!("{OWN_FDS}/{}", fd.parse::<u32>().ok()?).into());
                (own(read)?, own(write)?)
            }
        };
        let is_pipe = |file: &File| file.metadata().is_ok_and(|m| m.file_type().is_fifo());
        // Opened anew, so that only this process does not wait in it.
        let mut options = File::options();
        let read = options
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(read)
            .ok()?;
        let write = File::options().write(true).open(write).ok()?;
        (is_pipe(&read) && is_pipe(&write)).then_some(Permits::Jobserver { read, write })
    }

    /// A permit for one more job than are `running`, if there is one now.
    fn another(&self, running: usize) -> Option<Token<'_>> {
        match self {
            Permits::Count(count) => (running < *count).then_some(Token(None)),
            Permits::Jobserver { read, write } => {
                let mut byte = [0];
                let mut read = read;
                match read.read(&mut byte) {
                    Ok(1) => Some(Token(Some((write, byte)))),
                    _ => None,
                }
            }
        }
    }
}

/// Where this process's open files can be opened again.
const OWN_FDS: &str = if cfg!(target_os = "linux") {
    "/proc/self/fd"
} else {
    "/dev/fd"
};

impl Drop for Token<'_> {
    fn drop(&mut self) {
        if let Some((mut write, byte)) = self.0 {
            // If whoever made the pipe is gone, there is nobody left who would miss it.
            let _ = write.write_all(&byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The most jobs that ran at once, and that results come in order.
    fn most_at_once(permits: &Permits) -> usize {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<u32> = (0..8).collect();
        let results = run_within(permits, &items, |item| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(30));
            now.fetch_sub(1, Ordering::SeqCst);
            item * 2
        });
        assert_eq!(results, [0, 2, 4, 6, 8, 10, 12, 14]);
        most.into_inner()
    }

    #[test]
    fn a_number_bounds_jobs() {
        assert_eq!(most_at_once(&Permits::Count(1)), 1);
        assert_eq!(most_at_once(&Permits::Count(3)), 3);
    }

    #[test]
    fn tokens_bound_jobs_and_are_given_back() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let (read, write) = (reader.as_raw_fd(), writer.as_raw_fd());
        let flags = format!("-j --jobserver-fds={read},{write} --jobserver-auth={read},{write}");
        let permits = Permits::jobserver(&flags).unwrap();
        assert_eq!(most_at_once(&permits), 1);
        // Which byte it is matters to make.
        writer.write_all(b"+-").unwrap();
        assert_eq!(most_at_once(&permits), 3);
        let mut tokens = [0; 2];
        reader.read_exact(&mut tokens).unwrap();
        tokens.sort();
        assert_eq!(&tokens, b"+-");
        assert!(permits.another(1).is_none());
    }

    #[test]
    fn what_is_no_jobserver_is_not_taken_for_one() {
        let file = File::open("/proc/self/exe").unwrap();
        let fd = file.as_raw_fd();
        for flags in [
            String::new(),
            "-j".to_owned(),
            "--jobserver-auth=".to_owned(),
            "--jobserver-auth=-2,-2".to_owned(),
            "--jobserver-auth=fifo:/nowhere/at/all".to_owned(),
            format!("--jobserver-auth={fd},{fd}"),
            "--jobserver-auth=4000000000,4000000000".to_owned(),
        ] {
            assert!(Permits::jobserver(&flags).is_none(), "{flags}");
        }
    }

    #[test]
    #[should_panic(expected = "number 3")]
    fn a_panic_comes_through() {
        run_within(&Permits::Count(2), &[1, 2, 3, 4], |n| {
            assert_ne!(*n, 3, "number {n}")
        });
    }
}
