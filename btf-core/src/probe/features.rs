//! Answers: kept once the kernel has given them, or given in its stead.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{Probe, Prober, kinds, memlock, takes_function_address};
use crate::error::{Error, Result};
use crate::helper::Helper;
use crate::obj::{MapType, ProgType};
use crate::sys::{self, Version};
use crate::token::Token;

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    Probe(&'static str),
    ProgType(ProgType),
    MapType(u32),
    Helper(ProgType, u32),
    FunctionAddress,
}

/// Questions with their answers, which are few.
#[derive(Clone, Default, Debug)]
struct Known(Vec<(Question, bool)>);

impl Known {
    fn get(&self, question: &Question) -> Option<bool> {
        let (_, answer) = self.0.iter().find(|(asked, _)| asked == question)?;
        Some(*answer)
    }

    fn insert(&mut self, question: Question, answer: bool) {
        self.0.retain(|(asked, _)| *asked != question);
        self.0.push((question, answer));
    }
}

/// Who asks, and what was answered.
struct Answers {
    token: Option<Token>,
    known: Mutex<Known>,
}

/// What the kernel can do, as one load goes by it.
///
/// [`Features::running`] is the running kernel for this process. [`Features::set`] gives an answer in the kernel's
/// stead, to see an application do without a feature that this kernel has.
#[derive(Clone)]
pub struct Features {
    answers: Arc<Answers>,
    given: Known,
}

