import inspect
import sys
from pathlib import Path
from typing import ClassVar

# Before earmark, so that signatures show the shapes of arrays.
import jaxtyping  # noqa: F401
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import earmark

sys.path.insert(0, str(Path(__file__).parent))
import settings_tables

project = "earmark"
author = "The earmark authors"
copyright = f"2026, {author}"
version = release = earmark.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"earmark {release}"
html_show_copyright = False

# Names between single backticks in docstrings become links where they can.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "returns_style")]


class SettingsTables(SphinxDirective):
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        for section in settings_tables.SECTIONS.values():
            self.env.note_dependency(inspect.getfile(section))
        self.env.note_dependency(settings_tables.__file__)
        return self.parse_text_to_nodes(settings_tables.render(), allow_section_headings=True)


def _keep_colons(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    # Napoleon reads what precedes a colon in the first line as the type.
    if what in {"attribute", "data", "property"}:
        lines.insert(0, "")


def _replace_factories(app: Sphinx, what: str, name: str, obj: object, *rest: object) -> object:
    # "<factory>" is not valid Python: Sphinx would print the signature without types.
    _, signature, returns = rest
    if isinstance(signature, str) and "<factory>" in signature:
        return signature.replace("<factory>", "..."), returns
    return None


def _write_live_page(app: Sphinx, error: Exception | None) -> None:
    # Not in every build: the runtime of the page comes from npm, which needs a network once.
    if error is None and app.tags.has("page"):
        earmark.export("speech-music", Path(app.outdir) / "live", to="web")


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _write_live_page)
    app.add_directive("settings-tables", SettingsTables)
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)
    app.connect("autodoc-process-signature", _replace_factories)
