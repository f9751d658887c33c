#!/usr/bin/env python3
"""Records the pictures of the README from a run of the program.

    docs/pictures/make.py [PROGRAM]

PROGRAM is `tenantry` by default. The script runs it on the sample files in a temporary directory and writes `terminal.svg` beside
itself. Some commands are shown with the lines that matter, and the colours are this script's.
Where Chromium is installed, it also writes `report.png`, a picture of the report page. It needs the standard library alone.
"""

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = 100
CELL, LINE, MARGIN, BAR = 8.0, 18, 16, 34
INK, DIM, PROMPT, RED, GREEN = "#d8dee9", "#7b88a1", "#88c0d0", "#d08770", "#a3be8c"

FAULTY = """\
customer,user_principal_name,first_name,last_name,usage_location,licenses
CRM-1003,amy.fox@graysonlogistics.onmicrosoft.com,Amy,Fox,US,SPE_E3
CRM-1003,toby.lane@graysonlogistics.onmicrosoft.com,Toby,Lane,UK,SPE_E5
fjordbakeri.onmicrosoft.com,leif.aas@fjordbakerri.onmicrosoft.com,Leif,Aas,NO,
"""

LEAVERS = """\
customer,user_principal_name,reason
alpenblickhotels.onmicrosoft.com,luc.perrin@alpenblickhotels.onmicrosoft.com,Season contract ended
"""


class Recorder:
    """Runs commands in a directory and keeps what a reader would see."""

    def __init__(self, program, directory):
        self.program, self.directory, self.lines = program, directory, []

    def run(self, *arguments):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "USER": "ben", "LANG": "C.UTF-8"}
        ended = subprocess.run(
            [self.program, *arguments],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return ended.stdout.replace(str(self.directory), "…")

    def show(self, *arguments, only=None):
        """Runs a command and records it; `only` selects lines of its output by a pattern."""
        self.lines.append(("prompt", "tenantry " + " ".join(arguments)))
        for line in self.run(*arguments).splitlines():
            if only is None or re.search(only, line):
                self.lines.append(("output", line))

    def last_job(self):
        return re.search(r'"job":"([^"]+)"', self.run("jobs", "--limit", "1", "--json")).group(1)


def wrapped(lines):
    """The lines as a terminal of COLUMNS shows them, each with its colour."""
    for kind, line in lines:
        shown, ink = "$ " + line if kind == "prompt" else line, colour(kind, line)
        yield ink, shown[:COLUMNS]
        for at in range(COLUMNS, len(shown), COLUMNS):
            yield ink, shown[at : at + COLUMNS]


def colour(kind, line):
    if kind == "prompt":
        return PROMPT
    if re.search(r"^error:|rejected|\[[a-z-]+\]|faults|destructive|needs approval|nothing was applied", line):
        return RED
    if re.search(r"\d applied of|completed", line):
        return GREEN
    if re.match(r"(job|input|submitted|started|finished|results|receipt|plan|hint)\b", line):
        return DIM
    return INK


def svg(lines):
    shown = list(wrapped(lines))
    width, height = round(COLUMNS * CELL + 2 * MARGIN), BAR + len(shown) * LINE + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        "<title>A terminal: tenantry checks a file, applies its good rows, and plans a deletion</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#232833"/>',
    ]
    for at, dot in enumerate(("#bf616a", "#ebcb8b", "#a3be8c")):
        parts.append(f'<circle cx="{MARGIN + 6 + at * 20}" cy="{BAR // 2}" r="6" fill="{dot}"/>')
    parts.append('<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" font-size="13">')
    for at, (ink, line) in enumerate(shown):
        if not line.strip():
            continue
        # A stated length keeps columns in place, whichever font there is.
        length = f'textLength="{len(line) * CELL:.0f}" lengthAdjust="spacingAndGlyphs"'
        parts.append(
            f'<text xml:space="preserve" x="{MARGIN}" y="{BAR + at * LINE + 13}" fill="{ink}" {length}>{html.escape(line)}</text>'
        )
    parts.append("</g></svg>")
    return "\n".join(parts) + "\n"


def record(program, directory):
    recorder = Recorder(program, directory)
    for kind in ("add-customer", "set-seats"):
        (directory / f"{kind}.csv").write_text(recorder.run("template", kind, "--sample"))
        recorder.run("run", kind, f"{kind}.csv")
    shutil.copy(HERE.parents[1] / "tests/fixtures/onboarding.csv", directory)
    recorder.run("run", "bulk-add-users", "onboarding.csv", "--no-passwords", "--skip-invalid")
    recorder.run("report", recorder.last_job(), "--html", "report.html")
    (directory / "users.csv").write_text(FAULTY)
    (directory / "leavers.csv").write_text(LEAVERS)
    recorder.show("run", "bulk-add-users", "users.csv", "--no-passwords")
    recorder.lines.append(("output", ""))
    recorder.show("run", "bulk-add-users", "users.csv", "--no-passwords", "--skip-invalid", "--out", "first", only=r"^(kind|state|rows|results|rejects)\b")
    recorder.lines.append(("output", ""))
    recorder.show("plan", "delete-users", "leavers.csv", "--out", "plan.json", only=r"^(line|    (status|licenses|display)|\d+ row|users|destr|undo|needs|hint)")
    return recorder.lines


def picture_of_page(page, target):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        print("Chromium is not installed: report.png stays as it is", file=sys.stderr)
        return
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=980,1000"]
    subprocess.run([browser, *options, f"--screenshot={target}", page.as_uri()], check=True, stderr=subprocess.DEVNULL)


def main():
    program = shutil.which(sys.argv[1] if len(sys.argv) > 1 else "tenantry")
    if program is None:
        sys.exit("there is no such program: name it, or put it on PATH")
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        lines = record(str(Path(program).resolve()), directory)
        (HERE / "terminal.svg").write_text(svg(lines))
        picture_of_page(directory / "report.html", HERE / "report.png")


if __name__ == "__main__":
    main()
