"""Rows of programs that need no device: idle connections, timers, demultiplexing, coroutines, two cores.

Each program prints {"row": {"entry": value}} and measures its entries in turn; one run is one round. Cache misses come
from valgrind's cachegrind, which simulates the caches and so gives the same everywhere: 32 KiB of first level and 1 MiB
of last, lines of 64 octets. They are the difference of two lengths, so that what is built before does not count."""
import dataclasses
import json
import os
import shutil
import subprocess
import time

import measure
from rows import Target, absolute, over, ratio


@dataclasses.dataclass
class ProgramRow:
    name: str
    title: str
    unit: str
    higher_is_better: bool = False


@dataclasses.dataclass
class Job:
    """A program, and the rows that it fills."""
    program: str
    rows: tuple
    arguments: list
    quick: list = None           # arguments with --quick, where they differ
    rounds_when_quick: int = 0   # 0: as many as of everything
    pinned: bool = True          # to one cpu


@dataclasses.dataclass
class MissesJob:
    program: str
    row: str
    arguments: list
    count: str         # the argument that says how many operations
    few: int = 50_000  # and three times as many


PROGRAM_ROWS = [
    ProgramRow("idle_memory", "a million idle connections with their coroutines: memory of each", "octets"),
    ProgramRow("idle_active", "64 octets and their echo, beside a million idle connections", "ns"),
    ProgramRow("syn_received_record", "a connection in SYN-RECEIVED (IPv4)", "octets"),
    ProgramRow("time_wait_record", "a connection in TIME-WAIT", "octets"),
    ProgramRow("timers_1k", "1,000 timers, moved", "ns"),
    ProgramRow("timers_32k", "32,000 timers, moved", "ns"),
    ProgramRow("timers", "1,000,000 timers, moved", "ns"),
    ProgramRow("timer_misses", "1,000,000 timers, moved: missing cache lines (simulated)", "lines"),
    ProgramRow("timer_misses_lazy", "the same, to later times only: the connection's line is one", "lines"),
    ProgramRow("demultiplex_1k", "which of 1,000 connections", "ns"),
    ProgramRow("demultiplex", "which of 1,000,000 connections", "ns"),
    ProgramRow("demultiplex_misses_half", "which of 500,000 connections: missing cache lines (simulated)", "lines"),
    ProgramRow("demultiplex_misses", "which of 1,000,000 connections: missing cache lines (simulated)", "lines"),
    ProgramRow("ready_read", "a coroutine's read of 64 octets that completes at once", "ns"),
    ProgramRow("ready_write", "a coroutine's write of 64 octets that completes at once", "ns"),
    ProgramRow("ready_allocations", "allocations of all those reads and writes", ""),
    ProgramRow("two_cores", "64-octet requests in memory, stacks on two cores", "M/s", True),
    ProgramRow("two_shards", "the same, with reactor, steering and coroutines: two shards", "M/s", True),
]

JOBS = [
    Job("idle_connections", ("idle_memory", "idle_active", "syn_received_record", "time_wait_record"), [],
        rounds_when_quick=1),
    Job("timers", ("timers_1k",), ["row=timers_1k", "n=1000", "moves=2000000"]),
    Job("timers", ("timers_32k",), ["row=timers_32k", "n=32000", "moves=2000000"]),
    Job("timers", ("timers",), ["row=timers", "n=1000000", "moves=4000000"],
        ["row=timers", "n=1000000", "moves=1000000"], rounds_when_quick=1),
    Job("demultiplex", ("demultiplex_1k",), ["row=demultiplex_1k", "n=1000", "lookups=4000000"]),
    Job("demultiplex", ("demultiplex",), ["row=demultiplex", "n=1000000", "lookups=4000000"],
        ["row=demultiplex", "n=1000000", "lookups=1000000"], rounds_when_quick=1),
    Job("ready_calls", ("ready_read", "ready_write", "ready_allocations"), ["rounds=20000"], ["rounds=5000"]),
    Job("two_cores", ("two_cores",), ["seconds=1"], ["seconds=0.4"], pinned=False),
    Job("two_shards", ("two_shards",), ["seconds=1"], ["seconds=0.4"], pinned=False),
]

