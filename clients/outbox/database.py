"""A session of psql that is asked one function at a time. Needs Python 3 and psql, nothing else."""
import subprocess


class Database:
    """The database is where psql finds it; where a session ended, the next question starts another one."""

    process = None

    def ask(self, function, *arguments):
        """The answer of a function, as text. Raises ConnectionError where there is none: it may have done its work or not."""
        if self.process is None:
            self.process = subprocess.Popen(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True)
        texts = ("NULL" if a is None else "'" + str(a).replace("'", "''") + "'" for a in arguments)
        try:
            self.process.stdin.write(f"SET standard_conforming_strings = on; SELECT {function}({', '.join(texts)});\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.process.kill()
            self.process.wait()
            self.process = None
            raise ConnectionError(f"{function} was not answered")
        return answer.rstrip("\n")
