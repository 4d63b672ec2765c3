//! Writes what the component format has no place for (docs, policies, who borrows state) as the custom section
//! `wasmpool:tasks`: one JSON object a line, since the linker puts several modules' sections behind one another.

use serde::Serialize;

use crate::model::{Function, Kind, Module, Retry, Timeout};

const VERSION: u32 = 1;

#[derive(Serialize)]
struct ModuleLine<'a> {
    v: u32,
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    docs: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FunctionLine<'a> {
    v: u32,
    kind: Kind,
    name: &'a str,
    params: Vec<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    docs: &'a str,
    /// The function borrows the state.
    #[serde(skip_serializing_if = "is_false")]
    state: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'a Retry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    idempotent: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
fn is_false(claim: &bool) -> bool {
    !claim
}

/// Returns the whole section, each line ended by a newline.
pub(crate) fn lines(module: &Module) -> String {
    let head = ModuleLine { v: VERSION, kind: "module", name: &module.name, docs: &module.docs };
    let mut text = json(&head);
    for function in &module.functions {
        text.push_str(&json(&line(function)));
    }
    text
}

fn line(function: &Function) -> FunctionLine<'_> {
    let policy = &function.policy;
    let (timeout_ms, timeout) = match policy.timeout {
        Some(Timeout::After { timeout_ms }) => (Some(timeout_ms), None),
        Some(Timeout::Never) => (None, Some("none")),
        None => (None, None),
    };
    FunctionLine {
        v: VERSION,
        kind: function.kind,
        name: &function.name,
        params: function.params.iter().map(|param| param.name.as_str()).collect(),
        docs: &function.docs,
        state: function.borrows.is_some(),
        retry: policy.retry.as_ref(),
        timeout_ms,
        timeout,
        idempotent: policy.idempotent,
    }
}

fn json(line: &impl Serialize) -> String {
    let mut text = serde_json::to_string(line).expect("strings, numbers and lists are always JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn section_of(source: &str) -> String {
        let mut item = syn::parse_str(source).expect("a mod");
        super::lines(&parse::take_module(&mut item).expect("good tasks"))
    }

    #[test]
    fn every_fact_has_its_key() {
        let text = section_of(
            "/// Looks at web sites.
            mod status {
                pub struct Session { client: Client }
                pub enum Problem { Busy, Gone }
                #[init] pub async fn open(timeout_ms: u32) -> Session { todo!() }
                /// HTTP status
                /// of \"url\".
                #[retry(attempts = 5, on(Busy))] #[timeout(\"2s\")] #[idempotent]
                pub async fn get_status(session: &Session, url: String) -> Result<u16, Problem> { todo!() }
                #[timeout(\"none\")] pub fn wait_long() {}
            }",
        );
        let expected = [
            r#"{"v":1,"kind":"module","name":"status","docs":"Looks at web sites."}"#,
            r#"{"v":1,"kind":"init","name":"open","params":["timeout-ms"]}"#,
            r#"{"v":1,"kind":"task","name":"get-status","params":["url"],"docs":"HTTP status\nof \"url\".","state":true,"retry":{"attempts":5,"first-delay-ms":100,"max-delay-ms":10000,"factor":2.0,"jitter":true,"within-ms":null,"on":["busy"]},"timeout-ms":2000,"idempotent":true}"#,
            r#"{"v":1,"kind":"task","name":"wait-long","params":[],"timeout":"none"}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
