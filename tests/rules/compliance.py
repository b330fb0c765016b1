#!/usr/bin/env python3
"""Which requirement is met where: reads the tree and docs/requirements.tsv, writes docs/compliance.md.

    compliance.py <root>            checks that docs/compliance.md is what the tree says, and that nothing is missing
    compliance.py <root> --write    writes it
    compliance.py --self-test       breaks each rule once in a scratch tree and sees that it is reported

A requirement is cited in a comment of include/ where it is met, and in the tag of a test that shows it, by its label:
MUST-37, SHLD-12, RFC5961-3.2b, BBR-5.3.2a (a draft, its version in the table). In prose also "MUST-24 to MUST-29", "RFC7413-4.2.2b, 4.2.2f" and "RFC9293-3.10.7.4-5a, 5b". Tags that name a
section or an RFC only ([RFC9293-3.8], [RFC4987]) are allowed and count for nothing.

The table names file and function, not lines: it goes stale when a requirement moves, not with every edit.
docs/compliance_reasons.tsv has what is not met by a line of code and a test, and why: label (or RFC8200-*), status, reason.
Statuses: "not applicable"; "elsewhere" (belongs to a part that is built later); "by design" (met by the whole, no single
line or test shows it); "open" (not met yet). Standard library only.
"""
import collections
import fnmatch
import pathlib
import re
import sys
import tempfile

# Of these each MUST and MUST NOT needs a line of code and a test, or a reason.
LISTED = "9293 2018 2883 7323 5961 6528 6056 4987 6191 1337 5482 6093 6691 1191 4821 8899 5927 7413 5682 3522 3708 4015 6298 6582 6675 8985 9937 9438 9406 3042 5681 6928 7661 8257 3168".split()
STATUSES = ["not applicable", "elsewhere", "by design", "open"]
TABLE = "docs/compliance.md"

RANGE = re.compile(r"\b(MUST|SHLD|MAY)-(\d+) to (?:MUST|SHLD|MAY)-(\d+)\b")
PLAIN = re.compile(r"\b(?:MUST|SHLD|MAY|REC)-\d+\b")
LONG = re.compile(r"\b(RFC\d+|BBR)-(\d\w*(?:[.-]\w+)*)((?:,? (?:and )?\d\w*(?:[.-]\w+)*)*)")
TEST = re.compile(r'\bTEST_CASE\(\s*((?:"(?:\\.|[^"\\])*"\s*)+),\s*((?:"[^"]*"\s*)+)\)')
STRING = re.compile(r'"((?:\\.|[^"\\])*)"')
DEFINITION = re.compile(
    r"^ {0,4}(?:template <.*> ?)?(?:(?:inline|constexpr|static|virtual|explicit|friend|\[\[[\w:]+\]\]) )*"
    r"(?:(?:struct|class|enum class|concept|namespace) (?P<type>\w+)|(?:[\w:<>,*& ]+?[ *&])?(?:\w+(?:<\w+>)?::)*(?P<function>~?\w+)\()")
# A member function that is only declared: a type comes before its name, and perhaps the first line is not the last.
DECLARATION = re.compile(r"^ {4}(?!return |co_return |else )(?:[\w:<>,*&]+ )+[*&]?(\w+)\((?!\)\s*\{)")
NO_FUNCTION = {"if", "for", "while", "switch", "return", "static_assert", "TCPCO_ASSERT", "sizeof", "operator", "decltype"}


def labels_in(text, known):
    """All labels cited in a piece of prose, in order; those of lists and ranges too."""
    found = [m.group() for m in PLAIN.finditer(text)]
    for kind, first, last in RANGE.findall(text):
        found += [f"{kind}-{n}" for n in range(int(first), int(last) + 1) if f"{kind}-{n}" in known]
    for rfc, first, others in LONG.findall(text):
        found.append(f"{rfc}-{first}")
        for short in re.findall(r"\d\w*(?:[.-]\w+)*", others):
            whole = [f"{rfc}-{short}", f"{rfc}-{first[:first.rfind('-') + 1]}{short}"]
            found += [w for w in whole if w in known][:1]
    return list(dict.fromkeys(found))


def is_section(label):
    return re.fullmatch(r"(RFC\d+|BBR)-[\d.]+", label)


def read_requirements(root):
    rows = [line.split("\t") for line in (root / "docs/requirements.tsv").read_text().splitlines()[1:]]
    return {r[0]: dict(zip(["id", "rfc", "section", "level", "title", "summary"], r)) for r in rows}


def read_reasons(root, known, problems):
    reasons = {}
    path = root / "docs/compliance_reasons.tsv"
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or fields[1] not in STATUSES or not fields[2]:
            problems.append(f"{path.name}:{number}: wants label, status ({', '.join(STATUSES)}) and reason")
            continue
        matched = [k for k in known if fnmatch.fnmatchcase(k, fields[0])]
        if not matched:
            problems.append(f"{path.name}:{number}: {fields[0]} is no label")
        for label in matched:
            if "*" not in fields[0] or label not in reasons:
                reasons[label] = (fields[1], fields[2])
    return reasons


