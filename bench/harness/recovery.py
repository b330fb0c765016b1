"""`bench/run recovery`: tcpco and the Linux kernel as senders over the same bad path. See --help."""
import argparse
import dataclasses
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import measure
from main import Progress, about

DESCRIPTION = """\
Compares tcpco with the Linux kernel as a sender over a lossy path, with the same controller on both sides.

Both send to the kernel's TCP through one forwarder: TAP A in one network namespace, TAP B in another, and between them
a bottleneck with a tail-drop queue, a delay each way, and loss. No TAP has offloads, so what is lost are segments as
they are on a wire. Which ones is a script: a function of the seed, of the segment's place in the stream, and of how
often it has passed before; so both senders meet the same losses, whatever they send again and when. The goodput is
what the receiver has read and compared, from accept() to the last octet.

Every seed is run with both, one after the other; several transfers run at a time, in namespaces of their own (they
wait most of the time). A figure is the median over the seeds, with the interval in which the true median lies with
95 % (order statistics); the ratio is that of the medians, with its bootstrap interval over the seeds."""

EPILOG = """\
examples:
  bench/run recovery                         30 seeds, Reno, CUBIC, BBR: a quarter of an hour
  bench/run recovery --quick                 5 seeds, three losses, two controllers: about a minute
  bench/run recovery --loss 3 --rtt 40 --controllers cubic
  bench/run recovery --json out.json --plot out.svg

Goal: Reno and CUBIC reach at least 0.90 of the kernel's goodput. BBR is shown and not judged: the kernel's is
version 1, tcpco's version 3."""

SENDERS = ("kernel", "tcpco")
JUDGED = ("reno", "cubic")
GOAL = 0.90
LOSSES = (0.0, 0.1, 1.0, 3.0, 10.0)
# Percent of loss up to which so many octets are sent: some 3 to 10 s with Reno and 40 ms.
OCTETS = ((0.0, 6_000_000), (0.1, 5_000_000), (1.0, 2_500_000), (3.0, 1_000_000), (100.0, 300_000))


@dataclasses.dataclass(frozen=True)
class Cell:
    controller: str
    rtt_ms: float
    loss: float  # percent

    def octets(self):
        return next(octets for loss, octets in OCTETS if self.loss <= loss)


# --- statistics -------------------------------------------------------------------------------------------------------

def median_interval(values, confidence=0.95):
    """(lower, upper): order statistics between which the true median lies with at least `confidence`; the smallest and
    the largest where there are too few."""
    ordered, n = sorted(values), len(values)
    probabilities = [1.0]  # of k successes of n, in units of 2^-n
    for k in range(1, n + 1):
        probabilities.append(probabilities[-1] * (n - k + 1) / k)
    total, outside, rank = 2.0 ** n, 0.0, 0
    while rank < n // 2 and 2 * (outside + probabilities[rank]) / total <= 1 - confidence:
        outside += probabilities[rank]
        rank += 1
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[n - rank]


def ratio_of_medians(above, below):
    bottom = statistics.median(below)
    return statistics.median(above) / bottom if bottom else float("inf")


def ratio_interval(above, below, resamples=1000):
    """95 % of the bootstrap's ratios of medians: seeds drawn anew, each with both of its figures."""
    rng, n = random.Random(2026), len(above)
    drawn = []
    for _ in range(resamples):
        picks = [rng.randrange(n) for _ in range(n)]
        drawn.append(ratio_of_medians([above[i] for i in picks], [below[i] for i in picks]))
    drawn.sort()
    return drawn[int(0.025 * resamples)], drawn[int(0.975 * resamples)]


