"""Draw the pipeline of a lab, as ``spawnpenny pipeline`` prints it, into docs/explanation/spawns.md.

.venv/bin/python tools/pipeline_picture.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "spawns.md"
BLOCK = re.compile(r"(<!-- pipeline: begin -->\n\n).*?(\n<!-- pipeline: end -->)", re.DOTALL)
STEP = re.compile(r"^   (\S+) +([\w-]+), scope (\w+): (.*)$", re.MULTILINE)
REASON = re.compile(r"needs (?P<needs>[^\s;]+)|(?P<before>\S+) says before [^\s;]+|after (?P<after>[^\s;]+)")


def printed() -> str:
    """Return what ``spawnpenny pipeline`` prints with the default settings."""
    command = [sys.executable, "-m", "spawnpenny", "pipeline"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own command


def picture(text: str) -> str:
    """Return the pipeline as a Mermaid flowchart: an arrow leads to each step from those that it waits for."""
    steps = {name: (plugin, scope) for name, plugin, scope, _ in STEP.findall(text)}
    waits: dict[str, set[str]] = {}
    for name, _, _, reasons in STEP.findall(text):
        found = (match[match.lastgroup or 0] for match in REASON.finditer(reasons))
        waits[name] = {other for other in found if other in steps}
    chart = ["```mermaid", "flowchart LR"]
    for scope, title in (("user", "for the user, once"), ("spawn", "for each lab")):
        chart.append(f'    subgraph {scope}s["{title}"]')
        chart += [f'        {name}["{name}"]' for name, (_, its) in steps.items() if its == scope]
        chart.append("    end")
    chart += [f"    {other} --> {name}" for name in steps for other in sorted(_direct(name, waits))]
    return "\n".join([*chart, "```", ""])


def _direct(name: str, waits: dict[str, set[str]]) -> set[str]:
    """Return the steps that a step waits for, less those that another one of them waits for already."""
    order = list(TopologicalSorter(waits).static_order())
    before: dict[str, set[str]] = {}
    for step in order:
        before[step] = waits[step].union(*(before[other] for other in waits[step]))
    return {other for other in waits[name] if not any(other in before[third] for third in waits[name])}


def drawn(page: str) -> str:
    """Return the page with the picture of now."""
    return BLOCK.sub(lambda match: f"{match[1]}{picture(printed())}{match[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
