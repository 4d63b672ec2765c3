//! The static types that calls by JSON may go by: how each is told from the types of a task, made of arguments, and
//! turned into JSON. Which of them are combined is the menu's to say.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower, Type, Val};

use crate::failure::Failure;
use crate::outcome::{Outcome, TaskError};
use crate::sandbox::args::WireArgs;
use crate::sandbox::copying::check_answer;
use crate::values::{Arg, JSON_CELL_BYTES, Number};

// Arguments are shared with the engine, for a call keeps them in case it has to be run again.
pub(crate) type List<T> = Arc<Vec<T>>;
pub(crate) type Bytes = List<u8>;
pub(crate) type Text = Arc<String>;

/// A tuple of parameters on the menu.
pub(crate) trait Params: WireArgs {
    fn are(types: &[Type]) -> bool;

    fn of(args: Vec<Arg>) -> Option<Self>;
}

/// Makes tuples of parameters parameters of their own.
macro_rules! params {
    ($($param:ident $name:ident),*) => {
        impl<$($param: Param),*> Params for ($($param,)*) {
            fn are(types: &[Type]) -> bool {
                matches!(types, [$($name),*] if true $(&& $param::is($name))*)
            }

            fn of(args: Vec<Arg>) -> Option<Self> {
                let [$($name),*] = <[Arg; _]>::try_from(args).ok()?;
                Some(($($param::of($name)?,)*))
            }
        }
    };
}

params!();
params!(A a);
params!(A a, B b);
params!(A a, B b, C c);

/// A parameter on the menu.
pub(crate) trait Param: ComponentType + Lower + Clone + Send + Sync + 'static {
    fn is(ty: &Type) -> bool;

    fn of(arg: Arg) -> Option<Self>;
}

impl<T: Number + ComponentType + Lower> Param for List<T> {
    fn is(ty: &Type) -> bool {
        is_list_of::<T>(ty)
    }

    fn of(arg: Arg) -> Option<Self> {
        match arg {
            Arg::List(list) => T::items_of(list).map(Arc::new),
            Arg::Val(_) => None,
        }
    }
}

impl Param for Text {
    fn is(ty: &Type) -> bool {
        *ty == Type::String
    }

    fn of(arg: Arg) -> Option<Self> {
        match arg {
            Arg::Val(Val::String(text)) => Some(Arc::new(text)),
            _ => None,
        }
    }
}

impl<T: Number + ComponentType + Lower> Param for T {
    fn is(ty: &Type) -> bool {
        *ty == T::TYPE
    }

    fn of(arg: Arg) -> Option<Self> {
        match arg {
            Arg::Val(value) => T::of_val(&value),
            Arg::List(_) => None,
        }
    }
}

/// A tuple of results on the menu.
pub(crate) trait Results: ComponentNamedList + Lift + 'static {
    fn are(result: Option<&Type>) -> bool;

    /// Makes JSON of it, if it is not too large; a `result` is taken apart.
    fn conclude(self, limit_bytes: usize) -> Outcome<Json, Json>;
}

impl Results for () {
    fn are(result: Option<&Type>) -> bool {
        result.is_none()
    }

    fn conclude(self, _: usize) -> Outcome<Json, Json> {
        Outcome::Completed(Json::Null)
    }
}

impl<T: Output> Results for (T,) {
    fn are(result: Option<&Type>) -> bool {
        result.is_some() && T::is(result)
    }

    fn conclude(self, limit_bytes: usize) -> Outcome<Json, Json> {
        match self.0.into_json(limit_bytes) {
            Ok(output) => Outcome::Completed(output),
            Err(too_large) => Outcome::Failed(too_large),
        }
    }
}

impl<T: Output, E: Output> Results for (Result<T, E>,) {
    fn are(result: Option<&Type>) -> bool {
        let Some(Type::Result(either)) = result else { return false };
        T::is(either.ok().as_ref()) && E::is(either.err().as_ref())
    }

    fn conclude(self, limit_bytes: usize) -> Outcome<Json, Json> {
        let json = match self.0 {
            Ok(output) => return (output,).conclude(limit_bytes),
            Err(error) => error.into_json(limit_bytes),
        };
        match json {
            Ok(error) => Outcome::Returned(error),
            Err(too_large) => Outcome::Failed(too_large),
        }
    }
}

/// A result on the menu, or one side of it.
pub(crate) trait Output: ComponentType + Lift + 'static {
    /// Returns true if `ty` is its type; there is none where a side has no payload.
    fn is(ty: Option<&Type>) -> bool;

    /// Makes JSON of it.
    ///
    /// # Errors
    /// That it is too large.
    fn into_json(self, limit_bytes: usize) -> Result<Json, Failure>;
}

impl<T: Number + ComponentType + Lift> Output for Vec<T> {
    fn is(ty: Option<&Type>) -> bool {
        ty.is_some_and(is_list_of::<T>)
    }

    fn into_json(self, limit_bytes: usize) -> Result<Json, Failure> {
        let list = T::list_of(self);
        check_answer(list.size(), list.size_as_json(), limit_bytes)?;
        Ok(list.to_json())
    }
}

impl Output for String {
    fn is(ty: Option<&Type>) -> bool {
        ty == Some(&Type::String)
    }

    fn into_json(self, limit_bytes: usize) -> Result<Json, Failure> {
        check_answer(self.len(), self.len(), limit_bytes)?;
        Ok(Json::from(self))
    }
}

impl<T: Number + ComponentType + Lift> Output for T {
    fn is(ty: Option<&Type>) -> bool {
        ty == Some(&T::TYPE)
    }

    fn into_json(self, _: usize) -> Result<Json, Failure> {
        Ok(self.to_json())
    }
}

impl Output for bool {
    fn is(ty: Option<&Type>) -> bool {
        ty == Some(&Type::Bool)
    }

    fn into_json(self, _: usize) -> Result<Json, Failure> {
        Ok(Json::from(self))
    }
}

impl Output for () {
    fn is(ty: Option<&Type>) -> bool {
        ty.is_none()
    }

    fn into_json(self, _: usize) -> Result<Json, Failure> {
        Ok(Json::Null)
    }
}

impl Output for TaskError {
    fn is(ty: Option<&Type>) -> bool {
        let Some(Type::Record(record)) = ty else { return false };
        let mut fields = record.fields().map(|field| (field.name, field.ty));
        let mut next_is =
            |name, is: fn(&Type) -> bool| fields.next().is_some_and(|(found, ty)| found == name && is(&ty));
        next_is("message", |ty| *ty == Type::String)
            && next_is("causes", |ty| matches!(ty, Type::List(list) if list.ty() == Type::String))
            && next_is("permanent", |ty| *ty == Type::Bool)
            && next_is("retry-after-ms", |ty| matches!(ty, Type::Option(time) if time.ty() == Type::U64))
            && fields.next().is_none()
    }

    fn into_json(self, limit_bytes: usize) -> Result<Json, Failure> {
        let TaskError { message, causes, permanent, retry_after_ms } = self;
        let bytes = message.len() + causes.iter().map(String::len).sum::<usize>();
        let cells = causes.len().saturating_mul(JSON_CELL_BYTES + size_of::<String>());
        check_answer(bytes, bytes.saturating_add(cells), limit_bytes)?;
        Ok(json!({
            "message": message,
            "causes": causes,
            "permanent": permanent,
            "retry-after-ms": retry_after_ms,
        }))
    }
}

fn is_list_of<T: Number>(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if list.ty() == T::TYPE)
}
