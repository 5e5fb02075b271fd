"""What the tests of several servers share: databases of one cluster as servers, and devices that push until they are taken."""
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "..", "model"))

from psql import Failed, Psql  # noqa: E402

results = []
PARTS = 16
ROLES = {"learner": "test_shard_learner", "service": "test_shard_service", "admin": "test_shard_admin", "report": "test_shard_report"}
SHARDS = [f"learnsync_shard_{n}" for n in range(1, 5)]


def check(name, got, wanted):
    results.append(got == wanted)
    print(f"{'ok' if got == wanted else 'not ok'} - {name}", flush=True)
    if got != wanted:
        print(f"#   have: {got}\n#   want: {wanted}", flush=True)


def finish():
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


def sql(database, *statements, fails=False):
    """The answer of the last statement; with fails the error."""
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database]
    for statement in statements:
        command += ["-c", statement]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=dict(os.environ, PGOPTIONS="-c client_min_messages=warning"))
    if fails:
        return done.stderr.strip()
    if done.returncode != 0:
        raise SystemExit(f"{database}: {done.stderr}")
    return done.stdout.strip()


def conninfo(database, user="postgres"):
    """Of a database of this server; one that is elsewhere is given as such a string."""
    if "=" in database:
        return database
    return f"host={os.environ['PGHOST']} port={os.environ['PGPORT']} dbname={database} user={user}"


def drop(database):
    """With what moves may have left there."""
    if sql("postgres", f"SELECT count(*) FROM pg_database WHERE datname = '{database}'") == "0":
        return
    for name in sql(database, "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
                              " WHERE d.datname = current_database()").split():
        sql(database, f"ALTER SUBSCRIPTION {name} DISABLE", f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)",
            f"DROP SUBSCRIPTION {name}")
    for _ in range(50):
        sql("postgres", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                        f" WHERE database = '{database}' AND NOT active")
        if sql("postgres", f"SELECT count(*) FROM pg_replication_slots WHERE database = '{database}'") == "0":
            break
        time.sleep(0.1)
    sql("postgres", f"DROP DATABASE {database} WITH (FORCE)")


def make_server(database):
    drop(database)
    sql("postgres", f"CREATE DATABASE {database} TEMPLATE template0")
    sql(database, "CREATE EXTENSION learnsync", "SELECT learnsync.setup()")


def seed(first, other):
    """Makes another server alike, as the docs show it."""
    done = subprocess.run(f"psql -XqAt -v ON_ERROR_STOP=1 -d '{conninfo(first)}' -c 'SELECT learnsync.shard_seed()'"
                          f" | psql -Xq1 -v ON_ERROR_STOP=1 -o /dev/null -d '{conninfo(other)}' -f -", shell=True, stderr=subprocess.PIPE, text=True)
    return done.stderr.strip()


def make_router(router, shards, parts=PARTS):
    drop(router)
    sql("postgres", f"CREATE DATABASE {router} TEMPLATE template0")
    load_router(router, shards, parts)
    for kind, role in ROLES.items():
        sql(router, f"SELECT learnsync.grant_access('{role}', '{kind}')")


def load_router(router, shards, parts=PARTS):
    strings = ", ".join(f"'host={os.environ['PGHOST']} port={os.environ['PGPORT']} dbname={s}'" for s in shards)
    text = sql(shards[0], f"SELECT learnsync.router_sql(ARRAY[{strings}], {parts})")
    done = subprocess.run(["psql", "-Xq1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", router, "-f", "-"], input=text, text=True,
                          stderr=subprocess.PIPE, env=dict(os.environ, PGOPTIONS="-c client_min_messages=warning"))
    check(f"the statements for {router} run", done.stderr, "")


