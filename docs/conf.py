"""Sphinx reads the pages as MyST Markdown."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "spawnpenny"
author = "The spawnpenny contributors"
extensions = ["code_host", "myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_title = "spawnpenny"
