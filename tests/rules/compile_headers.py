#!/usr/bin/env python3
"""Compiles the library's headers in ways in which users include them. Nothing is linked or kept.

    compile_headers.py <root> --compiler g++ alone            each header by itself and twice; all, forwards and backwards
    compile_headers.py <root> --compiler g++ together         all headers, forwards and backwards
    compile_headers.py <root> --compiler g++ no-exceptions    core/ to stack/ and core.hpp, -fno-exceptions -fno-rtti, with
                                                              every member of the default stack instantiated
    compile_headers.py <root> --compiler g++ self-test        headers with a fault must fail

Two compiler processes at most. Standard library only.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

OPTIONS = "-std=c++20 -fsyntax-only -x c++".split()
WARNINGS = ("-Werror -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion "
            "-Wold-style-cast").split()
CORE = ["core", "storage", "wire", "policy", "tcp", "stack"]


class compiler:
    def __init__(self, program, include):
        self.program = program
        self.include = include

    def check(self, text, *options):
        """'' or what the compiler said."""
        warnings = [] if "-w" in options else WARNINGS
        command = [self.program, *OPTIONS, *warnings, *options, "-I", str(self.include), "-"]
        done = subprocess.run(command, input=text, text=True, capture_output=True, errors="replace")
        return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"


def include(*names):
    return "".join(f'#include "{name}"\n' for name in names)


def headers_of(root, without_liburing):
    found = sorted(str(p.relative_to(root / "include")) for p in (root / "include").rglob("*.hpp"))
    # What bridges to something needs it; BSD sockets are always there.
    found = [h for h in found if not h.startswith("tcpco/interop/") or h.startswith("tcpco/interop/posix")]
    if without_liburing:
        found = [h for h in found if h != "tcpco/tcpco.hpp" and not h.startswith(("tcpco/reactor/uring", "tcpco/interop/"))]
    return found


def orders(headers):
    return {"all headers, forwards": include(*headers), "all headers, backwards": include(*reversed(headers))}


def alone(cxx, headers):
    # What a header is warned of alone it is warned of among the others: without warnings this takes a sixth less.
    return compiled(cxx, {name: include(name, name) for name in headers}, "-w") | together(cxx, headers)


def together(cxx, headers):
    return compiled(cxx, orders(headers))


def compiled(cxx, jobs, *options):
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        said = dict(zip(jobs, pool.map(lambda text: cxx.check(text, *options), jobs.values())))
    return {name: text for name, text in said.items() if text}


def no_exceptions(cxx, headers):
    core = [h for h in headers if h == "tcpco/core.hpp" or h.split("/")[1] in CORE]
    text = include(*core)
    source = "".join((cxx.include / h).read_text() for h in core)
    if re.search(r"^class basic_stack\b", source, re.M) and re.search(r"^struct default_policies\b", source, re.M):
        text += "template class tcpco::basic_stack<tcpco::default_policies>;\n"
    said = cxx.check(text, "-fno-exceptions", "-fno-rtti")
    return {"core/ to stack/ without exceptions and RTTI": said} if said else {}


def self_test(program):
    faults = {
        "needs another header": ("#pragma once\nstd::uint8_t f();\n", alone),
        "included twice": ("struct twice {};\n", alone),
        "a warning": ("#pragma once\ninline int f(long n) { return n; }\n", alone),
        "throws": ("#pragma once\ninline void f() { throw 1; }\n", no_exceptions),
        "RTTI": ("#pragma once\nstruct b { virtual ~b(); };\nstruct d : b {};\n"
                 "inline d* f(b* p) { return dynamic_cast<d*>(p); }\n", no_exceptions),
    }
    wrong = 0
    for name, (text, mode) in {"no fault": ("#pragma once\n", alone), **faults}.items():
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "include/tcpco/core/x.hpp"
            path.parent.mkdir(parents=True)
            path.write_text(text)
            said = mode(compiler(program, pathlib.Path(directory) / "include"), ["tcpco/core/x.hpp"])
        if bool(said) != (name in faults):
            wrong += 1
            print(f"{name}: {said or 'compiles'}")
    print(f"self-test: {len(faults)} faults, {wrong} wrong")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("mode", choices=["alone", "together", "no-exceptions", "self-test"])
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--without-liburing", action="store_true")
    arguments = parser.parse_args()
    if arguments.mode == "self-test":
        return self_test(arguments.compiler)
    headers = headers_of(arguments.root, arguments.without_liburing)
    cxx = compiler(arguments.compiler, arguments.root / "include")
    failures = {"alone": alone, "together": together, "no-exceptions": no_exceptions}[arguments.mode](cxx, headers)
    for name, said in failures.items():
        print(f"---- {name}\n{said[:3000]}")
    print(f"{len(headers)} headers, {len(failures)} failures")
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
