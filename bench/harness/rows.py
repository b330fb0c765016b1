"""What is measured, and the targets. A row is one kind of work; its entries are the programs that do it, in turn."""
import dataclasses
import statistics

GIGABYTE = 1e9

# In the order in which they run, and stand in the table.
ENTRIES = {
    "raw": "bare TAP",
    "bare": "bare work",
    "tcpco": "tcpco",
    "lwip": "lwIP, built",
    "lwip_loopback": "lwIP, loopback",
    "lwip_shipped": "lwIP, as shipped",
    "kernel": "kernel, veth",
    # Of rows that compare something else.
    "alone": "alone",
    "apart": "two processes",
    "raw_alone": "bare TAP alone",
    "plain": "tcpco without TLS",
    "aes": "AES-GCM alone",
    "records": "OpenSSL's records",
    "memcpy": "memcpy",
    "priority_queue": "priority_queue",
    "unordered_map": "unordered_map",
}
PEERS = ("raw", "tcpco", "lwip", "lwip_shipped", "kernel")


@dataclasses.dataclass
class Row:
    name: str
    title: str
    unit: str
    client: list                    # arguments of kernel_client
    value: object                   # from the client's JSON to the figure
    higher_is_better: bool = True
    entries: tuple = PEERS
    offload: bool = False
    one_cpu: bool = False
    busy: bool = False
    tuned: bool = False             # raw and tcpco look for their best settings first
    settings: dict = dataclasses.field(default_factory=dict)  # entry -> arguments that are always given
    also: dict = dataclasses.field(default_factory=dict)      # further figures: name -> function
    match_acks: bool = False        # raw acknowledges as often as tcpco turned out to
    client_for: dict = dataclasses.field(default_factory=dict)  # entry -> further arguments of the client
    servers: dict = dataclasses.field(default_factory=dict)     # entry -> its server, where it is not the usual one
    clients: dict = dataclasses.field(default_factory=dict)     # entry -> its client, likewise
    lone: dict = dataclasses.field(default_factory=dict)        # entry -> a program that needs no other side


# What the client does for one entry alone. Debian's liblwip has packet buffers of 592 octets where its tapif takes them
# for 1,514 (valgrind shows the heap written behind them): only frames that fit leave it alive.
CLIENT_FOR = {"lwip_shipped": ["mss=536"]}


def gigabits(result):
    return result["octets"] * 8 / result["seconds"] / 1e9


def jain(result):
    each = result["each"]
    squares = sum(x * x for x in each)
    return sum(each) ** 2 / (len(each) * squares) if squares else 0.0


def p99(result):
    return result["p99_us"]


def segments_per_ack(result):
    return result["segments_per_ack"]


def bulk(name, title, work, offload, **more):
    also = {"segments/ACK": segments_per_ack} if work == "send" else {}
    return Row(name, title, "Gbit/s", ["work=" + work], gigabits, offload=offload, also=also, **more)


def ping(name, title, busy=False, one_cpu=False, entries=PEERS):
    return Row(name, title, "us, p50", ["work=ping"] + (["busy=1"] if busy else []), lambda r: r["p50_us"],
               higher_is_better=False, busy=busy, one_cpu=one_cpu, entries=entries, also={"p99": p99},
               settings={"raw": ["engine=read"]})


def connections_per_cpu(result):
    """1000 connections per second of processor time of both: without what else the machine did meanwhile."""
    return result["connections"] / (result["client_cpu"] + result["server_cpu"]) / 1e3


def connect(name, title, parallel):
    return Row(name, title, "1000/s", ["work=connect", f"parallel={parallel}"],
               lambda r: r["connections"] / r["seconds"] / 1e3, one_cpu=True,
               also={"1000/cpu-s": connections_per_cpu}, settings={"raw": ["engine=read"]})


NO_SHIPPED = ("raw", "tcpco", "lwip", "kernel")
RAW_AND_WE = ("raw", "tcpco")

