"""What befalls servers while devices use them: sessions, connections and servers killed, a lock that lasts, the clock set, the
disk full, a replica promoted, a move of a part killed."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

from server import BASE, LIBFAKETIME, Server, make_folder, under_clock
from shards import PARTS, seed

PRIVATE = "LEARNSYNC_CRASH_PRIVATE"  # whether this runs where it may mount
SPACE = "4g"  # of which servers and their logs take three quarters in ten minutes; the rest is filled at times
KEPT = ("fsync = on", "wal_level = logical", "wal_keep_size = 256MB", "log_line_prefix = '%e '")  # a replica that was away finds what it missed
CALM = (0.2, 1)  # seconds between troubles
CALM_FOR_MOVES = 8  # now and then
STEPS = ("+0", "-1h", "-1d", "+1h", "-10", "+1d")  # from the true time


def may_mount():
    """Runs the test again where what is mounted is not seen outside, if one may; whether it is there."""
    if PRIVATE not in os.environ and os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ[PRIVATE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", sys.executable, *sys.argv])
    return PRIVATE in os.environ


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if int(open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry))
            except (OSError, IndexError, ValueError):
                pass
    return found


def named(pid):
    """How a process calls itself; nothing where it is gone."""
    try:
        return open(f"/proc/{pid}/cmdline").read().replace("\0", " ")
    except OSError:
        return ""


def server_processes(data):
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == data:
                found.append(int(entry))
        except OSError:
            pass
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def kill_all(data):
    while found := server_processes(data):
        for pid in found:
            kill(pid)
        time.sleep(0.05)


class Servers:
    """A server that is in use and, unless it may lose, a replica to which it has written what it answers, and another server
    to which it gives parts of the learners."""

    def __init__(self, lossy):
        self.number, self.standby, self.far, self.full = 0, None, None, may_mount() and not lossy
        shutil.rmtree(BASE, ignore_errors=True)
        make_folder(BASE)
        if self.full:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SPACE},mode=755", "tmpfs", BASE], check=True)
            shutil.chown(BASE, os.environ["SCRATCH_USER"])
        self.clock = os.path.join(BASE, "clock")
        self.set_clock("+0")
        late = ("synchronous_commit = off", "wal_writer_delay = 10s", "wal_writer_flush_after = 1GB", "wal_buffers = 64MB")
        self.server = self.make("crash0", *(late if lossy else ()))
        os.environ.update(PGHOST=self.server.socket, PGUSER="postgres")
        if not lossy:
            self.server.psql(f"SELECT learnsync.part_hold(0, {PARTS - 1}, {PARTS})")
            self.far = self.make("far")
            wrong = seed("app", self.far_database())
            assert not wrong, wrong
            self.add_standby()
            self.server.psql("ALTER SYSTEM SET synchronous_standby_names = standby")
            self.server.psql("SELECT pg_reload_conf()")

    def make(self, name, *settings):
        server = Server(name)
        server.init(*KEPT, "max_wal_size = 128MB", "wal_retrieve_retry_interval = 500ms",
                    "wal_sender_timeout = 0", "wal_receiver_timeout = 0", *settings)
        self.start(server)
        server.psql("CREATE DATABASE app TEMPLATE template0; ALTER DATABASE app SET lock_timeout = '500ms'", "postgres")
        server.psql("SET synchronous_commit = on; CREATE EXTENSION learnsync; SELECT learnsync.setup();")
        return server

    def far_database(self):
        return f"host={self.far.socket} dbname=app user=postgres"

    def used(self):
        return [server for server in (self.server, self.far) if server]

    def all(self):
        return self.used() + [self.standby] * bool(self.standby)

    def impossible(self):
        """What they said of class XX, which cannot happen."""
        logs = [os.path.join(BASE, name, "log") for name in os.listdir(BASE)]
        return {line.strip() for log in logs if os.path.exists(log) for line in open(log, errors="replace") if line.startswith("XX")}

    def set_clock(self, step):
        with open(self.clock, "w") as file:
            file.write(step)

    def start(self, server):
        """Under a clock that can be set, if there is one."""
        server.start(stderr=subprocess.DEVNULL, env=under_clock(self.clock, 1))

    def start_again(self, server):
        """As often as it takes: what is left of the server before ends in its own time."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if not server.is_up():
                    self.start(server)
                return
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise RuntimeError("the server does not start")

    def add_standby(self):
        self.number += 1
        self.standby = self.server.copy(f"crash{self.number}")
        # Once it is promoted it waits for the next one.
        self.standby.configure(f"primary_conninfo = 'host={self.server.socket} user=postgres application_name=standby'", *KEPT,
                               "synchronous_standby_names = standby")
        self.standby.signal("standby")
        self.start(self.standby)

    def end(self):
        for server in self.all():
            kill_all(server.data)
        time.sleep(0.5)
        if self.full:
            subprocess.run(["umount", BASE], check=True)
        shutil.rmtree(BASE, ignore_errors=True)


