"""bench/run's measuring part: see --help. The bash script beside this folder has built the programs."""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import flame
import lwip
import measure
import program_rows
import report
from rows import CANDIDATES, CLIENT_FOR, ENTRIES, MEMORY_PROGRAMS, MEMORY_ROWS, QUICK_CANDIDATES, TAP_ROWS, Results

DESCRIPTION = """\
Measures tcpco beside its limit and its peers, in turn, on this machine:

  bare TAP          programs that answer TCP just enough and are no stack, at their best settings: the limit
  tcpco             the coroutine server behind the same TAP
  lwIP, built       Debian's source package with options of ours (1 MB window, scaling, SACK), one thread
  lwIP, as shipped  Debian's liblwip through its own tapif
  kernel, veth      Linux's TCP with epoll behind a veth

In memory, where both ends are in one process and on one thread:

  bare work         the copies and checksums that nobody can leave out, over as much memory and in the same order
  lwIP, built       two of it with the same options, and a wire that copies each frame once
  lwIP, loopback    one of it, to itself through its loopback interface

The client is the kernel's TCP (Reno) each time. Stack and client run on cpus 0 and 1, or both on 0 where a row says
"one cpu". Each measurement is made in a network and process namespace of its own, which ends with it; nothing is
installed but build tools, and nothing outside of the namespaces is touched. lwIP is fetched into build/peers. Where
there is no network, or no TAP, the table says so and the rest goes on.

Each row's programs run in turn, several rounds; the ratios are medians over rounds."""

EPILOG = """\
examples:
  bench/run                              everything: some 15 minutes
  bench/run --quick                      a first idea, below 3 minutes
  bench/run --rows 'ping|connect'        some rows
  bench/run --json out.json --html out   for machines, and for a browser (out/index.html)
  bench/run --list                       the rows and the targets
  bench/run recovery --help              something else: tcpco and the kernel as senders over a path that loses segments

In the table, "tcpco is 0.93 x" says that tcpco's figure is 0.93 times that entry's; "cpu s/GB" is processor time per
gigabyte, the stack's side (with what the kernel does within its system calls) and the client's."""


def can_be_written(path, makes_folders=False):
    folder = path.parent
    while makes_folders and not folder.exists():
        folder = folder.parent
    return not path.is_dir() and folder.is_dir() and os.access(path if path.exists() else folder, os.W_OK)


def page_of(html):
    page = pathlib.Path(html)
    return page if page.suffix == ".html" else page / "index.html"


