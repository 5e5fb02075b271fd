#!/usr/bin/env python3
"""The model against sentences of what is promised, without a server: python3 test/model/self_test.py"""

import itertools
import random
import sys
import unittest

sys.dont_write_bytecode = True

import custom  # noqa: E402, F401
import options  # noqa: E402
from items import DECK, ORDER_FREE, USER_TYPES  # noqa: E402
from merge import LESSON_PROGRESS, Change, State, apply, document  # noqa: E402
from model import Server  # noqa: E402
from pages import page  # noqa: E402
from values import dump, order, parse, parse_stamp, same, show_stamp  # noqa: E402
from workload import Workload  # noqa: E402

NOW = parse_stamp("2026-01-08T12:00:00Z")


def item(type, hour, data, id=None, **more):
    return parse(dump({"id": id or f"{type}{hour}", "operation": "create", "resourceType": type, "data": data,
                       "clientTimestamp": f"2026-01-08T{hour:02d}:00:00Z", **more}))


class Case(unittest.TestCase):
    def setUp(self):
        self.server = Server(parse(dump(USER_TYPES)))

    def push(self, *items, device="d1", **more):
        return self.server.push("l", {"deviceId": device, "items": list(items), **more}, NOW)

    def pull(self, cursor=1, **more):
        return page(self.server, "l", {"deviceId": "d1", "lastSyncVersion": cursor, **more})[0]

    def statuses(self, answer):
        return [(r["status"], r["version"]) for r in answer["results"]]

    def test_random_lives_have_every_option_of_a_rule(self):
        shipped = options.of_sql(options.source("src/type/types.sql"))
        lived = set().union(shipped, *(options.of_rule(parse(dump(rule))) for rule in USER_TYPES.values()))
        self.assertEqual([], [name for name in options.unused(lived) if not options.is_of_request(name)])

    def test_values_are_ordered_like_jsonb_but_text_by_bytes(self):
        rising = ['null', '""', '"B"', '"a"', '"aa"', '"é"', '-1', '1.5', 'false', 'true', '[]', '[2]', '[1,1]', '{}',
                  '{"aa":1}', '{"b":0}', '{"b":1}', '{"aa":0,"b":1}']
        orders = [order(parse(text)) for text in rising]
        self.assertEqual(orders, sorted(orders))
        self.assertTrue(same(parse('{"a":1,"b":2}'), parse('{"b":2.0,"a":1.0}')))
        self.assertFalse(same(parse('true'), parse('1')))

    def test_stamps(self):
        self.assertEqual(show_stamp(parse_stamp("2026-01-08T10:30:00.123999+02:00")), "2026-01-08T08:30:00.123Z")
        for bad in ("now", "infinity", "2026-01-08", "2026-01-08T10:30:00", "0000-12-31T23:59:59Z",
                    "2026-02-30T00:00:00Z", 5):
            self.assertIsNone(parse_stamp(bad), bad)

    def test_stale_merge_loses_nothing_and_tells_the_client(self):
        self.push(item("lesson_progress", 10, {"lessonId": "x", "completionPercentage": 75, "timeSpent": 10}))
        answer = self.push(item("lesson_progress", 9, {"lessonId": "x", "completionPercentage": 50, "timeSpent": 5}))
        self.assertEqual(answer["conflicts"][0]["resolution"], "server_wins")
        shown = answer["conflicts"][0]["serverData"]
        self.assertEqual((shown["completionPercentage"], shown["timeSpent"]), (75, 15))
        self.assertEqual(shown["startedAt"], "2026-01-08T09:00:00.000Z")
        self.assertEqual(shown["status"], "in-progress")
        self.assertEqual(self.statuses(answer), [("conflict", 3)])

    def test_a_retry_repeats_the_answer(self):
        first = self.push(item("quiz_attempt", 9, {"quizId": "q", "attemptNumber": 1, "score": 1}),
                          item("quiz_attempt", 10, {"quizId": "q", "attemptNumber": 1, "score": 2}))
        self.assertEqual(self.statuses(first), [("synced", 2), ("conflict", 2)])
        again = self.push(item("quiz_attempt", 10, {"attemptNumber": 1.0, "quizId": "q", "score": 2}))
        self.assertTrue(again["results"][0]["duplicate"])
        self.assertEqual(again["conflicts"], first["conflicts"])
        self.assertEqual(first["results"][0]["resourceId"], '["q",1]')
        reused = self.push(item("quiz_attempt", 10, {"quizId": "q", "attemptNumber": 2}))
        self.assertEqual(reused["failedItems"][0]["code"], "id_reused")

    def test_equal_repeats(self):
        first, second = {"quizId": "q", "attemptNumber": 1}, {"quizId": "q", "attemptNumber": 1}
        answer = self.push(item("quiz_attempt", 9, first), item("quiz_attempt", 10, second))
        self.assertEqual(answer["conflicts"][0]["resolution"], "server_wins")
        statement = {"id": "0" * 8 + "-0000" * 3 + "-" + "0" * 12, "actor": {"mbox": "mailto:ada@example.org"},
                     "verb": {"id": "x:failed"}, "object": {"id": "http://example.org/quiz"}}
        answer = self.push(item("xapi_statement", 9, dict(statement, stored="2020-01-01T00:00:00Z")),
                           item("xapi_statement", 10, statement))
        self.assertEqual(self.statuses(answer), [("synced", 3), ("synced", 3)])

    def test_delete_leaves_a_floor(self):
        self.push(item("mastery", 9, {"competencyId": "k", "a": 1}))
        stale = self.push(item("mastery", 8, {"competencyId": "k"}, operation="delete"))
        self.assertEqual(stale["conflicts"][0]["resolution"], "manual_required")
        answer = self.push(item("mastery", 10, {"competencyId": "k"}, operation="delete"))
        self.assertEqual(self.statuses(answer), [("synced", 3)])
        late = self.push(item("mastery", 9, {"competencyId": "k", "a": 2}, id="late"))
        self.assertEqual((late["conflicts"][0]["serverData"], late["conflicts"][0]["resolution"]), (None, "server_wins"))
        self.push(item("mastery", 11, {"competencyId": "k", "b": 1}))
        self.assertEqual(self.pull()["changes"][0]["data"], {"competencyId": "k", "b": 1})
        late = self.push(item("mastery", 10, {"competencyId": "k", "a": 2}, id="late2"))
        self.assertEqual(self.statuses(late), [("conflict", 4)])

    def test_atomic_and_dry_run(self):
        good, bad = item("mastery", 9, {"competencyId": "k"}), item("nosuch", 9, {})
        answer = self.push(good, bad, atomic=True)
        self.assertEqual([f["code"] for f in answer["failedItems"]], ["aborted", "unknown_type"])
        self.assertEqual(list(self.server.learners["l"].failed.values()), [("d1", "nosuch9", "unknown_type", 0)])
        self.assertEqual(self.statuses(self.push(good, dryRun=True)), [("synced", 2)])
        self.assertEqual(self.statuses(self.push(good)), [("synced", 2)])

    def test_overflow_applies_nothing_of_the_item(self):
        self.push(item("deck", 9, {"deckId": "d", "lang": "en", "cards": 2**63 - 1}))
        answer = self.push(item("deck", 10, {"deckId": "d", "lang": "en", "cards": 1, "best": 5}))
        failed = answer["failedItems"][0]
        self.assertEqual((failed["code"], failed["path"]), ("out_of_range", "data.cards"))
        self.assertNotIn("best", self.pull()["changes"][0]["data"])

    def test_safe_cursor(self):
        self.assertEqual(self.push(item("mastery", 1, {"competencyId": "a"}), lastSyncVersion=1)["syncVersion"], 2)
        answer = self.push(item("mastery", 2, {"competencyId": "b"}), device="d2", lastSyncVersion=0)
        self.assertEqual(answer["syncVersion"], 1)
        self.assertEqual(self.push(item("mastery", 3, {"competencyId": "c"}), lastSyncVersion=2)["syncVersion"], 2)
        self.assertEqual(self.push(device="d2", lastSyncVersion=99)["syncVersion"], 1)
        self.assertEqual(self.push()["syncVersion"], 1)

    def test_pull_pages(self):
        self.push(*(item("mastery", hour, {"competencyId": str(hour)}) for hour in range(1, 6)))
        self.push(item("mastery", 9, {"competencyId": "1"}))
        first = self.pull(3, **{"from": 2, "limit": 2})
        self.assertEqual([(c["resourceId"], c["version"], c["operation"]) for c in first["changes"]],
                         [("3", 4, "create"), ("4", 5, "create")])
        self.assertEqual((first["syncVersion"], first["hasMore"]), (5, True))
        rest = self.pull(5, **{"from": 2})
        self.assertEqual([(c["resourceId"], c["operation"]) for c in rest["changes"]], [("5", "create"), ("1", "update")])
        self.assertEqual((rest["syncVersion"], rest["hasMore"]), (7, False))

    def test_below_the_horizon_a_page_starts_anew_and_reaches_it(self):
        self.push(*(item("mastery", hour, {"competencyId": str(hour)}) for hour in range(1, 5)))
        self.push(item("mastery", 8, {"competencyId": "2"}, operation="delete"))
        self.push(item("mastery", 9, {"competencyId": "9"}), item("mastery", 10, {"competencyId": "10"}))
        self.server.forget_tombstones("l")
        for cursor in (1, 2, 5):
            answer = self.pull(cursor, limit=1, **{"from": cursor})
            self.assertEqual([c["resourceId"] for c in answer["changes"]], ["1", "3", "4", "9"], cursor)
            self.assertEqual((answer["reset"], answer["syncVersion"], answer["hasMore"]), (True, 7, True))
        answer = self.pull(7, limit=1, **{"from": 5})
        self.assertEqual([(c["resourceId"], c["operation"]) for c in answer["changes"]], [("10", "create")])
        self.assertFalse(answer["reset"])

    def test_merging_is_order_free(self):
        rng = random.Random(1)
        work = Workload(rng, NOW)
        for rule, make in ((LESSON_PROGRESS, work.lesson_progress), (parse(dump(DECK)), work.deck)):
            for _ in range(100):
                changes = [Change(False, rng.choice(work.instants[:3]), parse(dump(make(True)[2])), {}) for _ in range(4)]
                shown = set()
                for permutation in itertools.permutations(changes):
                    state = State()
                    for change in permutation:
                        state, _ = apply(rule, state, change)
                    shown.add(repr(order(document(rule, state))))
                self.assertEqual(len(shown), 1, changes)

    def test_batches_in_any_order_give_the_same_documents(self):
        for seed in range(20):
            batches = [parse(dump(batch)) for batch in Workload(random.Random(seed), NOW).order_free_batches()]
            shown = set()
            for _ in range(4):
                server = Server(parse(dump(USER_TYPES)))
                random.shuffle(batches)
                for batch in batches * 2:
                    server.push("l", batch, NOW)
                resources = server.learners["l"].resources
                shown.add(repr({key: order(resources[key].document()) for key in sorted(resources)}))
                self.assertLessEqual({type for type, _ in resources}, set(ORDER_FREE))
            self.assertEqual(len(shown), 1)


if __name__ == "__main__":
    unittest.main()
