"""docs/writing-a-congestion-controller.md is a program: its C++ is examples/congestion_controller.cpp, but for that
file's opening comment, and its output is what the page says it prints.

    guide.py <root of the tree> [<the example, compiled>]   exits with 1 and shows the difference if they disagree
    guide.py --self-test                                    changes each part of a small guide and sees that it is found
"""

import difflib
import pathlib
import re
import subprocess
import sys

GUIDE = "docs/writing-a-congestion-controller.md"
EXAMPLE = "examples/congestion_controller.cpp"


def significant(text):
    """Its lines, without the empty ones: pieces are joined without knowing how many stood between them."""
    return [line for line in text.splitlines(keepends=True) if line.strip()]


def differences(guide, example, output=None):
    """What is wrong, as lines of a diff. `output`: what the program printed."""
    lines = example.splitlines(keepends=True)
    while lines and lines[0].startswith("//"):
        lines.pop(0)
    told = re.findall(r"```cpp\n(.*?)```", guide, re.S)
    found = list(difflib.unified_diff(significant("".join(told)), significant("".join(lines)), GUIDE, EXAMPLE))
    if output is not None:
        shown = "".join(re.findall(r"```text\n(.*?)```", guide, re.S))
        found += difflib.unified_diff(significant(shown), significant(output), GUIDE, "what it prints")
    return found


def self_test():
    guide = "# A\n```cpp\nint a;\n\nint b;\n```\nText.\n```cpp\nint c;\n```\nIt prints\n```text\n1\n2\n```\n"
    example = "// What it is.\n//\nint a;\nint b;\n\nint c;\n"
    wrong = [differences(guide, example, "1\n2\n") != []]
    wrong += [differences(guide.replace(part, "x"), example, "1\n2\n") == [] for part in ("int a", "int c", "1", "2\n")]
    wrong += [differences(guide, example + "int d;\n", "1\n2\n") == [], differences(guide, example, "1\n2\n3\n") == []]
    print(f"self-test: {len(wrong)} cases, {sum(wrong)} wrong")
    return 1 if any(wrong) else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = pathlib.Path(sys.argv[1])
    output = None
    if len(sys.argv) > 2:
        output = subprocess.run([sys.argv[2]], check=True, capture_output=True, text=True).stdout
    found = differences((root / GUIDE).read_text(), (root / EXAMPLE).read_text(), output)
    sys.stdout.writelines(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
