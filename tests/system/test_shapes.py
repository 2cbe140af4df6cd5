"""Shapes are checked in tests, and cost nothing elsewhere."""

import subprocess
import sys

import jaxtyping

from earmark.system.shapes import Float32


def test_shapes_are_those_of_jaxtyping_where_it_is_imported():
    assert Float32 is jaxtyping.Float32


def test_shapes_are_plain_arrays_elsewhere():
    code = (
        "import sys, numpy; from earmark.system.shapes import Float32;"
        "print(Float32[numpy.ndarray, 'rows'] is numpy.ndarray, 'jaxtyping' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["True", "False"]
