"""Writes the page of a comparison, README.md with plots/ beside it, from the JSON lines of a run.

`page.py RESULTS FOLDER`. The page is wholly made here, its prose too, so that no number in it was typed by hand.
"""

import sys
from pathlib import Path

import plots
import targets
from rows import Rows, digits, say

FLOORS = ("bare engine", "tokio ping-pong", "bare store")
OURS = ("typed handle, 2 workers", "typed handle", "snapshot", "exclusive pool", "command")

KINDS = {
    "tiny-sync": "A function adds two integers: what a call costs. Threads that share an engine share its reference "
    "count, which each call changes twice: two threads of the bare engine are what two workers could be at best.",
    "tiny-async": "The same by an async function. aiomultiprocess has coroutines only and stands in both tables.",
    "echo-64": "A call takes 64 bytes and returns them. The rate of bytes counts them once.",
    "echo-64k": "The same with 64 KiB.",
    "echo-4m": "The same with 4 MiB.",
    "busy-1ms": "A call computes for about 1 ms with integers, as many rounds as take so long in its own language: "
    "this compares how pools spread work, not languages. `native` and `without a pool` are plain loops on one thread.",
    "waits": "10,000 calls that wait for 10 ms, all in flight at once in one worker. Pools of processes that run one "
    "call at a time cannot.",
    "http-get": "10,000 GETs from 2 workers with 64 in flight each, from a server on the same machine.",
    "fresh": "A sandbox of its own for each call of a tiny task. None of the peers isolates calls so.",
    "round-trip": "One call to an idle pool and back, with a pause before each in which all threads fall asleep. A "
    "ping-pong between two threads is the floor without a guest, and the floor with one if it has the bare engine's call "
    "in it.",
    "round-trip-warm": "The second of two calls after such a pause. The first takes longer mostly by what it has to "
    "fetch from memory, because caches are cold after the pause: that grows with the code and the data that a call "
    "touches.",
    "pool-start": "From nothing to the first answer of a pool of 2 workers that each have a table of 8 MB, computed by "
    "their initializer, or made beforehand: by a snapshot, or inherited when processes fork.",
    "idle": "Memory that one more idle worker or sandbox has for itself, after it has answered one call.",
    "memory": "What else takes memory.",
    "command-start": "The whole process of `wasmpool run` with a module that is in the cache.",
    "map-lines": "`wasmpool map` with 2 workers over 1,000,000 lines of JSON, file to file, and its largest memory.",
}

PAGE = """# Speed

Written by `host/benches/compare` from one run on one machine; [results.jsonl](results.jsonl) has every sample.

{about}

Rows of wasmpool and of the bare engine have one worker where they do not say otherwise; peers have two. `n` calls make
a sample; times are the median of samples with the shortest and the longest. The last columns give the time of a call
as a multiple of the floor's (the same work by the engine alone) and of wasmpool's: above 1 is slower. Bars are on
logarithmic axes.

## Targets

{targets}

## Measurements

{kinds}

## How to run it

```sh
host/benches/compare             # everything; measures for minutes, in which the machine should do nothing else
host/benches/compare --render    # this page again, from results.jsonl
host/benches/compare --peers     # the peers alone; their lines are left in target/bench/
cargo bench --bench speed -- tiny-sync fresh          # wasmpool and the bare engine alone, some kinds
```

It needs Rust, Python 3.11 with `venv`, Node.js 20 with npm, and once the network, for packages of versions that
[requirements.txt](peers/requirements.txt) and [package-lock.json](peers/package-lock.json) name. They are put into
`target/bench-peers/`.

## How the peers are set up

By what their documentation advises, and where it leaves a choice by what measured fastest:

- **aiomultiprocess**: uvloop on both sides, a queue for each process, 256 calls in flight in each (64 for `http-get`,
  10,000 for `waits`), started by spawn as it does by itself.
- **multiprocessing.Pool**: started by fork, the default on Linux. `starmap` with default chunks, which sends and
  answers an eighth of the calls at a time for 2 workers; with chunks of one; and `apply_async` for each call.
- **ProcessPoolExecutor**: `map` as it is, and with chunks as large as those of multiprocessing.Pool.
- **Piscina**: threads are kept, recording of times is off, atomics as they come, 1 or 16 calls per thread, and as many
  calls in flight as the threads take, which was faster than to queue all at once. Bytes are copied, or moved from
  thread to thread, which hardly depends on their number and leaves the caller without them. Its table for `pool-start` is
  made of halves of 32 bits, because 64 bits are slow in JavaScript.
- Bytes differ from call to call in Python, because pickle sends what is the same object only once in a chunk.
- Memory of processes is what they share with no other (`Private_*` in `smaps_rollup`); of a thread, an eighth of what
  8 threads add to a process.
"""


def about(found):
    head = found.heads[0]
    machine = head["machine"]
    versions = {name: version for other in found.heads for name, version in other["versions"].items()}
    memory = f"{machine['memory_bytes'] / (1 << 30):.1f} GiB"
    lines = [
        ("date", head["date"]),
        ("processor", f"{machine['cpu']}, {machine['cores']} cores"),
        ("memory", memory),
        ("kernel", machine["kernel"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in lines)])


def table(kind, unit, found):
    shown = found.of(kind, unit)
    floor = found.first_of(kind, unit, FLOORS)
    ours = found.first_of(kind, unit, OURS)
    columns = columns_of(kind, unit)
    if floor:
        columns.append((f"× {floor.how}", lambda row: ratio(row, floor)))
    if ours and len(shown) > 1:
        columns.append((f"× {ours.how}", lambda row: ratio(row, ours)))
    heads = [name for name, _ in columns]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]
    lines += [f"| {' | '.join(text(row) for _, text in columns)} |" for row in shown]
    return "\n".join(lines)


def columns_of(kind, unit):
    how = ("how", lambda row: f"**{row.how}**" if row.maker == "wasmpool" and not row.is_floor else row.how)
    spread = ("min – max", lambda row: f"{say(min(row.samples), unit)} – {say(max(row.samples), unit)}")
    median = ("median", lambda row: say(row.median, unit))
    if unit == "bytes":
        return [how, median, spread]
    counted = ("n", lambda row: f"{row.number:,}")
    each = ("a call", lambda row: say(row.per_call, unit))
    rate = ("calls/s", lambda row: digits(row.rate))
    columns = [how, counted, median, spread, each, rate]
    if kind.startswith("echo-"):
        columns.append(("MB/s", lambda row: digits(row.megabytes_per_second)))
    return columns


def ratio(row, other):
    return digits(row.per_call / other.per_call)


def sections(found, drawn):
    names = [*KINDS, *sorted({row.kind for row in found.rows.values()} - set(KINDS))]
    shown_by = {kind: name for name, kinds in reversed(plots.PLOTS.items()) for kind, _ in kinds if name in drawn}
    told = set()
    for kind in names:
        tables = [table(kind, unit, found) for unit in ("seconds", "bytes") if found.of(kind, unit)]
        if not tables:
            continue
        plot = shown_by.get(kind)
        if plot and plot not in told:
            told.add(plot)
            yield f"![Bars of the tables below](plots/{drawn[plot]})"
        yield "\n\n".join([f"### {kind}", *filter(None, [KINDS.get(kind)]), *tables])


def main(results, folder):
    with open(results) as lines:
        found = Rows(lines)
    drawn = plots.draw(found, folder / "plots")
    kinds = "\n\n".join(sections(found, drawn))
    page = PAGE.format(about=about(found), targets=targets.table(found), kinds=kinds)
    (folder / "README.md").write_text(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
