"""The results as a table, as JSON, and as an HTML page with plots (SVG, made here: nothing to install, nothing to load)."""
import html
import json
import statistics

from program_rows import PROGRAM_ROWS, PROGRAM_TARGETS
from rows import ENTRIES, MEMORY_ROWS, TAP_ROWS, TARGETS

ALL_TARGETS = TARGETS + PROGRAM_TARGETS

BUILD_ROWS = [("build_seconds", "build of the echo example (-O2)", "s", False),
              ("build_memory", "memory of its compiler", "GiB", False),
              ("include_seconds", "of that, parsing tcpco/tcpco.hpp alone", "s", False),
              ("build_seconds_clang", "the same build with clang", "s", False),
              ("build_memory_clang", "memory of clang", "GiB", False),
              ("include_seconds_clang", "clang, parsing tcpco/tcpco.hpp alone", "s", False)]
OTHER_ROWS = [("on_ack_reno", "on_ack of Reno in avoidance", "instructions", False),
              ("on_ack_cubic", "on_ack of CUBIC in avoidance", "instructions", False),
              ("on_ack_bbr", "on_ack of BBR in avoidance", "instructions", False), *BUILD_ROWS]


def all_rows():
    """(name, title, unit, higher is better) of each row that there is."""
    return ([(r.name, r.title, r.unit, r.higher_is_better) for r in TAP_ROWS + MEMORY_ROWS + PROGRAM_ROWS] + OTHER_ROWS)


def short(x):
    if x is None:
        return ""
    return f"{x:.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def ratios(results, row):
    """tcpco to each of the others, as text."""
    out = []
    for entry in ENTRIES:
        if entry != "tcpco" and results.values(row, entry):
            out.append((entry, results.ratio(row, "tcpco", entry)))
    return out


def table(results, absent):
    lines = []
    for name, title, unit, _ in all_rows():
        entries = results.rows.get(name)
        if not entries:
            continue
        lines += ["", f"{title}  [{unit}]",
                  f"    {'':18} {'min':>8} {'median':>8} {'max':>8}  {'tcpco is':>9}  {'cpu s/GB: it':>12} {'client':>7}"]
        for entry, label in ENTRIES.items():
            f = entries.get(entry)
            if f is None:
                continue
            if not f.values:
                lines.append(f"    {label:18} {f.errors[-1] if f.errors else 'not measured'}")
                continue
            by = results.ratio(name, "tcpco", entry) if entry != "tcpco" else None
            line = f"    {label:18} {short(min(f.values)):>8} {short(f.median):>8} {short(max(f.values)):>8}"
            line += f"  {'' if by is None else f'{by:.2f} x':>9}"
            if f.client_cpu:
                cpu = short(statistics.median(f.server_cpu)) if f.server_cpu else "-"
                line += f"  {cpu:>12} {short(statistics.median(f.client_cpu)):>7}"
            for figure, values in f.also.items():
                line += f"  {figure} {short(statistics.median(values))}"
            line += f"  ({f.settings})" if f.settings else ""
            lines.append(line.rstrip())
    for entry, why in absent.items():
        lines += ["", f"{ENTRIES.get(entry, entry)} was not measured: {why}"]
    return "\n".join(lines)


def judgements(results):
    """[(target, met or None, measured)]"""
    return [(t, *t.judge(results)) for t in ALL_TARGETS]


def verdicts(results, shown=lambda target: True):
    titles = {name: title for name, title, _, _ in all_rows()}
    lines = ["", "Targets (ratios are medians over rounds in which the two ran in turn):"]
    for target, met, value in judgements(results):
        if not shown(target):
            continue
        word = {True: "met   ", False: "MISSED", None: "-     "}[met]
        what = "not measured" if value is None else f"measured {value:.3g}"
        lines.append(f"  {word}  {titles[target.row]}: {target.text}; {what}")
    return "\n".join(lines)


