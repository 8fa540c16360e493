//! aya's side of the group `datapath`.

use std::os::fd::AsFd;
use std::time::Instant;

use aya::Ebpf;
use aya::maps::RingBuf;
use aya::programs::RawTracePoint;

use crate::side::{self, Figures, Work, object, text};

pub(crate) const WORKS: &[Work] = &[("drain-bytes", drain_bytes), ("drain-typed", drain_typed)];

fn drain_bytes() -> Result<Figures, String> {
    let mut sum = 0u64;
    drain(|record| sum = sum.wrapping_add(u64::from(record[8])))
}

fn drain_typed() -> Result<Figures, String> {
    let mut sum = 0u64;
    drain(|record| {
        // SAFETY: the program writes records of this size, and the kernel aligns them to eight
        // bytes.
        let record = unsafe { &*record.as_ptr().cast::<[u64; 8]>() };
        sum = sum.wrapping_add(record[1]);
    })
}

fn drain(mut on_record: impl FnMut(&[u8])) -> Result<Figures, String> {
    let mut ebpf = Ebpf::load(object!("live_datapath")).map_err(text)?;
    let map = ebpf.take_map("records").ok_or("no map `records`")?;
    let mut records = RingBuf::try_from(map).map_err(text)?;
    let program = ebpf.program_mut("fill").ok_or("no program `fill`")?;
    let program: &mut RawTracePoint = program.try_into().map_err(text)?;
    program.load().map_err(text)?;
    let program = program.fd().map_err(text)?;
    side::throughput(side::RECORDS, || {
        side::fill(program.as_fd())?;
        let started = Instant::now();
        let mut seen = 0;
        while let Some(record) = records.next() {
            on_record(&record);
            seen += 1;
        }
        let elapsed = started.elapsed();
        side::expect_records(seen)?;
        Ok(elapsed)
    })
}
