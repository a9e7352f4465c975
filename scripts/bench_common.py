# SPDX-License-Identifier: GPL-2.0-only
"""What the measurements of scripts/bench have in common: cpt, CRIU, and programs that share a file with us."""
import json, mmap, os, signal, statistics, struct, subprocess, time, traceback

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
CPT = TOP + "/build/cpt"
CGROUPS, DIR, STORE = "/sys/fs/cgroup", "/scratch/bench", "/var/lib/cpt"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
MIB = 1 << 20
PR_SET_CHILD_SUBREAPER = 36		# prctl(2)


class Failure(Exception):
    pass


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def now():
    """The clock of the program, see there."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def run(*argv):
    """Output and nanoseconds of a command that must work."""
    start = now()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Failure(f"{' '.join(os.path.basename(a) for a in argv[:3])}: status {done.returncode}: {' / '.join(why)}")
    return done.stdout, now() - start


def cpt(*argv):
    out, ns = run(CPT, "--json", *argv)
    return (json.loads(out) if out.strip() else {}), ns


def wait_until(condition, what, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"{what}: not after {seconds} s")
        time.sleep(0.001)


class Shared:
    """The file which the program shares with us: struct shared of bench_memory.c."""
    NR_TIMES = 65536
    BEATS, REQUEST, OP, DONE, RESULT, DONE_NS = range(6)

    def __init__(self, path):
        with open(path, "w+b") as f:
            f.truncate((8 + self.NR_TIMES) * 8)
            self.map = mmap.mmap(f.fileno(), 0)

    def get(self, word):
        return struct.unpack_from("=Q", self.map, word * 8)[0]

    def put(self, word, value):
        struct.pack_into("=Q", self.map, word * 8, value)

    def beat_time(self, beat):
        return self.get(8 + beat % self.NR_TIMES)

    def first_beat_after(self, beats):
        """When the program made its next heartbeat, ns."""
        wait_until(lambda: self.get(self.BEATS) > beats, "no heartbeat")
        return self.beat_time(beats + 1)

    def longest_gap(self, beats):
        """The longest time without a heartbeat since beat number `beats`, ns."""
        last = self.get(self.BEATS)
        times = [self.beat_time(n) for n in range(max(beats, last - self.NR_TIMES + 2), last + 1)]
        return max((b - a for a, b in zip(times, times[1:])), default=0)

    def ask(self, op):
        """Have it verify all its memory ('v') or dirty 1 % of it ('d'): result, and when it was done."""
        self.put(self.OP, ord(op))
        self.put(self.REQUEST, self.get(self.REQUEST) + 1)
        wait_until(lambda: self.get(self.DONE) == self.get(self.REQUEST), f"no answer to '{op}'", 900)
        return self.get(self.RESULT), self.get(self.DONE_NS)

    def verify(self):
        good, when = self.ask("v")
        if not good:
            raise Failure("its memory is not what it was")
        return when


def gone(pid):
    """Reaps it too: whatever is started or restored becomes our child."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return not os.path.exists(f"/proc/{pid}")


def populated(cgroup):
    try:
        return "populated 1" in read(f"{CGROUPS}/{cgroup}/cgroup.events")
    except FileNotFoundError:
        return False


def kill_cgroup(cgroup):
    if os.path.isdir(f"{CGROUPS}/{cgroup}"):
        pids = read(f"{CGROUPS}/{cgroup}/cgroup.procs").split()
        write(f"{CGROUPS}/{cgroup}/cgroup.kill", "1")
        wait_until(lambda: not populated(cgroup) and all(gone(pid) for pid in pids), f"{cgroup} does not die")


def clean(cgroup):
    kill_cgroup(cgroup)
    subprocess.run([CPT, "unpin", cgroup], capture_output=True)
    if os.path.isdir(f"{CGROUPS}/{cgroup}"):
        os.rmdir(f"{CGROUPS}/{cgroup}")


def pid_in(cgroup):
    return int(read(f"{CGROUPS}/{cgroup}/cgroup.procs").split()[0])


def median(rows):
    """Of each figure by itself."""
    return {k: statistics.median(r[k] for r in rows) for k in rows[0] if not isinstance(rows[0][k], str)}


def criu(command, images, *options):
    log = f"{images}/{command}.log"
    try:
        return run("criu", command, "-D", images, "-o", os.path.basename(log), *options)[1]
    except Failure as e:
        errors = [l for l in read(log).splitlines() if "Error" in l] if os.path.exists(log) else []
        raise Failure(f"{e} {' / '.join(errors[-2:])}") from None


def criu_frozen(images):
    """From CRIU's own statistics, in microseconds there."""
    stats = json.loads(run("crit", "show", f"{images}/stats-dump")[0])
    return stats["entries"][0]["dump"]["frozen_time"] * 1000


def start_program(program, path, *argv):
    """One that CRIU shall dump, and all that it starts, in a session of its own: its pid."""
    with open(path + ".out", "w") as out:
        return subprocess.Popen([program, path, *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                start_new_session=True).pid


def group_gone(pid):
    gone(pid)
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def kill_session(pid):
    """A program and all that it started; their pids are free afterwards."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    wait_until(lambda: group_gone(pid), f"{pid} does not die")


# ---- telling -----------------------------------------------------------------

def ms(row, key):
    return f"{row[key] / 1e6:.1f}" if row and key in row else "-"


def print_rows(rows, left):
    """A table; columns whose number is in `left` hold words."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())


class Targets:
    """Each target with the numbers it was judged by."""

    def __init__(self):
        self.missed = self.unknown = 0

    def tell(self, what, value, limit, text):
        if value is None or limit is None:
            verdict = "NOT MEASURED"
            self.unknown += 1
        else:
            verdict = "met" if value <= limit else "MISSED"
            self.missed += value > limit
        print(f"{verdict:12}  {what}" + (f": {text(value, limit)}" if verdict != "NOT MEASURED" else ""))


def attempt(what, function, *args):
    """A piece that fails tells why, and the run goes on."""
    start = time.monotonic()
    print(f"{what} ...", end=" ", flush=True)
    try:
        result = function(*args)
        print(f"{time.monotonic() - start:.0f} s" + (f", but: {result['problem']}" if "problem" in result else ""), flush=True)
        return result
    except Failure as e:
        print(f"failed: {e}", flush=True)
    except Exception:
        print("failed: " + " / ".join(traceback.format_exc().strip().splitlines()[-3:]), flush=True)
    return {}