def parse(argv):
    # Not abbreviated: the bash script looks at the arguments, too.
    p = argparse.ArgumentParser(prog="bench/run", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="3 short rounds, few settings tried, lwIP as we build it alone: below 3 minutes")
    p.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    p.add_argument("--html", metavar="PATH", help="write a page with plots: a file .html, or a directory for index.html")
    p.add_argument("--flame", metavar="DIR", help="instead of measuring, write a flame graph of tcpco for each row "
                                                  "(wants perf)")
    p.add_argument("--check", action="store_true", help="exit with 1 when a target is missed, with 2 when none could be "
                                                        "measured")
    p.add_argument("--rows", metavar="REGEX", default="", help="only rows whose name (see --list) matches")
    p.add_argument("--rounds", type=int, metavar="N", help="rounds of each row (default 5; 3 with --quick)")
    p.add_argument("--seconds", type=float, metavar="S", help="of each measurement (default 2; 0.2 with --quick)")
    p.add_argument("--no-lwip", action="store_true", help="neither fetch nor measure lwIP")
    p.add_argument("--list", action="store_true", help="list rows and targets, measure nothing")
    p.add_argument("--no-build", action="store_true", help="take the programs as they are in --programs")
    p.add_argument("--programs", metavar="DIR", help="where the programs are (default: build/bench/bench)")
    p.add_argument("--smoke", action="store_true", help="one short round of a few rows: exits with 1 when a figure is "
                                                        "missing, with 77 when no TAP can be had")
    p.add_argument("--self-test", action="store_true", help="test the reckoning of this program, measure nothing")
    chosen = p.parse_args(argv)
    if chosen.rounds is not None and chosen.rounds < 1 or chosen.seconds is not None and chosen.seconds <= 0:
        p.error("--rounds and --seconds are positive")
    try:
        re.compile(chosen.rows)
    except re.error as e:
        p.error(f"--rows: {e}")
    if not any(re.search(chosen.rows, name) for name, *_ in report.all_rows()):
        p.error(f"--rows: no row's name has '{chosen.rows}' in it; --list says which there are")
    if chosen.json and not can_be_written(pathlib.Path(chosen.json).absolute()):
        p.error(f"--json: {chosen.json} cannot be written")  # now, and not when all has been measured
    if chosen.html and not can_be_written(page_of(chosen.html).absolute(), makes_folders=True):
        p.error(f"--html: {page_of(chosen.html)} cannot be written")
    if chosen.smoke:
        chosen.quick = chosen.no_lwip = True
        chosen.rounds, chosen.seconds, chosen.rows = 1, 0.1, "receive_offload|send_plain|ping_one_cpu|connect_32"
    chosen.rounds = chosen.rounds or (3 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (0.2 if chosen.quick else 2.0)
    return chosen


class Progress:
    """One line that says what runs and how long it will take; plain lines where nobody watches."""

    def __init__(self, steps):
        self.began = time.monotonic()
        self.left = dict(steps)  # kind -> steps still to come
        self.spent = {}          # kind -> (seconds, steps)
        self.live = sys.stderr.isatty()
        self.shown = 0.0

    def remaining(self):
        total = 0.0
        for kind, steps in self.left.items():
            seconds, done = self.spent.get(kind, (0.0, 0))
            total += steps * (seconds / done if done else self.guess.get(kind, 1.0))
        return total

    guess = {}

    def say(self, what):
        now = time.monotonic()
        if not self.live and now - self.shown < 10:
            return
        self.shown = now
        line = f"== {now - self.began:4.0f} s  {what}; some {self.remaining():.0f} s left"
        print(f"\r\033[K{line[:118]}" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def step(self, kind, seconds):
        self.left[kind] = self.left.get(kind, 1) - 1
        before, done = self.spent.get(kind, (0.0, 0))
        self.spent[kind] = (before + seconds, done + 1)

    def end(self):
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, chosen, root, programs):
        self.chosen, self.root, self.programs = chosen, root, programs
        self.results = Results()
        self.absent = {}  # entry, or part -> why it was not measured
        self.best = {}    # (row, entry) -> settings
        self.lwip = {}
        pattern = re.compile(chosen.rows)
        self.tap_rows = [r for r in TAP_ROWS if pattern.search(r.name)]
        self.memory_rows = [r for r in MEMORY_ROWS if pattern.search(r.name)]
        self.jobs, self.misses_jobs = program_rows.chosen_jobs(pattern)
        self.titles = {name: title for name, title, _, _ in report.all_rows()}
        self.on_ack = [n for n in ("reno", "cubic", "bbr") if pattern.search("on_ack_" + n)]
        self.build = not chosen.quick and any(pattern.search(name) for name, *_ in report.BUILD_ROWS)

    # --- TAP and veth ---------------------------------------------------------------------------------------------

    def candidates(self, row):
        return (QUICK_CANDIDATES if self.chosen.quick else CANDIDATES)[row.name] if row.tuned else {}

    def plan(self, row, entry, seconds, extra=""):
        program = {"raw": "tcpco_bench_raw_tap", "raw_alone": "tcpco_bench_raw_tap", "kernel": "tcpco_bench_kernel_server",
                   **dict.fromkeys(("tcpco", "alone", "plain"), "tcpco_bench_tcpco_server"), **row.servers}.get(entry)
        server = [str(self.programs / program) if program else str(self.lwip[entry])]
        if entry in ("raw", "raw_alone", "tcpco", "alone", "plain"):
            settings = row.settings.get(entry, []) + extra.split()
            server += [f"offload={int(row.offload)}", *dict((s.split("=")[0], s) for s in settings).values()]
        if row.busy and entry != "lwip_shipped":
            server.append("busy=1")
        more = CLIENT_FOR.get(entry, []) if row.client[0] in ("work=send", "work=receive") else []
        client = [str(self.programs / row.clients.get(entry, "tcpco_bench_kernel_client")), *row.client, *more,
                  *row.client_for.get(entry, []), f"seconds={seconds}", f"warmup={min(0.3, seconds / 3)}"]
        return {"server": server, "client": client, "server_cpu": 0, "client_cpu": 0 if row.one_cpu else 1,
                "veth": entry == "kernel", "offloads": row.offload, "timeout": seconds + 20}

    def measure(self, progress, row, entry, seconds, extra="", kind="run"):
        progress.say(f"{row.title}: {ENTRIES[entry]}")
        began = time.monotonic()
        if entry in row.lone:
            result = measure.run_lone([str(self.programs / row.lone[entry]), f"seconds={seconds}"], cpu=0)
        else:
            result = measure.run(self.plan(row, entry, seconds, extra))
        progress.step(kind, time.monotonic() - began)
        return result

    def find_best(self, progress, row):
        """Tries each candidate for a moment and keeps the best."""
        acks = []
        for entry in ("tcpco", "raw"):
            tried = self.candidates(row).get(entry, [])
            if entry == "raw" and row.match_acks and acks:
                tried = [f"every={max(1, round(acks[0]))} {extra}" for extra in tried]
            scores = []
            for extra in tried if len(tried) > 1 or (row.match_acks and entry == "tcpco") else []:
                result = self.measure(progress, row, entry, min(0.5, self.chosen.seconds), extra, "try")
                if "error" not in result:
                    scores.append((row.value(result), extra, result.get("segments_per_ack")))
            if scores:
                _, self.best[row.name, entry], per_ack = max(scores)
                acks += [per_ack] if entry == "tcpco" else []
            elif len(tried) == 1:
                self.best[row.name, entry] = tried[0]

    def run_row(self, progress, row):
        entries = [e for e in row.entries if e not in self.absent]
        for _ in range(self.chosen.rounds):
            for entry in entries:
                extra = self.best.get((row.name, entry), "")
                result = self.measure(progress, row, entry, self.chosen.seconds, extra)
                figures = self.results.figures(row.name, entry)
                figures.settings = " ".join(row.settings.get(entry, []) + extra.split())
                if "error" in result:
                    figures.fail(result["error"])
                else:
                    figures.add(row, result)

    def steps(self):
        runs = sum(len([e for e in r.entries if e not in self.absent]) for r in self.tap_rows) * self.chosen.rounds
        tries = sum(len(t) for r in self.tap_rows for t in self.candidates(r).values() if len(t) > 1)
        Progress.guess = {"run": self.chosen.seconds * 1.2 + 0.4, "try": min(0.5, self.chosen.seconds) * 1.3 + 0.4,
                          "memory": 1.0, "program": 4.0, "misses": 6.0, "on_ack": 3.0, "build": 12.0}
        in_memory = sum(1 + len(r.others) for r in self.memory_rows) * self.chosen.rounds
        return {"run": runs, "try": tries, "memory": in_memory, "program": len(self.jobs),
                "misses": len(self.misses_jobs),
                "on_ack": int(bool(self.on_ack)), "build": 2 * min(3, self.chosen.rounds) * int(self.build)}

    def run(self):
        if self.tap_rows and (why := measure.why_no_namespace(self.programs / "tcpco_bench_probe_tap")):
            self.absent["TAP and veth"] = why
            self.tap_rows = []
        if self.tap_rows or self.memory_rows:
            self.get_lwip()
        progress = Progress(self.steps())
        try:
            for row in self.tap_rows:
                self.find_best(progress, row)
                self.run_row(progress, row)
            self.run_memory(progress)
            program_rows.run(self, progress, self.jobs, self.misses_jobs)
            self.run_on_ack(progress)
            if self.build:
                self.run_build(progress)
        finally:
            progress.end()

    def get_lwip(self):
        wanted = (["lwip"] if self.tap_rows else []) + (["lwip_memory"] if self.memory_rows else [])
        wanted += ["lwip_shipped"] if self.tap_rows and not self.chosen.quick else []
        if self.chosen.no_lwip:
            self.lwip = dict.fromkeys(wanted, "--no-lwip")
        else:
            print("== fetching and building lwIP", file=sys.stderr, flush=True)
            self.lwip = lwip.build(self.root, self.root / "build" / "peers", os.cpu_count() or 1, wanted)
        for entry, made in self.lwip.items():
            if not isinstance(made, pathlib.Path):
                self.absent["lwIP in memory" if entry == "lwip_memory" else entry] = str(made)
        if self.tap_rows and self.chosen.quick:
            self.absent["lwip_shipped"] = "not with --quick: the slowest of all, and no target is about it"

    # --- in memory ------------------------------------------------------------------------------------------------

    def run_memory(self, progress):
        for row in list(self.memory_rows):
            if not (self.programs / ("tcpco_bench_" + row.program)).exists():
                self.absent[row.title] = "Google Benchmark is missing (Debian: libbenchmark-dev)"
                self.memory_rows.remove(row)
        for _ in range(self.chosen.rounds):
            for row in self.memory_rows:
                progress.say(row.title)
                for entry in ("tcpco", *row.others):
                    began = time.monotonic()
                    self.measure_in_memory(row, entry)
                    progress.step("memory", time.monotonic() - began)

    def measure_in_memory(self, row, entry):
        seconds = min(0.5, self.chosen.seconds / 2)
        if entry == "tcpco":
            figures = self.results.figures(row.name, entry)
            result = measure.run_lone([
                str(self.programs / ("tcpco_bench_" + row.program)), f"--benchmark_filter=^{row.benchmark}$",
                "--benchmark_format=json", f"--benchmark_min_time={seconds}"], cpu=0)
            ran = result.get("benchmarks", [{"error_occurred": True, "error_message": result.get("error", "it failed")}])
            for b in ran:
                if b.get("error_occurred"):
                    figures.fail(b.get("error_message", "it failed"))
                else:
                    figures.values.append(row.value(b))
            return
        program = MEMORY_PROGRAMS[entry]
        path = self.lwip.get(program) if program.startswith("lwip") else self.programs / program
        if not isinstance(path, pathlib.Path):
            return  # absent says why
        result = measure.run_lone([str(path), *row.others[entry], f"row={row.name}", f"seconds={seconds}"], cpu=0)
        figures = self.results.figures(row.name, entry)
        if "error" in result:
            figures.fail(result["error"])
        else:
            figures.values += result[row.name].values()

    def run_on_ack(self, progress):
        """Instructions of one call: the difference of two lengths, less that of a controller that does nothing."""
        if not self.on_ack:
            return
        if not shutil.which("valgrind"):
            self.absent["on_ack in instructions"] = "valgrind is missing (Debian: valgrind)"
            return
        progress.say("on_ack under callgrind")
        began = time.monotonic()
        names = ["none", *self.on_ack]
        lengths = (50_000, 150_000)
        counted = measure.run_counted([
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
             str(self.programs / "tcpco_bench_on_ack_calls"), "controller=" + name, f"acks={n}"]
            for name in names for n in lengths], r"Collected *: *(\d+)")
        if None in counted:
            self.absent["on_ack in instructions"] = "callgrind failed"
            return
        per_call = {name: (many - few) / (lengths[1] - lengths[0])
                    for name, few, many in zip(names, counted[::2], counted[1::2])}
        progress.step("on_ack", time.monotonic() - began)
        for name in self.on_ack:
            self.results.figures("on_ack_" + name, "tcpco").values.append(per_call[name] - per_call["none"])

    # --- what it costs to compile ---------------------------------------------------------------------------------

    def run_build(self, progress):
        """Each compiler in turn; their rows differ in the ending of the name."""
        compilers = {"": os.environ.get("CXX", "g++"), "_clang": next(
            (c for c in ("clang++", "clang++-19") if shutil.which(c) and self.compiles(c)), None)}
        if compilers["_clang"] is None:
            self.absent["building with clang"] = "there is no clang 16 or newer"
            del compilers["_clang"]
        with tempfile.TemporaryDirectory() as scratch:
            for _ in range(min(3, self.chosen.rounds)):
                for ending, compiler in compilers.items():
                    progress.say(f"building the echo example with {compiler}")
                    began = time.monotonic()
                    self.build_once(compiler, ending, pathlib.Path(scratch))
                    progress.step("build", time.monotonic() - began)

    @staticmethod
    def compiles(compiler):
        done = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-x", "c++", "-"], input="#if __clang_major__ < 16\n"
                              "#error too old: it knows less of C++20\n#endif\n", capture_output=True, text=True)
        return done.returncode == 0

    def build_once(self, compiler, ending, scratch):
        include = scratch / "include.cpp"
        include.write_text('#include "tcpco/tcpco.hpp"\n')
        for row, arguments in (("build_seconds", ["-O2", str(self.root / "examples/echo_server.cpp")]),
                               ("include_seconds", ["-fsyntax-only", str(include)])):
            at = time.monotonic()
            status, peak = measure.call_and_weigh([compiler, "-std=c++20", f"-I{self.root / 'include'}", "-c",
                                                   *arguments, "-o", f"{scratch}/out.o"])
            took = time.monotonic() - at
            figures = self.results.figures(row + ending, "tcpco")
            if status != 0:
                figures.errors.append(compiler + " failed")
                continue
            figures.values.append(took)
            if row == "build_seconds":
                self.results.figures("build_memory" + ending, "tcpco").values.append(peak / 2**30)


