/*
 * second_try.h
 *		When a failed item, f, is due to be tried again, in the words of the statements of store files that look for such.
 */
#ifndef LEARNSYNC_SECOND_TRY_H
#define LEARNSYNC_SECOND_TRY_H

/* A join with what the item waited for, w, where that is there. types is an argument: the types of events. */
#define LS_ARRIVED(types)                                                                                            \
	" JOIN LATERAL (SELECT true AS arrived FROM (SELECT FROM learnsync_data.resource_type t WHERE t.name" EQ         \
	"f.waits_for AND f.code" EQ "'unknown_type' AND f.channel" NE "'progress_put'"                                   \
	" UNION ALL SELECT FROM learnsync_data.content c WHERE c.content_id" EQ "f.waits_for AND f.code" EQ              \
	"'unknown_content' UNION ALL SELECT FROM pg_catalog.unnest(" types ") e (name) WHERE e.name" EQ                  \
	"f.waits_for AND f.channel" EQ "'progress_put') a LIMIT 1) w ON true "

/* 1, 5, 15 and 60 seconds after it failed last. retry_count counts what the device itself sent again, too. */
#define LS_DUE                                                                                                       \
	"f.retryable AND f.retry_count OPERATOR(pg_catalog.<) 4"                                                         \
	" AND f.failed_at OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => ('{1,5,15,60}'::pg_catalog.float8[])"  \
	"  [f.retry_count OPERATOR(pg_catalog.+) 1]) OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"

#endif
