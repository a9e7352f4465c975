# SPDX-License-Identifier: GPL-2.0-only
"""One process with much memory (tests/bench/bench_memory.c), and many containers, pinned.

Nothing is dropped from the page cache between a dump and its restore: both tools read warm data.
"""
import glob, json, os, re, shutil, sqlite3, statistics, subprocess

from bench_common import *

PROGRAM = TOP + "/build/bench/bench_memory"


def device_bytes():
    """Bytes written to the pool's devices since they were attached: data and metadata."""
    store = {os.path.realpath(STORE), os.path.realpath("/scratch/cpt")}
    total = 0
    for loop in json.loads(run("losetup", "-J", "-l")[0] or '{"loopdevices": []}')["loopdevices"]:
        if os.path.dirname(loop["back-file"]) in store:
            # Documentation/block/stat.rst: the 7th number is sectors of 512 bytes written
            total += int(read(f"/sys/block/{os.path.basename(loop['name'])}/stat").split()[6]) * 512
    return total


def catalog_bytes():
    with sqlite3.connect(f"file:{STORE}/catalog.db?mode=ro", uri=True) as db:
        one = lambda pragma: db.execute("PRAGMA " + pragma).fetchone()[0]
        return (one("page_count") - one("freelist_count")) * one("page_size")


def major_faults(pid):
    return int(read(f"/proc/{pid}/stat").rpartition(")")[2].split()[9])	# majflt, proc(5)


def swap_reads():
    return int(re.search(r"^pswpin (\d+)", read("/proc/vmstat"), re.M)[1])


def take_snapshot(cgroup, shared):
    catalog, written, beats = catalog_bytes(), device_bytes(), shared.get(Shared.BEATS)
    figures, wall = cpt("snapshot", cgroup)
    written = device_bytes() - written
    shared.first_beat_after(shared.get(Shared.BEATS))
    return {"id": figures["id"], "frozen": figures["frozen_ns"], "total": figures["total_ns"], "wall": wall,
            "gap": shared.longest_gap(beats), "bytes": written, "pages": figures["pages_written"],
            "runs": figures["runs"], "catalog": catalog_bytes() - catalog}


def cpt_restore(cgroup, id, shared, *options):
    kill_cgroup(cgroup)
    run(CPT, "unpin", cgroup)
    beats, start = shared.get(Shared.BEATS), now()
    cpt("restore", *options, id)
    beat = shared.first_beat_after(beats) - start
    return {"beat": beat, "verified": shared.verify() - start}


def measure_cpt(size, thp, rounds):
    cgroup = f"bench-{size}-{thp}"
    path = f"{DIR}/{cgroup}"
    shared, ids, result = Shared(path), [], {}
    try:
        cpt("run", "--share", "all", "--output", path + ".out", cgroup, "--", PROGRAM, path, str(size))
        shared.first_beat_after(0)
        result["first"] = take_snapshot(cgroup, shared)
        ids.append(result["first"]["id"])
        pid = pid_in(cgroup)
        faults, reads = major_faults(pid), swap_reads()
        shared.verify()
        result["faults"], result["swap_reads"] = major_faults(pid) - faults, swap_reads() - reads
        increments = []
        for _ in range(rounds):
            dirtied = shared.ask("d")[0]
            increments.append({**take_snapshot(cgroup, shared), "dirtied": dirtied})
            ids.append(increments[-1]["id"])
        result["increment"] = median(increments)
        result["restore"] = median([cpt_restore(cgroup, ids[-1], shared) for _ in range(rounds)])
        result["prefetch"] = median([cpt_restore(cgroup, ids[-1], shared, "--prefetch") for _ in range(rounds)])
    except Failure as e:
        result["problem"] = str(e)
    finally:
        clean(cgroup)
        for id in reversed(ids):
            subprocess.run([CPT, "rm", id], capture_output=True)
    return result


# ---- CRIU --------------------------------------------------------------------

def criu_dump(pid, images, shared, *options):
    os.mkdir(images)
    beats = shared.get(Shared.BEATS)
    wall = criu("dump", images, "-t", str(pid), "--leave-running", *options)
    shared.first_beat_after(shared.get(Shared.BEATS))
    return {"frozen": criu_frozen(images), "total": wall, "wall": wall, "gap": shared.longest_gap(beats),
            "bytes": sum(os.path.getsize(f) for f in glob.glob(images + "/pages-*.img"))}


