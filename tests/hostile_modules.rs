//! Modules that attack whoever loads them: too many imports, types and instances, too deep, too slow to compile, custom
//! sections that are huge or no JSON. Each loads or is refused with a word about why, within its limits; none takes
//! the host along.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use wasmpool::{Limits, ModuleError, Pool, TaskModule};

use crate::support::bounded;

/// A component with one task, after whatever comes `before` it; `parameter` is the type of its only parameter, and
/// `flat` what that is for the core function.
fn component(before: &str, parameter: &str, flat: &str, code: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            {before}
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                (func (export "f") {flat} (result i32) {code}))
            (core instance $i (instantiate $m))
            (alias core export $i "memory" (core memory $memory))
            (alias core export $i "realloc" (core func $realloc))
            (func (export "f") (param "x" {parameter}) (result u32)
                (canon lift (core func $i "f") (memory $memory) (realloc $realloc))))"#
    );
    wat::parse_str(text).expect("text that is well formed")
}

fn plain(before: &str) -> Vec<u8> {
    component(before, "u32", "(param i32)", "(i32.const 7)")
}

/// Writes `line` for every number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", line(number)).expect("text takes all");
        text
    })
}

/// Types that are each made of the one before.
fn nested(kind: &str, depth: usize) -> (String, String) {
    let types = lines(depth, |number| {
        let inner = if number == 0 { "u8".to_owned() } else { format!("$t{}", number - 1) };
        let inner = if kind == "tuple" { format!("{inner} {inner}") } else { inner };
        format!("(type $t{number} ({kind} {inner}))")
    });
    (types, format!("$t{}", depth - 1))
}

async fn load(bytes: Vec<u8>) -> Result<TaskModule, ModuleError> {
    bounded("loading", TaskModule::from_bytes(bytes)).await
}

