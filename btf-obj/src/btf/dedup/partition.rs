//! Coarsest partition of a graph's nodes into classes that agree with their edges (Hopcroft's
//! algorithm): time is proportional to the edges times the logarithm of the nodes.

use std::collections::HashMap;

/// Returns the class of each node: the nodes of a class are equal by themselves (`own`), and their
/// edges lead to nodes of the same classes, in the same order.
pub(super) fn coarsest(own: &[Vec<u32>], edges: &[Vec<u32>]) -> Vec<u32> {
    let sources = Sources::of(edges);
    let mut partition = Partition::by(own);
    // Nodes with edges to nodes whose class has changed.
    let mut pending: Vec<u32> = (0..own.len() as u32).collect();
    while !pending.is_empty() {
        let touched = partition.mark(&pending);
        let mut changed = Vec::new();
        for class in touched {
            partition.split(class, edges, &mut changed);
        }
        pending.clear();
        for node in changed {
            pending.extend(sources.of_node(node));
        }
        pending.sort_unstable();
        pending.dedup();
    }
    partition.classes
}

/// Nodes with edges to each node, in one list.
struct Sources {
    starts: Vec<usize>,
    nodes: Vec<u32>,
}

impl Sources {
    fn of(edges: &[Vec<u32>]) -> Sources {
        let mut starts = vec![0; edges.len() + 1];
        for target in edges.iter().flatten() {
            starts[*target as usize + 1] += 1;
        }
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        let mut next = starts.clone();
        let mut nodes = vec![0; starts.last().copied().unwrap_or(0)];
        for (source, targets) in (0..).zip(edges) {
            for target in targets {
                let next = &mut next[*target as usize];
                nodes[*next] = source;
                *next += 1;
            }
        }
        Sources { starts, nodes }
    }

    fn of_node(&self, node: u32) -> &[u32] {
        let n = node as usize;
        &self.nodes[self.starts[n]..self.starts[n + 1]]
    }
}

/// Nodes in the order of their classes, each of which is a range.
struct Partition {
    classes: Vec<u32>,
    order: Vec<u32>,
    /// Position of each node in `order`.
    positions: Vec<usize>,
    ranges: Vec<Range>,
}

/// Positions of a class. Marked nodes come first.
#[derive(Clone, Copy)]
struct Range {
    start: usize,
    marked: usize,
    end: usize,
}

impl Partition {
    /// Divides nodes by what they say themselves.
    fn by(own: &[Vec<u32>]) -> Partition {
        let mut numbers: HashMap<&[u32], u32> = HashMap::new();
        let mut classes = Vec::with_capacity(own.len());
        for key in own {
            let next = numbers.len() as u32;
            classes.push(*numbers.entry(key).or_insert(next));
        }
        let mut order: Vec<u32> = (0..own.len() as u32).collect();
        order.sort_by_key(|node| classes[*node as usize]);
        let mut positions = vec![0; order.len()];
        let mut ranges: Vec<Range> = Vec::with_capacity(numbers.len());
        for (at, node) in order.iter().enumerate() {
            positions[*node as usize] = at;
            match ranges.get_mut(classes[*node as usize] as usize) {
                Some(range) => range.end = at + 1,
                None => ranges.push(Range {
                    start: at,
                    marked: at,
                    end: at + 1,
                }),
            }
        }
        Partition {
            classes,
            order,
            positions,
            ranges,
        }
    }

    /// Moves nodes to the front of their classes, and returns these classes.
    fn mark(&mut self, nodes: &[u32]) -> Vec<u32> {
        let mut touched = Vec::new();
        for node in nodes {
            let class = self.classes[*node as usize];
            let range = &mut self.ranges[class as usize];
            if range.marked == range.start {
                touched.push(class);
            }
            let (from, to) = (self.positions[*node as usize], range.marked);
            range.marked += 1;
            let other = self.order[to];
            self.order.swap(from, to);
            self.positions[*node as usize] = to;
            self.positions[other as usize] = from;
        }
        touched
    }

