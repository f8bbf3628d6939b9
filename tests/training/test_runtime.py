from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from glasshouse.params import read_view
from glasshouse.training.runtime import training_seed

COUNT_FAULTS = """
import ctypes, resource, sys
from glasshouse.training.runtime import keep_memory

if sys.argv[1] == "keep":
    assert keep_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes, c.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
for turn in range(5):
    if turn == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = c.malloc(48 << 20)
    c.memset(block, 1, 48 << 20)
    c.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
STEP = """
import hashlib, os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
from glasshouse.training.runtime import prepare_runtime

prepare_runtime(7)
import keras, numpy as np, tensorflow as tf

x = tf.constant(np.random.default_rng(0).normal(size=(16, 32, 32, 24)).astype(np.float32))
convolution, norm = keras.layers.Conv2D(32, 3, padding="same"), keras.layers.BatchNormalization()
with tf.GradientTape() as tape:
    loss = tf.reduce_mean(tf.square(norm(convolution(x), training=True)[..., :7] - 0.5))
variables = convolution.trainable_variables + norm.trainable_variables
slopes = [slope.numpy().tobytes() for slope in tape.gradient(loss, variables)]
print(hashlib.sha256(b"".join(slopes)).hexdigest())
"""
PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.mark.parametrize("stage", ["train_head", "fine_tune"])
def test_the_trainings_seed_is_the_sum_of_both(stage: str, tmp_path: Path) -> None:
    text = PARAMS.read_text(encoding="utf-8")
    changed = tmp_path / "params.yaml"
    changed.write_text(text.replace("\nseed: 7 ", "\nseed: 40 ").replace("\n  seed: 0 ", "\n  seed: 2 "))
    assert training_seed(read_view(stage, PARAMS)) == 7
    assert training_seed(read_view(stage, changed)) == 42


def test_data_and_split_do_not_follow_the_models_seed() -> None:
    for stage in ("download", "split", "preprocess"):
        with pytest.raises(AttributeError, match=r"seed|model"):
            training_seed(read_view(stage, PARAMS))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_memory_once_freed_is_not_cleared_by_the_system_again() -> None:
    def count(mode: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", COUNT_FAULTS, mode], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    # 48 MB are 12,288 pages of 4 KB (24 of 2 MB where the system gives such), in each of four turns.
    assert count("keep") * 10 < count("leave")


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two processors"
)
def test_the_number_of_threads_decides_the_bytes_and_not_that_of_the_processors() -> None:
    def digest(processors: int, threads: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", STEP, str(processors)],
            env={**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    assert digest(1, 2) == digest(2, 2)
