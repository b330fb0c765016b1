"""bench/run --self-test: the reckoning, with figures whose answers are known."""
import collections
import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile

import main
import measure
import program_rows
import report
from program_rows import JOBS, MISSES_JOBS, PROGRAM_ROWS, PROGRAM_TARGETS
from rows import CANDIDATES, ENTRIES, MEMORY_PROGRAMS, MEMORY_ROWS, QUICK_CANDIDATES, TAP_ROWS, Results, jain, ratio


def check(good, what):
    if not good:
        raise AssertionError(what)


def exit_code(argv, program=main.main):
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            return program(argv)
        except SystemExit as e:
            return e.code


def filled(of_tcpco):
    """Results where each entry of each row measured 10 in every round, and tcpco `of_tcpco`."""
    results = Results()
    for row in TAP_ROWS:
        for entry in row.entries:
            f = results.figures(row.name, entry)
            value = of_tcpco(row) if entry == "tcpco" else 10.0
            f.values = [value] * 3
            f.also = {name: [value] * 3 for name in row.also}
    return results


def test_ratios():
    check(ratio([1, 2, 30], [2, 2, 10]) == 1, "the median of the rounds' ratios, not the ratio of the medians")
    check(ratio([], [1]) is None and ratio([1], [0]) is None, "nothing to divide")
    check(ratio([4, 9], [2]) == 2, "what has no partner does not count")
    check(jain({"each": [5, 5, 5, 5]}) == 1 and jain({"each": [1, 0, 0, 0]}) == 0.25, "Jain's index")


def test_failed_rounds():
    results = Results()
    for entry, values in (("tcpco", [4, None, 9]), ("raw", [2, 5, None]), ("lwip", [None, 5, 3])):
        f = results.figures("send_plain", entry)
        for v in values:
            f.fail("why") if v is None else f.values.append(v)
    check(results.ratio("send_plain", "tcpco", "raw") == 2, "a round that failed on one side counts for neither")
    check(results.ratio("send_plain", "tcpco", "lwip") == 3, "and those after it keep their partners")


def test_kernel_memory():
    sockets = "sockets: used 12\nTCP: inuse 1 orphan 640 tw 0 alloc 641 mem {}\nUDP: inuse 0 mem 0\n"
    limits = "287901\t383868\t575802\n"
    check(measure.why_kernel_is_short_of_memory(sockets.format(287900), limits) is None, "enough")
    check("298541" in measure.why_kernel_is_short_of_memory(sockets.format(298541), limits), "too much")


def test_targets():
    names = {name for name, *_ in report.all_rows()}
    check(all(t.row in names for t in report.ALL_TARGETS), "each target is of a row that there is")
    good = filled(lambda row: 100.0 if row.higher_is_better else 1.0)
    judged = [(t, met) for t, met, _ in report.judgements(good) if met is not None]
    missed = [t.text for t, met in judged if not met and t.row != "shared_64"]
    check(judged and not missed, f"far better than the others misses nothing: {missed}")
    bad = filled(lambda row: 1.0 if row.higher_is_better else 100.0)
    check(not any(met for t, met, _ in report.judgements(bad) if t.row != "shared_64"), "far worse misses all")
    check(all(met is None for _, met, _ in report.judgements(Results())), "what was not measured is neither")


def test_exit_status():
    checked, free = main.parse(["--check"]), main.parse([])
    bad = filled(lambda row: 1.0 if row.higher_is_better else 100.0)
    one = Results()
    one.figures("memory_checksums", "tcpco").values = [120.0]
    check(main.exit_status(checked, bad) == 1 and main.exit_status(free, bad) == 0, "a miss is 1, with --check alone")
    check(main.exit_status(checked, one) == 0, "what is met is 0, whatever was left out")
    check(main.exit_status(checked, Results()) == 2, "nothing measured is no success")
    one.figures("ping_busy", "tcpco").errors.append("it did not start")
    check(main.exit_status(checked, one) == 1, "who fails in each round has missed what was asked of him")
    one.figures("ping_busy", "tcpco").values = [1.0]
    check(main.exit_status(checked, one) == 0, "who failed once has not, and what he is compared with was left out")