def draw_flames(bench, directory):
    """One profile of tcpco for each row, with a build that keeps frame pointers."""
    directory.mkdir(parents=True, exist_ok=True)
    status = 0
    for row in bench.tap_rows:
        with tempfile.TemporaryDirectory() as scratch:
            plan = bench.plan(row, "tcpco", max(bench.chosen.seconds, 1.0))
            plan["server"][0] = str(bench.root / "build/flame/bench" / pathlib.Path(plan["server"][0]).name)
            plan["perf"] = f"{scratch}/perf.data"
            result = measure.run(plan)
            counted = flame.stacks(plan["perf"]) if "error" not in result else {}
        if not counted:
            print(f"{row.name}: no samples: {result.get('error', 'perf gave none')}", file=sys.stderr)
            status = 1
            continue
        path = directory / f"{row.name}.svg"
        path.write_text(flame.svg(counted, f"tcpco: {row.title}"), encoding="utf-8")
        print(path)
    return status


def about(chosen):
    model = "unknown"
    try:
        found = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
        model = found.group(1) if found else model
    except OSError:
        pass
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(), "rounds": chosen.rounds,
            "seconds of each": chosen.seconds, "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}


def list_rows():
    for name, title, unit, _ in report.all_rows():
        print(f"{name:20} {title}  [{unit}]")
        for t in report.ALL_TARGETS:
            if t.row == name:
                print(f"{'':20}   target: {t.text}")


