# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""Raw data (`calm bench --json`) for bench-md and bench-agree: reading it, its columns, and what ties in them.

tie and tied are bench_tie and bench_tied of bench/results.c; tests/report.sh holds them against each other."""
import json
import statistics
import sys

BARE = ("floor", "null")  # no maps: they have no part in ranks
COLUMN = ("workload", "keys", "what", "unit")
GROUP = ("suite", "entries", "threads")
FIELDS = {"suite": str, "workload": str, "keys": str, "what": str, "unit": str, "better": str, "subject": str,
          "entries": int, "threads": int, "repeats": int, "median": (int, float), "min": (int, float), "max": (int, float)}


def fail(tool, why):
    print(f"{tool}: {why}", file=sys.stderr)
    sys.exit(2)


def load(tool, path):
    """The data of a file, results without a figure left out; ends the program if it is not what it should be."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        fail(tool, f"{path}: {error.strerror}")
    except json.JSONDecodeError as error:
        fail(tool, f"{path}:{error.lineno}: {error.msg}")
    except (UnicodeDecodeError, RecursionError) as error:
        fail(tool, f"{path}: {error}")
    if not isinstance(data, dict) or not isinstance(data.get("results"), list):
        fail(tool, f"{path}: no object with a list of results")
    for number, result in enumerate(data["results"], 1):
        if not isinstance(result, dict):
            fail(tool, f"{path}: result {number} is no object")
        if any(result.get(name, 0) is None for name in ("median", "min", "max")):
            continue
        for name, kind in FIELDS.items():
            if not isinstance(result.get(name), kind) or isinstance(result[name], bool):
                fail(tool, f"{path}: result {number}: no '{name}', or of a wrong type")
    data["results"] = [result for result in data["results"] if None not in (result["median"], result["min"], result["max"])]
    return data


def groups(results, *fields):
    found = {}
    for result in results:
        found.setdefault(tuple(result[field] for field in fields), []).append(result)
    return found.items()


def ranked(column):
    return [result for result in column if result["subject"] not in BARE]


def in_points(column):
    return "%" in column[0]["unit"]


def tie(maps):
    """(within, spread, noisy) of the maps of a column."""
    points = bool(maps) and in_points(maps)
    least, most = (1, 10) if points else (0.03, 0.30)
    if points:
        spreads = [r["max"] - r["min"] for r in maps]
    else:
        spreads = [(r["max"] - r["min"]) / r["median"] for r in maps if r["median"] > 0]
    spread = statistics.median(spreads) if spreads else 0
    return min(max(spread, least), most), spread, spread > most


def ahead(a, b):
    return a["median"] > b["median"] if a["better"] == "more" else a["median"] < b["median"]


def margin(a, b, within):
    """What figures of a and b may lie apart, in their unit, and still tie."""
    return within * (1 if "%" in a["unit"] else abs((a if ahead(a, b) else b)["median"]))


def tied(a, b, within):
    return abs(a["median"] - b["median"]) <= margin(a, b, within)


def best(results):
    return max(results, key=lambda r: r["median"] * (-1 if r["better"] == "less" else 1), default=None)


def column_name(column):
    return " ".join(filter(None, (column[0][field] for field in COLUMN[:3]))) + ", " + column[0]["unit"]


def sizes(result):
    told = [f"{result[what]} {what if result[what] != 1 else what[:-1]}" for what in ("entries", "threads") if result[what]]
    return ", ".join(told).replace("1 entrie", "1 entry")


def figure(value):
    size = abs(value) or 1000
    return f"{value:.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4}f}"


def spread_of(result):
    return f" ({figure(result['min'])} to {figure(result['max'])})" * (result["min"] != result["max"])
