//! Tasks that the tests of the pool call: plain ones, waiting ones, busy ones, and ones that go wrong on purpose.

use std::cell::Cell;
use std::time::{Duration, Instant};

use wasmpool_guest::{Context, Error, Json, Permanent, RetryAfter, anyhow, call, tasks, time};

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

async fn wait_ms(ms: u32) {
    time::sleep(Duration::from_millis(ms.into())).await;
}

/// Plain, waiting, busy and failing tasks.
#[tasks]
mod basics {
    use super::*;

    /// A record with a bit of everything.
    pub struct User {
        name: String,
        age: u8,
        tags: Vec<String>,
        nick: Option<String>,
        address: Option<Address>,
    }

    /// A record inside a record; `type` is a keyword in two languages.
    pub struct Address {
        lines: Vec<String>,
        place: (f64, f64),
        r#type: Colour,
    }

    /// Cases without payloads.
    pub enum Colour {
        Red,
        DeepBlue,
        Green,
    }

    /// Cases with payloads of all kinds.
    pub enum Shape {
        Circle(f64),
        Polygon(Vec<(i32, i32)>),
        Line(i16, i16),
        Of(User),
        Nothing,
    }

    /// An author's own error.
    pub enum Problem {
        TooOld(u8),
        Gone,
    }