class Results:
    """Goodputs in Mbit/s by cell and sender; a seed counts once both of its transfers have ended."""

    def __init__(self):
        self.runs = {}    # (cell, seed) -> {sender: the program's answer}
        self.errors = []  # (cell, seed, sender, why)
        self.known = {}   # (cell, seeds) -> summary: the bootstrap takes a while

    def add(self, cell, seed, sender, answer):
        if "error" in answer:
            self.errors.append((cell, seed, sender, answer["error"]))
            return
        if not answer["complete"]:
            self.errors.append((cell, seed, sender, f"only {answer['octets']} octets in {answer['seconds']:.0f} s "
                                                    f"{answer['problem']}".rstrip()))
        answer["mbit"] = answer["octets"] * 8 / answer["seconds"] / 1e6 if answer["seconds"] > 0 else 0.0
        self.runs.setdefault((cell, seed), {})[sender] = answer

    def pairs(self, cell):
        return [both for (c, _), both in sorted(self.runs.items(), key=lambda r: r[0][1])
                if c == cell and all(s in both for s in SENDERS)]

    def figures(self, cell, name="mbit"):
        """{sender: values}, in the order of the seeds."""
        return {s: [both[s][name] for both in self.pairs(cell)] for s in SENDERS}

    def summary(self, cell):
        """As a dictionary; None where no seed has both."""
        goodput = self.figures(cell)
        key = cell, len(goodput["tcpco"])
        if key not in self.known:
            self.known[key] = self.summarize(cell, goodput) if goodput["tcpco"] else None
        return self.known[key]

    def summarize(self, cell, goodput):
        out = {"controller": cell.controller, "rtt_ms": cell.rtt_ms, "loss_percent": cell.loss,
               "seeds": len(goodput["tcpco"]), "octets": cell.octets()}
        for s in SENDERS:
            low, high = median_interval(goodput[s])
            out[s] = {"median": statistics.median(goodput[s]), "low": low, "high": high, "values": goodput[s]}
            for name in ("timeouts", "retransmitted", "lost", "queue_full"):
                out[s][name] = statistics.median(self.figures(cell, name)[s])
        out["ratio"] = ratio_of_medians(goodput["tcpco"], goodput["kernel"])
        out["ratio_low"], out["ratio_high"] = ratio_interval(goodput["tcpco"], goodput["kernel"])
        out["met"] = out["ratio"] >= GOAL if cell.controller in JUDGED else None
        return out


# --- running ----------------------------------------------------------------------------------------------------------

class Transfers:
    """Several at a time, each a process with namespaces of its own."""

    def __init__(self, chosen, program):
        self.chosen, self.program = chosen, program

    def command(self, cell, seed, sender):
        c = self.chosen
        one_way_us = round(cell.rtt_ms * 500)
        queue = max(round(c.rate * 1e6 / 8 * cell.rtt_ms / 1e3 * c.queue), 15_000)
        return [*measure.namespace_command(), str(self.program), "sender=" + sender, "congestion=" + cell.controller,
                f"loss={cell.loss / 100}", f"seed={seed}", f"delay_us={one_way_us}", f"rate={round(c.rate * 1e6)}",
                f"queue={queue}", f"octets={c.octets or cell.octets()}", f"limit={c.limit}"]

    def start(self, cell, seed, sender):
        process = measure.start(self.command(cell, seed, sender), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)
        process.until = time.monotonic() + self.chosen.limit + 40
        return process

    def answer(self, process):
        """What an ended process said."""
        out, err = measure.finish(process, 5)
        if process.returncode != 0 or not out.strip():
            return {"error": (err.strip() or f"it ended with {process.returncode}").splitlines()[-1]}
        return json.loads(out)

    def run(self, work, results, progress):
        """`work` is a list of pairs (cell, seed): the two senders of a pair run one after the other."""
        waiting = list(reversed(work))
        active = []  # [cell, seed, senders still to come, sender, process, began]

        def begin(cell, seed, senders):
            active.append([cell, seed, senders[1:], senders[0], self.start(cell, seed, senders[0]), time.monotonic()])

        while waiting or active:
            while waiting and len(active) < self.chosen.parallel:
                cell, seed = waiting.pop()
                begin(cell, seed, SENDERS if seed % 2 else SENDERS[::-1])
            for entry in list(active):
                cell, seed, left, sender, process, began = entry
                if process.poll() is None and time.monotonic() < process.until:
                    continue
                active.remove(entry)
                if process.poll() is None:
                    process.kill()
                results.add(cell, seed, sender, self.answer(process))
                progress.step(cell, (time.monotonic() - began) / self.chosen.parallel)
                if left:
                    begin(cell, seed, left)
            progress.say(f"seed {max((e[1] for e in active), default=0)}, {len(active)} transfers under way")
            time.sleep(0.05)


