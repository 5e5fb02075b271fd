"""A server of a test's own, beside that of test/scratch, whose copy of PostgreSQL it uses."""
import glob
import json
import os
import shutil
import subprocess

BASE = os.path.join(os.environ["LEARNSYNC_SCRATCH"], "servers")
BIN = subprocess.run(["pg_config", "--bindir"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
AS_SERVER = ["runuser", "-u", os.environ["SCRATCH_USER"], "--"] if os.getuid() == 0 else []  # the server refuses to run as root
LIBFAKETIME = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
CONF = """
listen_addresses = ''
fsync = off
shared_buffers = 32MB
wal_level = replica
"""


def run(*command, **options):
    return subprocess.run(AS_SERVER + list(command), check=True, stdout=subprocess.PIPE, text=True, cwd="/", **options).stdout


def under_clock(path, seconds=None):
    """
    The environment of a server whose clock a file tells, as +SECONDS from the true time, if there is libfaketime. It looks there
    each time, or once in so many seconds.
    """
    often = {"FAKETIME_CACHE_DURATION": str(seconds)} if seconds else {"FAKETIME_NO_CACHE": "1"}
    fake = {"LD_PRELOAD": LIBFAKETIME[0], "FAKETIME_TIMESTAMP_FILE": path, **often, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1"} if LIBFAKETIME else {}
    return {**os.environ, **fake}


def give_to_server(path):
    if AS_SERVER:
        shutil.chown(path, os.environ["SCRATCH_USER"])


def make_folder(path):
    os.makedirs(path)
    give_to_server(path)


class Server:
    """A server in a folder of its own; its socket lies beside it."""

    def __init__(self, name):
        self.data = os.path.join(BASE, name)
        self.socket = self.data + ".socket"
        make_folder(self.socket)

    def configure(self, *settings):
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a") as conf:
            conf.write(CONF + f"unix_socket_directories = '{self.socket}'\n" + "\n".join(settings) + "\n")

    def signal(self, name):
        """Says how to start: standby or recovery."""
        path = os.path.join(self.data, f"{name}.signal")
        open(path, "w").close()
        give_to_server(path)

    def init(self, *settings):
        run(f"{BIN}/initdb", "-D", self.data, "-E", "UTF8", "--locale=C.UTF-8", "-U", "postgres", "-A", "trust", "--no-sync")
        self.configure(*settings)

    def make(self, *settings):
        self.init(*settings)
        return self.start()

    def start(self, **options):
        run(f"{BIN}/pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.data, "log"), "start", **options)
        return self

    def promote(self):
        run(f"{BIN}/pg_ctl", "-D", self.data, "-w", "promote")

    def is_up(self):
        return subprocess.run(AS_SERVER + [f"{BIN}/pg_isready", "-q", "-h", self.socket], cwd="/").returncode == 0

    def stop(self):
        if os.path.exists(os.path.join(self.data, "postmaster.pid")):
            run(f"{BIN}/pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def copy(self, name):
        """A base backup, not started."""
        other = Server(name)
        run(f"{BIN}/pg_basebackup", "-h", self.socket, "-U", "postgres", "-D", other.data, "-c", "fast", "--no-sync")
        return other

    def psql(self, sql, database="app"):
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", "-h", self.socket, "-U", "postgres", "-d", database],
                              input=sql, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().split()[-1]

    def call(self, function, learner, request):
        """The answer of a push or pull without what may differ, or the SQLSTATE."""
        text = self.psql(f"SELECT learnsync.{function}($q${learner}$q$, $q${json.dumps(request)}$q$)")
        return json.loads(text) if text.startswith("{") else text

    def push(self, learner, device, *items, **more):
        return self.call("sync_push", learner, dict({"deviceId": device, "items": list(items)}, **more))

    def pull(self, learner, device, cursor, **more):
        return self.call("sync_pull", learner, dict({"deviceId": device, "lastSyncVersion": cursor}, **more))