    /// Sum of `a` and `b`, wrapping around.
    pub fn add(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    /// Sum of `a` and `b`, as an async export.
    pub async fn add_async(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    /// `a` by `b`. The C library has a function of this name.
    pub fn div(a: i64, b: i64) -> Result<i64, Error> {
        a.checked_div(b).context("cannot divide")
    }

    /// Waits for `ms` milliseconds and returns them.
    pub async fn sleep_ms(ms: u32) -> u32 {
        wait_ms(ms).await;
        ms
    }

    /// Computes for `rounds` rounds without a pause.
    pub fn spin(rounds: u64) -> u64 {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..rounds {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state = state.wrapping_add(round);
        }
        state
    }

    /// Computes for about `ms` milliseconds without a pause, and returns how many rounds that were.
    pub fn spin_ms(ms: u32) -> u64 {
        let (start, mut rounds) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(ms.into()) {
            std::hint::black_box(spin(1_000));
            rounds += 1_000;
        }
        rounds
    }

    /// Waits for `ms` milliseconds the old way, which holds up the whole sandbox.
    pub async fn block_ms(ms: u32) -> u32 {
        std::thread::sleep(Duration::from_millis(ms.into()));
        ms
    }

    /// Like `spin-ms`, as an async export.
    pub async fn spin_ms_async(ms: u32) -> u64 {
        spin_ms(ms)
    }

    /// Returns `bytes`.
    pub fn echo_bytes(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    /// Number of `bytes`, which are only borrowed.
    pub fn count_bytes(bytes: &[u8]) -> u64 {
        bytes.len() as u64
    }

    /// Returns `bytes`, unless they begin with a zero.
    pub fn check_bytes(bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        if bytes.first() == Some(&0) {
            return Err(anyhow!("the root").context("a zero")).context(Permanent);
        }
        Ok(bytes)
    }

    /// Returns `words`.
    pub fn echo_words(words: Vec<u32>) -> Vec<u32> {
        words
    }

    /// Returns `longs`.
    pub fn echo_longs(longs: Vec<u64>) -> Vec<u64> {
        longs
    }

    /// Returns `singles`.
    pub fn echo_singles(singles: Vec<f32>) -> Vec<f32> {
        singles
    }

    /// Returns `doubles`.
    pub fn echo_doubles(doubles: Vec<f64>) -> Vec<f64> {
        doubles
    }

    /// Returns the bytes and the longs the other way round.
    pub fn swap_lists(bytes: Vec<u8>, longs: Vec<u64>) -> (Vec<u64>, Vec<u8>) {
        (longs, bytes)
    }

    /// Returns `text`.
    pub fn echo_text(text: String) -> String {
        text
    }

    /// Returns `user`.
    pub fn echo_user(user: User) -> User {
        user
    }

    /// Returns `users`, from an async export.
    pub async fn echo_users(users: Vec<User>) -> Vec<User> {
        users
    }

    /// The user of this name; a task and a type may be called alike.
    pub fn user(name: String) -> User {
        User { name, age: 0, tags: Vec::new(), nick: None, address: None }
    }

    /// Returns `colour`.
    pub fn echo_colour(colour: Colour) -> Colour {
        colour
    }

    /// Returns `shape`.
    pub fn echo_shape(shape: Shape) -> Shape {
        shape
    }

    /// Returns `pair`.
    pub fn echo_pair(pair: (u8, (String, bool))) -> (u8, (String, bool)) {
        pair
    }

    /// Returns `value`.
    pub fn echo_option(value: Option<Option<u8>>) -> Option<Option<u8>> {
        value
    }

    /// Returns `value`, whose error side is an enum.
    pub fn echo_result(value: Result<u32, Colour>) -> Result<u32, Colour> {
        value
    }

    /// Returns `letter`.
    pub fn echo_char(letter: char) -> char {
        letter
    }

    /// Returns both numbers.
    pub fn echo_floats(single: f32, double: f64) -> (f32, f64) {
        (single, double)
    }

    /// Returns the smallest and the largest integers.
    pub fn extremes() -> (i8, i16, i32, i64, u8, u16, u32, u64) {
        (i8::MIN, i16::MIN, i32::MIN, i64::MIN, u8::MAX, u16::MAX, u32::MAX, u64::MAX)
    }

    /// Adds up numbers that come as JSON.
    pub fn sum_json(numbers: Json<Vec<f64>>) -> Result<Json<f64>, Error> {
        Ok(Json(numbers.iter().sum()))
    }

    /// Fails with `message` and two causes.
    pub fn fail(message: String) -> Result<u32, Error> {
        Err(anyhow!("the root").context("the middle").context(message))
    }

    /// Fails for good.
    pub fn fail_for_good() -> Result<u32, Error> {
        Err(anyhow!("there is no such thing")).context(Permanent)
    }

    /// Fails and asks for a break of `ms` milliseconds.
    pub fn fail_for_now(ms: u32) -> Result<u32, Error> {
        Err(anyhow!("busy")).context(RetryAfter(Duration::from_millis(ms.into())))
    }

    /// Fails in the attempts before `attempt`, then says which one it was.
    #[retry(attempts = 4, first_delay = "1ms", jitter = false)]
    pub async fn fail_until(attempt: u32) -> Result<u32, Error> {
        if call::attempt() < attempt {
            return Err(anyhow!("attempt {} is too early", call::attempt()));
        }
        Ok(call::attempt())
    }

    /// Returns `code` if it is at most 100; 0 is gone.
    #[retry(on(Gone))]
    pub fn fail_typed(code: u8) -> Result<u8, Problem> {
        match code {
            0 => Err(Problem::Gone),
            101.. => Err(Problem::TooOld(code)),
            code => Ok(code),
        }
    }

    /// Prints `text` so many times to stdout, a line each.
    pub fn say(text: String, times: u32) {
        for _ in 0..times {
            println!("{text}");
        }
    }

    /// Prints `text` to stderr.
    pub fn grumble(text: String) {
        eprintln!("{text}");
    }

    /// Prints `text` without ending the line.
    pub fn print_partial(text: String) {
        use std::io::Write as _;
        print!("{text}");
        std::io::stdout().flush().expect("stdout can be flushed");
    }

    /// Prints before and after a pause of `ms` milliseconds.
    pub async fn say_slowly(text: String, ms: u32) {
        println!("{text} begins");
        wait_ms(ms).await;
        println!("{text} ends");
    }

    /// Waits a little, then panics if `n` is `at` and otherwise waits again and returns `n`.
    pub async fn boom_at(n: u32, at: u32) -> u32 {
        wait_ms(5).await;
        assert!(n != at, "boom at {n}");
        wait_ms(20).await;
        n
    }

    /// Computes for ever if `n` is `at`, and otherwise waits `ms` milliseconds and returns `n`.
    pub async fn loop_at(n: u32, at: u32, ms: u32) -> u32 {
        if n == at {
            loop {
                std::hint::black_box(n);
            }
        }
        wait_ms(ms).await;
        n
    }

    /// Waits `ms` milliseconds, and may take 100 at most.
    #[timeout("100ms")]
    pub async fn nap_at_most(ms: u32) -> u32 {
        wait_ms(ms).await;
        ms
    }

    /// A text of `kib` KiB.
    pub fn text_of(kib: u32) -> String {
        "x".repeat(kib as usize * 1024)
    }

    /// Bytes, `kib` KiB of them.
    pub fn bytes_of(kib: u32) -> Vec<u8> {
        vec![7; kib as usize * 1024]
    }

    /// Waits, then panics if `goes_wrong` and otherwise waits again and returns `n`.
    pub async fn boom_if(n: u32, before_ms: u32, goes_wrong: bool, after_ms: u32) -> u32 {
        wait_ms(before_ms).await;
        assert!(!goes_wrong, "boom of {n}");
        wait_ms(after_ms).await;
        n
    }

    /// Panics after `ms` milliseconds.
    pub async fn boom(ms: u32) -> u32 {
        wait_ms(ms).await;
        panic!("boom after {ms} ms")
    }

    /// Number of the call and of the attempt.
    pub fn whoami() -> (u64, u32) {
        (call::id(), call::attempt())
    }

    /// Number of the call and of the attempt, asked for after a wait of `ms` milliseconds.
    pub async fn whoami_later(ms: u32) -> (u64, u32) {
        wait_ms(ms).await;
        (call::id(), call::attempt())
    }

    /// How often this was called in this sandbox, this call included.
    pub fn count() -> u32 {
        CALLS.set(CALLS.get() + 1);
        CALLS.get()
    }

    /// Answers at once; what it left in the background panics `ms` milliseconds later.
    pub async fn linger(ms: u32) -> u32 {
        #[cfg(target_family = "wasm")]
        wit_bindgen::spawn_local(async move {
            wait_ms(ms).await;
            panic!("background work of an answered call");
        });
        ms
    }

    /// Prints a line and waits for ever.
    pub async fn say_and_hang(text: String) {
        println!("{text}");
        std::future::pending::<()>().await;
    }

    /// Prints a line and computes for ever.
    pub async fn say_and_spin(text: String) -> u64 {
        println!("{text}");
        forever().await
    }

    /// Waits for ever.
    pub async fn hang() {
        std::future::pending::<()>().await;
    }

    /// Waits for a day, but only on the clock.
    #[timeout("none")]
    pub async fn nap_for_a_day() {
        wait_ms(86_400_000).await;
    }

    /// Computes for ever.
    pub async fn forever() -> u64 {
        let mut state = 1_u64;
        loop {
            state = std::hint::black_box(state.wrapping_mul(3));
        }
    }

    /// Calls itself until the stack ends.
    pub fn overflow(depth: u64) -> u64 {
        if std::hint::black_box(depth) == u64::MAX {
            return 0;
        }
        std::hint::black_box(overflow(std::hint::black_box(depth + 1))) + 1
    }

    /// Calls itself `levels` times.
    pub fn descend(levels: u64) -> u64 {
        if std::hint::black_box(levels) == 0 {
            return 0;
        }
        std::hint::black_box(descend(std::hint::black_box(levels - 1))) + 1
    }

    /// Takes `mib` MiB of memory and returns how many it got.
    pub fn hog(mib: u32) -> u32 {
        let blocks: Vec<Vec<u8>> = (0..mib).map(|_| std::hint::black_box(vec![1; 1 << 20])).collect();
        u32::try_from(blocks.len()).expect("no more blocks than were asked for")
    }

    /// Ends the program with `code`.
    pub fn exit(code: i32) {
        std::process::exit(code);
    }
}

#[cfg(test)]
mod tests {
    use super::basics;
    use wasmpool_guest::testing::{block_on, set_call};

    #[test]
    fn tasks_are_plain_functions_off_wasm() {
        assert_eq!(basics::add(2, 3), 5);
        assert_eq!(block_on(basics::sleep_ms(1)), 1);
    }

    #[test]
    fn the_attempt_can_be_set() {
        set_call(7, 3);
        assert_eq!(basics::whoami(), (7, 3));
        assert_eq!(block_on(basics::fail_until(3)).ok(), Some(3));
    }
}
