//! What compiling a component would cost, bounded before the compiler begins: it cannot be stopped, and a small file can
//! keep it busy for hours or make it take all memory. A function is bounded in each figure that the compiler's work grows
//! with, where that came to some ten seconds or half a gigabyte when it was measured; all functions together, in what
//! they cost beyond what so many bytes of ordinary code do. Functions that compilers write have hundredths of the limits.

use wasmparser::{FuncToValidate, FunctionBody, KnownCustom, Name, Parser, Payload, ValidatorResources};

use super::body::{Figures, Measure, figures};
use super::error::ModuleError;

/// The most of each that a function may have.
const LIMITS: Figures = Figures {
    operators: 1_000_000,
    branches: 200_000,
    loops: 100,
    held: 50_000_000,
    joined: 200_000,
    carried: 5_000_000,
    passed: 500_000_000,
    called: 1_000_000,
};

/// What a function costs besides its figures, as a part of the costliest.
const SHARE_OF_A_FUNCTION: f64 = 1.0 / 50_000.0;

/// What an ordinary function has of a figure at most, as a part of the limit: it costs what its bytes cost.
const ORDINARY: f64 = 0.01;

/// How many of the costliest functions a component may have, and how many more for each mebibyte of code.
const MOST_SHARES: f64 = 4.0;
const SHARES_PER_MEBIBYTE: f64 = 1.0;

/// What was counted of the functions so far.
#[derive(Debug, Default)]
pub(super) struct Effort {
    functions: u32,
    code_bytes: u64,
    shares: f64,
}

impl Effort {
    /// Counts a function of the component that is `bytes`.
    ///
    /// # Errors
    /// [`ModuleError::FunctionTooCostly`].
    pub(super) fn add(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
        bytes: &[u8],
    ) -> Result<(), ModuleError> {
        let index = function.index;
        let counted = figures(function.into_validator(Default::default()), body, &LIMITS);
        let mut costliest: f64 = 0.0;
        for Measure { what, figure, limit, outgrows_size } in counted.beside(&LIMITS) {
            if figure > limit {
                let name = name_of(index, body, bytes);
                return Err(ModuleError::FunctionTooCostly { index, name, what, figure, limit });
            }
            if outgrows_size {
                costliest = costliest.max(figure as f64 / limit as f64 - ORDINARY);
            }
        }
        self.functions += 1;
        self.code_bytes += body.as_bytes().len() as u64;
        self.shares += SHARE_OF_A_FUNCTION + costliest;
        Ok(())
    }

    /// Judges all functions together.
    ///
    /// # Errors
    /// [`ModuleError::TooCostly`].
    pub(super) fn judge(&self) -> Result<(), ModuleError> {
        let limit = MOST_SHARES + SHARES_PER_MEBIBYTE * (self.code_bytes as f64 / f64::from(1 << 20));
        if self.shares <= limit {
            return Ok(());
        }
        let (functions, code_bytes) = (self.functions, self.code_bytes);
        Err(ModuleError::TooCostly {
            functions,
            code_bytes,
            cost: self.shares.ceil() as u64,
            limit: limit as u64,
        })
    }
}

