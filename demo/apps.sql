-- What an app has on a device: a queue of what was done, the documents it holds, and its cursor. Every call of the
-- server is kept in demo.call, with its answer.
CREATE SCHEMA demo;
CREATE TABLE demo.device (device text PRIMARY KEY, cursor bigint NOT NULL DEFAULT 1);
CREATE TABLE demo.queue (clock text, device text, item jsonb, sent boolean NOT NULL DEFAULT false);
CREATE TABLE demo.held (device text, type text, id text, document jsonb, PRIMARY KEY (device, type, id));
CREATE TABLE demo.call (step serial, clock text, device text, function text, request jsonb, answer jsonb,
    lost boolean NOT NULL DEFAULT false);
INSERT INTO demo.device VALUES ('phone'), ('tablet'), ('server');

CREATE FUNCTION demo.call(at text, device text, function text, request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    EXECUTE format('SELECT learnsync_api.%I(%s)::jsonb', function,
        CASE WHEN request IS NOT NULL THEN '$1' END) INTO answer USING request;
    INSERT INTO demo.call (clock, device, function, request, answer) VALUES (at, device, function, request, answer);
    RETURN answer;
END $$;

-- Something is done on a device; it stays in the queue until it is sent.
CREATE FUNCTION demo.work(at text, on_device text, item_id text, type text, resource text, data jsonb)
    RETURNS void LANGUAGE sql AS $$
    INSERT INTO demo.queue
        VALUES (at, on_device,
            jsonb_build_object('id', item_id, 'operation', 'update', 'resourceType', type, 'data', data,
                'clientTimestamp', '2026-01-08T' || at || ':00Z')
                || CASE WHEN resource IS NULL THEN '{}' ELSE jsonb_build_object('resourceId', resource) END);
$$;

-- An event for the log, the other way to sync: the server reduces events to a snapshot.
CREATE FUNCTION demo.event(at text, on_device text, event_id text, payload jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('eventId', event_id, 'occurredAt', '2026-01-08T' || at || ':00.000Z',
        'clientId', on_device, 'type', 'content.progressed', 'payload', payload);
$$;

-- Sends the queue. Only pulls move the cursor, so the next one brings what became of it.
CREATE FUNCTION demo.push(at text, on_device text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    request jsonb;
BEGIN
    SELECT jsonb_build_object('deviceId', on_device, 'deviceName', 'Ada''s ' || on_device,
        'lastSyncVersion', min(d.cursor), 'items', jsonb_agg(q.item ORDER BY q.clock)) INTO request
    FROM demo.device d JOIN demo.queue q USING (device) WHERE d.device = on_device AND NOT q.sent;
    PERFORM demo.call(at, on_device, 'sync_push', request);
    UPDATE demo.queue SET sent = true WHERE device = on_device;
END $$;

-- The answers of a time did not arrive. The device does not know, and sends the same bytes again.
CREATE FUNCTION demo.again(lost_at text, at text, on_device text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE demo.call SET lost = true WHERE clock = lost_at AND device = on_device;
    PERFORM demo.call(at, device, function, request) FROM demo.call WHERE clock = lost_at AND device = on_device
    ORDER BY step;
END $$;

-- Takes what others changed: whole documents, page by page.
CREATE FUNCTION demo.pull(at text, on_device text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    since bigint := (SELECT cursor FROM demo.device WHERE device = on_device);
    page jsonb;
BEGIN
    LOOP
        page := demo.call(at, on_device, 'sync_pull', jsonb_build_object('deviceId', on_device,
            'lastSyncVersion', since));
        INSERT INTO demo.held SELECT on_device, c ->> 'resourceType', c ->> 'resourceId', c -> 'data'
        FROM jsonb_array_elements(page -> 'changes') c
        ON CONFLICT (device, type, id) DO UPDATE SET document = excluded.document;
        since := (page ->> 'syncVersion')::bigint;
        EXIT WHEN NOT (page ->> 'hasMore')::boolean;
    END LOOP;
    UPDATE demo.device SET cursor = since WHERE device = on_device;
END $$;
