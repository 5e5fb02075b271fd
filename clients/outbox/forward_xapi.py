#!/usr/bin/env python3
"""Forwards xAPI statements from an outbox of learnsync to a learning record store, until it is stopped.

  forward_xapi.py OUTBOX URL [--batch N] [--lease SECONDS] [--timeout SECONDS] [--xapi-version V]

URL is where the store takes statements, as in https://lrs.example.org/xapi/statements; LRS_AUTHORIZATION in the
environment is the header that lets it in ("Basic …"). The database is where psql finds it, as a role that was granted
access as service. Statements go in batches. Where one is refused, it is halved down to the statement at fault, which
becomes a dead letter. Where the store is down, slow or turns us away, what it does not have comes again later. A
statement may be sent twice, never not at all: by its id the store knows it. Any number of these may run at once.
"""
import argparse
import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

from database import Database

TRY_LATER = (401, 403, 404, 405, 408, 425, 429)  # of the answers below 500: these say nothing of the statements


class Unavailable(Exception):
    """The store does not take anything at the moment."""


def send(statements, options, deadline):
    """None where the store has the statements, else why it refuses them."""
    if time.monotonic() + options.timeout > deadline:
        raise Unavailable("the lease is nearly over")
    headers = {"Content-Type": "application/json", "X-Experience-API-Version": options.xapi_version}
    if "LRS_AUTHORIZATION" in os.environ:
        headers["Authorization"] = os.environ["LRS_AUTHORIZATION"]
    request = urllib.request.Request(options.url, json.dumps(statements).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=options.timeout):
            return None
    except urllib.error.HTTPError as error:
        if error.code >= 500 or error.code < 400 or error.code in TRY_LATER:
            raise Unavailable(f"the store answers {error.code}") from error
        return f"the store answers {error.code}"
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(str(error) or type(error).__name__) from error


def failed(changes, error, again):
    return [{**change, "data": None, "error": error, "retryable": again} for change in changes]


def forward(changes, options, deadline):
    """Of these changes those that the store does not have, each with its error and whether it is to come again."""
    if not changes:
        return []
    try:
        error = send([change["data"] for change in changes], options, deadline)
    except Unavailable as unavailable:
        return failed(changes, str(unavailable), True)
    if error is None:
        return []
    if len(changes) == 1:
        return failed(changes, error, False)
    first, second = changes[:len(changes) // 2], changes[len(changes) // 2:]
    refused = forward(first, options, deadline)
    if refused and refused[-1]["retryable"]:
        return refused + failed(second, refused[-1]["error"], True)
    return refused + forward(second, options, deadline)


def step(database, options):
    """Takes what is there and forwards it; how many seconds to wait before the next time, None where the store is away."""
    deadline = time.monotonic() + options.lease
    taken = json.loads(database.ask("learnsync.outbox_take", options.outbox, options.batch, options.lease))
    if taken["lease"] is None:
        return 0 if taken["hasMore"] else 1
    refused = forward([change for change in taken["changes"] if change.get("resourceType") == "xapi_statement" and
                       change["operation"] != "delete"], options, deadline)
    for change in refused:
        if not change["retryable"]:
            print(f"{options.outbox}: {change['resourceId']} is refused: {change['error']}", file=sys.stderr, flush=True)
    if not refused:
        database.ask("learnsync.outbox_done", options.outbox, taken["lease"])
        return 0
    database.ask("learnsync.outbox_failed", options.outbox, taken["lease"], refused[-1]["error"], json.dumps(refused))
    if not refused[-1]["retryable"]:
        return 0
    print(f"{options.outbox}: {refused[-1]['error']}", file=sys.stderr, flush=True)
    return None


def read_options():
    parser = argparse.ArgumentParser(usage="forward_xapi.py OUTBOX URL [options]")
    parser.add_argument("outbox")
    parser.add_argument("url")
    parser.add_argument("--batch", type=int, default=100, help="statements in a request, at most")
    parser.add_argument("--lease", type=int, default=120, help="seconds; of several times the timeout")
    parser.add_argument("--timeout", type=float, default=20, help="seconds in which the store is to answer")
    parser.add_argument("--xapi-version", default="1.0.3")
    return parser.parse_args()


def main():
    """What is under way when it is told to stop is finished, so that nobody waits for the lease to end."""
    options, database, stopped, away = read_options(), Database(), threading.Event(), 0
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.is_set():
        try:
            pause = step(database, options)
        except ConnectionError as error:
            print(f"{options.outbox}: {error}", file=sys.stderr, flush=True)
            pause = None
        away = away + 1 if pause is None else 0
        stopped.wait(min(2 ** (away - 1), 30) if pause is None else pause)


if __name__ == "__main__":
    main()