def test_arguments():
    check(main.parse(["--quick"]).rounds == 3 and main.parse([]).rounds == 5, "rounds")
    check(main.parse(["--quick", "--rounds", "7"]).rounds == 7, "a number given wins")
    for wrong in (["--rounds", "0"], ["--fla", "out"], ["--seconds", "-1"], ["--rows", "("], ["--rows", "no such row"], ["--nothing"],
                  ["--json", "/nowhere/out.json"], ["--json", "/"],
                  ["--html", "/dev/null/out"]):
        check(exit_code(wrong) == 2, f"{wrong} is refused")
    for name, *_ in report.all_rows():
        bench = main.Bench(main.parse(["--rows", f"^{name}$"]), pathlib.Path("/"), pathlib.Path("/programs"))
        check(bench.tap_rows or bench.memory_rows or bench.jobs or bench.misses_jobs or bench.on_ack or bench.build,
              f"--rows {name} measures something")
    check(exit_code(["--help"]) == 0 and exit_code(["--list"]) == 0, "--help and --list")


def test_rows():
    for row in TAP_ROWS:
        check(set(row.entries) <= set(ENTRIES), row.name)
        check(row.tuned == (row.name in CANDIDATES) == (row.name in QUICK_CANDIDATES), f"{row.name}: candidates")
    for row in MEMORY_ROWS:
        check(set(row.others) <= set(ENTRIES) & set(MEMORY_PROGRAMS), row.name)
    names = [name for name, *_ in report.all_rows()]
    check(len(set(names)) == len(names), "names are unique")
    filled_by_jobs = [name for j in JOBS for name in j.rows] + [j.row for j in MISSES_JOBS]
    check(sorted(filled_by_jobs) == sorted(r.name for r in PROGRAM_ROWS), "each row of a program has one job")


def test_program_targets():
    results = Results()
    for row, entry, values in (("timers", "tcpco", [20, 30]), ("timers", "priority_queue", [100, 90]),
                               ("timers_1k", "tcpco", [10, 10]), ("timers_1k", "priority_queue", [20, 20]),
                               ("demultiplex_misses", "tcpco", [2.5]), ("demultiplex_misses_half", "tcpco", [2.5])):
        results.figures(row, entry).values = values
    judged = {t.text: (met, value) for t, met, value in report.judgements(results) if t in PROGRAM_TARGETS}
    check(judged["at most 1/3 x std::priority_queue"] == (True, (0.2 + 1 / 3) / 2), judged)
    check(judged["a lead over it that grows with n: at least 1 x that with 1,000"] == (True, 2), judged)
    check(judged["at most 2 lines"] == (False, 2.5) and judged["flat: at most 1.1 x those of 500,000"][0], judged)


def test_beside_loopback():
    results = Results()
    for row, entry, values in (("memory_checksums", "tcpco", [100, 120]), ("memory_checksums", "lwip_loopback", [1000, 1000]),
                               ("memory_offload", "tcpco", [80, 80])):
        results.figures(row, entry).values = values
    judged = {(t.row, t.text): (met, value) for t, met, value in report.judgements(results)}
    beside = "x lwIP's loopback with checksums"
    check(judged["memory_checksums", "at most 0.11 " + beside] == (True, 0.11), judged)
    check(judged["memory_offload", "at most 0.073 " + beside] == (False, 0.08), "the other row's loopback")


def test_counting():
    said = [["sh", "-c", f"echo Collected : 1,{n} >&2; exit {code}"] for n, code in ((234, 0), (567, 0), (890, 1))]
    check(measure.run_counted(said, r"Collected : ([\d,]+)") == [1234, 1567, None], "in order, whoever ends first")
    check(measure.run_counted([["true"]], "x(.)") == [None], "who says nothing")


