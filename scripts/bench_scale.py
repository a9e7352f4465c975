# SPDX-License-Identifier: GPL-2.0-only
"""Many tasks, descriptors or mappings (tests/bench/bench_scale.c): what each costs, and if it grows with their number alone."""
import os, shutil, subprocess

from bench_common import *

PROGRAM = TOP + "/build/bench/bench_scale"
# How many more the largest may cost for each of what came on top than the one before it: noise of the machine.
LINEAR = 2


def sizes(what, most):
    most = most // 10 if what == "tasks" else most
    return [n for n in (1, 10, 100, 1000, 10000) if n <= most]


def started(shared):
    wait_until(lambda: shared.get(Shared.DONE), "it is not ready", 300)


def measure_cpt(what, nr, rounds):
    cgroup = f"scale-{what}-{nr}"
    path = f"{DIR}/{cgroup}"
    shared, ids, result = Shared(path), [], {}
    try:
        cpt("run", "--share", "all", "--output", path + ".out", cgroup, "--", PROGRAM, path, what, str(nr))
        started(shared)
        saved, restored = [], []
        for _ in range(rounds + 1):
            figures, wall = cpt("snapshot", cgroup)
            ids.append(figures["id"])
            saved.append({"frozen": figures["frozen_ns"], "wall": wall})
        result["save"] = median(saved[1:])		# the first one pins it, too
        for _ in range(rounds):
            kill_cgroup(cgroup)
            run(CPT, "unpin", cgroup)
            beats, start = shared.get(Shared.BEATS), now()
            restored.append({"wall": cpt("restore", ids[-1])[1], "beat": shared.first_beat_after(beats) - start})
        result["restore"] = median(restored)
    except Failure as e:
        result["problem"] = str(e)
    finally:
        clean(cgroup)
        for id in reversed(ids):
            subprocess.run([CPT, "rm", id], capture_output=True)
    return result


def measure_criu(what, nr, rounds):
    path = f"{DIR}/criu-{what}-{nr}"
    shared, result, pid = Shared(path), {}, None
    os.mkdir(path + ".images")
    try:
        pid = start_program(PROGRAM, path, what, str(nr))
        started(shared)
        saved, restored = [], []
        for i in range(rounds):
            images = f"{path}.images/{i}"
            os.mkdir(images)
            wall = criu("dump", images, "-t", str(pid), "--leave-running")
            saved.append({"frozen": criu_frozen(images), "wall": wall})
        for _ in range(rounds):
            kill_session(pid)
            beats, start = shared.get(Shared.BEATS), now()
            wall = criu("restore", images, "-d")
            restored.append({"wall": wall, "beat": shared.first_beat_after(beats) - start})
        result.update(save=median(saved), restore=median(restored))
    except Failure as e:
        result["problem"] = str(e)
    finally:
        if pid:
            kill_session(pid)
        shutil.rmtree(path + ".images")
    return result


def print_table(results):
    rows = [("what", "number", "tool", "frozen ms", "save ms", "restore ms", "first beat ms")]
    for (tool, what, nr), r in results.items():
        save, restore = r.get("save"), r.get("restore")
        rows.append((what, str(nr), tool, ms(save, "frozen"), ms(save, "wall"), ms(restore, "wall"), ms(restore, "beat")))
    print_rows(rows, {0, 2})


def judge(results, most):
    """At most half of CRIU's at the largest; and it grows with their number."""
    t = Targets()
    against = lambda v, limit: f"{v / 1e6:.1f} ms, at most {limit / 1e6:.1f} ms"
    each = lambda v, limit: f"{v / 1e3:.1f} us each, at most {limit / 1e3:.1f} us"
    print()
    for what in ("tasks", "descriptors", "mappings"):
        wall = lambda tool, nr, part: results.get((tool, what, nr), {}).get(part, {}).get("wall")
        *_, before, middle, large = [None, None, None] + sizes(what, most)
        for part, verb in (("save", "snapshot"), ("restore", "restore")):
            mine, other = wall("cpt", large, part), wall("criu", large, part)
            t.tell(f"{verb} of {large} {what}: at most half of CRIU's", mine, other and other / 2, against)
            mine, then, first = (wall("cpt", n, part) for n in (large, middle, before))
            if first and then and mine:
                t.tell(f"{verb}: what {large - middle} more {what} cost each, at most {LINEAR} times what {middle - before} did",
                       (mine - then) / (large - middle), max(then - first, 0) * LINEAR / (middle - before), each)
    print(f"{t.missed} missed, {t.unknown} not measured")
    return t.missed > 0


def measure(o):
    """Prints all figures; whether something failed or missed its target."""
    results = {}
    for what in ("tasks", "descriptors", "mappings"):
        for nr in sizes(what, o.most):
            if not o.no_cpt:
                results["cpt", what, nr] = attempt(f"cpt, {nr} {what}", measure_cpt, what, nr, o.rounds)
            if not o.no_criu:
                results["criu", what, nr] = attempt(f"criu, {nr} {what}", measure_criu, what, nr, o.rounds)
    print_table(results)
    failed = any(not r or "problem" in r for r in results.values())
    if o.no_cpt:
        return failed
    return judge(results, o.most) or failed
