"""Merge functions of a team: each in SQL, for the test's database, and as its twin in Python."""

from merge import TWINS, Refused
from values import is_number

ARGUMENTS = "(stored jsonb, incoming jsonb, stored_at timestamptz, incoming_at timestamptz) RETURNS jsonb"

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
    "RESET ROLE;")


def longest(stored, incoming, stored_at, incoming_at):
    old, new = stored.get("text") or "", incoming.get("text") or ""
    if len(new) != len(old):
        return incoming if len(new) > len(old) else stored
    same = "text" in stored and "text" in incoming and stored["text"] == incoming["text"]
    return {**stored, **incoming} if same else None


def tally(stored, incoming, stored_at, incoming_at):
    if incoming.get("fail") is True:
        raise Refused("error", "", retryable=True)
    if incoming.get("fail") == "list":
        return []
    points = sum(document["points"] for document in (stored, incoming) if is_number(document.get("points")))
    return {**stored, **incoming, "tallyId": "other", "level": "fake", "touched": "fake", "points": points}


def newest(stored, incoming, stored_at, incoming_at):
    return incoming if incoming_at >= stored_at else stored


def both(stored, incoming, stored_at, incoming_at):
    return {**stored, **incoming}


TWINS.update({"twin.longest": longest, "twin.tally": tally, "twin.newest": newest, "twin.both": both})
