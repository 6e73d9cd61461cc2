# SPDX-License-Identifier: MIT
"""The image: what is refused before it reaches the kernel, and what the kernel then decides by it."""

import errno

import header
import pytest
from kernel_images import HandMadeImage, image_for_everybody, sealed

from enforcer.errors import EnforcerBug, KernelError
from enforcer.kernel.image_map import ImageHead, ImageMap
from enforcer.kernel.trial import Trial
from enforcer.libbpf import abi, calls
from enforcer.libbpf._ffi import ffi

DENY = header.enumeration("enf_action", "ENF_ACT_")["DENY"]
LOG = header.enumeration("enf_action", "ENF_ACT_")["LOG"]
NOBODY = header.constant("ENF_NONE")


@pytest.fixture
def image():
    return image_for_everybody("MKDIR", DENY, error=errno.EROFS, generation=7)


def patched(image, at, value):
    return image.data[:at] + value + image.data[at + len(value) :]


def verdict(trial, op):
    """Decide *op* on the path /tmp for a task without identity: row, action, error."""
    operands = ffi.new("struct enf_test_input *", {"reval": 1, "path": b"/tmp"})
    operands.object.op[0] = abi.OPS[op]
    operands.object.n_ops = 1
    operands.object.present = 1 << abi.DIMS["PATH"]
    operands.object.path_len = 4
    after = trial.run(bytes(ffi.buffer(operands)))
    found = ffi.from_buffer("struct enf_test_input *", after)
    return found.verdict.row, found.verdict.action, found.verdict.error


def test_head_says_what_the_loader_needs(image):
    """Generation, operations and rows come from the image itself."""
    head = ImageHead.of(image.data)

    assert ImageHead(7, 1 << abi.OPS["MKDIR"], 1, len(image.data)) == head


def test_short_image_is_refused():
    """Bytes that are not even a head are no image."""
    with pytest.raises(EnforcerBug, match="shorter"):
        ImageHead.of(b"EFI1")


def test_image_of_another_version_is_refused(image):
    """An image of another ABI is never read as one of ours."""
    other = patched(image, abi.offsetof("enf_image", "version"), b"\x63\0\0\0")

    with pytest.raises(EnforcerBug, match="version"):
        ImageHead.of(other)


def test_truncated_image_is_refused(image):
    """An image that lost its end says so."""
    with pytest.raises(EnforcerBug, match="but its head says"):
        ImageHead.of(image.data[:-8])


@pytest.mark.parametrize("at", [64, 300, -1])
def test_flipped_bit_is_refused(image, at):
    """A change anywhere is seen by the checksum."""
    data = bytearray(image.data)
    data[at] ^= 1

    with pytest.raises(EnforcerBug, match="checksum"):
        ImageHead.of(bytes(data))


@pytest.mark.kernel
def test_written_image_cannot_be_changed(bpf, image):
    """After the check nobody writes the map by system call any more."""
    idle = ImageMap.create(4096)
    idle.write(image.data)

    with pytest.raises(KernelError) as caught:
        calls.update(idle.fd, 0, bytes(4096))

    assert errno.EPERM == caught.value.errno
    assert image.data == calls.lookup(idle.fd, 0, 4096)[: len(image.data)]


@pytest.mark.kernel
def test_image_that_does_not_fit_is_refused(bpf, image):
    """Nothing is cut off."""
    with pytest.raises(EnforcerBug, match="do not fit"):
        ImageMap.create(64).write(image.data)


@pytest.mark.kernel
def test_the_kernel_decides_by_the_image(bpf, image):
    """The program in the kernel finds the row of the image that was committed."""
    with Trial.open(image) as trial:
        denied = verdict(trial, "MKDIR")
        ignored = verdict(trial, "RMDIR")

    assert (0, DENY, errno.EROFS) == denied
    assert NOBODY == ignored[0]


@pytest.mark.kernel
def test_commit_replaces_the_image(bpf, image):
    """After a commit the old image decides nothing."""
    with Trial.open(image) as trial:
        trial.commit(image_for_everybody("MKDIR", LOG, generation=8))

        assert LOG == verdict(trial, "MKDIR")[1]


@pytest.mark.kernel
def test_a_bad_image_leaves_the_old_one_active(bpf, image):
    """A failure before the commit changes nothing."""
    bad = HandMadeImage(sealed(image.data)[:-1] + b"\xff")
    with Trial.open(image) as trial:
        with pytest.raises(EnforcerBug):
            trial.commit(bad)

        assert DENY == verdict(trial, "MKDIR")[1]


@pytest.mark.kernel
def test_operands_out_of_bounds_are_refused(bpf, image):
    """A length that leads outside its text is an error, not a verdict."""
    operands = ffi.new("struct enf_test_input *")
    operands.object.path_len = header.constant("ENF_PATH_MAX") + 1
    with Trial.open(image) as trial, pytest.raises(KernelError, match="refused its operands"):
        trial.run(bytes(ffi.buffer(operands)))