def criu_restore(pid, images, shared, lazy):
    kill_session(pid)
    daemon = None
    beats, start = shared.get(Shared.BEATS), now()
    try:
        if lazy:
            if os.path.exists(images + "/lazy-pages.socket"):	# of the last one
                os.unlink(images + "/lazy-pages.socket")
            daemon = subprocess.Popen(["criu", "lazy-pages", "-D", images, "-o", "lazy-pages.log"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: os.path.exists(images + "/lazy-pages.socket") or daemon.poll() is not None,
                       "criu lazy-pages makes no socket", 60)
        criu("restore", images, "-d", *(["--lazy-pages"] if lazy else []))
        beat = shared.first_beat_after(beats) - start
        return {"beat": beat, "verified": shared.verify() - start}
    finally:
        if daemon:
            try:
                daemon.wait(120)	# it ends when every page is where it belongs
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def measure_criu(size, thp, rounds):
    path = f"{DIR}/criu-{size}-{thp}"
    shared, result, pid = Shared(path), {}, None
    os.mkdir(path + ".images")
    try:
        pid = start_program(PROGRAM, path, str(size))
        shared.first_beat_after(0)
        full, before, increment = (f"{path}.images/{name}" for name in ("full", "before", "increment"))
        result["first"] = criu_dump(pid, full, shared)
        os.mkdir(before)
        criu("pre-dump", before, "-t", str(pid), "--track-mem")
        dirtied = shared.ask("d")[0]
        result["increment"] = {**criu_dump(pid, increment, shared, "--track-mem", "--prev-images-dir", "../before"),
                               "dirtied": dirtied}
        # The increment is complete only with what it builds on, so both dumps can be restored.
        result["restore"] = median([criu_restore(pid, full, shared, False) for _ in range(rounds)])
        result["lazy"] = median([criu_restore(pid, full, shared, True) for _ in range(rounds)])
    except Failure as e:
        result["problem"] = str(e)
    finally:
        if pid:
            kill_session(pid)
        shutil.rmtree(path + ".images")
    return result


# ---- many containers ---------------------------------------------------------

def kernel_memory():
    """What is not available to anybody else, bytes."""
    values = dict(re.findall(r"^(\w+):\s+(\d+)", read("/proc/meminfo"), re.M))
    return (int(values["MemTotal"]) - int(values["MemAvailable"])) * 1024


def measure_containers(nr):
    names = [f"bench-pin-{i}" for i in range(nr)]
    times, problem = [], {}
    try:
        for name in names:
            os.mkdir(f"{CGROUPS}/{name}")
            task = subprocess.Popen(["sleep", "infinity"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            write(f"{CGROUPS}/{name}/cgroup.procs", str(task.pid))
        memory = kernel_memory()
        try:
            for name in names:
                times.append(cpt("pin", "--size", "256M", name)[1])
        except Failure as e:
            problem = {"problem": f"after {len(times)}: {e}"}
        memory = kernel_memory() - memory
        volumes = {read(f"{CGROUPS}/{name}/memory.swap.device").strip() for name in names} - {"none"}
        alive = sum(populated(name) for name in names)
        times = times or [0]
        return {"pinned": len(volumes), "alive": alive, "first": times[0], "median": statistics.median(times),
                "last": times[-1], "memory": memory / len(times), **problem}
    finally:
        for name in names:
            clean(name)


# ---- telling -----------------------------------------------------------------

def size_text(row, key):
    return f"{row[key] / MIB:.2f}" if row and key in row else "-"


def print_table(results):
    columns = ("MiB", "THP", "tool", "what", "frozen ms", "longest gap ms", "total ms", "written MiB", "dirtied MiB",
               "runs", "catalog KiB", "first beat ms", "verified ms")
    rows = [columns]
    labels = {"first": "first snapshot", "increment": "1 % dirtied", "restore": "restore",
              "prefetch": "restore --prefetch", "lazy": "lazy restore"}
    for (tool, size, thp), result in results.items():
        for part, label in labels.items():
            r = result.get(part)
            if not r:
                continue
            if tool == "criu":
                label = {"first snapshot": "dump", "1 % dirtied": "pre-dump, 1 % dirtied"}.get(label, label)
            rows.append((str(size), thp, tool, label, ms(r, "frozen"), ms(r, "gap"), ms(r, "total"), size_text(r, "bytes"),
                         f"{r['dirtied'] * 4096 / MIB:.2f}" if "dirtied" in r else "-",
                         f"{r['runs']:.0f}" if "runs" in r else "-",
                         f"{r['catalog'] / 1024:.0f}" if "catalog" in r else "-", ms(r, "beat"), ms(r, "verified")))
    print_rows(rows, {1, 2, 3})


def figure(results, tool, size, thp, part, key):
    return results.get((tool, size, thp), {}).get(part, {}).get(key)


def judge(results, sizes, thps, containers, wanted):
    small, large = min(sizes), max(sizes)
    t = Targets()
    share = lambda v, factor: None if v is None else v * factor
    against = lambda v, limit: f"{v / 1e6:.1f} ms, at most {limit / 1e6:.1f} ms"
    kib = lambda v, limit: f"{v / 1024:.0f} KiB, at most {limit / 1024:.0f} KiB"
    number = lambda v, limit: f"{v:.0f}"
    print(f"\nTargets, at {large} MiB where nothing else is said:")
    for thp in thps:
        mine = lambda part, key: figure(results, "cpt", large, thp, part, key)
        other = lambda part, key: figure(results, "criu", large, thp, part, key)
        at = f" (THP {thp})"
        t.tell(f"restore to first heartbeat: at most 1.5 times that at {small} MiB" + at, mine("restore", "beat"),
               share(figure(results, "cpt", small, thp, "restore", "beat"), 1.5), against)
        t.tell("restore to first heartbeat: at most 1/20 of CRIU's" + at, mine("restore", "beat"),
               share(other("restore", "beat"), 1 / 20), against)
        t.tell("restore to first heartbeat: faster than CRIU's lazy one" + at, mine("restore", "beat"),
               other("lazy", "beat"), against)
        t.tell("frozen, 1 % dirtied: at most 1/20 of CRIU's dump" + at, mine("increment", "frozen"),
               share(other("first", "frozen"), 1 / 20), against)
        t.tell("frozen, 1 % dirtied: at most 1/3 of CRIU's increment" + at, mine("increment", "frozen"),
               share(other("increment", "frozen"), 1 / 3), against)
        t.tell("written, 1 % dirtied: at most 1.3 times the pages dirtied" + at, mine("increment", "bytes"),
               share(mine("increment", "dirtied"), 4096 * 1.3), kib)
        t.tell("catalog growth of the first snapshot: at most 64 KiB" + at, mine("first", "catalog"), 65536, kib)
        result = results.get(("cpt", large, thp), {})
        t.tell("major faults reading all memory after a snapshot: none" + at, result.get("faults"), 0, number)
        t.tell("swap reads then: none" + at, result.get("swap_reads"), 0, number)
    if wanted:
        t.tell(f"{wanted} containers pinned at once, each to its own volume", -containers["pinned"] if containers else None,
               -wanted, lambda v, limit: f"{-v} pinned, {containers['alive']} running; "
               f"{containers['first'] / 1e6:.0f} ms the first, {containers['median'] / 1e6:.0f} ms median, "
               f"{containers['last'] / 1e6:.0f} ms the last; {containers['memory'] / 1024:.0f} KiB of memory each")
    print(f"{t.missed} missed, {t.unknown} not measured")
    return t.missed > 0


def measure(o):
    """Prints all figures; whether something failed or missed its target."""
    results, containers = {}, None
    for thp in o.thp:
        write(THP, thp)
        for size in o.sizes:
            if not o.no_cpt:
                results["cpt", size, thp] = attempt(f"cpt, {size} MiB, THP {thp}", measure_cpt, size, thp, o.rounds)
            if not o.no_criu:
                results["criu", size, thp] = attempt(f"criu, {size} MiB, THP {thp}", measure_criu, size, thp, o.rounds)
    if o.containers and not o.no_cpt:
        containers = attempt(f"{o.containers} containers", measure_containers, o.containers)
    print_table(results)
    pieces = [*results.values()] + ([containers] if containers is not None else [])
    failed = any(not piece or "problem" in piece for piece in pieces)
    if o.no_cpt:
        return failed
    return judge(results, o.sizes, o.thp, containers, o.containers) or failed