def postmaster(server):
    """None where PostgreSQL has given up, as it does where the process that recovers is killed."""
    try:
        return int(open(os.path.join(server.data, "postmaster.pid")).readline())
    except (FileNotFoundError, ValueError):
        return None


def a_session(servers, chance):
    some = children(postmaster(chance.choice(servers.used())) or 0)
    return bool(some) and kill(chance.choice(some))


def a_replication(servers, chance):
    """Whoever sends or applies what is replicated; its server starts anew."""
    some = [pid for server in servers.used() for pid in children(postmaster(server) or 0)
            if re.search("walsender|logical replication.* worker", named(pid))]
    return bool(some) and kill(chance.choice(some))


def a_move(servers, chance):
    """The program, or one that it has begun; the others go on."""
    some = [pid for pid in children(os.getpid()) if "shards/move" in named(pid)]
    some += [child for pid in some for child in children(pid)]
    return bool(some) and kill(chance.choice(some))


def a_connection(servers, chance):
    """The side of the device: the server finds out when it answers."""
    some = [pid for pid in children(os.getpid()) if named(pid).startswith("psql")]
    return bool(some) and kill(chance.choice(some))


def a_server(servers, chance):
    return kill(postmaster(chance.choice(servers.used())) or 0)


def a_server_in_recovery(servers, chance):
    server = chance.choice(servers.used())
    done = kill(postmaster(server) or 0)
    again = threading.Thread(target=lambda: quietly(servers.start, server))
    again.start()
    time.sleep(chance.uniform(0.05, 0.5))
    for pid in server_processes(server.data):
        kill(pid)
    again.join()
    return done


def a_replica(servers, chance):
    return kill(postmaster(servers.standby) or 0)


def a_lock(servers, chance):
    """Longer than the others wait."""
    table = chance.choice(("resource", "ledger", "learner", "event"))
    return chance.choice(servers.used()).psql(f"BEGIN; LOCK TABLE learnsync_data.{table}; SELECT pg_sleep({chance.uniform(0.5, 2)}); ROLLBACK") == ""


def the_clock(servers, chance):
    servers.set_clock(chance.choice(STEPS))
    time.sleep(2)
    return True


def the_disk(servers, chance):
    """Full for a while, of the replica too; it may have ended a server, as there was no place for its log."""
    ballast = os.path.join(BASE, "ballast")
    with open(ballast, "wb", buffering=0) as file:
        free = os.statvfs(BASE)
        try:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - chance.randrange(1 << 17))
            while True:
                file.seek(0, os.SEEK_END)
                file.write(bytes(4096))
                time.sleep(0.01)
        except OSError:
            time.sleep(chance.uniform(0.5, 2))
    os.remove(ballast)
    return True


def a_promotion(servers, chance):
    """Of the replica, once it has what others were shown; the old server is gone, and another replica comes."""
    servers.start_again(servers.server)
    servers.start_again(servers.standby)
    position, end = servers.server.psql("SELECT pg_current_wal_flush_lsn()", "postgres"), time.monotonic() + 30
    while servers.standby.psql(f"SELECT pg_last_wal_receive_lsn() >= '{position}'", "postgres") != "t":
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    old, servers.server = servers.server, servers.standby
    kill_all(old.data)
    servers.server.promote()
    os.environ["PGHOST"] = servers.server.socket
    shutil.rmtree(old.data)
    servers.add_standby()
    return True


def quietly(start, server):
    try:
        start(server)
    except subprocess.CalledProcessError:
        pass


def befall(servers, seconds, seed):
    """One trouble after the other, each kind in turn, for so many seconds; how many of each there were."""
    chance, end, counts, turn = random.Random(seed), time.monotonic() + seconds, Counter(), []
    kinds, calm = [a_session, a_session, a_server, a_server], CALM
    if servers.standby:
        kinds += [a_connection, a_connection, a_server_in_recovery, a_replica, a_promotion, a_lock, a_replication,
                  a_move, a_move, a_move]
        kinds += [the_clock] * bool(LIBFAKETIME) + [the_disk] * servers.full
        calm += (CALM_FOR_MOVES,)
    while time.monotonic() < end:
        time.sleep(chance.choice(calm))
        turn = turn or chance.sample(kinds, len(kinds))
        kind = turn.pop()
        counts[kind.__name__.split("_", 1)[1].replace("_", " ")] += kind(servers, chance)
        for server in servers.all():
            servers.start_again(server)
    return counts
