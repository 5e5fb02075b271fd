"""What is measured: for each function that anybody may call, inputs of any size that cost the most for it."""

WARM = 10  # a size that only wakes a session up
SIZES = (1000, 10000, 100000)
PLACED = (1000, 10000, 20000, 200000)  # of more than 10 000 resources their places are sorted first, to hold no more at once
NAME = (20, 200)  # an id has at most 200 characters
FAILED = (100, 1000)  # of a learner's failed items the newest 1000 are kept

# So far limits can be raised: what they refuse costs nothing.
LARGE = ("learnsync.max_batch_items = 1000000", "learnsync.max_item_bytes = '64MB'", "learnsync.max_list = 1000000",
         "learnsync.max_document_bytes = '64MB'", "learnsync.max_devices = 100000")


class Case:
    """
    covers: names of functions; call: a query, in which {n} is the size, {g} what is given and {p} the state
    of the events that are given; given: an expression;
    worlds: what is stored before; learner: who asks; commits: the call ends transactions of its own;
    cancels: it can be cancelled; flat: it is about one thing, however much is stored beside;
    limits: the settings that are raised. Where none is, a cancel may nowhere wait;
    plain: a statement that does as much without us, where what is read and held at once is more than a processor's
    memory has room for: from there on the server's own work, too, takes more than ten times as long for ten times as much.
    """

    def __init__(self, covers, what, call, given="NULL", sizes=SIZES, worlds=(), settings=(), learner="",
                 commits=False, alone=False, cancels=True, flat=False, limits=LARGE, plain=None):
        self.covers = covers.split()
        self.name = f"{self.covers[0]}: {what}"
        self.call, self.given, self.sizes = call, given, sizes
        self.worlds, self.settings, self.learner = worlds, settings, learner
        self.commits, self.alone, self.cancels, self.flat, self.limits = commits, alone, cancels, flat, limits
        self.plain = plain


SETUP = """
CREATE EXTENSION learnsync;
SELECT learnsync.setup();
DO $$ DECLARE kind text@ BEGIN
    FOR kind IN SELECT DISTINCT a.kind FROM learnsync_internal.access_list() a LOOP
        IF to_regrole('budget_' || kind) IS NULL THEN EXECUTE format('CREATE ROLE %I', 'budget_' || kind)@ END IF@
        PERFORM learnsync.grant_access('budget_' || kind, kind)@
    END LOOP@ END $$;
CREATE SCHEMA fz;
CREATE FUNCTION fz.late_start(all_counts bool) RETURNS void LANGUAGE c AS '{late}', 'late_start';
CREATE FUNCTION fz.late_longest() RETURNS text LANGUAGE c AS '{late}', 'late_longest';
CREATE TABLE given (id int PRIMARY KEY, g jsonb, p learnsync.progress);
ALTER TABLE given ALTER g SET STORAGE EXTERNAL, ALTER p SET STORAGE EXTERNAL;
CREATE FUNCTION fz.list(template text, first int, last int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_agg(replace(template, '#', i::text)::jsonb), '[]') FROM generate_series(first, last) i $$;
CREATE FUNCTION fz.list(template text, n int) RETURNS jsonb LANGUAGE sql AS $$ SELECT fz.list(template, 1, n) $$;
CREATE FUNCTION fz.object(key text, template text, n int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(replace(key, '#', i::text), replace(template, '#', i::text)::jsonb)
    FROM generate_series(1, n) i $$;
CREATE FUNCTION fz.push(learner text, template text, n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    FOR start IN 1..n BY 10000 LOOP
        PERFORM learnsync.sync_push(learner, jsonb_build_object('deviceId', 'd',
            'items', fz.list(template, start, least(start + 9999, n))))@
    END LOOP@ END $$;
CREATE FUNCTION fz.put(learner text, template text, n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    FOR start IN 1..n BY 10000 LOOP
        PERFORM learnsync.progress_put(learner, jsonb_build_object(
            'events', fz.list(template, start, least(start + 9999, n))))@
    END LOOP@ END $$;
CREATE FUNCTION fz.groups(levels int, beside boolean) RETURNS jsonb LANGUAGE sql AS $$
    SELECT (string_agg('{"objectType": "Group", "member": [', '') || '{"mbox": "a"}'
        || string_agg(', ' || CASE WHEN beside THEN fz.groups(i, false)::text
        ELSE '{"mbox": "a"}' END || ']}', '' ORDER BY i))::jsonb FROM generate_series(1, levels) i $$;
CREATE FUNCTION fz.reversed(list jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(e ORDER BY n DESC) FROM jsonb_array_elements(list) WITH ORDINALITY x (e, n) $$;
CREATE FUNCTION fz.conflict(learner text) RETURNS text LANGUAGE sql AS $$
    SELECT conflict_id::text FROM learnsync_data.conflict WHERE learner_id = learner AND closed_at IS NULL LIMIT 1 $$;
CREATE FUNCTION fz.copy(learner text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('count', 0, 'sum', 0, 'cursor', regexp_replace(
        learnsync.sync_pull(learner, '{"deviceId": "d", "limit": 1}') ->> 'cursor', '^1(-[0-9a-f]+){4}',
        '1-' || to_hex(l.version) || '-0-0-0'))
    FROM learnsync_data.learner l WHERE l.learner_id = learner $$;
CREATE FUNCTION fz.through_binary(value anyelement) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    CREATE TEMP TABLE one AS SELECT value AS v@
    EXECUTE format('COPY one TO %1$L (FORMAT binary)@ TRUNCATE one@ COPY one FROM %1$L (FORMAT binary)@ DROP TABLE one',
        current_setting('data_directory') || '/budget.copy')@ END $$;
CREATE TABLE number AS SELECT n FROM generate_series(1, 100000) n;
ANALYZE number;
SELECT learnsync.define_resource_type('note', '{"key": ["k"], "policy": "manual"}');
SELECT learnsync.define_resource_type('page', '{"key": ["k"]}');
SELECT learnsync.define_resource_type('lists', '{"key": ["k"], "stale": "ignore", "fields": {"tags": {"merge": "union"},
    "chat": {"merge": "union", "id": "id"}, "prefs": {"merge": "map_latest"}, "taps": {"merge": "counter"}}}')
"""
SETUP = [statement.replace("@", ";") for statement in SETUP.split(";") if statement.strip()]


def item(resource_type, data, item_id="i#", at="2026-01-08T10:00:00Z"):
    return (f'{{"id": "{item_id}", "operation": "update", "resourceType": "{resource_type}", '
            f'"clientTimestamp": "{at}", "data": {data}}}')


def event(payload, event_type="content.progressed", at="2026-01-08T10:00:00Z"):
    return f'{{"eventId": "e#", "clientId": "c", "type": "{event_type}", "occurredAt": "{at}", "payload": {payload}}}'


LESSON = item("lesson_progress", '{"lessonId": "l#", "courseId": "c", "timeSpent": 1}')
ITEM = item("lesson_progress", '{"lessonId": "l", "courseId": "c", "timeSpent": 1}')
JOG = item("jog{n}", '{"k": "k#", "n": [{"id": "a"}]}')
JOG_RULE = '{"key": ["k"], "stale": "ignore", "fields": {"n": {"type": "array", "merge": "%s"}}}'
AGENT = '{"mbox": "mailto:a#@example.org"}'
STATEMENT = (f'{{"actor": {AGENT}, "verb": {{"id": "http://example.org/v"}}, '
             '"object": {"id": "http://example.org/#"}}')
PROGRESSED = event('{"contentId": "c#", "status": "completed", "score": 5, '
                   '"interaction": {"interactionId": "i#", "state": {"a": 1}}}')

FIELD = item("lists", '{"k": "a", "f#": 1}')
CHAT = item("lists", '{"k": "a", "chat": [{"id": "#", "text": "hello"}]}')


