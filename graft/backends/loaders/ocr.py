"""Text of pictures, by RapidOCR on ONNX Runtime (the extra `ocr`): PaddleOCR's small models, which its package ships.

Chosen over Tesseract because pip installs all of it: no system package, no download of models (95 MB with ONNX Runtime
and OpenCV; Apache-2.0). It reads Latin script, Chinese and Japanese. Knows nothing of PDF.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

_MIN_SCORE = 0.5
INSTALL = "pip install 'graft-llm[ocr]'"


def available() -> bool:
    """Whether the extra is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


def recognise(picture: Any) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield (text, left, top, right, bottom) in pixels of each line of a picture (an array [height, width, 3])."""
    found = _engine()(picture)
    if found.boxes is None:
        return
    for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        if score >= _MIN_SCORE and text.strip():
            across, down = [float(point[0]) for point in box], [float(point[1]) for point in box]
            yield text, min(across), min(down), max(across), max(down)


@cache
def _engine() -> Any:
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    module = importlib.import_module("rapidocr")
    # One thread: workers read several files at once.
    return module.RapidOCR(params={
        "Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    })  # fmt: skip
