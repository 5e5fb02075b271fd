/*
 * sync.pml
 *		Push, pull in runs of pages, maintain() and a replica, small enough to be looked at in every order of steps.
 *
 * Two devices of one learner push items and pull pages of one change each; answers get lost, so that items are sent again
 * while the first request may still be under way; tombstones are forgotten; a replica lags behind by any time. Whatever
 * the order: no item counts twice, none that was acknowledged is lost, a device whose run of pages is over holds what the
 * server held, and all runs end.
 *
 * Each rule that this takes can be left out with -DNO_ and its name; spin then shows how it goes wrong. The runner is
 * test/model/exhaustive. Not in here: lives and epochs, selections, merging by instants, several learners.
 */
#define RESOURCES 2
#define ITEMS 3 /* the last one is of the second device */
#define DEVICES 2
#define PRIMARY 0
#define REPLICA 1
#define NOTHING_SEEN 1
#define max(a, b) ((a) > (b) -> (a) : (b))

#ifndef LOSSES
#define LOSSES 2 /* answers to pushes that get lost */
#endif
#ifndef COPIES
#define COPIES 2 /* how often the replica catches up */
#endif
#ifndef REPLICA_PAGES
#define REPLICA_PAGES 2 /* of each device */
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* of maintain() */
#endif

/* What a push says: a member for the list of a resource, or its end. */
byte resource_of[ITEMS];
bit deletes[ITEMS];

typedef Server {
	byte version;
	byte horizon;			/* deletions up to here may be forgotten */
	byte changed[RESOURCES]; /* 0: no row */
	byte created[RESOURCES];
	bit exists[RESOURCES];
	byte member[ITEMS];		/* the version with which it came, 0: is not there */
};

typedef Device {
	byte item;				/* the one to be sent next */
	byte last;
	byte attempt;
	bit waits;
	byte replica_pages;
	/* the cursor */
	byte position;
	byte newest;			/* 0: in no run */
	byte from;
	byte horizon;
	/* what it holds */
	bit exists[RESOURCES];
	bit member[ITEMS];
	byte resets;
};

Server server[2];
Device device[DEVICES];
bit receipt[ITEMS];
byte counted[ITEMS];
bit locked;
byte losses;

/* Applies an item to what a device holds. */
inline hold(d, i) {
	if
	:: deletes[i] -> device[d].exists[resource_of[i]] = 0; clear(d, resource_of[i])
	:: else -> device[d].exists[resource_of[i]] = 1; device[d].member[i] = 1
	fi
}

inline clear(d, r) {
	j = 0;
	do
	:: j < ITEMS -> if :: resource_of[j] == r -> device[d].member[j] = 0 :: else fi; j++
	:: else -> break
	od
}

/* Writes an item with a version. A deletion of what is not there changes nothing. */
inline write(i, v) {
	r = resource_of[i];
	if
	:: deletes[i] && !server[PRIMARY].exists[r]
	:: deletes[i] && server[PRIMARY].exists[r] ->
		server[PRIMARY].exists[r] = 0;
		j = 0;
		do
		:: j < ITEMS -> if :: resource_of[j] == r -> server[PRIMARY].member[j] = 0 :: else fi; j++
		:: else -> break
		od;
		server[PRIMARY].changed[r] = v;
		server[PRIMARY].version = v
	:: else ->
		if :: !server[PRIMARY].exists[r] -> server[PRIMARY].created[r] = v :: else fi;
		server[PRIMARY].exists[r] = 1;
		server[PRIMARY].member[i] = v;
		server[PRIMARY].changed[r] = v;
		server[PRIMARY].version = v
	fi;
	counted[i]++;
	assert(counted[i] == 1); /* nothing counts twice */
	receipt[i] = 1
}

/* The answer: the device's cursor passes its own change only where it had seen all before it, so never within a run. */
inline answer(d, i, before) {
	device[d].waits = 0;
	device[d].item++;
	assert(receipt[i]); /* what is acknowledged is kept */
	if
#ifndef NO_SAFE_CURSOR
	:: device[d].position >= before ->
		assert(device[d].newest == 0);
#else
	:: device[d].newest == 0 ->
#endif
		if :: server[PRIMARY].version > before -> hold(d, i) :: else fi;
		device[d].position = server[PRIMARY].version
	:: else
	fi
}

