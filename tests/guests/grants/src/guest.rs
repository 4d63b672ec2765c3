//! The implementation of `wit/grants.wit`.
//! Exports are not called like functions of the C library, which they would stand for.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bindings::wasi::config::store as config;
use bindings::wasi::keyvalue::{atomics, batch, store};
use wasip3::filesystem::types as files;
use wasip3::sockets::{ip_name_lookup, types as sockets};

#[expect(unsafe_code, reason = "generated bindings")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "grants", generate_all });
    use super::Grants;
    export!(Grants);
}

struct Grants;

fn text(error: impl Display) -> String {
    error.to_string()
}

fn debugged(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn bucket(name: &str) -> store::Bucket {
    store::open(name).expect("a bucket opens")
}

fn address(ip: (u8, u8, u8, u8), port: u16) -> sockets::IpSocketAddress {
    sockets::IpSocketAddress::Ipv4(sockets::Ipv4SocketAddress { port, address: ip })
}

/// The first folder that is granted.
fn folder_p3() -> files::Descriptor {
    wasip3::filesystem::preopens::get_directories().swap_remove(0).0
}

#[expect(unsafe_code, reason = "std sets times of open files only")]
fn set_times_at(path: String) -> Result<(), String> {
    unsafe extern "C" {
        fn utimes(path: *const core::ffi::c_char, times: *const core::ffi::c_void) -> i32;
    }
    let path = std::ffi::CString::new(path).map_err(text)?;
    // SAFETY: the path is a string that ends in NUL and lives until the call returns, and no times are the present one.
    let done = unsafe { utimes(path.as_ptr(), std::ptr::null()) };
    if done == 0 { Ok(()) } else { Err(text(std::io::Error::last_os_error())) }
}

impl bindings::Guest for Grants {
    fn setting(key: String) -> Option<String> {
        config::get(&key).expect("settings are there")
    }

    fn settings() -> Vec<(String, String)> {
        config::get_all().expect("settings are there")
    }

    fn keep(name: String, key: String, value: String) -> Result<(), String> {
        bucket(&name).set(&key, value.as_bytes()).map_err(debugged)
    }

    fn kept(name: String, key: String) -> Option<String> {
        let value = bucket(&name).get(&key).expect("the bucket is there")?;
        Some(String::from_utf8(value).expect("a text"))
    }

    fn count(key: String) -> Result<u64, String> {
        atomics::increment(&bucket(""), &key, 1).map_err(debugged)
    }

    fn keys(name: String) -> Vec<String> {
        let (bucket, mut keys, mut cursor) = (bucket(&name), Vec::new(), None);
        loop {
            let page = bucket.list_keys(cursor).expect("a page");
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return keys;
            }
        }
    }

    fn keep_many(count: u32) -> Result<(), String> {
        let pairs: Vec<_> = (0..count).map(|number| (format!("k{number}"), vec![0; 100])).collect();
        batch::set_many(&bucket("many"), &pairs).map_err(debugged)?;
        let keys: Vec<_> = pairs.into_iter().map(|(key, _)| key).collect();
        let kept = batch::get_many(&bucket("many"), &keys).map_err(debugged)?;
        if kept.iter().any(Option::is_none) { Err("some are lost".to_owned()) } else { Ok(()) }
    }

    fn exchange_tcp(address: String) -> Result<String, String> {
        let mut stream = TcpStream::connect(address).map_err(text)?;
        stream.write_all(b"ping").map_err(text)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).map_err(text)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn exchange_udp(address: String) -> Result<String, String> {
        let socket = UdpSocket::bind("0.0.0.0:0").map_err(text)?;
        socket.send_to(b"ping", address).map_err(text)?;
        let mut answer = [0; 4];
        let (length, _) = socket.recv_from(&mut answer).map_err(text)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    fn serve() -> Result<(), String> {
        TcpListener::bind("127.0.0.1:0").map(drop).map_err(text)
    }

    fn lookup(name: String) -> Result<u32, String> {
        Ok((name.as_str(), 80).to_socket_addrs().map_err(text)?.count() as u32)
    }

    async fn connect_p3(ip: (u8, u8, u8, u8), port: u16) -> Result<(), String> {
        let socket = sockets::TcpSocket::create(sockets::IpAddressFamily::Ipv4).map_err(debugged)?;
        socket.connect(address(ip, port)).await.map_err(debugged)
    }

    async fn send_p3(ip: (u8, u8, u8, u8), port: u16) -> Result<(), String> {
        let socket = sockets::UdpSocket::create(sockets::IpAddressFamily::Ipv4).map_err(debugged)?;
        socket.send(b"ping".to_vec(), Some(address(ip, port))).await.map_err(debugged)
    }

    async fn lookup_p3(name: String) -> Result<u32, String> {
        Ok(ip_name_lookup::resolve_addresses(name).await.map_err(debugged)?.len() as u32)
    }

    fn read_text(path: String) -> Result<String, String> {
        fs::read_to_string(path).map_err(text)
    }

    fn write_text(path: String, content: String) -> Result<(), String> {
        fs::write(path, content).map_err(text)
    }

    fn make_folder(path: String) -> Result<(), String> {
        fs::create_dir(path).map_err(text)
    }

    fn move_file(from: String, to: String) -> Result<(), String> {
        fs::rename(from, to).map_err(text)
    }

    fn hard_link(original: String, link: String) -> Result<(), String> {
        fs::hard_link(original, link).map_err(text)
    }

    #[expect(unsafe_code, reason = "std has no stable way to make a link")]
    fn soft_link(original: String, link: String) -> Result<(), String> {
        unsafe extern "C" {
            fn symlink(original: *const core::ffi::c_char, link: *const core::ffi::c_char) -> i32;
        }
        let (original, link) = (std::ffi::CString::new(original), std::ffi::CString::new(link));
        let (original, link) = (original.map_err(text)?, link.map_err(text)?);
        // SAFETY: both are strings that end in NUL and live until the call returns.
        let done = unsafe { symlink(original.as_ptr(), link.as_ptr()) };
        if done == 0 { Ok(()) } else { Err(text(std::io::Error::last_os_error())) }
    }

    fn change_opened(how: String, path: String) -> Result<(), String> {
        // Only to read: it is the folder that counts.
        let open = || fs::File::open(&path).map_err(text);
        match how.as_str() {
            "set-size" => open()?.set_len(1).map_err(text),
            "set-times" => {
                let times = fs::FileTimes::new().set_modified(UNIX_EPOCH);
                open()?.set_times(times).map_err(text)
            }
            "set-times-at" => set_times_at(path),
            other => Err(format!("no way to change: {other}")),
        }
    }

    async fn change_p3(how: String, path: String) -> Result<(), String> {
        let (folder, path) = (folder_p3(), path.as_str());
        let now = files::NewTimestamp::Now;
        let follow = files::PathFlags::SYMLINK_FOLLOW;
        let opened = async || {
            let (create, read) = (files::OpenFlags::empty(), files::DescriptorFlags::READ);
            folder.open_at(follow, path.to_owned(), create, read).await
        };
        let other = format!("{path}-other");
        let done = match how.as_str() {
            "create-directory-at" => folder.create_directory_at(other).await,
            "link-at" => folder.link_at(files::PathFlags::empty(), path.to_owned(), &folder, other).await,
            "remove-directory-at" => folder.remove_directory_at(path.to_owned()).await,
            "rename-at" => folder.rename_at(path.to_owned(), &folder, other).await,
            "set-size" => opened().await.map_err(debugged)?.set_size(1).await,
            "set-times" => opened().await.map_err(debugged)?.set_times(now, now).await,
            "set-times-at" => folder.set_times_at(follow, path.to_owned(), now, now).await,
            "symlink-at" => folder.symlink_at(path.to_owned(), other).await,
            "unlink-file-at" => folder.unlink_file_at(path.to_owned()).await,
            other => return Err(format!("no way to change: {other}")),
        };
        done.map_err(debugged)
    }

    async fn open_then_make_p3(path: String, made: String) -> Result<(), String> {
        let folder = folder_p3();
        let (follow, read) = (files::PathFlags::SYMLINK_FOLLOW, files::DescriptorFlags::READ);
        folder.open_at(follow, path, files::OpenFlags::empty(), read).await.map_err(debugged)?;
        folder.create_directory_at(made).await.map_err(debugged)
    }

    async fn open_then_fail_p3(path: String) -> Result<(), String> {
        let (follow, read) = (files::PathFlags::SYMLINK_FOLLOW, files::DescriptorFlags::READ);
        folder_p3().open_at(follow, path, files::OpenFlags::empty(), read).await.map_err(debugged)?;
        Err("for reasons of its own".to_owned())
    }

    async fn leave_change_p3(how: String, path: String) -> u32 {
        wit_bindgen::spawn_local(async move {
            wasip3::clocks::monotonic_clock::wait_for(10_000_000).await;
            let tried = Self::change_p3(how, path).await;
            println!("{}", if tried.is_ok() { "changed" } else { "refused" });
        });
        7
    }

    async fn nap(ms: u32) -> u32 {
        wasip3::clocks::monotonic_clock::wait_for(u64::from(ms) * 1_000_000).await;
        ms
    }

    fn world_seen() -> String {
        let start = Instant::now();
        // Ends only if time passes.
        while start.elapsed() < Duration::from_millis(20) {}
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let map: HashMap<u32, u32> = (0..20).map(|number| (number, number)).collect();
        let order: Vec<_> = map.keys().collect();
        format!("{:?} {since:?} {order:?}", start.elapsed())
    }

    async fn world_seen_p3() -> String {
        let now = wasip3::clocks::monotonic_clock::now();
        let wall = wasip3::clocks::system_clock::now();
        let secure = wasip3::random::random::get_random_u64();
        let insecure = wasip3::random::insecure::get_insecure_random_u64();
        let seed = wasip3::random::insecure_seed::get_insecure_seed();
        format!("{now} {wall:?} {secure} {insecure} {seed:?}")
    }
}
