# postgres.sh, sourced by test/scratch: finds a PostgreSQL with its build files, or brings Debian's packages of one.
#
# Packages of PostgreSQL are unpacked under tmp/, not installed, so that no server of the system is made, started or
# upgraded. Only what has no other place is installed: a compiler, shared libraries, interpreters.

oldest=15 newest=18  # that learnsync was tested with
packages=$PWD/tmp/packages
# Where distributions have the pg_config of one version of several.
places='/usr/lib/postgresql/*/bin/pg_config /usr/pgsql-*/bin/pg_config /usr/libexec/postgresql*/pg_config
	/usr/local/pgsql/bin/pg_config'

# A line that stays.
note() { clear_progress; echo "$*" >&2; }

# What is being done: on a terminal each line replaces the one before.
progress() { if [ -t 2 ]; then printf '\r\033[K\033[?7l%s\033[?7h' "$*" >&2; else echo "$*" >&2; fi; }
clear_progress() { [ ! -t 2 ] || printf '\r\033[K' >&2; }

fail() { note "$*"; exit 1; }

major_of() { "$1" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p'; }

# Whether the PostgreSQL of a pg_config has a server and what an extension is built with.
is_complete()
{
	local bin
	bin=$("$1" --bindir 2>/dev/null) && [ -x "$bin/postgres" ] && [ -x "$bin/initdb" ] &&
		[ -e "$("$1" --pgxs)" ] && [ -e "$("$1" --includedir-server)/postgres.h" ]
}

# Of pg_configs those of complete PostgreSQLs, as lines of major version and pg_config.
complete()
{
	local config
	for config; do
		! is_complete "$config" || echo "$(major_of "$config") $config"
	done
}

# The complete PostgreSQLs of this system: the one that make takes, then the newest first.
installed()
{
	complete "$(command -v "${PG_CONFIG:-pg_config}")"
	complete $places | sort -rn
}

distribution_major()
{
	command -v apt-cache >/dev/null || return 0
	apt-cache show --no-all-versions postgresql 2>/dev/null |
		sed -n 's/^Depends:.*postgresql-\([0-9][0-9]*\).*/\1/p' || true
}

# Sets the major version to take: PGVERSION, else that of PG_CONFIG, else the first that is installed and new enough,
# else the distribution's.
choose_major()
{
	major=${PGVERSION:-}
	if [ -z "$major" ] && [ -n "${PG_CONFIG:-}" ]; then
		major=$(major_of "$PG_CONFIG") || fail "PG_CONFIG is no program that tells of a PostgreSQL: \"$PG_CONFIG\"."
	fi
	[ -n "$major" ] || major=$(installed | awk -v oldest=$oldest '$1 >= oldest && !n++ { print $1 }')
	[ -n "$major" ] || major=$(distribution_major)
	[ -n "$major" ] || { read_package_lists && major=$(distribution_major); }
	[ -n "$major" ] || fail "PostgreSQL was not found. learnsync needs a server of version $oldest or later, its build" \
		"files (what pg_config --pgxs names, and postgres.h) and a C compiler. PG_CONFIG=/path/to/pg_config names one."
	[[ $major =~ ^[0-9]+$ ]] || fail "PGVERSION is a major version such as 17, not \"$major\"."
	[ "$major" -ge $oldest ] || fail "PostgreSQL $major is too old: learnsync needs $oldest or later. apt.postgresql.org" \
		"and yum.postgresql.org have newer ones for this system; PGVERSION=17 chooses one of several."
	[ "$major" -le $newest ] || note "PostgreSQL $major is newer than any that learnsync was tested with."
}

# Whether programs can be compiled: the compiler's own package comes without the C library's headers.
has_compiler() { echo '#include <stdio.h>' | gcc -fsyntax-only -x c - 2>/dev/null; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
may_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

# Runs a command whose words are of interest only where it fails.
quietly() { "$@" >tmp/packages.log 2>&1 </dev/null || { clear_progress; cat tmp/packages.log >&2; exit 1; }; }

# Once, and only where something is missing from them.
read_package_lists()
{
	[ -z "${lists_are_read:-}" ] && command -v apt-get >/dev/null || return 0
	may_be_root || fail "The lists of packages are missing or old. Please have them read, then try again:
  sudo apt-get update"
	progress "Reading the lists of packages"
	quietly as_root apt-get -q update
	lists_are_read=1
}

package_fields() { [ $# = 0 ] || LC_ALL=C apt-cache show --no-all-versions "$@" 2>/dev/null; }

# What unpacked packages need of the system: shared libraries but those of the just-in-time compiler, and time zones.
libraries_of()
{
	package_fields "$@" | sed -n 's/^Depends: //p' | tr ',' '\n' |
		grep -E '^ *(lib[^ ]*|tzdata)( |$)' | grep -vE '^ *lib(llvm|[^ ]*-(dev|perl))' || true
}

# The packages that apt would install for a list of dependencies.
to_install()
{
	local plan
	[ -n "$1" ] || return 0
	plan=$(LC_ALL=C apt-get -qq -s --no-install-recommends satisfy "$1" 2>tmp/packages.log) ||
		fail "$(cat tmp/packages.log)"
	! grep '^Remv' <<<"$plan" >&2 || fail "Installing what is missing would remove the packages above."
	awk '$1 == "Inst" { print $2 }' <<<"$plan"
}

has_packages() { [ $# = 0 ] || [ "$(package_fields "$@" | grep -c '^Package:')" -ge $# ]; }

# Megabytes that packages take, by a field of theirs and its unit.
megabytes() { awk -v field="$1:" -v unit="$2" '$1 == field { sum += $2 } END { printf "%.0f MB", sum * unit / 1e6 }'; }

# Fetches packages for unpacking and installs what they and the others need; says before how much that is.
fetch_packages() # "PACKAGES TO UNPACK" "PACKAGES TO INSTALL"
{
	local unpacked=$1 wanted=$2 needed install sizes
	command -v apt-get >/dev/null ||
		fail "This is missing, and can be fetched only with apt-get: $(xargs <<<"$unpacked $wanted") (Debian's names)."
	has_packages $unpacked $wanted || read_package_lists
	has_packages $unpacked $wanted || fail "The package sources of this system lack some of these: $unpacked $wanted." \
		"PostgreSQL's own, at apt.postgresql.org, have all versions for Debian and Ubuntu."
	needed=$({ xargs -n 1 <<<"$wanted"; libraries_of $unpacked; } | sed "/^$/d" | paste -sd ,)
	install=$(to_install "$needed") || exit
	sizes=$(package_fields $unpacked $install)
	[ -z "$install" ] || may_be_root || fail "Some packages are missing. Please have them installed, then try again:
  sudo apt-get install --no-install-recommends $(xargs <<<"$install")"
	note "Fetching $(megabytes Size 1 <<<"$sizes"), $(megabytes Installed-Size 1024 <<<"$sizes") unpacked:" \
		"${unpacked:+$(xargs <<<"$unpacked") for tmp/}${install:+${unpacked:+, and }$(named_packages "$wanted" $install) for the system}"
	download_packages $unpacked
	[ -z "$install" ] || install_packages "$needed" $install
}

# Names packages: of many those that were asked for and the number of the others.
named_packages() # "PACKAGES ASKED FOR" PACKAGE…
{
	local asked=$1 named='' others=0 package
	shift
	for package; do
		if [ $# -le 6 ] || [[ " $asked " == *" $package "* ]]; then named+=" $package"; else others=$((others + 1)); fi
	done
	[ $others = 0 ] || named+="${named:+ with} $others ${named:+other }packages"
	xargs <<<"$named"
}

download_packages()
{
	[ $# -gt 0 ] || return 0
	progress "Downloading $(named_packages '' "$@")"
	mkdir -p "$packages"
	(cd "$packages" && { apt-get -q download "$@" || { read_package_lists && apt-get -q download "$@"; }; }) \
		>tmp/packages.log 2>&1 </dev/null || { cat tmp/packages.log >&2; exit 1; }
}

install_packages() # DEPENDENCIES PACKAGE…
{
	local needed=$1 apt="env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends"
	shift
	progress "Downloading $(named_packages '' "$@")"
	as_root $apt --download-only satisfy "$needed" >/dev/null 2>&1 </dev/null || read_package_lists
	quietly as_root $apt --download-only satisfy "$needed"
	progress "Installing $(named_packages '' "$@")"
	# In a session of its own: an interrupt must not leave packages half installed.
	quietly as_root setsid -w $apt satisfy "$needed"
}

# Whether a package was fetched.
is_fetched() { ls "$packages/$1"_*.deb >/dev/null 2>&1; }

unpack_packages() # FOLDER PACKAGE…
{
	local root=$1 package
	shift
	mkdir -p "$root"
	for package; do
		dpkg-deb -x "$(ls -t "$packages/$package"_*.deb | head -n 1)" "$root"
	done
	# A library of the just-in-time compiler that cannot be loaded is an error where there is none is not.
	find "$root" -name 'llvmjit.so' | while read -r jit; do [[ $(ldd "$jit") != *"not found"* ]] || rm "$jit"; done
	[ -e "$root/.copied" ] || touch "$root/.unpacked"
}

# A PostgreSQL as it was installed; of a folder that it shares with others only its own programs.
copy_postgres() # PG_CONFIG ROOT
{
	local config=$1 root=$2 bin lib share include
	bin=$("$config" --bindir) lib=$("$config" --pkglibdir) share=$("$config" --sharedir)
	[ -z "$(find "$bin/postgres" "$lib" "$share/extension" -maxdepth 0 -newer "$root/.copied" 2>&1)" ] && return
	progress "Copying PostgreSQL"
	rm -rf "$root"
	mkdir -p "$root$bin" "$root$lib" "$root$share"
	find -L "$bin" -maxdepth 1 -type f \( -name 'pg*' -o -name postgres -o -name psql -o -name initdb -o -name createdb \
		-o -name dropdb -o -name vacuumdb \) -exec cp -pL -t "$root$bin" {} +
	cp -pRL "$lib/." "$root$lib"
	cp -pRL "$share/." "$root$share"
	for include in "$("$config" --includedir)" "$("$config" --includedir-server)"; do
		[ -e "$root$include" ] || { mkdir -p "$root${include%/*}" && ln -s "$include" "$root$include"; }
	done
	[[ $("$root$bin/pg_config" --pkglibdir) == "$root"* ]] ||
		fail "The PostgreSQL of $config cannot be copied: it does not find its files relative to its programs."
	touch "$root/.copied"
}