def devices(learner, device):
    """So many devices, as they stand after they pushed: to have them push takes minutes."""
    return (f"INSERT INTO learnsync_data.device (learner_id, device_id, created_at, last_sync_at) "
            f"SELECT {learner}, {device}, now(), now() FROM generate_series(1, {{n}}) i")


# Of so many bytes that a thousand are as much as a client can send.
TEXT = '"' + "page # of # " * 500 + '"'
FULL_LESSON = item("lesson_progress", f'{{"lessonId": "l#", "courseId": "c", "note": {TEXT}}}')

# What is stored, under the names of learners that say how much of it.
WORLDS = {
    "jogs": [f"SELECT learnsync.define_resource_type('jog{{n}}', '{JOG_RULE % 'latest'}')",
             f"SELECT fz.push('jogs{{n}}', '{JOG}', {{n}})"],
    "rebasing": [f"SELECT learnsync.define_resource_type('jog{{n}}', '{JOG_RULE % 'latest'}')",
                 f"SELECT fz.push('jogs{{n}}', '{JOG}', {{n}})",
                 f"SELECT learnsync.define_resource_type('jog{{n}}', '{JOG_RULE % 'union'}', true)"],
    "items": [f"SELECT fz.push('items{{n}}', '{ITEM}', {{n}})"],
    "lessons": [f"SELECT fz.push('lessons{{n}}', '{LESSON}', {{n}})"],
    "statements": [f"SELECT fz.push('statements{{n}}', '{item('xapi_statement', STATEMENT)}', {{n}})"],
    "chat": [f"SELECT fz.push('chat{{n}}', '{CHAT}', {{n}})"],
    "wide": ["""SELECT learnsync.sync_push('wide{n}', jsonb_build_object('deviceId', 'd', 'items', jsonb_build_array(
                jsonb_build_object('id', 'w', 'operation', 'update', 'resourceType', 'lists',
                    'clientTimestamp', '2026-01-08T09:00:00Z',
                    'data', fz.object('f#', '0', {n}) || '{"k": "a"}')))) IS NULL"""],
    "full": [f"""SELECT fz.push('full{{n}}', '{FULL_LESSON}', {{n}})"""],
    "failing": [f"""SELECT count(fz.push('failing{{n}}-' || i, '{item("note", "{}")}', 10))
                    FROM generate_series(1, {{n}} / 10) i"""],
    "pushed": ["""INSERT INTO learnsync_data.push (learner_id, version, push_no, slot, prev_version, device_id, pushed_at,
        item_count, resource_types, resource_ids, items)
        SELECT 'pushed{n}', i + 1, i, 0, i, 'd', now(), 1, '{}', '{}', '[]' FROM generate_series(1, {n}) i"""],
    "apps": ["""INSERT INTO learnsync_data.learner (learner_id, counts) SELECT 'apps{n}-' || i,
        ('\\x7f010a' || encode(convert_to(lpad(i::text, 7, '0'), 'UTF8'), 'hex') || '0000000101010000000101')::bytea
        FROM generate_series(1, {n}) i"""],
    "ruled": ["""SELECT learnsync.define_resource_type('ruled{n}', jsonb_build_object('key', '["k"]'::jsonb, 'fields',
        fz.object('f#', '{"merge": "max", "required": true}', {n}))) IS NULL"""],
    "failed": [f"""SELECT fz.push('failed{{n}}', '{item("note", "{}")}', {{n}})"""],
    "conflicts": [f"""SELECT fz.push('conflicts{{n}}', '{item("note", '{"k": "a", "v": #}')}', {{n}})"""],
    "corrected": [f"""SELECT fz.push('corrected{{n}}', '{item("page", '{"k": "a"}')}', 1)""",
                  """SELECT learnsync.sync_correct('corrected{n}', '{"resourceType": "page", "resourceId": "a", "by": "b",
                  "reason": "r"}' || jsonb_build_object('data', fz.object('f#', '#', {n}))) IS NULL"""],
    "edited": [f"""SELECT fz.push('edited{{n}}', '{CHAT}', {{n}})""",
               """SELECT learnsync.sync_correct('edited{n}', jsonb_build_object('resourceType', 'lists', 'resourceId', 'a',
               'by', 'b', 'reason', 'r', 'data', jsonb_build_object('chat', jsonb_build_object('remove',
               fz.list('"#"', 1, {n}))))) IS NULL"""],
    "devices": ["""SELECT learnsync.sync_push('devices{n}', '{"deviceId": "d", "items": []}') IS NULL""",
                devices("'devices{n}'", "'d' || i")],
    "gadgets": ["""SELECT learnsync.sync_push('gadgets{n}', '{"deviceId": "d", "items": []}') IS NULL""",
                devices("'gadgets{n}'", "'d' || i"),
                """UPDATE learnsync_data.device SET metadata = jsonb_build_object('log', repeat('x', 8000))
                WHERE learner_id = 'gadgets{n}'"""],
    "boxed": ["""SELECT learnsync.outbox_add('box{n}', '{"resourceTypes": ["activity"]}')""",
              """INSERT INTO learnsync_data.outbox_mark (learner_id, outbox, life, since, after_version, version,
              marked_at, due_at) SELECT 'boxed' || i, 'box{n}', 1, 0, 1, 2, now(), now() FROM generate_series(1, {n}) i""",
              """INSERT INTO learnsync_data.outbox_dead SELECT 'boxed' || i, 'box{n}', 't', 'i', 1, 2, 'e', now()
              FROM generate_series(1, {n}) i"""],
    "crate": [f"""SELECT learnsync.outbox_add('crate{{n}}', '{{"resourceTypes": ["page"]}}')""",
              f"""SELECT fz.push('crate{{n}}', '{item("page", '{"k": "k#"}')}', {{n}})"""],
    "shared": [devices("'sharer{n}-' || i", "'tablet{n}'")],
    "erased": ["SELECT count(learnsync.forget_learner('erased{n}-' || i)) FROM generate_series(1, {n}) i"],
    "logs": [f"SELECT count(fz.put('log{{n}}-' || i, '{PROGRESSED}', 10)) FROM generate_series(1, {{n}} / 10) i"],
    # The owner is a learner: else each of them would be locked by a row that is made and goes again.
    "profiles": ["INSERT INTO learnsync_data.learner (learner_id) VALUES ('owner{n}')",
                 "SELECT count(learnsync.add_profile('profiles{n}-' || i, 'owner{n}')) FROM generate_series(1, {n}) i"],
    "twins": [f"SELECT fz.push('twins{{n}}', '{LESSON}', {{n}})",
              f"SELECT fz.push('twins{{n}}', '{LESSON.replace('i#', 'j#')}', {{n}})"],
    "odd": ["INSERT INTO learnsync_data.learner (learner_id) VALUES ('odd{n}')",
            "INSERT INTO learnsync_data.anomaly (learner_id, anomaly_id, kind, weight, evidence, found_at) "
            "SELECT 'odd{n}', md5(i::text)::uuid, 'same_work', 1, '{}', now() FROM generate_series(1, {n}) i"],
    "events": [f"SELECT fz.put('events{{n}}', '{PROGRESSED}', {{n}})"],
    # As register_content leaves it, which takes longer: courses of a hundred contents.
    "catalog": ["INSERT INTO learnsync_data.content (content_id, kind, retired, data) "
                "SELECT 'x{n}-' || i, 'lesson', false, '{}' FROM generate_series(1, {n}) i",
                "INSERT INTO learnsync_data.placement (content_id, course_id, listed) "
                "SELECT 'x{n}-' || i, 'x{n}-' || i / 100, true FROM generate_series(1, {n}) i",
                "INSERT INTO learnsync_data.interaction (interaction_id, content_id) "
                "SELECT 'x{n}-' || i, 'x{n}-' || i FROM generate_series(1, {n}) i",
                "ANALYZE learnsync_data.content, learnsync_data.placement, learnsync_data.interaction",
                f"SELECT fz.push('scholar{{n}}', '{LESSON.replace('l#', 'x{n}-#')}', 10)"],
    "parts": ["SELECT learnsync.part_hold(0, 0, 1)"],
    "lost": ["DELETE FROM learnsync_data.progress_content"],
}


