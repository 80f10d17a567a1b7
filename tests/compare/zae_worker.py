"""One of the concurrent instances of zae-limiter that `scenarios.py` drives.

    python zae_worker.py http://127.0.0.1:PORT

Reads a command in JSON from each line of standard input, and answers it by a line of JSON. Limits
are stored with their entities and cached, parents are charged by `cascade`, writes are speculative,
and refusals are remembered: what the documentation of zae-limiter recommends, and its defaults.
"""

import asyncio
import json
import os
import sys
import time

REGION = "us-east-1"
os.environ.update(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")

from zae_limiter import Limit, RateLimiter, RateLimitExceeded, Repository  # noqa: E402

STACK, RESOURCE = "zae-scenarios", "api"


async def prepare(url, levels):
    """Creates the table, and in it each entity with its limits and its parent."""
    # `open` alone would deploy the table by CloudFormation.
    table = Repository(STACK, REGION, url, _skip_deprecation_warning=True)
    await table.create_table()
    await table.close()
    repository = await Repository.open(stack=STACK, region=REGION, endpoint_url=url)
    for level in levels:
        parent = level["parent"]
        cascade = parent is not None
        await repository.create_entity(level["subject"], parent_id=parent, cascade=cascade)
        limits = [
            Limit.per_second(meter, rate, burst=burst)
            for meter, (rate, burst) in level["limits"].items()
        ]
        await repository.set_limits(level["subject"], limits, resource=RESOURCE)
    await repository.close()


async def decide(limiter, order):
    """[sent, answered, outcome] of one request."""
    sent, outcome = time.time_ns(), "admitted"
    try:
        async with limiter.acquire(order["subject"], RESOURCE, order["amounts"]):
            pass
    except RateLimitExceeded:
        outcome = "refused"
    except Exception as error:
        print(f"zae-limiter: {error!r}", file=sys.stderr)
        outcome = "failed"
    return [sent, time.time_ns(), outcome]


async def drive(limiter, order):
    """A crowd at once, and then one request after another for so many seconds, at least one."""
    seen = await asyncio.gather(*(decide(limiter, order) for _ in range(order["crowd"])))
    gap, started = order["gap_ms"] / 1000, time.monotonic()
    due, ends = started + order["offset_ms"] / 1000, started + order["seconds"]
    while not seen or time.monotonic() < ends:
        await asyncio.sleep(max(0, due - time.monotonic()))
        seen.append(await decide(limiter, order))
        due += gap
    return seen


async def main():
    url, limiter = sys.argv[1], None
    for line in sys.stdin:
        order = json.loads(line)
        if "prepare" in order:
            answer = await prepare(url, order["prepare"])
        else:
            if limiter is None:
                repository = await Repository.open(stack=STACK, region=REGION, endpoint_url=url)
                limiter = RateLimiter(repository=repository)
            answer = await drive(limiter, order)
        print(json.dumps(answer), flush=True)
    if limiter:
        await limiter.close()


asyncio.run(main())
