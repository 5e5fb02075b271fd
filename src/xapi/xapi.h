/*
 * xapi.h
 *		What is known of xAPI statements: whether they are right, equal, and found by what; then the parts of that.
 */
#ifndef LEARNSYNC_XAPI_H
#define LEARNSYNC_XAPI_H

#include "base/base.h"

/* xapi_statement.c */
extern bool ls_xapi_check(const JsonbValue *statement, LsFailure *failure) pg_attribute_nonnull(2);

#define LS_XAPI_VOIDED "http://adlnet.gov/expapi/verbs/voided" /* the verb of a statement that voids another */

/* xapi_index.c */

/* What an LRS finds a statement by; texts without data, and LS_NO_TIME, where it has none. */
typedef struct LsXapiIndex
{
	LsText agent;
	LsText verb;
	LsText activity;
	LsText registration;
	LsText voids; /* the id of the statement that it voids */
	TimestampTz at; /* its timestamp */
} LsXapiIndex;

extern LsXapiIndex ls_xapi_index(const JsonbValue *statement);
extern LsText ls_xapi_statement_id(LsText id);

/* xapi_equal.c */
extern bool ls_xapi_equal(const JsonbValue *a, const JsonbValue *b);

/* Where in the statement a value is: a chain up to the statement, on the stack. */
typedef struct LsXapiPlace
{
	const struct LsXapiPlace *up; /* NULL for the statement itself */
	LsText key; /* data is NULL for an element of an array */
	int index; /* of an element */
} LsXapiPlace;

/* One check of a statement. */
typedef struct LsXapiCheck
{
	bool version_2; /* by the rules of xAPI 2.0, else of 1.0.3 */
	bool done; /* enough is known */
	int count; /* violations so far */
	JsonbValue *list; /* takes each violation; NULL where failure takes the first */
	LsFailure *failure;
} LsXapiCheck;

typedef struct LsXapiProperty LsXapiProperty;

/* Tests the value of a property, and reports what it breaks. */
typedef void LsXapiTest(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *value,
						const LsXapiProperty *property);

/* One property of an object, or the elements of a list. */
struct LsXapiProperty
{
	LsText name;
	LsXapiTest *test;
	const char *requirement; /* what a value breaks that fails the test */
	const char *required; /* what an absent one breaks; NULL where it is optional */
	const void *argument; /* what the test wants to know: a format, a shape, a list, names */
	uint32 mark; /* set in the result of a walk that meets the property */
	bool since_2; /* unknown to 1.0.3 */
};

/* A kind of string. */
typedef struct LsXapiFormat
{
	bool (*holds)(LsText text);
	const char *wanted; /* "must be …" */
	const char *requirement; /* of the format; NULL where only the property has one */
} LsXapiFormat;

/* Where they stand in ls_xapi_formats. */
enum
{
	LS_XAPI_IRI,
	LS_XAPI_IRL,
	LS_XAPI_URI,
	LS_XAPI_MAILTO,
	LS_XAPI_SHA1,
	LS_XAPI_SHA2,
	LS_XAPI_UUID,
	LS_XAPI_MEDIA_TYPE,
	LS_XAPI_ISO_TIME,
	LS_XAPI_RFC_TIME,
	LS_XAPI_DURATION
};

/* A kind of object. */
typedef struct LsXapiShape
{
	const char *name;
	const LsXapiProperty *properties; /* in jsonb's key order; a nameless one ends them */
	const char *unknown; /* what other properties break; NULL for the general requirement */
} LsXapiShape;

/* A kind of array. */
typedef struct LsXapiList
{
	LsXapiProperty element;
	const char *filled; /* what an empty one breaks; NULL where it may be empty */
} LsXapiList;

#define LS_XAPI_NAME(name) ((LsText){name, sizeof(name) - 1})

/* In a static initializer a compound literal is no constant for every compiler. */
#define LS_XAPI_KEY(name)                                                                                            \
	{                                                                                                                \
		name, sizeof(name) - 1                                                                                       \
	}

/* xapi_report.c */
extern void ls_xapi_report(LsXapiCheck *check, const LsXapiPlace *place, const char *requirement, const char *message,
						   ...) pg_attribute_printf(4, 5);

/* xapi_shape.c */
extern bool ls_xapi_expect(LsXapiCheck *check, const LsXapiPlace *place, bool holds, const char *requirement,
						   const char *wanted);
extern bool ls_xapi_type(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *object,
						 const char *requirement, const char *const *names, int *choice);
extern uint32 ls_xapi_walk(LsXapiCheck *check, const LsXapiPlace *place, const JsonbValue *object,
						   const LsXapiShape *shape);
extern LsXapiTest ls_xapi_known;
extern LsXapiTest ls_xapi_forbidden;
extern LsXapiTest ls_xapi_text;
extern LsXapiTest ls_xapi_string;
extern LsXapiTest ls_xapi_constant;
extern LsXapiTest ls_xapi_object;
extern LsXapiTest ls_xapi_array;
extern LsXapiTest ls_xapi_language_map;
extern LsXapiTest ls_xapi_extensions;

/* xapi_format.c */
extern LsText ls_xapi_lower_case(LsText text);
extern int ls_xapi_compare_any_case(LsText a, LsText b);
extern const LsXapiFormat ls_xapi_formats[];
extern bool ls_xapi_instant(LsText text, int64 *milliseconds);

/* xapi_language.c */
extern const LsXapiFormat ls_xapi_language;

/* xapi_actor.c */

/* Which actors may be in a place. */
typedef enum LsXapiActors
{
	LS_XAPI_ANY_ACTOR,
	LS_XAPI_AN_AGENT,
	LS_XAPI_A_GROUP,
	LS_XAPI_AN_AUTHORITY /* who vouches for a statement */
} LsXapiActors;

extern LsXapiTest ls_xapi_actor;

/* xapi_object.c */
extern LsXapiTest ls_xapi_activity;
extern LsXapiTest ls_xapi_reference;

/* xapi_context.c */
extern LsXapiTest ls_xapi_context;

#endif
