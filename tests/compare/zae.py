"""zae-limiter against a DynamoDB endpoint: what table.rs asks of ours, asked of it.

    python zae.py http://127.0.0.1:PORT http://127.0.0.1:COUNTER

Prints one line of JSON. The counter in front of the table tells calls and write units.
"""

import asyncio
import itertools
import json
import os
import sys
import time
import urllib.request

os.environ.update(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local", AWS_DEFAULT_REGION="us-east-1")

from zae_limiter import Limit, RateLimiter, RateLimitExceeded, Repository  # noqa: E402

BURST, RATE = 100, 10
CROWD, WORKERS, KEYS = 300, 8, 1000
DRIVE, PACED = 3, 6


def counted():
    with urllib.request.urlopen(sys.argv[2] + "/counted") as answer:
        return json.load(answer)


async def connected(url):
    repository = Repository("zae", "us-east-1", url, _skip_deprecation_warning=True)
    await repository.create_table()
    return RateLimiter(repository=repository)


def limits(rate, burst):
    return [Limit(name="requests", capacity=burst, refill_amount=rate, refill_period_seconds=1)]


async def decide(limiter, key, wanted):
    try:
        async with limiter.acquire(key, "api", {"requests": 1}, limits=wanted):
            return True
    except RateLimitExceeded:
        return False


async def idle(limiter):
    """One request, a long pause, then a crowd: how many of it pass, and how many may."""
    narrow = limits(RATE, BURST)
    await decide(limiter, "idle", narrow)
    await asyncio.sleep(BURST / RATE + 1)
    started = time.monotonic()
    crowd = await asyncio.gather(*(decide(limiter, "idle", narrow) for _ in range(CROWD)))
    return sum(crowd), BURST + int((time.monotonic() - started) * RATE)


async def cost(limiter, percent):
    narrow, key = limits(RATE, BURST), f"cost-{percent}"
    for _ in range(BURST):
        await decide(limiter, key, narrow)
    before, requests = counted(), 0
    started = time.monotonic()
    while time.monotonic() - started < PACED:
        await decide(limiter, key, narrow)
        requests += 1
        due = started + requests * 100 / (RATE * percent)
        await asyncio.sleep(max(0, due - time.monotonic()))
    after = counted()
    return {
        "calls": (after["calls"] - before["calls"]) / requests,
        "writes": (after["write_units"] - before["write_units"]) / requests,
    }


async def throughput(limiter, keys):
    wide, made = limits(1_000_000, 1_000_000_000), 0
    until = time.monotonic() + DRIVE

    async def worker(number):
        nonlocal made
        names = [f"t-{keys}-{key}" for key in range(keys)]
        start = number * keys // WORKERS
        for name in itertools.cycle(names[start:] + names[:start]):
            if time.monotonic() >= until:
                return
            await decide(limiter, name, wide)
            made += 1

    await asyncio.gather(*(worker(number) for number in range(WORKERS)))
    return made // DRIVE


async def main():
    limiter, through = await connected(sys.argv[1]), await connected(sys.argv[2])
    admitted, allowed = await idle(limiter)
    result = {"admitted": admitted, "allowed": allowed, "cost": {}}
    for percent in (50, 90, 150):
        result["cost"][str(percent)] = await cost(through, percent)
    result["one"] = await throughput(limiter, 1)
    result["many"] = await throughput(limiter, KEYS)
    await limiter.close()
    await through.close()
    print(json.dumps(result))


asyncio.run(main())
