"""Which formats are read, what a file seems to be by its first bytes, what its header claims."""

import struct

# Those that images of data sets come in. Others have decoders that few have looked through
# (JPEG 2000, PSD, ICNS), or run a program on the file (EPS).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MOST_FRAMES = 1000  # counted, of an animation or a TIFF

_STARTS = {
    b"\xff\xd8\xff": "a damaged JPEG",
    b"\x89PNG": "a damaged PNG",
    b"GIF8": "a damaged GIF",
    b"BM": "a damaged BMP",
    b"II*\0": "a damaged TIFF",
    b"MM\0*": "a damaged TIFF",
    b"II+\0": "a damaged TIFF",
    b"MM\0+": "a damaged TIFF",
    b"%PDF": "a PDF",
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"8BPS": "a PSD",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\0\0\x01\0": "an icon",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"version https://git-lfs": "a Git LFS pointer (`git lfs pull` fetches the file)",
}


def seems(content: bytes) -> str:
    """What a file that is none of `FORMATS` is, for a message."""
    for start, kind in _STARTS.items():
        if content.startswith(start):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "a damaged WEBP"
    if content[4:8] == b"ftyp":
        return f"{content[8:12].decode('ascii', 'replace').strip()} (HEIC, AVIF or a video)"
    head = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "SVG, which has no pixels"
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if not content.strip(b"\0"):
        return "zero bytes only"
    try:
        content[:1000].decode()
    except UnicodeDecodeError as error:
        return "text" if error.start > 990 else "something else"
    return "text" if b"\0" not in content[:1000] else "something else"


def webp_size(content: bytes) -> tuple[int, int]:
    """Width and height that a WEBP claims: its decoder takes memory for them when it opens it.

    (0, 0) where the header is none that the decoder knows.
    """
    chunk = content[12:16]
    if chunk == b"VP8X" and len(content) >= 30:
        wide, high = content[24:27] + b"\0", content[27:30] + b"\0"
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if chunk == b"VP8L" and len(content) >= 25:
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(content) >= 30:
        wide, high = struct.unpack_from("<HH", content, 26)
        return wide & 0x3FFF, high & 0x3FFF
    return 0, 0


def frames(content: bytes, kind: str, said: int) -> int:
    """How many frames a file has, at most `MOST_FRAMES`: a hostile one has millions, or a circle.

    Args:
        content: the file.
        kind: its format.
        said: what the decoder says, of formats whose header has the number.
    """
    if kind == "GIF":
        return _gif_frames(content)
    if kind == "TIFF":
        return _tiff_frames(content)
    return max(1, min(said, MOST_FRAMES))


def _gif_frames(content: bytes) -> int:
    count, place = 0, 13 + _colours(content[10:11])
    while place < len(content) and count < MOST_FRAMES:
        block = content[place]
        if block == 0x2C:
            count += 1
            place += 11 + _colours(content[place + 9 : place + 10])
        elif block == 0x21:
            place += 2
        else:
            break
        while place < len(content) and content[place]:
            place += content[place] + 1
        place += 1
    return max(1, count)


def _colours(flags: bytes) -> int:
    """Bytes of the palette that these flags announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _tiff_frames(content: bytes) -> int:
    order = "<" if content[:1] == b"I" else ">"
    big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
    number, entry, offset = (
        (f"{order}Q", 20, f"{order}Q") if big else (f"{order}H", 12, f"{order}L")
    )
    seen: set[int] = set()
    try:
        (place,) = struct.unpack_from(offset, content, 8 if big else 4)
        while place and place not in seen and len(seen) < MOST_FRAMES:
            (entries,) = struct.unpack_from(number, content, place)
            seen.add(place)
            end = place + struct.calcsize(number) + entries * entry
            (place,) = struct.unpack_from(offset, content, end)
    except struct.error:  # the chain ends nowhere
        pass
    return max(1, len(seen))
