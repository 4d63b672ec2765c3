//! Which calls are recorded already, as ranges of their indexes: after a run that wrote in input order there is one,
//! else about as many as calls were in flight.

/// Calls that are not run again.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// By index, with gaps between them.
    ranges: Vec<Range>,
}

#[derive(Debug)]
struct Range {
    start: u64,
    end: u64,
    /// How many calls are recorded in this range and in those before it.
    up_to_end: u64,
}

impl Range {
    /// Returns how many calls before this range are not recorded.
    fn gaps_before(&self) -> u64 {
        self.end - self.up_to_end
    }
}

impl Recorded {
    /// Gathers indexes, each greater than the one before.
    pub(crate) fn new(indexes: impl IntoIterator<Item = u64>) -> Self {
        let mut ranges: Vec<Range> = Vec::new();
        for (before, index) in (0..).zip(indexes) {
            match ranges.last_mut() {
                Some(last) if last.end == index => {
                    last.end += 1;
                    last.up_to_end += 1;
                }
                _ => ranges.push(Range { start: index, end: index + 1, up_to_end: before + 1 }),
            }
        }
        Recorded { ranges }
    }

    /// Returns how many calls are recorded.
    pub(crate) fn len(&self) -> u64 {
        self.ranges.last().map_or(0, |last| last.up_to_end)
    }

    /// Returns true if a call is recorded.
    pub(crate) fn contains(&self, index: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= index);
        after > 0 && index < self.ranges[after - 1].end
    }

    /// Returns the index of a call by its place among those that are not recorded.
    pub(crate) fn index_of(&self, place: u64) -> u64 {
        let after = self.ranges.partition_point(|range| range.gaps_before() <= place);
        let recorded_before = if after > 0 { self.ranges[after - 1].up_to_end } else { 0 };
        place + recorded_before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Recorded;

    #[test]
    fn without_records_a_place_is_an_index() {
        let none = Recorded::default();
        assert_eq!((none.len(), none.contains(0), none.index_of(7)), (0, false, 7));
    }

    proptest! {
        #[test]
        fn places_are_those_of_the_calls_between_the_records(is_recorded in prop::collection::vec(any::<bool>(), 0..60)) {
            let indexes = || (0_u64..).zip(&is_recorded).filter(|(_, is)| **is).map(|(index, _)| index);
            let recorded = Recorded::new(indexes());
            prop_assert_eq!(recorded.len(), indexes().count() as u64);
            let all = is_recorded.len() as u64 + 5;
            let left: Vec<_> = (0..all).filter(|index| !recorded.contains(*index)).collect();
            let expected: Vec<_> =
                (0..all).filter(|index| !is_recorded.get(*index as usize).copied().unwrap_or(false)).collect();
            prop_assert_eq!(&left, &expected);
            let by_place: Vec<_> = (0..left.len() as u64).map(|place| recorded.index_of(place)).collect();
            prop_assert_eq!(by_place, left);
        }
    }
}
