//! How counts look: two tables, or a line of JSON.

use std::io::{self, Write};

use crate::tables::{Count, Counts};

/// Writes a row for each protocol that was seen and for each blocked prefix.
pub(crate) fn table(out: &mut impl Write, counts: &Counts) -> io::Result<()> {
    let Counts { protocols, blocked } = counts;
    let seen = protocols.iter().filter(|(_, count)| count.packets > 0);
    let rows: Vec<_> = seen
        .map(|(name, count)| ((*name).to_owned(), count))
        .collect();
    section(out, "PROTOCOL", &rows)?;
    if !blocked.is_empty() {
        let rows: Vec<_> = blocked
            .iter()
            .map(|(prefix, count)| (prefix.to_string(), count))
            .collect();
        section(out, "FROM", &rows)?;
    }
    writeln!(out)
}

fn section(out: &mut impl Write, what: &str, rows: &[(String, &Count)]) -> io::Result<()> {
    writeln!(
        out,
        "{what:<43} {:>12} {:>14} {:>12}",
        "PACKETS", "BYTES", "DROPPED"
    )?;
    for (name, count) in rows {
        let Count {
            packets,
            bytes,
            dropped,
        } = count;
        writeln!(out, "{name:<43} {packets:>12} {bytes:>14} {dropped:>12}")?;
    }
    Ok(())
}

/// Writes everything as one JSON object.
pub(crate) fn json(out: &mut impl Write, counts: &Counts) -> io::Result<()> {
    let object = |(name, count): (String, &Count)| {
        let Count {
            packets,
            bytes,
            dropped,
        } = count;
        let value = serde_json::json!({ "packets": packets, "bytes": bytes, "dropped": dropped });
        (name, value)
    };
    let protocols: serde_json::Map<_, _> = counts
        .protocols
        .iter()
        .map(|(name, count)| object(((*name).to_owned(), count)))
        .collect();
    let blocked: serde_json::Map<_, _> = counts
        .blocked
        .iter()
        .map(|(prefix, count)| object((prefix.to_string(), count)))
        .collect();
    let all = serde_json::json!({ "protocols": protocols, "blocked": blocked });
    writeln!(out, "{all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        let count = |packets, dropped| Count {
            packets,
            bytes: packets * 60,
            dropped,
        };
        Counts {
            protocols: vec![("TCP", count(3, 1)), ("UDP", count(0, 0))],
            blocked: vec![("10.0.0.0/8".parse().unwrap(), count(1, 1))],
        }
    }

    #[test]
    fn tables_have_what_was_seen_and_all_that_is_blocked() {
        let mut out = Vec::new();
        table(&mut out, &counts()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        let expected: [&[&str]; 5] = [
            &["PROTOCOL", "PACKETS", "BYTES", "DROPPED"],
            &["TCP", "3", "180", "1"],
            &["FROM", "PACKETS", "BYTES", "DROPPED"],
            &["10.0.0.0/8", "1", "60", "1"],
            &[],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn json_has_all_protocols() {
        let mut out = Vec::new();
        json(&mut out, &counts()).unwrap();
        let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(object["protocols"]["UDP"]["packets"], 0);
        assert_eq!(object["blocked"]["10.0.0.0/8"]["bytes"], 60);
    }
}
