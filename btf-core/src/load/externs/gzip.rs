//! Gzip: the form of `/proc/config.gz`. Source: RFC 1951 and RFC 1952.
//!
//! What comes out is bounded, whatever went in; damage is an error.

use std::ops::Range;

/// Configurations are some hundred kilobytes.
const MOST: usize = 16 << 20;

/// How much longer than the file its contents may be, and how long they may be in any case.
/// Configurations are four to five times as long; DEFLATE allows a thousand times.
const RATIO: usize = 32;
const SMALL: usize = 256 << 10;

/// Bits of a code that is not the longest there may be.
const MAX_BITS: usize = 15;

/// Whether these are the first bytes of a gzip file.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Unpacks a gzip file of one member.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn unpack(file: &[u8]) -> Result<Vec<u8>, &'static str> {
    let start = body(file).ok_or("its header is cut off or not gzip's")?;
    let mut bits = Bits::new(&file[start..]);
    let most = file.len().saturating_mul(RATIO).clamp(SMALL, MOST);
    let mut out = Out {
        bytes: Vec::new(),
        most,
    };
    inflate(&mut bits, &mut out)?;
    let out = out.bytes;
    let trailer = bits.rest();
    let word = |at: Range<usize>| -> Option<u32> {
        Some(u32::from_le_bytes(trailer.get(at)?.try_into().ok()?))
    };
    match (word(0..4), word(4..8)) {
        (Some(sum), Some(size)) if sum == crc32(&out) && size == out.len() as u32 => Ok(out),
        _ => Err("its checksum does not hold"),
    }
}

/// Where the compressed data start.
fn body(file: &[u8]) -> Option<usize> {
    const DEFLATE: u8 = 8;
    const HAS_CHECK: u8 = 1 << 1;
    const HAS_EXTRA: u8 = 1 << 2;
    const HAS_NAME: u8 = 1 << 3;
    const HAS_COMMENT: u8 = 1 << 4;
    let &[_, _, DEFLATE, flags, ..] = file.get(..10)? else {
        return None;
    };
    let mut at = 10;
    if flags & HAS_EXTRA != 0 {
        let len = file.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            at += file.get(at..)?.iter().position(|b| *b == 0)? + 1;
        }
    }
    if flags & HAS_CHECK != 0 {
        at += 2;
    }
    (is_gzip(file) && at <= file.len()).then_some(at)
}

/// A stream of bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u64,
    count: u32,
}

const SHORT: &str = "it is cut off";

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Bits {
            bytes,
            held: 0,
            count: 0,
        }
    }

    /// Up to 16 bits.
    fn take(&mut self, count: u32) -> Result<u32, &'static str> {
        while self.count < count {
            let (first, rest) = self.bytes.split_first().ok_or(SHORT)?;
            self.held |= u64::from(*first) << self.count;
            self.count += 8;
            self.bytes = rest;
        }
        let taken = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        Ok(taken as u32)
    }

    /// What is left from the next byte on; no more than that byte's bits are held by then.
    fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn skip_to_byte(&mut self) {
        (self.held, self.count) = (0, 0);
    }
}

/// Contents, and how long they may become.
struct Out {
    bytes: Vec<u8>,
    most: usize,
}

impl Out {
    fn room(&self, more: usize) -> Result<(), &'static str> {
        if self.bytes.len() + more > self.most {
            return Err("it unpacks to more than any configuration");
        }
        Ok(())
    }
}

fn inflate(bits: &mut Bits<'_>, out: &mut Out) -> Result<(), &'static str> {
    // A block takes ten bits at least: what each has is not made anew.
    let mut fixed = None;
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(bits, out)?,
            1 => {
                let (literals, distances) = match &mut fixed {
                    Some(codes) => codes,
                    none => none.insert(fixed_codes()?),
                };
                block(bits, out, literals, distances)?;
            }
            2 => {
                let (literals, distances) = codes(bits)?;
                block(bits, out, &literals, &distances)?;
            }
            _ => return Err("a block is of no known kind"),
        }
        if is_last {
            return Ok(());
        }
    }
}

fn fixed_codes() -> Result<(Code, Code), &'static str> {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Ok((Code::of(&lengths)?, Code::of(&[5; 30])?))
}

