#!/usr/bin/env python3
"""Wakes apps over Server-Sent Events when something of their learner has changed, so that they pull at once.

  wake.py OUTBOX API [--host ADDRESS] [--port N]

An app opens GET / with its token as Authorization: Bearer, or as ?token=, as an EventSource sends no headers. API is the
address of PostgREST, which says whose token it is. Each change sends the event "changed" with {"learnerId"}; what has
changed the app learns by its pull, which it also makes whenever a stream opens. The outbox is this gateway's own: each
second it is emptied. The database is where psql finds it, as a role that was granted access as service.
"""
import argparse
import asyncio
import collections
import json
import random
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from database import Database

AGAIN = 300  # seconds after which a stream ends: whoever opens the next one is asked for the token again
HEAD = ("HTTP/1.1 {}\r\nContent-Type: {}\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nConnection: close\r\n"
        "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: Authorization\r\n\r\n")


class Refused(Exception):
    """The status with which a request is turned away."""


class Listener:
    def __init__(self):
        self.changed, self.event = set(), asyncio.Event()

    def wake(self, learner):
        self.changed.add(learner)
        self.event.set()

    async def news(self):
        """What to send next: each learner once, however often they changed; at least a word now and then."""
        try:
            await asyncio.wait_for(self.event.wait(), 15)
        except asyncio.TimeoutError:
            return ": still here\n\n"
        learners, self.changed = self.changed, set()
        self.event.clear()
        return "".join(f"event: changed\ndata: {json.dumps({'learnerId': who})}\n\n" for who in learners)


class Gateway:
    def __init__(self, options):
        self.options, self.listeners, self.count = options, collections.defaultdict(set), 0

    def read(self, path, token):
        request = urllib.request.Request(f"{self.options.api}/{path}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def whose(self, token):
        """The learner of a token and the profiles that are theirs, as the API says."""
        try:
            own = self.read("learner_stats?select=learner_id", token)
            return {row["learner_id"] for row in own + self.read("profile?select=learner_id", token)}
        except urllib.error.HTTPError as error:
            raise Refused(f"{error.code} Refused" if error.code in (401, 403) else "503 Service Unavailable") from error
        except OSError as error:
            raise Refused("503 Service Unavailable") from error

    async def admit(self, reader):
        try:
            line, *headers = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1").split("\r\n")
            method, path, _ = line.split(" ")
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise Refused("400 Bad Request") from error
        if method != "GET":
            raise Refused("204 No Content" if method == "OPTIONS" else "405 Method Not Allowed")
        sent = [value.strip() for name, _, value in (header.partition(":") for header in headers)
                if name.lower() == "authorization"]
        token = sent[0].removeprefix("Bearer ").strip() if sent else query.get("token", [""])[0]
        if not token or not token.isascii() or not token.isprintable():
            raise Refused("401 Unauthorized")
        if self.count > self.options.most:
            raise Refused("503 Service Unavailable")
        learners = await asyncio.to_thread(self.whose, token)
        if not learners:
            raise Refused("401 Unauthorized")
        return learners

    async def stream(self, writer, learners):
        listener, ends = Listener(), time.monotonic() + AGAIN * random.uniform(0.8, 1.2)
        for learner in learners:
            self.listeners[learner].add(listener)
        try:
            news = HEAD.format("200 OK", "text/event-stream") + "retry: 1000\n: open\n\n"
            while time.monotonic() < ends:
                writer.write(news.encode())
                await asyncio.wait_for(writer.drain(), 30)
                news = await listener.news()
        finally:
            for learner in learners:
                self.listeners[learner].discard(listener)
                if not self.listeners[learner]:
                    del self.listeners[learner]

    async def serve(self, reader, writer):
        self.count += 1
        try:
            await self.stream(writer, await self.admit(reader))
        except Refused as refused:
            writer.write(HEAD.format(refused, "text/plain").encode())
        except (OSError, EOFError, asyncio.TimeoutError):
            pass
        finally:
            self.count -= 1
            writer.close()

    def wake(self, learners):
        for learner in learners:
            for listener in self.listeners.get(learner, ()):
                listener.wake(learner)


def poll(gateway, loop):
    database = Database()
    while True:
        more = False
        try:
            taken = json.loads(database.ask("learnsync.outbox_take", gateway.options.outbox, 1000, 30))
            loop.call_soon_threadsafe(gateway.wake, {change["learnerId"] for change in taken["changes"]})
            if taken["lease"]:
                database.ask("learnsync.outbox_done", gateway.options.outbox, taken["lease"])
            more = taken["hasMore"]
        except ConnectionError as error:
            print(error, file=sys.stderr, flush=True)
        if not more:
            time.sleep(1)


async def main():
    parser = argparse.ArgumentParser(usage="wake.py OUTBOX API [options]")
    parser.add_argument("outbox")
    parser.add_argument("api", type=lambda address: address.rstrip("/"))
    parser.add_argument("--host", default="127.0.0.1", help="where it listens, with a proxy in front")
    parser.add_argument("--port", type=int, default=3001)
    parser.add_argument("--most", type=int, default=10000, help="streams that are open at a time")
    gateway = Gateway(parser.parse_args())
    server = await asyncio.start_server(gateway.serve, gateway.options.host, gateway.options.port, backlog=1024)
    threading.Thread(target=poll, args=(gateway, asyncio.get_running_loop()), daemon=True).start()
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
