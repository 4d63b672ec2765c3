"""What wasmpool means to reach, as data, and whether a run shows it. All is judged by medians of one run; a target of
which a row is missing counts as not measured.
"""

from dataclasses import dataclass

import rows

TYPED, TWO, BARE, JSON = "typed handle", "typed handle, 2 workers", "bare engine", "JSON handle"


@dataclass
class Target:
    kind: str
    how: str
    # What is asked of: "time" and "speed" of a call, as many times that of `against` if there is one; "MB/s"; "bytes".
    measure: str
    at_most: float = None
    at_least: float = None
    against: str = None


TARGETS = [
    Target("tiny-sync", TYPED, "time", at_most=1.5, against=BARE),
    Target("tiny-async", TYPED, "time", at_most=1.3, against=BARE),
    Target("round-trip", TYPED, "time", at_most=1.2, against="tokio ping-pong"),
    Target("fresh", TYPED, "time", at_most=1.3, against=BARE),
    Target("waits", TYPED, "time", at_most=1.3, against=BARE),
    Target("echo-64k", TYPED, "time", at_most=1.3, against=BARE),
    Target("echo-4m", TYPED, "time", at_most=1.3, against=BARE),
    Target("echo-64k", JSON, "MB/s", at_least=200),
    Target("echo-4m", JSON, "MB/s", at_least=200),
    Target("busy-1ms", TYPED, "time", at_most=1.25, against="native"),
    Target("busy-1ms", TWO, "speed", at_least=1.9, against=TYPED),
    Target("pool-start", "snapshot", "time", at_most=0.020),
    Target("pool-start", "snapshot", "speed", at_least=20, against="initializer"),
    Target("idle", "exclusive pool", "bytes", at_most=150 << 10),
    Target("command-start", "command", "time", at_most=0.030),
    Target("map-lines", "command", "speed", at_least=300_000),
    Target("map-lines", "command", "bytes", at_most=120_000_000),
    Target("tiny-sync", TWO, "speed", at_least=20, against="aiomultiprocess"),
    Target("tiny-async", TWO, "speed", at_least=20, against="aiomultiprocess"),
    Target("tiny-sync", TWO, "speed", at_least=10, against="Piscina, 16 per worker"),
    Target("tiny-async", TWO, "speed", at_least=10, against="Piscina, 16 per worker"),
    Target("tiny-sync", TWO, "speed", at_least=1, against="multiprocessing.Pool, default chunks"),
]


def value_of(row, measure):
    return {
        "time": lambda: row.per_call,
        "bytes": lambda: row.per_call,
        "speed": lambda: row.rate,
        "MB/s": lambda: row.megabytes_per_second,
    }[measure]()


def measured(target, found):
    """The number that the target is about, or None if a row for it is missing."""
    unit = "bytes" if target.measure == "bytes" else "seconds"
    row = found.get(target.kind, target.how, unit)
    if target.against is None:
        return row and value_of(row, target.measure)
    other = found.get(target.kind, target.against, unit)
    return row and other and value_of(row, target.measure) / value_of(other, target.measure)


def is_met(target, value):
    return value <= target.at_most if target.at_most is not None else value >= target.at_least


def say(target, value):
    if target.against is not None:
        return f"{value:.3g} ×"
    if target.measure == "time":
        return rows.say_seconds(value)
    if target.measure == "bytes":
        return rows.say_bytes(value)
    return f"{rows.digits(value)} {'calls/s' if target.measure == 'speed' else 'MB/s'}"


def table(found):
    lines = ["| kind | how | wanted | measured | |", "|---|---|---|---|---|"]
    for target in TARGETS:
        value = measured(target, found)
        bound, sign = (target.at_most, "≤") if target.at_most is not None else (target.at_least, "≥")
        against = f" the {target.measure} of {target.against}" if target.against else ""
        got = "–" if value is None else say(target, value)
        verdict = "not measured" if value is None else "met" if is_met(target, value) else "**not met**"
        lines.append(f"| {target.kind} | {target.how} | {sign} {say(target, bound)}{against} | {got} | {verdict} |")
    return "\n".join(lines)
