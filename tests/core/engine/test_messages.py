from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segsem.engine.messages import Message, ProtocolError, read_message, write_message

ARRAYS = st.sampled_from([np.uint8, np.bool_, np.float32]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@given(st.dictionaries(st.text(), ARRAYS, max_size=3), st.dictionaries(st.text(), st.integers()))
def test_what_is_written_is_read(arrays: dict, header: dict) -> None:
    header.pop("arrays", None)
    stream = io.BytesIO()
    write_message(stream, Message(header, arrays))
    write_message(stream, Message({"last": True}))
    stream.seek(0)
    read = read_message(stream)
    assert read is not None
    assert read.header == header
    assert set(read.arrays) == set(arrays)
    for name, array in arrays.items():
        assert read.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(read.arrays[name], array)
    assert read_message(stream) == Message({"last": True})
    assert read_message(stream) is None


@given(st.binary(min_size=1))
def test_noise_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(raw))


@given(st.data())
def test_a_cut_message_is_refused(data: st.DataObject) -> None:
    stream = io.BytesIO()
    write_message(stream, Message({"a": 1}, {"x": np.zeros((3, 4), np.float32)}))
    cut = data.draw(st.integers(1, len(stream.getvalue()) - 1))
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(stream.getvalue()[:cut]))


@given(st.binary(max_size=60))
def test_a_damaged_header_is_refused_or_read(raw: bytes) -> None:
    framed = b"SGSM" + len(raw).to_bytes(4, "little") + raw
    try:
        read_message(io.BytesIO(framed))
    except ProtocolError:
        return


def test_other_dtypes_do_not_cross() -> None:
    with pytest.raises(ProtocolError, match="float32, but got <f8"):
        write_message(io.BytesIO(), Message({}, {"x": np.zeros(3)}))


def test_views_cross_as_they_look() -> None:
    stream = io.BytesIO()
    view = np.arange(12, dtype=np.uint8).reshape(3, 4).T[::2]
    write_message(stream, Message({}, {"x": view}))
    stream.seek(0)
    read = read_message(stream)
    assert read is not None
    np.testing.assert_array_equal(read.arrays["x"], view)


class Hesitant(io.BytesIO):
    """Takes a part of what it is given, as an unbuffered pipe does when its process is stopped."""

    def write(self, data: object) -> int:
        return super().write(bytes(data)[:7])  # type: ignore[call-overload]


def test_all_is_written_where_a_stream_takes_only_parts() -> None:
    stream = Hesitant()
    write_message(stream, Message({"a": 1}, {"image": np.arange(100, dtype=np.uint8)}))
    stream.seek(0)
    found = read_message(stream)
    assert found is not None
    np.testing.assert_array_equal(found.arrays["image"], np.arange(100))
