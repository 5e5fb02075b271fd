-- A day of Ada, who learns on a phone and a tablet, both offline from morning to evening.

-- Who is signed in. Behind PostgREST the token says it; a trusted backend sets it for its connection.
SET learnsync.learner_id = 'ada';

-- Morning: the lesson starts on the phone, and the tablet knows.
SELECT demo.work('08:00', 'phone', 'p-1', 'lesson_progress', NULL,
    '{"lessonId": "fractions", "completionPercentage": 30, "timeSpent": 600000}');
SELECT demo.push('08:00', 'phone');
SELECT demo.pull('08:01', 'tablet');

-- On the bus, no network.
SELECT demo.work('12:00', 'phone', 'p-2', 'lesson_progress', NULL,
    '{"lessonId": "fractions", "completionPercentage": 50, "timeSpent": 300000}');
SELECT demo.work('12:20', 'phone', 'p-3', 'quiz_attempt', NULL,
    '{"quizId": "fractions", "attemptNumber": 1, "score": {"raw": 1, "max": 2}}');
SELECT demo.work('12:30', 'phone', 'p-4', 'conversation', 'tutor',
    '{"messages": [{"id": "m1", "text": "How do I add fractions?"}]}');

-- At home, no network either: the same lesson, and the same quiz, whose first attempt the tablet does not know of.
SELECT demo.work('16:00', 'tablet', 't-1', 'lesson_progress', NULL,
    '{"lessonId": "fractions", "completionPercentage": 80, "timeSpent": 900000}');
SELECT demo.work('16:20', 'tablet', 't-2', 'quiz_attempt', NULL,
    '{"quizId": "fractions", "attemptNumber": 1, "score": {"raw": 2, "max": 2}}');
SELECT demo.work('16:30', 'tablet', 't-3', 'conversation', 'tutor',
    '{"messages": [{"id": "m2", "text": "And how do I divide them?"}]}');

-- Evening. The tablet is first.
SELECT demo.push('18:00', 'tablet');
SELECT demo.call('18:00', 'tablet', 'progress_put', jsonb_build_object('events', jsonb_build_array(
    demo.event('16:20', 'tablet', 'e-2', '{"contentId": "fractions", "status": "in_progress", "score": 100}'))));

-- The phone's older work comes after it, and its answers get lost in a tunnel: it sends the same again.
SELECT demo.push('19:00', 'phone');
SELECT demo.call('19:00', 'phone', 'progress_put', jsonb_build_object('events', jsonb_build_array(
    demo.event('12:20', 'phone', 'e-1', '{"contentId": "fractions", "status": "completed", "score": 50}'))));
SELECT demo.again('19:00', '19:05', 'phone');

-- Two attempts have number 1. A person decides.
SELECT demo.call('19:10', 'phone', 'sync_resolve', jsonb_build_object('conflictId', c ->> 'conflictId',
    'resolution', 'keep_both'))
FROM demo.call, jsonb_array_elements(answer -> 'conflicts') c
WHERE clock = '19:05' AND c ->> 'resolution' = 'manual_required';

-- Night: both take what they have not seen. A device that has seen nothing tells what the server holds.
SELECT demo.pull('20:00', device), demo.call('20:00', device, 'progress_get', NULL)
FROM unnest('{phone,tablet,server}'::text[]) device;
