//! What is computed, inside a sandbox and natively: the benchmark includes this very file. Each round needs the one
//! before, so that no compiler can leave rounds out, put them in a closed form, or do several at once.

/// Computes for so many rounds of a xorshift and returns where that leads.
pub(crate) fn busy(rounds: u64) -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state = state.wrapping_add(round);
    }
    state
}

/// Returns a hash of `place`, of so many rounds.
pub(crate) fn hash(place: u32, rounds: u32) -> u64 {
    let mut state = u64::from(place) + 1;
    for _ in 0..rounds {
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    }
    state ^ (state >> 31)
}
