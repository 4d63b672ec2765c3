"""Speed of Python's pools, the peers of wasmpool: multiprocessing.Pool, concurrent.futures and aiomultiprocess.

`python3 pools.py [URL] [KIND]...` prints JSON lines, of all kinds or those named; without a URL nothing is fetched.
"""

import platform
import sys
import time
from functools import partial
from importlib.metadata import version
from itertools import starmap

import measure
import tasks
from doors import AIO, APPLY, CHUNKS, EXECUTOR, POOL, SINGLY
from measure import sample, tell

REQUESTS = 10_000
WAITS = 10_000
ROUND_TRIPS = 300
SIZES = {"echo-64": 64, "echo-64k": 64 << 10, "echo-4m": 4 << 20}


def tiny(kind, doors):
    for door in doors:
        with door.opened(2) as pool:
            assert run(door, pool, "add", [(1, 2)]) == [3]
            sample(kind, door.how, partial(run, door, pool, "add"), lambda n: [(1, index) for index in range(n)])


def run(door, pool, task, calls):
    return door.map(pool, door.work[task], calls)


def tiny_sync():
    tiny("tiny-sync", (POOL, SINGLY, APPLY, EXECUTOR, CHUNKS, AIO))


def tiny_async():
    tiny("tiny-async", (AIO,))


def echo(kind):
    size = SIZES[kind]

    def calls(number):
        """Each call's bytes are its own: pickle would send one object in many places of a chunk only once."""
        return [(index.to_bytes(size, "little"),) for index in range(number)]

    for door in (POOL, SINGLY, APPLY, EXECUTOR, CHUNKS, AIO):
        with door.opened(2) as pool:
            assert run(door, pool, "echo", calls(3)) == [data for (data,) in calls(3)]
            sample(kind, door.how, partial(run, door, pool, "echo"), calls, size=size)


def busy():
    """Rounds are counted off so that a call takes about 1 ms here: this is of pools, not of languages."""
    fastest = min(measure.seconds_of(tasks.busy, 10_000) for _ in range(50))
    rounds = int(10_000 * 0.001 / fastest)

    def calls(number):
        return [(rounds,)] * number

    sample("busy-1ms", "Python without a pool", lambda calls: list(starmap(tasks.busy, calls)), calls, number=300)
    for door in (POOL, SINGLY, EXECUTOR, AIO):
        for workers in (1, 2):
            how = f"{door.how}, {workers} worker{'s' * (workers > 1)}"
            with door.opened(workers) as pool:
                sample("busy-1ms", how, partial(run, door, pool, "busy"), calls, number=300)


def waits():
    with AIO.opened(1, in_flight=WAITS) as pool:
        sample("waits", AIO.how, partial(AIO.map, pool, tasks.wait), lambda n: [(0.01,)] * n, number=WAITS)


def http_get(url):
    def get_all(calls):
        assert AIO.map(pool, tasks.get, calls) == [200] * len(calls)

    with AIO.opened(2, in_flight=64) as pool:
        sample("http-get", f"aiohttp in {AIO.how}", get_all, lambda n: [(url,)] * n, number=REQUESTS)


def round_trip():
    """Single calls, with a pause before each in which all processes fall asleep."""
    for door, how in ((POOL, "multiprocessing.Pool"), (EXECUTOR, EXECUTOR.how), (AIO, AIO.how)):
        with door.opened(2) as pool:
            run(door, pool, "add", [(1, 2)] * 10)
            seconds = []
            for _ in range(ROUND_TRIPS):
                time.sleep(0.002)
                seconds.append(measure.seconds_of(run, door, pool, "add", [(1, 2)]))
            tell("round-trip", how, n=1, seconds=seconds)


def pool_start():
    for door, how in ((POOL, "multiprocessing.Pool"), (EXECUTOR, EXECUTOR.how), (AIO, AIO.how)):
        seconds = [start(door, tasks.build_table) for _ in range(measure.SAMPLES)]
        tell("pool-start", f"{how}, initializer", n=1, seconds=seconds)
    tasks.build_table()
    seconds = [start(POOL, None) for _ in range(measure.SAMPLES)]
    tasks.table = None
    tell("pool-start", "multiprocessing.Pool, table inherited by fork", n=1, seconds=seconds)


def start(door, initializer):
    """Seconds from nothing to the first answer; ending the pool is not counted."""
    begin = time.perf_counter()
    with door.opened(2, initializer=initializer) as pool:
        assert run(door, pool, "look up", [(7,)])[0] > 0
        return round(time.perf_counter() - begin, 9)


def idle():
    for door, how in ((POOL, "multiprocessing.Pool"), (EXECUTOR, EXECUTOR.how), (AIO, AIO.how)):
        memory = []
        for _ in range(measure.SAMPLES):
            with door.opened(1) as pool:
                process = run(door, pool, "id", [(0,)])[0]
                memory.append(measure.private_bytes(process))
        tell("idle", f"{how}, a process", bytes=memory)


KINDS = {
    "idle": idle,
    "pool-start": pool_start,
    "tiny-sync": tiny_sync,
    "tiny-async": tiny_async,
    **{kind: lambda kind=kind: echo(kind) for kind in SIZES},
    "busy-1ms": busy,
    "waits": waits,
    "round-trip": round_trip,
}


def main(arguments):
    urls = [argument for argument in arguments if argument.startswith("http://")]
    wanted = [argument for argument in arguments if argument not in urls]
    kinds = KINDS | {"http-get": lambda: http_get(urls[0])} if urls else KINDS
    unknown = [kind for kind in wanted if kind not in kinds]
    if unknown:
        sys.exit(f"no such kind: {', '.join(unknown)}; there are {', '.join(kinds)} (http-get needs a URL)")
    packages = ("aiohttp", "aiomultiprocess", "uvloop")
    measure.tell_versions({"Python": platform.python_version(), **{name: version(name) for name in packages}})
    for kind in wanted or kinds:
        kinds[kind]()


if __name__ == "__main__":
    main(sys.argv[1:])
