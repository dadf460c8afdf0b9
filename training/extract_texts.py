"""Takes the prose out of the unpacked Debian packages: python extract_texts.py ROOT OUT (see fetch-data.sh)."""
import gzip
import html
import re
import struct
import sys
import zlib
from pathlib import Path

NOVELS = 6
BLOCK = struct.Struct("<III")  # offset, compressed size, size


def r_strings(blob: bytes) -> list[str]:
    """The strings of a serialized R character vector (XDR)."""
    at = blob.index(b"\x00\x00\x00\x10")
    count, at, out = struct.unpack_from(">I", blob, at + 4)[0], at + 8, []
    for _ in range(count):
        size = struct.unpack_from(">i", blob, at + 4)[0]
        out.append(blob[at + 8: at + 8 + size].decode("utf8"))
        at += 8 + size
    return out


def austen(root: Path) -> str:
    """An R lazy-load database: blocks of a big-endian length and a zlib stream, one a novel, in alphabetical order."""
    blob, at, novels = (root / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes(), 0, []
    while at < len(blob) and len(novels) < NOVELS:
        novels.append("\n".join(r_strings(zlib.decompressobj().decompress(blob[at + 4:]))) + "\n\n")
        at = next_block(blob, at + 4)
    return "".join(novels)


def next_block(blob: bytes, at: int) -> int:
    inflate = zlib.decompressobj()
    inflate.decompress(blob[at:])
    return len(blob) - len(inflate.unused_data)


def sword(folder: Path, letter: str, entry: struct.Struct) -> str:
    """A compressed SWORD module, one entry a line: .?zz compressed blocks, .?zs where they are, .?zv the entries."""
    lines: list[str] = []
    for part in ("ot", "nt"):
        data, index, verses = ((folder / f"{part}.{letter}z{kind}").read_bytes() for kind in "zsv")
        blocks = [zlib.decompress(data[o: o + n]) for o, n, _ in BLOCK.iter_unpack(index)]
        for block, offset, size in entry.iter_unpack(verses):
            if size == 0:
                continue
            text = blocks[block][offset: offset + size].decode("utf8", "replace")
            text = re.sub(r"<note.*?</note>", "", text, flags=re.S)
            text = re.sub(r"[ \t\r\n]+", " ", html.unescape(re.sub(r"<[^>]*>", "", text))).strip(" ")
            if text and text not in lines[-1:]:  # verses that share an entry repeat it
                lines.append(text)
    return "\n".join(lines)


def main(root: Path, out: Path) -> None:
    modules = root / "usr/share/sword/modules"
    texts = {
        "austen": austen(root),
        "treasury-of-david": sword(modules / "comments/zcom/tdavid", "c", struct.Struct("<III")),
        "world-english-bible": sword(modules / "texts/ztext/engWEB2015eb", "b", struct.Struct("<IIH")),
    }
    for name, text in texts.items():
        with gzip.GzipFile(out / f"{name}.txt.gz", "wb", mtime=0) as f:
            f.write(text.encode())
        print(name, f"{len(text):,} characters")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