def names_of(lines):
    """For each line, the function or type that it belongs to: the one it stands in, or the one its comment precedes."""
    defined, declared = [], []
    for line in lines:
        m = DEFINITION.match(line)
        name = m and (m.group("type") or m.group("function"))
        statement = line.rstrip().endswith(";") and not (m and m.group("type")) and line.startswith("    ")
        skip = not name or statement or name in NO_FUNCTION or name.isupper() or line.lstrip().startswith("//")
        defined.append(None if skip else name)
        m = DECLARATION.match(line)
        declared.append(defined[-1] or (m and m.group(1)))
    owner, current = [], ""
    for i, line in enumerate(lines):
        if line.lstrip().startswith("//") and len(line) - len(line.lstrip()) <= 4:
            following = i
            while following < len(lines) and re.match(r"\s*(//|template|requires|\[\[)", lines[following]):
                following += 1
            owner.append(declared[following] if following < len(lines) and declared[following] else current)
            continue
        current = defined[i] or current
        owner.append(declared[i] or current)
    return owner


def read_code(root, known, problems):
    places = collections.defaultdict(list)
    for path in sorted((root / "include").rglob("*.hpp")):
        lines = path.read_text().splitlines()
        owner = names_of(lines)
        for i, line in enumerate(lines):
            comment = line[line.index("//"):] if "//" in line else ""
            for label in labels_in(comment, known):
                name = path.relative_to(root / "include/tcpco").as_posix()
                if label in known:
                    place = (name, owner[i])
                    if place not in places[label]:
                        places[label].append(place)
                elif not is_section(label):
                    problems.append(f"include/tcpco/{name}:{i + 1}: {label} is no label of docs/requirements.tsv")
    return places


def read_tests(root, known, problems):
    tests = collections.defaultdict(list)
    for path in sorted((root / "tests").rglob("*_test.cpp")):
        text = path.read_text()
        name = path.relative_to(root / "tests").as_posix()
        for m in TEST.finditer(text):
            title = "".join(STRING.findall(m.group(1)))
            for label in re.findall(r"\[([^\]]*)\]", "".join(STRING.findall(m.group(2)))):
                if label in known:
                    tests[label].append((name, title))
                elif re.match(r"(MUST|SHLD|MAY|REC)-|(RFC\d+|BBR)-\d", label) and not is_section(label):
                    line = text.count("\n", 0, m.start()) + 1
                    problems.append(f"tests/{name}:{line}: [{label}] is no label of docs/requirements.tsv")
    return tests


def status_of(label, places, tests, reasons):
    if label in places and label in tests:
        return "met"
    if label in reasons:
        return reasons[label][0]
    return "test only" if label in tests else "code only" if label in places else "missing"


def cell(text):
    return text.replace("|", "\\|")


def heading(document):
    """An RFC, or a draft with the version that its labels are of (BBR-5.3.1.2a)."""
    return f"RFC {document}" if document.isdigit() else document


def table(known, places, tests, reasons):
    out = ["# Requirements, and where they are met", "",
           "Written by `tests/rules/compliance.py . --write` from [requirements.tsv](requirements.tsv), the citations in",
           "`include/`, the tags of the tests and [compliance_reasons.tsv](compliance_reasons.tsv); a test fails when it is stale.",
           ""]
    by_rfc = collections.defaultdict(list)
    for row in known.values():
        by_rfc[row["rfc"]].append(row["id"])
    order = sorted(by_rfc, key=lambda r: (r not in LISTED, LISTED.index(r) if r in LISTED else int(r) if r.isdigit() else sys.maxsize, r))
    columns = ["met"] + STATUSES + ["test only", "code only", "missing"]
    out += ["| RFC | rows | " + " | ".join(columns) + " |", "|---|" + "---|" * (len(columns) + 1)]
    for rfc in order:
        count = collections.Counter(status_of(label, places, tests, reasons) for label in by_rfc[rfc])
        out.append(f"| [{rfc}](#{heading(rfc).lower().replace(' ', '-')}) | {len(by_rfc[rfc])} | " + " | ".join(str(count[c] or "") for c in columns) + " |")
    for rfc in order:
        out += ["", f"## {heading(rfc)}", "", "| label | section | level | requirement | code | test | status |", "|---|---|---|---|---|---|---|"]
        for label in by_rfc[rfc]:
            row = known[label]
            code = "<br>".join(f"{f}: {n}" if n else f for f, n in places.get(label, [])[:3])
            shown = tests.get(label, [])
            test = "<br>".join(f"{f}: {t}" for f, t in shown[:2]) + (f"<br>and {len(shown) - 2} more" if len(shown) > 2 else "")
            status = status_of(label, places, tests, reasons)
            if status in STATUSES:
                status += ": " + reasons[label][1]
            out.append(f"| {label} | {row['section']} | {row['level']} | {cell(row['title'])} | {code} | {cell(test)} | {cell(status)} |")
    return "\n".join(out) + "\n"


