//! What is granted of the network, and all ways round it. The other end is a server of the test's, on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmpool::{Grants, Pool, PoolError};

use crate::support::{GRANTS, builder, until};

/// Answers `pong` to who connects; counts them.
fn tcp_server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut bytes = [0; 4];
            // Who only connects says nothing.
            if stream.read_exact(&mut bytes).is_ok() {
                let _ = stream.write_all(b"pong");
            }
        }
    });
    (port, count)
}

fn udp_server() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut bytes = [0; 16];
        while let Ok((_, from)) = socket.recv_from(&mut bytes) {
            let _ = socket.send_to(b"pong", from);
        }
    });
    port
}

async fn pool(grants: Grants) -> Pool {
    builder(GRANTS, 1, 4).await.grants(grants).build().await.expect("the guest opens")
}

async fn ask(pool: &Pool, task: &str, arg: &str) -> Result<String, String> {
    let task = pool.task_with_error::<(String,), String, String>(task).expect("a task");
    task.call((arg.to_owned(),)).await.map_err(|error| error.to_string())
}

async fn connect_p3(pool: &Pool, port: u16) -> Result<(), String> {
    let task = pool.task_with_error::<((u8, u8, u8, u8), u16), (), String>("connect-p3").expect("a task");
    task.call(((127, 0, 0, 1), port)).await.map_err(|error| error.to_string())
}

async fn lookup(pool: &Pool, task: &str, name: &str) -> Result<u32, String> {
    let task = pool.task_with_error::<(String,), u32, String>(task).expect("a task");
    task.call((name.to_owned(),)).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_by_address_or_by_name_is_reached() {
    let ((port, count), udp) = (tcp_server(), udp_server());
    for host in ["127.0.0.1", "localhost"] {
        let pool = pool(Grants::none().net(format!("{host}:{port}")).net(format!("{host}:{udp}"))).await;
        assert_eq!(ask(&pool, "exchange-tcp", &format!("127.0.0.1:{port}")).await, Ok("pong".to_owned()));
        assert_eq!(ask(&pool, "exchange-udp", &format!("127.0.0.1:{udp}")).await, Ok("pong".to_owned()));
        connect_p3(&pool, port).await.expect("0.3 obeys the same grants");
    }
    until("the server sees all four", || count.load(Ordering::Relaxed) == 4).await;
    let pool = pool(Grants::none().net(format!("localhost:{port}"))).await;
    assert_eq!(ask(&pool, "exchange-tcp", &format!("localhost:{port}")).await, Ok("pong".to_owned()));
    assert!(lookup(&pool, "lookup-p3", "localhost").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied_by_name_of_the_flag_and_nothing_connects() {
    let (port, count) = tcp_server();
    let other = if port == 1 { 2 } else { port - 1 };
    for grants in [
        Grants::none(),
        Grants::none().net("any"),
        Grants::none().net(format!("127.0.0.1:{other}")),
        Grants::none().net(format!("127.0.0.2:{port}")),
    ] {
        let pool = pool(grants.clone()).await;
        let flag = format!("`--net 127.0.0.1:{port}`");
        for task in ["exchange-tcp", "exchange-udp"] {
            let denied = ask(&pool, task, &format!("127.0.0.1:{port}")).await.expect_err("not granted");
            assert!(denied.contains(&flag), "{task} {grants:?}: {denied}");
        }
        let denied = connect_p3(&pool, port).await.expect_err("not granted");
        assert!(denied.contains(&flag), "{grants:?}: {denied}");
        let send = pool.task_with_error::<((u8, u8, u8, u8), u16), (), String>("send-p3").expect("a task");
        let denied = send.call(((127, 0, 0, 1), port)).await.expect_err("not granted").to_string();
        assert!(denied.contains(&flag), "{grants:?}: {denied}");
        let mapped = format!("[::ffff:127.0.0.1]:{port}");
        ask(&pool, "exchange-tcp", &mapped).await.expect_err("not granted in disguise");
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_here_does_not_help_and_names_that_are_not_granted_are_not_asked_for() {
    let (port, count) = tcp_server();
    let public = pool(Grants::none().net("any")).await;
    // With `any` all names may be asked for, but it is the address that counts.
    ask(&public, "exchange-tcp", &format!("localhost:{port}")).await.expect_err("an address of here");
    let named = pool(Grants::none().net("db.example:5432")).await;
    for task in ["lookup", "lookup-p3"] {
        let denied = lookup(&named, task, "secret.db.example").await.expect_err("another name");
        assert!(denied.contains("`--net secret.db.example:PORT`"), "{denied}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens() {
    let pool = pool(Grants::none().net("any").net("127.0.0.1:1")).await;
    let listen = pool.task_with_error::<(), (), String>("serve").expect("a task");
    listen.call(()).await.expect_err("not even with grants");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_target_is_refused_when_the_pool_is_built() {
    let built = builder(GRANTS, 1, 1).await.grants(Grants::none().net("here")).build().await;
    assert!(matches!(built, Err(PoolError::BadSetting { setting: "net", .. })), "{:?}", built.err());
}
