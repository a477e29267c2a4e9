"""Sphinx reads the pages as MyST Markdown."""

import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "spawnpenny"
author = "The spawnpenny contributors"
extensions = [
    "code_host",
    "plugin_api",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.mermaid",
]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

# The plugin API, from its docstrings.
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Pictures are drawn when the pages are built: no script in a page, and nothing from elsewhere.
mermaid_cmd = shlex.join([sys.executable, "-m", "mermaidx", "--quiet"])
mermaid_output_format = "svg"

html_title = "spawnpenny"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["pictures.css"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
