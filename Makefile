# make && make install    builds against the PostgreSQL of PG_CONFIG, as any PGXS extension
# make demo, make test    need nothing but make: they bring a private server; without a terminal, so that Ctrl-C ends all

EXTENSION = learnsync
MODULE_big = learnsync
LEARNSYNC_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" learnsync.control)

# In the order in which they are installed.
MODULES_SQL = $(patsubst %,src/%.sql,schemas merge/rule merge/merge progress/progress type/types base/digest \
	base/fail base/tell direct/direct batch/count xapi/xapi call/learner push/push pull/pull push/module push/profile \
	admin/placement admin/content status/device status/failed_items resolve/resolve resolve/correct fold/fold \
	event/event people/set_learner push/rebase admin/anomaly admin/cleanup admin/retry_failed admin/forget \
	outbox/outbox shard/part shard/router watch/figure watch/app_day watch/metrics watch/alert watch/page \
	watch/dashboard describe/describe audit/audit view_comment view setup tables access)

OBJS = $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c))
PG_CPPFLAGS = -I$(srcdir)/src
INSTALL_SCRIPT_SQL = sql/$(EXTENSION)--$(LEARNSYNC_VERSION).sql
DATA_built = $(INSTALL_SCRIPT_SQL)
# Older releases, and how one leads to the next.
DATA = $(filter-out sql/released/$(notdir $(INSTALL_SCRIPT_SQL)),$(wildcard sql/released/*.sql))

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
	@echo "PostgreSQL's build files were not found. They are in postgresql-server-dev-VERSION (Debian) or" \
		"postgresqlVERSION-devel (Red Hat), 15 or later; PG_CONFIG names a pg_config elsewhere." \
		"'make demo' and 'make test' need neither." >&2; exit 1
endif

$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h) tmp/built-for

# What was compiled for another server, or in another way, is compiled again.
tmp/built-for: FORCE
	+@mkdir -p tmp; echo '$(subst ','\'',$(MAJORVERSION) $(configure_args) $(CC) $(PG_CPPFLAGS) $(CFLAGS))' >$@.new; \
	  if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Installing with CREATE fails where somebody else made an object of ours before; CREATE OR REPLACE would adopt it.
$(INSTALL_SCRIPT_SQL): $(MODULES_SQL) Makefile learnsync.control
	$(if $(filter-out $(MODULES_SQL),$(wildcard src/*.sql src/*/*.sql)),$(error an SQL file under src/ is not in MODULES_SQL))
	@mkdir -p sql
	{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	  sed 's/^CREATE OR REPLACE /CREATE /' $(MODULES_SQL); } >$@

demo:
	@test/scratch demo/run </dev/null

# The same, with every request and answer.
demo-json:
	@test/scratch demo/run json </dev/null

# Two phones in a page, the server's documents and its dashboard, over PostgREST and nginx; stays up until it is stopped.
demo-web:
	@test/http/install
	@test/scratch node demo/web/serve.mjs </dev/null

# The private server with the data of the demo.
psql:
	@test/scratch demo/psql

# make test TEST='pgTAP model' runs only these stages.
test:
	@SCRATCH_NEEDS='pgtap python3' test/scratch test/run $(TEST) </dev/null

# make bench BENCH='push pull' measures only these; SMALL=1 shows only that each runs.
bench:
	SCRATCH_CONF=test/bench/server.conf SCRATCH_NEEDS=python3 test/scratch test/bench/run $(BENCH) </dev/null

# What a machine must have for so many learners, and what a router costs; some minutes.
bench-sizing:
	SCRATCH_CONF=test/bench/server.conf SCRATCH_NEEDS='python3 plproxy' test/scratch test/bench/sizing $(SIZING) </dev/null

# Dump and restore, a replica, a point-in-time restore: three more servers, half a minute.
test-recovery:
	SCRATCH_NEEDS=python3 test/scratch test/scenario/recovery </dev/null

# Learners spread over servers, which are databases of one cluster: parts move under load.
test-shards:
	SCRATCH_CONF=test/shards/server.conf SCRATCH_NEEDS='python3 plproxy' test/scratch test/shards/all $(SHARDS) </dev/null

