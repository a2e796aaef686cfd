"""Medians, ratios, and the tables: Markdown that is also readable as it stands, and JSON with every sample."""

import json
import statistics

MB = 1024


def median(samples, key="wall_s"):
    values = [sample[key] for sample in samples if key in sample]
    return statistics.median(values) if values else None


def spread(samples, key="wall_s"):
    values = [sample[key] for sample in samples if key in sample]
    return f"{min(values):.3f} - {max(values):.3f}" if values else ""


def number(value, form="{:.3f}"):
    return "" if value is None else form.format(value)


def ratio(upper, lower, upper_key="wall_s", lower_key="wall_s"):
    """(ratio of the medians, smallest and largest ratio of two runs of one round)."""
    pairs = [a[upper_key] / b[lower_key] for a, b in zip(upper, lower) if b[lower_key]]
    return median(upper, upper_key) / median(lower, lower_key), min(pairs), max(pairs)


def whole(samples):
    """With whole_s: from the start of the first process to the end of the last, log-in or mounting included."""
    return [{**sample, "whole_s": sample.get("total_s", sample["wall_s"])} for sample in samples]


def table(head, rows):
    """A Markdown table with aligned columns: text to the left, figures to the right."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]

    def line(row):
        cells = [str(cell).ljust(w) if i == 0 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        return "| " + " | ".join(cells) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *(line(row) for row in rows)])


TITLES = {
    "cold": "Cold: all of INBOX, nothing on this side yet",
    "list INBOX": "First listing of INBOX",
    "list big": "First listing of big",
    "second": "Second mount: cache of an earlier one, nothing changed",
    "warm": "Warm: grep -rc over INBOX once more",
}
TASKS = {
    ("cold", "raw"): "raw FETCH, discarded",
    ("cold", "imapfs"): "imapfs, grep -rc",
    ("cold", "mbsync"): "mbsync (FSync no) + grep -rc",
    ("cold", "mbsync fsync"): "mbsync (default) + grep -rc",
    ("cold", "imaplib"): "imaplib, 200 a command, to files + grep -rc",
    ("list", "raw"): "raw FETCH, discarded",
    ("list", "imaplib"): "imaplib, into a dict",
    ("second", None): "imapfs, mount + ",
    ("warm", "local"): "same files on the disk",
}
REFERENCE = {"cold": "raw", "list": "raw", "warm": "local"}


def task(kind, member):
    if kind == "second":
        return TASKS["second", None] + member
    return TASKS.get((kind, member), member)


def section_table(section, members):
    kind = section.split()[0]
    reference = whole(members.get(REFERENCE.get(kind), []))
    rows = []
    for member, samples in members.items():
        samples = whole(samples)
        times = ""
        if reference:
            times = "{:.2f} ({:.2f} - {:.2f})".format(*ratio(samples, reference, "whole_s", "whole_s"))
        peak = max(sample.get("peak_kb", 0) for sample in samples)
        rows.append([task(kind, member), number(median(samples)), spread(samples), number(median(samples, "whole_s")),
                     times, number(median(samples, "client_cpu_s"), "{:.2f}"),
                     number(median(samples, "daemon_cpu_s"), "{:.2f}"),
                     number(median(samples, "server_cpu_s"), "{:.2f}"),
                     number(peak / MB, "{:.1f}") if peak else ""])
    head = ["", "s", "min - max", "whole s", "ratio of whole", "CPU client", "daemon", "server", "peak MB"]
    return table(head, rows)


def held_ratio(name, upper, lower, limit, upper_key="wall_s", lower_key="wall_s"):
    value, low, high = ratio(upper, lower, upper_key, lower_key)
    return {"name": name, "value": value, "min": low, "max": high, "unit": "x", "limit": limit,
            "of_s": median(upper, upper_key), "to_s": median(lower, lower_key)}


def held_value(name, samples, key, limit, unit, scale=1, worst=False):
    values = [sample[key] / scale for sample in samples]
    return {"name": name, "value": max(values) if worst else statistics.median(values), "min": min(values),
            "max": max(values), "unit": unit, "limit": limit}


def held(samples):
    """The figures the project holds itself to, as far as they were measured. limit None: only told."""
    rows = []

    def get(section, rtt, member):
        return samples.get((section, rtt), {}).get(member)

    def compare(name, upper, lower, limit, **keys):
        if upper and lower:
            rows.append(held_ratio(name, upper, lower, limit, **keys))

    local = get("warm", 0, "local")
    compare("warm grep, ro : same files on the disk", get("warm", 0, "imapfs ro"), local, 1.2)
    compare("warm grep, rw : same files on the disk", get("warm", 0, "imapfs rw"), local, 2.2)
    for rtt in sorted({rtt for section, rtt in samples if section == "cold"}):
        at = f" at {rtt} ms RTT" if rtt else ""
        cold, raw = get("cold", rtt, "imapfs"), get("cold", rtt, "raw")
        compare(f"cold grep{at} : raw FETCH", cold, raw, 2.0 if rtt in (0, 80) else None)
        compare(f"mount + cold grep{at} : raw, whole process", cold, raw, None,
                upper_key="total_s", lower_key="total_s")
        for peer, name in (("mbsync", "mbsync (FSync no) + grep"), ("mbsync fsync", "mbsync (default) + grep")):
            compare(f"mount + cold grep{at} : {name}", cold, get("cold", rtt, peer), None if rtt else 1.0,
                    upper_key="total_s")
    for rtt in sorted({rtt for section, rtt in samples if section == "list big"}):
        at = f" at {rtt} ms RTT" if rtt else ""
        compare(f"first ls of big{at} : raw FETCH of its attributes", get("list big", rtt, "imapfs ls"),
                get("list big", rtt, "raw"), None if rtt else 2.5)
    for rtt in sorted({rtt for section, rtt in samples if section == "second"}):
        at = f" at {rtt} ms RTT" if rtt else ""
        if get("second", rtt, "ls big"):
            rows.append(held_value(f"second mount + ls of big{at}", get("second", rtt, "ls big"), "wall_s",
                                   None if rtt else 1.0, "s"))
    for name, section, member, limit in (("first ls of big", "list big", "imapfs ls", 64),
                                         ("second mount + ls of big", "second", "ls big", 64),
                                         ("cold grep", "cold", "imapfs", None)):
        found = get(section, 0, member)
        if found:
            rows.append(held_value(f"peak memory, {name}", found, "peak_kb", limit, "MB", MB, worst=True))
    for row in rows:
        row["held"] = None if row["limit"] is None else row["value"] <= row["limit"]
    return rows


def held_table(rows, judge):
    def verdict(row):
        if row["held"] is None or not judge:
            return ""
        return "yes" if row["held"] else "NO"
    return table(["held to", "measured", "min - max", "limit", "held"],
                 [[row["name"], f"{row['value']:.2f} {row['unit']}", f"{row['min']:.2f} - {row['max']:.2f}",
                   "" if row["limit"] is None else f"{row['limit']:g} {row['unit']}", verdict(row)] for row in rows])


def markdown(info, results, rows):
    boxes = "; ".join(f"{box} {made['messages']:,} messages, {made['bytes']:,} bytes (median {made['median']:,}, "
                      f"p95 {made['p95']:,}, max {made['max']:,})" for box, made in info["boxes"].items())
    facts = info["facts"]
    out = [f"{info['date']}: {info['runs']} rounds; {facts['cpus']} CPUs ({facts['cpu']}), Linux {facts['kernel']}, "
           f"clients on {facts['disk']} ({info['disk_ms']:.2f} ms to make a file), "
           f"server's store on {facts['store']}, Dovecot {facts['dovecot']}, "
           f"{facts['mbsync']}, {facts['python']}; load {info['load'][0]:.1f} at the start, "
           f"{info['load'][1]:.1f} at the end.",
           f"Mailboxes: {boxes}."]
    if info["quick"]:
        out.append("A quick run: smaller mailboxes, too few rounds. It shows that everything works, not how fast it is.")
    for (section, rtt), members in results.samples.items():
        if any(members.values()):
            where = f" ({rtt} ms RTT)" if rtt else " (loopback)"
            out += [f"### {TITLES[section]}{where}", section_table(section, members)]
    if rows:
        out += ["### What imapfs is held to", held_table(rows, not info["quick"])]
    if results.failures:
        out += ["### Failed", "\n".join("- " + text for text in results.failures)]
    return "\n\n".join(out) + "\n"


def write_json(path, info, results, rows):
    samples = [{"section": section, "rtt_ms": rtt, "member": member, "samples": found}
               for (section, rtt), members in results.samples.items() for member, found in members.items()]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**info, "held": rows, "failures": results.failures, "measured": samples}, file, indent=1)
        file.write("\n")


BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write_doc(path, text):
    """Replaces the part of a document between the two marks."""
    with open(path, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    after = rest.partition(END)[2]
    if not after:
        raise ValueError(f"{path} has no marks for the figures")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