# --- reports ----------------------------------------------------------------------------------------------------------

def figure(x):
    return f"{x:.2f}" if x < 10 else f"{x:.1f}"


def with_interval(f):
    return f"{figure(f['median'])} [{figure(f['low'])}, {figure(f['high'])}]"


def table(results, cells):
    lines = [f"{'':6} {'':>7} {'':>6}   {'goodput, Mbit/s: median [95 %]':43}  {'':21}   median timeouts, sent again",
             f"{'':6} {'rtt':>7} {'loss':>6}   {'kernel':21} {'tcpco':21}  {'tcpco / kernel':21}   {'kernel':>9}  "
             f"{'tcpco':>9}"]
    for cell in cells:
        s = results.summary(cell)
        where = f"{cell.controller:6} {cell.rtt_ms:4g} ms {cell.loss:4g} %"
        if s is None:
            lines.append(f"{where}   not measured")
            continue
        verdict = {True: "met", False: "MISSED", None: ""}[s["met"]]
        ratio = f"{s['ratio']:.2f} [{s['ratio_low']:.2f}, {s['ratio_high']:.2f}]"
        counts = [f"{s[x]['timeouts']:g}, {s[x]['retransmitted']:g}" for x in SENDERS]
        lines.append(f"{where}   {with_interval(s['kernel']):21} {with_interval(s['tcpco']):21}  {ratio:21}   "
                     f"{counts[0]:>9}  {counts[1]:>9}  {verdict}".rstrip())
    for cell, seed, sender, why in results.errors:
        lines.append(f"{sender}, {cell.controller}, {cell.rtt_ms:g} ms, {cell.loss:g} %, seed {seed}: {why}")
    return "\n".join(lines)


def verdict(results, cells):
    judged = [s for s in map(results.summary, cells) if s is not None and s["met"] is not None]
    missed = sum(not s["met"] for s in judged)
    if not judged:
        return "Nothing that has a goal was measured."
    return (f"Goal, at least {GOAL:.2f} of the kernel's goodput with Reno and CUBIC: met in {len(judged) - missed} of "
            f"{len(judged)} cells" + (f", {len(results.errors)} transfers failed" if results.errors else ""))


def as_json(results, cells, facts):
    return {"about": facts, "cells": [s for s in map(results.summary, cells) if s is not None],
            "errors": [{"controller": c.controller, "rtt_ms": c.rtt_ms, "loss_percent": c.loss, "seed": seed,
                        "sender": sender, "why": why} for c, seed, sender, why in results.errors],
            "runs": [{"controller": c.controller, "rtt_ms": c.rtt_ms, "loss_percent": c.loss, "seed": seed, **both}
                     for (c, seed), both in results.runs.items()]}


COLOURS = {"tcpco": "#1f6feb", "kernel": "#4c9a5b"}


def plot(results, cells):
    """Goodput over loss, a panel for each round trip and controller: medians, and a line for each interval."""
    summaries = [s for s in map(results.summary, cells) if s is not None]
    losses = sorted({s["loss_percent"] for s in summaries})
    rows = sorted({s["rtt_ms"] for s in summaries})
    columns = list(dict.fromkeys(s["controller"] for s in summaries))
    wide, high, left, top = 240, 150, 46, 34
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + len(columns) * wide + 10}" '
           f'height="{top + len(rows) * (high + 46)}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="#fff"/>']
    for i, sender in enumerate(SENDERS):
        out.append(f'<rect x="{left + 90 * i}" y="6" width="12" height="12" fill="{COLOURS[sender]}"/>'
                   f'<text x="{left + 90 * i + 16}" y="16">{sender}</text>')
    out.append(f'<text x="{left + 190}" y="16">goodput in Mbit/s over loss in percent; medians, 95 % intervals</text>')
    for s in summaries:
        x0, y0 = left + columns.index(s["controller"]) * wide, top + rows.index(s["rtt_ms"]) * (high + 46)
        ceiling = max(q[x]["high"] for q in summaries if q["rtt_ms"] == s["rtt_ms"] for x in SENDERS) or 1.0
        if s["loss_percent"] == losses[0]:
            out.append(f'<text x="{x0}" y="{y0 + 10}" font-weight="bold">{s["controller"]}, {s["rtt_ms"]:g} ms</text>'
                       f'<path d="M{x0} {y0 + 16}V{y0 + 16 + high}H{x0 + wide - 30}" stroke="#888" fill="none"/>'
                       f'<text x="{x0 - 4}" y="{y0 + 24}" text-anchor="end">{ceiling:.0f}</text>'
                       f'<text x="{x0 - 4}" y="{y0 + 16 + high}" text-anchor="end">0</text>')
        middle = x0 + (losses.index(s["loss_percent"]) + 0.5) * (wide - 30) / len(losses)
        out.append(f'<text x="{middle:.0f}" y="{y0 + high + 29}" text-anchor="middle">{s["loss_percent"]:g}</text>')
        for i, sender in enumerate(SENDERS):
            f, x = s[sender], middle - 13 + 14 * i
            median, low, up = (y0 + 16 + high * (1 - f[k] / ceiling) for k in ("median", "low", "high"))
            out.append(f'<rect x="{x:.1f}" y="{median:.1f}" width="12" height="{y0 + 16 + high - median:.1f}" '
                       f'fill="{COLOURS[sender]}" opacity="0.8"/>'
                       f'<path d="M{x + 6:.1f} {low:.1f}V{up:.1f}" stroke="#222"/>')
    return "\n".join(out) + "\n</svg>\n"


