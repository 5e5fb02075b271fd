"""A long-lived psql: one statement in, its one line or its SQLSTATE out."""

import json
import os
import re
import subprocess
import time

from values import dump, parse

END = "-- end of answer --"


class Failed(Exception):
    """The statement raised; args[0] is the SQLSTATE, and is_end whether the session ended, or did not begin."""

    def __init__(self, code, is_end=False):
        super().__init__(code)
        self.is_end = is_end


class Lost(Failed):
    """The server went away."""

    def __init__(self):
        super().__init__("connection lost", True)


class Psql:
    def __init__(self, database):
        self.database = database
        self.connect()

    def connect(self):
        """A server that crashed needs a moment to come back."""
        for _ in range(100):
            self.start()
            try:
                self.ask(r"\set VERBOSITY sqlstate")
                if self.ask("SELECT 1;") == ["1"]:
                    return
            except Failed:
                pass
            self.process.kill()
            self.process.wait()
            time.sleep(0.1)
        raise Failed("cannot connect to the server")

    def reconnect(self):
        """Leaves what may be left of a session, and begins another."""
        self.process.kill()
        self.process.wait()
        self.connect()

    def start(self):
        environment = dict(os.environ, PGOPTIONS="-c client_min_messages=warning", PGCLIENTENCODING="UTF8")
        self.process = subprocess.Popen(
            ["psql", "-qAtX", "-d", self.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", env=environment)

    def ask(self, statement):
        """The lines that a statement prints; LEARNSYNC_RECORD names a file that gets both, for others to play again."""
        if "LEARNSYNC_RECORD" not in os.environ:
            return self.exchange(statement)
        lines = []
        try:
            lines = self.exchange(statement)
        finally:
            with open(os.environ["LEARNSYNC_RECORD"], "a", encoding="utf-8") as file:
                file.write(json.dumps([self.database, statement, lines]) + "\n")
        return lines

    def exchange(self, statement):
        assert "\n" not in statement
        try:
            self.process.stdin.write(f"{statement}\n\\echo '{END}'\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Lost from None
        lines = []
        for line in iter(self.process.stdout.readline, ""):
            line = line.rstrip("\n")
            if line == END:
                break
            if line.startswith("server closed the connection"):
                raise Lost
            error = re.match(r"(ERROR|FATAL|PANIC): +(\w{5})\b", line)
            if error:
                self.drain()
                raise Failed(error.group(2), error.group(1) != "ERROR")
            if not re.match(r"WARNING: +\w{5}$", line):
                lines.append(line)
        else:
            raise Lost
        return lines

    def drain(self):
        for line in iter(self.process.stdout.readline, ""):
            if line == END + "\n":
                return
        raise Lost

    def call(self, function, learner, request):
        """The answer of learnsync.FUNCTION(learner, request)."""
        return parse(self.text(function, learner, request))

    def text(self, function, learner, request, max_answer_bytes=None):
        """The same as it is printed."""
        call = f"SELECT learnsync.{function}({quote(learner)}, {quote(dump(request))}::jsonb);"
        if max_answer_bytes is not None:
            name = "learnsync.max_answer_bytes"
            call = f"SET {name} = {max_answer_bytes}; {call} RESET {name};"
        return "\n".join(self.ask(call))

    def rows(self, query):
        """The rows of a query that gives one jsonb column."""
        return [parse(line) for line in self.ask(query)]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def quote(text):
    assert "$model$" not in text
    return f"$model${text}$model$"
