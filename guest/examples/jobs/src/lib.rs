//! Producers and consumers over a queue that all sandboxes of the pool share.
//!
//! ```text
//! printf '["worker-%d","numbers"]\n' 0 1 2 3 4 > names.jsonl
//! seq 20 | wasmpool map guest/examples/jobs worker --input names.jsonl --queue numbers=-
//! ```

use wasmpool_guest::tasks;

/// Consumers of a shared queue.
#[tasks]
mod jobs {
    use std::time::Duration;

    use wasmpool_guest::{queue::Queue, time};

    /// Takes numbers until the queue ends, and returns how many it has seen. It waits for as long as there are none.
    #[timeout("none")]
    pub async fn worker(name: String, numbers: Queue<i64>) -> u32 {
        let mut seen = 0;
        // None: the queue is closed, and nothing is left.
        while let Some(value) = numbers.get().await {
            time::sleep(Duration::from_millis(200)).await;
            println!("{name} has processed {value}");
            seen += 1;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::jobs;
    use wasmpool_guest::testing::{block_on, declare_queue};

    #[test]
    fn a_worker_takes_what_there_is_and_ends_with_the_queue() {
        let numbers = declare_queue("numbers", 8);
        let seen = block_on(async {
            for number in 0..3 {
                numbers.put(&number).await.expect("there is room");
            }
            numbers.close();
            jobs::worker("worker-0".to_owned(), numbers).await
        });
        assert_eq!(seen, 3);
    }
}