TAP_ROWS = [
    bulk("receive_offload", "bulk receive, super-frames", "send", True, tuned=True),
    bulk("send_offload", "bulk send, super-frames", "receive", True, tuned=True),
    bulk("receive_plain", "bulk receive, MTU 1500", "send", False, tuned=True, match_acks=True),
    bulk("receive_plain_stretch", "bulk receive, MTU 1500, tcpco with one ACK for a batch", "send", False,
         entries=RAW_AND_WE, settings={"tcpco": ["every=64", "stretch=1"]}, tuned=True, match_acks=True),
    bulk("send_plain", "bulk send, MTU 1500", "receive", False, tuned=True),
    ping("ping_waiting", "1 octet there and back, two cpus, both wait"),
    ping("ping_busy", "1 octet there and back, two cpus, both poll", busy=True, entries=NO_SHIPPED),
    ping("ping_one_cpu", "1 octet there and back, one cpu", one_cpu=True),
    connect("connect_1", "connect, 1 octet each way, close; one cpu, one at a time", 1),
    connect("connect_32", "connect, 1 octet each way, close; one cpu, 32 at a time", 32),
    Row("shared_64", "bulk receive, super-frames, shared by 64 connections", "Gbit/s", ["work=send"], gigabits,
        offload=True, entries=("raw", "raw_alone", "tcpco", "alone", "kernel"), also={"jain": jain},
        client_for={e: ["connections=64"] for e in ("raw", "tcpco", "kernel")},
        settings={e: ["engine=plain", "every=2", "slots=4"] for e in ("raw", "raw_alone")}),
    # The client takes the ciphertext and does not open it: it is not to be the bottleneck. OpenSSL's record layer copies
    # and does its books besides AES-GCM: with it in place of AES-GCM the sum is what is left to a stack. The copy into
    # the send buffer is in both sums already, as tcpco's without TLS.
    Row("tls_send", "bulk send through TLS 1.3, AES-128-GCM, super-frames", "Gbit/s", ["work=receive"], gigabits,
        offload=True, entries=("tcpco", "plain", "aes", "records"), servers={"tcpco": "tcpco_bench_tls_server"},
        clients={"tcpco": "tcpco_bench_tls_client"},
        lone={"aes": "tcpco_bench_aes_gcm", "records": "tcpco_bench_tls_records"}),
]

# What raw and tcpco try before a tuned row is measured: the best settings are kept.
SINK_RAW = [f"engine={e} every={n} slots={s}" for e in ("plain", "uring") for n in (1, 2, 4, 8) for s in (1, 4, 16)
            if not (e == "uring" and s == 1)]
SINK_WE = [f"batch={b} every={n}" for b in (131_072, 262_144, 524_288) for n in (2, 200)]
CANDIDATES = {
    "receive_offload": {"raw": SINK_RAW, "tcpco": SINK_WE},
    "send_offload": {"raw": [f"engine={e} slots={s}" for e in ("plain", "uring") for s in (1, 2, 4, 8, 16)],
                     "tcpco": [""]},
    "receive_plain": {"raw": [f"engine={e} slots={s}" for e in ("plain", "uring") for s in (4, 32, 128)],
                      "tcpco": [""]},
    "receive_plain_stretch": {"raw": [f"engine={e} slots={s}" for e in ("plain", "uring") for s in (4, 32, 128)],
                            "tcpco": [""]},
    "send_plain": {"raw": [f"engine={e} slots={s}" for e in ("plain", "uring") for s in (4, 16, 32, 64)],
                   "tcpco": [""]},
}
QUICK_CANDIDATES = {
    "receive_offload": {"raw": ["engine=plain every=2 slots=1", "engine=plain every=4 slots=4", "engine=uring every=4 slots=4"],
                        "tcpco": ["", "batch=131072"]},
    "send_offload": {"raw": ["engine=plain slots=2", "engine=plain slots=8"], "tcpco": [""]},
    "receive_plain": {"raw": ["engine=plain slots=32", "engine=uring slots=128"], "tcpco": [""]},
    "receive_plain_stretch": {"raw": ["engine=plain slots=32", "engine=uring slots=128"], "tcpco": [""]},
    "send_plain": {"raw": ["engine=plain slots=32", "engine=uring slots=64"], "tcpco": [""]},
}


@dataclasses.dataclass
class MemoryRow:
    """Both ends in one process. tcpco's figure is a Google Benchmark program's; the others print what program_rows has."""
    name: str
    title: str
    unit: str
    program: str
    benchmark: str
    value: object
    others: dict                    # entry -> arguments of MEMORY_PROGRAMS[entry]
    higher_is_better: bool = False


