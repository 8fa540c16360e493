//! btf-core's implementation of libbpf's functions for the harness.

use btf_core::btf::{Btf, Kind, TypeId, dump, value};
use btf_core::obj::{Attach, AttachType, ProgType, section_defs};

use crate::channel::{Answer, Question};
use crate::compare;
use crate::layout::Layout;
use crate::objects::Objects;
use crate::report::Report;

/// Error numbers that the tests look at.
const E2BIG: i32 = 7;
const EINVAL: i32 = 22;
const ESRCH: i32 = 3;

/// Answers questions, and reports cases.
pub(crate) struct StandIn {
    pub(crate) report: Report,
    /// The bytes that were parsed last, and their types: a kernel's are asked about many times.
    last: Option<(Vec<u8>, Vec<u8>, Btf)>,
    layout: Layout,
    objects: Objects,
    /// Set if the last value had fewer bytes than its type.
    is_short: bool,
}

impl StandIn {
    pub(crate) fn new(clang: &str) -> StandIn {
        StandIn {
            report: Report::default(),
            last: None,
            layout: Layout::new(clang),
            objects: Objects::default(),
            is_short: false,
        }
    }

    pub(crate) fn answer(&mut self, question: &Question) -> Answer {
        let text = || question.text(0);
        match question.verb.as_str() {
            "test" => self.report.test(&text()),
            "case" => self.report.case(&text()),
            "fail" => self.report.fail(&text()),
            "skip" => self.report.skip(&text()),
            "end" => {}
            "parse" => self.parse(question),
            "dedup" => return self.dedup(question),
            "dump" => return self.dump(question),
            "value" => return self.value(question),
            "pprint" => self.pprint(question),
            "section" => return section(&text()),
            "compare" => return self.compare(question),
            other => match self.objects.answer(question) {
                Some(Ok(bytes)) => return Answer::bytes(bytes),
                // Tests expect some of these: their assertions decide.
                Some(Err(why)) => {
                    self.report.note(&why);
                    return Answer::status(-EINVAL);
                }
                None => self
                    .report
                    .fail(&format!("there is no answer to `{other}`")),
            },
        }
        Answer::status(0)
    }

    /// The types in the first two parts: own and, unless empty, those of the base.
    fn types(&mut self, question: &Question) -> Result<Btf, String> {
        let (own, base) = (question.bytes(0), question.bytes(1));
        if let Some((last, last_base, btf)) = &self.last
            && last == own
            && last_base == base
        {
            return Ok(btf.clone());
        }
        let btf = match base {
            [] => Btf::parse(own.to_vec()),
            _ => Btf::parse(base.to_vec()).and_then(|base| Btf::parse_split(own.to_vec(), &base)),
        };
        let btf = btf.map_err(|e| e.to_string())?;
        self.last = Some((own.to_vec(), base.to_vec(), btf.clone()));
        Ok(btf)
    }

    /// A row of the raw tests. What the kernel loads must parse; what it rejects may parse if it
    /// does with libbpf.
    fn parse(&mut self, question: &Question) {
        let kernel_rejects = question.number(1) != 0;
        let libbpf_rejects = question.number(2) != 0;
        let parsed = Btf::parse(question.bytes(0).to_vec());
        match (parsed, kernel_rejects) {
            (Err(e), false) => self.report.fail(&format!("the kernel loads it: {e}")),
            (Ok(_), true) if libbpf_rejects => {
                let why = question.text(3);
                self.report
                    .fail(&format!("kernel and libbpf reject it: {why}"));
            }
            _ => {}
        }
    }

    fn dedup(&mut self, question: &Question) -> Answer {
        let btf = match self.types(question) {
            Ok(btf) if btf.base().is_some() => {
                self.report.skip("btf-core does not deduplicate split BTF");
                return Answer::status(-EINVAL);
            }
            Ok(btf) => btf.deduplicate().map_err(|e| e.to_string()),
            Err(e) => Err(e),
        };
        match btf {
            Ok(btf) => Answer::bytes(btf.as_bytes()),
            Err(e) => self.failed(&e),
        }
    }

