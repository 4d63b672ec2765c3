"""What was measured, read back from JSON lines: rows of one kind and one way each, and how they compare and are said.

A line with a machine opens a section; its versions tell whose rows follow. Of rows of one kind and way the last counts.
"""

import json
import statistics
from dataclasses import dataclass

SIZES = {"echo-64": 64, "echo-64k": 64 << 10, "echo-4m": 4 << 20}
MAKERS = ("wasmpool", "Python", "Node.js")


@dataclass
class Row:
    kind: str
    how: str
    maker: str
    number: int
    unit: str
    samples: list

    @property
    def median(self):
        return statistics.median(self.samples)

    @property
    def per_call(self):
        """Seconds, or bytes, of one."""
        return self.median / self.number

    @property
    def rate(self):
        """Calls in a second."""
        return self.number / self.median

    @property
    def megabytes_per_second(self):
        """Of a call's bytes, which go in and come out, counted once."""
        return self.rate * SIZES[self.kind] / 1e6

    @property
    def is_floor(self):
        return self.maker == "wasmpool" and self.how.startswith(("bare", "tokio", "native"))


class Rows:
    def __init__(self, lines):
        self.heads = []
        self.rows = {}
        for line in lines:
            fields = json.loads(line)
            if "machine" in fields:
                self.heads.append(fields)
            else:
                self.add(fields)

    def add(self, fields):
        versions = self.heads[-1]["versions"]
        maker = next(maker for maker in MAKERS if maker in versions)
        for unit in ("seconds", "bytes"):
            if unit in fields:
                number = fields.get("n", 1) if unit == "seconds" else 1
                row = Row(fields["kind"], fields["how"], maker, number, unit, fields[unit])
                self.rows[row.kind, row.how, unit] = row

    def get(self, kind, how, unit="seconds"):
        return self.rows.get((kind, how, unit))

    def of(self, kind, unit):
        return [row for row in self.rows.values() if (row.kind, row.unit) == (kind, unit)]

    def first_of(self, kind, unit, hows):
        """The row of the first of these ways that was measured."""
        return next((row for row in (self.get(kind, how, unit) for how in hows) if row), None)


def say(value, unit):
    return say_bytes(value) if unit == "bytes" else say_seconds(value)


def say_seconds(seconds):
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{digits(seconds * factor)} {unit}"
    return f"{digits(seconds * 1e9)} ns"


def say_bytes(number):
    for factor, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= factor:
            return f"{digits(number / factor)} {unit}"
    return f"{digits(number)} bytes"


def digits(number):
    """Three digits that count, or the whole number with commas."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
