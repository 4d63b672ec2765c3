//! What an author hears who writes something that cannot travel. Each case in `ui/` stands beside the exact message,
//! which points at the token that is to blame. They compile natively: the attribute checks the same on every target.

#[test]
fn every_mistake_is_named_at_its_token() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
