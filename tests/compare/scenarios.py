"""Limits of one meter, two meters and two levels, each shared by several processes at once.

The same requests go through any limiter whose worker reads its orders from standard input, and are
judged by the same rules. The counter in front of the table counts what they cost.
"""

import json
import subprocess
import time
import urllib.request

WORKERS = 8
# The limited phase: a limit of 5 a second and 50 at once. Four times the burst come at once, and
# then twice the rate. A slow machine admits less than a high rate allows, and would hide an excess.
RATE, BURST, TOKENS = 5, 50, 100
CROWD, LIMITED, GAP_MS = 4 * BURST // WORKERS, 1.5, 1000 * WORKERS // (2 * RATE)
# The open phase: limits that never refuse, and one request after another in each process.
OPEN, WIDE = 1, (1_000_000, 1_000_000_000)
# A parent may admit so much more, which its leases hold: `throttle/README.md`, The promise.
LEASE_SECONDS = 1


class Scenario:
    """Limits of each meter, (rate, burst), and the amounts of a request."""

    def __init__(self, phase, name, amounts, levels=1):
        self.phase, self.name, self.amounts = phase, name, amounts
        self.limits = {
            meter: (amount * RATE, amount * BURST) if phase == "limited" else WIDE
            for meter, amount in amounts.items()
        }
        self.prefix = f"{phase}-{name}-".replace(" ", "-")
        # Each user may have all of the tenant's limit: only the tenant refuses.
        self.tenant = self.prefix + "tenant" if levels == 2 else None

    def subject(self, worker):
        return self.prefix + (f"user-{worker}" if self.tenant else "all")

    def levels(self):
        """Each subject with its limits and its parent, parents first."""
        subjects = [self.tenant] if self.tenant else []
        subjects += sorted({self.subject(worker) for worker in range(WORKERS)})
        for subject in subjects:
            parent = self.tenant if subject != self.tenant else None
            yield {"subject": subject, "limits": self.limits, "parent": parent}

    def orders(self, seconds, gap_ms, crowd):
        """The order of each worker: a crowd at once, and then one request after another."""
        return [
            {
                "subject": self.subject(worker), "parent": self.tenant, "amounts": self.amounts,
                "seconds": seconds, "gap_ms": gap_ms, "crowd": crowd,
                "offset_ms": gap_ms * worker // WORKERS,
            }
            for worker in range(WORKERS)
        ]


SCENARIOS = [
    scenario
    for phase in ("limited", "open")
    for scenario in (
        Scenario(phase, "one meter", {"requests": 1}),
        Scenario(phase, "two meters", {"requests": 1, "tokens": TOKENS}),
        Scenario(phase, "two levels", {"requests": 1}, levels=2),
    )
]


class Limiter:
    """The processes of one limiter. Their buckets fill until they are measured."""

    def __init__(self, command, url):
        self.counter = url + "/counted"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.workers = [subprocess.Popen([*command, url], **pipes) for _ in range(WORKERS)]
        self.send([{"prepare": [level for it in SCENARIOS for level in it.levels()]}])
        # Then each bucket exists, and each worker has found its limits.
        for scenario in SCENARIOS:
            self.send(scenario.orders(0, 0, 0))
        self.full_at = time.monotonic() + BURST / RATE + 1

    def send(self, orders):
        """Sends the workers their orders, and returns their answers."""
        pairs = list(zip(self.workers, orders))
        for worker, order in pairs:
            worker.stdin.write(json.dumps(order) + "\n")
            worker.stdin.flush()
        answers = [worker.stdout.readline() for worker, _ in pairs]
        if not all(answers):
            raise SystemExit("compare: a worker of the scenarios has ended")
        return [json.loads(answer) for answer in answers]

    def drive(self, scenario):
        """The requests of all workers, [sent, answered, outcome], and what they cost."""
        limited = scenario.phase == "limited"
        settings = (LIMITED, GAP_MS, CROWD) if limited else (OPEN, 0, 0)
        before = self.counted()
        answers = self.send(scenario.orders(*settings))
        requests = [request for answer in answers for request in answer]
        return requests, {key: value - before[key] for key, value in self.counted().items()}

    def counted(self):
        with urllib.request.urlopen(self.counter) as answer:
            return json.load(answer)

    def end(self):
        for worker in self.workers:
            worker.stdin.close()
        for worker in self.workers:
            worker.wait(30)


def excess(requests, rate, burst):
    """Requests above burst + rate·w in the window that has most of them, or 0.

    A request that was sent and answered within a window was admitted within it.
    """
    admitted = sorted(tuple(times) for *times, outcome in requests if outcome == "admitted")
    worst = 0
    for start in {sent for sent, _ in admitted}:
        within = sorted(answered for sent, answered in admitted if sent >= start)
        for count, end in enumerate(within, 1):
            worst = max(worst, count - burst - rate * (end - start) // 10**9)
    return worst


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, len(values) * percent // 100)]


def measure(limiter):
    """The figures of each scenario: of requests above the limit, and of requests within it."""
    figures = {}
    time.sleep(max(0, limiter.full_at - time.monotonic()))
    for scenario in SCENARIOS:
        requests, cost = limiter.drive(scenario)
        count = len(requests)
        seconds = (max(it[1] for it in requests) - min(it[0] for it in requests)) / 1e9
        took = [answered - sent for sent, answered, _ in requests]
        outcomes = [outcome for *_, outcome in requests]
        figures.setdefault(scenario.name, {})[scenario.phase] = {
            "admitted": outcomes.count("admitted"),
            "failed": outcomes.count("failed"),
            "allowed": BURST + int(RATE * seconds),
            "excess": excess(requests, RATE, BURST) if scenario.phase == "limited" else 0,
            "calls": cost["calls"] / count,
            "writes": cost["write_units"] / count,
            "reads": cost["read_units"] / count,
            "rate": count / seconds,
            "p50": percentile(took, 50) / 1e6,
            "p99": percentile(took, 99) / 1e6,
        }
    return figures


def table(limiters):
    """The figures of all limiters, as a table."""
    head = (
        "Limits", "Who",
        "Over the limit: admitted of allowed", "Too many", "Calls, write units, read units",
        "Within it: requests a second", "p50, p99", "Calls, write units, read units",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in next(iter(limiters.values())):
        for who, figures in limiters.items():
            limited, wide = figures[name]["limited"], figures[name]["open"]
            failed = limited["failed"] + wide["failed"]
            cells = (
                name, who + (f", {failed} failed" if failed else ""),
                f"{limited['admitted']} of {limited['allowed']}", str(limited["excess"]),
                cost(limited), f"{wide['rate']:.0f}", f"{wide['p50']:.1f}, {wide['p99']:.1f} ms",
                cost(wide),
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cost(figures):
    return f"{figures['calls']:.2f}, {figures['writes']:.2f}, {figures['reads']:.2f}"


def over_admits(figures):
    """Scenarios in which Tollgate admitted more than it promises."""
    slack = {"two levels": RATE * LEASE_SECONDS}
    excesses = {name: seen["limited"]["excess"] for name, seen in figures.items()}
    return [name for name, excess in excesses.items() if excess > slack.get(name, 0)]
