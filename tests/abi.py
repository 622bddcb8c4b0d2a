"""Compares the numbers and structs of a UAPI module with those of the C compiler, for 64 and for 32 bits."""

import ctypes
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SIZE_BITS = 0x3FFF << 16

# A 32-bit libc keeps the old 32-bit time unless it is asked; the kernel's own layout has 64 bits.
FLAGS_32 = ("-m32", "-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64")


class Narrow:
    """The same structs as a 32-bit x86 compiler lays them out: pointers of 32 bits, nothing aligned beyond 4 bytes."""

    def __init__(self) -> None:
        self._made: dict[type, type] = {}

    def __call__(self, kind: Any) -> Any:
        if kind is ctypes.c_void_p or issubclass(kind, ctypes._Pointer):
            return ctypes.c_uint32
        if issubclass(kind, ctypes.Array):
            return self(kind._type_) * kind._length_
        if issubclass(kind, (ctypes.Structure, ctypes.Union)):
            return self._made.setdefault(kind, self._narrow(kind))
        return kind

    def _narrow(self, kind: Any) -> type:
        base = ctypes.Structure if issubclass(kind, ctypes.Structure) else ctypes.Union
        members = {
            "_pack_": 4,
            "_layout_": "ms",
            "_anonymous_": getattr(kind, "_anonymous_", ()),
            "_fields_": [(name, self(field)) for name, field in kind._fields_],
        }
        return type(kind.__name__, (base,), members)


def fields(kind: Any, path: str = "", start: int = 0) -> Iterator[tuple[str, int, int]]:
    """Path, offset and size of every field that the header has too, also of those within.

    What is reserved is left out: a later kernel makes a field of it, as Linux 6.3 did with a subdev format's stream.
    """
    anonymous = getattr(kind, "_anonymous_", ())
    for name, field in kind._fields_:
        place = getattr(kind, name)
        hidden = name in anonymous
        if not name.startswith("_") and name != "reserved":
            yield path + name, start + place.offset, place.size
        if issubclass(field, (ctypes.Structure, ctypes.Union)) and (hidden or not name.startswith("_")):
            yield from fields(field, path if hidden else f"{path}{name}.", start + place.offset)


def layout(structs: dict[str, type]) -> dict[str, int]:
    """Sizes and offsets by the C expressions that give them."""
    found = {}
    for name, kind in structs.items():
        found[f"sizeof(struct {name})"] = ctypes.sizeof(kind)
        for path, offset, size in fields(kind):
            found[f"offsetof(struct {name}, {path})"] = offset
            found[f"sizeof(((struct {name} *)0)->{path})"] = size
    return found


class Compiler:
    """gcc, for this machine or with ``-m32``."""

    def __init__(self, folder: Path, headers: tuple[str, ...], flags: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._head = "\n".join(f"#include <{name}>" for name in ("stddef.h", "stdio.h", "sys/ioctl.h", *headers))
        self._flags = flags

    def ask(self, expressions: list[str]) -> dict[str, int]:
        """What the expressions are worth in C."""
        lines = [f'printf("%u\\n", (unsigned)({expression}));' for expression in expressions]
        answer = self._run(self._head, *lines)
        return dict(zip(expressions, map(int, answer.splitlines()), strict=True))

    def works(self) -> bool:
        try:
            self._run("#include <stdio.h>")
        except (FileNotFoundError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, head: str, *lines: str) -> str:
        source, program = self._folder / "ask.c", self._folder / "ask"
        source.write_text("\n".join([head, "int main(void) {", *lines, "return 0; }", ""]))
        subprocess.run(["gcc", *self._flags, source, "-o", program], check=True)
        return subprocess.run([program], capture_output=True, text=True, check=True).stdout


class Abi:
    """The tests of one module: say which in a class that builds on this."""

    uapi: ModuleType
    headers: tuple[str, ...]
    prefixes: tuple[str, ...]
    """How the names of its constants begin."""
    structs: dict[str, type[ctypes.Structure]]
    """Its structs by the header's names."""
    ioctls: dict[str, str]
    """Its ioctls, with the header's name of the struct that each takes, or ``int``."""

    @property
    def constants(self) -> dict[str, int]:
        return {name: value for name, value in vars(self.uapi).items() if name.startswith(self.prefixes)}

    @pytest.fixture
    def compiler(self, tmp_path: Path) -> Compiler:
        found = Compiler(tmp_path, self.headers)
        if not found.works():
            pytest.skip("gcc is not installed")
        return found

    @pytest.fixture
    def compiler_32(self, tmp_path: Path) -> Compiler:
        found = Compiler(tmp_path, self.headers, FLAGS_32)
        if platform.machine() != "x86_64" or not found.works():
            pytest.skip("gcc-multilib is not installed, or this is not x86_64")
        return found

    def test_every_constant_and_ioctl_is_the_headers(self, compiler: Compiler) -> None:
        assert set(self.ioctls) <= set(self.constants)
        assert compiler.ask(list(self.constants)) == self.constants

    def test_every_struct_is_the_headers(self, compiler: Compiler) -> None:
        mine = layout(self.structs)
        assert len(mine) > 5 * len(self.structs)
        assert compiler.ask(list(mine)) == mine

    def test_every_struct_is_the_headers_with_32_bits(self, compiler_32: Compiler) -> None:
        narrow = Narrow()
        mine = layout({name: narrow(kind) for name, kind in self.structs.items()})
        assert compiler_32.ask(list(mine)) == mine

    def test_every_ioctl_is_the_headers_with_32_bits(self, compiler_32: Compiler) -> None:
        narrow = Narrow()
        sizes = {name: ctypes.sizeof(narrow(kind)) for name, kind in self.structs.items()} | {"int": 4}
        mine = {name: self.constants[name] & ~SIZE_BITS | sizes[kind] << 16 for name, kind in self.ioctls.items()}
        assert set(mine) == {name for name in self.constants if name.startswith(("VIDIOC_", "MEDIA_IOC_"))}
        assert compiler_32.ask(list(mine)) == mine
