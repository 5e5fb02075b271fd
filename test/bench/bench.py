"""What the benchmarks share: backends whose CPU time is measured, and rows of the table that a whole run ends with.

Connects as psql does (PGHOST, PGPORT, PGUSER), but works in a database of its own, on the server's machine. What counts is
the CPU time of the backend, in rounds where the contenders take turns; a ratio is the median of the rounds' ratios.
"""
import os
import platform
import statistics
import subprocess
import sys

DATABASE = 'learnsync_bench'

# A commit first, so that the WAL is on disk, where pg_walinspect reads it.
WAL_POSITION = r"SELECT pg_logical_emit_message(true, 'bench', '') \g /dev/null" '\nSELECT pg_current_wal_flush_lsn();'
WAL_WRITTEN = "SELECT sum(record_size)::bigint, sum(fpi_size)::bigint FROM pg_get_wal_stats('{}', '{}');"
WAL_BY_RECORD = """SELECT "resource_manager/record_type", count, record_size::bigint
FROM pg_get_wal_stats('{}', '{}', true) WHERE count > 0;"""

SETTLE = r"""
SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)', oid::regclass)
FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('floor', 'xfloor', 'loop', 'peer', 'learnsync_data') \gexec
VACUUM (ANALYZE);
CHECKPOINT;"""


class Psql:
    """One psql, thus one backend, that stays for the whole run."""

    def __init__(self, database=DATABASE):
        self.psql = subprocess.Popen(['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', database],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = int(self.ask('SELECT pg_backend_pid();'))
        # Once glibc has freed a block that large it keeps up to twice as much. Else it gives memory back after each
        # call and takes it again, depending on what happens to lie at the heap's end: up to half of the time.
        self.ask("SET client_min_messages = warning; SELECT length(repeat('x', 30000000));")

    def ask(self, sql):
        """What the statements print. Both pipes are finite: many statements must not print much."""
        try:
            self.psql.stdin.write(sql + '\n\\echo \x01\n')
            self.psql.stdin.flush()
        except BrokenPipeError:
            sys.exit('bench: psql ended')
        lines = []
        for line in self.psql.stdout:
            if line == '\x01\n':
                return ''.join(lines)
            lines.append(line)
        sys.exit('bench: psql ended')

    def end(self):
        self.psql.stdin.close()
        self.psql.wait()

    def clock(self):
        """Nanoseconds that the backend has run; utime and stime have 10 ms ticks."""
        with open(f'/proc/{self.pid}/schedstat') as file:
            return int(file.read().split()[0])

    def cpu(self, statements):
        """Microseconds of CPU that the statements take; what they print is thrown away."""
        before = self.clock()
        self.ask(f'\\o /dev/null\n{statements}\n\\o')
        return (self.clock() - before) / 1000


def create_database(extensions=('pg_walinspect',)):
    """An empty database, and a backend of it that measures nothing."""
    def psql(sql):
        return subprocess.run(['psql', '-XqAt', '-d', 'postgres', '-c', sql], check=True, capture_output=True, text=True).stdout
    buffers = int(psql("SELECT setting FROM pg_settings WHERE name = 'shared_buffers'")) // 128
    if buffers < 512:
        print(f'note: shared_buffers is {buffers} MB; test/bench/server.conf asks for more')
    psql(f'DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)')
    psql(f'CREATE DATABASE {DATABASE}')
    admin = Psql()
    admin.ask('SET synchronous_commit = on;\n' + '\n'.join(f'CREATE EXTENSION {name};' for name in extensions))
    return admin


def wal(admin, work):
    """What the work answers, and the bytes of WAL records that were written meanwhile."""
    start = admin.ask(WAL_POSITION).strip()
    answer = work()
    end = admin.ask(WAL_POSITION).strip()
    return answer, int(admin.ask(WAL_WRITTEN.format(start, end)).split('|')[0])


def ratio(figures, under):
    """Median of the rounds' ratios: both were measured within a moment."""
    return statistics.median(figure / other for figure, other in zip(figures, under))


def turns(contenders, number):
    """The contenders, another one first in each round."""
    first = number % len(contenders)
    return contenders[first:] + contenders[:first]


def row(what, value, bar=''):
    """A row of the table, printed at once and kept for the end of a whole run."""
    text = f'| {what} | {value:.2f} | {bar} |'
    print(text, flush=True)
    if 'BENCH_TABLE' in os.environ:
        with open(os.environ['BENCH_TABLE'], 'a') as file:
            print(text, file=file)


def number(what, value, unit):
    """A figure of this machine, printed at once and kept for the end of a whole run."""
    text = f'| {what} | {value:,.0f} {unit} |' if value >= 10 else f'| {what} | {value:.2g} {unit} |'
    print(text, flush=True)
    if 'BENCH_NUMBERS' in os.environ:
        with open(os.environ['BENCH_NUMBERS'], 'a') as file:
            print(text, file=file)


def machine():
    """One line about what it ran on."""
    def asked(command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    model = next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), platform.machine())
    server = asked(['psql', '-XqAt', '-d', 'postgres', '-c', "SELECT current_setting('server_version') || ', shared_buffers ' || current_setting('shared_buffers')"])
    return f'{model}, {os.cpu_count()} cores; PostgreSQL {server}'
