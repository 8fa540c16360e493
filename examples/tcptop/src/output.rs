//! How a round looks: a table, or a line of JSON for each row.

use std::io::{self, Write};

use crate::ledger::{Bytes, Ends, Row};
use crate::options::{Options, Sort};

/// Writes one JSON object a row.
pub(crate) fn json(out: &mut impl Write, round: u64, rows: &[Row]) -> io::Result<()> {
    for row in rows {
        let mut object = serde_json::json!({
            "round": round,
            "pid": row.pid,
            "name": row.name,
            "sent": row.bytes.sent,
            "received": row.bytes.received,
        });
        match row.ends {
            Ends::Peer(peer) => object["peer"] = peer.to_string().into(),
            Ends::Connection(local, peer) => {
                object["local"] = local.ip().to_string().into();
                object["local_port"] = local.port().into();
                object["peer"] = peer.ip().to_string().into();
                object["peer_port"] = peer.port().into();
            }
        }
        writeln!(out, "{object}")?;
    }
    Ok(())
}

/// Writes a table: what all rows come to, a head, and those rows that there is room for.
pub(crate) fn table(
    out: &mut impl Write,
    rows: &[Row],
    sort: Sort,
    room: usize,
    options: &Options,
) -> io::Result<()> {
    let number = |bytes| size(bytes, options.bytes);
    let sum = rows.iter().fold(Bytes::default(), |sum, row| Bytes {
        sent: sum.sent.saturating_add(row.bytes.sent),
        received: sum.received.saturating_add(row.bytes.received),
    });
    writeln!(
        out,
        "sent {}, received {} {}; by {}",
        number(sum.sent),
        number(sum.received),
        match options.cumulative {
            true => "since the start".to_owned(),
            false => format!("in {} s", options.interval.as_secs_f64()),
        },
        sort.name(),
    )?;
    let ends = match options.connections {
        true => format!("{:<41} {:<41}", "LOCAL", "PEER"),
        false => format!("{:<39}", "PEER"),
    };
    writeln!(
        out,
        "{:>7} {:<16} {ends} {:>12} {:>12}",
        "PID", "NAME", "SENT", "RECEIVED"
    )?;
    for row in rows.iter().take(room) {
        let ends = match row.ends {
            Ends::Peer(peer) => format!("{:<39}", peer.to_string()),
            Ends::Connection(local, peer) => {
                format!("{:<41} {:<41}", local.to_string(), peer.to_string())
            }
        };
        writeln!(
            out,
            "{:>7} {:<16} {ends} {:>12} {:>12}",
            row.pid,
            printable(&row.name),
            number(row.bytes.sent),
            number(row.bytes.received),
        )?;
    }
    Ok(())
}

/// `1.2M`, by steps of 1024; below that, and where it is asked for, all digits.
fn size(bytes: u64, exact: bool) -> String {
    if exact || bytes < 1024 {
        return bytes.to_string();
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 'K');
    for larger in ['M', 'G', 'T', 'P', 'E'] {
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    format!("{value:.1}{unit}")
}

/// A name chosen by somebody else: control characters must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn sizes_are_short() {
        let short = |bytes| size(bytes, false);
        assert_eq!(
            [0, 1023, 1024, 1536, 1024 * 1024 - 1, u64::MAX].map(short),
            ["0", "1023", "1.0K", "1.5K", "1.0M", "16.0E"]
        );
        assert_eq!(size(1_234_567, true), "1234567");
    }

    fn row(ends: Ends) -> Row {
        let bytes = Bytes {
            sent: 2048,
            received: 7,
        };
        Row {
            pid: 42,
            name: "a\u{1b}b".into(),
            ends,
            bytes,
        }
    }

    #[test]
    fn a_table_has_the_sum_and_as_many_rows_as_there_is_room_for() {
        let rows = vec![row(Ends::Peer([10, 0, 0, 1].into())); 3];
        let mut out = Vec::new();
        table(
            &mut out,
            &rows,
            Sort::Sent,
            2,
            &Options::parse_from(["tcptop"]),
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0], "sent 6.0K, received 21 in 1 s; by sent");
        let words: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!(words, ["42", "a?b", "10.0.0.1", "2.0K", "7"]);
    }

    #[test]
    fn json_has_whole_numbers_and_ports() {
        let ends = Ends::Connection("[::1]:80".parse().unwrap(), "[::2]:81".parse().unwrap());
        let mut out = Vec::new();
        json(&mut out, 3, &[row(ends)]).unwrap();
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "round": 3, "pid": 42, "name": "a\u{1b}b", "sent": 2048, "received": 7,
            "local": "::1", "local_port": 80, "peer": "::2", "peer_port": 81,
        });
        assert_eq!(object, expected);
    }
}