def make_roles():
    for role in ROLES.values():
        sql("postgres", f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    sql("postgres", "DO $$ BEGIN CREATE ROLE learnsync_router; EXCEPTION WHEN duplicate_object THEN NULL; END $$", "ALTER ROLE learnsync_router LOGIN")


def make_shards(shards, parts=PARTS):
    """Each has as many parts; all have what the first one has."""
    each = parts // len(shards)
    for n, shard in enumerate(shards):
        make_server(shard)
        if n == 0:
            sql(shard, f"SELECT learnsync.part_hold(0, {each - 1}, {parts})")
        else:
            check(f"{shard} is made alike", seed(shards[0], shard), "")
            sql(shard, f"SELECT learnsync.part_hold({n * each}, {(n + 1) * each - 1}, {parts})")
        for kind in ("learner", "admin", "report"):
            sql(shard, f"SELECT learnsync.grant_access('learnsync_router', '{kind}')")


def move(part, old, new, *routers, **environment):
    """Runs shards/move; its exit status and what it said. What it began may go on where it is killed."""
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run([os.path.join(ROOT, "shards", "move"), str(part), conninfo(old), conninfo(new), *map(conninfo, routers)],
                              stdout=said, stderr=subprocess.STDOUT, env=dict(os.environ, **environment))
        said.seek(0)
        return done.returncode, said.read()


class Fleet:
    """Devices of many learners in as many threads, each of which pushes until it is taken, wherever the learner is.

    where(learner) says which databases to ask: the first, and now and then another, as a router does that was not told. Every item adds to a counter and a sum of its own resource, so what was lost
    or counted twice shows; every device pulls, and none may be told to start anew."""

    def __init__(self, learners, where, threads=4, seed=1):
        self.learners, self.where = learners, where
        self.stopping = threading.Event()
        self.guard = threading.Lock()
        self.acknowledged = {}  # (learner, resource) -> what was accepted
        self.pushes = self.refused = self.replayed = self.resets = 0
        self.errors = {}
        self.replays = {}  # what was answered once must be answered so for ever
        self.threads = [threading.Thread(target=self.work, args=(learners[n::threads], random.Random(f"{seed} {n}"), n))
                        for n in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def ask(self, connections, learner, function, request):
        """Again and again until somebody takes it, as a client does."""
        deadline = time.monotonic() + 60
        stray = random.random() < 0.1
        while True:
            databases = self.where(learner)
            database = random.choice(databases) if stray else databases[0]
            if database not in connections:
                connections[database] = Psql(database)
            try:
                return json.loads(connections[database].text(function, learner, request))
            except Failed as failed:
                code = failed.args[0]
                with self.guard:
                    if code == "PT503":
                        self.refused += 1
                    else:
                        self.errors[code] = self.errors.get(code, 0) + 1
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def item(self, rng, learner, name):
        lesson, spent = f"l{rng.randrange(4)}", rng.randrange(1, 1000)
        return {"id": name, "operation": "update", "resourceType": "lesson_progress",
                "clientTimestamp": f"2026-01-08T10:{rng.randrange(60):02d}:00Z", "data": {"lessonId": lesson, "timeSpent": spent}}

    def work(self, learners, rng, n):
        connections, cursors, sent = {}, {}, {learner: [] for learner in learners}
        count = 0
        while not self.stopping.is_set():
            learner = rng.choice(learners)
            count += 1
            items = [self.item(rng, learner, f"{n}-{count}-{i}") for i in range(rng.choice((1, 1, 2, 5, 20)))]
            request = {"deviceId": f"d{n}", "items": items}
            answer = self.ask(connections, learner, "sync_push", request)
            self.account(learner, items, answer, False)
            sent[learner].append((request, answer))
            if rng.random() < 0.2:
                again, before = rng.choice(sent[learner])
                answer = self.ask(connections, learner, "sync_push", again)
                self.account(learner, again["items"], answer, True)
                if [(r["id"], r["version"]) for r in answer["results"]] != [(r["id"], r["version"]) for r in before["results"]]:
                    self.errors["another answer"] = self.errors.get("another answer", 0) + 1
            if rng.random() < 0.3:
                page = self.ask(connections, learner, "sync_pull", {"deviceId": f"d{n}", **({"cursor": cursors[learner]} if learner in cursors else {})})
                with self.guard:
                    self.resets += bool(page["reset"] and learner in cursors)
                cursors[learner] = page["cursor"]
        for connection in connections.values():
            connection.close()

    def account(self, learner, items, answer, again):
        taken = {r["id"] for r in answer["results"] if r["status"] != "failed"}
        with self.guard:
            self.pushes += 1
            self.replayed += again
            for result in answer["results"]:
                if bool(result.get("duplicate")) != again and not again:
                    self.errors["taken before"] = self.errors.get("taken before", 0) + 1
                if again and not result.get("duplicate"):
                    self.errors["taken again"] = self.errors.get("taken again", 0) + 1
            for item in items:
                if item["id"] in taken and not again:
                    key = learner, item["data"]["lessonId"]
                    self.acknowledged[key] = self.acknowledged.get(key, 0) + item["data"]["timeSpent"]

    def held(self, databases):
        """What the servers hold by now, each learner on one of them."""
        rows = {}
        twice = 0
        for database in databases:
            text = sql(database, "SELECT json_build_array(learner_id, resource_id, data -> 'timeSpent') FROM learnsync_data.resource"
                                 " WHERE resource_type = 'lesson_progress' AND data IS NOT NULL")
            for line in text.splitlines():
                learner, resource, spent = json.loads(line)
                if learner not in self.learners:
                    continue
                twice += (learner, resource) in rows
                rows[learner, resource] = spent
        return rows, twice

    def judge(self, what, databases):
        rows, twice = self.held(databases)
        lost = {key: (rows.get(key, 0), spent) for key, spent in self.acknowledged.items() if rows.get(key, 0) < spent}
        more = {key: (spent, self.acknowledged.get(key, 0)) for key, spent in rows.items() if spent > self.acknowledged.get(key, 0)}
        check(f"{what}: nothing of what was acknowledged is lost", lost, {})
        check(f"{what}: nothing counts twice", more, {})
        check(f"{what}: nobody is on two servers", twice, 0)
        check(f"{what}: no device starts anew", self.resets, 0)
        check(f"{what}: retries get their first answers, and nothing fails otherwise", self.errors, {})
