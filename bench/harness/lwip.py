"""Fetches Debian's lwIP and builds the two lwIP servers, and lwIP's ends in memory. Nothing is installed: apt works in a
directory of its own, with a sources.list of its own, so this also works for a user and changes nothing on the machine."""
import pathlib
import subprocess
import sys

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SITE = "http://deb.debian.org/debian"
SUITE = "bookworm"


class missing(Exception):
    pass


def _call(command, directory, seconds=120):
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise missing(f"{command[0]}: {e}") from e
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines() or ["it failed"]
        telling = [line for line in lines if "rror" in line or line.startswith("E:")] or lines[-1:]
        raise missing(f"{command[0]}: {telling[0]}")
    return done.stdout


def fetch(directory):
    """(source, shipped): the unpacked source package, and the unpacked library as Debian ships it."""
    directory = pathlib.Path(directory).resolve()
    source, shipped = directory / "source", directory / "shipped"
    if (source / "src").is_dir() and (shipped / "usr").is_dir():
        return source, shipped
    if not pathlib.Path(KEYRING).exists():
        raise missing("this is no Debian (no " + KEYRING + ")")
    for part in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    (directory / "etc/sources.list").write_text(
        "".join(f"{kind} [signed-by={KEYRING}] {SITE} {SUITE} main\n" for kind in ("deb", "deb-src")))
    options = []
    for name, value in (("Dir::State", "state"), ("Dir::Cache", "cache"), ("Dir::Etc", "etc"),
                        ("Dir::Etc::sourcelist", "etc/sources.list")):
        options += ["-o", f"{name}={directory / value}"]
    options += ["-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Dir::Etc::sourceparts=-",
                "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]
    _call(["apt-get", *options, "update"], directory)
    _call(["apt-get", *options, "source", "--download-only", "lwip"], directory)
    _call(["apt-get", *options, "download", "liblwip-dev", "liblwip0"], directory)
    subprocess.run(["rm", "-rf", str(source), str(shipped)], check=True)
    _call(["dpkg-source", "--no-check", "-x", _one(directory, "*.dsc"), str(source)], directory)
    for package in sorted(directory.glob("*.deb")):
        _call(["dpkg", "-x", package.name, str(shipped)], directory)
    return source, shipped


def _one(directory, pattern):
    found = sorted(directory.glob(pattern))
    if not found:
        raise missing(f"{pattern} was not downloaded")
    return found[-1].name


def fetch_or_say_why(directory):
    """fetch(), unless it was tried before the programs were built (see below): that answer holds once."""
    said = pathlib.Path(directory) / "missing"
    if said.exists():
        why = said.read_text()
        said.unlink()
        raise missing(why)
    return fetch(directory)


# What can be made of it: a name, and its target, which is a program.
TARGETS = {"lwip": "lwip_built", "lwip_shipped": "lwip_shipped", "lwip_memory": "lwip_memory"}


def build(root, directory, jobs, wanted=tuple(TARGETS)):
    """{name: program or reason} of those wanted; a reason is an instance of missing."""
    try:
        source, shipped = fetch_or_say_why(directory)
        tree = pathlib.Path(directory).resolve() / "build"
        _call(["cmake", "-S", str(root / "bench/peers"), "-B", str(tree), "-DCMAKE_BUILD_TYPE=Release",
               f"-DLWIP_SOURCE={source}", f"-DLWIP_SHIPPED={shipped}"], root)
    except missing as e:
        return dict.fromkeys(wanted, e)
    made = {}
    for name in wanted:
        target = TARGETS[name]
        try:
            _call(["cmake", "--build", str(tree), "--parallel", str(jobs), "--target", target], root, 300)
            made[name] = tree / target
        except missing as e:
            made[name] = e
    return made


if __name__ == "__main__":  # lwip.py DIRECTORY: fetches alone, while something else is done
    where = pathlib.Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    (where / "missing").unlink(missing_ok=True)
    try:
        fetch(where)
    except missing as reason:
        (where / "missing").write_text(str(reason))
