#!/usr/bin/env python3
"""Holds what the stack costs, in instructions, which do not depend on what else the machine does.

    instructions.py <stack_cost> <compiler>                counts, prints, exits with 1 if a budget is exceeded
    instructions.py <stack_cost> <compiler> --list [work]  also the functions that the instructions are in, the dearest first

Counted under valgrind's callgrind: the difference of a long and a short run, over the segments (or round trips) that it
has more. Held are the instructions of the stack itself, both ends together. Not held, but printed: those in the C library
(memcpy) and in the checksum's inner loops, since which of their variants run is the processor's choice. Standard library
only. Exit code 77: there is no valgrind that works here.

A budget is a tenth above what was counted when it was last set. Whoever makes the stack faster lowers it. A compiler
without a budget is counted, not held.
"""
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

# work: rounds of the short and of the long run; segments, round trips or connections in a round
WORKS = {"checksums": (8, 24, 128), "no_checksums": (8, 24, 128), "echo": (200, 1200, 1),
         "connect": (200, 1200, 1)}
BUDGETS = {
    "GNU": {"checksums": 1260, "no_checksums": 990, "echo": 6820, "connect": 51300},
}
ELSEWHERE = re.compile(r"\bsum_(vectors|words)")  # the checksum's inner loops


def count(program, work, rounds):
    """Instructions by (is it the stack's own?, function)."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no", "--compress-pos=no",
                   program, work, str(rounds)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=100)
        except FileNotFoundError:
            skip("there is no valgrind here (Debian: apt-get install valgrind)")
        if done.returncode != 0 and not out.exists():
            skip("valgrind does not work here: " + done.stderr.strip()[-300:])
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
        return parse(out.read_text(encoding="utf-8", errors="replace"), pathlib.Path(program).name)


def skip(reason):
    print("SKIPPED:", reason)
    sys.exit(77)


def parse(text, program):
    """Self costs; the line after calls= is the callee's."""
    costs = collections.Counter()
    own, function, skips = False, "", False
    for line in text.splitlines():
        if line.startswith("ob="):
            own = pathlib.Path(line[3:]).name == program
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            skips = True
        elif line[:1].isdigit():
            if not skips:
                costs[own, function] += int(line.split()[1])
            skips = False
    return costs


def main():
    program, compiler = sys.argv[1], sys.argv[2]
    chosen = sys.argv[4:] if len(sys.argv) > 4 else list(WORKS)
    over = []
    for work in chosen:
        short, long, units = WORKS[work]
        costs = count(program, work, long)
        costs.subtract(count(program, work, short))
        each = {key: n / ((long - short) * units) for key, n in costs.items() if n > 0}
        stack = sum(n for (own, name), n in each.items() if own and not ELSEWHERE.search(name))
        sums = sum(n for (own, name), n in each.items() if own and ELSEWHERE.search(name))
        library = sum(n for (own, _), n in each.items() if not own)
        budget = BUDGETS.get(compiler, {}).get(work)
        print(f"{work}: {stack:.0f} instructions in the stack (budget: {budget or 'none'}), {sums:.0f} in the checksum's loops, "
              f"{library:.0f} in the C library")
        if budget and stack > budget:
            over.append(f"{work}: {stack:.0f} instructions, and the budget is {budget}")
        if "--list" in sys.argv:
            for (own, name), n in sorted(each.items(), key=lambda item: -item[1])[:45]:
                print(f"    {n:8.1f}  {name[:150]}")
    for what in over:
        print("EXCEEDED:", what)
    sys.exit(1 if over else 0)


main()
