//! The attacks themselves, where they take more than a line.

use std::hint::black_box;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};

use wasmpool_guest::{Context as _, Error};

pub(crate) fn spin() -> u64 {
    let mut state = 1_u64;
    loop {
        state = black_box(state.wrapping_mul(3));
    }
}

pub(crate) fn grow_in_steps() -> u64 {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1_u8; 1 << 20]));
    }
}

pub(crate) fn grow_by_instruction() -> u32 {
    #[cfg(target_arch = "wasm32")]
    {
        let before = core::arch::wasm32::memory_size::<0>();
        while core::arch::wasm32::memory_grow::<0>(16) != usize::MAX {}
        u32::try_from(core::arch::wasm32::memory_size::<0>() - before)
            .expect("there are 65,536 pages at most")
    }
    #[cfg(not(target_arch = "wasm32"))]
    0
}

pub(crate) fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX {
        return 0;
    }
    black_box(recurse(black_box(depth + 1))) + 1
}

pub(crate) fn recurse_with_big_frames(depth: u64) -> u64 {
    let frame = black_box([depth; 8_192]);
    if depth == u64::MAX {
        return frame[0];
    }
    black_box(recurse_with_big_frames(frame[7] + 1)) + frame[1]
}

pub(crate) fn flood_stderr(mib: u32) -> u64 {
    let mut line = [b'x'; 1_024];
    line[1_023] = b'\n';
    write_often(&line, u64::from(mib) << 10)
}

pub(crate) fn flood_one_line(mib: u32) -> u64 {
    write_often(&[b'x'; 1_024], u64::from(mib) << 10)
}

fn write_often(text: &[u8], times: u64) -> u64 {
    let mut stderr = io::stderr().lock();
    (0..times).map(|_| stderr.write_all(text).map_or(0, |()| text.len() as u64)).sum()
}

/// Each wait is polled once, which begins it.
pub(crate) async fn begin_waits(count: u32) -> u32 {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    let day = Duration::from_secs(86_400);
    let mut waits: Vec<_> = (0..count).map(|_| Box::pin(wasmpool_guest::time::sleep(day))).collect();
    poll_fn(|context| {
        waits.iter_mut().for_each(|wait| assert!(wait.as_mut().poll(context).is_pending()));
        Poll::Ready(())
    })
    .await;
    wasmpool_guest::time::sleep(day).await;
    count
}

pub(crate) fn open_streams(count: u32) -> u32 {
    #[cfg(target_family = "wasm")]
    let ends: Vec<_> = (0..count).map(|_| wasip3::wit_stream::new::<u8>()).collect();
    #[cfg(not(target_family = "wasm"))]
    let ends: Vec<_> = (0..count).collect();
    let opened = ends.len();
    // Closing them would be well-behaved.
    std::mem::forget(ends);
    u32::try_from(opened).expect("no more than were asked for")
}

pub(crate) fn open_futures(count: u32) -> u32 {
    #[cfg(target_family = "wasm")]
    let ends: Vec<_> = {
        use wasip3::http::types::ErrorCode;
        (0..count).map(|_| wasip3::wit_future::new::<Result<(), ErrorCode>>(|| Ok(()))).collect()
    };
    #[cfg(not(target_family = "wasm"))]
    let ends: Vec<_> = (0..count).collect();
    let opened = ends.len();
    std::mem::forget(ends);
    u32::try_from(opened).expect("no more than were asked for")
}

pub(crate) fn trap() -> u32 {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("a trap")
}

pub(crate) fn read_stdin() -> io::Result<u64> {
    let mut all = Vec::new();
    io::stdin().lock().read_to_end(&mut all).map(|bytes| bytes as u64)
}

pub(crate) fn read_by_link(link: &str, target: &str) -> Result<String, Error> {
    #[cfg(target_os = "wasi")]
    #[expect(deprecated, reason = "std has no stable name for it on this target")]
    std::fs::soft_link(target, link).context("cannot make the link")?;
    std::fs::read_to_string(link).with_context(|| format!("cannot read `{target}` by a link"))
}

pub(crate) fn connect(address: &str) -> io::Result<()> {
    TcpStream::connect(address).map(drop)
}

pub(crate) fn look_up(host: &str) -> io::Result<u64> {
    Ok((host, 80).to_socket_addrs()?.count() as u64)
}
