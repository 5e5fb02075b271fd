"""What befalls a server while devices use it: sessions, connections and servers killed, a lock that lasts, the clock set, the
disk full, a replica promoted."""
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

from server import BASE, LIBFAKETIME, Server, make_folder, under_clock

PRIVATE = "LEARNSYNC_CRASH_PRIVATE"  # whether this runs where it may mount
SPACE = "2g"
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
    """A server that is in use and, unless it may lose, a replica to which it has written what it answers."""

    def __init__(self, lossy):
        self.number, self.standby, self.full = 0, None, may_mount() and not lossy
        shutil.rmtree(BASE, ignore_errors=True)
        make_folder(BASE)
        if self.full:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SPACE},mode=755", "tmpfs", BASE], check=True)
            shutil.chown(BASE, os.environ["SCRATCH_USER"])
        self.clock = os.path.join(BASE, "clock")
        self.set_clock("+0")
        self.server = Server("crash0")
        late = ("synchronous_commit = off", "wal_writer_delay = 10s", "wal_writer_flush_after = 1GB", "wal_buffers = 64MB")
        self.server.init("fsync = on", "max_wal_size = 128MB", "wal_retrieve_retry_interval = 500ms", "wal_sender_timeout = 0",
                         "wal_receiver_timeout = 0", *(late if lossy else ()))
        self.start(self.server)
        os.environ.update(PGHOST=self.server.socket, PGUSER="postgres")
        self.server.psql("CREATE DATABASE app TEMPLATE template0; ALTER DATABASE app SET lock_timeout = '500ms'", "postgres")
        self.server.psql("SET synchronous_commit = on; CREATE EXTENSION learnsync; SELECT learnsync.setup();")
        if not lossy:
            self.add_standby()
            self.server.psql("ALTER SYSTEM SET synchronous_standby_names = standby")
            self.server.psql("SELECT pg_reload_conf()")

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
        self.standby.configure(f"primary_conninfo = 'host={self.server.socket} user=postgres application_name=standby'", "fsync = on",
                               "synchronous_standby_names = standby")
        self.standby.signal("standby")
        self.start(self.standby)

    def end(self):
        for server in self.server, self.standby:
            if server:
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
    some = children(postmaster(servers.server) or 0)
    return bool(some) and kill(chance.choice(some))


def a_connection(servers, chance):
    """The side of the device: the server finds out when it answers."""
    some = [pid for pid in children(os.getpid()) if open(f"/proc/{pid}/comm").read().startswith("psql")]
    return bool(some) and kill(chance.choice(some))


def a_server(servers, chance):
    return kill(postmaster(servers.server) or 0)


def a_server_in_recovery(servers, chance):
    done = a_server(servers, chance)
    again = threading.Thread(target=lambda: quietly(servers.start, servers.server))
    again.start()
    time.sleep(chance.uniform(0.05, 0.5))
    for pid in server_processes(servers.server.data):
        kill(pid)
    again.join()
    return done


def a_replica(servers, chance):
    return kill(postmaster(servers.standby) or 0)


def a_lock(servers, chance):
    """Longer than the others wait."""
    table = chance.choice(("resource", "ledger", "learner", "event"))
    return servers.server.psql(f"BEGIN; LOCK TABLE learnsync_data.{table}; SELECT pg_sleep({chance.uniform(0.5, 2)}); ROLLBACK") == ""


def the_clock(servers, chance):
    servers.set_clock(chance.choice(STEPS))
    time.sleep(2)
    return True


def the_disk(servers, chance):
    """Full for a while, of the replica too; it may have ended a server, as there was no place for its log."""
    ballast = os.path.join(BASE, "ballast")
    with open(ballast, "wb") as file:
        free = os.statvfs(BASE)
        try:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - chance.randrange(1 << 17))
            while True:
                file.seek(0, os.SEEK_END)
                file.write(bytes(4096))
                file.flush()
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
    kinds = [a_session, a_session, a_server, a_server]
    if servers.standby:
        kinds += [a_connection, a_connection, a_server_in_recovery, a_replica, a_promotion, a_lock]
        kinds += [the_clock] * bool(LIBFAKETIME) + [the_disk] * servers.full
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.2, 1.5))
        turn = turn or chance.sample(kinds, len(kinds))
        kind = turn.pop()
        counts[kind.__name__.split("_", 1)[1].replace("_", " ")] += kind(servers, chance)
        servers.start_again(servers.server)
        if servers.standby:
            servers.start_again(servers.standby)
    return counts