/// Looks the name of a function up that has this `body`: names come after all code.
fn name_of(index: u32, body: &FunctionBody<'_>, bytes: &[u8]) -> Option<String> {
    let behind = Parser::new(0).parse_all(bytes).map_while(Result::ok).skip_while(
        |payload| !matches!(payload, Payload::CodeSectionEntry(other) if other.range() == body.range()),
    );
    let names =
        behind.take_while(|payload| !matches!(payload, Payload::End(_))).find_map(
            |payload| match payload {
                Payload::CustomSection(section) => match section.as_known() {
                    KnownCustom::Name(names) => Some(names),
                    _ => None,
                },
                _ => None,
            },
        )?;
    let functions = names.into_iter().map_while(Result::ok).find_map(|name| match name {
        Name::Function(functions) => Some(functions),
        _ => None,
    })?;
    let named = functions.into_iter().map_while(Result::ok).find(|naming| naming.index == index)?;
    Some(named.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::survey::survey;

    /// A component with one function, of `locals` more than its parameter.
    fn component(locals: u64, code: &str) -> Vec<u8> {
        let locals = "i32 ".repeat(locals as usize);
        let text = format!(
            "(component (core module
                (type $pass (func (param i32 i32) (result i32 i32)))
                (func $first) (func $callee (param i32 i32) (result i32 i32) (local.get 0) (local.get 1))
                (func $costly (param i32) (result i32) (local {locals}) {code} (local.get 0))))"
        );
        wat::parse_str(text).expect("text that is well formed")
    }

    /// What is said of a function with so many locals and such code.
    fn refusal(locals: u64, code: &str) -> Option<String> {
        survey(&component(locals, code)).err().map(|error| error.to_string())
    }

    fn numbered(count: u64, line: impl Fn(u64) -> String) -> String {
        (1..=count).map(line).collect()
    }

    /// Changes a local, or reads it.
    fn change(local: u64) -> String {
        format!("(local.set {local} (i32.add (local.get {local}) (i32.const 1)))")
    }

    fn read(local: u64) -> String {
        format!("(drop (local.get {local}))")
    }

    #[track_caller]
    fn expect_limit(what: &str, under: Option<String>, over: Option<String>) {
        assert_eq!(under, None, "{what}");
        let said = over.unwrap_or_else(|| panic!("{what}: nothing is said"));
        assert!(said.contains("function 2 (`costly`)") && said.contains(what), "{said}");
    }

    #[test]
    fn functions_have_only_so_many_operators_branches_and_calls() {
        // Two for the parameter that is returned.
        let drops = |count: u64| refusal(0, &"nop ".repeat((count - 2) as usize));
        expect_limit(" operators", drops(LIMITS.operators), drops(LIMITS.operators + 1));
        // One for the end of the function.
        let blocks = |count: u64| refusal(0, &"block end ".repeat((count / 2) as usize));
        expect_limit("branches and blocks", blocks(LIMITS.branches - 2), blocks(LIMITS.branches));
        let loops =
            |count: u64| refusal(0, &("loop ".repeat(count as usize) + &"end ".repeat(count as usize)));
        expect_limit("loops in each other", loops(LIMITS.loops), loops(LIMITS.loops + 1));
        let calls = |count: u64| {
            refusal(
                0,
                &format!(
                    "i32.const 0 i32.const 0 {} drop drop",
                    "call $callee ".repeat((count / 4) as usize)
                ),
            )
        };
        expect_limit("results of calls", calls(LIMITS.called), calls(LIMITS.called + 4));
    }

    #[test]
    fn functions_hold_only_so_many_values_across_branches() {
        let code = |locals: u64, branches: u64| {
            let (set, read) = (numbered(locals, change), numbered(locals, read));
            refusal(
                locals,
                &format!("{set} {} {read}", "(if (local.get 0) (then nop)) ".repeat(branches as usize)),
            )
        };
        // Each `if` is two branches.
        let branches = LIMITS.held / 2_000;
        expect_limit("are needed, and", code(950, branches), code(1_000, branches));
    }

    #[test]
    fn locals_that_differ_where_branches_meet_are_counted_only_if_they_are_needed_behind() {
        let code = |locals: u64, arms: u64, read: String| {
            let arm = numbered(locals, change);
            let arms = format!("(if (local.get 0) (then {arm})) ").repeat(arms as usize);
            refusal(locals, &format!("{arms} {read}"))
        };
        let arms = LIMITS.joined / 1_000;
        expect_limit(
            "differ where",
            code(950, arms, numbered(950, read)),
            code(1_001, arms, numbered(1_001, read)),
        );
        // Only the last arm's are not needed.
        assert!(code(1_001, arms, String::new()).is_none());
        // The same code as a compiler writes it: each arm has values of its own.
        let own = |arm: u64| {
            format!(
                "(if (local.get 0) (then {}))",
                numbered(10, |n| format!(
                    "(local.set {0} (local.get 0)) (drop (local.get {0}))",
                    arm * 10 + n
                ))
            )
        };
        assert_eq!(refusal(40_010, &numbered(4_000, own)), None);
    }

    #[test]
    fn what_a_loop_changes_is_needed_in_all_of_it() {
        let code = |locals: u64, branches: u64| {
            let change = numbered(locals, change);
            let branches = "(if (local.get 0) (then nop)) ".repeat(branches as usize);
            refusal(locals, &format!("(loop {change} {branches} (br_if 0 (local.get 0)))"))
        };
        let branches = LIMITS.held / 2_000;
        expect_limit("are needed, and", code(950, branches), code(1_000, branches));
    }

    #[test]
    fn an_interpreter_with_thousands_of_arms_is_well_within_the_limits() {
        let (arms, locals) = (5_000, 100);
        let table = numbered(arms, |arm| format!("{} ", arm - 1));
        let arm = |arm: u64| {
            let work = numbered(20, |n| {
                format!(
                    "(local.set {} (i32.add (local.get {}) (local.get {})))",
                    1 + (arm * 7 + n * 3) % locals,
                    1 + (arm * 7 + n * 3) % locals,
                    1 + (arm * 11 + n * 5) % locals
                )
            });
            format!("end {work} br {} ", arms - arm)
        };
        let code = format!(
            "loop {} (br_table {table} (i32.load (local.get 0))) {} end",
            "block ".repeat(arms as usize),
            numbered(arms, arm)
        );
        let bytes = wat::parse_str(format!(
            "(component (core module (memory 1) (func (param i32) (result i32) (local {}) {code} (local.get 0))))",
            "i32 ".repeat(locals as usize)
        ));
        assert!(survey(&bytes.expect("text that is well formed")).is_ok());
    }

    #[test]
    fn blocks_hand_on_only_so_many_values() {
        let code = |blocks: u64| {
            let blocks = "(block (type $pass)) ".repeat(blocks as usize);
            refusal(0, &format!("i32.const 0 i32.const 0 {blocks} drop drop"))
        };
        // Two parameters and two results each, and each is two places that hand on.
        let most = (LIMITS.passed / 8).isqrt();
        expect_limit("results of blocks", code(most), code(most + 1));
    }

    #[test]
    fn values_may_be_carried_by_many_branches_to_one_place() {
        let code = |locals: u64, branches: u64| {
            let leave = format!("{} (br_if 0 (local.get 0)) ", change(1)).repeat(branches as usize);
            let (set, read) = (numbered(locals, change), numbered(locals, read));
            refusal(locals, &format!("(block {set} {leave}) {read}"))
        };
        let branches = LIMITS.carried / 100;
        expect_limit("values times the branches that meet", code(99, branches), code(101, branches));
    }

    #[test]
    fn small_functions_are_too_many_at_some_number() {
        let code = |functions: usize| {
            let text = format!("(component (core module {}))", "(func)".repeat(functions));
            survey(&wat::parse_str(text).expect("text that is well formed"))
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(code(190_000), None);
        let said = code(250_000).expect("it is refused");
        assert!(said.contains("250000 functions") && said.contains("4 is the limit"), "{said}");
    }

    #[test]
    fn ordinary_functions_cost_no_more_than_their_number_and_costly_ones_add_up() {
        let module = |functions: usize, body: &str| {
            let function = format!("(func (param i32) (local i32) {body})");
            let types = "(type $pass (func (param i32 i32) (result i32 i32)))";
            let text = format!("(component (core module {types} {}))", function.repeat(functions));
            survey(&wat::parse_str(text).expect("text that is well formed"))
                .err()
                .map(|error| error.to_string())
        };
        let ordinary = format!(
            "(loop (if (local.get 0) (then {0} {0}) (else {0})) {0} (br_if 0 (local.get 1))) {1}",
            change(1),
            read(1)
        );
        assert_eq!(module(50_000, &ordinary), None);
        // Each has half of what one may have.
        let blocks = "(block (type $pass)) ".repeat((LIMITS.passed / 16).isqrt() as usize);
        let costly = format!("i32.const 0 i32.const 0 {blocks} drop drop");
        assert_eq!(module(8, &costly), None);
        let said = module(20, &costly).expect("it is refused");
        assert!(said.contains("its 20 functions"), "{said}");
    }

    #[test]
    fn exceptions_of_the_older_kind_are_walked_over() {
        let code = "try try (local.set 1 (i32.const 1)) delegate 0 catch_all (drop (local.get 1)) end \
                    try nop catch_all nop end (local.set 1 (i32.const 2)) (br_if 0 (local.get 0))";
        assert_eq!(refusal(1, code), None);
    }
}