def per_segment(b):
    return b["per_segment"] * 1e9


# lwIP's are built with lwIP, the others with tcpco's programs.
MEMORY_PROGRAMS = {"bare": "tcpco_bench_memory_limit", "lwip": "lwip_memory", "lwip_loopback": "lwip_memory"}

MEMORY_ROWS = [
    MemoryRow("memory_checksums", "stack to stack, MTU 1500, with checksums, both ends", "ns a segment", "echo",
              "bulk/checksums/128", per_segment,
              {"bare": ["work=bulk"], "lwip": ["work=bulk"], "lwip_loopback": ["work=bulk", "loopback=1"]}),
    MemoryRow("memory_offload", "stack to stack, MTU 1500, without checksums, both ends", "ns a segment", "echo",
              "bulk/checksum_offload/128", per_segment,
              {"bare": ["work=bulk", "checksums=0"], "lwip": ["work=bulk", "ends=lwip_end_unsummed"]}),
    MemoryRow("memory_requests", "64-octet requests over 1,000 connections, both ends on one core", "M/s", "requests",
              "requests/64/1000", lambda b: b["items_per_second"] / 1e6,
              {"bare": ["work=requests"], "lwip": ["work=requests"]}, True),
    MemoryRow("memory_connect", "connect, 1 octet each way, close, both ends on one core", "1000/s", "requests",
              "connect_close", lambda b: b["items_per_second"] / 1e3,
              {"bare": ["work=connect"], "lwip": ["work=connect"]}, True),
]


class Figures:
    """The values of one entry of one row."""

    def __init__(self):
        self.values = []
        self.also = {}
        self.client_cpu = []  # seconds per gigabyte
        self.server_cpu = []
        self.settings = ""
        self.errors = []
        self.failed_rounds = []

    def fail(self, why):
        self.failed_rounds.append(len(self.values) + len(self.failed_rounds))
        self.errors.append(why)

    def in_rounds(self, values):
        """`values`, with None where a round failed: what others measured in that round has nothing beside it."""
        out = list(values)
        for r in self.failed_rounds:
            out.insert(r, None)
        return out

    def add(self, row, result):
        self.values.append(row.value(result))
        for name, function in row.also.items():
            self.also.setdefault(name, []).append(function(result))
        gigabytes = result.get("octets", 0) / GIGABYTE
        if gigabytes:
            self.client_cpu.append(result["client_cpu"] / gigabytes)
            if "server_cpu" in result:
                self.server_cpu.append(result["server_cpu"] / gigabytes)

    @property
    def median(self):
        return statistics.median(self.values) if self.values else None

    def as_json(self):
        out = {"values": self.values, "settings": self.settings}
        if self.values:
            out.update(min=min(self.values), median=self.median, max=max(self.values))
        for name, values in self.also.items():
            out[name] = {"values": values, "median": statistics.median(values)}
        for name, values in (("client_cpu_seconds_per_gigabyte", self.client_cpu),
                             ("server_cpu_seconds_per_gigabyte", self.server_cpu)):
            if values:
                out[name] = statistics.median(values)
        if self.errors:
            out["errors"] = self.errors
        return out


def ratio(above, below):
    """The median of the ratios of rounds: what both measured in turn, minutes of drift left out."""
    pairs = [a / b for a, b in zip(above, below) if a is not None and b]
    return statistics.median(pairs) if pairs else None


class Results:
    def __init__(self):
        self.rows = {}  # row name -> entry -> Figures

    def figures(self, row, entry):
        return self.rows.setdefault(row, {}).setdefault(entry, Figures())

    def values(self, row, entry, figure=None):
        f = self.rows.get(row, {}).get(entry)
        if f is None:
            return []
        return f.also.get(figure, []) if figure else f.values

    def rounds(self, row, entry, figure=None):
        f = self.rows.get(row, {}).get(entry)
        return f.in_rounds(self.values(row, entry, figure)) if f else []

    def ratio(self, row, above, below, figure=None):
        return ratio(self.rounds(row, above, figure), self.rounds(row, below, figure))

    def failed(self, row):
        """tcpco was to be measured, and never came to an end."""
        f = self.rows.get(row, {}).get("tcpco")
        return f is not None and bool(f.errors) and not f.values


