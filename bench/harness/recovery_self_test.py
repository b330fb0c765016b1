"""bench/run recovery --self-test: the reckoning, with figures whose answers are known."""
import json
import math
import pathlib
import statistics

import recovery
from recovery import Cell, Results, median_interval, ratio_interval, ratio_of_medians
from self_test import check, exit_code, run_all


def answer(mbit, complete=True):
    return {"octets": 1_000_000, "seconds": 8 / mbit, "complete": complete, "problem": "", "timeouts": 1,
            "retransmitted": 2, "lost": 2, "queue_full": 0}


def filled(cell, kernel, tcpco):
    results = Results()
    for seed, (k, t) in enumerate(zip(kernel, tcpco), 1):
        results.add(cell, seed, "kernel", answer(k))
        results.add(cell, seed, "tcpco", answer(t))
    return results


def test_median_interval():
    # The 10th and the 21st of 30 are the textbook's answer: 95.7 %.
    check(median_interval(list(range(1, 31))) == (10, 21), "30 values")
    check(median_interval([5, 1, 3]) == (1, 5), "too few for 95 %: all of them")
    check(median_interval([7]) == (7, 7) and median_interval([1, 2, 3, 4, 5, 6]) == (1, 6), "1 and 6 values")
    n, covered = 30, sum(math.comb(30, k) for k in range(10, 21)) / 2 ** 30
    check(n == 30 and 0.95 <= covered < 0.97, "and it covers what it says")


def test_ratio():
    check(ratio_of_medians([9, 10, 11], [4, 5, 6]) == 2, "of the medians")
    low, high = ratio_interval([10.0] * 30, [5.0] * 30)
    check(low == high == 2, "nothing varies, nothing is uncertain")
    low, high = ratio_interval([float(x) for x in range(1, 31)], [15.5] * 30)
    check(low < 1 < high and high - low < 1.5, "it does where the seeds do")
    check((low, high) == ratio_interval([float(x) for x in range(1, 31)], [15.5] * 30), "the same at each call")


def test_goal():
    cell = Cell("reno", 40.0, 1.0)
    for factor, met in ((0.91, True), (0.89, False), (2.0, True)):
        summary = filled(cell, [4.0] * 30, [4.0 * factor] * 30).summary(cell)
        check(summary["met"] is met and abs(summary["ratio"] - factor) < 1e-9, f"{factor} x")
    informative = Cell("bbr", 40.0, 1.0)
    check(filled(informative, [4.0], [1.0]).summary(informative)["met"] is None, "BBR is not judged")
    check(Results().summary(cell) is None, "what was not measured has no figure")


def test_failures():
    cell = Cell("cubic", 40.0, 3.0)
    chosen = recovery.parse(["--smoke"])
    good = filled(cell, [4.0], [4.0])
    check(recovery.status_of(chosen, good, [cell]) == 0, "both complete")
    check(recovery.status_of(chosen, Results(), [cell]) == 1, "nothing came")
    for sender in recovery.SENDERS:
        for bad in (answer(4.0, complete=False), {"error": "it did not start"}):
            results = filled(cell, [4.0], [4.0])
            results.add(cell, 1, sender, dict(bad))
            check(recovery.status_of(chosen, results, [cell]) == 1, f"{sender} did not finish: {bad}")
            check(len(results.errors) == 1 and sender in recovery.table(results, [cell]), "and the table says so")
    half = Results()
    half.add(cell, 1, "kernel", answer(4.0))
    check(half.pairs(cell) == [], "a seed counts with both of its transfers")


def test_exit_status():
    cell = Cell("cubic", 40.0, 3.0)
    checked, free = recovery.parse(["--check"]), recovery.parse([])
    bad, good = filled(cell, [4.0] * 5, [1.0] * 5), filled(cell, [4.0] * 5, [4.0] * 5)
    check(recovery.status_of(checked, bad, [cell]) == 1 and recovery.status_of(free, bad, [cell]) == 0, "--check alone")
    check(recovery.status_of(checked, good, [cell]) == 0, "met")
    check(recovery.status_of(checked, Results(), [cell]) == 2, "nothing measured is no success")


def test_arguments():
    chosen = recovery.parse([])
    check((chosen.seeds, chosen.loss, chosen.rtt) == (30, [0.0, 0.1, 1.0, 3.0, 10.0], [40.0, 80.0]), "the defaults")
    check(recovery.parse(["--quick", "--seeds", "9", "--loss", "2"]).seeds == 9, "a number given wins")
    for wrong in (["--seeds", "0"], ["--loss", "101"], ["--controllers", "vegas"], ["--rtt", "0"], ["--octets", "-1"]):
        check(exit_code(wrong, recovery.main) == 2, f"{wrong} is refused")
    check(exit_code(["--help"], recovery.main) == 0, "--help")


def test_command():
    chosen = recovery.parse([])
    transfers = recovery.Transfers(chosen, pathlib.Path("/p"))
    mine, other = (transfers.command(Cell("reno", 40.0, 0.1), 7, s)[-9:] for s in recovery.SENDERS)
    check(mine[1:] == other[1:] and mine[0] != other[0], "both senders get the same path and the same script")
    check({"loss=0.001", "seed=7", "delay_us=20000", "queue=100000", "octets=5000000"} <= set(mine), str(mine))
    check(Cell("reno", 40.0, 50.0).octets() == 300_000, "any loss has its octets")


def test_reports():
    cells = [Cell("reno", 40.0, 0.0), Cell("reno", 40.0, 1.0), Cell("bbr", 80.0, 1.0)]
    results = filled(cells[0], [10.0, 12.0, 11.0], [12.0, 13.0, 11.5])
    results.runs.update(filled(cells[1], [4.0], [2.0]).runs)
    text = recovery.table(results, cells)
    check("11.0 [10.0, 12.0]" in text and "1.09 [" in text and "MISSED" in text and "not measured" in text, text)
    check("met in 1 of 2" in recovery.verdict(results, cells), recovery.verdict(results, cells))
    data = json.loads(json.dumps(recovery.as_json(results, cells, {"cpu": "x"})))
    check(data["cells"][0]["kernel"]["median"] == 11.0 and len(data["runs"]) == 4, "the JSON has medians and all runs")
    check(statistics.median(r["kernel"]["mbit"] for r in data["runs"]) > 4, "each run with its figure")
    page = recovery.plot(results, cells)
    check(page.count("<rect") == 1 + 2 + 2 * 2 and page.rstrip().endswith("</svg>"), "a bar for each figure")


def main_of_tests():
    return run_all(globals())