/* A backend that works on a push, whether or not the device still waits for it. */
proctype backend(byte d; byte i; byte attempt) {
	byte before, r, j;
	bit known;

#ifdef NO_READ_AFTER_LOCK
	atomic { known = receipt[i]; before = server[PRIMARY].version };
#endif
#ifdef NO_LOCK
	atomic { known = receipt[i]; before = server[PRIMARY].version };
#else
	atomic { !locked -> locked = 1;
#ifndef NO_READ_AFTER_LOCK
		known = receipt[i]; before = server[PRIMARY].version
#endif
	};
#endif
	d_step {
		if
#ifndef NO_RECEIPT
		:: known
#endif
		:: else -> write(i, before + 1)
		fi;
		locked = 0;
		if :: device[d].waits && device[d].attempt == attempt -> answer(d, i, before) :: else fi;
		before = 0; r = 0; j = 0; known = 0
	}
}

/* What a device asks for next; a call that could change nothing is not made. */
#define NEWS(d) (device[d].position < server[PRIMARY].version || device[d].newest > 0 || \
				 server[PRIMARY].horizon > device[d].position)

/* The wanted change with the least version, and whether there is one more. */
inline find(s, d) {
	found = RESOURCES; more = 0; r = 0;
	do
	:: r < RESOURCES ->
		if
		:: server[s].changed[r] > device[d].position ->
			if
			:: found == RESOURCES -> found = r
			:: found < RESOURCES && server[s].changed[r] < server[s].changed[found] -> found = r; more = 1
			:: else -> more = 1
			fi
		:: else
		fi;
		r++
	:: else -> break
	od
}

/* Takes a change over: of a list whose older members the device holds, only the newer ones come. */
inline take(s, d, r) {
	if
	:: !server[s].exists[r] -> device[d].exists[r] = 0; clear(d, r)
	:: else ->
		device[d].exists[r] = 1;
#ifdef NO_FROM
		since = (server[s].created[r] <= device[d].position -> device[d].position : 0);
#else
		since = (server[s].created[r] <= device[d].from -> device[d].from : 0);
#endif
		if :: since == 0 -> clear(d, r) :: else fi;
		j = 0;
		do
		:: j < ITEMS ->
			if
			:: resource_of[j] == r && server[s].member[j] > since -> device[d].member[j] = 1
			:: else
			fi;
			j++
		:: else -> break
		od
	fi
}

/* A device whose run is over holds what the server holds. */
inline compare(s, d) {
	j = 0;
	do
	:: j < ITEMS -> assert(device[d].member[j] == (server[s].member[j] > 0)); j++
	:: else -> break
	od;
	j = 0;
	do
	:: j < RESOURCES -> assert(device[d].exists[j] == server[s].exists[j]); j++
	:: else -> break
	od
}

inline drop(d) {
	device[d].position = NOTHING_SEEN;
	device[d].newest = 0;
	device[d].resets++;
	assert(device[d].resets <= ROUNDS); /* each other page moves on, so runs end */
#ifndef NO_DROP_AT_RESET
	j = 0;
	do :: j < RESOURCES -> device[d].exists[j] = 0; j++ :: else -> break od;
	j = 0;
	do :: j < ITEMS -> device[d].member[j] = 0; j++ :: else -> break od
#endif
}

/* One page of at most one change, of one snapshot of one server. */
inline pull(s, d) {
	d_step {
#ifdef NO_NEWEST
		behind = device[d].position > server[s].version;
#else
		behind = max(device[d].position, device[d].newest) > server[s].version;
#endif
		if
#ifndef NO_RESET
#ifdef NO_HORIZON_OF_RUN
		:: server[s].horizon > device[d].position -> drop(d); behind = 0
#else
		:: server[s].horizon > max(device[d].position, device[d].horizon) -> drop(d); behind = 0
#endif
#endif
		:: else
		fi;
		if
		:: behind && device[d].position >= server[s].version
		:: else ->
			if
			:: device[d].newest == 0 ->
				device[d].from = device[d].position;
				device[d].horizon = server[s].horizon
			:: else
			fi;
			device[d].newest = max(device[d].newest, server[s].version);
			find(s, d);
			if :: found < RESOURCES -> take(s, d, found) :: else fi;
			if
			:: more -> device[d].position = server[s].changed[found]
			:: else ->
				device[d].position = max(device[d].position, server[s].version);
				if
				:: !behind ->
					device[d].newest = 0; device[d].from = 0; device[d].horizon = 0;
					compare(s, d)
				:: else
				fi
			fi
		fi;
		behind = 0; found = 0; more = 0; since = 0; r = 0; j = 0
	}
}

