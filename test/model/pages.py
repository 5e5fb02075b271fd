"""Pages of pulls as the contract describes them."""

from dataclasses import dataclass

from model import Learner, lists_of
from values import ANY, dump, order

MAX_PULL_LIMIT = 10000
DEFAULT_LIMIT = 500  # of a page after a cursor
FRAME = 600  # what an answer has beside its changes, and what the model does not know of one change, at most


@dataclass(frozen=True)
class Cursor:
    """What an opaque cursor stands for."""

    position: int
    life: tuple
    selection: tuple
    run: tuple = None  # (from, horizon as it began) while one is open


def page(server, learner_id, request, cut=None):
    """
    The answer to a pull, and what its cursor stands for, None for a client that counts versions. Where bytes end the
    page, cut says after how many changes; is_full tells whether they may.
    """
    learner = server.learners.get(learner_id) or Learner()
    counts = request.get("cursor") is None and any(name in request for name in ("lastSyncVersion", "from", "epoch"))
    return (page_by_version if counts else page_by_cursor)(server, learner_id, learner, request, cut)


def page_by_version(server, learner_id, learner, request, cut):
    cursor = max(int(request.get("lastSyncVersion", 1)), 1)
    known = max(int(request["from"]), 1) if "from" in request else None
    epoch = server.epochs.get(learner_id)
    reset = request.get("epoch", epoch) != epoch or cursor > learner.version or cursor < learner.horizon
    uncut = learner.horizon if reset else 0
    cursor = 1 if reset else cursor
    known = 1 if known is not None and (known > cursor or known < learner.horizon) else known
    wanted = matching(learner, cursor, request, False)
    below = sum(resource.version <= uncut for resource, _ in wanted)
    taken = cut_page(wanted, below, request, None, cut)
    more = len(wanted) > len(taken)
    last = taken[-1][0].version if taken else 1
    answer = {"changes": [pulled_change(resource, left, cursor if known is None else known, known is not None) for resource, left in taken],
              "syncVersion": max(last, uncut) if more else learner.version,
              "epoch": epoch or ANY, "hasMore": more, "reset": reset, **named_lists(taken)}
    return answer, None


def page_by_cursor(server, learner_id, learner, request, cut):
    sent = server.cursors[request["cursor"]] if request.get("cursor") is not None else None
    life, selection = life_of(server, learner_id), selection_of(request)
    horizon = learner.horizon
    reset = sent is not None and (
        sent.life != life or sent.position > learner.version or sent.selection != selection
        or horizon > max(sent.position, sent.run[1] if sent.run else 0))
    position = 1 if sent is None or reset else sent.position
    begins = sent is None or reset or sent.run is None
    run = (position, horizon) if begins else sent.run
    wanted = matching(learner, position, request, True)
    taken = cut_page(wanted, 0, request, None if sent is None else DEFAULT_LIMIT, cut)
    more = len(wanted) > len(taken)
    reached = taken[-1][0].version if more else max(position, learner.version)
    lists = "scope" not in request
    answer = {"changes": [pulled_change(resource, left, run[0], lists) for resource, left in taken], "syncVersion": reached,
              "cursor": ANY, "epoch": server.epochs.get(learner_id) or ANY, "hasMore": more, "reset": reset,
              **named_lists(taken), **({"count": len(wanted)} if request.get("count") and begins else {})}
    return answer, Cursor(reached, life, selection, run if more else None)


def named_lists(taken):
    """What a page says of the lists of its types: what names their members."""
    lists = {}
    for resource, left in taken:
        if resource.lists() and not left and resource.document() is not None:
            fields = {name: resource.rule["fields"][name] for name in resource.lists()}
            lists[resource.type] = {name: {"id": [spec.get("id", [])] if isinstance(spec.get("id"), str) else spec.get("id", []),
                                           **({"members": "latest"} if spec.get("members") == "latest" else {})}
                                    for name, spec in fields.items()}
    return {"lists": lists} if lists else {}


def life_of(server, learner_id):
    return learner_id, server.epochs.get(learner_id)


def selection_of(request):
    """The same for equal selections, which are sets."""
    types, scope = request.get("resourceTypes"), request.get("scope")
    fields = None if scope is None else tuple(sorted((name, repr(sorted({order(v) for v in values}))) for name, values in scope.items()))
    return None if types is None else tuple(sorted(set(types))), fields


def push_cursor(server, learner_id, sent, safe):
    """What a push makes of the cursor that it brought, where safe is the version that its device may go on from."""
    life = life_of(server, learner_id)
    return sent if safe == sent.position and sent.life == life else Cursor(safe, life, sent.selection)


def cut_page(wanted, below, request, default, cut):
    limit = min(int(request["limit"]), MAX_PULL_LIMIT) if "limit" in request else default or len(wanted)
    taken = wanted[:below + limit]
    return taken if cut is None else taken[:max(cut, below)]


def is_full(server, learner_id, request, answer, size, max_bytes):
    """Whether the next change had no room in a page of that size, which may be larger only for a single change."""
    whole = page(server, learner_id, request)[0]
    count = len(answer["changes"])
    if count == len(whole["changes"]):
        return True
    missing = len(dump(whole["changes"][count]).encode())
    return count > 0 and size + missing + FRAME > max_bytes


def in_scope(resource, scope):
    shown = resource.document()
    return shown is None or all(name in shown and order(shown[name]) in [order(v) for v in values] for name, values in (scope or {}).items())


def matching(learner, cursor, request, tells_left):
    """The changes after a cursor that a client wants to see, and of each whether it is that a resource left the scope."""
    types, scope = request.get("resourceTypes"), request.get("scope")
    changed = sorted((resource for resource in learner.resources.values()
                      if resource.version > cursor and (types is None or resource.type in types)), key=lambda r: r.version)
    wanted = []
    for resource in changed:
        if in_scope(resource, scope):
            wanted.append((resource, False))
        elif tells_left and cursor > 1 and may_have_been_seen(resource, cursor):
            wanted.append((resource, True))
    return wanted


def may_have_been_seen(resource, cursor):
    return resource.created <= cursor or resource.state.deleted is not None or bool(lists_of(resource.rule))


def pulled_change(resource, left, known, may_be_delta):
    """One change of a pull for a device that holds all up to known."""
    shown = None if left else resource.document()
    change = {"resourceType": resource.type, "resourceId": resource.id, "version": resource.version, "serverTimestamp": ANY,
              "operation": "create" if resource.created > known else "update", "data": shown}
    if shown is None:
        change.update(operation="delete", data={}, **({"left": True} if left else {}))
    elif may_be_delta and resource.created <= known and resource.lists():
        change.update(data=resource.delta(known), delta=True)
    return change
