//! What a module of tasks offers, free of syntax: functions, the types in their signatures and what is recorded
//! about them. Made by `parse`, read by everything that writes output.

use proc_macro2::Ident;

/// A `mod` under `#[tasks]`.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) docs: String,
    /// Types that signatures reach, in the order of the source.
    pub(crate) types: Vec<TypeDef>,
    pub(crate) functions: Vec<Function>,
}

/// A function that becomes an export.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) docs: String,
    pub(crate) kind: Kind,
    pub(crate) is_async: bool,
    /// The function whose state the first parameter borrows; that parameter is not among `params`.
    pub(crate) borrows: Option<StateOf>,
    pub(crate) params: Vec<Param>,
    pub(crate) output: Output,
    pub(crate) policy: Policy,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Task,
    Init,
    Snapshot,
}

/// Whose state a function borrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateOf {
    Init,
    Snapshot,
}

/// A parameter that travels.
pub(crate) struct Param {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) ty: Ty,
    pub(crate) passing: Passing,
}

/// How the author's function takes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    Owned,
    Borrowed,
}

/// What a function gives back.
pub(crate) enum Output {
    /// A value of a task, or nothing.
    Value(Option<Ty>),
    /// State that stays in the sandbox.
    State(syn::Type),
    /// State or nothing that stays in the sandbox, or an error (`None`: the error is `()`) that travels.
    StateOrError { state: Option<syn::Type>, error: Option<Ty> },
}

impl Output {
    /// Returns the type of the result in the interface.
    pub(crate) fn wire(&self) -> Option<Ty> {
        match self {
            Output::Value(value) => value.clone(),
            Output::State(_) => None,
            Output::StateOrError { error, .. } => Some(Ty::Result(None, error.clone().map(Box::new))),
        }
    }

    /// Returns the type of the state that stays behind.
    pub(crate) fn state(&self) -> Option<&syn::Type> {
        match self {
            Output::Value(_) => None,
            Output::State(state) => Some(state),
            Output::StateOrError { state, .. } => state.as_ref(),
        }
    }
}

/// A type that can cross the wall.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ty {
    /// Spelled alike on both sides: numbers and `bool`, `char`.
    Number(&'static str),
    Text,
    List(Box<Ty>),
    Option(Box<Ty>),
    /// `None` is `()`.
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    Tuple(Vec<Ty>),
    /// The author's type at this place of [`Module::types`].
    Named(Ident),
    /// `Json<T>`: text on the wire.
    Json,
    /// `Queue<T>`: its name on the wire.
    Queue,
    /// `wasmpool_guest::Error`: the record `task-error` on the wire.
    TaskError,
}

impl Ty {
    /// Calls `visit` for this type and every type inside it, not looking into named ones.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Ty)) {
        visit(self);
        match self {
            Ty::List(inner) | Ty::Option(inner) => inner.visit(visit),
            Ty::Result(ok, err) => [ok, err].into_iter().flatten().for_each(|side| side.visit(visit)),
            Ty::Tuple(items) => items.iter().for_each(|item| item.visit(visit)),
            Ty::Number(_) | Ty::Text | Ty::Named(_) | Ty::Json | Ty::Queue | Ty::TaskError => {}
        }
    }

    /// Returns true if `wanted` holds for this type or one inside it.
    pub(crate) fn any(&self, wanted: &dyn Fn(&Ty) -> bool) -> bool {
        let mut found = false;
        self.visit(&mut |ty| found |= wanted(ty));
        found
    }
}

/// A `pub struct` or `pub enum` that travels.
pub(crate) struct TypeDef {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) shape: Shape,
}

/// What a [`TypeDef`] is in the interface.
pub(crate) enum Shape {
    Record(Vec<Field>),
    /// Cases without a payload.
    Enum(Vec<Case>),
    /// Cases of which at least one has a payload.
    Variant(Vec<Case>),
}

impl Shape {
    /// Returns the types that the definition mentions.
    pub(crate) fn mentions(&self) -> Vec<&Ty> {
        match self {
            Shape::Record(fields) => fields.iter().map(|field| &field.ty).collect(),
            Shape::Enum(_) => Vec::new(),
            Shape::Variant(cases) => cases.iter().flat_map(|case| &case.payload).collect(),
        }
    }
}

/// A named field of a record.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) ty: Ty,
}

/// A case of an enum or a variant; more than one payload travels as a tuple.
pub(crate) struct Case {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) payload: Vec<Ty>,
}

/// What the attributes above a function say. It is recorded for the host, which has the one engine for it.
#[derive(Default)]
pub(crate) struct Policy {
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) idempotent: bool,
}

/// `#[retry]`, as it is written to the section.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Retry {
    pub(crate) attempts: u32,
    pub(crate) first_delay_ms: u64,
    pub(crate) max_delay_ms: u64,
    pub(crate) factor: f64,
    pub(crate) jitter: bool,
    pub(crate) within_ms: Option<u64>,
    /// Cases of the author's error; none given means the host's default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) on: Vec<String>,
}

/// `#[timeout("2s")]` or `#[timeout("none")]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    After { timeout_ms: u64 },
    Never,
}
