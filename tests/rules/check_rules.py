#!/usr/bin/env python3
"""Holds the rules of the source tree that no compiler holds.

    check_rules.py <root of the tree>   prints "file:line: rule: what" for each violation; exits with 1 if there are any
    check_rules.py --self-test          breaks each rule once in a scratch tree and sees that it is reported

The tables below are the rules; docs and README only repeat them. Standard library only.
"""
import pathlib
import re
import sys
import tempfile

# Who may include whom: a folder includes itself and what stands above it, policy/ includes only core/.
LAYERS = ["core", "storage", "wire", "policy", "tcp", "stack", "async", "reactor", "device", "observe", "sim", "interop",
          "testing"]
ONLY = {"policy": {"core", "policy"}}
CORE = LAYERS[: LAYERS.index("stack") + 1]  # no I/O, no clock, no coroutine, no exception
ANYWHERE = {"tcpco/version.hpp"}
CORE_UMBRELLA = "core.hpp"  # portable: must not reach Linux

FORBIDDEN_IN_CORE = set("""coroutine thread atomic chrono mutex shared_mutex condition_variable future stop_token semaphore
    barrier latch ctime time.h csignal signal.h system_error stdexcept typeinfo typeindex generator""".split())
LINUX = re.compile(r"^(sys|linux|net|netinet|netpacket|arpa|asm)/|^(unistd|fcntl|poll|sched|signal|pthread|ifaddrs|netdb|dirent|"
                   r"sysexits|termios|pwd|grp|liburing|syscall|spawn|dlfcn|mqueue|aio|features|time)\.h$|^liburing/")
LINUX_ALLOWED = re.compile(r"^(reactor/(uring|poll)|device/(tap|tun|frame_fd|interface_setup))[^/]*\.hpp$|^interop/posix(/[^/]+)?\.hpp$")

HEADER_LINES = 450
FUNCTION_LINES = 70
LINE_OCTETS = 120  # of headers
# Spelled in two halves, so that a search for them does not find this file.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK"]) + r")\b|\b(?i:not im" r"plemented|st" r"ub)\b")
TEST_NAME = re.compile(r"^[A-Za-z0-9_' ,.:()=<>+\-/^]+$")  # ; [ " \ break a run by name under Catch2 2.13

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<raw>\b(?:u8|[uUL])?R"(?P<delimiter>[^()\s\\]*)\(.*?\)(?P=delimiter)")
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<number>\b\d[\w.']*)
      | (?P<character>'(?:\\.|[^'\\\n])+')""",
    re.S | re.X)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text, keep_strings=False):
    """The text with comments (and the insides of literals) blanked out; lines and columns stay."""
    def replace(match):
        if match.lastgroup == "number" or (keep_strings and match.group("comment") is None):
            return match.group()
        whole = match.group()
        if match.group("comment") is not None:
            return blank(whole)
        return whole[0] + blank(whole[1:-1]) + whole[-1]
    return TOKEN.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def collapse(text, pattern, replacement):
    while (shorter := re.sub(pattern, replacement, text)) != text:
        text = shorter
    return text


def opens_function(head):
    """Is the `{` after this text (since the end of the last declaration) the body of a function? None: keep collecting."""
    head = re.sub(r"operator\s*(\(\s*\)|[^\s\w(]+)", "operator_", head).replace("->", " ")
    head = collapse(head, r"\([^()]*\)", "@")  # @: something in parentheses
    head = collapse(head, r"<[^<>]*>", "")
    head = collapse(head, r"\{[^{}]*\}", "$")  # $: something in braces
    head = re.sub(r"\[\[.*?\]\]|\balignas\s*@|\b(public|private|protected)\s*:(?!:)", " ", head).strip()
    if re.search(r"(\brequires|&&|\|\||=|!)\s*requires\s*@?$|\brequires$", head):
        return None  # a requires-expression
    if "(" in head:
        return None  # a default argument
    if re.search(r"\b(class|struct|union|enum|namespace)\b[^@]*$", head) or "@" not in head:
        return False
    if "=" in head:
        return None  # a variable, perhaps a lambda
    if re.search(r"@[^:]*(::[^:]*)*:(?!:).*\w$", head, re.S):
        return None  # a member's initialiser: `: a{0}, b{1} {`
    return True