    /// Splits the marked nodes of a class by the classes that their edges lead to, from each other and
    /// from the unmarked ones, whose edges have not changed. The largest part keeps the class; nodes
    /// of the others are added to `changed`.
    fn split(&mut self, class: u32, edges: &[Vec<u32>], changed: &mut Vec<u32>) {
        let range = self.ranges[class as usize];
        let key = |node: u32| -> Vec<u32> {
            let targets = edges[node as usize].iter();
            targets
                .map(|target| self.classes[*target as usize])
                .collect()
        };
        let marked = self.order[range.start..range.marked].iter();
        let mut nodes: Vec<(Vec<u32>, u32)> = marked.map(|node| (key(*node), *node)).collect();
        nodes.sort_unstable();
        let mut parts: Vec<(usize, usize)> = Vec::new();
        for (n, (_, node)) in nodes.iter().enumerate() {
            let at = range.start + n;
            self.order[at] = *node;
            self.positions[*node as usize] = at;
            match parts.last_mut() {
                Some(part) if nodes[n - 1].0 == nodes[n].0 => part.1 = at + 1,
                _ => parts.push((at, at + 1)),
            }
        }
        if range.marked < range.end {
            parts.push((range.marked, range.end));
        }
        let largest = parts.iter().copied().max_by_key(|(start, end)| end - start);
        for (start, end) in parts {
            let part = Range {
                start,
                marked: start,
                end,
            };
            if Some((start, end)) == largest {
                self.ranges[class as usize] = part;
                continue;
            }
            let new = self.ranges.len() as u32;
            self.ranges.push(part);
            for node in &self.order[start..end] {
                self.classes[*node as usize] = new;
                changed.push(*node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Divides all nodes anew until nothing changes.
    fn slowly(own: &[Vec<u32>], edges: &[Vec<u32>]) -> Vec<u32> {
        let number = |keys: Vec<Vec<u32>>| -> Vec<u32> {
            let mut numbers: HashMap<Vec<u32>, u32> = HashMap::new();
            let keys = keys.into_iter();
            keys.map(|key| {
                let next = numbers.len() as u32;
                *numbers.entry(key).or_insert(next)
            })
            .collect()
        };
        let mut classes = number(own.to_vec());
        loop {
            let key = |n: usize| {
                let targets = edges[n].iter().map(|t| classes[*t as usize]);
                std::iter::once(classes[n]).chain(targets).collect()
            };
            let finer = number((0..own.len()).map(key).collect());
            if finer == classes {
                return classes;
            }
            classes = finer;
        }
    }

    #[test]
    fn divides_random_graphs_as_the_definition_does() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..400 {
            let count = 1 + random(40);
            let labels = 1 + random(3);
            let own: Vec<Vec<u32>> = (0..count)
                .map(|_| {
                    let label = random(labels) as u32;
                    vec![label]
                })
                .collect();
            // As many edges as the label says: nodes that are equal by themselves have equally many.
            let edges: Vec<Vec<u32>> = own
                .iter()
                .map(|own| (0..=own[0]).map(|_| random(count) as u32).collect())
                .collect();
            let classes = coarsest(&own, &edges);
            let expected = slowly(&own, &edges);
            for a in 0..own.len() {
                for b in 0..a {
                    let is_equal = classes[a] == classes[b];
                    assert_eq!(
                        is_equal,
                        expected[a] == expected[b],
                        "round {round}: {a}, {b}"
                    );
                }
            }
        }
    }

    #[test]
    fn chains_are_divided_from_their_ends() {
        let count = 50_000u32;
        let own = vec![vec![0]; count as usize];
        let edges: Vec<Vec<u32>> = (0..count).map(|n| vec![n.saturating_sub(1)]).collect();
        // Node 0 refers to itself, and so all are equal.
        let classes = coarsest(&own, &edges);
        assert!(classes.iter().all(|class| *class == classes[0]));
        let mut own = own;
        own[0] = vec![1];
        let mut classes = coarsest(&own, &edges);
        classes.sort_unstable();
        classes.dedup();
        assert_eq!(classes.len(), count as usize);
    }
}
