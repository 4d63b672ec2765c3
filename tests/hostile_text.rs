//! Attacks that no compiler makes, as text: answers that lie about their memory or name the same memory a million times,
//! tables and handles without end.

use serde_json::json;
use wasmpool::{Limits, TaskModule};

use crate::hostile::{Ends, attack};

/// A component with one task `attack`: its type, the core function's code, and more for the core module and component.
struct Attack<'a> {
    returns: &'a str,
    code: &'a str,
    in_module: &'a str,
    /// Imports of the component, and how the core module gets them.
    imports: &'a str,
    with: &'a str,
    /// Pages of 64 KiB.
    memory: u32,
}

const PLAIN: Attack<'static> =
    Attack { returns: "u32", code: "", in_module: "", imports: "", with: "", memory: 1 };

impl Attack<'_> {
    async fn module(&self) -> TaskModule {
        let Attack { returns, code, in_module, imports, with, memory } = self;
        let text = format!(
            r#"(component
                {imports}
                (core module $m
                    {in_module}
                    (memory (export "memory") {memory})
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                    (func (export "attack") (result i32) (local $i i32) {code}))
                (core instance $i (instantiate $m {with}))
                (alias core export $i "memory" (core memory $memory))
                (alias core export $i "realloc" (core func $realloc))
                (func (export "attack") (result {returns})
                    (canon lift (core func $i "attack") (memory $memory) (realloc $realloc))))"#
        );
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        TaskModule::from_bytes(bytes).await.expect("it is a good module")
    }
}

/// Code that answers with a list or string at `start` of `length`.
fn answer(start: u32, length: u32) -> String {
    format!(
        "(i32.store (i32.const 0) (i32.const {start})) (i32.store (i32.const 4) (i32.const {length})) (i32.const 0)"
    )
}

/// Code that answers with `count` lists or strings that are all the same `length` bytes.
fn same_again(count: u32, length: u32) -> String {
    format!(
        "(loop $more
            (i32.store (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 8))) (i32.const 1024))
            (i32.store (i32.add (i32.const 1048580) (i32.mul (local.get $i) (i32.const 8))) (i32.const {length}))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const {count}))))
        {}",
        answer(1_048_576, count)
    )
}

#[tokio::test]
async fn answers_that_lie_about_their_memory_trap() {
    let lies = [(1_024, u32::MAX), (u32::MAX, 1), (0xFFFF_FFF0, 0x20), (1 << 16, 1), (65_000, 1_000)];
    for returns in ["string", "(list u8)", "(list u64)", "(list string)"] {
        for (start, length) in lies {
            let module = Attack { returns, code: &answer(start, length), ..PLAIN }.module().await;
            attack(module, Limits::default(), "attack", json!([]), &Ends::Failed("trapped", "")).await;
        }
    }
}

#[tokio::test]
async fn answers_that_name_the_same_memory_again_and_again_are_too_large() {
    let cases = [
        // A megabyte, a hundred thousand times.
        ("(list string)", same_again(100_000, 1 << 20)),
        ("(list (list u8))", same_again(100_000, 1 << 20)),
        ("(list (list u8))", same_again(2_000_000, 64)),
        // Itself, once and a half.
        ("(list (list (list u8)))", same_again(100_000, 100_000)),
        ("string", answer(0, 100 << 20)),
        ("(list u8)", answer(0, 100 << 20)),
        // A byte in memory, and forty in the host.
        ("(list bool)", answer(0, 100 << 20)),
    ];
    for (returns, code) in cases {
        let module = Attack { returns, code: &code, memory: 2_048, ..PLAIN }.module().await;
        attack(module, Limits::default(), "attack", json!([]), &Ends::Failed("too-large", "")).await;
    }
}

#[tokio::test]
async fn tables_get_no_more_than_their_limit() {
    let full = Ends::Failed("out-of-memory", "elements of tables");
    let table = "(table $t 1 funcref)";
    let codes = [
        "(loop $more (drop (table.grow $t (ref.null func) (i32.const 1024))) (br $more)) (unreachable)",
        "(table.grow $t (ref.null func) (i32.const 100000000))",
    ];
    for code in codes {
        let module = Attack { in_module: table, code, ..PLAIN }.module().await;
        attack(module, Limits::default(), "attack", json!([]), &full).await;
    }
}

#[tokio::test]
async fn handles_get_no_more_than_their_limit() {
    let imports = r#"
        (import "wasi:io/poll@0.2.6" (instance $poll (export "pollable" (type (sub resource)))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock
            (alias outer 1 $pollable (type $outer))
            (export "pollable" (type $p (eq $outer)))
            (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
        (core func $subscribe (canon lower (func $clock "subscribe-duration")))"#;
    let module = Attack {
        imports,
        in_module: r#"(import "host" "subscribe" (func $subscribe (param i64) (result i32)))"#,
        with: r#"(with "host" (instance (export "subscribe" (func $subscribe))))"#,
        code: "(loop $more
                (drop (call $subscribe (i64.const 1000000000000)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $i) (i32.const 100000))))
            (local.get $i)",
        ..PLAIN
    };
    attack(module.module().await, Limits::default(), "attack", json!([]), &Ends::Failed("trapped", "")).await;
}