def test_late():
    check(measure.run_counted([["sleep", "9"]], "x(.)", seconds=0.1) == [None], "who does not end is not counted")
    check(measure.run_lone([shutil.which("sleep"), "9"], 0, seconds=0.1) == {"error": measure.LATE}, "nor waited for")
    with tempfile.TemporaryDirectory() as scratch:
        program = pathlib.Path(scratch) / "tcpco_bench_idle_connections"
        program.write_text("#!/bin/sh\nexec sleep 9\n")
        program.chmod(0o700)
        bench = main.Bench(main.parse([]), pathlib.Path("/"), program.parent)
        job = next(j for j in JOBS if j.program == "idle_connections")
        program_rows.run_job(bench, job, seconds=0.1)
        check(bench.results.figures("idle_memory", "tcpco").errors == [measure.LATE], "nor a program with rows of its own")
    check(not measure.running, "and nothing of it stays")


def test_failed_rounds_in_memory():
    bench = main.Bench(main.parse([]), pathlib.Path("/"), pathlib.Path("/programs"))
    row = bench.memory_rows[0]
    other = next(e for e in row.others if not MEMORY_PROGRAMS[e].startswith("lwip"))
    really = measure.run_lone
    try:
        for fails in ((), ("tcpco",), (other,)):
            for entry in ("tcpco", other):
                said = {"benchmarks": [collections.defaultdict(lambda: 1.0, error_occurred=False)], row.name: {"x": 1.0}}
                measure.run_lone = lambda command, cpu, said={"error": "why"} if entry in fails else said: said
                bench.measure_in_memory(row, entry)
    finally:
        measure.run_lone = really
    rounds = [[v is None for v in bench.results.rounds(row.name, entry)] for entry in ("tcpco", other)]
    check(rounds == [[False, True, False], [False, False, True]], f"a round that failed keeps its place: {rounds}")


def test_plan():
    bench = main.Bench(main.parse([]), pathlib.Path("/"), pathlib.Path("/programs"))
    row = next(r for r in TAP_ROWS if r.name == "receive_plain")
    plan = bench.plan(row, "raw", 1, "every=9 slots=3")
    check(plan["server"].count("every=9") == 1 and "every=2" not in plan["server"], "what is tried replaces what is set")
    check(plan["client_cpu"] == 1 and not plan["veth"], "two cpus, no veth")
    one = bench.plan(next(r for r in TAP_ROWS if r.one_cpu), "kernel", 1)
    check(one["client_cpu"] == 0 and one["veth"] and not one["offloads"], "one cpu, behind a veth")


def test_reports():
    results = filled(lambda row: 8.0)
    results.figures("receive_offload", "raw").errors.append("an <error>")
    results.rows["send_offload"]["lwip"].values = []
    results.rows["send_offload"]["lwip"].errors = ["it did not start"]
    text = report.table(results, {"lwip_shipped": "no network"})
    check("0.80 x" in text and "it did not start" in text and "as shipped was not measured: no network" in text, text)
    check("MISSED" in report.verdicts(results) and "not measured" in report.verdicts(results), "verdicts")
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "out"
        report.write_json(path, results, {}, {"cpu": "x"})
        data = json.loads(path.read_text())
        check(data["rows"]["receive_offload"]["tcpco_to"]["raw"] == 0.8, "the JSON has the ratios")
        check(any(t["met"] is False for t in data["targets"]), "and the targets")
        report.write_html(path, results, {"lwip": "<none>"}, {"cpu": "x"})
        page = path.read_text()
        check(page.count("<svg") == len(TAP_ROWS) and "&lt;none&gt;" in page and "<none>" not in page, "the page")


def run_all(names):
    tests = [(name, f) for name, f in names.items() if name.startswith("test_")]
    for name, test in tests:
        try:
            test()
        except AssertionError as e:
            print(f"self-test: {name}: {e}", file=sys.stderr)
            return 1
    print(f"{len(tests)} self-tests passed")
    return 0


def main_of_tests():
    return run_all(globals())