def as_json(results, absent, about):
    return {
        "about": about,
        "absent": absent,
        "rows": {name: {"title": title, "unit": unit, "higher_is_better": higher,
                        "entries": {e: f.as_json() for e, f in results.rows[name].items()},
                        "tcpco_to": {e: r for e, r in ratios(results, name)}}
                 for name, title, unit, higher in all_rows() if name in results.rows},
        "targets": [{"row": t.row, "text": t.text, "limit": t.limit, "measured": value, "met": met}
                    for t, met, value in judgements(results)],
    }


def write_json(path, results, absent, about):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(as_json(results, absent, about), f, indent=1)
        f.write("\n")


COLOURS = {"raw": "#8a8f98", "tcpco": "#1f6feb", "lwip": "#d9822b", "lwip_shipped": "#e8b878", "kernel": "#4c9a5b"}
OTHER_COLOUR = "#a87fb8"


def plot(entries):
    """Bars of the medians, with a line from the least to the largest value and a point for each."""
    shown = [(e, entries[e]) for e in ENTRIES if e in entries and entries[e].values]
    top = max(max(f.values) for _, f in shown) or 1
    width, left, step = 560, 130, 26
    parts = [f'<svg width="{left + width + 90}" height="{step * len(shown) + 8}" role="img">']
    for i, (entry, f) in enumerate(shown):
        y = 4 + i * step

        def x(value):
            return left + value / top * width
        parts.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{html.escape(ENTRIES[entry])}</text>')
        parts.append(f'<rect x="{left}" y="{y + 2}" width="{x(f.median) - left:.1f}" height="18" '
                     f'fill="{COLOURS.get(entry, OTHER_COLOUR)}" opacity="0.8"/>')
        parts.append(f'<line x1="{x(min(f.values)):.1f}" x2="{x(max(f.values)):.1f}" y1="{y + 11}" y2="{y + 11}" '
                     'stroke="#222"/>')
        parts += [f'<circle cx="{x(v):.1f}" cy="{y + 11}" r="2" fill="#222"/>' for v in f.values]
        parts.append(f'<text x="{x(max(f.values)) + 6:.1f}" y="{y + 15}">{short(f.median)}</text>')
    return "\n".join(parts) + "</svg>"


STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
svg text{font:12px system-ui,sans-serif}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;
border-bottom:1px solid #ddd}.met{color:#17692a}.missed{color:#b00020;font-weight:600}.none{color:#888}
h2{font-size:1.05em;margin:1.6em 0 .3em}small{color:#666}pre{background:#f6f6f6;padding:.6em;overflow:auto}"""


def write_html(path, results, absent, about):
    titles = {name: title for name, title, _, _ in all_rows()}
    out = ["<!doctype html><html lang=en><meta charset=utf-8><title>tcpco: bench/run</title>", f"<style>{STYLE}</style>",
           "<h1>tcpco beside its limit and its peers</h1>",
           "<p><small>" + "; ".join(f"{html.escape(k)}: {html.escape(str(v))}" for k, v in about.items()) + "</small></p>",
           "<table><tr><th>target</th><th></th><th>measured</th><th></th></tr>"]
    for target, met, value in judgements(results):
        kind, word = {True: ("met", "met"), False: ("missed", "missed"), None: ("none", "not measured")}[met]
        out.append(f"<tr><td>{html.escape(titles[target.row])}</td><td>{html.escape(target.text)}</td>"
                   f"<td>{short(value)}</td><td class={kind}>{word}</td></tr>")
    out.append("</table>")
    for name, title, unit, higher in all_rows():
        entries = results.rows.get(name)
        if not entries or not any(f.values for f in entries.values()):
            continue
        better = "more is better" if higher else "less is better"
        out.append(f"<h2>{html.escape(title)} <small>{unit}, {better}</small></h2>{plot(entries)}")
        text = ", ".join(f"{by:.2f} x {ENTRIES[e]}" for e, by in ratios(results, name) if by is not None)
        out.append(f"<p><small>tcpco is {html.escape(text)}</small></p>" if text else "")
    for entry, why in absent.items():
        out.append(f"<p>{html.escape(ENTRIES.get(entry, entry))} was not measured: {html.escape(str(why))}</p>")
    out.append(f"<h2>All figures</h2><pre>{html.escape(table(results, absent))}</pre></html>")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
