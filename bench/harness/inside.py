"""One measurement, inside namespaces made for it: `inside.py <plan as JSON>` prints one line of JSON.

Started by `unshare --net --pid --fork --kill-child`, so this process is the first of its process namespace: when it
ends, or is killed, every process it started ends with it, and so does the network namespace. Standard library only.
"""
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

SYSCTLS = {
    "net/ipv4/tcp_max_tw_buckets": "0",  # a client's port is free again as soon as its connection is over
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv6/conf/default/disable_ipv6": "1",  # no router solicitations in between
}


def pinned(cpu):
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[cpu % len(allowed)]

    def apply():
        os.sched_setaffinity(0, {chosen})
    return apply


def wait_for_ready(server, seconds):
    readable, _, _ = select.select([server.stdout], [], [], seconds)
    line = server.stdout.readline() if readable else b""
    if line.strip() != b"ready":
        server.kill()
        raise RuntimeError("the server did not start: " + server.stderr.read().decode(errors="replace").strip())


def set_offloads(interface, on):
    """What `ethtool -K INTERFACE tx tso gso gro` would do."""
    names = [0x17, 0x1F, 0x24, 0x2C]  # ETHTOOL_STXCSUM, STSO, SGSO, SGRO
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in names:
            value = ctypes.create_string_buffer(struct.pack("II", command, 1 if on else 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(control, 0x8946, request)  # SIOCETHTOOL
            except OSError as e:
                raise RuntimeError(f"the offloads of {interface} cannot be set: {e}") from e


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def bring_up(interface, address, offloads):
    if not offloads:
        set_offloads(interface, False)
    ip("address", "add", address + "/24", "dev", interface)
    ip("link", "set", interface, "up")


def become_server_behind_veth(offloads, command):
    """In a network namespace of its own: veth1 at 198.18.0.2, whose other end veth0 is where process 1 is. Process
    numbers are told to the kernel by netlink and are those of our process namespace; /proc would show others."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:  # CLONE_NEWNET
        raise RuntimeError("unshare: " + os.strerror(ctypes.get_errno()))
    ip("link", "add", "veth1", "type", "veth", "peer", "name", "veth0", "netns", "1")
    bring_up("veth1", "198.18.0.2", offloads)
    os.execv(command[0], command)


def record(path, server):
    """perf follows the server until it ends; /proc has to be that of our process namespace."""
    recording = subprocess.Popen(["perf", "record", "--quiet", "-F", "1999", "-e", "cpu-clock", "-g", "-p", str(server.pid),
                      "-o", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    return recording


def measure(plan):
    for name, value in SYSCTLS.items():
        try:
            with open("/proc/sys/" + name, "w") as f:
                f.write(value)
        except OSError:
            pass  # an older kernel, or not ours to set: the client says when it runs out of ports
    veth = plan.get("veth")
    offloads = plan["offloads"]
    command = plan["server"]
    if veth:
        command = [sys.executable, "-I", "-S", os.path.abspath(__file__), "--behind-veth", str(int(offloads)), *command]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              preexec_fn=pinned(plan["server_cpu"]), env={**os.environ, **plan.get("environment", {})})
    recording = None
    try:
        wait_for_ready(server, 15)
        if veth:
            bring_up("veth0", "198.18.0.1", offloads)
        if plan.get("perf"):
            recording = record(plan["perf"], server)
        client = subprocess.run(plan["client"] + [f"server={server.pid}"], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=plan["timeout"], preexec_fn=pinned(plan["client_cpu"]))
        if client.returncode != 0:
            raise RuntimeError(client.stderr.strip() or f"the client ended with {client.returncode}")
        if server.poll() is not None:
            raise RuntimeError("the server ended: " + server.stderr.read().decode(errors="replace").strip())
        return json.loads(client.stdout)
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()
        if recording:
            recording.wait()  # perf ends with the server


def main():
    if sys.argv[1] == "--behind-veth":
        try:
            become_server_behind_veth(sys.argv[2] == "1", sys.argv[3:])
        except (RuntimeError, OSError) as e:
            print(e, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        result = measure(json.loads(sys.argv[1]))
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as e:
        result = {"error": str(e)}
    result["took"] = time.monotonic() - began
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