MISSES_JOBS = [
    MissesJob("timers", "timer_misses", ["only=wheel", "n=1000000", "warm=2000000"], "moves"),
    MissesJob("timers", "timer_misses_lazy", ["only=wheel", "n=1000000", "warm=2000000", "earlier=0"], "moves"),
    # Half as many, not fewer: of a table for 250,000 a quarter lies within the last level, which would be what is compared.
    MissesJob("demultiplex", "demultiplex_misses_half", ["only=table", "n=500000"], "lookups"),
    MissesJob("demultiplex", "demultiplex_misses", ["only=table", "n=1000000"], "lookups"),
]


def at_most(row, entry, limit, text):
    return Target(row, text, lambda r: r.ratio(row, "tcpco", entry), limit, at_least=False)


def growing_lead(results):
    """How much further ahead of the queue the wheel is with a million timers than with a thousand."""
    lead = [ratio(results.values(row, "priority_queue"), results.values(row, "tcpco")) for row in ("timers", "timers_1k")]
    return lead[0] / lead[1] if all(lead) else None


def flatness(results):
    return ratio(results.values("demultiplex_misses", "tcpco"), results.values("demultiplex_misses_half", "tcpco"))


PROGRAM_TARGETS = [
    absolute("idle_memory", "at most 1 GiB for a million: 1,073 octets", 2**30 / 1e6, False),
    at_most("idle_active", "alone", 1.1, "at most 1.1 x the same alone"),
    absolute("syn_received_record", "at most 64 octets", 64, False),
    absolute("time_wait_record", "at most 64 octets", 64, False),
    at_most("timers", "priority_queue", 1 / 3, "at most 1/3 x std::priority_queue"),
    Target("timers", "a lead over it that grows with n: at least 1 x that with 1,000", growing_lead, 1),
    absolute("timer_misses", "at most 3 lines", 3, False),
    absolute("demultiplex_misses", "at most 2 lines", 2, False),
    Target("demultiplex_misses", "flat: at most 1.1 x those of 500,000", flatness, 1.1, at_least=False),
    at_most("ready_read", "memcpy", 3, "at most 3 x memcpy of as many"),
    at_most("ready_write", "memcpy", 3, "at most 3 x memcpy of as many"),
    absolute("ready_allocations", "none", 0, False),
    over("two_cores", "alone", 1.9),
    over("two_shards", "alone", 1.9),
    over("two_shards", "apart", 0.9),
]


def chosen_jobs(pattern):
    return ([j for j in JOBS if any(pattern.search(r) for r in j.rows)],
            [j for j in MISSES_JOBS if pattern.search(j.row)])


def run_job(bench, job, seconds=300):
    rounds = bench.chosen.rounds
    arguments = job.arguments
    if bench.chosen.quick:
        rounds = min(rounds, job.rounds_when_quick or rounds)
        arguments = job.quick or arguments
    pin = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if job.pinned else []
    for _ in range(rounds):
        process = measure.start([*pin, str(bench.programs / ("tcpco_bench_" + job.program)), *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = measure.finish(process, seconds)
        except subprocess.TimeoutExpired:
            err = measure.LATE
        if process.returncode != 0:
            for row in job.rows:
                bench.results.figures(row, "tcpco").errors.append(err.strip() or "it failed")
            return
        for row, entries in json.loads(out).items():
            for entry, value in entries.items():
                bench.results.figures(row, entry).values.append(value)


def misses_command(bench, job, count):
    return ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--D1=32768,8,64", "--LL=1048576,16,64",
            "--cachegrind-out-file=/dev/null", str(bench.programs / ("tcpco_bench_" + job.program)), *job.arguments,
            f"{job.count}={count}"]


def run_misses(bench, progress, jobs):
    progress.say("missing cache lines (simulated)")
    began = time.monotonic()
    counted = measure.run_counted([misses_command(bench, j, j.few * n) for j in jobs for n in (1, 3)], r"LLd misses: *([\d,]+)")
    for job, few, many in zip(jobs, counted[::2], counted[1::2]):
        if few is None or many is None:
            bench.results.figures(job.row, "tcpco").errors.append("cachegrind failed")
        else:
            bench.results.figures(job.row, "tcpco").values.append((many - few) / (2 * job.few))
        progress.step("misses", (time.monotonic() - began) / len(jobs))


def run(bench, progress, jobs, misses_jobs):
    for job in jobs:
        progress.say(bench.titles[job.rows[0]])
        began = time.monotonic()
        run_job(bench, job)
        progress.step("program", time.monotonic() - began)
    if misses_jobs and not shutil.which("valgrind"):
        bench.absent["cache misses"] = "valgrind is missing (Debian: valgrind)"
        return
    if misses_jobs:
        run_misses(bench, progress, misses_jobs)
