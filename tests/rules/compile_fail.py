#!/usr/bin/env python3
"""Compiles a file that must not compile, and reads what the compiler says.

    compile_fail.py --compiler g++ --include include tests/compile_fail/x.cpp

The file's first line is `// expect: <regular expression>`; the compiler must fail and its output match, else the file may
fail for a reason of its own. With -DTCPCO_MEND the file must compile, if it mentions that name: what is wrong with it is then
known to be the one thing between #if and #else.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile


def verdict(compiler, include, path):
    """'' if the file fails as it should, else what is wrong."""
    text = path.read_text(encoding="utf-8")
    expected = re.match(r"// expect: (.+)\n", text)
    if expected is None:
        return "the first line is not `// expect: <regular expression>`"
    command = [compiler, "-std=c++20", "-fsyntax-only", "-I", include, str(path)]
    done = subprocess.run(command, text=True, capture_output=True, errors="replace")
    if done.returncode == 0:
        return "it compiles"
    if not re.search(expected.group(1).strip(), done.stderr):
        return f"the compiler's output does not match {expected.group(1)!r}:\n{done.stderr[:4000]}"
    if "TCPCO_MEND" in text:
        mended = subprocess.run([*command, "-DTCPCO_MEND"], text=True, capture_output=True, errors="replace")
        if mended.returncode != 0:
            return f"with -DTCPCO_MEND it does not compile either:\n{mended.stderr[:4000]}"
    return ""


def self_test(compiler, include):
    cases = {
        "// expect: static.assertion.*one reason\nstatic_assert(1 == 2, \"one reason\");\n": True,
        "// expect: one reason\nint x = 0;\n": False,
        "// expect: one reason\nstatic_assert(1 == 2, \"another\");\n": False,
        "static_assert(1 == 2, \"one reason\");\n": False,
        "// expect: reason\n#ifndef TCPCO_MEND\nstatic_assert(1 == 2, \"reason\");\n#endif\n": True,
        "// expect: reason\n#ifdef TCPCO_MEND\n#endif\nstatic_assert(1 == 2, \"reason\");\n": False,
    }
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "x.cpp"
        for text, good in cases.items():
            path.write_text(text)
            said = verdict(compiler, include, path)
            if (said == "") != good:
                wrong += 1
                print(f"{text}{said or 'was accepted'}\n")
    print(f"self-test: {len(cases)} cases, {wrong} wrong")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path, nargs="?")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--include", default="include")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments.compiler, arguments.include)
    if arguments.file is None:
        parser.error("which file?")
    said = verdict(arguments.compiler, arguments.include, arguments.file)
    print(said or f"{arguments.file.name} fails as it should")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
