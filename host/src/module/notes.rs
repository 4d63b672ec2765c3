//! What is worth telling about a module although it works: a broken line of its task section, a cache that
//! cannot be used. Bounded, because a module that nobody trusts can cause as many as it likes.

/// Notes beyond this many are counted, not kept.
const MOST_KEPT: usize = 16;

/// Collects the notes of one load.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    kept: Vec<String>,
    dropped: usize,
}

impl Notes {
    /// Adds a note; the first sixteen are kept.
    pub(crate) fn push(&mut self, note: impl Into<String>) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(note.into());
        } else {
            self.dropped += 1;
        }
    }

    /// Returns what was kept, and how many were not.
    pub(crate) fn into_vec(self) -> Vec<String> {
        let mut kept = self.kept;
        if self.dropped > 0 {
            kept.push(format!("and {} more notes like these", self.dropped));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_notes_is_counted_instead_of_kept() {
        let mut notes = Notes::default();
        (0..1_000).for_each(|i| notes.push(format!("note {i}")));
        let kept = notes.into_vec();
        assert_eq!(kept.len(), MOST_KEPT + 1);
        assert_eq!(kept.last().unwrap(), "and 984 more notes like these");
    }
}
