//! btf-core's side of the group `datapath`.

use std::hint::black_box;
use std::time::Instant;

use btf_core::map::{Consumer, RingBuf, Sample};
use btf_skel_macros::include_skel;

use crate::side::{self, Figures, Work, text};

include_skel!("live_datapath");

use live_datapath::{LiveDatapath, Record};

pub(crate) const WORKS: &[Work] = &[
    ("drain-bytes", drain_bytes),
    ("drain-typed", drain_typed),
    ("global-u64", global_u64),
    ("global-struct", global_struct),
    ("batched", batched),
];

const READS: usize = 10_000_000;
const ENTRIES: u32 = 100_000;

fn load() -> Result<LiveDatapath, String> {
    LiveDatapath::open().map_err(text)?.load().map_err(text)
}

fn drain_bytes() -> Result<Figures, String> {
    let skel = load()?;
    let mut sum = 0u64;
    let consumer = skel
        .maps
        .records
        .consumer(|record: &[u8]| sum = sum.wrapping_add(u64::from(record[8])))
        .map_err(text)?;
    drain(&skel, consumer)
}

fn drain_typed() -> Result<Figures, String> {
    let skel = load()?;
    let records: RingBuf<Record> = skel.maps.records.typed().map_err(text)?;
    let mut sum = 0u64;
    let consumer = records
        .consumer(|record: &Record| sum = sum.wrapping_add(record.words[1]))
        .map_err(text)?;
    drain(&skel, consumer)
}

fn drain<T: Sample + ?Sized, F: FnMut(&T)>(
    skel: &LiveDatapath,
    mut consumer: Consumer<T, F>,
) -> Result<Figures, String> {
    side::throughput(side::RECORDS, || {
        side::fill(skel.progs.fill.program().fd().map_err(text)?)?;
        let started = Instant::now();
        let seen = consumer.consume().map_err(text)?;
        let elapsed = started.elapsed();
        side::expect_records(seen)?;
        Ok(elapsed)
    })
}

fn global_u64() -> Result<Figures, String> {
    let skel = load()?;
    side::throughput(READS, || {
        let started = Instant::now();
        for _ in 0..READS {
            black_box(black_box(&skel).data.count.get());
        }
        Ok(started.elapsed())
    })
}

fn global_struct() -> Result<Figures, String> {
    let skel = load()?;
    side::throughput(READS, || {
        let started = Instant::now();
        for _ in 0..READS {
            black_box(black_box(&skel).data.wide.get());
        }
        Ok(started.elapsed())
    })
}

fn batched() -> Result<Figures, String> {
    let skel = load()?;
    let table = &skel.maps.table;
    let keys: Vec<u32> = (0..ENTRIES).collect();
    let values = vec![1; keys.len()];
    table.insert_many(&keys, &values).map_err(text)?;
    side::throughput(keys.len(), || {
        let started = Instant::now();
        let (mut sum, mut count) = (0u64, 0);
        for entry in table.batched(4096) {
            let (key, value) = entry.map_err(text)?;
            sum = sum.wrapping_add(u64::from(key) + value);
            count += 1;
        }
        let elapsed = started.elapsed();
        black_box(sum);
        match count == keys.len() {
            true => Ok(elapsed),
            false => Err(format!("{count} of {} entries", keys.len())),
        }
    })
}