@dataclasses.dataclass
class Target:
    row: str
    text: str
    measured: object      # from Results to a number, or None where it was not measured
    limit: float
    at_least: bool = True

    def judge(self, results):
        """(met, measured): met is None where it was not measured; who failed each time has missed it."""
        value = self.measured(results)
        if value is None:
            return (False if results.failed(self.row) else None), None
        return (value >= self.limit if self.at_least else value <= self.limit), value


def over(row, below, limit, figure=None):
    what = ENTRIES[below] + (f", {figure}" if figure else "")
    return Target(row, f"at least {limit:g} x {what}", lambda r: r.ratio(row, "tcpco", below, figure), limit)


def within(row, below, limit, figure=None):
    what = f"{figure or 'p50'} at most {limit:g} x {ENTRIES[below]}"
    return Target(row, what, lambda r: r.ratio(row, "tcpco", below, figure), limit, at_least=False)


def absolute(row, text, limit, at_least):
    def measured(results):
        values = results.values(row, "tcpco")
        return statistics.median(values) if values else None
    return Target(row, text, measured, limit, at_least)


def shared_total(results):
    return results.ratio("shared_64", "tcpco", "alone")


def beside_loopback(row, limit):
    """Beside lwIP's loopback with checksums: what the goal in nanoseconds was of it where both were measured first."""
    return Target(row, f"at most {limit:g} x lwIP's loopback with checksums", lambda r: ratio(
        r.values(row, "tcpco"), r.values("memory_checksums", "lwip_loopback")), limit, at_least=False)


def beside_the_sum(entry):
    """TLS beside 1/(1/entry + 1/plain): what is left when one cpu does both, one after the other."""
    def measured(results):
        rounds = zip(*(results.rounds("tls_send", e) for e in ("tcpco", entry, "plain")))
        shares = [tls * (1 / other + 1 / plain) for tls, other, plain in rounds if tls and other and plain]
        return statistics.median(shares) if shares else None
    return measured


def shared_fairness(results):
    values = results.values("shared_64", "tcpco", "jain")
    return statistics.median(values) if values else None


TARGETS = [
    over("receive_offload", "raw", 0.90), over("receive_offload", "lwip", 6),
    over("send_offload", "raw", 0.85), over("send_offload", "lwip", 6),
    over("receive_plain", "raw", 0.90), over("receive_plain", "lwip", 1), over("receive_plain", "kernel", 1),
    over("receive_plain_stretch", "raw", 0.90),
    over("send_plain", "raw", 0.90), over("send_plain", "lwip", 1), over("send_plain", "kernel", 1),
    within("ping_waiting", "raw", 1.15), within("ping_waiting", "raw", 1.30, "p99"),
    within("ping_busy", "raw", 1.15), within("ping_busy", "raw", 1.30, "p99"),
    within("ping_one_cpu", "raw", 1.15), within("ping_one_cpu", "raw", 1.30, "p99"), within("ping_one_cpu", "lwip", 1.0),
    over("connect_1", "lwip", 1.25), over("connect_32", "lwip", 1.25),
    Target("shared_64", "at least 0.9 x one connection's", shared_total, 0.9),
    over("shared_64", "raw", 0.90),
    Target("shared_64", "Jain's index at least 0.95", shared_fairness, 0.95),
    Target("tls_send", "at least 0.9 x 1/(1/AES-GCM alone + 1/plain)", beside_the_sum("aes"), 0.9),
    Target("tls_send", "at least 0.9 x 1/(1/OpenSSL's records + 1/plain)", beside_the_sum("records"), 0.9),
    absolute("memory_checksums", "at most 150 ns", 150, False), absolute("memory_offload", "at most 100 ns", 100, False),
    beside_loopback("memory_checksums", 0.110), beside_loopback("memory_offload", 0.073),
    absolute("memory_requests", "at least 3 M/s", 3, True),
    absolute("on_ack_reno", "at most 15 instructions", 15, False),
    absolute("on_ack_cubic", "at most 40 instructions", 40, False),
    absolute("on_ack_bbr", "at most 80 instructions", 80, False),
    absolute("build_seconds", "at most 10 s", 10, False), absolute("build_memory", "at most 1.5 GiB", 1.5, False),
    absolute("build_seconds_clang", "at most 10 s", 10, False),
    absolute("build_memory_clang", "at most 1.5 GiB", 1.5, False),
]
