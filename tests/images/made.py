"""Image files for tests, right ones and hostile ones."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.images.decoding import Decoded, decode

SIZE = 32


def read(path: Path, *, size: int = SIZE, channels: int = 3, max_pixels: int = 10**7) -> Decoded:
    return decode(
        path,
        root=path.parent,
        size=size,
        channels=channels,
        max_pixels=max_pixels,
        name=path.name,
    )


def photo(size: int = 64, seed: int = 0) -> Image.Image:
    """Smooth spots, whose left top is the reddest."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    coarse[:2, :2] = (255, 0, 0)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(
    width: int,
    height: int,
    data: bytes = b"",
    *,
    depth: int = 8,
    colour: int = 0,
    extra: bytes = b"",
) -> bytes:
    """A PNG with any header; `data` are the rows, each behind its filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(data)) if data else b""
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body + end


def tiff(entries: list[tuple[int, int, int]], following: int, pixels: bytes = b"\x80") -> bytes:
    """A TIFF of grey pixels with these (tag, width in bytes 2 or 4, value) and a next directory."""
    known = dict.fromkeys([256, 257, 277, 278], 1) | {258: 8, 259: 1, 262: 1, 279: len(pixels)}
    known |= {tag: value for tag, _, value in entries}
    known[273] = 8
    place = 8 + len(pixels) + len(pixels) % 2
    head = b"II*\0" + struct.pack("<I", place) + pixels.ljust(place - 8, b"\0")
    body = b"".join(struct.pack("<HHII", tag, 4, 1, known[tag]) for tag in sorted(known))
    return head + struct.pack("<H", len(known)) + body + struct.pack("<I", following)


def gif(width: int, height: int) -> bytes:
    """One pixel on a canvas of any size."""
    pixel = b",\0\0\0\0\1\0\1\0\0\2\2L\1\0"
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0)
    return b"GIF89a" + screen + b"\xff\0\0\0\0\xff" + pixel + b";"


def bmp(width: int, height: int, rows: bytes) -> bytes:
    """24 bits a pixel; a negative height is from the top."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + info + rows
