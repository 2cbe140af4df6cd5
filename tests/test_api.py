"""The public API: `import earmark` offers each name, and loads nothing until one is used."""

import ast
import doctest
import importlib
import inspect
import json
import pickle
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import earmark
from earmark.errors import EXTRAS, MissingExtraError

ROOT = Path(__file__).parents[1]
FUNCTIONS = {
    *("check", "compare", "cross_validate", "evaluate", "export", "import_labels"),
    *(
        "load_audio",
        "load_config",
        "load_model",
        "predict",
        "prepare",
        "read_manifest",
        "train",
        "tune",
    ),
}
CLASSES = {"Classifier", "Config", "FailedFile", "LogMel", "Manifest", "Prediction", "Segment"}
ERRORS = {
    *("AudioError", "CheckpointError", "ConfigError", "DataError", "EarmarkError", "ExportError"),
    *("MissingExtraError", "RemoteError", "StoreError", "TrainingError"),
}


def run_python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_these_names_are_public():
    assert set(earmark.__all__) == FUNCTIONS | CLASSES | ERRORS
    assert earmark.__all__ == sorted(earmark.__all__)
    assert set(earmark.__all__) <= set(dir(earmark))
    with pytest.raises(AttributeError):
        _ = earmark.no_such_name


def test_type_checkers_see_the_names_where_they_are():
    tree = ast.parse(Path(earmark.__file__).read_text(encoding="utf-8"))
    checking = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        name.name: node.module
        for node in checking.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert seen == earmark._MODULE_OF


@pytest.mark.parametrize("name", sorted(FUNCTIONS | CLASSES | ERRORS))
def test_each_name_is_what_it_says(name):
    value = getattr(earmark, name)
    assert value.__name__ == name
    assert value.__module__.startswith("earmark.")
    assert inspect.isclass(value) == (name not in FUNCTIONS)
    assert (inspect.isclass(value) and issubclass(value, earmark.EarmarkError)) == (name in ERRORS)


@pytest.mark.parametrize("name", sorted(FUNCTIONS | CLASSES))
def test_each_docstring_has_an_example_that_the_doctests_run(name):
    value = getattr(earmark, name)
    tests = doctest.DocTestFinder().find(value)
    examples = [one for test in tests for one in test.examples if doctest.SKIP not in one.options]
    assert examples, f"{value.__module__}.{name} has no example"


def test_every_subclass_of_the_error_is_public():
    def below(error):
        return {error.__name__} | {name for one in error.__subclasses__() for name in below(one)}

    assert below(earmark.EarmarkError) == ERRORS


def test_importing_earmark_loads_no_other_package():
    code = """if True:
        import sys, json
        before = set(sys.modules)
        import earmark
        loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(json.dumps(sorted(loaded - set(sys.stdlib_module_names))))
    """
    assert run_python(code) == ["earmark"]


def test_modules_do_not_replace_the_functions():
    for module in pkgutil.walk_packages(earmark.__path__, "earmark."):
        if module.name != "earmark.__main__":
            importlib.import_module(module.name)
    assert {type(getattr(earmark, name)).__name__ for name in FUNCTIONS} == {"function"}
    assert not FUNCTIONS & {one.name for one in pkgutil.iter_modules(earmark.__path__)}


def test_the_extras_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    packages = {
        "cycler": "matplotlib",
        "markupsafe": "jinja2",
        "paho": "paho-mqtt",
        "prometheus_client": "prometheus-client",
        "sklearn": "scikit-learn",
        "sqlalchemy": "optuna",
        "starlette": "fastapi",
    }
    for package, (_, extra) in EXTRAS.items():
        names = {re.split("[>[]", one)[0] for one in extras[extra]}
        assert packages.get(package, package) in names
    for verb in ("export", "tune"):
        assert "earmark[train]" in extras[MissingExtraError(verb, "torch").extra]


