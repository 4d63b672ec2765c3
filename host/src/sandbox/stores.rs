//! The standard interfaces for state: `wasi:config`, which reads what is granted, and `wasi:keyvalue` over what all
//! sandboxes of the pool share. A write is an outward effect, as others see it.

use std::sync::Arc;

use wasmtime::component::{Access, HasSelf, Linker, Resource};

use crate::keyvalue::{FoundPair, KeyValueError};
use crate::sandbox::asking::asking_by_access;
use crate::sandbox::state::SandboxState;

mod provided {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "provided",
        imports: { default: store | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::sandbox::stores::Bucket },
    });
}

use provided::wasi::config::store as config;
use provided::wasi::keyvalue::{atomics, batch, store};

/// A guest's handle of a bucket, which need not exist.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Bucket {
    name: Arc<str>,
}

type Own = HasSelf<SandboxState>;
type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

/// Provides `wasi:config/store` and `wasi:keyvalue`.
pub(crate) fn add_stores(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    config::add_to_linker::<_, Own>(linker, |state| state)?;
    store::add_to_linker::<_, Own>(linker, |state| state)?;
    atomics::add_to_linker::<_, Own>(linker, |state| state)?;
    batch::add_to_linker::<_, Own>(linker, |state| state)
}

impl<T: 'static> config::HostWithStore<T> for Own {
    fn get(
        mut access: Access<'_, T, Self>,
        key: String,
    ) -> wasmtime::Result<Result<Option<String>, config::Error>> {
        let pairs = &access.get().reach.config;
        Ok(Ok(pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())))
    }

    fn get_all(
        mut access: Access<'_, T, Self>,
    ) -> wasmtime::Result<Result<Vec<(String, String)>, config::Error>> {
        Ok(Ok(access.get().reach.config.to_vec()))
    }
}

impl config::Host for SandboxState {}
impl store::Host for SandboxState {}
impl store::HostBucket for SandboxState {}
impl atomics::Host for SandboxState {}
impl batch::Host for SandboxState {}

impl<T: 'static> store::HostWithStore<T> for Own {
    fn open(mut access: Access<'_, T, Self>, identifier: String) -> Answer<Resource<Bucket>> {
        Ok(Ok(access.get().handles().push(Bucket { name: identifier.into() })?))
    }
}

impl<T: 'static> store::HostBucketWithStore<T> for Own {
    fn get(
        mut access: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<Option<Vec<u8>>> {
        let (state, name) = reading(&mut access, &bucket)?;
        Ok(Ok(state.reach.keyvalues.get(&name, &key)))
    }

    fn set(
        mut access: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Answer<()> {
        let (state, name) = match writing(&mut access, &bucket)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(state.reach.keyvalues.set(&name, key, value).map_err(refusal))
    }

    fn delete(mut access: Access<'_, T, Self>, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let (state, name) = match writing(&mut access, &bucket)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        state.reach.keyvalues.delete(&name, &[key]);
        Ok(Ok(()))
    }

    fn exists(mut access: Access<'_, T, Self>, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let (state, name) = reading(&mut access, &bucket)?;
        Ok(Ok(state.reach.keyvalues.has(&name, &key)))
    }

    fn list_keys(
        mut access: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Answer<store::KeyResponse> {
        let (state, name) = reading(&mut access, &bucket)?;
        let page = state.reach.keyvalues.keys(&name, cursor);
        Ok(Ok(store::KeyResponse { keys: page.keys, cursor: page.cursor }))
    }

    fn drop(mut access: Access<'_, T, Self>, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        access.get().handles().delete(bucket)?;
        Ok(())
    }
}

impl<T: 'static> atomics::HostWithStore<T> for Own {
    fn increment(
        mut access: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Answer<u64> {
        let (state, name) = match writing(&mut access, &bucket)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(state.reach.keyvalues.increment(&name, key, delta).map_err(refusal))
    }
}

impl<T: 'static> batch::HostWithStore<T> for Own {
    fn get_many(
        mut access: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<FoundPair>> {
        let (state, name) = reading(&mut access, &bucket)?;
        Ok(state.reach.keyvalues.get_many(&name, keys).map_err(refusal))
    }

    fn set_many(
        mut access: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let (state, name) = match writing(&mut access, &bucket)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(state.reach.keyvalues.set_many(&name, pairs).map_err(refusal))
    }

    fn delete_many(
        mut access: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<()> {
        let (state, name) = match writing(&mut access, &bucket)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        state.reach.keyvalues.delete(&name, &keys);
        Ok(Ok(()))
    }
}

fn refusal(error: KeyValueError) -> store::Error {
    store::Error::Other(error.to_string())
}

fn reading<'a, T: 'static>(
    access: &'a mut Access<'_, T, Own>,
    bucket: &Resource<Bucket>,
) -> wasmtime::Result<(&'a mut SandboxState, Arc<str>)> {
    let state = access.get();
    let name = state.handles().get(bucket)?.name.clone();
    Ok((state, name))
}

/// As `reading`, with a note that the asking call changes what others see. A call that nobody awaits any more does not.
fn writing<'a, T: 'static>(
    access: &'a mut Access<'_, T, Own>,
    bucket: &Resource<Bucket>,
) -> wasmtime::Result<Result<(&'a mut SandboxState, Arc<str>), store::Error>> {
    let root = asking_by_access(access)?;
    let (state, name) = reading(access, bucket)?;
    if state.is_given_up(root) {
        return Ok(Err(store::Error::AccessDenied));
    }
    state.note_effect(root);
    Ok(Ok((state, name)))
}