# PostgREST before one server and before a router.
test-shards-http:
	test/http/install
	SCRATCH_CONF=test/shards/server.conf SCRATCH_NEEDS='python3 plproxy' test/scratch test/shards/http </dev/null

# Two servers, between which parts move, have troubles of all kinds under devices, for so many seconds; then a quarter as
# long a server that loses.
SECONDS ?= 600
test-crash:
	@SCRATCH_NEEDS=python3 test/scratch test/scenario/crash $(SECONDS) </dev/null

# Devices whose calls come at once and whose answers are lost, for so many seconds; eight in make test.
test-histories:
	@SCRATCH_NEEDS=python3 test/scratch test/scenario/histories --seconds $(SECONDS) </dev/null

# Random lives of years, on a server whose clock is moved; two minutes.
test-years:
	@SCRATCH_NEEDS='python3 faketime' test/scratch test/model/years --lives $(or $(SEEDS),300) </dev/null

# The server has no memory for the n-th allocation of a call, for every n; four minutes.
test-out-of-memory:
	SCRATCH_NEEDS=python3 test/scratch test/scenario/out_of_memory </dev/null

# As many statements go to a store while stores, workers and servers die; four minutes. A few do in make test.
STATEMENTS ?= 100000
test-forward:
	FORWARD_STATEMENTS=$(STATEMENTS) SCRATCH_NEEDS=python3 test/scratch test/scenario/forward </dev/null

# pg_cron has no shorter schedule than a minute, so this takes two.
test-cron:
	SCRATCH_CONF=test/scenario/cron.conf SCRATCH_NEEDS=cron test/scratch test/scenario/cron </dev/null

# Through PostgREST and nginx; brings these from npm and Debian.
test-http:
	test/http/install
	SCRATCH_NEEDS='python3 openssl curl' test/scratch test/http/run </dev/null

# The dashboard through PostgREST in a headless Chromium; leaves pictures in tmp/http.
test-dashboard:
	test/http/install browser
	SCRATCH_NEEDS=python3 test/scratch test/http/run dashboard </dev/null

# The page of make demo-web in a headless Chromium; leaves pictures in tmp/http.
test-demo-web:
	test/http/install browser
	SCRATCH_NEEDS=python3 test/scratch test/http/run demo </dev/null

# Random lives of the client in clients/js, and two tabs of it in a browser.
test-client:
	test/http/install browser
	SEEDS=$(or $(SEEDS),200) SCRATCH_NEEDS=python3 test/scratch test/http/run lives tabs </dev/null

# The adapters of clients/, each with the library from npm.
test-adapters:
	test/http/install adapters
	SCRATCH_NEEDS=python3 test/scratch test/http/run adapters </dev/null

# make demo, make test, the packages and pg_upgrade on other systems, in chroots of Debian and Ubuntu; two hours, as root.
test-versions:
	test/versions $(SUITES)

# Freezes this version: docs/releases.md has what comes before and after.
release: $(INSTALL_SCRIPT_SQL)
	packaging/freeze

# A release is frozen, a next one made up, and a database of the first brought to it; twelve minutes.
test-release:
	@SCRATCH_NEEDS='pgtap python3' test/scratch test/release/run $(TEST) </dev/null

# The archive for PGXN, of what is committed.
dist:
	@mkdir -p tmp
	git archive --format=zip --prefix=$(EXTENSION)-$(LEARNSYNC_VERSION)/ -o tmp/$(EXTENSION)-$(LEARNSYNC_VERSION).zip HEAD
	@echo tmp/$(EXTENSION)-$(LEARNSYNC_VERSION).zip

# The RPM package, of what make dist made.
test-rpm: dist
	@SCRATCH_NEEDS='rpm unzip' test/scratch test/rpm </dev/null

# The images of container/, built and started, in a Debian of their own; five minutes, as root.
test-container:
	test/container

# What our own code costs in a push, in instructions: the same in every run.
test-instructions:
	SCRATCH_NEEDS='python3 valgrind' test/scratch test/bench/instructions </dev/null

