"""Lets torchaudio and torchvision be imported without their compiled libraries.

Their wheels in the registry are built for CUDA: beside a PyTorch for the processor alone,
torchaudio 2.11 cannot load its library, and torchvision 0.28 declares operators that do not exist.
What the peers use of them, spectrograms, resampling, networks and image transforms, is plain
Python. So the modules that load those libraries are replaced by empty ones before the first import.
"""

import sys
from types import ModuleType


def do_without_compiled_parts() -> None:
    """Replaces the modules of both packages that load compiled libraries; call it first of all."""
    audio = ModuleType("torchaudio._extension")
    vars(audio).update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=lambda function: function
    )
    sys.modules[audio.__name__] = audio
    for name in ("_meta_registrations", "_autograd_registrations"):
        sys.modules[f"torchvision.{name}"] = ModuleType(f"torchvision.{name}")
