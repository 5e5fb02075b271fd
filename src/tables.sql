-- The tables, which setup() makes. They belong to an ordinary role and use built-in types only, so that pg_dump dumps
-- them whole and dropping the extension takes no row. Keys are ordered by bytes: faster, and no collation update breaks
-- an index.

-- Answers the release that the tables were of; NULL where there were none. They may have triggers and be anything, so
-- nothing of them is touched before this runs as their owner.
CREATE OR REPLACE FUNCTION learnsync_internal.setup_tables_as_owner() RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $setup$
DECLARE
    latest CONSTANT integer := 1;
    version CONSTANT text := (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'learnsync');
    present record;
BEGIN
    CREATE TABLE IF NOT EXISTS learnsync_data.instance (
        singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        schema_version integer NOT NULL,
        release text NOT NULL,
        epoch uuid NOT NULL DEFAULT gen_random_uuid(),
        secret bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
        payloads_from timestamptz NOT NULL DEFAULT '-infinity',
        receipts_from timestamptz NOT NULL DEFAULT '-infinity',
        swept_at timestamptz,
        cleaned_at timestamptz,
        cleaned_items bigint NOT NULL DEFAULT 0,
        life bigint NOT NULL DEFAULT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
        has_outbox boolean NOT NULL DEFAULT false,
        parts integer);
    PERFORM learnsync_internal.see_to_comment_as_owner('instance',
        'One row: layout of the tables and the release that made it, epoch of the cursors (a new one makes every '
        'device start anew), secret for hashes. payloads_from: no row of push is older; receipts_from: receipts of '
        'items from before may be gone; swept_at: when maintain() last went through all tables; cleaned_at: when it '
        'last ended, cleaned_items: how many items it ever removed. life: the number of the epoch, for receivers of '
        'outboxes; has_outbox: there are some. parts: into how many learners are divided, where they are spread over '
        'servers. For nobody but the owner, whatever is granted.');
    SELECT i.schema_version, i.release INTO present FROM learnsync_data.instance i;
    IF present.schema_version > latest THEN
        RAISE EXCEPTION 'the tables are of release %, which is newer than the extension', present.release
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run ALTER EXTENSION learnsync UPDATE; first.';
    END IF;

    -- Here stand the steps from one layout to the next, by number, before the tables as the newest layout has them:
    -- IF present.schema_version < 2 THEN PERFORM learnsync_internal.change_tables_as_owner('ALTER TABLE ...'); END IF;

    CREATE TABLE IF NOT EXISTS learnsync_data.resource_type (
        name text COLLATE "C" PRIMARY KEY,
        rule jsonb NOT NULL,
        defined_by text COLLATE "C" NOT NULL DEFAULT current_user,
        old_rule jsonb,
        generation integer NOT NULL DEFAULT 0,
        rebase_learners bigint,
        rebased_at timestamptz,
        ruled_from timestamptz NOT NULL DEFAULT '-infinity');
    PERFORM learnsync_internal.see_to_comment_as_owner('resource_type',
        'Resource types and their merge rules. Change them with learnsync.define_resource_type, which tells every '
        'session. defined_by: the role that did, by its name; a merge function is called only while that role has '
        'the rights of the function''s owner. generation: how often the rule was changed with a rebase; old_rule: what '
        'learners go by who are not carried over yet, of whom there were rebase_learners; rebased_at: when all were. '
        'ruled_from: whatever came since went by this rule.');

    -- What each push changes of a row stands together, at the end: the log of an update has what lies between the first
    -- byte that changed and the last.
    CREATE TABLE IF NOT EXISTS learnsync_data.learner (
        learner_id text COLLATE "C" PRIMARY KEY,
        tombstone_version bigint NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        receipt_horizon timestamptz,
        epoch uuid,
        life bigint,
        moved_at timestamptz
            DEFAULT CASE WHEN current_setting('session_replication_role') = 'replica' THEN clock_timestamp() END,
        has_failed boolean NOT NULL DEFAULT false,
        days jsonb,
        clocks jsonb,
        rate_at timestamptz,
        counts bytea,
        version bigint NOT NULL DEFAULT 1,
        log_version bigint NOT NULL DEFAULT 1,
        push_no bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 50);
    PERFORM learnsync_internal.see_to_comment_as_owner('learner',
        'The lock and the counters of each learner: version, version of the newest row of push, version up to which '
        'tombstones are gone, number of pushes, whether there may be failed items. receipt_horizon: receipts of items '
        'from before may be gone, beside what instance says, as this learner came from another server. rate_at: until '
        'when the pushes so far use up the rate limit. epoch: of this learner''s cursors, where it is not that of '
        'instance: who was erased and let in again has a life of their own, whose number is life. clocks: of devices '
        'whose clock was wrong or that say when they send, and of channels without devices: how far it is ahead, '
        'client time and order instant of the item with the greatest instant, and of the newest, all in microseconds, '
        'times since 2000-01-01. days: [[since, time zone, minutes after midnight at which days begin], ...] as '
        'set_learner said; NULL: UTC. counts: of calls and items by day and channel, packed, until maintain() takes '
        'them to day_count. moved_at: since when nothing is taken any more, as the learner moves to another server.');

    CREATE TABLE IF NOT EXISTS learnsync_data.device (
        learner_id text COLLATE "C" NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        device_name text,
        metadata jsonb,
        is_active boolean NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL,
        rate_at timestamptz,
        wipe_at timestamptz,
        wiped_at timestamptz,
        counts bytea,
        synced_resources jsonb,
        last_sync_at timestamptz NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        skew_ms bigint,
        PRIMARY KEY (learner_id, device_id)
    ) WITH (fillfactor = 70);
    PERFORM learnsync_internal.see_to_comment_as_owner('device',
        'Installations of the app; version is the one up to which the device is known to hold everything. '
        'synced_resources: when items of each type were last accepted; skew_ms: how far the clock was ahead then, by '
        'sentAt, else how far the newest of them was. rate_at: until when its pushes so far use up the rate limit of a '
        'device. wipe_at: when it was told to wipe what it holds, wiped_at: when it said that it had. counts: as in '
        'learner, of calls that wrote nothing there.');

    CREATE TABLE IF NOT EXISTS learnsync_data.resource (
        learner_id text COLLATE "C" NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        created_version bigint NOT NULL,
        at timestamptz NOT NULL,
        deleted_at timestamptz,
        updated_at timestamptz NOT NULL,
        data jsonb,
        book jsonb,
        PRIMARY KEY (learner_id, resource_type, resource_id)
    ) WITH (fillfactor = 70);
    PERFORM learnsync_internal.see_to_comment_as_owner('resource',
        'The merged state of each thing. data is the document without computed fields and members of lists, NULL '
        'once deleted; at its order instant, deleted_at the latest delete, updated_at the server''s time, book what '
        'merging needs to remember. One insert or update per new version: the place for AFTER triggers. No index on '
        'version: updates stay HOT, and pull reads the change log.');

    CREATE TABLE IF NOT EXISTS learnsync_data.member (
        learner_id text COLLATE "C" NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        field text COLLATE "C" NOT NULL,
        member_id text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        at timestamptz NOT NULL,
        value jsonb NOT NULL,
        PRIMARY KEY (learner_id, resource_type, resource_id, field, member_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('member',
        'Members of the resources'' union fields, for which resource.data holds an empty array; version is the '
        'resource''s that brought this content. And the totals of devices in counter fields, of which resource.data '
        'holds the sum: member_id is the device, version 0.');
    -- Partial, so that it serves those only who ask for versions: a member is looked up by its key.
    PERFORM learnsync_internal.see_to_index_as_owner('member_version',
        'member (learner_id, resource_type, resource_id, version) WHERE version > 0');

    CREATE TABLE IF NOT EXISTS learnsync_data.rebased (
        learner_id text COLLATE "C" NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        generation integer NOT NULL,
        PRIMARY KEY (learner_id, resource_type));
    PERFORM learnsync_internal.see_to_comment_as_owner('rebased',
        'Learners whose documents of a type are by its newest rule, or that one''s of this generation, where it was '
        'changed with a rebase.');

    CREATE TABLE IF NOT EXISTS learnsync_data.xapi_statement (
        learner_id text COLLATE "C" NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        stored timestamptz NOT NULL,
        "timestamp" timestamptz NOT NULL,
        agent text COLLATE "C",
        verb text COLLATE "C",
        activity text COLLATE "C",
        registration text COLLATE "C",
        voids text COLLATE "C",
        PRIMARY KEY (learner_id, resource_type, resource_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('xapi_statement',
        'What xAPI statements are found by: a row for each resource that is one. voids is the id of the statement '
        'that it voids.');
    PERFORM learnsync_internal.see_to_index_as_owner('xapi_statement_stored', 'xapi_statement (learner_id, stored)');
    PERFORM learnsync_internal.see_to_index_as_owner('xapi_statement_activity',
        'xapi_statement (learner_id, activity, stored)');
    PERFORM learnsync_internal.see_to_index_as_owner(
        'xapi_statement_registration',
        'xapi_statement (learner_id, registration, stored) WHERE registration IS NOT NULL');
    PERFORM learnsync_internal.see_to_index_as_owner('xapi_statement_voids',
        'xapi_statement (learner_id, voids) WHERE voids IS NOT NULL');

    CREATE TABLE IF NOT EXISTS learnsync_data.ledger (
        learner_id text COLLATE "C" NOT NULL,
        key uuid NOT NULL,
        fingerprint bigint NOT NULL,
        version bigint NOT NULL,
        at timestamptz NOT NULL,
        verdict "char" NOT NULL,
        PRIMARY KEY (learner_id, key));
    PERFORM learnsync_internal.see_to_comment_as_owner('ledger',
        'Receipts: digest of the identity and of the payload of each accepted item, and its verdict: s synced, c '
        'conflict that the server won, w that the client won, m manual. at is the later of server and client time.');

    CREATE TABLE IF NOT EXISTS learnsync_data.push (
        learner_id text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        push_no bigint NOT NULL,
        slot smallint NOT NULL,
        item_count integer NOT NULL,
        prev_version bigint NOT NULL,
        pushed_at timestamptz NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        resource_types text[] NOT NULL,
        resource_ids text[] NOT NULL,
        items jsonb,
        channel text COLLATE "C",
        instants timestamptz[],
        seen bigint[],
        app_version text COLLATE "C",
        traceparent text COLLATE "C",
        PRIMARY KEY (learner_id, version, push_no, slot)
    ) PARTITION BY LIST (slot);
    PERFORM learnsync_internal.see_to_comment_as_owner('push',
        'One row per push: its accepted items as sent, NULL where learnsync.keep_payloads was off, and the change '
        'log. The resources it changed have the '
        'versions up to version, in order; prev_version is the version of the learner''s row before it, so that pull '
        'sees a gap. channel: the function they came through, NULL for sync_push; sync_resolve, sync_correct and '
        'sync_uncorrect hold a decision instead of items. instants: the order instants of the items where these are '
        'not their own times. seen: the versions that their devices had seen, less than 0 where the push said so and '
        'not the item; where they met corrections. app_version: '
        'metadata.appVersion of the push; traceparent: the trace that the call was part of.');
    FOR slot IN 0..7 LOOP
        -- Without a policy: who reads a partition by its own name would go round the policy of the whole.
        CONTINUE WHEN to_regclass(format('learnsync_data.push_%s', slot)) IS NOT NULL;
        EXECUTE format('CREATE TABLE learnsync_data.push_%s PARTITION OF learnsync_data.push FOR VALUES IN (%s)',
                       slot, slot);
        EXECUTE format('ALTER TABLE learnsync_data.push_%s ENABLE ROW LEVEL SECURITY', slot);
        EXECUTE format('ALTER TABLE learnsync_data.push_%s SET (toast_tuple_target = 8000)', slot);
        IF (SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE pg_settings.name = 'default_toast_compression') THEN
            EXECUTE format('ALTER TABLE learnsync_data.push_%s ALTER COLUMN items SET COMPRESSION lz4, '
                           'ALTER COLUMN resource_types SET COMPRESSION lz4, '
                           'ALTER COLUMN resource_ids SET COMPRESSION lz4', slot);
        END IF;
    END LOOP;

    CREATE TABLE IF NOT EXISTS learnsync_data.conflict (
        learner_id text COLLATE "C" NOT NULL,
        conflict_id uuid NOT NULL,
        device_id text COLLATE "C" NOT NULL,
        item_id text NOT NULL,
        resource_type text COLLATE "C" NOT NULL,
        resource_id text COLLATE "C" NOT NULL,
        operation text NOT NULL,
        client_data jsonb,
        server_data jsonb,
        at timestamptz NOT NULL,
        resource_version bigint NOT NULL,
        resolution text NOT NULL,
        created_at timestamptz NOT NULL,
        closed_at timestamptz,
        closed_by text,
        decided_by text,
        reason text,
        PRIMARY KEY (learner_id, conflict_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('conflict',
        'Items whose content did not become part of the state; open while closed_at is NULL. resource_version is the '
        'resource''s version that the item met, server_data its document, both as they were answered: NULL where '
        'there was none, or one larger than learnsync.max_document_bytes. decided_by and reason: who closed '
        'it and why, as far as was said.');
    PERFORM learnsync_internal.see_to_index_as_owner('conflict_open',
        'conflict (learner_id, created_at, conflict_id) WHERE closed_at IS NULL');

    CREATE TABLE IF NOT EXISTS learnsync_data.failed (
        learner_id text COLLATE "C" NOT NULL,
        key uuid NOT NULL,
        channel text NOT NULL DEFAULT 'sync_push',
        device_id text COLLATE "C" NOT NULL,
        item_id text,
        code text NOT NULL,
        path text NOT NULL,
        message text NOT NULL,
        retryable boolean NOT NULL,
        retry_count integer NOT NULL DEFAULT 0,
        first_failed_at timestamptz NOT NULL,
        failed_at timestamptz NOT NULL,
        item jsonb,
        item_bytes integer NOT NULL,
        fingerprint bigint NOT NULL,
        client_at timestamptz,
        at timestamptz,
        waits_for text COLLATE "C",
        "position" integer NOT NULL DEFAULT 0,
        app_version text COLLATE "C",
        traceparent text COLLATE "C",
        PRIMARY KEY (learner_id, key));
    PERFORM learnsync_internal.see_to_comment_as_owner('failed',
        'Items that were refused, under the identity that a corrected copy will have; the newest 1000 of a learner. '
        'channel is the function they came through, device_id empty where they came without; item is NULL where it '
        'was too large. at is the order instant of its first arrival, which copies of the same client_at keep. '
        'waits_for: the type or content without which it could not be judged; such items, 1000 of a learner, stay '
        'until it is there. They are taken up in the order of first_failed_at and position, their place in the call. '
        'app_version and traceparent: as in push, of the newest copy that a device sent.');
    PERFORM learnsync_internal.see_to_index_as_owner('failed_retryable',
        'failed (learner_id, failed_at) WHERE retryable AND retry_count < 4');
    PERFORM learnsync_internal.see_to_index_as_owner('failed_waiting',
        'failed (learner_id, first_failed_at, "position") WHERE waits_for IS NOT NULL');

    CREATE TABLE IF NOT EXISTS learnsync_data.instant (
        learner_id text COLLATE "C" NOT NULL,
        key uuid NOT NULL,
        client_at timestamptz NOT NULL,
        at timestamptz NOT NULL,
        noted_at timestamptz NOT NULL,
        PRIMARY KEY (learner_id, key));
    PERFORM learnsync_internal.see_to_comment_as_owner('instant',
        'When items happened that were sent back as aborted, where that is not when they say: the order instant of '
        'their first arrival, which copies of the same client_at keep; the newest 1000 of a learner.');

    CREATE TABLE IF NOT EXISTS learnsync_data.forgotten (
        learner_hash bytea PRIMARY KEY,
        forgotten_at timestamptz NOT NULL);
    PERFORM learnsync_internal.see_to_comment_as_owner('forgotten',
        'Learners who were erased, as hashes keyed with the secret of instance, so that a late device cannot bring '
        'them back.');

    CREATE TABLE IF NOT EXISTS learnsync_data.audit (
        learner_id text COLLATE "C" NOT NULL,
        at timestamptz NOT NULL,
        audit_id uuid NOT NULL DEFAULT gen_random_uuid(),
        action text NOT NULL,
        role text NOT NULL,
        by text COLLATE "C",
        reason text,
        resource_type text COLLATE "C",
        resource_id text COLLATE "C",
        details jsonb,
        PRIMARY KEY (learner_id, at, audit_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('audit',
        'What people decided about learners and administrators changed. Only added to, for ever. learner_id: whom it '
        'concerns, empty where that is nobody in particular, a hash once the learner is erased; role: that called, '
        'by: the person, as far as the call said.');
    PERFORM learnsync_internal.see_to_index_as_owner('audit_at', 'audit (at)');
    PERFORM learnsync_internal.see_to_index_as_owner('audit_by', 'audit (by)');
    PERFORM learnsync_internal.see_to_audit_as_owner();

    CREATE TABLE IF NOT EXISTS learnsync_data.anomaly (
        learner_id text COLLATE "C" NOT NULL,
        anomaly_id uuid NOT NULL,
        kind text NOT NULL,
        weight bigint NOT NULL,
        evidence jsonb NOT NULL,
        found_at timestamptz NOT NULL,
        closed_at timestamptz,
        closed_by text,
        reason text,
        PRIMARY KEY (learner_id, anomaly_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('anomaly',
        'What maintain() found odd about learners, each thing once, by a digest of kind and subject; open while '
        'closed_at is NULL. weight: how much of it there was (ms, ids); it is noted anew where there is more.');
    -- Without a CHECK, which would make the tables ones that may refuse what a push writes.
    CREATE TABLE IF NOT EXISTS learnsync_data.verify_round (
        singleton boolean PRIMARY KEY DEFAULT true,
        began_at timestamptz NOT NULL,
        ended_at timestamptz,
        place text COLLATE "C" NOT NULL DEFAULT '',
        learners bigint NOT NULL DEFAULT 0,
        resources bigint NOT NULL DEFAULT 0,
        unjudged bigint NOT NULL DEFAULT 0,
        found bigint NOT NULL DEFAULT 0,
        failed bigint NOT NULL DEFAULT 0);
    PERFORM learnsync_internal.see_to_comment_as_owner('verify_round',
        'One row: the round in which maintain() looks at all learners, by their ids; place: the last one so far. How '
        'many learners and resources there were, of how many of these nothing can be said, how much was found, and how '
        'many learners could not be looked at.');

    CREATE TABLE IF NOT EXISTS learnsync_data.event (
        learner_id text COLLATE "C" NOT NULL,
        event_id text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        event jsonb NOT NULL,
        PRIMARY KEY (learner_id, event_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('event',
        'The event log, for ever: event as it was sent, version of its arrival, at its order instant. The primary '
        'key is the receipt. One insert per new event: the place for AFTER triggers.');
    PERFORM learnsync_internal.see_to_index_as_owner('event_arrival', 'event (learner_id, version)');

    CREATE TABLE IF NOT EXISTS learnsync_data.progress (
        learner_id text COLLATE "C" NOT NULL,
        events bigint NOT NULL,
        version bigint NOT NULL,
        reset_at timestamptz,
        reset_id text COLLATE "C",
        last_at timestamptz,
        last_sent text,
        onboarding_at timestamptz,
        onboarding_id text COLLATE "C",
        onboarding_sent text,
        onboarding jsonb,
        active_at timestamptz,
        active_id text COLLATE "C",
        active_path text,
        state_bytes bigint NOT NULL,
        PRIMARY KEY (learner_id)
    ) WITH (fillfactor = 50);
    PERFORM learnsync_internal.see_to_comment_as_owner('progress',
        'What the events of a learner reduce to, beside contents: their number and the newest one''s version, the '
        'last reset, the greatest occurredAt, onboarding and active path with the events (at, id) that decided them, '
        'state_bytes: what the interaction states of the snapshot take. '
        '_sent: the time as sent, where it is not UTC with milliseconds. Derived: CALL learnsync.progress_rebuild() '
        'makes it from the log.');

    CREATE TABLE IF NOT EXISTS learnsync_data.progress_content (
        learner_id text COLLATE "C" NOT NULL,
        content_id text COLLATE "C" NOT NULL,
        status text NOT NULL,
        score numeric,
        last_at timestamptz NOT NULL,
        last_id text COLLATE "C" NOT NULL,
        last_sent text,
        completed_at timestamptz,
        completed_id text COLLATE "C",
        completed_sent text,
        content_version text,
        version_at timestamptz,
        version_id text COLLATE "C",
        PRIMARY KEY (learner_id, content_id)
    ) WITH (fillfactor = 70);
    PERFORM learnsync_internal.see_to_comment_as_owner('progress_content',
        'What the events of a learner reduce to, per content, since the last reset: status, greatest score, the last '
        'event, the first completing one, the last contentVersion. Streaks follow from completed_at. Derived from '
        'the log.');

    CREATE TABLE IF NOT EXISTS learnsync_data.progress_interaction (
        learner_id text COLLATE "C" NOT NULL,
        content_id text COLLATE "C" NOT NULL,
        interaction_id text COLLATE "C" NOT NULL,
        at timestamptz NOT NULL,
        event_id text COLLATE "C" NOT NULL,
        state jsonb,
        PRIMARY KEY (learner_id, content_id, interaction_id)
    ) WITH (fillfactor = 70);
    PERFORM learnsync_internal.see_to_comment_as_owner('progress_interaction',
        'The last state of each interaction and the event that set it; NULL where that removed it. Derived from the '
        'log.');

    CREATE TABLE IF NOT EXISTS learnsync_data.day_count (
        day date NOT NULL,
        channel text COLLATE "C" NOT NULL,
        calls bigint NOT NULL,
        items bigint NOT NULL,
        synced bigint NOT NULL,
        duplicates bigint NOT NULL,
        conflicts bigint NOT NULL,
        failed bigint NOT NULL,
        bytes bigint NOT NULL,
        microseconds bigint NOT NULL,
        PRIMARY KEY (day, channel));
    PERFORM learnsync_internal.see_to_comment_as_owner('day_count',
        'What the calls that came through each function on a day (UTC) came to, of all learners, for ever: as far as '
        'maintain() took it from the counts of learner and device. items is the sum of synced, duplicates, conflicts '
        'and failed; bytes of items, microseconds of calls.');

    CREATE TABLE IF NOT EXISTS learnsync_data.day_client (
        day date NOT NULL,
        label text COLLATE "C" NOT NULL,
        value text COLLATE "C" NOT NULL,
        calls bigint NOT NULL,
        items bigint NOT NULL,
        synced bigint NOT NULL,
        duplicates bigint NOT NULL,
        conflicts bigint NOT NULL,
        failed bigint NOT NULL,
        bytes bigint NOT NULL,
        microseconds bigint NOT NULL,
        PRIMARY KEY (day, label, value));
    PERFORM learnsync_internal.see_to_comment_as_owner('day_client',
        'The same of pushes that say of what app they are, by version, platform and network (label): a hundred values '
        'a day of each, and others.');

    CREATE TABLE IF NOT EXISTS learnsync_data.content (
        content_id text COLLATE "C" PRIMARY KEY,
        kind text COLLATE "C" NOT NULL,
        retired boolean NOT NULL,
        data jsonb NOT NULL);
    PERFORM learnsync_internal.see_to_comment_as_owner('content',
        'The content catalog, filled by learnsync.register_content: what there is to learn. retired: no longer '
        'offered; progress of it stays. data: whatever else was given.');

    CREATE TABLE IF NOT EXISTS learnsync_data.placement (
        content_id text COLLATE "C" NOT NULL,
        course_id text COLLATE "C" NOT NULL,
        parent_id text COLLATE "C",
        "position" numeric,
        listed boolean NOT NULL,
        PRIMARY KEY (content_id, course_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('placement',
        'The courses in which a content stands, in each as a part of what and where among the others. course_id is '
        'empty for the place of a content that is in no course. listed: it is a lesson that is not retired, so the '
        'course counts it.');
    -- Without content_id: while the table was empty, plans would have taken that for as good as the primary key.
    PERFORM learnsync_internal.see_to_index_as_owner('placement_course', 'placement (course_id)');
    -- The view of the catalog asks of each content that it shows whether it stands in no course as well.
    PERFORM learnsync_internal.see_to_index_as_owner('placement_nowhere',
        'placement (content_id) WHERE course_id = ''''');
    PERFORM learnsync_internal.see_to_index_as_owner('placement_listed', 'placement (course_id) WHERE listed');

    CREATE TABLE IF NOT EXISTS learnsync_data.replacement (
        content_id text COLLATE "C" NOT NULL,
        replaced_id text COLLATE "C" NOT NULL,
        PRIMARY KEY (content_id, replaced_id));
    PERFORM learnsync_internal.see_to_comment_as_owner('replacement',
        'Contents that take the place of others: progress of the replaced one counts for them.');
    PERFORM learnsync_internal.see_to_index_as_owner('replacement_replaced', 'replacement (replaced_id)');

    CREATE TABLE IF NOT EXISTS learnsync_data.interaction (
        interaction_id text COLLATE "C" PRIMARY KEY,
        content_id text COLLATE "C" NOT NULL);
    PERFORM learnsync_internal.see_to_comment_as_owner('interaction',
        'Interactions of the contents in the catalog; each id is there once.');
    PERFORM learnsync_internal.see_to_index_as_owner('interaction_content', 'interaction (content_id)');

    CREATE TABLE IF NOT EXISTS learnsync_data.profile (
        learner_id text COLLATE "C" PRIMARY KEY,
        owner text COLLATE "C",
        created_at timestamptz NOT NULL);
    PERFORM learnsync_internal.see_to_comment_as_owner('profile',
        'Learners for whom another learner, the owner, sends activities and reads them; NULL once remove_profile '
        'took it away.');
    PERFORM learnsync_internal.see_to_index_as_owner('profile_owner', 'profile (owner)');

    PERFORM learnsync_internal.see_to_parts_as_owner();
    PERFORM learnsync_internal.see_to_outbox_as_owner();
    PERFORM learnsync_internal.see_to_policies_as_owner();

    INSERT INTO learnsync_data.resource_type (name, rule)
    SELECT t.name, t.rule FROM learnsync.builtin_resource_types() t ON CONFLICT DO NOTHING;
    INSERT INTO learnsync_data.instance (schema_version, release) VALUES (latest, version)
    ON CONFLICT (singleton) DO UPDATE SET schema_version = EXCLUDED.schema_version, release = EXCLUDED.release;
    RETURN present.release;
END
$setup$;
COMMENT ON FUNCTION learnsync_internal.setup_tables_as_owner() IS
    'Makes the tables, or brings those of an older release up to date; the release that they were of. Part of '
    'setup().';
