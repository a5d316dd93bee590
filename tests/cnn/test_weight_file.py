"""Weight files of networks: told apart, bounded before they are read, and refused with a sentence whatever they hold."""

import contextlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from damaged_bytes import damaged, odd_json
from octoscope.cnn.networks.resnet18 import load_resnet18
from octoscope.cnn.networks.sources import open_network
from octoscope.cnn.networks.squeezenet import _shapes, load_squeezenet
from octoscope.cnn.networks.vgg16 import load_vgg16
from octoscope.cnn.networks.weight_file import read_npz
from octoscope.errors import CheckpointError

SHAPES = {"conv/kernel": (2, 2, 3, 4), "conv/bias": (4,)}


def npz(**changes: np.ndarray) -> bytes:
    file = io.BytesIO()
    arrays = {name: np.ones(shape, np.float16) for name, shape in SHAPES.items()}
    np.savez_compressed(file, **(arrays | {name.replace("__", "/"): array for name, array in changes.items()}))
    return file.getvalue()


def test_only_expected_arrays_are_opened(tmp_path: Path) -> None:
    """A small file with a large array besides: nothing of that one is read, nor is a pickled one."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(io.BytesIO(npz())) as whole:
            for name in whole.namelist():
                archive.writestr(name, whole.read(name))
        archive.writestr("more.npy", b"no array")
    arrays = read_npz(tmp_path / "a.npz", SHAPES, network="Toy")
    assert {name: array.shape for name, array in arrays.items()} == SHAPES
    assert arrays["conv/bias"].tolist() == [1, 1, 1, 1]
    assert arrays["conv/bias"].dtype == np.float32


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (np.zeros(1_000_000), r"'conv/bias' has 8,000,128 bytes, \(4,\) has at most 16,416"),
        (np.zeros(5), r"'conv/bias' is \(5,\), not \(4,\)"),
        (np.zeros(4, np.complex64), "'conv/bias' holds complex64, no real numbers"),
        (np.array(list("abcd")), "'conv/bias' holds <U1, no real numbers"),
        (np.array([0, np.nan, np.inf, 0]), "2 of the 4 numbers of 'conv/bias' are NaN or infinite"),
        (np.array([{}] * 4), "Object arrays cannot be loaded"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, bias: np.ndarray, message: str) -> None:
    (tmp_path / "a.npz").write_bytes(npz(conv__bias=bias))
    with pytest.raises(CheckpointError, match=message):
        read_npz(tmp_path / "a.npz", SHAPES, network="Toy")


def _zip(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"\x80\x02}.")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_zip("vgg16/data.pkl"), "is a pickle in a zip file, as PyTorch writes it .*never opened.*save_file"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "is a pickle, as older PyTorch writes it; .*never opened"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "is an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (_zip("readme.txt"), "is a zip file"),
        (b"PK\x03\x04" + bytes(20), "is a damaged zip file"),
    ],
)
def test_other_kinds_of_file_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "vgg16.pth").write_bytes(content)
    for kind in ("vgg16", "resnet18", "squeezenet"):
        with pytest.raises(CheckpointError, match=f"vgg16.pth {message}"):
            open_network(f"{kind}:{tmp_path / 'vgg16.pth'}")


def test_an_npz_is_no_safetensors_file_and_a_safetensors_file_no_npz(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npz())
    with pytest.raises(CheckpointError, match=r"is an \.npz of NumPy arrays; a safetensors file is expected"):
        load_vgg16(tmp_path / "a.npz")
    (tmp_path / "a.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="cannot be read as weights of SqueezeNet"):
        load_squeezenet(tmp_path / "a.safetensors")


@pytest.mark.parametrize("path", ["nowhere.npz", ".", "~nobody-here/x", "a\0b", "x" * 5_000])
def test_no_file(path: str) -> None:
    for load in (load_vgg16, load_resnet18, load_squeezenet):
        with pytest.raises(CheckpointError, match="Check the path"):
            load(path)


def test_squeezenet_has_the_papers_number_of_weights() -> None:
    assert sum(int(np.prod(shape)) for shape in _shapes().values()) == 1_248_424


def test_squeezenet_is_read_with_red_first(tmp_path: Path) -> None:
    """Caffe's kernels take blue first: here the first colour's kernel becomes the last."""
    arrays = {name: np.zeros(shape, np.float32) for name, shape in _shapes().items()}
    arrays["conv1/kernel"][:, :, 0] = 1
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    kernel = np.asarray(load_squeezenet(tmp_path / "a.npz").weights["conv1"]["kernel"])
    assert (kernel[:, :, 2] == 1).all()
    assert not kernel[:, :, :2].any()


@given(damaged(npz()))
def test_fuzz_npz(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.npz"
    path.write_bytes(data)
    with contextlib.suppress(CheckpointError):
        arrays = read_npz(path, SHAPES, network="Toy")
        assert {name: array.shape for name, array in arrays.items()} == SHAPES


HEADER = json.dumps({"features.0.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()


@given(st.one_of(odd_json(HEADER), damaged(HEADER)), st.booleans())
def test_fuzz_safetensors(tmp_path_factory: pytest.TempPathFactory, header: bytes, whole: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    path.write_bytes((len(header) if whole else len(header) * 2**40).to_bytes(8, "little") + header + bytes(16))
    for load in (load_vgg16, load_resnet18):
        with pytest.raises(CheckpointError, match=r"fuzz\.safetensors"):
            load(path)
