# The library in another build, for the runners that look into it; read by ubsan and coverage.

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
