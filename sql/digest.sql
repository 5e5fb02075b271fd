-- Digests are stored for ever: these must never change, on any server version or machine.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS learnsync;
SELECT learnsync.setup('regress_learnsync_owner');
\pset format unaligned
\pset tuples_only on

SELECT learnsync.digest(value::jsonb), value FROM (VALUES
    ('null'),
    ('true'),
    ('false'),
    ('0'),
    ('-0'),
    ('1'),
    ('1.0'),
    ('1e0'),
    ('10e-1'),
    ('-1.5'),
    ('1e30'),
    ('1000000000000000000000000000000'),
    ('0.1'), ('1e-3'), ('12345678901234567890.123456789'),
    ('""'),
    ('"a"'),
    ('"1"'),
    ('"null"'),
    ('"é"'),
    ('"日本"'),
    ('"seven77"'),
    ('"a text that fills several words of eight bytes"'),
    ('[]'),
    ('{}'),
    ('[[]]'),
    ('[{}]'),
    ('[null]'),
    ('[1, 2]'),
    ('[2, 1]'),
    ('[1, [2]]'),
    ('[[1], 2]'),
    ('["a", "b"]'),
    ('["ab"]'),
    ('{"a": 1}'), ('{"a": 1.00}'), ('{"a": 2, "a": 1}'), ('{"a": "1"}'), ('{"a": null}'), ('{"a": {}}'),
    ('{"b": 2, "a": 1, "cc": [true, {"x": null}]}'), ('{"cc": [true, {"x": null}], "a": 1, "b": 2}')) AS v (value);

-- Equal values, equal digests, and no others.
WITH v AS (SELECT value::jsonb AS value, learnsync.digest(value::jsonb) AS digest
           FROM (VALUES
               ('1'),
               ('1.0'),
               ('1e0'),
               ('"1"'),
               ('[1]'),
               ('[1.0]'),
               ('["1"]'),
               ('{"1": 1}'),
               ('[]'),
               ('{}'),
               ('""'),
               ('null'),
               ('[null]'),
               ('[[]]'),
               ('[[], []]'),
               ('[[[]]]'),
               ('["a", "b"]'),
               ('["ab"]'),
               ('["a", ["b"]]'),
               ('{"a": {"b": 1}}'),
               ('{"a": 1, "b": {}}'),
               ('{"a": {}, "b": 1}')) AS t (value))
SELECT count(*) AS wrong FROM v a, v b WHERE (a.value = b.value) <> (a.digest = b.digest);

SELECT learnsync.digest(NULL) IS NULL;
-- RFC 9562, version 8.
SELECT bool_and(learnsync.digest(to_jsonb(n))::text ~ '^.{14}8.{4}[89ab]') FROM generate_series(1, 1000) n;

-- What is made of an item's identity: the derived item id and resource id, the ledger's key and fingerprint, the
-- conflict's id.
SELECT result ->> 'id', result ->> 'resourceId'
FROM jsonb_array_elements(learnsync.sync_push('ann', '{"deviceId": "d1", "items": [
    {"operation": "create", "resourceType": "conversation", "data": {"title": "t"},
        "clientTimestamp": "2026-01-08T10:00:00Z"},
    {"id": "i2", "operation": "create", "resourceType": "conversation", "data": {"title": "t"},
        "clientTimestamp": "2026-01-08T10:00:00Z"},
    {"id": "i3", "operation": "create", "resourceType": "quiz_attempt", "data": {"quizId": "q", "attemptNumber": 1},
        "clientTimestamp": "2026-01-08T10:00:00Z"},
    {"id": "i4", "operation": "create", "resourceType": "quiz_attempt",
        "data": {"quizId": "q", "attemptNumber": 1, "score": 1},
        "clientTimestamp": "2026-01-08T10:00:00Z"}]}')::jsonb -> 'results') result;
SELECT key, fingerprint FROM learnsync_data.ledger ORDER BY key;
SELECT conflict_id FROM learnsync_data.conflict;

DROP EXTENSION learnsync CASCADE;
DROP SCHEMA learnsync, learnsync_data CASCADE;
DROP ROLE regress_learnsync_owner;
