"""The ways into the Python pools, under one form: `opened(workers)` is a pool that has started, `map(pool, work,
calls)` runs a task over tuples of arguments to the last answer. Each pool is set up as its own documentation advises
for the load; the start method is each library's default on Linux, which is fork for the standard library and spawn for
aiomultiprocess.
"""

import asyncio
import contextlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import aiomultiprocess
import tasks
import uvloop


class Processes:
    """A pool of the standard library. Its workers run one call at a time."""

    work = {"add": tasks.add, "echo": tasks.echo, "busy": tasks.busy, "look up": tasks.look_up, "id": tasks.process_id}

    def __init__(self, how, start, map):
        self.how = how
        self.start = start
        self.map = map

    def opened(self, workers, initializer=None):
        return self.start(workers, initializer)


class Coroutines:
    """aiomultiprocess, set up as fast as any of: queues shared or not, uvloop or not, 16, 64 or 256 calls in flight."""

    how = "aiomultiprocess"
    work = {
        "add": tasks.add_async,
        "echo": tasks.echo_async,
        "busy": tasks.busy_async,
        "look up": tasks.look_up_async,
        "id": tasks.process_id_async,
    }

    def __init__(self):
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    @contextlib.contextmanager
    def opened(self, workers, initializer=None, in_flight=256):
        async def start():
            return aiomultiprocess.Pool(
                processes=workers,
                queuecount=workers,
                childconcurrency=in_flight,
                initializer=initializer,
                loop_initializer=uvloop.new_event_loop,
            )

        async def end():
            pool.terminate()
            await pool.join()

        pool = self.runner.run(start())
        try:
            yield pool
        finally:
            self.runner.run(end())

    def map(self, pool, work, calls):
        async def answers():
            return await pool.starmap(work, calls)

        return self.runner.run(answers())


def each_applied(pool, work, calls):
    return [answer.get() for answer in [pool.apply_async(work, call) for call in calls]]


def in_chunks(pool, work, calls):
    """As large as those of multiprocessing.Pool: four for each of 2 workers."""
    return list(pool.map(work, *zip(*calls, strict=True), chunksize=max(1, len(calls) // 8)))


POOL = Processes(
    "multiprocessing.Pool, default chunks",
    multiprocessing.Pool,
    lambda pool, work, calls: pool.starmap(work, calls),
)
SINGLY = Processes(
    "multiprocessing.Pool, chunksize=1",
    multiprocessing.Pool,
    lambda pool, work, calls: pool.starmap(work, calls, chunksize=1),
)
APPLY = Processes("multiprocessing.Pool, apply_async", multiprocessing.Pool, each_applied)
EXECUTOR = Processes(
    "ProcessPoolExecutor",
    lambda workers, initializer: ProcessPoolExecutor(workers, initializer=initializer),
    lambda pool, work, calls: list(pool.map(work, *zip(*calls, strict=True))),
)
CHUNKS = Processes("ProcessPoolExecutor, chunks of n/8", EXECUTOR.start, in_chunks)
AIO = Coroutines()