fn stored(bits: &mut Bits<'_>, out: &mut Out) -> Result<(), &'static str> {
    bits.skip_to_byte();
    let len = bits.take(16)?;
    if bits.take(16)? != len ^ 0xffff {
        return Err("the length of a block does not hold");
    }
    let (bytes, rest) = bits.bytes.split_at_checked(len as usize).ok_or(SHORT)?;
    bits.bytes = rest;
    out.room(bytes.len())?;
    out.bytes.extend_from_slice(bytes);
    Ok(())
}

/// A prefix code: how many codes there are of each length, and the symbols in order of their codes.
struct Code {
    counts: [u16; MAX_BITS + 1],
    symbols: [u16; MOST_SYMBOLS],
}

/// Symbols of the largest code: the fixed one of literals and lengths.
const MOST_SYMBOLS: usize = 288;

impl Code {
    fn of(lengths: &[u8]) -> Result<Code, &'static str> {
        let mut counts = [0u16; MAX_BITS + 1];
        for len in lengths {
            counts[usize::from(*len)] += 1;
        }
        counts[0] = 0;
        // As many codes of each length as are left by the shorter ones.
        let mut left = 1i32;
        for count in &counts[1..] {
            left = left * 2 - i32::from(*count);
            if left < 0 {
                return Err("a code has more symbols than it has room for");
            }
        }
        // Where the symbols of each length begin.
        let mut starts = [0u16; MAX_BITS + 2];
        for (len, count) in counts.iter().enumerate() {
            starts[len + 1] = starts[len] + count;
        }
        let mut symbols = [NO_SYMBOL; MOST_SYMBOLS];
        for (symbol, len) in (0u16..).zip(lengths).filter(|(_, len)| **len != 0) {
            let at = &mut starts[usize::from(*len)];
            if let Some(slot) = symbols.get_mut(usize::from(*at)) {
                *slot = symbol;
            }
            *at += 1;
        }
        Ok(Code { counts, symbols })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<u16, &'static str> {
        let (mut code, mut first, mut index) = (0i32, 0i32, 0i32);
        for count in &self.counts[1..] {
            code |= bits.take(1)? as i32;
            let count = i32::from(*count);
            if code - first < count {
                let at = index + code - first;
                let symbol = self.symbols.get(at as usize).copied();
                return symbol.filter(|s| *s != NO_SYMBOL).ok_or(NO_CODE);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(NO_CODE)
    }
}

/// Stands for no symbol.
const NO_SYMBOL: u16 = u16::MAX;

const NO_CODE: &str = "it has a code that stands for nothing";

/// Codes of literals (and lengths) and of distances, which a block brings along.
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), &'static str> {
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let count = bits.take(4)? as usize + 4;
    let mut lengths = [0; 19];
    for at in &ORDER[..count] {
        lengths[*at] = bits.take(3)? as u8;
    }
    let code = Code::of(&lengths)?;
    let mut lengths = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        let (value, times) = match code.symbol(bits)? {
            16 => {
                let last = *lengths.last().ok_or("a length repeats nothing")?;
                (last, 3 + bits.take(2)?)
            }
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len as u8, 1),
        };
        lengths.extend((0..times).map(|_| value));
    }
    if lengths.len() > literals + distances {
        return Err("a block has more codes than it says");
    }
    let (literals, distances) = lengths.split_at(literals);
    Ok((Code::of(literals)?, Code::of(distances)?))
}

fn block(
    bits: &mut Bits<'_>,
    out: &mut Out,
    literals: &Code,
    distances: &Code,
) -> Result<(), &'static str> {
    loop {
        let symbol = literals.symbol(bits)?;
        match symbol {
            0..=255 => {
                out.room(1)?;
                out.bytes.push(symbol as u8);
            }
            256 => return Ok(()),
            _ => {
                let len = length(symbol, bits)?;
                let back = distance(distances.symbol(bits)?, bits)?;
                let start = out
                    .bytes
                    .len()
                    .checked_sub(back)
                    .ok_or("it refers to before its start")?;
                out.room(len)?;
                // What is copied may be what is being written: at most what is there at once.
                let mut left = len;
                while left > 0 {
                    let part = left.min(out.bytes.len() - start);
                    out.bytes.extend_from_within(start..start + part);
                    left -= part;
                }
            }
        }
    }
}

/// The number of bytes that a symbol from 257 on stands for.
fn length(symbol: u16, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
    let n = u32::from(symbol) - 257;
    Ok(match n {
        0..=7 => n + 3,
        8..=27 => {
            let extra = n / 4 - 1;
            ((4 + n % 4) << extra) + 3 + bits.take(extra)?
        }
        28 => 258,
        _ => return Err(NO_CODE),
    } as usize)
}

fn distance(symbol: u16, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
    let n = u32::from(symbol);
    Ok(match n {
        0..=3 => n + 1,
        4..=29 => {
            let extra = n / 2 - 1;
            ((2 + n % 2) << extra) + 1 + bits.take(extra)?
        }
        _ => return Err(NO_CODE),
    } as usize)
}

fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let step = |sum: u32, byte: &u8| sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)];
    !bytes.iter().fold(u32::MAX, step)
}

