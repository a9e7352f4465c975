#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A process for the demo: threads, a SysV segment, a semaphore set with an undo
pending, a message queue with messages, none with the first id of its namespace.
Answers each file ask-N in its directory with answer-N: what it sees, as text."""
import ctypes
import hashlib
import os
import sys
import threading
import time

DIR = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.msgrcv.restype = ctypes.c_ssize_t
IPC_CREAT, IPC_RMID, IPC_NOWAIT, SEM_UNDO, MSG_COPY = 0o1000, 0, 0o4000, 0x1000, 0o40000
GETALL, SETALL, GETADJ = 13, 17, 21
SYS_semctl = 66     # x86-64


def call(result):
    if result == -1:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    return result


def second(make, remove):
    """An object whose id is not the first of its namespace, nor of its slot."""
    keep = make()
    for _ in range(3):
        remove(make())
    return keep, make()


_, shm = second(lambda: call(libc.shmget(0, 8 << 20, IPC_CREAT | 0o600)), lambda i: libc.shmctl(i, IPC_RMID, None))
_, sem = second(lambda: call(libc.semget(0, 4, IPC_CREAT | 0o600)), lambda i: libc.semctl(i, 0, IPC_RMID))
_, msg = second(lambda: call(libc.msgget(0, IPC_CREAT | 0o600)), lambda i: libc.msgctl(i, IPC_RMID, None))

at = libc.shmat(shm, None, 0)
segment = (ctypes.c_char * (8 << 20)).from_address(at)
segment.raw = hashlib.shake_256(b"cpt").digest(8 << 20)

call(libc.semctl(sem, 0, SETALL, (ctypes.c_ushort * 4)(5, 6, 7, 8)))
call(libc.semop(sem, (ctypes.c_short * 3)(2, -3, SEM_UNDO), ctypes.c_size_t(1)))


class Message(ctypes.Structure):
    _fields_ = [("type", ctypes.c_long), ("text", ctypes.c_char * 64)]


for n in range(1, 4):
    call(libc.msgsnd(msg, ctypes.byref(Message(n, b"message %d" % n)), ctypes.c_size_t(64), 0))

heap = [os.urandom(4096) for _ in range(2000)]
counts = [0] * 4


def work(n):
    while True:
        counts[n] += 1
        time.sleep(0.05)


threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(len(counts))]
for t in threads:
    t.start()


def see():
    values = (ctypes.c_ushort * 4)()
    undo = (ctypes.c_short * 4)()
    call(libc.semctl(sem, 0, GETALL, values))
    call(libc.syscall(SYS_semctl, sem, 0, GETADJ, undo))    # the C library's semctl() refuses what it doesn't know
    queued = []
    for n in range(3):
        m = Message()
        call(libc.msgrcv(msg, ctypes.byref(m), ctypes.c_size_t(64), ctypes.c_long(n), IPC_NOWAIT | MSG_COPY))
        queued.append(m.text.decode())
    before = list(counts)
    time.sleep(0.4)
    running = sum(a != b for a, b in zip(before, counts))
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    ids = sorted(int(t) for t in os.listdir("/proc/self/task"))
    return "\n".join([
        "pids in its own namespaces: %s" % status["NSpid"].strip().replace("\t", " "),
        "thread ids: %s" % ids,
        "threads running: %d" % running,
        "host name: %s" % os.uname().nodename,
        "segment %d: %s" % (shm, hashlib.sha256(segment.raw).hexdigest()[:16]),
        "semaphores %d: %s, to undo %s" % (sem, list(values), list(undo)),
        "messages %d: %s" % (msg, queued),
        "heap: %s" % hashlib.sha256(b"".join(heap)).hexdigest()[:16],
    ]) + "\n"


done = set()
print("ready", flush=True)
open(DIR + "/python-ready", "w").close()
while True:
    for name in os.listdir(DIR):
        if name.startswith("ask-") and name not in done:
            done.add(name)
            answer = DIR + "/answer-" + name[4:]
            with open(answer + ".new", "w") as f:
                try:
                    f.write(see())
                except Exception as e:      # the demo compares answers: an error is one
                    f.write("error: %r\n" % e)
            os.rename(answer + ".new", answer)
    time.sleep(0.1)
