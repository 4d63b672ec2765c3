//! Stands before the imports of `wasi:sockets` 0.2 that reach out, as its sister does for 0.3: names that are not granted are not
//! looked up, and what an address is refused for is noted for the very call that asked. Only at its entry does an
//! import know who calls; the socket behind it serves the whole sandbox.

use std::net::{IpAddr, SocketAddr};

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::SocketError;
use wasmtime_wasi::p2::bindings::sockets::{
    ip_name_lookup, network, tcp, tcp_create_socket, udp, udp_create_socket,
};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView};

use crate::failure::Denial;
use crate::sandbox::asking::asking_task;
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

pub(super) type Store<'a> = StoreContextMut<'a, SandboxState>;

/// What an import of WASI 0.2 gives the guest.
type Answer<T> = wasmtime::Result<(Result<T, network::ErrorCode>,)>;

/// Puts the network's guard before the imports that reach out.
pub(crate) fn guard_sockets(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    guard_creation(linker)?;
    guard_lookup(linker)?;
    guard_tcp(linker)?;
    guard_udp(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn guard_creation(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.instance("wasi:sockets/tcp-create-socket@0.2.12")?.func_wrap(
        "create-tcp-socket",
        |mut store: Store<'_>, (family,): (network::IpAddressFamily,)| {
            if !may_have_socket(&mut store)? {
                return Ok((Err(network::ErrorCode::NewSocketLimit),));
            }
            let made = tcp_create_socket::Host::create_tcp_socket(&mut view(&mut store), family);
            answer(&mut store, made)
        },
    )?;
    linker.instance("wasi:sockets/udp-create-socket@0.2.12")?.func_wrap_async(
        "create-udp-socket",
        |mut store: Store<'_>, (family,): (network::IpAddressFamily,)| {
            Box::new(async move {
                if !may_have_socket(&mut store)? {
                    return Ok((Err(network::ErrorCode::NewSocketLimit),));
                }
                let made = udp_create_socket::Host::create_udp_socket(&mut view(&mut store), family).await;
                answer(&mut store, made)
            })
        },
    )
}

/// Returns true if one more socket may be made; notes otherwise what is missing.
pub(super) fn may_have_socket(store: &mut Store<'_>) -> wasmtime::Result<bool> {
    if store.data().reach.net.may_have_socket() {
        return Ok(true);
    }
    let root = asking_task(store)?;
    store.data_mut().note_denial(root, &Denial::of("connections", "--net HOST:PORT"));
    Ok(false)
}

fn guard_lookup(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    let mut lookup = linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?;
    lookup.func_wrap(
        "resolve-addresses",
        |mut store: Store<'_>, (network, name): (Resource<network::Network>, String)| {
            let net = store.data().reach.net.clone();
            if let Some(denial) = net.lookup_denial(&name) {
                let root = asking_task(&mut store)?;
                store.data_mut().note_denial(root, &denial);
                return Ok((Err(network::ErrorCode::AccessDenied),));
            }
            let began = ip_name_lookup::Host::resolve_addresses(&mut view(&mut store), network, name.clone());
            if let Ok(stream) = &began {
                net.lookup_began(stream.rep(), name);
            }
            answer(&mut store, began)
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: Store<'_>, (stream,): (Resource<ip_name_lookup::ResolveAddressStream>,)| {
            let number = stream.rep();
            let next =
                ip_name_lookup::HostResolveAddressStream::resolve_next_address(&mut view(&mut store), stream);
            if let Ok(Some(address)) = &next {
                store.data().reach.net.stream_answered(number, ip_of(address));
            }
            answer(&mut store, next)
        },
    )
}

fn guard_tcp(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    type Socket = Resource<tcp::TcpSocket>;
    let mut sockets = linker.instance("wasi:sockets/tcp@0.2.12")?;
    sockets.func_wrap(
        "[method]tcp-socket.start-connect",
        |mut store: Store<'_>,
         (socket, network, to): (Socket, Resource<network::Network>, network::IpSocketAddress)| {
            let number = socket.rep();
            let began = tcp::HostTcpSocket::start_connect(&mut view(&mut store), socket, network, to);
            if began.is_ok() {
                store.data().reach.net.connect_began(number, to.into());
            }
            answer(&mut store, began)
        },
    )?;
    sockets.func_wrap("[method]tcp-socket.finish-connect", |mut store: Store<'_>, (socket,): (Socket,)| {
        let root = asking_task(&mut store)?;
        let number = socket.rep();
        let finished = tcp::HostTcpSocket::finish_connect(&mut view(&mut store), socket);
        let (answered,) = answer(&mut store, finished)?;
        if !matches!(answered, Err(network::ErrorCode::WouldBlock)) {
            let denial = store.data().reach.net.connect_denial(number);
            note(&mut store, root, denial);
        }
        Ok((answered,))
    })
}

fn guard_udp(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    let mut sockets = linker.instance("wasi:sockets/udp@0.2.12")?;
    sockets.func_wrap_async(
        "[method]udp-socket.stream",
        |mut store: Store<'_>, (socket, to): (Resource<udp::UdpSocket>, Option<network::IpSocketAddress>)| {
            Box::new(async move {
                let root = asking_task(&mut store)?;
                let streams = udp::HostUdpSocket::stream(&mut view(&mut store), socket, to).await;
                let denial = to.and_then(|to| store.data().reach.net.denial_of(to.into()));
                note(&mut store, root, denial);
                answer(&mut store, streams)
            })
        },
    )?;
    sockets.func_wrap(
        "[method]outgoing-datagram-stream.send",
        |mut store: Store<'_>,
         (stream, datagrams): (Resource<udp::OutgoingDatagramStream>, Vec<udp::OutgoingDatagram>)| {
            let root = asking_task(&mut store)?;
            let to: Vec<SocketAddr> =
                datagrams.iter().filter_map(|datagram| Some(datagram.remote_address?.into())).collect();
            let sent = udp::HostOutgoingDatagramStream::send(&mut view(&mut store), stream, datagrams);
            let denial = to.iter().find_map(|to| store.data().reach.net.denial_of(*to));
            note(&mut store, root, denial);
            answer(&mut store, sent)
        },
    )
}

/// Notes for who asked what was missing, if anything was.
pub(super) fn note(store: &mut Store<'_>, root: Option<Root>, denial: Option<Denial>) {
    if let Some(denial) = denial {
        store.data_mut().note_denial(root, &denial);
    }
}

pub(super) fn view<'a>(store: &'a mut Store<'_>) -> WasiSocketsCtxView<'a> {
    store.data_mut().sockets()
}

fn answer<T>(store: &mut Store<'_>, answered: Result<T, SocketError>) -> Answer<T> {
    match answered {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(network::Host::convert_error_code(&mut view(store), error)?),)),
    }
}

fn ip_of(address: &network::IpAddress) -> IpAddr {
    match *address {
        network::IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        network::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}
