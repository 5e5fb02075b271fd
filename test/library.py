"""Libraries in C that a test loads into its server."""
import os
import shlex
import subprocess


def pg_config(*flags):
    return shlex.split(subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), *flags], text=True))


def build(source, *flags):
    """The library of a source file, where the server finds it."""
    name = os.path.splitext(os.path.basename(source))[0]
    library = os.path.join(os.environ["LEARNSYNC_SCRATCH"], name + ".so")
    subprocess.check_call([*pg_config("--cc"), *pg_config("--cppflags", "--cflags", "--cflags_sl"), "-shared", "-I",
                           *pg_config("--includedir-server"), "-o", library, source, *flags])
    return library
