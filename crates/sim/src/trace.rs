//! What happened, line by line, and a number that stands for all of it.

use std::collections::VecDeque;
use std::sync::Arc;

/// Lines that a failure shows.
const SHOWN: usize = 40;

/// The lines of one history.
pub(crate) struct Trace {
    lines: VecDeque<String>,
    count: u64,
    hash: u64,
    whole: bool,
    /// Whose request the store answers now.
    pub(crate) who: Arc<str>,
}

impl Trace {
    /// Keeps the last lines, or the whole of them.
    pub(crate) fn new(whole: bool) -> Self {
        Self { lines: VecDeque::new(), count: 0, hash: 0xcbf2_9ce4_8422_2325, whole, who: "".into() }
    }

    pub(crate) fn tell(&mut self, passed: i64, line: &str) {
        self.count += 1;
        let line = format!("{:>5} {passed:>8} ms  {:<9} {line}", self.count, self.who);
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if !self.whole && self.lines.len() == SHOWN {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}
