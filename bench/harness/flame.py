"""Flame graphs: perf's samples of the tcpco server as an SVG. Width is processor time; a box stands on its caller."""
import collections
import html
import re
import subprocess

WIDTH, HEIGHT, ROWS = 1200, 16, 64


def shorten(symbol):
    """tcpco::basic_stack<tcpco::default_policies>::receive(...) -> basic_stack::receive"""
    symbol = re.sub(r"\+0x[0-9a-f]+$", "", symbol)
    while (inner := re.sub(r"<[^<>]*>", "", symbol)) != symbol:
        symbol = inner
    symbol = re.sub(r"\(.*\)", "", symbol)
    return symbol.replace("tcpco::detail::", "").replace("tcpco::", "").replace("(anonymous namespace)::", "")


def stacks(perf_data):
    """Counter of tuples of (function, whether it is the kernel's), the outermost caller first."""
    done = subprocess.run(["perf", "script", "-i", str(perf_data), "-F", "ip,sym,dso", "--no-inline"],
                          capture_output=True, text=True, errors="replace", timeout=300)
    counted = collections.Counter()
    for block in done.stdout.split("\n\n"):
        names = []
        for line in block.strip().splitlines():
            found = re.match(r"\s*[0-9a-f]+ (.*) \(([^()]*)\)$", line)
            if found:
                name, where = shorten(found.group(1)), found.group(2)
                if "unknown" in name:
                    name = where.rsplit("/", 1)[-1]
                names.append((name, where.startswith("[k") or where == "[kernel.kallsyms]"))
        if names:
            counted[tuple(reversed(names))] += 1
    return counted


def tree(counted):
    root = {"count": 0, "below": {}}
    for stack, n in counted.items():
        node = root
        node["count"] += n
        for name in stack[:ROWS]:
            node = node["below"].setdefault(name, {"count": 0, "below": {}})
            node["count"] += n
    return root


def svg(counted, title):
    root = tree(counted)
    total = max(root["count"], 1)
    boxes, deepest = [], 0

    def place(node, x, depth):
        nonlocal deepest
        for (name, in_kernel), child in sorted(node["below"].items()):
            width = child["count"] / total * WIDTH
            if width >= 1.5:
                deepest = max(deepest, depth)
                boxes.append((x, depth, width, name, in_kernel, child["count"]))
                place(child, x, depth + 1)
            x += width
    place(root, 0.0, 0)
    height = (deepest + 1) * HEIGHT + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
           f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
           f'<text x="6" y="16" font-size="13">{html.escape(title)}; {total} samples; blue: tcpco and libraries, '
           f'orange: kernel</text>']
    for x, depth, width, name, in_kernel, n in boxes:
        y = height - (depth + 1) * HEIGHT - 4
        colour = "#e8a33d" if in_kernel else "#6aa5e8"
        text = f"{html.escape(name)} ({100 * n / total:.1f} %)"
        out.append(f'<g><title>{text}</title><rect x="{x:.1f}" y="{y}" width="{width - 0.4:.1f}" height="{HEIGHT - 1}" '
                   f'fill="{colour}"/>')
        letters = int(width / 6.2)
        if letters >= 4:
            shown = name if len(name) <= letters else name[:letters - 1] + "…"
            out.append(f'<text x="{x + 2:.1f}" y="{y + 11}">{html.escape(shown)}</text>')
        out.append("</g>")
    return "\n".join(out) + "\n</svg>\n"
