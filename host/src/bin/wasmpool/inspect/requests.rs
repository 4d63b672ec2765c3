//! What a module may ask its host for, told from its imports. Only what reaches out of the sandbox counts: every
//! program has a clock and an stderr.

/// The beginnings of imports, and what they are for; the first that fits counts.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("wasi:filesystem/", Some("files (--dir)")),
    ("wasi:sockets/", Some("network (--net)")),
    ("wasi:config/", Some("settings (--config)")),
    ("wasi:keyvalue/", Some("keys and values of the pool")),
    ("wasi:http/", Some("HTTP")),
    ("wasmpool:host/", Some("its call (number, attempt)")),
    ("wasi:cli/", None),
    ("wasi:io/", None),
    ("wasi:clocks/", None),
    ("wasi:random/", None),
];

/// Returns what the imports are for, each thing once.
pub(super) fn requests(imports: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for import in imports {
        let what = match KNOWN.iter().find(|(beginning, _)| import.starts_with(beginning)) {
            Some((_, None)) => continue,
            Some((_, Some(what))) => (*what).to_owned(),
            // Another host's functions, which only an embedding program can provide.
            None => import.clone(),
        };
        if !found.contains(&what) {
            found.push(what);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::requests;

    #[test]
    fn imports_are_told_by_what_they_are_for() {
        let imports = [
            "wasi:cli/environment@0.2.6",
            "wasi:filesystem/types@0.2.6",
            "wasi:filesystem/preopens@0.2.6",
            "demo:app/log@1.0.0",
        ];
        assert_eq!(requests(&imports.map(str::to_owned)), ["files (--dir)", "demo:app/log@1.0.0"]);
    }
}
