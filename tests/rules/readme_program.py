"""The README's first program is examples/echo_server.cpp, but for that file's opening comment.

    readme_program.py <root of the tree>   exits with 1 and shows the difference if they disagree
"""

import difflib
import pathlib
import re
import sys


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    readme = (root / "README.md").read_text()
    printed = re.search(r"```cpp\n(.*?)```", readme, re.S).group(1)
    lines = (root / "examples/echo_server.cpp").read_text().splitlines(keepends=True)
    while lines and lines[0].startswith("//"):
        lines.pop(0)
    difference = list(difflib.unified_diff(printed.splitlines(keepends=True), lines, "README.md", "echo_server.cpp"))
    sys.stdout.writelines(difference)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