def exit_status(chosen, results):
    if not chosen.check:
        return 0
    verdicts = [met for _, met, _ in report.judgements(results)]
    if all(met is None for met in verdicts):
        return 2
    return 1 if False in verdicts else 0


def smoke_status(bench):
    if "TAP and veth" in bench.absent:
        return 77
    complete = [bench.results.values(r.name, e) for r in bench.tap_rows for e in r.entries if e not in bench.absent]
    return 0 if complete and all(complete) else 1


def main(argv):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    chosen = parse(argv)
    if chosen.self_test:
        import self_test
        return self_test.main_of_tests()
    if chosen.list:
        list_rows()
        return 0
    root = pathlib.Path(__file__).resolve().parents[2]
    programs = pathlib.Path(chosen.programs) if chosen.programs else root / "build" / "bench" / "bench"
    bench = Bench(chosen, root, programs.resolve())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell's `&` would have us ignore it
    short = measure.why_kernel_is_short_of_memory()
    try:
        if chosen.flame:
            return draw_flames(bench, pathlib.Path(chosen.flame))
        bench.run()
    except KeyboardInterrupt:
        print("\nbench/run: interrupted", file=sys.stderr)
        return 130
    finally:
        measure.stop_all()
    facts = about(chosen)
    if facts["cpus"] < 2:
        bench.absent["two cpus"] = "there is one: rows for two ran on one"
    if short := short or measure.why_kernel_is_short_of_memory():
        bench.absent["the kernel's TCP at its usual speed"] = short
    print(report.table(bench.results, bench.absent))
    if chosen.smoke:
        return smoke_status(bench)
    print(report.verdicts(bench.results, lambda target: re.search(chosen.rows, target.row)))
    if chosen.json:
        report.write_json(chosen.json, bench.results, bench.absent, facts)
    if chosen.html:
        page = page_of(chosen.html)
        page.parent.mkdir(parents=True, exist_ok=True)
        report.write_html(page, bench.results, bench.absent, facts)
    return exit_status(chosen, bench.results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