def test_a_missing_extra_stays_one_between_processes():
    error = pickle.loads(pickle.dumps(MissingExtraError("tune", "torch")))
    assert (error.user, error.package, error.extra) == ("tune", "torch", "tune")
    assert error.exit_status == 2


ON_THE_BASE_INSTALL = f"""if True:
    import contextlib, io, json, pydoc, sys
    for package in {tuple(EXTRAS)}:
        sys.modules[package] = None
    from pathlib import Path
    from click.testing import CliRunner
    from earmark.cli import cli

    def run(*arguments):
        done = CliRunner().invoke(cli, arguments)
        return done.exit_code, done.stdout, done.stderr

    demo, sound, folder = sys.argv[1:]
    run_folder = str(Path(folder, "run"))
    Path(folder, "model.safetensors").touch()
    commands = {{
        "train": ("train", demo, "-o", run_folder),
        "tune": ("tune", demo, "-o", run_folder),
        "cross-validate": ("cross-validate", demo),
        "evaluate": ("evaluate", run_folder, demo),
        "compare": ("compare", run_folder, run_folder, demo),
        "check": ("check", demo),
        "prepare": ("prepare", demo, "-o", run_folder),
        "export": ("export", run_folder, "-o", str(Path(folder, "a.onnx"))),
        "listen": ("listen", "speech-music"),
        "demo": ("demo", "-o", run_folder),
        "model list": ("model", "list"),
        "model summary": ("model", "summary"),
        "predict table": ("predict", "speech-music", sound, "-o", str(Path(folder, "a.parquet"))),
        "predict checkpoint": ("predict", str(Path(folder, "model.safetensors")), sound),
        "help": ("--help",),
        "predict help": ("predict", "--help"),
        "predict": ("predict", "speech-music", sound, "--json", "--segments"),
    }}
    found = {{name: run(*arguments) for name, arguments in commands.items()}}
    import earmark
    names = {{name: getattr(earmark, name) for name in earmark.__all__}}
    pydoc.render_doc(earmark)
    try:
        names["train"](demo, run_folder)
    except earmark.MissingExtraError as error:
        found["earmark.train"] = 2, "", f"{{error}}\\n"
    found["loaded"] = sorted({{name.partition(".")[0] for name in sys.modules}})
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def base_install(tmp_path_factory, write_clip):
    """Exit status, output and errors of each command where no extra is installed."""
    folder = tmp_path_factory.mktemp("base")
    sound = write_clip(folder / "a.wav", 2.0)
    demo = Path(earmark.__file__).parent / "demo_data"
    return run_python(ON_THE_BASE_INSTALL, *map(str, (demo, sound, folder)))


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        *((name, "train") for name in ("train", "cross-validate", "evaluate", "compare")),
        *((name, "train") for name in ("check", "demo", "predict checkpoint")),
        *((name, "train") for name in ("model list", "model summary", "earmark.train")),
        *(("tune", "tune"), ("export", "onnx"), ("listen", "mic"), ("predict table", "parquet")),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(base_install, command, extra):
    status, output, error = base_install[command]
    assert (status, output) == (2, ""), error
    assert error.count("\n") == 1, error
    assert f"pip install 'earmark[{extra}]'" in error


def test_prediction_needs_no_extra(base_install):
    assert base_install["help"][0] == base_install["predict help"][0] == 0
    status, output, error = base_install["predict"]
    assert (status, error) == (0, "")
    line = json.loads(output)
    assert set(line["probabilities"]) == {"music", "speech"}
    assert line["segments"]


def test_every_package_of_an_extra_that_is_imported_is_named():
    """A package that is missing from the table would be an internal error on the base install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {one.partition(">")[0].replace("-", "_") for one in project["dependencies"]}
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    # Shapes are checked with jaxtyping in tests alone.
    others = imported - set(sys.stdlib_module_names) - base - {"earmark", "jaxtyping"}
    assert others == set(EXTRAS)
