"""Images as a person sees them: depths, modes, rotation, transparency, and files that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from designspace.data.reading import UnreadableImageError, read_image

GREY16 = np.linspace(0, 65535, 12, dtype=np.uint16).reshape(3, 4)
GREY8 = np.round(GREY16 / 257).astype(np.uint8)  # what a person sees: 16 bits are 257 times 8
ORIENTATION = 274  # EXIF tag; 6: to be turned clockwise


def pixels(path: Path) -> np.ndarray:
    image = read_image(str(path))
    assert image.mode == "RGB"
    return np.asarray(image)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm", "a.jp2", "big_endian.tif"])
def test_16_bits_are_scaled(tmp_path: Path, name: str) -> None:
    values = GREY16.astype(">u2") if name == "big_endian.tif" else GREY16
    found = pixels(saved(tmp_path / name, Image.fromarray(values)))
    assert (found == GREY8[..., None]).all()


def test_dark_and_bright_16_bit_classes_differ_as_in_8_bits(tmp_path: Path) -> None:
    """Cut off at 255 instead of scaled, both were plain white."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 20), ("bright", 200)):
        grey = rng.integers(low, low + 30, (8, 8), dtype=np.uint16)
        deep = pixels(saved(tmp_path / f"{name}.png", Image.fromarray(grey * 257)))
        flat = pixels(saved(tmp_path / f"{name}_8.png", Image.fromarray(grey.astype(np.uint8))))
        assert (deep == flat).all()
        assert low <= deep.mean() <= low + 30


def test_16_bits_where_white_is_zero(tmp_path: Path) -> None:
    photometric = 262
    path = saved(tmp_path / "a.tif", Image.fromarray(GREY16), tiffinfo={photometric: 0})
    assert (pixels(path)[..., 0] == 255 - GREY8).all()


@pytest.mark.parametrize(("dtype", "kind"), [(np.int32, "32-bit"), (np.float32, "floating-point")])
def test_pixels_of_unknown_range_are_refused(tmp_path: Path, dtype: type, kind: str) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(GREY16.astype(dtype)))
    with pytest.raises(UnreadableImageError, match=rf"a.tif': cannot be read \({kind}.*save it with 8 or 16"):
        read_image(str(path))


COLOUR = (200, 30, 60)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"), ("a.gif", "P"), ("p.png", "P"), ("a.tif", "CMYK"), ("a.jpg", "CMYK"),
        ("y.tif", "YCbCr"), ("l.tif", "LAB"), ("b.bmp", "RGB"), ("a.ppm", "RGB"), ("a.PNG", "RGBA"),
    ],
)  # fmt: skip
def test_colours_of_all_modes(tmp_path: Path, name: str, mode: str) -> None:
    image = Image.new("RGB", (3, 2), COLOUR)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    elif mode == "P":
        image = image.convert("P", palette=Image.Palette.ADAPTIVE)
    else:
        image = image.convert(mode)
    path = saved(tmp_path / name, image)
    assert Image.open(path).mode == mode
    assert np.abs(pixels(path).astype(int) - COLOUR).max() <= 2


def test_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(GREY8).point(lambda v: 255 * (v > 127), mode="1"))
    assert Image.open(path).mode == "1"
    assert (pixels(path)[..., 1] == np.where(GREY8 > 127, 255, 0)).all()


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    alpha = np.array([[0, 51, 255]], np.uint8)  # nothing, a fifth, all
    rgba = np.dstack([np.full((1, 3), channel, np.uint8) for channel in COLOUR] + [alpha])
    expected = [[255] * 3, [round(255 + (c - 255) / 5) for c in COLOUR], list(COLOUR)]
    for name in ("a.png", "a.webp", "a.tif"):
        path = saved(tmp_path / name, Image.fromarray(rgba), **({"lossless": True} if "webp" in name else {}))
        assert pixels(path)[0].tolist() == expected
    grey_alpha = saved(tmp_path / "la.png", Image.fromarray(np.dstack([np.zeros_like(alpha), alpha])))
    assert Image.open(grey_alpha).mode == "LA"
    assert pixels(grey_alpha)[0, :, 0].tolist() == [255, 204, 0]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_grey_value_that_stands_for_transparency(tmp_path: Path, bits: int) -> None:
    grey = GREY8 if bits == 8 else GREY16
    path = saved(tmp_path / "a.png", Image.fromarray(grey), transparency=0)
    assert pixels(path)[0, :2, 0].tolist() == [255, GREY8[0, 1]]


def test_a_palette_colour_that_is_transparent(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([10, 20, 30, *COLOUR])
    for name in ("a.png", "a.gif"):
        path = saved(tmp_path / name, image, transparency=0)
        assert pixels(path)[0].tolist() == [[255] * 3, list(COLOUR)]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "deep.png", "deep.tif"])
def test_exif_rotation_is_applied_once(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = Image.fromarray(GREY16 if "deep" in name else GREY8)
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path / name, image.convert("RGB") if options else image, exif=exif, **options)
    assert (pixels(path)[..., 0] == np.rot90(GREY8, -1)).all()


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), grey) for grey in (40, 200)]
    for name in ("a.gif", "a.png", "a.tif"):
        path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
        assert Image.open(path).n_frames == 2
        assert (pixels(path) == 40).all()


def damaged(path: Path, kind: str) -> Path:
    if kind == "missing":
        return path
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, format="JPEG" if kind == "cut" else "PNG")
    content = bytearray(path.read_bytes())
    if kind == "cut":
        content = content[: len(content) // 2]
    if kind == "broken chunk":
        content[len(content) // 2] ^= 0xFF
    if kind == "empty":
        content = bytearray()
    if kind == "text":
        content = bytearray(b"<html>not found</html>")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["missing", "cut", "broken chunk", "empty", "text", "bomb"])
def test_what_cannot_be_read_is_named_in_one_line(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damaged(tmp_path / "new\nline.png", kind)
    if kind == "bomb":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableImageError) as caught:
        read_image(str(path))
    message = str(caught.value)
    assert message.startswith(f"{str(path)!r}: cannot be read (")
    assert "\n" not in message
    why = {"missing": "No such file", "cut": "truncated", "empty": "empty", "text": "image format"}
    assert {**why, "bomb": "decompression bomb"}.get(kind, "") in message
