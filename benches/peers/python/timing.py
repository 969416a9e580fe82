"""Times contenders in turn, round after round, so that a slow moment of the machine hits them alike."""

import gc
import math
import os
import statistics
import time

SIZES = os.environ.get("SIZES", "small,medium,large").split(",")
ROUNDS = int(os.environ.get("ROUNDS", "7"))
SLOT_S = 0.05


def microseconds(us):
    return f"{us:,.2f}" if us < 100 else f"{us:,.0f}"


def compare(case, contenders):
    """Prints the median CPU time of one call of each, and the median of its ratios to the first, round by round.

    `contenders` is `{name: function}`, or `{name: (function, note)}`.
    """
    jobs, notes, repeats = {}, {}, {}
    for name, job in contenders.items():
        jobs[name], notes[name] = job if isinstance(job, tuple) else (job, "")
        jobs[name]()
        began = time.process_time()
        jobs[name]()
        repeats[name] = max(1, math.ceil(SLOT_S / max(time.process_time() - began, 1e-7)))
    times = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            gc.collect()
            began = time.process_time()
            for _ in range(repeats[name]):
                job()
            times[name].append((time.process_time() - began) / repeats[name] * 1e6)
    first = next(iter(times.values()))
    print(case)
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, first))
        print(f"  {name:<44} {microseconds(statistics.median(own)):>13} µs {ratio:>8.2f}  {notes[name]}", flush=True)