impl Default for Features {
    fn default() -> Features {
        Features::running()
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Features")
            .field("has_token", &self.answers.token.is_some())
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl Features {
    /// Lifts the limit on locked memory, if the kernel charges BPF memory to it.
    pub(crate) fn raise_memlock_limit(&self) {
        memlock::raise_limit(self.given(&super::MEMCG_ACCOUNTING));
    }

    /// Those of the running kernel, as it answers this process.
    pub fn running() -> Features {
        static RUNNING: LazyLock<Arc<Answers>> = LazyLock::new(|| Arc::new(Answers::of(None)));
        Features {
            answers: RUNNING.clone(),
            given: Known::default(),
        }
    }

    /// Those of the running kernel, as it answers who has this token.
    pub fn of_token(token: &Token) -> Features {
        Features::running().with_token(token.clone())
    }

    /// The same, with what was given here.
    pub(crate) fn with_token(&self, token: Token) -> Features {
        Features {
            answers: Arc::new(Answers::of(Some(token))),
            given: self.given.clone(),
        }
    }

    /// The token to ask and to load with.
    pub(crate) fn token(&self) -> Option<BorrowedFd<'_>> {
        self.answers.token.as_ref().map(AsFd::as_fd)
    }

    /// Gives an answer in the kernel's stead.
    pub fn set(&mut self, probe: &'static Probe, has: bool) {
        self.given.insert(Question::Probe(probe.name), has);
    }

    /// The answer that was given in the kernel's stead.
    pub(crate) fn given(&self, probe: &'static Probe) -> Option<bool> {
        self.given.get(&Question::Probe(probe.name))
    }

    /// Whether the kernel has a feature.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Permission`] if the kernel does not answer this process; [`crate::ErrorKind::Os`] if it could not, for want of
    /// memory for instance.
    pub fn has(&self, probe: &'static Probe) -> Result<bool> {
        self.ask(Question::Probe(probe.name), probe.ask)
            .map_err(|e| unanswered(probe.name, e))
    }

    /// The same for what loading goes by. The kernel is not asked for what its version alone decides; without an answer, it is
    /// taken not to have it.
    pub(crate) fn knows(&self, probe: &'static Probe) -> bool {
        match self.given(probe) {
            Some(given) => given,
            None => comes_with_version(probe) || self.has(probe).unwrap_or(false),
        }
    }

    /// Whether the kernel has programs of this type.
    ///
    /// # Errors
    ///
    /// Those of [`Features::has`].
    pub fn has_prog_type(&self, prog_type: ProgType) -> Result<bool> {
        let ask = |prober: &Prober<'_>| kinds::prog_type(prober, prog_type);
        self.ask(Question::ProgType(prog_type), ask)
            .map_err(|e| unanswered(prog_type.name().unwrap_or("programs of this type"), e))
    }

    /// Whether the kernel has maps of this type.
    ///
    /// # Errors
    ///
    /// Those of [`Features::has`].
    pub fn has_map_type(&self, map_type: MapType) -> Result<bool> {
        let ask = |prober: &Prober<'_>| kinds::map_type(prober, map_type);
        self.ask(Question::MapType(map_type.0), ask)
            .map_err(|e| unanswered(&format!("maps of type {map_type}"), e))
    }

    /// Whether the kernel offers a helper function to programs of this type.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Unsupported`] for program types that cannot be loaded without a target: tracing, extensions, LSM and
    /// operations; else those of [`Features::has`].
    pub fn has_helper(&self, prog_type: ProgType, helper: &Helper) -> Result<bool> {
        kinds::can_ask_for_helpers(prog_type)?;
        if !self.has_prog_type(prog_type)? {
            return Ok(false);
        }
        let id = helper.id;
        let ask = |prober: &Prober<'_>| kinds::helper(prober, prog_type, id);
        self.ask(Question::Helper(prog_type, id), ask)
            .map_err(|e| unanswered(helper.name, e))
    }

    /// Whether programs may load the address of a kernel function by its type; `function` is one.
    pub(crate) fn takes_function_address(&self, function: u32) -> bool {
        let ask = |prober: &Prober<'_>| takes_function_address(prober, function);
        self.ask(Question::FunctionAddress, ask).unwrap_or(false)
    }

    fn ask(
        &self,
        question: Question,
        ask: impl FnOnce(&Prober<'_>) -> io::Result<bool>,
    ) -> io::Result<bool> {
        if let Some(given) = self.given.get(&question) {
            return Ok(given);
        }
        self.answers.get(question, ask)
    }
}

impl Answers {
    fn of(token: Option<Token>) -> Answers {
        Answers {
            token,
            known: Mutex::default(),
        }
    }

    /// What is known, or what the kernel answers now.
    fn get(
        &self,
        question: Question,
        ask: impl FnOnce(&Prober<'_>) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&question) {
            return Ok(known);
        }
        // Asking takes memory that the kernel may charge to this process. Nothing is locked meanwhile.
        memlock::raise_limit(None);
        let answer = ask(&Prober {
            token: self.token.as_ref().map(AsFd::as_fd),
        })?;
        known().insert(question, answer);
        Ok(answer)
    }
}

/// Whether the running kernel is new enough, and has no option to leave it out. Distributions add to what came later, and take
/// away nothing that came before.
fn comes_with_version(probe: &Probe) -> bool {
    static RUNNING: LazyLock<Version> = LazyLock::new(sys::kernel_version);
    let (major, minor) = probe.since;
    probe.needs.is_empty() && *RUNNING >= Version(major.into(), minor.into(), 0)
}

fn unanswered(what: &str, e: io::Error) -> Error {
    let refused = e.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::os(format!("cannot ask the kernel for {what}"), e);
    match refused {
        true => error.hint(sys::privileges_hint(sys::Capabilities::TRACING)),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ARRAY_MMAP, GLOBAL_DATA};
    use super::*;

    fn asked(times: &mut u32, answer: bool) -> io::Result<bool> {
        *times += 1;
        Ok(answer)
    }

    #[test]
    fn the_kernel_is_asked_once() {
        let answers = Answers::of(None);
        let (question, mut times) = (Question::MapType(99), 0);
        for _ in 0..3 {
            let answer = answers.get(question, |_| asked(&mut times, true));
            assert!(answer.unwrap());
        }
        assert_eq!(times, 1);
        // No answer is not kept.
        let none = |_: &Prober<'_>| Err(io::Error::from_raw_os_error(libc::EPERM));
        let other = Question::MapType(98);
        assert!(answers.get(other, none).is_err());
        assert!(!answers.get(other, |_| Ok(false)).unwrap());
    }

    #[test]
    fn given_answers_stand_for_the_kernels() {
        let mut features = Features::running();
        assert_eq!(features.given(&GLOBAL_DATA), None);
        features.set(&GLOBAL_DATA, false);
        assert!(!features.knows(&GLOBAL_DATA));
        features.set(&GLOBAL_DATA, true);
        assert!(features.has(&GLOBAL_DATA).unwrap());
        assert_eq!(features.given(&ARRAY_MMAP), None);
        assert_eq!(Features::running().given(&GLOBAL_DATA), None);
    }

    #[test]
    fn what_cannot_be_asked_is_an_error() {
        let helper = crate::helper::by_name("bpf_loop").unwrap();
        let e = Features::running()
            .has_helper(ProgType::LSM, helper)
            .unwrap_err();
        assert_eq!(e.kind(), crate::ErrorKind::Unsupported);
        let e = unanswered("cookies", io::Error::from_raw_os_error(libc::EPERM));
        assert!(
            e.to_string()
                .starts_with("cannot ask the kernel for cookies: "),
            "{e}"
        );
        assert_eq!(e.kind(), crate::ErrorKind::Permission);
    }
}
