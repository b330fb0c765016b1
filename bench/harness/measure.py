"""Runs one measurement in namespaces of its own, and knows what runs, so that an interruption leaves nothing behind."""
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = (sys.executable, "-I", "-S")  # the standard library alone: it starts sooner
running = set()


def _die_with_parent():
    """Should this program be killed without a word, `unshare` goes too, and takes its namespaces with it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's: we end it ourselves


def namespace_command():
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--pid", "--fork", "--kill-child=KILL", "--"]


def start(command, **more):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent, **more)
    running.add(process)
    return process


def finish(process, timeout):
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    finally:
        running.discard(process)


def call_and_weigh(command):
    """(exit status, octets of the largest process among it and its children)."""
    process = start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    running.discard(process)
    return process.returncode, usage.ru_maxrss * 1024


def stop_all():
    for process in list(running):
        process.kill()
        process.wait()
        running.discard(process)


def run(plan):
    """The client's JSON as a dictionary; on failure {"error": why}."""
    plan.setdefault("timeout", 60)
    proc = ["--mount-proc"] if plan.get("perf") else []
    unshare, *options = namespace_command()
    process = start([unshare, *proc, *options, *PYTHON, str(HERE / "inside.py"), json.dumps(plan)],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = finish(process, plan["timeout"] + 40)
    except subprocess.TimeoutExpired:
        return {"error": LATE}
    if process.returncode != 0 or not out.strip():
        return {"error": (err.strip() or f"it ended with {process.returncode}").splitlines()[-1]}
    return json.loads(out)


LATE = "it did not end in time"


def run_lone(command, cpu, seconds=100):
    """A program that needs no other side, on one cpu: its JSON as a dictionary; on failure {"error": why}."""
    chosen = sorted(os.sched_getaffinity(0))
    if not os.path.exists(command[0]):
        return {"error": f"{command[0]} was not built"}
    process = start(["taskset", "-c", str(chosen[cpu % len(chosen)]), *command], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True)
    try:
        out, err = finish(process, seconds)
    except subprocess.TimeoutExpired:
        return {"error": LATE}
    return json.loads(out) if process.returncode == 0 else {"error": err.strip() or "it failed"}


def run_counted(commands, pattern, seconds=300):
    """What programs of valgrind counted: the number that `pattern` finds in what each says, or None. As many at a time as
    there are processors, since what is simulated does not depend on what else runs."""
    left, running_now, found = list(commands), [], []
    while left or running_now:
        while left and len(running_now) < len(os.sched_getaffinity(0)):
            running_now.append(start(left.pop(0), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        process = running_now.pop(0)
        try:
            _, err = finish(process, seconds)
        except subprocess.TimeoutExpired:
            err = ""
        said = re.search(pattern, err)
        found.append(int(said.group(1).replace(",", "")) if process.returncode == 0 and said else None)
    return found


def why_kernel_is_short_of_memory(sockets=None, limits=None):
    """None, or why the kernel's TCP is slow now: sockets that died with octets unsent keep them for minutes, also those
    of namespaces that are gone, and beyond the first of the limits a sender gets its memory in small portions."""
    try:
        sockets = sockets or pathlib.Path("/proc/net/sockstat").read_text()
        limits = limits or pathlib.Path("/proc/sys/net/ipv4/tcp_mem").read_text()
    except OSError:
        return None
    used = re.search(r"^TCP: .* mem (\d+)$", sockets, re.M)
    if used is None or int(used.group(1)) < int(limits.split()[0]):
        return None
    return (f"its sockets hold {used.group(1)} pages, more than tcp_mem's {limits.split()[0]}: a tenth as fast until they are "
            "gone, see /proc/net/sockstat; wait some minutes")


def why_no_namespace(probe):
    """None, or why no TAP can be had here; `probe` is a program that makes one."""
    process = start([*namespace_command(), str(probe)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out, _ = finish(process, 20)
    except subprocess.TimeoutExpired:
        return LATE
    return None if process.returncode == 0 else out.strip() or "a TAP cannot be made"
