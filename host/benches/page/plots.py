"""Plots of the page: horizontal bars, one panel a kind, calls per second (or bytes) on a logarithmic axis.

Colours and the grey of all text are such as can be read on white and on near-black, because the page may be shown on
either. The same rows give the same files, byte for byte: no date, a fixed salt for names, text left as text.
"""

import math

from matplotlib import pyplot, ticker
from rows import digits, say_bytes

GREY = "#7d8590"
COLOURS = {"floor": "#9aa3ad", "wasmpool": "#e0701a", "Python": "#4a86c8", "Node.js": "#4f9d55"}
LABELS = {"floor": "bare engine, native", "wasmpool": "wasmpool", "Python": "Python", "Node.js": "Node.js"}
PLOTS = {
    "tiny": (("tiny-sync", "seconds"), ("tiny-async", "seconds")),
    "echo": (("echo-64", "seconds"), ("echo-64k", "seconds"), ("echo-4m", "seconds")),
    "work": (("busy-1ms", "seconds"), ("waits", "seconds"), ("http-get", "seconds")),
    "start": (("round-trip", "seconds"), ("fresh", "seconds"), ("pool-start", "seconds")),
    "idle": (("idle", "bytes"),),
}
WIDTH, LEFT, BAR, GAP = 9.0, 3.4, 0.21, 0.62
STYLE = {
    "backend": "svg",
    "svg.fonttype": "none",
    "svg.hashsalt": "wasmpool",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def colour_of(row):
    return COLOURS["floor" if row.is_floor else row.maker]


def panel(axes, kind, unit, shown):
    numbers = [row.rate if unit == "seconds" else row.per_call for row in shown]
    places = range(len(shown))
    # The axis begins at the power below the shortest bar, so that it too has a length; the end leaves room for a label.
    base = 10 if unit == "seconds" else 16
    start = base ** math.floor(math.log(min(numbers) / 1.5, base))
    end = max(numbers) * (max(numbers) / start) ** 0.2
    axes.set_xscale("log")
    lengths = [number - start for number in numbers]
    axes.barh(places, lengths, left=start, color=list(map(colour_of, shown)), height=0.72)
    axes.set_xlim(start, end)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(places, [row.how for row in shown])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: scale_label(value, unit)))
    axes.xaxis.set_major_locator(ticker.LogLocator(base=base))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    for place, number in zip(places, numbers, strict=True):
        label = bar_label(number, unit)
        axes.annotate(label, (number, place), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_title(f"{kind}: {'calls per second' if unit == 'seconds' else 'private memory'}", loc="left", fontsize=10)


def bar_label(number, unit):
    if unit == "bytes":
        return say_bytes(number)
    return f"{digits(number / 1e6)} M" if number >= 1e6 else digits(number)


def scale_label(value, unit):
    if unit == "bytes":
        return say_bytes(value)
    for factor, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


def figure(panels):
    """Draws panels below each other, each as high as its bars need."""
    heights = [BAR * len(shown) for _, _, shown in panels]
    total = sum(heights) + GAP * len(panels) + 0.35
    drawn = pyplot.figure(figsize=(WIDTH, total))
    top = total - 0.35
    for (kind, unit, shown), height in zip(panels, heights, strict=True):
        top -= 0.3 + height
        place = (LEFT / WIDTH, top / total, 1 - LEFT / WIDTH - 0.02, height / total)
        panel(drawn.add_axes(place), kind, unit, shown)
        top -= GAP - 0.3
    used = {colour_of(row) for _, _, shown in panels for row in shown}
    keys = [key for key, colour in COLOURS.items() if colour in used]
    patches = [pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[key]) for key in keys]
    labels = [LABELS[key] for key in keys]
    drawn.legend(patches, labels, loc="upper right", ncols=len(keys), frameon=False, fontsize=8)
    return drawn


def draw(found, folder, ending="svg", **options):
    """Writes the plots that there are rows for, and returns their file names by name."""
    folder.mkdir(exist_ok=True)
    drawn = {}
    with pyplot.rc_context(STYLE):
        for name, kinds in PLOTS.items():
            panels = [(kind, unit, found.of(kind, unit)) for kind, unit in kinds if found.of(kind, unit)]
            file = folder / f"{name}.{ending}"
            file.unlink(missing_ok=True)
            if panels:
                metadata = {"Date": None, "Creator": None} if ending == "svg" else None
                figure(panels).savefig(file, transparent=True, metadata=metadata, **options)
                pyplot.close("all")
                if ending == "svg":
                    # Paths have a blank at each line's end, where a blank alone does.
                    file.write_text(file.read_text().replace(" \n", " "))
                drawn[name] = file.name
    return drawn
