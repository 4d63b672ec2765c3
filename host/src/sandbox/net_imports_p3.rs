//! Stands before the imports of `wasi:sockets` 0.3 that reach out, as its sister does for 0.2. Here several calls may be
//! on their way at once, so who asks is found out before anything is awaited.

use std::net::IpAddr;

use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::p3::bindings::sockets as p3;
use wasmtime_wasi::p3::sockets::SocketError;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

use crate::sandbox::asking::asking_task;
use crate::sandbox::fence::Fence;
use crate::sandbox::net_imports::{Store, may_have_socket, note, view};
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

/// What an import of WASI 0.3 gives the guest.
type Answer<T> = wasmtime::Result<(Result<T, p3::types::ErrorCode>,)>;

/// Puts the network's guard before the imports that reach out.
pub(crate) fn guard_sockets_p3(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    guard_lookup_and_tcp(linker)?;
    guard_udp(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn guard_lookup_and_tcp(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker
        .instance("wasi:sockets/ip-name-lookup@0.3.0")?
        .func_wrap_concurrent("resolve-addresses", |accessor, (name,): (String,)| {
            Box::pin(resolve_p3(accessor, name))
        })?;
    let mut sockets = linker.instance("wasi:sockets/types@0.3.0")?;
    sockets.func_wrap(
        "[static]tcp-socket.create",
        |mut store: Store<'_>, (family,): (p3::types::IpAddressFamily,)| {
            if !may_have_socket(&mut store)? {
                return Ok((Err(p3::types::ErrorCode::Other(None)),));
            }
            let made = p3::types::HostTcpSocket::create(&mut view(&mut store), family);
            answer_p3(&mut store, made)
        },
    )?;
    sockets.func_wrap_concurrent("[method]tcp-socket.connect", |accessor, (socket, to)| {
        Box::pin(connect_p3(accessor, socket, to))
    })
}

fn guard_udp(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    let mut sockets = linker.instance("wasi:sockets/types@0.3.0")?;
    sockets.func_wrap_async(
        "[static]udp-socket.create",
        |mut store: Store<'_>, (family,): (p3::types::IpAddressFamily,)| {
            Box::new(async move {
                if !may_have_socket(&mut store)? {
                    return Ok((Err(p3::types::ErrorCode::Other(None)),));
                }
                let made = p3::types::HostUdpSocket::create(&mut view(&mut store), family).await;
                answer_p3(&mut store, made)
            })
        },
    )?;
    sockets.func_wrap_async(
        "[method]udp-socket.connect",
        |mut store: Store<'_>, (socket, to): (Resource<p3::types::UdpSocket>, p3::types::IpSocketAddress)| {
            Box::new(async move {
                let root = asking_task(&mut store)?;
                let connected = p3::types::HostUdpSocket::connect(&mut view(&mut store), socket, to).await;
                let denial = store.data().reach.net.denial_of(to.into());
                note(&mut store, root, denial);
                answer_p3(&mut store, connected)
            })
        },
    )?;
    sockets.func_wrap_concurrent("[method]udp-socket.send", |accessor, (socket, bytes, to)| {
        Box::pin(send_p3(accessor, socket, bytes, to))
    })?;
    sockets.func_wrap_concurrent("[method]udp-socket.receive", |accessor, (socket,)| {
        Box::pin(receive_p3(accessor, socket))
    })
}

async fn resolve_p3(
    accessor: &Accessor<SandboxState>,
    name: String,
) -> wasmtime::Result<(Result<Vec<p3::types::IpAddress>, p3::ip_name_lookup::ErrorCode>,)> {
    let fence = Fence::enter(accessor)?;
    let denied = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let denial = store.data().reach.net.lookup_denial(&name);
        let is_denied = denial.is_some();
        note(&mut store, fence.root, denial);
        is_denied
    });
    if denied {
        return Ok((Err(p3::ip_name_lookup::ErrorCode::AccessDenied),));
    }
    let sockets = accessor.with_getter::<WasiSockets>(SandboxState::sockets);
    let found = p3::ip_name_lookup::HostWithStore::resolve_addresses(&sockets, name.clone()).await?;
    fence.pass(accessor).await;
    if let Ok(addresses) = &found {
        let net = accessor.with(|mut access| access.get().reach.net.clone());
        addresses.iter().for_each(|address| net.answered(&name, ip_of_p3(address)));
    }
    Ok((found,))
}

async fn connect_p3(
    accessor: &Accessor<SandboxState>,
    socket: Resource<p3::types::TcpSocket>,
    to: p3::types::IpSocketAddress,
) -> Answer<()> {
    let fence = Fence::enter(accessor)?;
    let sockets = accessor.with_getter::<WasiSockets>(SandboxState::sockets);
    let connected = p3::types::HostTcpSocketWithStore::connect(&sockets, socket, to).await;
    fence.pass(accessor).await;
    told_p3(accessor, fence.root, Some(to), connected)
}

async fn send_p3(
    accessor: &Accessor<SandboxState>,
    socket: Resource<p3::types::UdpSocket>,
    bytes: Vec<u8>,
    to: Option<p3::types::IpSocketAddress>,
) -> Answer<()> {
    let fence = Fence::enter(accessor)?;
    let sockets = accessor.with_getter::<WasiSockets>(SandboxState::sockets);
    let sent = p3::types::HostUdpSocketWithStore::send(&sockets, socket, bytes, to).await;
    fence.pass(accessor).await;
    told_p3(accessor, fence.root, to, sent)
}

async fn receive_p3(
    accessor: &Accessor<SandboxState>,
    socket: Resource<p3::types::UdpSocket>,
) -> Answer<(Vec<u8>, p3::types::IpSocketAddress)> {
    let fence = Fence::enter(accessor)?;
    let sockets = accessor.with_getter::<WasiSockets>(SandboxState::sockets);
    let received = p3::types::HostUdpSocketWithStore::receive(&sockets, socket).await;
    fence.pass(accessor).await;
    accessor.with(|mut access| answer_p3(&mut access.as_context_mut(), received))
}

/// Notes what was missing, if anything was, and gives the guest its answer.
fn told_p3(
    accessor: &Accessor<SandboxState>,
    root: Option<Root>,
    to: Option<p3::types::IpSocketAddress>,
    answered: Result<(), SocketError>,
) -> Answer<()> {
    accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let denial = to.and_then(|to| store.data().reach.net.denial_of(to.into()));
        note(&mut store, root, denial);
        answer_p3(&mut store, answered)
    })
}

fn answer_p3<T>(store: &mut Store<'_>, answered: Result<T, SocketError>) -> Answer<T> {
    match answered {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(p3::types::Host::convert_error_code(&mut view(store), error)?),)),
    }
}

fn ip_of_p3(address: &p3::types::IpAddress) -> IpAddr {
    match *address {
        p3::types::IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        p3::types::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}
