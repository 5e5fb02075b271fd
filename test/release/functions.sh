# What test/release/run and test/release/upgrade share. A database of a release is filled, and asked the same before and after;
# $work is a folder.

passed=0 failed=0

result()
{
	if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "ok - $2"; else failed=$((failed + 1)); echo "not ok - $2"; fi
}

fail() { echo "$*" >&2; echo "$passed passed, $((failed + 1)) failed"; exit 1; }

sql() { psql -qXAt -v ON_ERROR_STOP=1 "$@"; }

# A new database with rows in every table.
fill() # DATABASE VERSION
{
	local empty
	createdb -T template0 "$1" && sql -d "$1" -c "CREATE EXTENSION learnsync VERSION '$2'" -c 'SELECT learnsync.setup()' \
		-f test/release/fill.sql >"$work/fill.log" 2>&1 || fail "the tables could not be filled: $(tail -n 5 "$work/fill.log")"
	empty=$(sql -d "$1" -c "
		SELECT string_agg(c.relname, ' ') FROM pg_class c
		WHERE c.relnamespace = 'learnsync_data'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		    AND query_to_xml(format('SELECT FROM learnsync_data.%I LIMIT 1', c.relname), false, false, '')::text !~ '<row'")
	[ -z "$empty" ]
	result $? "every table has rows ${empty:+but $empty}"
}

push()
{
	sql -d "$1" -c "SELECT learnsync.sync_push('bob', '{\"deviceId\": \"phone\", \"items\": [{\"id\": \"a\", \"operation\": \"update\",
		\"resourceType\": \"lesson_progress\", \"clientTimestamp\": \"2026-01-08T10:00:00Z\",
		\"data\": {\"lessonId\": \"l1\", \"courseId\": \"c1\", \"completionPercentage\": 40, \"timeSpent\": 60000}}]}')::jsonb #>> '{results,0,duplicate}'"
}

pull() { sql -d "$1" -c "SELECT concat_ws(' ', a ->> 'reset', jsonb_array_length(a -> 'changes'), a ->> 'cursor')
	FROM CAST(learnsync.sync_pull('bob', '{\"deviceId\": \"other\", \"cursor\": \"$2\"}') AS jsonb) a"; }

rows()
{
	sql -d "$1" -c "SELECT string_agg(format('%s %s', c.relname, query_to_xml(format('SELECT count(*) FROM learnsync_data.%I',
		c.relname), false, true, '')), ' ' ORDER BY c.relname COLLATE \"C\") FROM pg_class c
		WHERE c.relnamespace = 'learnsync_data'::regnamespace AND c.relkind = 'r'" | tr -d '\n'
}

# What devices, administrators and reports are told of what was filled in.
answers() { sql -d "$1" -f test/release/answers.sql; }

# What a database that is to be brought to a newer release or server holds and answers now.
remember()
{
	cursor=$(sql -d "$1" -c "SELECT CAST(learnsync.sync_pull('bob', '{\"deviceId\": \"other\"}') AS jsonb) ->> 'cursor'")
	rows=$(rows "$1")
	answers "$1" >"$work/answers" || fail "$1 does not answer"
}

# Whether it holds and answers the same there.
goes_on()
{
	answers "$1" | diff "$work/answers" - >"$work/$1.answers.diff"
	result $? "$1: it is answered what was answered before"
	head -n 20 "$work/$1.answers.diff" | cut -c 1-200
	[ "$(push "$1")" = true ]
	result $? "$1: an item from before is a duplicate"
	[ "$(pull "$1" "$cursor" | cut -d' ' -f1,2)" = "false 0" ]
	result $? "$1: a cursor from before goes on"
	[ "$(rows "$1")" = "$rows" ]
	result $? "$1: no row is lost"
	sql -d "$1" -f test/release/more.sql >"$work/$1.more" && diff - "$work/$1.more" <<-'END'
		"synced"|t
		2|3
		1
		{"l1": "completed", "l2": "completed"}
		t
	END
	result $? "$1: new work joins what is stored"
}
