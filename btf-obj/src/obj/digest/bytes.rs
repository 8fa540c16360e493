//! The bytes of a digest: numbers of as many bytes as they need, and what is made of numbers.

/// Something that a digest has.
pub(super) trait Record: Sized {
    fn write(&self, to: &mut Writer);
    /// What comes next; anything once the digest has turned out to be damaged, which [`Reader::end`] tells.
    fn read(from: &mut Reader<'_>) -> Self;
}

/// Writes a digest.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Seven bits a byte, the lowest first; all but the last have the eighth set.
    pub(super) fn number(&mut self, mut n: u64) {
        while n > 0x7f {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// The digest, with what stands at its end.
    pub(super) fn end(mut self, rest: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(rest);
        self.0
    }
}

/// Reads a digest.
pub(super) struct Reader<'d> {
    rest: &'d [u8],
    is_damaged: bool,
    /// Whether a record is read that no record of its kind may be in.
    pub(super) is_inner: bool,
}

impl<'d> Reader<'d> {
    pub(super) fn new(digest: &'d [u8]) -> Reader<'d> {
        Reader {
            rest: digest,
            is_damaged: false,
            is_inner: false,
        }
    }

    /// Notes that it is damaged: there is nothing more to read.
    pub(super) fn damaged(&mut self) {
        self.is_damaged = true;
        self.rest = &[];
    }

    pub(super) fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let Some((byte, rest)) = self.rest.split_first() else {
                break;
            };
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number;
            }
        }
        self.damaged();
        0
    }

    /// A number that is at most so large.
    pub(super) fn number_to(&mut self, most: u64) -> u64 {
        let number = self.number();
        if number > most {
            self.damaged();
            return 0;
        }
        number
    }

    pub(super) fn bytes(&mut self) -> &'d [u8] {
        let len = self.number();
        let split = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let Some((bytes, rest)) = split else {
            self.damaged();
            return &[];
        };
        self.rest = rest;
        bytes
    }

    /// What stands at its end, if nothing before was damaged.
    pub(super) fn end(self) -> Option<&'d [u8]> {
        (!self.is_damaged).then_some(self.rest)
    }
}

impl Record for u64 {
    fn write(&self, to: &mut Writer) {
        to.number(*self);
    }

    fn read(from: &mut Reader<'_>) -> u64 {
        from.number()
    }
}

impl Record for u32 {
    fn write(&self, to: &mut Writer) {
        to.number((*self).into());
    }

    fn read(from: &mut Reader<'_>) -> u32 {
        from.number_to(u32::MAX.into()) as u32
    }
}

impl Record for usize {
    fn write(&self, to: &mut Writer) {
        to.number(*self as u64);
    }

    fn read(from: &mut Reader<'_>) -> usize {
        from.number_to(usize::MAX as u64) as usize
    }
}

impl Record for bool {
    fn write(&self, to: &mut Writer) {
        to.number((*self).into());
    }

    fn read(from: &mut Reader<'_>) -> bool {
        from.number_to(1) == 1
    }
}

impl Record for String {
    fn write(&self, to: &mut Writer) {
        to.bytes(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> String {
        match std::str::from_utf8(from.bytes()) {
            Ok(text) => text.to_owned(),
            Err(_) => {
                from.damaged();
                String::new()
            }
        }
    }
}

impl Record for Vec<u8> {
    fn write(&self, to: &mut Writer) {
        to.bytes(self);
    }

    fn read(from: &mut Reader<'_>) -> Vec<u8> {
        from.bytes().to_vec()
    }
}

impl<T: Record> Record for Option<T> {
    fn write(&self, to: &mut Writer) {
        self.is_some().write(to);
        if let Some(record) = self {
            record.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<T> {
        bool::read(from).then(|| T::read(from))
    }
}

/// A list, but for those of bytes and instructions.
pub(super) trait Listed: Record {}

impl<T: Listed> Record for Vec<T> {
    fn write(&self, to: &mut Writer) {
        self.len().write(to);
        for record in self {
            record.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Vec<T> {
        let mut records = Vec::new();
        for _ in 0..from.number() {
            let record = T::read(from);
            // What was announced need not be there.
            if from.is_damaged {
                break;
            }
            records.push(record);
        }
        records
    }
}

impl<A: Record, B: Record> Record for (A, B) {
    fn write(&self, to: &mut Writer) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read(from: &mut Reader<'_>) -> (A, B) {
        (A::read(from), B::read(from))
    }
}

impl<A: Record, B: Record> Listed for (A, B) {}