def functions(code):
    """(first line, last line) of each outermost function body in code without comments and literals."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: blank(m.group()), code, flags=re.M)
    found, position, head = [], 0, 0
    while (brace := re.compile(r"[{};]").search(code, position)) is not None:
        position = brace.end()
        if brace.group() != "{":
            head = position
            continue
        verdict = opens_function(code[head:brace.start()])
        if verdict is False:
            head = position
            continue
        end = closing(code, brace.start())
        if verdict:
            found.append((line_of(code, brace.start()), line_of(code, end)))
            head = end + 1
        position = end + 1  # with None the head goes on: an initialiser, or a requires-expression
    return found


def closing(code, start):
    depth = 0
    for brace in re.compile(r"[{}]").finditer(code, start):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.start()
    return len(code)


class checker:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.violations = []

    def report(self, path, line, rule, what):
        self.violations.append(f"{path.relative_to(self.root)}:{line}: {rule}: {what}")

    def run(self):
        library = self.root / "include" / "tcpco"
        headers = sorted(p for p in (self.root / "include").rglob("*") if p.is_file())
        for path in headers:
            if path.suffix != ".hpp" or library not in path.parents:
                self.report(path, 1, "layout", "headers are include/tcpco/**/*.hpp")
                continue
            self.header(path, path.relative_to(library))
        if not headers:
            self.report(library, 1, "layout", "no header found: is this the root of the tree?")
        for folder in ("tests", "bench", "examples", "include"):
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and path.suffix in (".hpp", ".cpp", ".py", ".txt", ".cmake", ".sh", ""):
                    self.unfinished(path)
        for path in sorted((self.root / "tests").rglob("*.cpp")):
            self.test(path, path.relative_to(self.root / "tests"))
        for path in [*sorted(self.root.glob("*.md")), *sorted((self.root / "docs").rglob("*.md"))]:
            self.links(path)
        return self.violations

    def header(self, path, name):
        text = path.read_text(encoding="utf-8")
        code = code_only(text)
        folder = name.parts[0] if len(name.parts) > 1 else None
        if folder is not None and folder not in LAYERS:
            self.report(path, 1, "layout", f"{folder}/ is no folder of the design")
            return
        if not text.startswith("//"):
            self.report(path, 1, "opening-comment", "a header opens with a comment that says what it is for")
        if len(re.findall(r"^#pragma once$", code, re.M)) != 1:
            self.report(path, 1, "pragma-once", "exactly one #pragma once")
        lines = text.count("\n")
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > LINE_OCTETS:
                self.report(path, number, "line-length", f"{len(line)} octets, the limit is {LINE_OCTETS}")
        if lines > HEADER_LINES:
            self.report(path, lines, "header-length", f"{lines} lines, the limit is {HEADER_LINES}: is there a seam inside?")
        for first, last in functions(code):
            if last - first + 1 > FUNCTION_LINES:
                self.report(path, first, "function-length",
                            f"{last - first + 1} lines, the limit is {FUNCTION_LINES}: it does not fit on a screen")
        self.includes(path, name, folder, text)
        if folder in CORE:
            self.pure(path, code)
        if folder == "tcp":
            for match in re.finditer(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else)\b", code, re.M):
                self.report(path, line_of(code, match.start()), "conditional", "no #if in tcp/: a feature is a policy or an option")

    def includes(self, path, name, folder, text):
        code = code_only(text, keep_strings=True)
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)"|(\S.*))', code, re.M):
            line = line_of(code, match.start())
            system, own, other = match.groups()
            if other is not None:
                self.report(path, line, "include-form", f"include names a file: {other}")
            elif own is not None and not own.startswith("tcpco/"):
                self.report(path, line, "include-form", f'own headers are included as "tcpco/...": {own}')
            elif system is not None and system.startswith("tcpco/"):
                self.report(path, line, "include-form", f'own headers are included with quotes: {system}')
            elif own is not None:
                self.own_include(path, line, name, folder, own)
            else:
                if folder in CORE and system in FORBIDDEN_IN_CORE:
                    self.report(path, line, "core-include", f"<{system}> is forbidden from core/ to stack/")
                if LINUX.search(system) and not LINUX_ALLOWED.match(str(name)):
                    self.report(path, line, "linux-include",
                                f"<{system}> only in reactor/uring*, reactor/poll*, device/{{tap,tun,frame_fd,interface_setup}}*")

    def own_include(self, path, line, name, folder, own):
        if not (self.root / "include" / own).is_file():
            self.report(path, line, "include-form", f"there is no {own}")
        parts = own.split("/")[1:]
        if own in ANYWHERE:
            return
        if folder is None:
            if str(name) == CORE_UMBRELLA and LINUX_ALLOWED.match("/".join(parts)):
                self.report(path, line, "layer", f"{CORE_UMBRELLA} is portable: it must not include {own}")
            return
        target = parts[0] if len(parts) > 1 else None
        above = ONLY.get(folder, set(LAYERS[: LAYERS.index(folder) + 1]))
        if target is None:
            self.report(path, line, "layer", f"{folder}/ must not include the umbrella {own}")
        elif target not in above:
            self.report(path, line, "layer", f"{folder}/ must not include {target}/")

    def pure(self, path, code):
        for pattern, rule, what in (
                # ack_decision::now() means "acknowledge now" and asks no clock
                (r"(?<!ack_decision )(?<!ack_decision::)\bnow\s*\(\s*\)", "clock",
                 "no now() from core/ to stack/: time is handed in"),
                (r"\b(throw|try|catch)\b", "exception", "nothing throws or catches from core/ to stack/"),
                (r"\b(dynamic_cast|typeid)\b", "rtti", "no RTTI from core/ to stack/"),
                (r"\bco_(await|yield|return)\b", "coroutine", "coroutines begin in async/")):
            for match in re.finditer(pattern, code):
                self.report(path, line_of(code, match.start()), rule, what)

    def unfinished(self, path):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return
        for match in UNFINISHED.finditer(text):
            self.report(path, line_of(text, match.start()), "unfinished", f"'{match.group()}' left in the tree")

    def links(self, path):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)", text):  # a colon: elsewhere in the world
            if not (path.parent / match.group(1)).exists():
                self.report(path, line_of(text, match.start()), "link", f"there is no {match.group(1)}")

    def test(self, path, name):
        """A test that no build knows would never run: every .cpp has a place and a suffix."""
        folder = name.parts[0] if len(name.parts) > 1 else None
        if folder in ("packaging", "rules", "compile_fail"):
            return
        suffix = {"fuzz": "_fuzz.cpp", "support": "_instance.cpp"}.get(folder, "_test.cpp")
        once = "_instance.cpp" if len(name.parts) == 2 and folder != "fuzz" else suffix  # templates compiled once
        known = name.name.endswith((suffix, once)) and len(name.parts) <= 3
        if str(name) != "main.cpp" and (folder is None or not known):
            self.report(path, 1, "test-file", f"no target compiles this: tests are tests/<folder>/*{suffix}")
            return
        text = path.read_text(encoding="utf-8")
        code = code_only(text, keep_strings=True)
        for match in re.finditer(r'\b(?:TEST_CASE|SCENARIO)\s*\(\s*"((?:\\.|[^"\\])*)"', code):
            if not TEST_NAME.match(match.group(1)):
                self.report(path, line_of(code, match.start()), "test-name",
                            f"'{match.group(1)}': letters, digits, spaces and _',.:()=<>+-/^ only")
        header = "tcpco/" + str(name)[: -len("_test.cpp")] + ".hpp"
        first = re.search(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)', code, re.M)
        if folder != "fuzz" and (self.root / "include" / header).is_file() and (first is None or first.group(1) != header):
            self.report(path, 1, "test-include", f"the header under test is included first: {header}")


# The self-test: a tree without fault, and one fault at a time.

GOOD = {
    "include/tcpco/version.hpp": "// The version.\n#pragma once\n",
    "include/tcpco/core.hpp": '// All that is portable.\n#pragma once\n#include "tcpco/tcp/b.hpp"\n',
    "include/tcpco/core/a.hpp": "// A thing: try it, now() and throw are words here.\n#pragma once\n#include <cstdint>\n"
                                "inline const char* text() { return \"throw now()\"; }\n"
                                "inline int many() { return 1'000'000; }  // it's\n",
    "include/tcpco/wire/w.hpp": "// Wire.\n#pragma once\n",
    "include/tcpco/policy/p.hpp": '// A policy.\n#pragma once\n#include "tcpco/core/a.hpp"\n',
    "include/tcpco/tcp/b.hpp": '// Uses a.\n#pragma once\n#include "tcpco/core/a.hpp"\n#include "tcpco/policy/p.hpp"\n',
    "include/tcpco/async/c.hpp": "// May wait.\n#pragma once\n#include <coroutine>\n#include <thread>\n",
    "include/tcpco/reactor/uring_reactor.hpp": "// Linux.\n#pragma once\n#include <sys/mman.h>\n",
    "include/tcpco/device/tap.hpp": "// Linux.\n#pragma once\n#include <linux/if_tun.h>\n",
    "tests/core/a_test.cpp": '#include "tcpco/core/a.hpp"\n#include "catch.hpp"\nTEST_CASE("a: is 1 (RFC 1)", "[core]") {}\n',
    "tests/fuzz/wire_fuzz.cpp": "// no main\n",
    "tests/main.cpp": "int main() {}\n",
    "README.md": "See [docs](docs/d.md) and [others](https://example.org/gone).\n",
    "docs/d.md": "See [a.hpp](../include/tcpco/core/a.hpp) and [here](d.md#there).\n",
}
HEADER = "// For a test.\n#pragma once\n"


def long_function(opening, lines):
    return HEADER + opening + "\n{\n" + "    work();\n" * (lines - 2) + "}\n"


TOO_LONG = [
    "inline void f(int a)",
    "template <class T = int, int N = (1 < 2)>\nconstexpr auto f(T t, int b = 3) noexcept(N > 1) -> int",
    "template <class T>\n    requires requires(T t) { t.x(); t.y(); }\nvoid f(T)",
    "template <class T>\nvoid f(T) requires std::integral<T>",
    "struct s {\n    int x = 0;\n    int y{1};\n};\nbool operator==(const s&, const s&) noexcept",
    "template <class T>\nbool s<T>::operator()(int a) const&",
    "void f(int a) requires(N > 1)",
    "template <class T>\n    requires(sizeof(T) > 1)\nstd::pair<int, std::vector<T>> f(T t) noexcept(noexcept(t.g(1)))",
    "[[nodiscard]] alignas(64) inline auto f() -> decltype(g(1))",
]
IN_CLASS = [
    "    s() : a_{0}, b_{1}, c_(2)",
    "    template <class U>\n    explicit s(U u) noexcept : a_{u}",
    "private:\n    int many[3] = {1, 2, 3};\n    int get() const noexcept",
    "public:\n    friend constexpr auto operator<=>(s a, s b)",
    "    constexpr s(std::uint64_t k) noexcept : base<int>{k ^ 1}, a_{g(k)},\n          b_{k}",
    "    int a = g(1) + (2);\n    static constexpr auto f = [](int x) { return x; };\n    void g(int x, s y = {1})",
]


def faults():
    """(rule, path, text): each file, put into the good tree, must be reported under this rule alone."""
    yield "layer", "include/tcpco/core/x.hpp", HEADER + '#include "tcpco/tcp/b.hpp"\n'
    yield "layer", "include/tcpco/policy/x.hpp", HEADER + '#include "tcpco/wire/w.hpp"\n'
    yield "layer", "include/tcpco/async/x.hpp", HEADER + '#include "tcpco/device/tap.hpp"\n'
    yield "layer", "include/tcpco/tcp/x.hpp", HEADER + '#include "tcpco/core.hpp"\n'
    yield "layer", "include/tcpco/core.hpp", HEADER + '#include "tcpco/device/tap.hpp"\n'
    yield "layout", "include/tcpco/misc/x.hpp", HEADER
    yield "layout", "include/tcpco/core/x.h", HEADER
    for header in ("coroutine", "thread", "atomic", "chrono", "mutex"):
        yield "core-include", "include/tcpco/stack/x.hpp", HEADER + f"#  include <{header}>\n"
    yield "linux-include", "include/tcpco/async/x.hpp", HEADER + "#include <sys/epoll.h>\n"
    yield "linux-include", "include/tcpco/device/memory_link.hpp", HEADER + "#include <linux/if.h>\n"
    yield "linux-include", "include/tcpco/reactor/virtual_reactor.hpp", HEADER + "#include <liburing.h>\n"
    yield "linux-include", "include/tcpco/storage/x.hpp", HEADER + "#include <unistd.h>\n"
    yield "include-form", "include/tcpco/core/x.hpp", HEADER + '#include "a.hpp"\n'
    yield "include-form", "include/tcpco/core/x.hpp", HEADER + "#include <tcpco/core/a.hpp>\n"
    yield "include-form", "include/tcpco/core/x.hpp", HEADER + '#include "tcpco/core/gone.hpp"\n'
    yield "clock", "include/tcpco/tcp/x.hpp", HEADER + "inline auto f() { return clock::now(); }\n"
    yield "exception", "include/tcpco/wire/x.hpp", HEADER + "inline void f() { throw 1; }\n"
    yield "rtti", "include/tcpco/wire/x.hpp", HEADER + "inline void f(b* p) { dynamic_cast<c*>(p); }\n"
    yield "coroutine", "include/tcpco/stack/x.hpp", HEADER + "inline task f() { co_return; }\n"
    yield "conditional", "include/tcpco/tcp/x.hpp", HEADER + "#ifdef SOMETHING\n#endif\n"
    yield "pragma-once", "include/tcpco/core/x.hpp", "// For a test.\n// #pragma once\n"
    yield "opening-comment", "include/tcpco/core/x.hpp", "#pragma once\n// Late.\n"
    yield "header-length", "include/tcpco/core/x.hpp", HEADER + "\n" * HEADER_LINES
    yield "line-length", "include/tcpco/core/x.hpp", HEADER + "// " + "x" * LINE_OCTETS + "\n"
    for opening in TOO_LONG:
        yield "function-length", "include/tcpco/core/x.hpp", long_function(opening, FUNCTION_LINES + 1)
    for opening in IN_CLASS:
        text = long_function("class s : public base<int> {\n" + opening, FUNCTION_LINES + 1)
        yield "function-length", "include/tcpco/core/x.hpp", text + "};\n"
    for word in ("TO" + "DO", "FIX" + "ME", "st" + "ub", "not im" + "plemented"):
        yield "unfinished", "include/tcpco/core/x.hpp", HEADER + f"// {word}: later\n"
        yield "unfinished", "examples/echo/x.cpp", f"// {word}\n"
    yield "test-file", "tests/core/helper.cpp", "int x;\n"
    yield "test-file", "tests/lost_test.cpp", "int x;\n"
    yield "test-file", "tests/support/lost_test.cpp", "int x;\n"
    yield "test-file", "tests/fuzz/wire_test.cpp", "int x;\n"
    yield "test-file", "tests/fuzz/wire_instance.cpp", "int x;\n"
    yield "test-file", "tests/policy/congestion/reno_instance.cpp", "int x;\n"
    yield "test-name", "tests/core/x_test.cpp", 'TEST_CASE("a; b")\n{\n}\n'
    yield "link", "docs/d.md", "See [gone.hpp](../include/tcpco/core/gone.hpp).\n"
    yield "link", "README.md", "See [gone](docs/gone.md#there).\n"
    yield "test-include", "tests/core/a_test.cpp", '#include "catch.hpp"\n#include "tcpco/core/a.hpp"\n'


def findings(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return checker(root).run()


def self_test():
    wrong, count = [], 0
    good = dict(GOOD)
    for i, opening in enumerate(TOO_LONG):  # one line shorter is allowed
        good[f"include/tcpco/core/long{i}.hpp"] = long_function(opening, FUNCTION_LINES)
    for i, opening in enumerate(("class s", "struct alignas(64) s final : base<decltype(g())>", "namespace a::b", "enum class e",
                                 "template <class T>\n    requires(sizeof(T) > 1)\nclass s", "inline constexpr int a[] =")):
        good[f"include/tcpco/core/long_class{i}.hpp"] = HEADER + opening + " {\n" + "    int f() { return 0; }\n" * 100 + "};\n"
    if found := findings(good):
        wrong.append(f"the good tree is reported: {found}")
    for rule, name, text in faults():
        count += 1
        found = findings({**GOOD, name: text})
        if not found or any(f": {rule}: " not in each for each in found):
            wrong.append(f"{rule} in {name}: reported as {found}\n{text[:200]}")
    if not findings({}):
        wrong.append("an empty tree passes")
    for each in wrong:
        print(each)
    print(f"self-test: {count} faults, {len(wrong)} not reported as they should")
    return 1 if wrong or count == 0 else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    violations = checker(sys.argv[1]).run()
    for each in violations:
        print(each)
    print(f"{len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
