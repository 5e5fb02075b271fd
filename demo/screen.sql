-- The day on one screen, computed from what was sent and answered alone. Wants :colour (on or off) and :tick.
SELECT set_config('demo.colour', :'colour', false) \g /dev/null

CREATE OR REPLACE FUNCTION demo.paint(code text, line text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE current_setting('demo.colour')
        WHEN 'on' THEN E'\x1b[' || code || 'm' || line || E'\x1b[0m'
        ELSE line END;
$$;

CREATE OR REPLACE FUNCTION demo.minutes(ms numeric)
    RETURNS text LANGUAGE sql AS $$ SELECT trim_scale(ms / 60000)::text; $$;

CREATE OR REPLACE FUNCTION demo.counted(n bigint, word text) RETURNS text LANGUAGE sql AS $$
    SELECT n || ' ' || word || CASE n WHEN 1 THEN '' ELSE 's' END;
$$;

-- A document in a few words.
CREATE OR REPLACE FUNCTION demo.words(type text, data jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT CASE type
        WHEN 'lesson_progress'
            THEN format('%s %%, %s min', data ->> 'completionPercentage',
                demo.minutes((data ->> 'timeSpent')::numeric))
        WHEN 'quiz_attempt' THEN format('%s of %s right', data #>> '{score,raw}', data #>> '{score,max}')
        WHEN 'conversation' THEN demo.counted(jsonb_array_length(data -> 'messages'), 'question')
        WHEN 'event log' THEN format('%s, best score %s', data ->> 'status', data ->> 'score')
    END;
$$;

-- What an item says was done.
CREATE OR REPLACE FUNCTION demo.deed(item jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT CASE item ->> 'resourceType'
        WHEN 'lesson_progress' THEN format('lesson: %s min more, up to %s %%',
            demo.minutes((data ->> 'timeSpent')::numeric), data ->> 'completionPercentage')
        WHEN 'quiz_attempt'
            THEN format('quiz, attempt %s: %s', data ->> 'attemptNumber', demo.words('quiz_attempt', data))
        WHEN 'conversation' THEN format('asks the tutor "%s"', data #>> '{messages,0,text}')
    END
    FROM (SELECT item -> 'data' AS data) d;
$$;

-- What became of the items of a push.
CREATE OR REPLACE FUNCTION demo.verdicts(answer jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(n || ' ' || said, ', ' ORDER BY first)
    FROM (SELECT said, count(*) AS n, min(place) AS first
          FROM jsonb_array_elements(answer -> 'results') WITH ORDINALITY r (result, place)
          LEFT JOIN jsonb_array_elements(answer -> 'conflicts') c ON c ->> 'id' = result ->> 'id'
          CROSS JOIN LATERAL (SELECT CASE WHEN (result ->> 'duplicate')::boolean THEN 'known already'
              WHEN c ->> 'resolution' = 'manual_required' THEN 'in conflict'
              WHEN c IS NOT NULL THEN 'merged into newer work'
              WHEN result ->> 'status' = 'synced' THEN 'taken' ELSE 'failed' END) s (said)
          GROUP BY said) counts;
$$;

-- What a call was for and came to.
CREATE OR REPLACE FUNCTION demo.told(call demo.call) RETURNS text LANGUAGE sql AS $$
    SELECT CASE call.function
        WHEN 'sync_push' THEN format('sends %s: %s',
            demo.counted(jsonb_array_length(call.request -> 'items'), 'change'),
            CASE WHEN call.lost THEN 'the answer gets lost' ELSE demo.verdicts(call.answer) END)
        WHEN 'progress_put' THEN format('sends %s: %s',
            demo.counted(jsonb_array_length(call.request -> 'events'), 'event'),
            CASE WHEN call.lost THEN 'the answer gets lost'
                ELSE format('%s taken, %s known already', call.answer #>> '{data,accepted}',
                    call.answer #>> '{data,duplicates}') END)
        WHEN 'sync_pull'
            THEN format('receives %s', demo.counted(jsonb_array_length(call.answer -> 'changes'), 'document'))
        WHEN 'progress_get'
            THEN format('receives %s', demo.counted(jsonb_array_length(call.answer #> '{data,events}'), 'event'))
        WHEN 'sync_resolve' THEN 'the conflict is settled: ' || (call.request ->> 'resolution')
    END;
$$;

-- The timetable: what each device did and what its calls came to.
CREATE OR REPLACE VIEW demo.told AS
    SELECT clock, device, 0 AS step, item ->> 'id' AS id, demo.deed(item) AS words FROM demo.queue
    UNION ALL SELECT clock, device, step, '', demo.told(c) FROM demo.call c WHERE device <> 'server'
    UNION ALL SELECT clock, device, step, 'conflict',
        format('conflict: attempt %s is %s here, %s there', t ->> 'attemptNumber', demo.words('quiz_attempt', t),
            demo.words('quiz_attempt', c -> 'serverData'))
    FROM demo.call, jsonb_array_elements(answer -> 'conflicts') c, LATERAL (SELECT c -> 'clientData' AS t) t
    WHERE NOT lost AND c ->> 'resolution' = 'manual_required';

-- What a device holds in the end, and what a new one gets from the server.
CREATE OR REPLACE VIEW demo.holding AS
    SELECT device, type, id, document FROM demo.held
    UNION ALL SELECT device, 'event log', content.key, content.value
    FROM (SELECT DISTINCT ON (device) * FROM demo.call WHERE function = 'progress_get' ORDER BY device, step DESC) c,
        jsonb_each(answer #> '{data,snapshot,content}') content;

CREATE OR REPLACE VIEW demo.item AS SELECT DISTINCT item FROM demo.call, jsonb_array_elements(request -> 'items') item;
CREATE OR REPLACE VIEW demo.event AS
SELECT DISTINCT event FROM demo.call, jsonb_array_elements(request -> 'events') event;

-- What must be true of the day, each with what was found, beside what was done.
CREATE OR REPLACE VIEW demo.verdict AS
    SELECT n, good IS TRUE AS good, line FROM (
        SELECT 1 AS n, bool_and(counted = done) AS good,
            format('%s minutes were studied (%s), and %s are counted, on both devices and the server',
                demo.minutes(min(done)), min(parts), string_agg(DISTINCT demo.minutes(counted), ', ')) AS line
        FROM (SELECT sum((item #>> '{data,timeSpent}')::numeric) AS done,
                     string_agg(demo.minutes((item #>> '{data,timeSpent}')::numeric),
                         ' + ' ORDER BY item ->> 'clientTimestamp') AS parts
              FROM demo.item WHERE item ->> 'resourceType' = 'lesson_progress') a,
             (SELECT device, sum((document ->> 'timeSpent')::numeric) AS counted FROM demo.held GROUP BY device) b
        UNION ALL
        SELECT 2, count(*) > 0 AND bool_and(first.answers = again.answers),
            format('%s were sent twice: the answers are the same, and %s count again',
                demo.counted(sum(again.sent)::bigint, 'change'), sum(again.new))
        FROM demo.call f
        JOIN demo.call a ON f.lost AND NOT a.lost AND f.request = a.request AND f.device = a.device
            AND f.function = 'sync_push'
        CROSS JOIN LATERAL (SELECT jsonb_agg(r - 'duplicate') || (f.answer -> 'conflicts') AS answers
                            FROM jsonb_array_elements(f.answer -> 'results') r) first
        CROSS JOIN LATERAL (SELECT jsonb_agg(r - 'duplicate') || (a.answer -> 'conflicts') AS answers,
                                count(*) AS sent, count(*) FILTER (WHERE r -> 'duplicate' = 'false') AS new
                            FROM jsonb_array_elements(a.answer -> 'results') r) again
        UNION ALL
        SELECT 3, made = ALL (kept) AND open = 0,
            format('%s were made under one number: %s are kept, %s are open', demo.counted(made, 'attempt'),
                array_to_string(kept, ', '), demo.counted(open, 'conflict'))
        FROM (SELECT count(*) AS made FROM demo.item WHERE item ->> 'resourceType' = 'quiz_attempt') a,
             (SELECT array_agg(DISTINCT n) AS kept
              FROM (SELECT count(*) AS n FROM demo.held WHERE type = 'quiz_attempt' GROUP BY device) h) b,
             (SELECT (learnsync.sync_status('ada')::jsonb ->> 'conflictCount')::bigint AS open) c
        UNION ALL
        SELECT 4, bool_and(chat = asked), format('one chat has what both devices asked: %s', min(shown))
        FROM (SELECT jsonb_agg(m -> 'text' ORDER BY item ->> 'clientTimestamp') AS asked
              FROM demo.item, jsonb_array_elements(item #> '{data,messages}') m) a,
             (SELECT jsonb_path_query_array(document, '$.messages[*].text') AS chat FROM demo.held
              WHERE type = 'conversation') b,
             LATERAL (SELECT string_agg('"' || q || '"', ' ') AS shown FROM jsonb_array_elements_text(chat) q) s
        UNION ALL
        SELECT 5, bool_and(kept = made AND (document ->> 'score')::numeric = best AND document ->> 'status' = furthest),
            format('%s were sent %s times: the log has %s, and says %s', demo.counted(min(made), 'event'), min(sent),
                string_agg(DISTINCT kept::text, ', '), min(demo.words('event log', document)))
        FROM (SELECT count(*) AS made, max((event #>> '{payload,score}')::numeric) AS best,
                     (array_agg(event #>> '{payload,status}'
                         ORDER BY array_position('{completed,in_progress}', event #>> '{payload,status}')))[1]
                         AS furthest
              FROM demo.event) a,
             (SELECT sum(jsonb_array_length(request -> 'events')) AS sent FROM demo.call) b,
             (SELECT jsonb_array_length(answer #> '{data,events}') AS kept,
                  answer #> '{data,snapshot,content,fractions}' AS document
              FROM demo.call WHERE function = 'progress_get') c
        UNION ALL
        SELECT 6, count(DISTINCT documents) = 1 AND count(*) = 3,
            format('phone, tablet and server hold the same in all %s lines above', min(jsonb_array_length(documents)))
        FROM (SELECT device, jsonb_agg(jsonb_build_array(type, id, document) ORDER BY type, id) AS documents
              FROM demo.holding GROUP BY device) d
    ) v (n, good, line);

\echo
SELECT demo.paint('1', ' Ada learns fractions on a phone and on a tablet; both are offline from morning to evening.');
SELECT demo.paint('1;36', '        ' || rpad('PHONE', 46) || 'TABLET');
SELECT demo.paint('2', ' ' || clock) || '  '
    || CASE WHEN right_side IS NULL THEN left_side ELSE rpad(coalesce(left_side, ''), 46) || right_side END
FROM (SELECT clock, n, max(words) FILTER (WHERE device = 'phone') AS left_side,
          max(words) FILTER (WHERE device = 'tablet') AS right_side
      FROM (SELECT *, row_number() OVER (PARTITION BY clock, device ORDER BY step, id) AS n FROM demo.told) t
      GROUP BY clock, n) line
ORDER BY clock, n;
\echo
SELECT demo.paint('1;36', ' ' || rpad('IN THE END', 18) || rpad('PHONE', 27) || rpad('TABLET', 27) || 'SERVER');
SELECT ' ' || rpad(CASE type
        WHEN 'lesson_progress' THEN 'lesson'
        WHEN 'quiz_attempt' THEN 'quiz, attempt ' || (id::jsonb ->> 1)
        WHEN 'conversation' THEN 'tutor'
        ELSE type END, 18)
    || rtrim(string_agg(rpad(coalesce(demo.words(type, document), '-'), 27), '' ORDER BY place))
FROM (SELECT DISTINCT type, id FROM demo.holding) k
CROSS JOIN (VALUES ('phone', 1), ('tablet', 2), ('server', 3)) d (device, place)
LEFT JOIN demo.holding h USING (device, type, id)
GROUP BY type, id ORDER BY array_position('{lesson_progress,quiz_attempt,conversation,event log}', type), id;
\echo
SELECT CASE WHEN good THEN demo.paint('1;32', ' ' || :'tick') ELSE demo.paint('1;31', ' WRONG:') END || ' ' || line
FROM demo.verdict ORDER BY n;
\echo
\echo ' make psql       looks around in this server, with what Ada did'
\echo ' make demo-json  shows every request and its answer'
\echo ' README.md       has it in a database of your own within a minute'
SELECT NOT bool_and(good) AS wrong FROM demo.verdict \gset
\if :wrong
DO $$ BEGIN RAISE EXCEPTION 'the day did not end as it should'; END $$;
\endif
