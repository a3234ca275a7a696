# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions and files are short: the median and the longest hundredth of functions as well as the most."""

import statistics

from gate.tree import Finding

MEDIAN, P99, LONGEST, FILE = 16, 110, 150, 1200


def lengths(tree):
    return sorted(function.length for function in tree.functions())


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def check(tree):
    for path in tree.files("src", "tests"):
        if (count := len(tree.lines(path))) > FILE:
            yield Finding(path, FILE + 1, f"{count} lines; a file has at most {FILE}")
    for function in tree.functions() + tree.functions("tests"):
        if function.length > LONGEST:
            yield Finding(function.path, function.start,
                          f"{function.name}() has {function.length} lines; at most {LONGEST}")
    values = lengths(tree)
    if values and (median := statistics.median_low(values)) > MEDIAN:
        yield Finding("src", 0, f"the median function has {median} lines; at most {MEDIAN}")
    if values and (p99 := percentile(values, 0.99)) > P99:
        longest = max(tree.functions(), key=lambda function: function.length)
        yield Finding(longest.path, longest.start,
                      f"{longest.name}() has {longest.length} lines, and one function of a hundred at least "
                      f"{p99}; at most {P99}")


def figures(tree):
    values = lengths(tree)
    yield "functions", len(values)
    yield "lines of src", sum(len(tree.lines(path)) for path in tree.files("src"))
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("longest", 1)):
        yield f"function lines {name}", percentile(values, share)
