//! From counters that only grow to the rows of one round: what came since the last, summed and
//! sorted.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::options::{Options, Sort};

/// A connection as one process uses it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Connection {
    pub(crate) pid: u32,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
}

/// Bytes over a connection.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Bytes {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// A row of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) ends: Ends,
    pub(crate) bytes: Bytes,
}

/// What a row is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Ends {
    Peer(IpAddr),
    Connection(SocketAddr, SocketAddr),
}

impl Bytes {
    pub(crate) fn total(self) -> u64 {
        self.sent.saturating_add(self.received)
    }

    fn add(&mut self, other: Bytes) {
        self.sent = self.sent.saturating_add(other.sent);
        self.received = self.received.saturating_add(other.received);
    }

    /// What came on top of `earlier`. A counter that is smaller now was begun anew.
    fn since(self, earlier: Bytes) -> Bytes {
        if self.sent < earlier.sent || self.received < earlier.received {
            return self;
        }
        Bytes {
            sent: self.sent - earlier.sent,
            received: self.received - earlier.received,
        }
    }
}

/// What the counters said when they were last read.
#[derive(Default, Debug)]
pub(crate) struct Ledger {
    last: HashMap<Connection, Bytes>,
}

impl Ledger {
    /// Takes what the counters say now, and returns the rows of what is new; all there is, if rows
    /// are cumulative.
    pub(crate) fn round(
        &mut self,
        counters: impl IntoIterator<Item = (Connection, Bytes, String)>,
        options: &Options,
    ) -> Vec<Row> {
        let mut now = HashMap::new();
        let mut rows: HashMap<(u32, Ends), Row> = HashMap::new();
        for (connection, bytes, name) in counters {
            now.insert(connection, bytes);
            let earlier = match options.cumulative {
                true => Bytes::default(),
                false => self.last.get(&connection).copied().unwrap_or_default(),
            };
            let new = bytes.since(earlier);
            if new.total() == 0 {
                continue;
            }
            let ends = match options.connections {
                true => Ends::Connection(connection.local, connection.peer),
                false => Ends::Peer(connection.peer.ip()),
            };
            let row = rows.entry((connection.pid, ends)).or_insert_with(|| Row {
                pid: connection.pid,
                name,
                ends,
                bytes: Bytes::default(),
            });
            row.bytes.add(new);
        }
        self.last = now;
        rows.into_values().collect()
    }
}

/// Brings rows in order. Those that are equal in it are in that of their totals, processes and
/// peers, so that they stay in place.
pub(crate) fn sort(rows: &mut [Row], by: Sort) {
    rows.sort_by_key(|row| (Reverse(row.bytes.total()), row.pid, row.ends));
    match by {
        Sort::Total => {}
        Sort::Sent => rows.sort_by_key(|row| Reverse(row.bytes.sent)),
        Sort::Received => rows.sort_by_key(|row| Reverse(row.bytes.received)),
        Sort::Pid => rows.sort_by_key(|row| row.pid),
        Sort::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn counter(pid: u32, port: u16, sent: u64, received: u64) -> (Connection, Bytes, String) {
        let connection = Connection {
            pid,
            local: SocketAddr::from(([127, 0, 0, 1], 80)),
            peer: SocketAddr::from(([10, 0, 0, 1], port)),
        };
        (connection, Bytes { sent, received }, format!("n{pid}"))
    }

    fn bytes(rows: &[Row]) -> Vec<(u32, u64, u64)> {
        let of = |row: &Row| (row.pid, row.bytes.sent, row.bytes.received);
        rows.iter().map(of).collect()
    }

    #[test]
    fn a_round_has_what_is_new() {
        let (mut ledger, options) = (Ledger::default(), Options::parse_from(["tcptop"]));
        let first = ledger.round([counter(1, 5, 10, 1)], &options);
        assert_eq!(bytes(&first), [(1, 10, 1)]);
        assert!(ledger.round([counter(1, 5, 10, 1)], &options).is_empty());
        // Evicted, and begun anew.
        let anew = ledger.round([counter(1, 5, 4, 2)], &options);
        assert_eq!(bytes(&anew), [(1, 4, 2)]);
    }

    #[test]
    fn connections_of_a_process_with_a_peer_are_one_row_unless_told_apart() {
        let mut options = Options::parse_from(["tcptop"]);
        let counters = || [counter(1, 5, 10, 1), counter(1, 6, 20, 2)];
        let rows = Ledger::default().round(counters(), &options);
        assert_eq!(bytes(&rows), [(1, 30, 3)]);
        options.connections = true;
        let mut rows = Ledger::default().round(counters(), &options);
        sort(&mut rows, Sort::Total);
        assert_eq!(bytes(&rows), [(1, 20, 2), (1, 10, 1)]);
    }

    #[test]
    fn a_cumulative_round_has_everything() {
        let options = Options::parse_from(["tcptop", "--cumulative"]);
        let mut ledger = Ledger::default();
        for _ in 0..2 {
            let rows = ledger.round([counter(1, 5, 10, 1)], &options);
            assert_eq!(bytes(&rows), [(1, 10, 1)]);
        }
    }

    #[test]
    fn each_order_begins_with_what_it_asks_for() {
        let counters = [
            counter(3, 5, 90, 0),
            counter(2, 5, 0, 100),
            counter(1, 5, 1, 1),
        ];
        let mut rows = Ledger::default().round(counters, &Options::parse_from(["tcptop"]));
        for (by, pids) in [
            (Sort::Total, [2, 3, 1]),
            (Sort::Sent, [3, 1, 2]),
            (Sort::Received, [2, 1, 3]),
            (Sort::Pid, [1, 2, 3]),
            (Sort::Name, [1, 2, 3]),
        ] {
            sort(&mut rows, by);
            let order: Vec<u32> = rows.iter().map(|row| row.pid).collect();
            assert_eq!(order, pids, "{by:?}");
        }
    }
}
