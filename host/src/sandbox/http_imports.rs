//! WASI HTTP 0.2 and 0.3 in a linker. The engine's makers have written what it does; here is noted whose guest code
//! sends a request, which only its import knows, and a call that nobody awaits any more sends none.

use std::future::poll_fn;
use std::pin::pin;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types as p2};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::p3::bindings::http::client::{self, HostWithStore};
use wasmtime_wasi_http::p3::bindings::http::types as p3;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

use crate::sandbox::asking::asking_task;
use crate::sandbox::fence::Fence;
use crate::sandbox::state::SandboxState;

/// Adds WASI HTTP 0.2, for guests to send requests.
pub(crate) fn add_http_p2(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    attribute_p2(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Adds WASI HTTP 0.3, for guests to send requests.
pub(crate) fn add_http_p3(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    p3::add_to_linker::<_, WasiHttp>(linker, SandboxState::http)?;
    client::add_to_linker::<_, WasiHttp>(linker, SandboxState::http)?;
    linker.allow_shadowing(true);
    attribute_p3(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn attribute_p2(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    let mut handler = linker.instance("wasi:http/outgoing-handler@0.2.12")?;
    handler.func_wrap(
        "handle",
        |mut store,
         (request, options): (Resource<HostOutgoingRequest>, Option<Resource<p2::RequestOptions>>)| {
            let root = asking_task(&mut store)?;
            let state = store.data_mut();
            if state.is_given_up(root) {
                return Ok((Err(p2::ErrorCode::HttpRequestDenied),));
            }
            state.set_http_caller(root);
            let sent = outgoing_handler::Host::handle(&mut state.http(), request, options);
            state.settle_http_notes();
            match sent {
                Ok(answer) => Ok((Ok(answer),)),
                Err(error) => Ok((Err(p2::Host::convert_error_code(&mut state.http(), error)?),)),
            }
        },
    )
}

fn attribute_p3(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    let mut client = linker.instance("wasi:http/client@0.3.0")?;
    client.func_wrap_concurrent("send", |accessor, (request,): (Resource<p3::Request>,)| {
        Box::pin(async move {
            let fence = Fence::enter(accessor)?;
            fence.pass(accessor).await;
            let http = accessor.with_getter::<WasiHttp>(SandboxState::http);
            let mut sending = pin!(<WasiHttp as HostWithStore<SandboxState>>::send(&http, request));
            let sent = poll_fn(|cx| {
                // The request goes out the first time this is polled, before any other guest code runs.
                accessor.with(|mut store| store.data_mut().set_http_caller(fence.root));
                let polled = sending.as_mut().poll(cx);
                accessor.with(|mut store| store.data_mut().settle_http_notes());
                polled
            })
            .await;
            fence.pass(accessor).await;
            match sent {
                Ok(answer) => Ok((Ok(answer),)),
                Err(error) => accessor.with(|mut store| {
                    let code = p3::Host::convert_error_code(&mut store.data_mut().http(), error)?;
                    Ok((Err(code),))
                }),
            }
        })
    })
}
