//! libbpf-rs's side of the group `datapath`.

use std::cell::Cell;
use std::hint::black_box;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::null;
use std::time::Instant;

use libbpf_rs::libbpf_sys::{bpf_map__initial_value, bpf_map_lookup_batch};
use libbpf_rs::{AsRawLibbpf, MapCore, MapFlags, Object, ObjectBuilder, RingBufferBuilder};

use crate::side::{self, Figures, Work, object, text};

pub(crate) const WORKS: &[Work] = &[
    ("drain-bytes", drain_bytes),
    ("drain-typed", drain_typed),
    ("global-u64", global_u64),
    ("global-struct", global_struct),
    ("batched", batched),
];

const READS: usize = 10_000_000;
const ENTRIES: u32 = 100_000;
const BATCH: usize = 4096;

/// `struct record`.
type Record = [u64; 8];

/// `.data`, as a skeleton of libbpf-cargo has it.
#[repr(C)]
struct Data {
    count: u64,
    wide: Record,
}

fn load() -> Result<Object, String> {
    ObjectBuilder::default()
        .open_memory(object!("live_datapath"))
        .map_err(text)?
        .load()
        .map_err(text)
}

fn drain_bytes() -> Result<Figures, String> {
    let sum = Cell::new(0u64);
    drain(|record| sum.set(sum.get().wrapping_add(u64::from(record[8]))))
}

fn drain_typed() -> Result<Figures, String> {
    let sum = Cell::new(0u64);
    drain(|record| {
        // SAFETY: the program writes records of this size, and libbpf aligns them to eight bytes.
        let record = unsafe { &*record.as_ptr().cast::<Record>() };
        sum.set(sum.get().wrapping_add(record[1]));
    })
}

fn drain(on_record: impl Fn(&[u8])) -> Result<Figures, String> {
    let object = load()?;
    let map = object.maps().find(|map| map.name() == "records");
    let map = map.ok_or("no map `records`")?;
    let program = object.progs().next().ok_or("no program")?;
    let seen = Cell::new(0);
    let mut builder = RingBufferBuilder::new();
    let callback = |record: &[u8]| {
        on_record(record);
        seen.set(seen.get() + 1);
        0
    };
    builder.add(&map, callback).map_err(text)?;
    let records = builder.build().map_err(text)?;
    side::throughput(side::RECORDS, || {
        side::fill(program.as_fd())?;
        seen.set(0);
        let started = Instant::now();
        records.consume().map_err(text)?;
        let elapsed = started.elapsed();
        side::expect_records(seen.get())?;
        Ok(elapsed)
    })
}

/// The variables, as a skeleton hands them out: a plain reference to memory that programs may
/// write.
fn data(object: &Object) -> Result<&Data, String> {
    let is_data = |map: &libbpf_rs::Map<'_>| map.name().to_string_lossy().ends_with(".data");
    let map = object.maps().find(is_data).ok_or("no .data")?;
    let mut size = 0u64;
    // SAFETY: the map is alive, and the size is written to a live variable.
    let start = unsafe { bpf_map__initial_value(map.as_libbpf_object().as_ptr(), &raw mut size) };
    if start.is_null() || size < size_of::<Data>() as u64 {
        return Err(format!(".data has {size} bytes"));
    }
    // SAFETY: it is mapped while the object lives, large enough (checked) and aligned to a page. No
    // program of the object writes it.
    Ok(unsafe { &*start.cast::<Data>() })
}

fn global_u64() -> Result<Figures, String> {
    let object = load()?;
    let data = data(&object)?;
    side::throughput(READS, || {
        let started = Instant::now();
        for _ in 0..READS {
            black_box(black_box(data).count);
        }
        Ok(started.elapsed())
    })
}

fn global_struct() -> Result<Figures, String> {
    let object = load()?;
    let data = data(&object)?;
    side::throughput(READS, || {
        let started = Instant::now();
        for _ in 0..READS {
            black_box(black_box(data).wide);
        }
        Ok(started.elapsed())
    })
}

fn batched() -> Result<Figures, String> {
    let object = load()?;
    let map = object.maps().find(|map| map.name() == "table");
    let map = map.ok_or("no map `table`")?;
    for key in 0..ENTRIES {
        map.update(&key.to_ne_bytes(), &1u64.to_ne_bytes(), MapFlags::ANY)
            .map_err(text)?;
    }
    let fd = map.as_fd().as_raw_fd();
    side::throughput(ENTRIES as usize, || {
        let started = Instant::now();
        let (mut keys, mut values) = (vec![0u32; BATCH], vec![0u64; BATCH]);
        let (mut position, mut sum, mut count) = (None::<u32>, 0u64, 0);
        loop {
            let (mut next, mut filled) = (0u32, BATCH as u32);
            let from = position.as_mut().map_or(std::ptr::null_mut(), |at| at);
            // SAFETY: the kernel reads and writes positions of four bytes, and at most as many keys
            // and values of these sizes as there is room for.
            let answer = unsafe {
                bpf_map_lookup_batch(
                    fd,
                    from.cast(),
                    (&raw mut next).cast(),
                    keys.as_mut_ptr().cast(),
                    values.as_mut_ptr().cast(),
                    &raw mut filled,
                    null(),
                )
            };
            for (key, value) in keys.iter().zip(&values).take(filled as usize) {
                sum = sum.wrapping_add(u64::from(*key) + value);
            }
            count += filled;
            position = Some(next);
            // ENOENT, after the last ones.
            if answer < 0 {
                break;
            }
        }
        let elapsed = started.elapsed();
        black_box(sum);
        match count == ENTRIES {
            true => Ok(elapsed),
            false => Err(format!("{count} of {ENTRIES} entries")),
        }
    })
}