def events_of(template):
    return f"fz.list('{template}', {{n}})"


def request(member, template, more=""):
    return f"""jsonb_build_object('{member}', fz.list('{template}', {{n}}){more})"""


def push(template, more=""):
    return request("items", template, f", 'deviceId', 'p'{more}")


def one_item(resource_type, data):
    """A push of one item, whose data an expression gives."""
    return f"""jsonb_build_object('deviceId', 'p', 'items', jsonb_build_array(jsonb_build_object(
               'id', '1', 'operation', 'update', 'resourceType', '{resource_type}', 'clientTimestamp', '2026-01-08T10:00:00Z',
               'data', {data})))"""


AGGREGATE = "learnsync.progress_agg(e ->> 'eventId', e ->> 'occurredAt', e ->> 'type', e -> 'payload')"
OF_EVENTS = f"SELECT {AGGREGATE} IS NULL FROM jsonb_array_elements({{g}}) e"
# To read as much JSON and put it in order: what is done to a value of progress that comes as bytes.
IN_ORDER = ("SELECT jsonb_object_agg(e #>> '{payload,contentId}', e ORDER BY e #>> '{payload,contentId}' COLLATE \"C\") IS NULL "
            "FROM jsonb_array_elements({g}::text::jsonb) e")
PARALLEL = ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0",
            "max_parallel_workers_per_gather = 2")
RISING = event('{"contentId": "c", "status": "passed", "score": 0.#}', at="2026-01-08T10:00:00.#Z")
FALLING = '''jsonb_agg(e || jsonb_build_object('eventId', 'f' || n,
             'occurredAt', to_char(timestamp '2026-01-08' - n * interval '1s', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
             'payload', (e -> 'payload') || jsonb_build_object('score', n / 1000000.0)))'''
RISE_AND_FALL = f"(SELECT {FALLING} FROM jsonb_array_elements(fz.list('{RISING}', {{n}})) WITH ORDINALITY x (e, n))"
GROUP = f"""jsonb_build_object('actor', jsonb_build_object('objectType', 'Group', 'member', fz.list('{AGENT}', {{n}})),
            'verb', '{{"id": "urn:v"}}'::jsonb, 'object', '{{"id": "urn:o"}}'::jsonb)"""
# Groups beside groups: as deep as the root of their number.
NESTED = "jsonb_build_object('actor', fz.groups(sqrt({n})::int, true))"
MAX_RULE = """jsonb_build_object('fields', fz.object('f#', '{"merge": "max"}', {n}))"""
DATA = "fz.object('f#', '#', {n})"
MERGE = "learnsync.merge('{}', NULL, {{g}}, '2026-01-08Z', 'd')"
LIST_RULE = ('{"fields": {"l": {"merge": "union"}, "o": {"merge": "union", "id": "id"}, "m": {"merge": "map_latest"}, '
             '"c": {"merge": "counter"}}}')
# Elements of a list of numbers, one of objects and a map, as many of each.
LISTS = """jsonb_build_object('l', fz.list('#', {n} / 3), 'o', fz.list('{"id": "#", "text": "hello"}', {n} / 3),
           'm', fz.object('k#', '#', {n} / 3))"""
DERIVED = """jsonb_build_object('fields', fz.object('d#', '{"derive": "f#", "steps": [{"value": "low"},
             {"value": "high", "from": 10}]}', {n}))"""
CATALOG = request("contents", '{"contentId": "new#", "courseId": "c", "kind": "lesson", "interactionIds": ["i#"]}')
# One thing beside many contents.
BESIDE = {"worlds": ["catalog"], "sizes": (1000, 100000), "alone": True, "flat": True}
# A content with all that is looked up for one.
NEW_CONTENT = '''jsonb_build_object('contents', jsonb_build_array(jsonb_build_object('contentId', 'new', 'interactionIds',
                 jsonb_build_array('new'), 'placements', jsonb_build_array(jsonb_build_object('courseId', 'x{n}-0',
                 'parentId', 'x{n}-1')), 'replaces', jsonb_build_array('x{n}-2'))))'''
MODULE = '{"idempotencyKey": "k#", "deviceId": "d", "moduleId": "m#", "clientTimestamp": "2026-01-08T10:00:00Z", '
ACTIVITY = ('{"idempotency_key": "k#", "activity_type": "quiz", "content_id": "c#", "score": 90, '
            '"timestamp": "2026-01-08T10:00:00Z"}')

# As much as clients can send and get while all limits are as they come: a body has 8 MB, as nginx is set up.
BODY = (100, 1000)
FULL = [
    Case("learnsync.sync_push", "a full body of lessons", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(FULL_LESSON)),
    Case("learnsync.sync_push", "a full body for one lesson", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("lesson_progress", f'{{"lessonId": "l", "n#": {TEXT}}}'))),
    Case("learnsync.sync_push", "a full body of conflicts", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("note", f'{{"k": "a", "note": {TEXT}}}'))),
    Case("learnsync.sync_push", "a full body of bad items", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("note", f'{{"note": {TEXT}}}'))),
    Case("learnsync.sync_push", "a full body of xAPI statements", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("xapi_statement", STATEMENT[:-1] + f', "result": {{"response": {TEXT}}}}}'))),
    Case("learnsync.sync_push", "a full body of messages", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("lists", f'{{"k": "a", "chat": [{{"id": "#", "text": {TEXT}}}]}}'))),
    Case("learnsync.sync_push", "an item as large as may be, of many fields",
         "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         one_item("lists", "fz.object('f#', '#', {n} * 10) || '{\"k\": \"a\"}'")),
    Case("learnsync.sync_push", "an item as large as may be, of long lists",
         "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         one_item("lists", "jsonb_build_object('k', 'a', 'tags', fz.list('#', {n} * 5), "
                  "'prefs', fz.object('k#', '#', {n} * 4))")),
    Case("learnsync.progress_put", "a full body of events", "SELECT learnsync.progress_put('new{n}', {g}) IS NULL",
         request("events", event(f'{{"contentId": "c#", "status": "completed", "note": {TEXT}}}'))),
    Case("learnsync.sync_completions", "a full body of events",
         "SELECT learnsync.sync_completions('new{n}', {g}) IS NULL",
         request("events", MODULE + f'"score": 5, "note": {TEXT}}}')),
    Case("learnsync.progress_batch", "a full body of activities",
         "SELECT learnsync.progress_batch('new{n}', {g}) IS NULL",
         request("items", ACTIVITY[:-1] + f', "meta_data": {{"note": {TEXT}}}}}')),
    Case("learnsync.sync_resolve", "merged data as large as may be",
         "SELECT learnsync.sync_resolve('conflicts10', {g} || jsonb_build_object('conflictId', "
         "fz.conflict('conflicts10'))) IS NULL",
         "jsonb_build_object('resolution', 'use_merged', 'force', true, "
         "'mergedData', fz.object('f#', '#', {n} * 10) || '{\"k\": \"a\"}')", worlds=["conflicts"]),
    Case("learnsync.sync_pull", "pages of large documents",
         "SELECT learnsync.sync_pull('full{n}', '{\"deviceId\": \"d\"}') IS NULL", worlds=["full"])]
for case in FULL:
    case.sizes, case.limits = BODY, ()
FULL.append(
    Case("learnsync.sync_devices", "as many devices as may be, with metadata as large as may be",
         "SELECT learnsync.sync_devices('gadgets{n}') IS NULL", worlds=["gadgets"], sizes=(10, 100), limits=()))

