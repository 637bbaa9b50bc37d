# SPDX-License-Identifier: BSD-2-Clause
"""What the tables of bench/results.md have in common."""

import collections
import statistics

COMPARED = ('xenpv IOPS | kernel IOPS | ratio | lowest and highest of a round | ceiling '
            '| xenpv CPU µs | kernel CPU µs')
COLUMNS = COMPARED.count('|') + 1
COMPARED_NOTE = '''CPU is dom0's time per I/O. The ceiling is the ratio of a backend that takes no time at all, on one processor: an
I/O without the CPU time of the kernel's backend in dom0.'''


def rows(path):
    """{(guest, job): {backend: {round: (iops, mib_s, cpu_us)}}} of what bench/fio.sh has written."""
    found = collections.defaultdict(lambda: collections.defaultdict(dict))
    for line in path.read_text().splitlines():
        guest, job, backend, turn, iops, mib, _lat, cpu = line.split('\t')
        found[guest, job][backend][turn] = (float(iops), float(mib), float(cpu))
    return found


def column(by_turn, what):
    """{round: (...)} with only that figure."""
    return {turn: v[what] for turn, v in by_turn.items()}


def ratio(some, others):
    """Of the same rounds: the median, the lowest and the highest, as cells."""
    all_ = [some[turn] / others[turn] for turn in some if turn in others]
    return f'{statistics.median(all_):.2f} | {min(all_):.2f} .. {max(all_):.2f}'


def ceiling(iops, cpu_us):
    """What the kernel's backend would gain if it cost nothing."""
    us = 1e6 / iops
    return us / max(us - cpu_us, 1)


def compared(xenpv, kernel):
    """Two {round: (iops, ..., cpu_us)}, as the cells of COMPARED."""
    def median(by, what):
        return statistics.median(column(by, what).values())
    return (f'{median(xenpv, 0):.0f} | {median(kernel, 0):.0f} | {ratio(column(xenpv, 0), column(kernel, 0))} '
            f'| {ceiling(median(kernel, 0), median(kernel, -1)):.2f} '
            f'| {median(xenpv, -1):.0f} | {median(kernel, -1):.0f}')
