use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub enum Problem {
        Busy,
    }
    #[retry(attempts = 0)]
    pub fn never() {}
    #[retry(attempts = 2, delay = "1s")]
    pub fn unknown() {}
    #[retry(first_delay = "soon")]
    pub fn soon() {}
    #[retry(first_delay = 100)]
    pub fn no_unit() {}
    #[retry(factor = 0.5)]
    pub fn shrinking() {}
    #[retry(first_delay = "20s")]
    pub fn upside_down() {}
    #[retry(attempts = 2, attempts = 3)]
    pub fn twice() {}
    #[retry(on(Gone))]
    pub fn no_such_case() -> Result<(), Problem> {
        Ok(())
    }
    #[retry(on(Busy))]
    pub fn no_own_error() -> Result<(), String> {
        Ok(())
    }
    #[retry]
    #[retry]
    pub fn again() {}
}

fn main() {}
