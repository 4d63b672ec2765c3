//! The network of one sandbox: asked for every address at the moment it is really connected or sent to, whatever the
//! guest was told it was called. Names of grants are resolved then too, not when the pool is built: a worker that runs
//! for weeks follows a name that moves. What guests have been told about granted names holds on for a while, so that a name
//! with many addresses, told one time and resolved the next, does not refuse the one that it gave.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::lookup_host;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

use crate::failure::Denial;
use crate::net::{NetRules, Verdict, plain_name};

/// How many answers of name lookups a sandbox remembers.
const ANSWERS: usize = 1_024;

/// How many refusals wait for the call that they are told to.
const REFUSALS: usize = 256;

/// A sandbox that may connect to nothing gets so many sockets, enough to be told what it lacks and to do no harm.
const SOCKETS_WITHOUT_GRANTS: usize = 64;

/// The network of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct NetGuard {
    rules: Arc<NetRules>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Names with addresses that are known to be theirs.
    answers: VecDeque<(String, IpAddr)>,
    /// Addresses that were refused, until somebody is told.
    refused: VecDeque<SocketAddr>,
    /// What the streams of addresses that guests hold are about, by the number that the guest has for them.
    lookups: HashMap<u32, String>,
    /// Where sockets are being connected to, by the number that the guest has for them.
    connecting: HashMap<u32, SocketAddr>,
    sockets: usize,
}

impl NetGuard {
    pub(crate) fn with_rules(rules: Arc<NetRules>) -> Arc<Self> {
        Arc::new(NetGuard { rules, seen: Mutex::default() })
    }

    /// Makes this the network of a context.
    pub(crate) fn watch(self: &Arc<Self>, context: &mut WasiCtxBuilder) {
        let guard = Arc::clone(self);
        context.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true).socket_addr_check(
            move |address, used| -> Pin<Box<dyn Future<Output = bool> + Send + Sync>> {
                match used {
                    SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => Box::pin(async { false }),
                    SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                        // What the system does by itself before it connects; what comes next is checked.
                        let is_no_place = address.ip().is_unspecified() && address.port() == 0;
                        Box::pin(async move { is_no_place })
                    }
                    SocketAddrUse::UdpReceive => {
                        let guard = Arc::clone(&guard);
                        Box::pin(async move { guard.is_granted(address).await })
                    }
                    SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => {
                        let guard = Arc::clone(&guard);
                        Box::pin(async move {
                            let is_granted = guard.is_granted(address).await;
                            if !is_granted {
                                guard.note_refusal(address);
                            }
                            is_granted
                        })
                    }
                }
            },
        );
    }

    /// Returns true if one more socket may be made.
    pub(crate) fn may_have_socket(&self) -> bool {
        let mut seen = self.seen();
        seen.sockets += 1;
        !self.rules.is_empty() || seen.sockets <= SOCKETS_WITHOUT_GRANTS
    }

    /// Returns what is missing if guests may not ask for the addresses of a name.
    pub(crate) fn lookup_denial(&self, name: &str) -> Option<Denial> {
        let is_denied = !self.rules.may_look_up(name);
        is_denied.then(|| Denial::of(format!("the address of {name}"), format!("--net {name}:PORT")))
    }

    /// Notes which name the guest's stream of addresses is about.
    pub(crate) fn lookup_began(&self, stream: u32, name: String) {
        self.seen().lookups.insert(stream, name);
    }

    /// Notes an address that the guest is told from a stream.
    pub(crate) fn stream_answered(&self, stream: u32, address: IpAddr) {
        let mut seen = self.seen();
        if let Some(name) = seen.lookups.get(&stream).cloned() {
            seen.note_answer(&plain_name(&name), address);
        }
    }

    /// Notes an address of a name.
    pub(crate) fn answered(&self, name: &str, address: IpAddr) {
        self.seen().note_answer(&plain_name(name), address);
    }

    /// Notes where a socket is being connected to.
    pub(crate) fn connect_began(&self, socket: u32, address: SocketAddr) {
        self.seen().connecting.insert(socket, address);
    }

    /// Returns what a socket lacked that was not connected, if it was that.
    pub(crate) fn connect_denial(&self, socket: u32) -> Option<Denial> {
        let address = self.seen().connecting.remove(&socket)?;
        self.denial_of(address)
    }

    /// Returns what is missing if an address was refused; a refusal is told once.
    pub(crate) fn denial_of(&self, address: SocketAddr) -> Option<Denial> {
        let mut seen = self.seen();
        let place = seen.refused.iter().position(|refused| *refused == address)?;
        seen.refused.remove(place);
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Some(Denial::of(format!("connections to {address}"), format!("--net {address}")))
    }

    async fn is_granted(&self, address: SocketAddr) -> bool {
        let names = match self.rules.verdict(address) {
            Verdict::Granted => return true,
            Verdict::Refused => return false,
            Verdict::IfNamed(names) => names,
        };
        let ip = address.ip().to_canonical();
        let is_known = |name: &String| self.seen().knows(name, ip);
        if names.iter().any(is_known) {
            return true;
        }
        for name in &names {
            // On a thread of the runtime's for such things. A name without an answer grants nothing.
            let Ok(answers) = lookup_host((name.as_str(), address.port())).await else { continue };
            answers.for_each(|answer| self.answered(name, answer.ip()));
        }
        names.iter().any(is_known)
    }

    fn note_refusal(&self, address: SocketAddr) {
        let mut seen = self.seen();
        if seen.refused.len() == REFUSALS {
            seen.refused.pop_front();
        }
        seen.refused.push_back(address);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder of this lock panics")
    }
}

impl Seen {
    fn knows(&self, name: &str, ip: IpAddr) -> bool {
        self.answers.iter().any(|(known, answer)| known == name && *answer == ip)
    }

    fn note_answer(&mut self, name: &str, address: IpAddr) {
        let ip = address.to_canonical();
        if self.knows(name, ip) {
            return;
        }
        if self.answers.len() == ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((name.to_owned(), ip));
    }
}
