"""Merge functions of a team: each in SQL, for the test's database, and as its twin in Python."""

from merge import TWINS, Refused
from values import is_number, order

ARGUMENTS = "(stored jsonb, incoming jsonb, stored_at timestamptz, incoming_at timestamptz) RETURNS jsonb"
THREE_WAY = ARGUMENTS.replace(") RETURNS", ", ancestor jsonb) RETURNS")

SQL = (
    "DROP ROLE IF EXISTS learnsync_twin;", "CREATE ROLE learnsync_twin;",
    "CREATE SCHEMA twin AUTHORIZATION learnsync_twin;", "SET ROLE learnsync_twin;",
    # The longer text stays; two of one length are left to a person.
    f"CREATE FUNCTION twin.longest{ARGUMENTS} LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT CASE"
    " WHEN length(coalesce(incoming ->> 'text', '')) > length(coalesce(stored ->> 'text', '')) THEN incoming"
    " WHEN length(coalesce(incoming ->> 'text', '')) < length(coalesce(stored ->> 'text', '')) THEN stored"
    " WHEN incoming -> 'text' = stored -> 'text' THEN stored || incoming END $$;",
    # Adds up points, meddles with the key and with computed fields, and fails where the item asks for it.
    f"CREATE FUNCTION twin.tally{ARGUMENTS} LANGUAGE plpgsql AS $$ BEGIN"
    " IF incoming -> 'fail' = 'true' THEN RAISE EXCEPTION 'as asked'; END IF;"
    " IF incoming -> 'fail' = '\"list\"' THEN RETURN '[]'; END IF;"
    " RETURN stored || incoming || jsonb_build_object('tallyId', 'other', 'level', 'fake', 'touched', 'fake', 'points',"
    " coalesce((stored ->> 'points')::numeric, 0) + coalesce((incoming ->> 'points')::numeric, 0)); END $$;",
    # The document of the later instant.
    f"CREATE FUNCTION twin.newest{ARGUMENTS} LANGUAGE sql AS"
    " $$ SELECT CASE WHEN incoming_at >= stored_at THEN incoming ELSE stored END $$;",
    # Both together; never decides against either.
    f"CREATE FUNCTION twin.both{ARGUMENTS} LANGUAGE sql STRICT AS $$ SELECT stored || incoming $$;",
    # Field by field, what only one of the two has changed since their ancestor.
    f"CREATE FUNCTION twin.three{THREE_WAY} LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN NOT bool_or("
    "  stored -> f IS DISTINCT FROM incoming -> f AND stored -> f IS DISTINCT FROM ancestor -> f"
    "  AND incoming -> f IS DISTINCT FROM ancestor -> f)"
    " THEN jsonb_object_agg(f, CASE WHEN incoming -> f IS DISTINCT FROM ancestor -> f THEN incoming ELSE stored END -> f) END"
    " FROM jsonb_object_keys(stored || incoming) f $$;",
    # Of the two that there are the one with the ancestor counts.
    f"CREATE FUNCTION twin.three{ARGUMENTS} LANGUAGE sql AS $$ SELECT NULL::jsonb $$;",
    "RESET ROLE;")


def longest(stored, incoming, stored_at, incoming_at, ancestor):
    old, new = stored.get("text") or "", incoming.get("text") or ""
    if len(new) != len(old):
        return incoming if len(new) > len(old) else stored
    same = "text" in stored and "text" in incoming and stored["text"] == incoming["text"]
    return {**stored, **incoming} if same else None


def tally(stored, incoming, stored_at, incoming_at, ancestor):
    if incoming.get("fail") is True:
        raise Refused("error", "", retryable=True)
    if incoming.get("fail") == "list":
        return []
    points = sum(document["points"] for document in (stored, incoming) if is_number(document.get("points")))
    return {**stored, **incoming, "tallyId": "other", "level": "fake", "touched": "fake", "points": points}


def newest(stored, incoming, stored_at, incoming_at, ancestor):
    return incoming if incoming_at >= stored_at else stored


def both(stored, incoming, stored_at, incoming_at, ancestor):
    return {**stored, **incoming}


def three(stored, incoming, stored_at, incoming_at, ancestor):
    def value(document, name):
        """What tells a field that is absent from one that is null."""
        return order(document[name]) if document is not None and name in document else None

    merged = {}
    for name in {**stored, **incoming}:
        mine, theirs, before = (value(document, name) for document in (stored, incoming, ancestor))
        if mine != theirs and mine != before and theirs != before:
            return None
        merged[name] = (incoming if theirs != before else stored).get(name)
    return merged


TWINS.update({"twin.longest": longest, "twin.tally": tally, "twin.newest": newest, "twin.both": both, "twin.three": three})
