"""The one part of the build that pyproject.toml cannot say: the optional extension modules of the batch room, one wheel a platform."""

from setuptools import setup

setup(
    cffi_modules=["offlinepin/batch/_kernel_build.py:ffi", "offlinepin/batch/_loops_build.py:ffi"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