    /// The types as C, without what was written before.
    fn dump(&mut self, question: &Question) -> Answer {
        let mut options = dump::Options::default();
        options.guard = None;
        options.preserve_access_index = false;
        options.kfuncs = false;
        let text = self.types(question).and_then(|btf| {
            let all = (1..btf.end_id()).map(TypeId);
            // libbpf writes these where others mention them only.
            let own = all.filter(|id| !matches!(btf.ty(*id).kind(), Kind::INT | Kind::FUNC));
            let own: Vec<TypeId> = own.collect();
            let text = dump::types(&btf, &own, &options).map_err(|e| e.to_string())?;
            self.layout.check(&btf, &text)?;
            Ok(text)
        });
        match text {
            Ok(text) => Answer::bytes(compare::without(&text, &question.text(2))),
            Err(e) => self.failed(&e),
        }
    }

    /// A value as C; the status is its type's size, as libbpf's function returns it.
    fn value(&mut self, question: &Question) -> Answer {
        let btf = match self.types(question) {
            Ok(btf) => btf,
            Err(e) => return self.failed(&e),
        };
        let ty = btf.ty(TypeId(question.number(2)));
        let bytes = question.bytes(3);
        let size = ty.byte_size().unwrap_or(0);
        self.is_short = size > bytes.len() as u64;
        let mut options = value::Options::default();
        options.pretty = false;
        match value::c(ty, bytes, &options) {
            Ok(text) => Answer {
                status: size as i32,
                bytes: text.into_bytes(),
            },
            Err(_) if self.is_short => Answer::status(-E2BIG),
            Err(e) => self.failed(&e.to_string()),
        }
    }

    /// A line of the kernel's that shows a value.
    fn pprint(&mut self, question: &Question) {
        let (id, bytes, line) = (question.number(1), question.bytes(2), question.text(3));
        let mut options = value::Options::default();
        options.pretty = false;
        let shown = Btf::parse(question.bytes(0).to_vec()).and_then(|btf| {
            let shown = value::c(btf.ty(TypeId(id)), bytes, &options)?;
            Ok((btf, shown))
        });
        let (btf, shown) = match shown {
            Ok(shown) => shown,
            Err(e) => return self.report.fail(&e.to_string()),
        };
        // In front of the value is its key.
        let expected = line
            .split_once(": ")
            .map_or(line.as_str(), |(_, value)| value);
        if !compare::shows_all(&btf, &shown, expected) {
            self.report
                .fail(&format!("`{shown}` instead of `{expected}`"));
        }
    }

    fn compare(&mut self, question: &Question) -> Answer {
        let (actual, expected) = (question.text(0), question.text(1));
        let is_prefix = question.number(2) != 0;
        let same = match (&self.last, actual.strip_prefix(compare::VALUE_MARK)) {
            (Some((_, _, btf)), Some(value)) => compare::is_value(btf, value, &expected, is_prefix),
            // libbpf shows what comes before the missing bytes, where btf-core fails.
            _ if actual.is_empty() && self.is_short => true,
            _ => !is_prefix && compare::is_header(&actual, &expected),
        };
        Answer::status(if same { 0 } else { -EINVAL })
    }

    fn failed(&mut self, why: &str) -> Answer {
        self.report.fail(why);
        Answer::status(-EINVAL)
    }
}

/// Program type, attach type and whether that is one to attach with, as libbpf's functions return
/// them.
fn section(name: &str) -> Answer {
    let known = section_defs().iter().find(|def| {
        let rest = name.strip_prefix(def.name);
        rest.is_some_and(|rest| rest.is_empty() || (def.takes_target && rest.starts_with('/')))
    });
    let Some(def) = known else {
        return Answer::status(-ESRCH);
    };
    let (ProgType(prog_type), AttachType(attach_type)) = (def.prog_type, def.attach_type);
    // These attach by their attach type; `cgroup/skb` and `sk_skb` leave it open.
    let by_attach_type = matches!(
        def.attach,
        Attach::Cgroup | Attach::Xdp | Attach::SockMap | Attach::Netns | Attach::Lirc
    );
    let is_open = matches!(def.name, "cgroup/skb" | "sk_skb");
    let numbers = [
        prog_type,
        attach_type,
        u32::from(by_attach_type && !is_open),
    ];
    Answer::bytes(numbers.map(u32::to_ne_bytes).concat())
}