/// The checksums of single bytes.
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 4, 3, 1, 14, 0, 241, 255, 67, 79, 78, 70, 73, 71, 95, 72, 90,
        61, 50, 53, 48, 10, 251, 95, 58, 1, 14, 0, 0, 0,
    ];
    const FIXED: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 115, 246, 247, 115, 243, 116, 143, 247, 136, 178, 53, 50,
        53, 224, 114, 134, 241, 226, 129, 60, 219, 74, 46, 0, 251, 247, 70, 201, 30, 0, 0, 0,
    ];
    const NAMED: &[u8] = &[
        31, 139, 8, 8, 0, 0, 0, 0, 2, 255, 99, 111, 110, 102, 105, 103, 0, 171, 0, 0, 131, 22, 220,
        140, 1, 0, 0, 0,
    ];
    const DYNAMIC: &[u8] = include_bytes!("sample.gz");

    fn text() -> Vec<u8> {
        let line = |n: usize| {
            format!(
                "CONFIG_OPTION_{}={}\n",
                n * 7919 % 1000,
                ["y", "m", "\"a b\"", "250"][n % 4]
            )
        };
        (0..400).flat_map(|n| line(n).into_bytes()).collect()
    }

    #[test]
    fn every_kind_of_block_is_unpacked() {
        assert_eq!(unpack(STORED).unwrap(), b"CONFIG_HZ=250\n");
        assert_eq!(unpack(FIXED).unwrap(), b"CONFIG_HZ=250\nCONFIG_HZ_250=y\n");
        assert!(unpack(DYNAMIC).unwrap() == text());
        assert_eq!(unpack(NAMED).unwrap(), b"x");
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn damage_is_an_error() {
        for sample in [STORED, FIXED, DYNAMIC, NAMED] {
            for len in 0..sample.len() {
                assert!(unpack(&sample[..len]).is_err(), "{len}");
            }
            // The time and the system in the header, and a name, stand for nothing.
            let start = body(sample).unwrap();
            for at in start..sample.len() {
                let mut damaged = sample.to_vec();
                damaged[at] ^= 1 << (at % 8);
                // Some bits only fill up a byte.
                if let Ok(out) = unpack(&damaged) {
                    assert!(out == unpack(sample).unwrap(), "{at}");
                }
            }
        }
        assert!(unpack(b"").is_err());
        assert!(unpack(&[0x1f, 0x8b, 8, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]).is_err());
    }

    /// A file of fixed blocks with these codes: bits, the first first, and how often in a block.
    fn fixed_blocks(blocks: usize, codes: &[(&str, usize)]) -> Vec<u8> {
        let mut bits = String::new();
        for block in 1..=blocks {
            bits += if block == blocks { "1" } else { "0" };
            // The kind, from its lowest bit on.
            bits += "10";
            for (code, times) in codes {
                bits += &code.repeat(*times);
            }
            bits += "0000000";
        }
        let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
        for byte in bits.as_bytes().chunks(8) {
            let bit = |(n, bit): (usize, &u8)| (bit - b'0') << n;
            file.push(byte.iter().enumerate().map(bit).sum());
        }
        file
    }

    #[test]
    fn what_unpacks_to_far_more_than_the_file_is_refused() {
        // `a`, and then 258 bytes from one byte before.
        const A: (&str, usize) = ("10010001", 1);
        const COPY: &str = "1100010100000";
        let file = |copies| {
            let mut file = fixed_blocks(1, &[A, (COPY, copies)]);
            let out = vec![b'a'; 1 + 258 * copies];
            file.extend(crc32(&out).to_le_bytes());
            file.extend((out.len() as u32).to_le_bytes());
            (file, out)
        };
        let (small, out) = file(SMALL / 258 - 1);
        assert!(unpack(&small).unwrap() == out);
        let (large, _) = file(40_000);
        const { assert!(258 * 40_000 < MOST) };
        assert_eq!(
            unpack(&large).unwrap_err(),
            "it unpacks to more than any configuration"
        );
    }

    #[test]
    fn blocks_without_contents_are_no_work() {
        let mut file = fixed_blocks(200_000, &[]);
        file.extend([0; 8]);
        // Milliseconds that this thread has run, whatever else the machine does.
        let time = || {
            let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
            let nanoseconds: u64 = stat.split(' ').next().unwrap().parse().unwrap();
            nanoseconds / 1_000_000
        };
        let start = time();
        assert!(unpack(&file).unwrap().is_empty());
        let took = time() - start;
        // Making the codes anew for each block takes ten times as long.
        let most = if cfg!(debug_assertions) { 1000 } else { 100 };
        assert!(took < most, "{took} ms");
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
        for _ in 0..=MOST / 0xffff {
            bomb.extend([0, 0xff, 0xff, 0, 0]);
            bomb.resize(bomb.len() + 0xffff, 0);
        }
        assert_eq!(
            unpack(&bomb).unwrap_err(),
            "it unpacks to more than any configuration"
        );
    }
}
