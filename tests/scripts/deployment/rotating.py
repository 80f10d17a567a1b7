"""Runs ministack with one thing more than it has: SIGUSR1 gives each user pool new keys."""

import signal

from ministack import app
from ministack.services import cognito


def rotate(*_):
    for pool, _use in list(cognito._pool_keys):
        cognito._drop_pool_keys(pool)


signal.signal(signal.SIGUSR1, rotate)
app.main()