/// What is said of a module that is refused.
async fn refusal(bytes: Vec<u8>) -> String {
    let error = load(bytes).await.expect_err("it is refused");
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[tokio::test]
async fn types_that_are_too_deep_are_refused() {
    for kind in ["list", "option"] {
        let (types, last) = nested(kind, 5_000);
        let said = refusal(component(&types, &last, "(param i32)", "(i32.const 7)")).await;
        assert!(said.contains("nesting is too deep"), "{kind}: {said}");
    }
}

#[tokio::test]
async fn types_that_double_at_every_level_are_refused_or_load() {
    let (types, last) = nested("tuple", 30);
    let said = refusal(component(&types, &last, "(param i32)", "(i32.const 7)")).await;
    assert!(said.contains("exceeds the limit"), "{said}");
    // As many as are let through: a quarter of a million leaves.
    let (types, last) = nested("tuple", 18);
    let module = load(component(&types, &last, "(param i32)", "(i32.const 7)")).await.expect("it loads");
    let pool = Pool::builder(module).workers(1).build().await.expect("it opens");
    let error = pool.json_task("f").map(drop).expect_err("nobody writes such a value");
    assert!(error.to_string().contains("too large"), "{error}");
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn types_as_deep_as_they_may_be_load_and_are_called() {
    let (types, last) = nested("list", 90);
    let module = load(component(&types, &last, "(param i32 i32)", "(i32.const 7)")).await.expect("it loads");
    let pool = Pool::builder(module).workers(1).build().await.expect("it opens");
    let f = pool.json_task_of_args("f").expect("a task");
    let answer = bounded("a call", f.call(vec![serde_json::json!([])])).await.expect("it is called");
    assert_eq!(answer, serde_json::json!(7));
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn imports_by_the_thousand_are_named_few() {
    let module = load(plain(&lines(10_000, |number| format!("(import \"i{number}\" (func))")))).await;
    let said = match module {
        Err(error) => error.to_string(),
        Ok(module) => {
            let built = bounded("build", Pool::builder(module).workers(1).build()).await;
            built.err().expect("nobody provides them").to_string()
        }
    };
    assert!(said.contains("i0") && said.len() < 2_000, "{said}");
}

#[tokio::test]
async fn instances_by_the_thousand_are_refused() {
    let imports = lines(10_000, |number| {
        format!("(import \"demo:a{number}/b@0.1.0\" (instance (export \"f\" (func))))")
    });
    let said = refusal(plain(&imports)).await;
    assert!(said.contains("exceeds limit"), "{said}");
}

#[tokio::test]
async fn exports_by_the_thousand_load() {
    let exports = lines(9_000, |number| {
        format!("(func (export \"f{number}\") (result u32) (canon lift (core func $j \"g\")))")
    });
    let before = format!(
        "(core module $n (func (export \"g\") (result i32) (i32.const 1))) (core instance $j (instantiate $n)) {exports}"
    );
    assert_eq!(load(plain(&before)).await.expect("it loads").tasks().len(), 9_001);
}

/// Components within components, or instances within instances, cannot end the thread that reads them.
#[tokio::test]
async fn what_is_nested_too_deep_is_refused() {
    let instances = lines(900, |number| match number {
        0 => "(instance $x0 (export \"f\" (func $g)))".to_owned(),
        number => format!("(instance $x{number} (export \"a\" (instance $x{})))", number - 1),
    });
    let before = format!(
        "(core module $n (func (export \"g\") (result i32) (i32.const 1))) (core instance $j (instantiate $n))
         (func $g (result u32) (canon lift (core func $j \"g\"))) {instances} (export \"a:b/c\" (instance $x899))"
    );
    load(plain(&before)).await.expect_err("it is refused");
}

/// A small file whose only function keeps the compiler of this build busy for seconds.
fn compile_bomb() -> Vec<u8> {
    let depth = 60_000;
    let code = format!("{} {} (i32.const 7)", "block ".repeat(depth), "end ".repeat(depth));
    component("", "u32", "(param i32)", &code)
}

#[tokio::test]
async fn a_module_that_compiles_for_ever_is_given_up() {
    let bomb = compile_bomb();
    assert!(bomb.len() < 1 << 18, "{} bytes", bomb.len());
    let limits = Limits::default().compile_time(Duration::from_millis(200));
    let begun = Instant::now();
    let ended = bounded("loading", TaskModule::loader().limits(&limits).load_bytes(bomb)).await;
    let said = ended.expect_err("it is given up").to_string();
    assert!(said.contains("200ms"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// A function of twenty kilobytes that would take the compiler minutes, and a file of two that would take it all memory
/// there is.
#[tokio::test]
async fn modules_that_take_the_compiler_hours_are_refused_before_it_begins() {
    let arms = 1_000;
    let (blocks, table) = ("block ".repeat(arms + 1), lines(arms, |arm| arm.to_string()));
    // Each arm goes on in the next, so that all locals differ wherever two of them meet.
    let changed =
        lines(arms, |arm| format!("end (local.set {0} (i32.add (local.get {0}) (i32.const 1)))", arm + 1));
    let read = lines(arms, |arm| format!("(drop (local.get {}))", arm + 1));
    let locals = "i32 ".repeat(arms);
    let code = format!(
        "(local {locals}) {blocks} (br_table {table} {arms} (local.get 0)) {changed} end {read} (i32.const 7)"
    );
    let said = refusal(component("", "u32", "(param i32)", &code)).await;
    assert!(said.contains("function 1") && said.contains("would take too long"), "{said}");

    let components = lines(30, |level| {
        let twice = "(instance (instantiate $inner))".repeat(2);
        format!("(component $c{} (alias outer 1 $c{level} (component $inner)) {twice})", level + 1)
    });
    let said = refusal(plain(&format!("(component $c0) {components} (instance (instantiate $c30))"))).await;
    assert!(said.contains("more than 10000 times"), "{said}");
}

/// The module with a custom section after it.
fn with_section(name: &str, data: &[u8]) -> Vec<u8> {
    let number = |mut number: usize| {
        let mut bytes = Vec::new();
        loop {
            let low = u8::try_from(number & 0x7F).expect("seven bits");
            number >>= 7;
            bytes.push(if number == 0 { low } else { low | 0x80 });
            if number == 0 {
                return bytes;
            }
        }
    };
    let mut bytes = plain("");
    let mut section = number(name.len());
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(data);
    bytes.push(0);
    bytes.extend(number(section.len()));
    bytes.extend(section);
    bytes
}

#[tokio::test]
async fn no_attributes_keep_a_module_from_loading() {
    let deep = "[".repeat(1 << 20);
    let many = r#"{"task":"f","docs":"x"}"#.to_owned() + "\n";
    let sections: [(&str, Vec<u8>); 7] = [
        ("no JSON", b"{{{{".to_vec()),
        ("no text", vec![0xFF; 1_000]),
        ("nested", deep.into_bytes()),
        ("strange types", br#"{"task":7,"retry":[],"timeout":{}}"#.to_vec()),
        ("numbers without an end", br#"{"task":"f","retry":{"attempts":1e999}}"#.to_vec()),
        ("fifty megabytes of one line", vec![b'x'; 50 << 20]),
        ("fifty megabytes of lines", many.repeat((50 << 20) / many.len()).into_bytes()),
    ];
    for (story, section) in sections {
        let begun = Instant::now();
        match load(with_section("wasmpool:tasks", &section)).await {
            Ok(module) => {
                let pool = Pool::builder(module).workers(1).build().await.expect("it opens");
                let f = pool.task::<(u32,), u32>("f").expect("a task");
                assert_eq!(f.call((1,)).await.expect("it is called"), 7, "{story}");
                bounded(story, pool.close()).await;
            }
            Err(error) => assert!(error.to_string().len() < 2_000, "{story}: {error}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{story}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_module_larger_than_it_may_be_is_refused() {
    let limits = Limits::default().module_bytes(1 << 20);
    let loader = TaskModule::loader().limits(&limits);
    let ended = bounded("loading", loader.load_bytes(with_section("padding", &[0; 2 << 20]))).await;
    assert!(matches!(ended, Err(ModuleError::TooLarge { .. })), "{ended:?}");
}