# What each function costs as its input grows, and how soon it can be cancelled; BUDGET names some cases.
test-budget:
	SCRATCH_NEEDS=python3 SCRATCH_CONF=test/budget/server.conf test/scratch test/budget/run $(BUDGET) </dev/null

# The same without what takes long.
test-growth:
	SCRATCH_NEEDS=python3 SCRATCH_CONF=test/budget/server.conf test/scratch test/budget/run --small $(BUDGET) </dev/null

# The SQL tests, models and fuzz with a library that checks its assertions, and says where it does what C leaves
# undefined; two minutes.
test-ubsan:
	@SCRATCH_NEEDS='pgtap python3' test/scratch test/ubsan $(TEST) </dev/null

# The same on a server that is built with sanitizers, of Debian's source package, and that long with libFuzzer; an hour and
# more. TEST='pgTAP libFuzzer' and PGTAP=test/sql/pull.sql for less.
test-sanitize:
	@SCRATCH_NEEDS='pgtap python3 clang' test/sanitize/server test/sanitize/run $(SECONDS) $(TEST) </dev/null

# Inputs that coverage guides, for so many seconds, with clang's libFuzzer; FUZZ='text push' for some targets.
test-fuzz:
	@SCRATCH_NEEDS='python3 clang' test/scratch test/fuzz/run $(SECONDS) $(FUZZ) </dev/null

# Random statements over all that can be called, by sqlsmith, for so many seconds; SMITH='admin' as some roles only.
test-sqlsmith:
	@SCRATCH_CONF=test/fuzz/sqlsmith.conf SCRATCH_NEEDS='python3 sqlsmith' test/scratch test/fuzz/sqlsmith $(SECONDS) $(SMITH) \
	  </dev/null

# Which lines the tests reach; leaves those that they do not in tmp/coverage/report. Ten minutes.
test-coverage:
	@SCRATCH_NEEDS='pgtap python3' test/scratch test/coverage $(TEST) </dev/null

# The library is changed in so many places, one after the other, and a test must notice each; SEED draws others.
test-mutants: SECONDS = 2400
test-mutants:
	@SCRATCH_CONF=test/shards/server.conf SCRATCH_NEEDS='pgtap python3 plproxy' test/scratch test/mutants $(or $(MUTANTS),60) $(or $(SEED),1) $(SECONDS) </dev/null

# The tests of what goes directly to tables that are as setup() made them, by SQL statements instead.
test-statements:
	@SCRATCH_CONF=test/scenario/statements.conf SCRATCH_NEEDS='pgtap python3' test/scratch test/run \
	  $(or $(TEST),regress isolation pgTAP model races fuzz) </dev/null

# A model of push, pull, clean-up and a replica in every order of steps; EXHAUSTIVE='LOSSES=1 COPIES=1 REPLICA_PAGES=1'
# for other bounds.
test-exhaustive:
	@SCRATCH_NEEDS=spin test/scratch test/model/exhaustive $(EXHAUSTIVE) </dev/null

# docs/reference, from the comments of the catalogue.
reference:
	@SCRATCH_NEEDS=python3 test/scratch test/readme/reference </dev/null

model-long:
	SCRATCH_NEEDS=python3 test/scratch python3 test/model/lives --seeds 20000 </dev/null

progress-long:
	SCRATCH_NEEDS=python3 test/scratch python3 test/model/event_logs --logs 20000 </dev/null

days-long:
	SCRATCH_NEEDS=python3 test/scratch python3 test/model/day_lives --logs 20000 </dev/null

.PHONY: FORCE reference demo demo-json demo-web psql test test-statements test-ubsan test-sanitize test-growth test-budget \
	test-instructions test-recovery test-crash test-out-of-memory test-histories test-years test-shards test-shards-http test-forward test-cron \
	test-http test-client test-adapters test-demo-web test-dashboard test-versions test-container test-rpm test-release \
	test-exhaustive test-coverage test-mutants \
	release dist bench bench-sizing model-long progress-long days-long test-fuzz test-sqlsmith
.DELETE_ON_ERROR:
