-- The content catalog: register_content, validate_content, and what retiring does; the statistics that go by it.
BEGIN;
SELECT no_plan();

\ir ask.psql
CREATE FUNCTION pg_temp.catalog(VARIADIC contents jsonb[])
    RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('contents', to_jsonb(contents)) $$;
CREATE FUNCTION pg_temp.register(VARIADIC contents jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(value::text, ' ' ORDER BY key = 'contents' DESC, key)
    FROM jsonb_each(learnsync.register_content(pg_temp.catalog(VARIADIC contents))) $$;
CREATE FUNCTION pg_temp.problems(VARIADIC contents jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', p ->> 'path', p ->> 'code', p ->> 'id'), ', ' ORDER BY n)
    FROM jsonb_array_elements(learnsync.validate_content(pg_temp.catalog(VARIADIC contents)) ->
        'problems') WITH ORDINALITY x (p, n) $$;
CREATE FUNCTION pg_temp.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END $$;
CREATE FUNCTION pg_temp.stored() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', content_id, NULLIF(course_id, ''), parent_id, kind,
            CASE WHEN retired THEN 'retired' END,
            nullif(data, '{}'),
            (SELECT string_agg(interaction_id, '+' ORDER BY interaction_id) FROM learnsync_data.interaction i
             WHERE i.content_id = c.content_id)),
        ', ' ORDER BY content_id)
    FROM learnsync_data.content c LEFT JOIN learnsync_data.placement USING (content_id) $$;

-- Idempotent; what is absent stays.
SELECT is(
    pg_temp.register(
        '{"contentId": "m1", "courseId": "c1", "kind": "module"}',
        '{"contentId": "l1", "courseId": "c1", "parentId": "m1", "interactionIds": ["i1", "i2"],
            "title": {"en": "One"}}',
        '{"contentId": "l2", "courseId": "c1"}'),
    '3 3 0',
    'given, new, changed');
SELECT is(pg_temp.stored(), 'l1 c1 m1 lesson {"title": {"en": "One"}} i1+i2, l2 c1 lesson, m1 c1 module', 'stored');
SELECT is(
    pg_temp.register(
        '{"contentId": "l2", "courseId": "c1"}',
        '{"contentId": "l1", "courseId": "c1", "parentId": "m1", "interactionIds": ["i2", "i1"],
            "title": {"en": "One"}}',
        '{"contentId": "m1", "courseId": "c1", "kind": "module"}'),
    '3 0 0',
    'the same again, in another order');
SELECT is(
    pg_temp.register('{"contentId": "l1", "retired": true}', '{"contentId": "l2", "interactionIds": ["i3"],
        "minutes": 5}'),
    '2 0 2',
    'some members');
SELECT is(
    pg_temp.stored(),
    'l1 c1 m1 lesson retired {"title": {"en": "One"}} i1+i2, l2 c1 lesson {"minutes": 5} i3, m1 c1 module',
    'the others stay');
SELECT is(
    pg_temp.register(
        '{"contentId": "l1", "parentId": null, "retired": false}',
        '{"contentId": "l2", "interactionIds": []}'),
    '2 0 2',
    'null takes away');
SELECT is(
    pg_temp.stored(),
    'l1 c1 lesson {"title": {"en": "One"}} i1+i2, l2 c1 lesson {"minutes": 5}, m1 c1 module',
    'as said');
SELECT is(
    pg_temp.register('{"contentId": "l1", "interactionIds": ["i1"]}', '{"contentId": "l2",
        "interactionIds": ["i2", "i4"]}'),
    '2 0 2',
    'an interaction goes from one content to another');
SELECT is(
    pg_temp.stored(),
    'l1 c1 lesson {"title": {"en": "One"}} i1, l2 c1 lesson {"minutes": 5} i2+i4, m1 c1 module',
    'at once');
SELECT is(
    learnsync.register_content('{"contents": []}'),
    '{"added": 0, "changed": 0, "contents": 0}',
    'nothing to register');

-- Every duplicate and every dangling reference is listed, and nothing is written.
SELECT is(
    pg_temp.problems(
        '{"contentId": "l1", "courseId": "c2"}',
        '{"contentId": "l9", "parentId": "nope", "interactionIds": ["i1", "j", "j", 7, null, ""]}',
        '{"contentId": "l9"}',
        '7',
        '{"contentId": "", "courseId": 1, "parentId": {}, "kind": [], "retired": "no", "interactionIds": "i"}',
        '{"contentId": "l8", "parentId": "l9"}',
        '{"contentId": "l7", "parentId": "l7"}'),
    'contents[0].courseId duplicate_content l1, contents[1].parentId unknown_content l9, '
    'contents[1].interactionIds[0] duplicate_interaction i1, contents[1].interactionIds[2] duplicate_interaction j, '
    'contents[1].interactionIds[3] invalid 7, contents[1].interactionIds[4] invalid, contents[1].interactionIds[5] '
    'invalid , contents[2].contentId duplicate_content l9, '
        'contents[3] invalid, contents[4].contentId invalid , contents[4].courseId invalid , '
        'contents[4].interactionIds invalid , contents[4].kind invalid , contents[4].parentId invalid , '
        'contents[4].retired invalid , contents[6].parentId invalid l7',
    'all problems, in order');
SELECT is(
    learnsync.validate_content(pg_temp.catalog('{"contentId": "l9", "parentId": "l1"}')),
    '{"valid": true, "problems": []}',
    'none');
SELECT is(
    learnsync.validate_content(pg_temp.catalog('{"contentId": "l1", "courseId": "c2"}')) #> '{problems,0}',
    '{"id": "l1", "code": "duplicate_content", "path": "contents[0].courseId",
        "message": "contentId is in the catalog for course \"c1\""}',
    'a problem');
SELECT is(
    pg_temp.problems(
        '{"contentId": "l9", "title": [1, {"size": 1e400}]}',
        jsonb_build_object('contentId', 'l8', 'title', repeat('x', 300000)),
        jsonb_build_object('contentId', 'l7', 'title', (repeat('[', 64) || repeat(']', 64))::jsonb),
        jsonb_build_object('contentId', 'l6', 'title', (repeat('[', 63) || repeat(']', 63))::jsonb)),
    'contents[0].title[1].size out_of_range l9, contents[1] too_large l8, contents[2] too_large l7',
    'what is stored of a content has the limits of an item');
SELECT is(pg_temp.refusal(format('SELECT learnsync.register_content(%L)', catalog)), refusal, catalog)
FROM (VALUES
    ('{"contents": [{"contentId": "new", "size": 1e400}]}',
        '22023 | the catalog is refused, as 1 of its entries or references are wrong | contents[0].size: '
        'the number is beyond what a double can hold, or longer than 400 digits'),
    ('{"contents": [{"contentId": "new"}, {"contentId": "l2", "courseId": "c3"}]}',
        '22023 | the catalog is refused, as 1 of its entries or references are wrong | contents[1].courseId: '
        'contentId is in the catalog for course "c1"'),
    ('{"contents": [{"contentId": "new", "interactionIds": ["i4"]}]}',
        '22023 | the catalog is refused, as 1 of its entries or references are wrong | '
        'contents[0].interactionIds[0]: the interaction id is in the catalog for content "l2"'),
    ('{"contents": {}}',
        '22023 | malformed catalog | It must be {"contents": [...], "move": true|false}, with move optional.'),
    ('[]', '22023 | malformed catalog | It must be {"contents": [...], "move": true|false}, with move optional.'),
    ('{"contents": [], "move": 1}',
        '22023 | malformed catalog | It must be {"contents": [...], "move": true|false}, with move '
        'optional.')) v (catalog, refusal);
SELECT is(
    pg_temp.refusal('SELECT learnsync.register_content(NULL)'),
    '22023 | malformed catalog | It must be {"contents": [...], "move": true|false}, with move optional.',
    'NULL');
SELECT is(
    pg_temp.stored(),
    'l1 c1 lesson {"title": {"en": "One"}} i1, l2 c1 lesson {"minutes": 5} i2+i4, m1 c1 module',
    'nothing was written');
SELECT is(
    learnsync.register_content(pg_temp.catalog('{"contentId": "l2", "courseId": "c3"}') || '{"move": true}'),
    '{"added": 0, "changed": 1, "contents": 1}',
    'unless the move is meant');
SELECT learnsync.register_content(pg_temp.catalog('{"contentId": "l2", "courseId": "c1"}') || '{"move": true}');

-- Thousands in one call.
CREATE TEMP TABLE big AS
SELECT jsonb_build_object('contents', jsonb_agg(jsonb_build_object('contentId', 'big' || n,
        'courseId', 'bc' || n / 100, 'parentId', 'big' || NULLIF(n, 0) / 10,
        'interactionIds', jsonb_build_array('x' || n, 'y' || n))
    ORDER BY n)) AS catalog
FROM generate_series(0, 4999) n;
SELECT is(learnsync.register_content(catalog), '{"added": 5000, "changed": 0, "contents": 5000}', '5000 contents')
FROM big;
SELECT is(learnsync.register_content(catalog), '{"added": 0, "changed": 0, "contents": 5000}', 'again') FROM big;

-- Which types need it is their rule's word.
SELECT learnsync.define_resource_type('reading', '{"key": ["lessonId", "page"], "requireContent": true}');
SELECT is(
    learnsync.sync_push('ann', jsonb_build_object('deviceId', 'd',
        'items', jsonb_build_array(jsonb_build_object('id', lesson, 'operation', 'update', 'resourceType', 'reading',
            'data', jsonb_build_object('lessonId', lesson, 'page', '1'),
            'clientTimestamp', '2026-01-08T10:00:00Z'))))::jsonb -> 'failedItems' #>> '{0,code}',
    code,
    lesson)
FROM (VALUES ('l1', NULL), ('nope', 'unknown_content')) v (lesson, code);
SELECT is(
    pg_temp.refusal($$SELECT learnsync.define_resource_type('reading', '{"key": ["lessonId", "page"]}'),
                          learnsync.define_resource_type('reading', '{"key": ["lessonId", "page"],
                              "requireContent": true}')$$),
    '55006 | resource type "reading" has data | requireContent: must not become true.',
    'a type with data may be loosened only');
SELECT is(
    pg_temp.refusal($$SELECT '{"requireContent": true}'::learnsync.merge_rule$$),
    '22023 | invalid merge rule | requireContent: goes with a key.',
    'without a key there is nothing to look for');

-- A retired content keeps its progress; courses and statistics go by the catalog.
SELECT learnsync.sync_push('eve', jsonb_build_object('deviceId', 'd',
    'items', (SELECT jsonb_agg(jsonb_build_object('id', lesson, 'operation', 'update',
                  'resourceType', 'lesson_progress', 'clientTimestamp', at,
                  'data', jsonb_build_object('lessonId', lesson, 'completionPercentage', percent, 'timeSpent', 1000)
                      || more))
              FROM (VALUES
                  ('l1', 100, '2026-01-01T10:00:00Z', '{"courseId": "elsewhere"}'::jsonb),
                  ('l2', 50, '2026-01-02T23:59:59-01:00', '{}'),
                  ('free1', 100, '2026-01-02T10:00:00Z', '{"courseId": "free"}'),
                  ('free2', 10, '2026-01-04T10:00:00Z', '{"courseId": "free"}'),
                  ('alone', 100, '2026-01-05T10:00:00Z', '{}')) v (lesson, percent, at, more))));
SELECT is(
    pg_temp.ask('eve',
        'SELECT string_agg(concat_ws('' '', course_id, lessons_completed, COALESCE(lessons::text, ''-''), '
        'time_spent, last_accessed_at AT TIME ZONE ''UTC''), '', '' ORDER BY course_id) FROM '
        'learnsync_api.course_progress'),
    'c1 1 2 2000 2026-01-03 00:59:59, free 1 - 2000 2026-01-04 10:00:00',
    'course_progress');
SELECT learnsync.register_content(pg_temp.catalog('{"contentId": "l1", "retired": true}',
    '{"contentId": "l3", "courseId": "c1"}'));
SELECT is(
    pg_temp.ask('eve',
        'SELECT concat_ws('' '', lessons_completed, lessons, time_spent) FROM learnsync_api.course_progress WHERE '
        'course_id = ''c1'''),
    '0 2 2000',
    'a retired lesson counts no more');
SELECT is(
    pg_temp.ask('eve', 'SELECT completion_percentage FROM learnsync_api.lesson_progress WHERE lesson_id = ''l1'''),
    '100',
    'its progress stays');
SELECT learnsync.sync_push('eve', '{"deviceId": "d", "items": [
    {"id": "q1", "operation": "create", "resourceType": "quiz_attempt",
        "data": {"quizId": "q", "attemptNumber": 1, "score": 50}, "clientTimestamp": "2026-01-06T10:00:00Z"},
    {"id": "q2", "operation": "create", "resourceType": "quiz_attempt",
        "data": {"quizId": "q", "attemptNumber": 2, "score": {"raw": 3, "max": 4}},
        "clientTimestamp": "2026-01-07T10:00:00Z"},
    {"id": "q3", "operation": "create", "resourceType": "quiz_attempt",
        "data": {"quizId": "r", "attemptNumber": 1, "score": "good"}, "clientTimestamp": "2026-01-07T11:00:00Z"}]}');
SELECT learnsync.sync_completions('eve', '{"events": [{"idempotencyKey": "k", "deviceId": "d", "moduleId": "m1",
    "score": 1, "clientTimestamp": "2026-01-10T10:00:00Z"}]}');
SELECT learnsync.progress_put('eve', '{"events": [{"eventId": "e", "occurredAt": "2026-01-11T23:00:00-02:00",
    "clientId": "c", "type": "content.progressed",
    "payload": {"contentId": "x", "contentVersion": "v1", "status": "completed"}}]}');
SELECT is(
    pg_temp.ask('eve',
        'SELECT concat_ws('' '', lessons_started, lessons_completed, time_spent, quizzes, quiz_attempts, '
        'round(average_score, 1), current_streak, longest_streak, last_activity_date) FROM '
        'learnsync_api.learner_stats'),
    '5 3 5000 2 3 62.5 1 3 2026-01-12',
    'learner_stats: days 1-2, 5-7, 10, 12 in UTC');
SELECT is(
    pg_temp.ask('nobody',
        'SELECT concat_ws('' '', lessons_started, lessons_completed, time_spent, quizzes, quiz_attempts, '
        'current_streak, longest_streak, COALESCE(last_activity_date::text, ''-'')) FROM '
        'learnsync_api.learner_stats'),
    '0 0 0 0 0 0 0 -',
    'of nothing');
SELECT is(pg_temp.ask('', 'SELECT count(*) FROM learnsync_api.learner_stats'), '0', 'of nobody');
SELECT learnsync.sync_push('huge', jsonb_build_object('deviceId', 'd',
    'items', (SELECT jsonb_agg(jsonb_build_object('id', n::text, 'operation', 'create',
                  'resourceType', 'quiz_attempt', 'clientTimestamp', '2026-01-06T10:00:00Z',
                  'data', jsonb_build_object('quizId', 'q', 'attemptNumber', n, 'score', score::jsonb)))
              FROM unnest('{9e307,1.7e308,80,"{\"raw\": 1.7e308, \"max\": 1}","{\"raw\": 1, \"max\": '
                          '1e-399}","{\"raw\": 5, \"max\": 0}","{\"raw\": 3, \"max\": '
                          '5}"}'::text[]) WITH ORDINALITY x (score, n))));
SELECT is(
    pg_temp.ask('huge',
        'SELECT concat_ws('' '', quiz_attempts, round(average_score)) FROM learnsync_api.learner_stats'),
    '7 70',
    'scores beyond all measure are no average');

SELECT * FROM finish();
ROLLBACK;