CASES = [
    *FULL,
    Case("learnsync.digest", "a list", "SELECT learnsync.digest({g})", "fz.list('#.50', {n})"),
    Case("learnsync.digest", "an object", "SELECT learnsync.digest({g})", "fz.object('key #', '{\"a\": #}', {n})"),

    # xAPI
    Case("learnsync.xapi_validate", "extensions", "SELECT learnsync.xapi_validate({g})",
         f"jsonb_set({GROUP}, '{{result}}', jsonb_build_object('extensions', fz.object('urn:#', '{{}}', {{n}})))"),
    Case("learnsync.xapi_validate", "members of a group", "SELECT learnsync.xapi_validate({g})", GROUP),
    Case("learnsync.xapi_validate", "attachments, all bad", "SELECT learnsync.xapi_validate({g})",
         f"{GROUP} || jsonb_build_object('attachments', fz.list('{{\"a\": #}}', {{n}}))"),
    Case("learnsync.xapi_equal", "members in another order", "SELECT learnsync.xapi_equal({g} -> 'a', {g} -> 'b')",
         f"jsonb_build_object('a', {GROUP}, 'b', jsonb_set({GROUP}, '{{actor,member}}', fz.reversed({GROUP} #> "
         f"'{{actor,member}}')))"),
    Case("learnsync.xapi_equal", "groups in groups", "SELECT learnsync.xapi_equal({g}, {g})", NESTED,
         sizes=(100, 1000, 10000, 100000)),
    Case("learnsync.xapi_equal", "attachments", "SELECT learnsync.xapi_equal({g}, {g})",
         "jsonb_build_object('attachments', fz.list('{\"sha2\": \"A#\"}', {n}))"),
    Case("learnsync.xapi_export", "statements",
         "SELECT count(*) FROM learnsync.xapi_export('statements{n}')",
         worlds=["statements"]),
    Case("learnsync_api.xapi_export", "statements", "SELECT count(*) FROM learnsync_api.xapi_export()",
         worlds=["statements"], learner="statements{n}"),

    # Rules and merging
    Case("learnsync_internal.merge_rule_from_jsonb", "fields", "SELECT count({g}::learnsync.merge_rule)", MAX_RULE),
    Case("learnsync_internal.merge_rule_in learnsync_internal.merge_rule_out", "fields",
         "SELECT count({g}::learnsync.merge_rule::text::learnsync.merge_rule)",
         MAX_RULE, cancels=False),
    Case("learnsync_internal.merge_rule_from_jsonb", "steps", "SELECT count({g}::learnsync.merge_rule)",
         "jsonb_build_object('fields', jsonb_build_object('d', jsonb_build_object('derive', 'f', 'steps', "
         "fz.list('{\"value\": #, \"from\": #}', {n}))))"),
    Case("learnsync_internal.merge_rule_from_jsonb", "values of a rank", "SELECT count({g}::learnsync.merge_rule)",
         "jsonb_build_object('fields', jsonb_build_object('r', jsonb_build_object('merge', 'rank', 'values', "
         "fz.list('\"v#\"', {n}))))"),
    Case("learnsync_internal.merge_rule_send learnsync_internal.merge_rule_recv", "fields",
         "SELECT fz.through_binary({g}::learnsync.merge_rule)",
         MAX_RULE, cancels=False),
    Case("learnsync.merge", "fields", f"SELECT learnsync.merge('{{}}', {{g}}, {{g}}, '2026-01-08Z') IS NULL", DATA),
    Case("learnsync.merge", "fields of the rule",
         f"SELECT learnsync.merge(({{g}} -> 'rule')::learnsync.merge_rule, {{g}} -> 'data', {{g}} -> 'data', "
         "'2026-01-08Z') IS NULL",
         f"jsonb_build_object('rule', {MAX_RULE}, 'data', {DATA})"),
    Case("learnsync.merge", "long lists and maps",
         f"SELECT learnsync.merge('{LIST_RULE}', {{g}}, {{g}}, '2026-01-08Z') IS NULL",
         LISTS),
    Case("learnsync.merge", "counts of devices",
         "SELECT learnsync.merge('{\"fields\": {\"c\": {\"merge\": \"counter\"}}}', {g}, '{\"c\": 1}', "
         "'2026-01-08Z', 'new') IS NULL",
         "jsonb_build_object('c', 5, '_learnsync', jsonb_build_object('at', '2026-01-08T00:00:00Z', 'fields', "
         "jsonb_build_object('c', fz.object('d#', '#', {n}))))"),
    Case("learnsync.merge", "rules in one query",
         "SELECT count(learnsync.merge(r::learnsync.merge_rule, NULL, '{\"a\": 1}', '2026-01-08Z')) FROM "
         "jsonb_array_elements({g}) r",
         """fz.list('{"fields": {"f#": {"merge": "max"}}}', {n})"""),
    Case("learnsync.merge_states", "long lists and maps",
         f"SELECT learnsync.merge_states('{LIST_RULE}', {{g}}, {{g}}) IS NULL",
         LISTS),
    Case("learnsync.merge_states", "fields", "SELECT learnsync.merge_states('{}', {g}, {g}) IS NULL", DATA),
    Case("learnsync.document", "derived fields",
         "SELECT learnsync.document(({g} -> 'rule')::learnsync.merge_rule, {g} -> 'data') IS NULL",
         f"jsonb_build_object('rule', {DERIVED}, 'data', {DATA})"),
    Case("learnsync.document", "long lists and maps", f"SELECT learnsync.document('{LIST_RULE}', {{g}}) IS NULL",
         LISTS),
    Case("learnsync.merge_agg learnsync_internal.merge_agg_step learnsync_internal.merge_agg_final",
         "rows",
         f"SELECT learnsync.merge_agg('{LIST_RULE}', d, '2026-01-08Z', 'd') IS NULL FROM "
         f"jsonb_array_elements({{g}}) d",
         """fz.list('{"l": [#], "o": [{"id": "#"}], "m": {"k#": 1}, "c": 1, "a": #}', {n})"""),
    Case("learnsync.merge_agg", "devices of a counter",
         "SELECT learnsync.merge_agg('{\"fields\": {\"c\": {\"merge\": \"counter\"}}}', '{\"c\": 1}', "
         "'2026-01-08Z', d ->> 0) IS NULL FROM jsonb_array_elements({g}) d",
         """fz.list('["d#"]', {n})"""),
    Case("learnsync.merge_agg", "groups of a rule each",
         "SELECT count(s) FROM (SELECT learnsync.merge_agg(r::learnsync.merge_rule, '{\"a\": 1}', '2026-01-08Z', "
         "'d') AS s FROM jsonb_array_elements({g}) r GROUP BY r OFFSET 0) x",
         """fz.list('{"fields": {"f#": {"merge": "max"}}}', {n})"""),
    Case("learnsync_internal.merge_agg_combine learnsync_internal.merge_agg_serialize "
         "learnsync_internal.merge_agg_deserialize",
         "rows in parallel",
         f"SELECT learnsync.merge_agg('{LIST_RULE}', jsonb_build_object('l', jsonb_build_array(n)), '2026-01-08Z', "
         f"'d') IS NULL FROM number WHERE n <= {{n}}",
         settings=PARALLEL),

    # Progress
    Case("learnsync.progress_agg learnsync_internal.progress_agg_add learnsync_internal.progress_agg_final",
         "contents and interactions", OF_EVENTS, events_of(PROGRESSED)),
    Case("learnsync.progress_agg", "scores that rise while times fall", OF_EVENTS, RISE_AND_FALL),
    Case("learnsync.progress_agg", "one content, completed often", OF_EVENTS, events_of(RISING)),
    Case("learnsync.progress_agg", "interactions of one content", OF_EVENTS,
         events_of(event(
         '{"contentId": "c", "status": "completed", "interaction": {"interactionId": "i#", "state": {}}}'))),
    Case("learnsync.progress_agg", "related paths", OF_EVENTS,
         "jsonb_build_array(jsonb_build_object('eventId', 'e', 'occurredAt', '2026-01-08T10:00:00Z', 'type', "
         "'onboarding.completed', 'payload', jsonb_build_object('pathId', 'p', 'relatedPaths', fz.list('\"p#\"', "
         f"{{n}}))))"),
    Case("learnsync_internal.progress_agg_combine learnsync_internal.progress_agg_serialize "
         "learnsync_internal.progress_agg_deserialize",
         "events in parallel",
         "SELECT learnsync.progress_agg('e' || n, '2026-01-08T10:00:00Z'::text, 'content.progressed', "
         "jsonb_build_object('contentId', 'c' || n, 'status', 'passed')) IS NULL FROM number WHERE n <= {n}",
         settings=PARALLEL),
    Case("learnsync_internal.progress_in learnsync_internal.progress_out", "contents",
         "SELECT {p}::text::learnsync.progress IS NULL",
         events_of(PROGRESSED), cancels=False, plain=IN_ORDER),
    Case("learnsync_internal.progress_send learnsync_internal.progress_recv", "contents",
         "SELECT fz.through_binary({p})",
         events_of(PROGRESSED)),
    Case("learnsync_internal.progress_from_bytea", "contents",
         "SELECT learnsync_internal.progress_from_bytea(learnsync_internal.progress_send({p})) IS NULL",
         events_of(PROGRESSED), plain=IN_ORDER),
    Case("learnsync_internal.progress_to_jsonb", "contents", "SELECT learnsync_internal.progress_to_jsonb({p}) IS NULL",
         events_of(PROGRESSED), plain=IN_ORDER),
    Case("learnsync_internal.progress_concat", "contents",
         "SELECT learnsync_internal.progress_concat({p}, {p}) IS NULL",
         events_of(PROGRESSED), plain=IN_ORDER),
    Case("learnsync_internal.progress_eq", "contents",
         "SELECT learnsync_internal.progress_eq({p}, {p})", events_of(PROGRESSED)),
    Case("learnsync_internal.progress_ne", "contents",
         "SELECT learnsync_internal.progress_ne({p}, {p})", events_of(PROGRESSED)),
    Case("learnsync_internal.progress_hash", "contents",
         "SELECT learnsync_internal.progress_hash({p})", events_of(PROGRESSED)),

    # Push, pull and what belongs to them
    Case("learnsync.sync_push", "items", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL", push(LESSON)),
    Case("learnsync_api.sync_push", "items", "SELECT learnsync_api.sync_push({g}) IS NULL", push(LESSON),
         learner="new{n}"),
    Case("learnsync.sync_push", "the same item", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("lesson_progress", '{"lessonId": "l"}', "i"))),
    Case("learnsync.sync_push", "bad items under one id", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("lesson_progress", '{"lessonId": #}', "i", "soon"))),
    Case("learnsync.sync_push", "bad items", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL", push(item("note", "{}"))),
    Case("learnsync.sync_push", "xAPI statements", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("xapi_statement", STATEMENT))),
    Case("learnsync.sync_push", "stale items of one lesson", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(item("lesson_progress", '{"lessonId": "l", "timeSpent": 1}', at="2026-01-08T09:00:00.#Z"))),
    Case("learnsync.sync_push", "items on a document of as many fields",
         "SELECT learnsync.sync_push('wide{n}', {g}) IS NULL",
         push(FIELD), worlds=["wide"]),
    Case("learnsync.sync_push", "items that add a field each", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         push(FIELD)),
    Case("learnsync.sync_push", "items that add a field each, in the wrong order",
         "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         f"jsonb_build_object('deviceId', 'p', 'items', fz.reversed({events_of(FIELD)}))",
         plain="SELECT jsonb_object_agg(k, v) IS NULL FROM jsonb_array_elements(({g} ->> 'items')::jsonb) e, "
               "jsonb_each(e -> 'data') x (k, v)"),
    Case("learnsync.sync_push", "fields of an item", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         one_item("lists", f"{DATA} || '{{\"k\": \"a\"}}'")),
    Case("learnsync.sync_push", "long lists in an item", "SELECT learnsync.sync_push('new{n}', {g}) IS NULL",
         one_item("lists",
         "jsonb_build_object('k', 'a', 'tags', fz.list('#', {n}), 'prefs', fz.object('k#', '#', {n}))")),
    Case("learnsync.sync_push", "one more message in a long chat",
         "SELECT learnsync.sync_push('chat{n}', {g}) IS NULL",
         one_item("lists", """'{"k": "a", "chat": [{"id": "new"}]}'::jsonb"""),
         worlds=["chat"]),
    Case("learnsync.sync_pull", "resources",
         """SELECT learnsync.sync_pull('lessons{n}', '{"deviceId": "d", "lastSyncVersion": 1}') IS NULL""",
         worlds=["lessons"]),
    Case("learnsync_api.sync_pull", "resources",
         """SELECT learnsync_api.sync_pull('{"deviceId": "d", "lastSyncVersion": 1}') IS NULL""",
         worlds=["lessons"], learner="lessons{n}"),
    Case("learnsync.sync_pull", "messages of a chat",
         """SELECT learnsync.sync_pull('chat{n}', '{"deviceId": "d", "lastSyncVersion": 1}') IS NULL""",
         worlds=["chat"]),
    Case("learnsync.sync_pull", "a scope that matches nothing",
         "SELECT learnsync.sync_pull('lessons{n}', '{\"deviceId\": \"d\", \"lastSyncVersion\": 1, \"scope\": "
         "{\"courseId\": [\"x\"]}}') IS NULL",
         worlds=["lessons"], sizes=PLACED),
    Case("learnsync.sync_pull", "values of a scope", "SELECT learnsync.sync_pull('lessons1000', {g}) IS NULL",
         "jsonb_build_object('deviceId', 'd', 'lastSyncVersion', 1, 'scope', jsonb_build_object('courseId', "
         "fz.list('\"c#\"', {n})))",
         worlds=["lessons"]),
    Case("learnsync.sync_pull", "resource types", "SELECT learnsync.sync_pull('lessons1000', {g}) IS NULL",
         """jsonb_build_object('deviceId', 'd', 'lastSyncVersion', 1, 'resourceTypes', fz.list('"t#"', {n}))""",
         worlds=["lessons"]),
    # Of its copy the client says a cursor that is at the end, and sums that are wrong.
    Case("learnsync.sync_verify", "resources", "SELECT learnsync.sync_verify('lessons{n}', {g}) IS NULL",
         "fz.copy('lessons{n}') || jsonb_build_object('buckets', fz.list('1', 64))", worlds=["lessons"]),
    Case("learnsync.sync_verify", "messages of a chat", "SELECT learnsync.sync_verify('chat{n}', {g}) IS NULL",
         "fz.copy('chat{n}')", worlds=["chat"]),
    Case("learnsync_api.sync_verify", "resources", "SELECT learnsync_api.sync_verify({g}) IS NULL",
         "fz.copy('lessons{n}')", worlds=["lessons"], learner="lessons{n}"),
    # The server makes their JSON in one go; of the hundred that a learner can have that is told above.
    Case("learnsync.sync_devices", "devices", "SELECT learnsync.sync_devices('devices{n}') IS NULL",
         worlds=["devices"], cancels=False),
    Case("learnsync_api.sync_devices", "devices", "SELECT learnsync_api.sync_devices() IS NULL", worlds=["devices"],
         learner="devices{n}", cancels=False),
    Case("learnsync.sync_status", "failed items", "SELECT learnsync.sync_status('failed{n}') IS NULL",
         worlds=["failed"], sizes=FAILED),
    Case("learnsync.sync_status", "open conflicts", "SELECT learnsync.sync_status('conflicts{n}') IS NULL",
         worlds=["conflicts"]),
    Case("learnsync_api.sync_status", "open conflicts", "SELECT learnsync_api.sync_status() IS NULL",
         worlds=["conflicts"], learner="conflicts{n}"),
    Case("learnsync.sync_resolve", "merged data",
         "SELECT learnsync.sync_resolve('conflicts10', {g} || jsonb_build_object('conflictId', "
         "fz.conflict('conflicts10'))) IS NULL",
         f"""jsonb_build_object('resolution', 'use_merged', 'force', true, 'mergedData', {DATA} || '{{"k": "a"}}')""",
         worlds=["conflicts"]),
    Case("learnsync.sync_resolve", "open conflicts",
         "SELECT learnsync.sync_resolve('conflicts{n}', jsonb_build_object('resolution', 'use_client', 'force', "
         "true, 'conflictId', fz.conflict('conflicts{n}'))) IS NULL",
         worlds=["conflicts"]),
    Case("learnsync_api.sync_resolve", "open conflicts",
         "SELECT learnsync_api.sync_resolve(jsonb_build_object('resolution', 'use_server', 'conflictId', "
         "fz.conflict(current_setting('learnsync.learner_id')))) IS NULL",
         worlds=["conflicts"], learner="conflicts{n}"),
    Case("learnsync.sync_correct", "fields", "SELECT learnsync.sync_correct('corrected10', {g}) IS NULL",
         f"""jsonb_build_object('resourceType', 'page', 'resourceId', 'a', 'by', 'b', 'reason', 'r', 'data', {DATA})""",
         worlds=["corrected"]),
    Case("learnsync.sync_correct", "members of a list", "SELECT learnsync.sync_correct('edited10', {g}) IS NULL",
         """jsonb_build_object('resourceType', 'lists', 'resourceId', 'a', 'by', 'b', 'reason', 'r', 'data',
         jsonb_build_object('chat', fz.list('{"id": "#"}', 1, {n})))""",
         worlds=["edited"]),
    Case("learnsync.sync_pull", "a list of corrected members",
         "SELECT learnsync.sync_pull('edited{n}', '{\"deviceId\": \"e\"}') IS NULL", worlds=["edited"]),
    Case("learnsync.sync_push", "an item about corrected members",
         "SELECT learnsync.sync_push('edited{n}', jsonb_build_object('deviceId', 'e', 'items', {g})) IS NULL",
         f"""jsonb_build_array('{item("lists", '{"k": "a", "chat": [{"id": "1", "text": "new"}]}', "new")}'::jsonb
         || jsonb_build_object('seen', 3))""",
         worlds=["edited"]),
    Case("learnsync.sync_uncorrect", "corrected fields", "SELECT learnsync.sync_uncorrect('corrected{n}', "
         "'{\"resourceType\": \"page\", \"resourceId\": \"a\", \"by\": \"b\", \"reason\": \"r\"}') IS NULL",
         worlds=["corrected"]),
    Case("learnsync.sync_push", "an item about corrected fields",
         "SELECT learnsync.sync_push('corrected{n}', jsonb_build_object('deviceId', 'e', 'items', {g})) IS NULL",
         f"""jsonb_build_array('{item("page", '{"k": "a", "f1": 0}', "new")}'::jsonb || jsonb_build_object('seen', 3))""",
         worlds=["corrected"]),
    *(Case(f"{schema}.sync_{verb}_device", "devices",
           f"SELECT {schema}.sync_{verb}_device({learner}'{{\"deviceId\": \"d1\"}}') IS NULL",
           worlds=["devices"],
           learner="devices{n}")
      for schema, learner in (("learnsync", "'devices{n}', "), ("learnsync_api", ""))
      for verb in ("deactivate", "activate")),
    Case("learnsync.current_learner", "a long name", "SELECT learnsync.current_learner()", sizes=NAME,
         learner="n{n}"),
    Case("learnsync.current_learners", "profiles", "SELECT cardinality(learnsync.current_learners())",
         worlds=["profiles"], learner="owner{n}"),

    # The event log
    Case("learnsync.progress_put", "events", "SELECT learnsync.progress_put('new{n}', {g}) IS NULL",
         request("events", PROGRESSED)),
    Case("learnsync_api.progress_put", "events", "SELECT learnsync_api.progress_put({g}) IS NULL",
         request("events", PROGRESSED), learner="new{n}"),
    Case("learnsync.progress_put", "a reset of a long log", "SELECT learnsync.progress_put('events{n}', {g}) IS NULL",
         "jsonb_build_object('events', jsonb_build_array('{\"eventId\": \"reset\", \"clientId\": \"c\", \"type\": "
         "\"progress.reset\", \"occurredAt\": \"2020-01-01T00:00:00Z\"}'::jsonb))",
         worlds=["events"]),
    Case("learnsync.progress_put", "one more event of a long log",
         "SELECT learnsync.progress_put('events{n}', {g}) IS NULL",
         "jsonb_build_object('events', jsonb_build_array('{\"eventId\": \"last\", \"clientId\": \"c\", \"type\": "
         "\"content.progressed\", \"occurredAt\": \"2020-01-01T00:00:00Z\", \"payload\": {\"contentId\": \"c1\", "
         "\"status\": \"completed\"}}'::jsonb))",
         worlds=["events"]),
    Case("learnsync.streak", "moments on days of many rules",
         """SELECT learnsync.streak(ARRAY(SELECT timestamptz '2020-01-01Z' + i * interval '2 days' FROM generate_series(1, {n}) i),
            (SELECT jsonb_agg(jsonb_build_array(to_char(timestamp '2020-01-01' + i * interval '2 days', 'YYYY-MM-DD"T"HH24:MI:SSZ'),
                CASE WHEN i % 2 = 0 THEN 'Pacific/Apia' ELSE 'Europe/Berlin' END, i % 1440) ORDER BY i)
            FROM generate_series(1, {n}) i))::text"""),
    Case("learnsync.current_days", "a learner of many events", "SELECT learnsync.current_days() IS NULL", worlds=["events"],
         learner="events{n}"),
    Case("learnsync.set_learner", "a learner of many events",
         """SELECT learnsync.set_learner('events{n}', jsonb_build_object('timeZone', 'Asia/Tokyo', 'from', '2026-01-01')) IS NULL""", worlds=["events"]),
    Case("learnsync_api.set_learner", "a learner of many events",
         "SELECT learnsync_api.set_learner(jsonb_build_object('timeZone', 'Asia/Tokyo')) IS NULL", worlds=["events"],
         learner="events{n}"),
    Case("learnsync.progress_get", "events", "SELECT learnsync.progress_get('events{n}') IS NULL", worlds=["events"]),
    Case("learnsync_api.progress_get", "events", "SELECT learnsync_api.progress_get() IS NULL", worlds=["events"],
         learner="events{n}"),
    Case("learnsync.resource_verify", "items of one learner", "SELECT count(*) FROM learnsync.resource_verify('items{n}')",
         worlds=["items"], alone=True),
    Case("learnsync_internal.verify_piece", "items of one learner", "SELECT learnsync_internal.verify_piece(10)",
         worlds=["items"], alone=True),
    Case("learnsync_internal.verify_piece", "work that came twice", "SELECT learnsync_internal.verify_piece(10)",
         worlds=["twins"], alone=True),
    Case("learnsync.close_anomaly", "anomalies of one learner",
         "SELECT learnsync.close_anomaly('odd{n}', md5('1')::uuid::text, 'b', 'r') IS NULL", worlds=["odd"]),
    Case("learnsync.sync_why", "items of one document", "SELECT learnsync.sync_why('items{n}', "
         "'{\"resourceType\": \"lesson_progress\", \"resourceId\": \"l\"}') IS NULL",
         worlds=["items"]),
    Case("learnsync_api.sync_why", "items of one document", "SELECT learnsync_api.sync_why("
         "'{\"resourceType\": \"lesson_progress\", \"resourceId\": \"l\"}') IS NULL",
         worlds=["items"], learner="items{n}"),
    Case("learnsync.progress_verify", "events of all learners", "SELECT count(*) FROM learnsync.progress_verify()",
         worlds=["logs"], alone=True),
    Case("learnsync.progress_verify", "events of one learner", "SELECT count(*) FROM learnsync.progress_verify()",
         events_of(PROGRESSED), worlds=["events"], alone=True, plain=IN_ORDER),
    Case("learnsync_internal.progress_rebuild_next", "events of all learners",
         "SELECT * FROM learnsync_internal.progress_rebuild_next('', 0, -1)",
         worlds=["logs"], alone=True),
    Case("learnsync_internal.progress_rebuild_next", "events of one learner, whose state is lost",
         "SELECT * FROM learnsync_internal.progress_rebuild_next('events10', 0, -1)",
         worlds=["events", "lost"], alone=True),
    Case("learnsync.progress_rebuild", "events of all learners, whose states are lost",
         "CALL learnsync.progress_rebuild()", worlds=["logs", "lost"], alone=True, commits=True),

    # Modules, profiles, the catalog
    *(Case(f"{schema}.{name}", "events", f"SELECT {schema}.{name}({learner}{{g}}) IS NULL",
           request("events", MODULE + more), learner="new{n}")
      for schema, learner in (("learnsync", "'new{n}', "), ("learnsync_api", ""))
      for name, more in (("sync_progress", '"progressPercent": 5, "syncVersion": #}'),
                         ("sync_completions", '"score": 5}'))),
    Case("learnsync.sync_completions", "a hundred events of each device in turn, all of unknown modules",
         "SELECT learnsync.sync_completions('new{n}', {g}) IS NULL",
         """(SELECT jsonb_build_object('events', jsonb_agg(jsonb_build_object('idempotencyKey', 'k' || i, 'moduleId', 'm' || i,
            'deviceId', 'd' || i / 100 % 2, 'clientTimestamp', '2026-01-08T10:00:00Z', 'score', 5)))
            FROM generate_series(1, {n}) i)"""),
    Case("learnsync.progress_batch", "activities", "SELECT learnsync.progress_batch('new{n}', {g}) IS NULL",
         request("items", ACTIVITY)),
    Case("learnsync_api.progress_batch", "activities",
         "SELECT learnsync_api.progress_batch({g} || jsonb_build_object('profile_id', "
         "replace(current_setting('learnsync.learner_id'), 'owner', 'profiles') || '-1')) IS NULL",
         request("items", ACTIVITY), worlds=["profiles"], learner="owner{n}"),
    Case("learnsync.add_profile", "profiles", "SELECT learnsync.add_profile('another', 'owner{n}')",
         worlds=["profiles"]),
    Case("learnsync.remove_profile", "profiles", "SELECT learnsync.remove_profile('profiles{n}-1')",
         worlds=["profiles"]),
    Case("learnsync.register_content", "contents", "SELECT learnsync.register_content({g}) IS NULL", CATALOG),
    Case("learnsync.register_content", "contents, twice in a catalog that was empty",
         "SELECT learnsync.register_content({g}), learnsync.register_content({g}) IS NULL", CATALOG, alone=True),
    Case("learnsync.register_content", "interactions of a content, twice",
         "SELECT learnsync.register_content({g}), learnsync.register_content({g}) IS NULL",
         "jsonb_build_object('contents', jsonb_build_array(jsonb_build_object('contentId', 'c', "
         f"'interactionIds', fz.list('\"i#\"', {{n}}))))"),
    Case("learnsync.validate_content", "contents", "SELECT count(*) FROM learnsync.validate_content({g})", CATALOG),

    # One thing beside many contents
    Case("learnsync.register_content", "a content beside others", "SELECT learnsync.register_content({g}) IS NULL",
         NEW_CONTENT, **BESIDE),
    Case("learnsync.register_content", "the same content again, beside others",
         "SELECT learnsync.register_content({g}), learnsync.register_content({g}), learnsync.register_content({g}) IS NULL",
         NEW_CONTENT, **BESIDE),
    Case("learnsync.validate_content", "a content beside others", "SELECT learnsync.validate_content({g}) IS NULL",
         NEW_CONTENT, **BESIDE),
    Case("learnsync.sync_completions", "a module beside other contents",
         "SELECT learnsync.sync_completions('scholar{n}', {g}) IS NULL",
         f'''jsonb_build_object('events', jsonb_build_array(
             '{MODULE.replace('m#', 'x{n}-1')}"score": 5}}'::jsonb))''', **BESIDE),
    Case("learnsync.define_resource_type", "a type that needs content",
         "SELECT learnsync.define_resource_type('one', '{\"key\": [\"k\"], \"requireContent\": true}')",
         **BESIDE),
    Case("learnsync.current_learner", "the courses of a learner, in course_progress",
         "SELECT count(*) FROM learnsync_api.course_progress", learner="scholar{n}", **BESIDE),
    Case("learnsync.current_learner", "a content of the view content",
         "SELECT count(*) FROM learnsync_api.content WHERE content_id = 'x{n}-1'", learner="scholar{n}", **BESIDE),
    Case("learnsync.current_learner", "a course of the view content",
         "SELECT count(*) FROM learnsync_api.content WHERE course_id = 'x{n}-0'", learner="scholar{n}", **BESIDE),

    # Administration
    Case("learnsync.define_resource_type", "fields", "SELECT count(learnsync.define_resource_type('many', {g}))",
         f"{MAX_RULE} || '{{\"key\": [\"k\"]}}'"),
    Case("learnsync.define_resource_type", "documents that a change is checked with",
         f"SELECT learnsync.define_resource_type('jog{{n}}', '{JOG_RULE % 'union'}', true, true)",
         worlds=["jogs"], alone=True),
    Case("learnsync.rebases learnsync_internal.rebase_list", "documents",
         "SELECT count(*) FROM learnsync.rebases()", worlds=["rebasing"], alone=True),
    Case("learnsync_internal.rebase_learner learnsync_internal.next_to_rebase learnsync_internal.end_rebase",
         "documents of a learner",
         "SELECT learnsync_internal.next_to_rebase('jog{n}', ''), learnsync_internal.rebase_learner('jog{n}', 'jogs{n}'), "
         "learnsync_internal.end_rebase('jog{n}') IS NULL", worlds=["rebasing"], alone=True),
    Case("learnsync.rebase", "documents of a learner", "CALL learnsync.rebase()", worlds=["rebasing"], alone=True,
         commits=True),
    Case("learnsync.drop_resource_type", "fields",
         "SELECT count(learnsync.define_resource_type('many', {g})), count(learnsync.drop_resource_type('many'))",
         f"{MAX_RULE} || '{{\"key\": [\"k\"]}}'"),
    Case("learnsync.reset_resource_type learnsync.builtin_resource_types learnsync.merge_strategies "
         "learnsync.item_codes",
         "what is built in",
         "SELECT count(learnsync.reset_resource_type(name)), (SELECT count(*) FROM learnsync.merge_strategies()), "
         "(SELECT count(*) FROM learnsync.item_codes()) FROM learnsync.builtin_resource_types()",
         worlds=["lessons"], alone=True),
    Case("learnsync_api.sync_cleanup", "what is stored",
         """SELECT learnsync_api.sync_cleanup('{"daysOld": 0}') IS NULL""",
         worlds=["lessons"], alone=True),
    Case("learnsync_internal.maintain_step", "what is stored",
         "SELECT learnsync_internal.maintain_step(0, learnsync_internal.maintain_step(0, NULL)) IS NULL",
         worlds=["lessons"], alone=True),
    Case("learnsync.maintain learnsync_internal.verify_some", "what is stored", "CALL learnsync.maintain(30)", worlds=["lessons"], alone=True,
         commits=True),
    Case("learnsync_internal.next_to_retry learnsync_internal.postpone_retry", "failed items",
         "SELECT learnsync_internal.next_to_retry('', NULL, false), "
         "learnsync_internal.postpone_retry('failed{n}', NULL) IS NULL",
         worlds=["failed"], sizes=FAILED),
    Case("learnsync_internal.next_to_retry", "failed items of all learners",
         "SELECT learnsync_internal.next_to_retry('', NULL, false)",
         worlds=["failing"], alone=True),
    Case("learnsync_internal.retry_learner", "failed items",
         "SELECT learnsync_internal.retry_learner('failed{n}', NULL, false) IS NULL",
         worlds=["failed"], sizes=FAILED),
    Case("learnsync.outbox_take", "changes of a learner",
         "SELECT learnsync.outbox_take('crate{n}', 10000) IS NULL", worlds=["crate"]),
    Case("learnsync.outbox_take", "learners of whom nothing is wanted",
         "SELECT learnsync.outbox_take('box{n}', {n}) IS NULL", worlds=["boxed"],
         limits=(*LARGE, "learnsync.max_pull_limit = 100000")),
    Case("learnsync.outbox_done", "changes that were taken",
         "SELECT learnsync.outbox_done('crate{n}', learnsync.outbox_take('crate{n}', 10000) ->> 'lease')",
         worlds=["crate"]),
    Case("learnsync.outbox_failed", "changes that were refused",
         "SELECT learnsync.outbox_failed('crate{n}', t ->> 'lease', 'e', (t -> 'changes')::jsonb)"
         " FROM learnsync.outbox_take('crate{n}', 10000) t", worlds=["crate"]),
    Case("learnsync.outbox_retry", "dead letters", "SELECT learnsync.outbox_retry('box{n}')", worlds=["boxed"]),
    Case("learnsync.outboxes", "learners who wait", "SELECT count(*) FROM learnsync.outboxes()", worlds=["boxed"]),
    Case("learnsync.outbox_dead", "dead letters", "SELECT count(*) FROM learnsync.outbox_dead('box{n}')",
         worlds=["boxed"]),
    Case("learnsync.outbox_add", "types", "SELECT learnsync.outbox_add('types{n}', {g})",
         """jsonb_build_object('resourceTypes', fz.list('"t#"', {n}))"""),
    Case("learnsync.outbox_drop", "learners who wait", "SELECT learnsync.outbox_drop('box{n}')", worlds=["boxed"]),
    Case("learnsync.pushes", "pushes of a learner", "SELECT count(*) FROM learnsync.pushes('pushed{n}')", worlds=["pushed"]),
    Case("learnsync.failed_items", "failed items of all learners", "SELECT count(*) FROM learnsync.failed_items()",
         worlds=["failing"], alone=True),
    Case("learnsync.retry_failed learnsync_internal.retry", "failed items of all learners", "CALL learnsync.retry_failed()",
         worlds=["failing"], alone=True, commits=True),
    Case("learnsync.deactivate_device", "learners of a device",
         "SELECT learnsync.deactivate_device('tablet{n}') IS NULL", worlds=["shared"], alone=True),
    # The server makes their JSON in one go, as that of sync_devices.
    Case("learnsync.unseen_devices", "devices", "SELECT learnsync.unseen_devices(0, {n}) IS NULL", worlds=["devices"], cancels=False),
    Case("learnsync.app_days learnsync_internal.app_day_list", "learners whose apps say what they are",
         "SELECT count(*) FROM learnsync.app_days(), learnsync_internal.app_day_list(NULL)", worlds=["apps"], alone=True),
    Case("learnsync.alerts learnsync_internal.alert_list", "failed items of all learners",
         "SELECT count(*) FROM learnsync.alerts(), learnsync_internal.alert_list()", worlds=["failing"], alone=True),
    # They make one JSON value, which the server does in one go, as docs/operations.md says.
    Case("learnsync.json_schema", "fields", "SELECT learnsync.json_schema('ruled{n}', 'item') IS NULL", worlds=["ruled"],
         cancels=False),
    Case("learnsync.typescript", "fields", "SELECT length(learnsync.typescript())", worlds=["ruled"], alone=True, cancels=False),
    Case("learnsync.openapi learnsync_api.openapi", "fields",
         "SELECT learnsync.openapi() = learnsync_api.openapi()", worlds=["ruled"], alone=True,
         cancels=False, plain="SELECT jsonb_object_agg('f' || n, jsonb_build_object('type', 'number'))::text IS NULL "
                              "FROM number WHERE n <= {n}"),
    Case("learnsync_api.dashboard", "devices", "SELECT length(learnsync_api.dashboard())", worlds=["devices"], alone=True),
    Case("learnsync_api.metrics learnsync_internal.counts_add learnsync_internal.counts_end", "devices",
         "SELECT length(learnsync_api.metrics())", worlds=["devices"], alone=True),
    Case("learnsync.drop_devices", "devices", "SELECT learnsync.drop_devices(0)", worlds=["devices"]),
    Case("learnsync.forget_learner", "resources", "SELECT learnsync.forget_learner('lessons{n}')", worlds=["lessons"],
         alone=True),
    Case("learnsync.remember_learner", "erased learners", "SELECT learnsync.remember_learner('erased{n}-1')",
         worlds=["erased"]),
    Case("learnsync.new_epoch", "learners", "SELECT learnsync.new_epoch()", worlds=["logs"], alone=True),
    Case("learnsync_internal.tell", "a long name of a task", "SELECT learnsync_internal.tell(repeat('x', {n}), 0, 1)"),
    Case("learnsync.part_of", "a long name", "SELECT learnsync.part_of(repeat('\\', {n}))", sizes=NAME),
    Case("learnsync.part_hold learnsync.shard_parts", "learners",
         "SELECT learnsync.part_hold(0, 0, 1), learnsync.shard_parts()", worlds=["logs"], alone=True),
    Case("learnsync_internal.shard_rows learnsync_internal.shard_enter", "devices",
         "SELECT count(*) FROM learnsync_internal.shard_rows('{{\"sub\": \"devices{n}\"}}', NULL, NULL, NULL, "
         "'learnsync_report.device', 'learner_id') t (l text, d text, n text, at timestamptz, v bigint, a boolean, "
         "c timestamptz, m jsonb)", worlds=["devices"]),
    Case("learnsync.shard_state", "erased learners", "SELECT learnsync.shard_state()", worlds=["erased"], alone=True),
    Case("learnsync_internal.shard_change_begin learnsync_internal.shard_change_end", "contents of a catalog",
         "SELECT learnsync_internal.shard_change_begin(jsonb_build_object('routine', 'register_content', 'arguments', "
         "to_jsonb(array_fill('x'::text, ARRAY[{n}])))), learnsync_internal.shard_change_end(true)"),
    Case("learnsync_internal.shard_change_run", "contents of a catalog",
         "SELECT learnsync_internal.shard_change_run('register_content', jsonb_build_array(jsonb_build_object('contents', "
         "(SELECT jsonb_agg(jsonb_build_object('contentId', 'c' || i)) FROM generate_series(1, {n}) i))))"),
    Case("learnsync.part_verify learnsync.part_publication_sql", "learners",
         "SELECT learnsync.part_verify(0), count(*) FROM learnsync.part_publication_sql(0)",
         worlds=["logs", "parts"], alone=True),
    Case("learnsync.part_fence learnsync.part_accept learnsync.part_purge", "learners",
         "SELECT learnsync.part_fence(0), learnsync.part_accept(0), learnsync.part_fence(0), "
         "learnsync.part_purge(0, {n})",
         worlds=["logs", "parts"], alone=True),
]