def check(root, write=False):
    problems = []
    known = read_requirements(root)
    reasons = read_reasons(root, known, problems)
    places = read_code(root, known, problems)
    tests = read_tests(root, known, problems)
    for label, row in known.items():
        status = status_of(label, places, tests, reasons)
        if row["rfc"] in LISTED and row["level"].startswith("MUST") and status in ("test only", "code only", "missing"):
            problems.append(f"{label} ({row['title']}): {status}: wants a citation in include/ and a test's tag, or a reason")
    text = table(known, places, tests, reasons)
    path = root / TABLE
    if write:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        problems.append(f"{TABLE} is stale: tests/rules/compliance.py . --write")
    return problems


def self_test():
    files = {
        "docs/requirements.tsv": "id\trfc\tsection\tlevel\ttitle\tsummary\n"
                                 "MUST-1\t9293\t3.1\tMUST\tone\tx\nMUST-2\t9293\t3.1\tMUST\ttwo\tx\n"
                                 "RFC9293-3.1a\t9293\t3.1\tMAY\tthree\tx\nBBR-5.2a\tdraft-x-06\t5.2\tMUST\tseven\tx\nRFC8200-4a\t8200\t4\tMUST\tsix\tx\n",
        "docs/compliance_reasons.tsv": "MUST-2\tnot applicable\tsays why\n",
        "include/tcpco/a.hpp": "// MUST-1\ninline int f(int x)\n{\n    return x;  // RFC9293-3.1a\n}\n",
        "tests/a/a_test.cpp": 'TEST_CASE("does it", "[a][MUST-1][RFC9293-3.1]")\n{\n}\n',
    }

    def problems_with(change):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**files, **change}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            if TABLE not in change:
                check(root, write=True)
            return check(root), (root / TABLE).read_text()

    clean, text = problems_with({})
    assert clean == [], clean
    assert "| MUST-1 | 3.1 | MUST | one | a.hpp: f | a/a_test.cpp: does it | met |" in text, text
    assert "| RFC9293-3.1a | 3.1 | MAY | three | a.hpp: f |  | code only |" in text, text
    assert "not applicable: says why" in text
    assert "[draft-x-06](#draft-x-06)" in text and "| BBR-5.2a | 5.2 | MUST | seven |  |  | missing |" in text, text
    broken = {
        "stale": {TABLE: "old\n"},
        "MUST-9 is no label": {"include/tcpco/a.hpp": files["include/tcpco/a.hpp"] + "// MUST-9\n"},
        "BBR-9a is no label": {"include/tcpco/a.hpp": files["include/tcpco/a.hpp"] + "// BBR-9a\n"},
        "[BBR-9a] is no label": {"tests/a/a_test.cpp": files["tests/a/a_test.cpp"].replace("RFC9293-3.1]", "BBR-9a]")},
        "[RFC9293-9x] is no label": {"tests/a/a_test.cpp": files["tests/a/a_test.cpp"].replace("3.1]", "9x]")},
        "MUST-1 (one): test only": {"include/tcpco/a.hpp": "\n"},
        "MUST-1 (one): code only": {"tests/a/a_test.cpp": "\n"},
        "MUST-2 (two): missing": {"docs/compliance_reasons.tsv": "\n"},
        "wants label, status": {"docs/compliance_reasons.tsv": "MUST-2\tnever\tx\n"},
        "MUST-7 is no label": {"docs/compliance_reasons.tsv": files["docs/compliance_reasons.tsv"] + "MUST-7\topen\tx\n"},
    }
    for expected, change in broken.items():
        found, _ = problems_with(change)
        assert any(expected in p for p in found), (expected, found)
    assert labels_in("BBR-5.2a, 5.3b, 9z", {"BBR-5.2a", "BBR-5.3b"}) == ["BBR-5.2a", "BBR-5.3b"]
    assert labels_in("MUST-3 to MUST-5, RFC1-2a, 2b and 3c", {"MUST-3", "MUST-4", "MUST-5", "RFC1-2b", "RFC1-3c"}) == [
        "MUST-3", "MUST-5", "MUST-4", "RFC1-2a", "RFC1-2b", "RFC1-3c"]
    print("compliance.py: every rule notices")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    problems = check(pathlib.Path(arguments[0]), write="--write" in arguments)
    print("\n".join(problems + [f"{len(problems)} problems"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
