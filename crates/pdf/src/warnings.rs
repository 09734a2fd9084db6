use std::collections::BTreeSet;

/// More would help nobody, and a hostile document could ask for millions.
const KEPT: usize = 100;

/// Sentences for the result: each once, in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    kept: Vec<String>,
    said: BTreeSet<String>,
}

impl Warnings {
    pub(crate) fn add(&mut self, sentence: String) {
        if self.kept.len() < KEPT && self.said.insert(sentence.clone()) {
            self.kept.push(sentence);
        }
    }

    pub(crate) fn into_kept(self) -> Vec<String> {
        self.kept
    }
}

/// A text from the document as it may be quoted: short, on one line.
pub(crate) fn quote(text: &str) -> String {
    const SHOWN: usize = 120;
    let text = text.trim();
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
