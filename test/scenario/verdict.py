"""What a scenario found: a line for each check, and how many passed."""

results = []


def check(name, problems):
    results.append(not problems)
    print(f"{'ok' if not problems else 'not ok'} - {name}", flush=True)
    for problem in list(problems)[:5]:
        print(f"#   {problem}", flush=True)


def result(good, name, why=""):
    check(name, [] if good else [why])


def finish():
    """The line that comes last; 1 where a check failed."""
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1
