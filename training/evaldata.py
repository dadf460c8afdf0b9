"""Writes the evaluation and calibration data that the repository ships, compact and without timestamps."""
import gzip
import hashlib
import json

import numpy as np

import data
from common import SAMPLES, log
from data import LM_DATA, TAGGER_DATA

FASHION_DATA = SAMPLES / "fashion-data"
WINDOW, EVAL_WINDOWS, CALIBRATION_WINDOWS = 256, 100, 32  # calibration windows are per source
TAGGER_EVAL, TAGGER_CALIBRATION = 400, 64


def write(path, payload: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(payload, 9, mtime=0))
    log("data", f"{path.parent.name}/{path.name}: {path.stat().st_size:,} bytes")


def fashion() -> None:
    for part, (images, labels) in {"test": data.fashion("t10k"), "calib": data.fashion_calibration()}.items():
        write(FASHION_DATA / f"{part}-images.bin.gz", images.tobytes())
        write(FASHION_DATA / f"{part}-labels.bin.gz", labels.tobytes())
    about = {"layout": "uint8 [n, 28, 28], gzip", "test": 10000, "calibration": data.CALIBRATION_IMAGES,
             "classes": data.FASHION_CLASSES, "licence": "MIT (Zalando SE)",
             "source": "Fashion-MNIST, Debian package dataset-fashion-mnist; calibration images are training images"}
    (FASHION_DATA / "about.json").write_text(json.dumps(about, indent=1) + "\n")


def eval_ids() -> np.ndarray:
    """The first windows of Persuasion, and one token more: the target of the last."""
    return data.lm_tokens()["persuasion"][: EVAL_WINDOWS * WINDOW + 1]


def calibration_ids() -> np.ndarray:
    """As many windows from each training text, from a place drawn with a fixed seed."""
    rng, tokens, parts = np.random.default_rng(64), data.lm_tokens(), []
    for source in data.SOURCES:
        at = int(rng.integers(0, len(tokens[source]) - CALIBRATION_WINDOWS * WINDOW))
        parts.append(tokens[source][at: at + CALIBRATION_WINDOWS * WINDOW])
    return np.concatenate(parts)


def language() -> None:
    bpe, about = data.tokenizer(), {}
    for name, ids in {"persuasion-eval": eval_ids(), "calib": calibration_ids()}.items():
        text = bpe.decode(ids.tolist(), skip_special_tokens=False)
        write(LM_DATA / f"{name}.txt.gz", text.encode())
        write(LM_DATA / f"{name}.ids.bin.gz", ids.astype("<u2").tobytes())
        about[name] = {"text": f"{name}.txt.gz", "ids": f"{name}.ids.bin.gz", "bytes": len(text.encode()),
                       "tokens": len(ids), "ids_sha256": hashlib.sha256(ids.astype("<u2").tobytes()).hexdigest(),
                       "encoding_the_text_gives_the_ids": bpe.encode(text).ids == ids.tolist()}
    about["persuasion-eval"] |= {"windows": EVAL_WINDOWS, "window_tokens": WINDOW}
    about["calib"] |= {"windows": CALIBRATION_WINDOWS * len(data.SOURCES), "window_tokens": WINDOW, "sources": data.SOURCES}
    about["rule"] = ("Window i feeds ids[i*W .. i*W+W) and is scored on ids[i*W+1 .. i*W+W+1): every token but the first "
                     "is scored once, windows do not see each other. Bits per byte: sum of -log2 p over the bytes that "
                     "the scored tokens stand for. Perplexity is per token. Ids are uint16, little endian.")
    (LM_DATA / "windows.json").write_text(json.dumps(about, indent=1) + "\n")


def tagger() -> None:
    splits = data.brown()
    vocab = data.tagger_vocabulary(splits["train"])
    for name, split, n in (("eval", "test", TAGGER_EVAL), ("calib", "train", TAGGER_CALIBRATION)):
        short = [s for s in splits[split] if len(data.encode_sentences([s], vocab)) == 1]
        pick = np.sort(np.random.default_rng(400).choice(len(short), n, replace=False))
        rows = []
        for sentence in (short[i] for i in pick):
            ids, starts, _ = data.encode_sentences([sentence], vocab)[0]
            rows.append({"words": [w for w, _ in sentence], "tags": [t for _, t in sentence], "ids": ids, "starts": starts})
        about = {"source": f"Brown corpus, {split} split (by file)", "starts": "index of each word's first piece"}
        write(TAGGER_DATA / f"{name}.json.gz", json.dumps(about | {"sentences": rows}, ensure_ascii=False).encode())


if __name__ == "__main__":
    fashion()
    language()
    tagger()
