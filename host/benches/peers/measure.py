"""How the Python peers are measured: how many calls make a sample long enough, and what is printed. Every line is JSON
of the form that `cargo bench --bench speed -- --json` writes too: seconds for the whole of n calls, or bytes.
"""

import json
import os
import platform
import re
import time
from pathlib import Path

SAMPLES = 5
LONG_ENOUGH = 0.3
ROOM = 512 << 20


def tell(kind, how, **facts):
    print(json.dumps({"kind": kind, "how": how, **facts}), flush=True)


def tell_versions(versions):
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    machine = {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }
    date = time.strftime("%Y-%m-%d")
    print(json.dumps({"machine": machine, "versions": versions, "date": date}), flush=True)


def seconds_of(run, *arguments):
    start = time.perf_counter()
    run(*arguments)
    return round(time.perf_counter() - start, 9)


def fitting(run, calls, size):
    """The first of 10, 20, 50, 100, ... calls that make a sample long enough, as far as their bytes have room.

    What is run on the way there warms the pool up.
    """
    number = 10
    while seconds_of(run, calls(number)) < LONG_ENOUGH:
        larger = number * 5 // 2 if str(number)[0] == "2" else number * 2
        if larger * size > ROOM:
            break
        number = larger
    return number


def sample(kind, how, run, calls, number=None, size=0):
    """Tells how long `run` takes over `calls(number)`, some times over. Making the calls is not counted."""
    if number is None:
        number = fitting(run, calls, size)
    else:
        run(calls(number))
    tell(kind, how, n=number, seconds=[seconds_of(run, calls(number)) for _ in range(SAMPLES)])


def private_bytes(process):
    """Memory of a process that it shares with no other."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    kilobytes = re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB$", rollup, re.MULTILINE)
    return sum(int(number) << 10 for number in kilobytes)