proctype app(byte d) {
	byte found, since, r, j;
	bit behind, more;

	do
	:: atomic { !device[d].waits && device[d].item < device[d].last ->
		device[d].waits = 1; device[d].attempt++; run backend(d, device[d].item, device[d].attempt) }
	:: atomic { device[d].waits && losses > 0 -> device[d].waits = 0; losses-- }
	:: atomic { !device[d].waits && NEWS(d) -> pull(PRIMARY, d) }
	:: atomic { !device[d].waits && device[d].replica_pages > 0 -> device[d].replica_pages--; pull(REPLICA, d) }
	:: atomic { !device[d].waits && device[d].item == device[d].last && !NEWS(d) -> break }
	od
}

/* Forgets tombstones, any of them; the horizon says so in the same moment. */
proctype maintain() {
	byte rounds = ROUNDS, forgotten, r;

	do
	:: rounds > 0 ->
		rounds--;
		atomic {
			!locked;
			r = 0;
			do
			:: r < RESOURCES ->
				if
				:: server[PRIMARY].changed[r] > 0 && !server[PRIMARY].exists[r] ->
					forgotten = max(forgotten, server[PRIMARY].changed[r]);
					server[PRIMARY].changed[r] = 0;
					server[PRIMARY].created[r] = 0
				:: true
				fi;
				r++
			:: else -> break
			od;
			r = 0;
#ifdef NO_HORIZON_AT_ONCE
		}
		atomic {
#endif
			server[PRIMARY].horizon = max(server[PRIMARY].horizon, forgotten);
			forgotten = 0
		}
	:: else -> break
	od
}

/* The replica takes over what the primary has committed, at times of its own. */
proctype replicate() {
	byte copies = COPIES, j;

	do
	:: copies > 0 ->
		d_step {
			copies--;
			server[REPLICA].version = server[PRIMARY].version;
			server[REPLICA].horizon = server[PRIMARY].horizon;
			j = 0;
			do
			:: j < RESOURCES ->
				server[REPLICA].changed[j] = server[PRIMARY].changed[j];
				server[REPLICA].created[j] = server[PRIMARY].created[j];
				server[REPLICA].exists[j] = server[PRIMARY].exists[j];
				j++
			:: else -> break
			od;
			j = 0;
			do
			:: j < ITEMS -> server[REPLICA].member[j] = server[PRIMARY].member[j]; j++
			:: else -> break
			od;
			j = 0
		}
	:: else -> break
	od
}

init {
	byte i;

	atomic {
		/* One resource is there already, so that runs have more than one page even where others come and go. */
		for (i : PRIMARY .. REPLICA) {
			server[i].version = NOTHING_SEEN + 1;
			server[i].changed[1] = NOTHING_SEEN + 1;
			server[i].created[1] = NOTHING_SEEN + 1;
			server[i].exists[1] = 1
		}
		losses = LOSSES;
		device[0].item = 0; device[0].last = 2;
		device[1].item = 2; device[1].last = 3;
		for (i : 0 .. DEVICES - 1) {
			device[i].position = NOTHING_SEEN;
			device[i].replica_pages = REPLICA_PAGES
		}
		/* Every item is for either resource, and adds or deletes. */
		for (i : 0 .. ITEMS - 1) {
			if :: resource_of[i] = 1 :: true fi;
			if :: deletes[i] = 1 :: true fi
		}
		i = 0;
		for (i : 0 .. DEVICES - 1) { run app(i) }
		run maintain();
		run replicate()
	}
}
