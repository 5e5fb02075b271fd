# The library in another build, for the runners that look into it; read by ubsan, coverage and sanitize/run.

# build_library FOLDER FLAG…: objects of their own, so that those of the library that users get stay as they are.
build_library()
{
	local folder=$1 flags
	shift
	flags="$("$PG_CONFIG" --cflags) -fPIC -D_GNU_SOURCE -Isrc -isystem $("$PG_CONFIG" --includedir-server) $*"
	rm -rf "$folder" && mkdir -p "$folder" || return
	printf '%s\n' src/*.c src/*/*.c | xargs -P "$(nproc)" -I{} \
		sh -c "gcc $flags -c -o $folder/\$(basename {} .c).o {}" || return
	gcc -shared "$@" -o "$folder/learnsync.so" "$folder"/*.o
}

# use_library FOLDER: the server loads that one from now on.
use_library() { cp "$1/learnsync.so" "$("$PG_CONFIG" --pkglibdir)/learnsync.so"; }

# What must not be of what the server wrote since it had so many lines, each place once.
findings()
{
	tail -n +$(($1 + 1)) tmp/server.log |
		grep -oE '[^ ]*: runtime error: .*|TRAP: .*|SUMMARY: AddressSanitizer: .*' | sort -u -t: -k1,3
}

# run_watched FOLDER WHAT STAGE…: runs stages; what the server says meanwhile of what must not be is a failure of WHAT.
# The last line counts, and the status says whether all is well.
run_watched()
{
	local out=$1 what=$2 before found passed failed
	shift 2
	before=$(wc -l <tmp/server.log)
	TEST_PERCENT=${TEST_PERCENT:-20} test/run "$@" >"$out/log"
	read -r passed _ failed _ < <(tail -n 1 "$out/log")
	sed '$d' "$out/log"
	found=$(findings "$before")
	if [ -n "$found" ]; then
		cp tmp/server.log "$out"
		echo "not ok - $what; all that the server said is in $out/server.log"
		echo "$found" | sed 's/^/#   /'
		failed=$((failed + $(wc -l <<<"$found")))
	else
		echo "ok - $what"
		passed=$((passed + 1))
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
