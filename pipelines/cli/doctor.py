"""`tidemill doctor`: what this machine is, how fast it measures, and what would be slow or missing."""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from pipelines.cli.options import add_home, site_of

PACKAGES = ("dagster", "mlflow", "torch", "accelerate", "transformers", "peft", "datatrove", "pyarrow", "scrapy")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "neon", "asimd", "bf16")
LOW_DISK_GIB = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)


def run(options: argparse.Namespace) -> int:
    site = site_of(options)
    machine = {
        **_machine(),
        **_speed(),
        "disk_free_gib": _disk_free_gib(site.home),
        "versions": {package: version(package) for package in PACKAGES},
    }
    warnings = list(_warnings(machine))
    if options.json:
        print(json.dumps({**machine, "warnings": warnings}))
        return 0
    for name, value in machine.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' '):<28} {', '.join(shown) if isinstance(shown, list) else shown}")
    for warning in warnings:
        print(f"! {warning}")
    return 0


def _machine() -> dict[str, Any]:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    flags = next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "instructions": [name for name in INSTRUCTIONS if name in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "chromium": next(filter(None, map(shutil.which, BROWSERS)), "none"),
    }


def _speed() -> dict[str, Any]:
    """Matrix products and memory, measured: the peaks that training and decoding can be held against."""
    import torch

    from llm_core.train.peak import copy_bandwidth, matrix_product_rate

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    device = "cuda" if gpus else "cpu"
    return {
        "gpu": gpus or ["none"],
        "fp32_gflops": round(matrix_product_rate(torch.float32, device) / 1e9, 1),
        "bf16_gflops": round(matrix_product_rate(torch.bfloat16, device) / 1e9, 1),
        "memory_gb_per_s": round(copy_bandwidth(device) / 1e9, 1),
    }


def _disk_free_gib(home: Path) -> float:
    folder = next(parent for parent in (home, *home.parents) if parent.exists())
    return round(shutil.disk_usage(folder).free / 2**30, 1)


def _warnings(machine: dict[str, Any]) -> Iterator[str]:
    if machine["bf16_gflops"] < machine["fp32_gflops"]:
        yield "bf16 matrix products are slower than fp32 here: training chooses fp32 by itself"
    if machine["gpu"] == ["none"]:
        yield "no GPU: the demo's model is the size for this machine; `--profile gpu` would take days"
    if machine["chromium"] == "none":
        yield "no Chromium: browser tests are skipped (Debian: apt install chromium)"
    if machine["disk_free_gib"] < LOW_DISK_GIB:
        free = machine["disk_free_gib"]
        yield f"only {free} GiB free: the demo takes about 3; `tidemill collect` shows what can go"
    if sys.dont_write_bytecode:
        yield "PYTHONDONTWRITEBYTECODE is set: starts are slow unless bytecode was compiled (`make install` does it)"