# --- the program ------------------------------------------------------------------------------------------------------

def numbers(text):
    return [float(x) for x in text.split(",")]


def parse(argv):
    p = argparse.ArgumentParser(prog="bench/run recovery", description=DESCRIPTION, epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="5 seeds, losses 0, 1, 10 %%, one round trip, Reno and CUBIC")
    p.add_argument("--seeds", type=int, metavar="N", help="seeds of each cell (default 30; 5 with --quick)")
    p.add_argument("--loss", type=numbers, metavar="P,...", help="percent of data segments (default 0,0.1,1,3,10)")
    p.add_argument("--rtt", type=numbers, metavar="MS,...", help="round trips without queueing (default 40,80)")
    p.add_argument("--controllers", metavar="C,...", help="of reno, cubic, bbr (default all)")
    p.add_argument("--rate", type=float, metavar="MBIT", default=20, help="of the bottleneck (default 20)")
    p.add_argument("--queue", type=float, metavar="X", default=1.0,
                   help="before the bottleneck, in products of rate and round trip (default 1)")
    p.add_argument("--octets", type=int, metavar="N", help="of each transfer (default: by loss, 0.3 to 6 million)")
    p.add_argument("--limit", type=float, metavar="S", default=90, help="of each transfer (default 90 s)")
    p.add_argument("--parallel", type=int, metavar="N", default=8, help="transfers at a time (default 8)")
    p.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    p.add_argument("--plot", metavar="FILE", help="write the goodputs as SVG")
    p.add_argument("--check", action="store_true", help="exit with 1 when a cell is below the goal or a transfer failed, "
                                                        "with 2 when nothing could be measured")
    p.add_argument("--no-build", action="store_true", help="take the programs as they are in --programs")
    p.add_argument("--programs", metavar="DIR", help="where the programs are (default: build/bench/bench)")
    p.add_argument("--smoke", action="store_true", help="one short transfer of each: exits with 1 unless both are "
                                                        "complete, with 77 when no TAP can be had")
    p.add_argument("--self-test", action="store_true", help="test the reckoning of this program, measure nothing")
    chosen = p.parse_args(argv)
    if chosen.smoke:
        chosen.seeds, chosen.loss, chosen.rtt, chosen.controllers = 1, [3.0], [10.0], "cubic"
        chosen.octets, chosen.limit = 300_000, 20
    chosen.loss = chosen.loss or ([0.0, 1.0, 10.0] if chosen.quick else list(LOSSES))
    chosen.rtt = chosen.rtt or ([40.0] if chosen.quick else [40.0, 80.0])
    chosen.seeds = chosen.seeds if chosen.seeds is not None else 5 if chosen.quick else 30
    chosen.controllers = (chosen.controllers or ("reno,cubic" if chosen.quick else "reno,cubic,bbr")).split(",")
    if not set(chosen.controllers) <= {"reno", "cubic", "bbr"}:
        p.error("--controllers are reno, cubic and bbr")
    if not all(0 <= x <= 100 for x in chosen.loss) or not all(0 < x <= 10_000 for x in chosen.rtt):
        p.error("--loss is in percent, --rtt in milliseconds")
    if min(chosen.seeds, chosen.rate, chosen.queue, chosen.limit, chosen.parallel) <= 0:
        p.error("numbers are positive")
    if chosen.octets is not None and chosen.octets <= 0:
        p.error("--octets is positive")
    return chosen


