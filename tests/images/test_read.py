"""Images that are unusual and right."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from tests.images import made
from tests.images.made import SIZE, encoded, photo, read

FORMATS = {
    "a.jpg": ("JPEG", 6),
    "a.png": ("PNG", 0),
    "a.gif": ("GIF", 12),
    "a.bmp": ("BMP", 0),
    "a.tif": ("TIFF", 0),
    "a.webp": ("WEBP", 8),
    "a.ppm": ("PPM", 0),
}


def put(tmp_path, content, name="x.jpg"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_told_by_content(tmp_path, name):
    kind, most = FORMATS[name]
    image = photo(SIZE)
    found = read(put(tmp_path, encoded(image, kind), "wrong.ending"))
    assert found.pixels.shape == (SIZE, SIZE, 3)
    assert found.pixels.dtype == np.uint8
    differ = np.abs(found.pixels.astype(int) - np.asarray(image))
    assert differ.mean() <= most
    facts = found.facts
    assert (facts.format, facts.width, facts.height, facts.frames) == (kind, SIZE, SIZE, 1)
    assert len(facts.sha256) == len(facts.hash) == 64


def test_grey_is_wanted(tmp_path):
    found = read(put(tmp_path, encoded(photo(), "PNG")), channels=1)
    assert found.pixels.shape == (SIZE, SIZE, 1)


def test_mode_and_size_are_those_of_the_file(tmp_path):
    facts = read(put(tmp_path, encoded(photo(400).resize((400, 200)), "JPEG"))).facts
    assert (facts.mode, facts.width, facts.height) == ("RGB", 400, 200)


def test_draft_of_a_large_jpeg_looks_like_the_whole(tmp_path):
    image = photo(1000)
    found = read(put(tmp_path, encoded(image, "JPEG", quality=95)))
    small = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(found.pixels - small).mean() < 3


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied(tmp_path, turn, kind):
    image = photo().resize((64, 40))
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(image, kind, exif=exif)
    found = read(put(tmp_path, content))
    upright = ImageOps.exif_transpose(Image.open(put(tmp_path, content, "again")))
    assert (found.facts.width, found.facts.height) == upright.size
    assert upright.size == ((40, 64) if turn >= 5 else (64, 40))
    high, wide = (SIZE, 20) if turn >= 5 else (20, SIZE)
    rows, columns = (SIZE - high) // 2, (SIZE - wide) // 2
    inner = found.pixels[rows : rows + high, columns : columns + wide].astype(int)
    expected = np.asarray(upright.convert("RGB").resize((wide, high), Image.Resampling.BICUBIC))
    assert np.abs(inner - expected).mean() < 3


def test_damaged_exif_leaves_the_pixels(tmp_path):
    content = encoded(photo(SIZE), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\xff" * 40)
    read(put(tmp_path, content))


def test_cmyk_which_jpegs_keep_inverted(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # red
    content = encoded(image, "JPEG")
    assert b"Adobe" in content
    assert np.allclose(read(put(tmp_path, content)).pixels, (255, 0, 0), atol=6)
    plain = content.replace(b"Adobe", b"Other")  # those of others do so as well
    assert np.allclose(read(put(tmp_path, plain)).pixels, (255, 0, 0), atol=6)
    assert np.allclose(read(put(tmp_path, encoded(image, "TIFF"))).pixels, (255, 0, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bits_of_grey_are_scaled_not_clipped(tmp_path, kind):
    levels = np.linspace(0, 65535, SIZE).astype(np.uint16)
    content = encoded(Image.fromarray(np.tile(levels, (SIZE, 1))), kind)
    found = read(put(tmp_path, content), channels=1).pixels[0, :, 0]
    assert np.abs(found - levels / 257).max() <= 0.51


def test_big_endian_16_bits(tmp_path):
    image = Image.frombytes("I;16B", (2, 2), b"\x80\x00" * 4)
    assert (read(put(tmp_path, encoded(image, "TIFF"))).pixels == 128).all()


def test_16_bits_of_colour(tmp_path):
    row = b"\0" + b"\xff\xff\x80\x00\x00\x00" * 4
    found = read(put(tmp_path, made.png(4, 4, row * 4, depth=16, colour=2)))
    assert found.pixels[0, 0].tolist() == [255, 128, 0]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_white(tmp_path, mode):
    clear = (0, 0, 0, 0) if mode == "RGBA" else (0, 0)
    image = Image.new(mode, (64, 64), clear)
    image.paste((0, 0, 0, 255) if mode == "RGBA" else (0, 255), (0, 0, 32, 64))
    found = read(put(tmp_path, encoded(image, "PNG"))).pixels
    assert (found[:, :14] == 0).all()
    assert (found[:, 18:] == 255).all()


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 0, 0, 255])
    image.paste(1, (0, 0, 4, 8))
    for kind in ("PNG", "GIF"):
        found = read(put(tmp_path, encoded(image, kind, transparency=0)), size=8).pixels
        assert found[0, 0].tolist() == [0, 0, 255]
        assert found[0, 7].tolist() == [255, 255, 255]


def test_colour_that_stands_for_transparent(tmp_path):
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    found = read(put(tmp_path, encoded(image, "PNG", transparency=(1, 2, 3))))
    assert (found.pixels == 255).all()


def test_one_bit(tmp_path):
    image = Image.new("1", (16, 16), 1)
    image.paste(0, (0, 0, 8, 16))
    for kind in ("PNG", "TIFF", "PPM", "BMP"):
        found = read(put(tmp_path, encoded(image, kind)), size=16).pixels
        assert (found[:, :8] == 0).all()
        assert (found[:, 8:] == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(tmp_path, kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    found = read(put(tmp_path, content))
    assert np.allclose(found.pixels, (255, 0, 0), atol=3)
    assert found.facts.frames == 3


def test_jpeg_of_several_images(tmp_path):
    content = encoded(photo(), "MPO", save_all=True, append_images=[photo(seed=1)])
    facts = read(put(tmp_path, content)).facts
    assert (facts.format, facts.frames) == ("MPO", 2)


def test_profiles_are_ignored(tmp_path):
    content = encoded(photo(SIZE), "PNG", icc_profile=b"no profile" * 9)
    assert (read(put(tmp_path, content)).pixels == np.asarray(photo(SIZE))).all()


def test_one_pixel(tmp_path):
    image = Image.new("RGB", (1, 1), (9, 8, 7))
    assert (read(put(tmp_path, encoded(image, "PNG"))).pixels == (9, 8, 7)).all()


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (10_000, 3)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_very_thin(tmp_path, size, kind):
    found = read(put(tmp_path, encoded(Image.new("RGB", size, (200, 100, 50)), kind)))
    assert np.allclose(found.pixels, (200, 100, 50), atol=3)
    assert (found.facts.width, found.facts.height) == size


def test_rest_has_the_colour_of_the_edges(tmp_path):
    image = Image.new("RGB", (64, 32), (255, 0, 0))
    image.paste((0, 0, 100), (0, 0, 64, 8))
    found = read(put(tmp_path, encoded(image, "PNG"))).pixels
    assert found.shape == (SIZE, SIZE, 3)
    assert (found[0] == found[-1]).all()
    assert found[0, 0].tolist() == [128, 0, 50]
    assert found[9, 0].tolist() == [0, 0, 100]


def test_bmp_from_the_top(tmp_path):
    rows = b"\0\0\xff" * 4 + b"\xff\0\0" * 4
    found = read(put(tmp_path, made.bmp(4, -2, rows)), size=4).pixels
    assert found[1, 0].tolist() == [255, 0, 0]
    assert found[2, 0].tolist() == [0, 0, 255]


def test_text_in_a_png_that_is_not_too_much(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("note", "x" * 10_000, zip=True)
    read(put(tmp_path, encoded(photo(), "PNG", pnginfo=info)))


def test_warnings_stay_inside(tmp_path):
    """An animated PNG whose control chunk comes twice, a TIFF whose tag leads nowhere."""
    control = made.chunk(b"acTL", b"\0\0\0\0\0\0\0\0")
    content = made.png(1, 1, b"\0\x80", extra=control)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(put(tmp_path, content))
        read(put(tmp_path, made.tiff([(270, 4, 10**9)], 0)))
        filters = [*warnings.filters]
    assert not caught
    assert filters[0][0] == "always"


def test_threads_leave_the_filters_of_the_process(tmp_path):
    path = put(tmp_path, made.tiff([(270, 4, 10**9)], 0))
    alone = read(path).pixels
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = [*warnings.filters]
        with ThreadPoolExecutor(8) as pool:
            found = [*pool.map(lambda _: read(path).pixels, range(200))]
        assert warnings.filters == before
    assert not caught
    assert all((pixels == alone).all() for pixels in found)


def test_circle_of_directories_in_a_tiff(tmp_path):
    content = made.tiff([], 0)
    place = int.from_bytes(content[4:8], "little")
    facts = read(put(tmp_path, content[:-4] + place.to_bytes(4, "little"))).facts
    assert facts.frames == 1


def test_endless_directories_in_a_tiff(tmp_path):
    content = made.tiff([], 0)
    start = len(content)
    many = b"".join(
        (0).to_bytes(2, "little") + (start + 6 * (row + 1)).to_bytes(4, "little")
        for row in range(100_000)
    )
    facts = read(put(tmp_path, content[:-4] + start.to_bytes(4, "little") + many)).facts
    assert facts.frames == 1000


def test_rows_that_a_well_ended_png_lacks_are_black(tmp_path):
    """Decoders fill them up without a word, as viewers do."""
    content = made.png(8, 8, b"\0" + b"\x80" * 8)
    found = read(put(tmp_path, content), size=8).pixels
    assert (found[0] == 128).all()
    assert (found[1:] == 0).all()