def without_controller(chosen, transfers):
    """{controller: why}: those that the kernel does not have. Asked by doing: its list shows modules only once loaded,
    and what is not on it may still be allowed to whoever owns the namespace."""
    absent = {}
    for controller in chosen.controllers:
        process = transfers.start(Cell(controller, 1.0, 0.0), 1, "kernel")
        try:
            process.wait(transfers.chosen.limit + 20)
        except subprocess.TimeoutExpired:
            process.kill()
        answer = transfers.answer(process)
        if "error" in answer:
            absent[controller] = answer["error"]
    return absent


def status_of(chosen, results, cells):
    if chosen.smoke:
        return 0 if len(results.runs) == len(cells) * chosen.seeds and not results.errors else 1
    if not chosen.check:
        return 0
    judged = [s["met"] for s in map(results.summary, cells) if s is not None and s["met"] is not None]
    if not judged:
        return 2
    return 1 if False in judged or results.errors else 0


def report(chosen, results, cells, absent):
    facts = {**about(argparse.Namespace(rounds=chosen.seeds, seconds=chosen.limit)), "rate_mbit": chosen.rate,
             "queue_products": chosen.queue, "parallel": chosen.parallel}
    print(f"{facts['cpu']}, Linux {facts['kernel']}; bottleneck {chosen.rate:g} Mbit/s, queue of {chosen.queue:g} times "
          f"rate x round trip; {chosen.seeds} seeds")
    print(table(results, cells))
    for controller, why in absent.items():
        print(f"{controller} was not measured: {why}")
    print(verdict(results, cells))
    if chosen.json:
        pathlib.Path(chosen.json).write_text(json.dumps(as_json(results, cells, facts), indent=1) + "\n")
    if chosen.plot:
        pathlib.Path(chosen.plot).write_text(plot(results, cells), encoding="utf-8")


def main(argv):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    chosen = parse(argv)
    if chosen.self_test:
        import recovery_self_test
        return recovery_self_test.main_of_tests()
    root = pathlib.Path(__file__).resolve().parents[2]
    programs = (pathlib.Path(chosen.programs) if chosen.programs else root / "build" / "bench" / "bench").resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's `&` would have us ignore it
    results, cells, absent, interrupted = Results(), [], {}, False
    try:
        if why := measure.why_no_namespace(programs / "tcpco_bench_probe_tap"):
            print(f"bench/run recovery: nothing was measured: {why}", file=sys.stderr)
            return 77 if chosen.smoke else 2
        probe = Transfers(argparse.Namespace(**{**vars(chosen), "octets": 1000, "limit": 10}),
                          programs / "tcpco_bench_path_transfer")
        absent = without_controller(chosen, probe) if not chosen.smoke else {}
        cells = [Cell(c, rtt, loss) for c in chosen.controllers if c not in absent for rtt in chosen.rtt
                 for loss in chosen.loss]
        # Seeds outermost: whoever interrupts has a table of the seeds that are through.
        work = [(cell, seed) for seed in range(1, chosen.seeds + 1) for cell in cells]
        Progress.guess = {cell: 6.0 / chosen.parallel for cell in cells}
        progress = Progress({cell: 2 * chosen.seeds for cell in cells})
        try:
            Transfers(chosen, programs / "tcpco_bench_path_transfer").run(work, results, progress)
        finally:
            progress.end()
    except KeyboardInterrupt:
        print("\nbench/run recovery: interrupted; what was measured until then:", file=sys.stderr)
        interrupted = True
    finally:
        measure.stop_all()
    report(chosen, results, cells, absent)
    return 130 if interrupted else status_of(chosen, results, cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
