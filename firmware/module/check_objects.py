# SPDX-License-Identifier: MIT
"""Refuse objects that cannot become a native module, or one that not every chip of the architecture runs.

check_objects.py ARCH OBJECT...    a line for each fault, and exit status 1
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, RISCVAttributesSection, Section, Symbol

__all__ = ["faults"]

# What the interpreter's table and the linker resolve; and libgcc's helpers, of integers, by architecture.
TABLE = re.compile(r"_GLOBAL_OFFSET_TABLE_|mp_fun_table|mp_native_(qstr|obj)_table|mp_type_\w+|mp_stream_\w+_obj")
HELPERS = {
    "armv6m": re.compile(r"__aeabi_(l(mul|[al]sr|lsl)|u?idiv(mod)?)|__gnu_thumb1_case_(uqi|sqi|uhi|shi|si)"),
    "rv32imc": re.compile(r"__(ashl|ashr|lshr)di3|__riscv_(save|restore)_\d+"),
}
# What the compiler says in CPU_arch: 11 is v6-M, 12 v6S-M, 10 v7, 13 v7E-M.
THUMB = {"armv6m": {11, 12}, "armv7m": {10, 11, 12}, "armv7emsp": {10, 11, 12, 13}}
# zmmul is the multiplication of m, zca are the short instructions of c without floats.
RV32IMC = {"rv32i", "m", "c", "zmmul", "zca"}
# What mpy_ld places; it drops what begins otherwise, without a word.
PLACED = (".text", ".literal", ".rodata", ".data.rel.ro", ".bss")
DATA = re.compile(r"\.(data(?!\.rel\.ro)|sdata|tdata|tbss|sbss)")


def contents(elf: ELFFile) -> list[Section]:
    """The sections that have bytes in a program."""
    kinds = ("SHT_PROGBITS", "SHT_NOBITS")
    names = re.compile(r"\.(text|literal|s?rodata|s?data|s?bss|tdata|tbss)")
    return [s for s in elf.iter_sections() if s["sh_type"] in kinds and s["sh_size"] and names.match(s.name)]


def symbols(elf: ELFFile) -> list[Symbol]:
    """All of them."""
    return list(elf.get_section_by_name(".symtab").iter_symbols())


def attributes(elf: ELFFile, tag: str) -> Iterator[Any]:
    """The values of one tag in what the compiler says of the whole object."""
    for section in elf.iter_sections():
        if isinstance(section, ARMAttributesSection | RISCVAttributesSection):
            for vendor in section.iter_subsections():
                for scope in vendor.iter_subsubsections():
                    yield from (attribute.value for attribute in scope.iter_attributes(tag))


def faults(arch: str, paths: list[Path]) -> Iterator[str]:
    """What is wrong with the objects that are to become the module for an architecture."""
    defined: set[str] = set()
    wanted: dict[str, str] = {}
    for path in paths:
        with path.open("rb") as file:
            elf = ELFFile(file)
            for fault in [*sections_wrong(elf), *SPECIAL.get(arch, nothing)(arch, elf)]:
                yield f"{path.name}: {fault}"
            for symbol in symbols(elf):
                if symbol["st_shndx"] != "SHN_UNDEF":
                    defined.add(symbol.name)
                elif symbol.name:
                    wanted.setdefault(symbol.name, path.name)
    helpers = HELPERS.get("armv6m" if arch.startswith("arm") else arch, re.compile("$^"))
    for name in sorted(set(wanted) - defined):
        if not TABLE.fullmatch(name) and not helpers.fullmatch(name):
            yield f"{wanted[name]}: needs {name}, which no native module can have"


def nothing(arch: str, elf: ELFFile) -> list[str]:
    """No fault."""
    return []


def sections_wrong(elf: ELFFile) -> Iterator[str]:
    """Of every architecture."""
    for section in contents(elf):
        if DATA.match(section.name):
            yield f"{section.name} holds {section['sh_size']} bytes of writable data, which a native module cannot have"
        elif not section.name.startswith(PLACED):
            yield f"{section.name} would be left out of the module"
    for symbol in symbols(elf):
        own = symbol["st_info"]["bind"] == "STB_LOCAL" and symbol["st_size"] and isinstance(symbol["st_shndx"], int)
        if own and elf.get_section(symbol["st_shndx"]).name.startswith(".bss"):
            yield f"{symbol.name} is a static variable, which mpy_ld cannot place: make it global"


def arm_wrong(arch: str, elf: ELFFile) -> Iterator[str]:
    """Objects compiled for more than the architecture, and instructions that ARMv6-M lacks (of assembly, say)."""
    if not set(attributes(elf, "TAG_CPU_ARCH")) <= THUMB[arch]:
        yield f"is compiled for another processor than {arch}"
    if arch == "armv6m":
        yield from thumb2(elf)


def thumb2(elf: ELFFile) -> Iterator[str]:
    """Instructions that ARMv6-M lacks."""
    for number, section in enumerate(elf.iter_sections()):
        if not section.name.startswith(".text"):
            continue
        marks = sorted((s["st_value"], s.name[:2]) for s in symbols(elf)
                       if s["st_shndx"] == number and s.name[:2] in ("$t", "$d"))  # fmt: skip
        data = section.data()
        ends = [at for at, _ in marks[1:]] + [len(data)]
        for (at, kind), end in zip(marks, ends, strict=False):  # a section without code has no marks
            while kind == "$t" and at + 2 <= end:
                first = int.from_bytes(data[at : at + 2], "little")
                wide = first >> 11 in (0b11101, 0b11110, 0b11111)
                second = int.from_bytes(data[at + 2 : at + 4], "little") if wide else 0
                if not in_v6m(first, second if wide else None):
                    yield f"{section.name}+{at:#x} holds an instruction that ARMv6-M lacks ({first:04x} {second:04x})"
                    break
                at += 4 if wide else 2


def in_v6m(first: int, second: int | None) -> bool:
    """Whether ARMv6-M has an instruction that applications use, of one halfword or two."""
    if second is not None:
        return first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000  # bl
    compares_and_branches = first & 0xF500 == 0xB100
    conditional = first & 0xFF00 == 0xBF00 and first & 0x000F
    return not compares_and_branches and not conditional


def riscv_wrong(arch: str, elf: ELFFile) -> Iterator[str]:
    """Extensions that not every RV32IMC has."""
    for value in attributes(elf, "TAG_ARCH"):
        if not {re.sub(r"\d+p\d+$", "", each) for each in value.split("_")} <= RV32IMC:
            yield f"is compiled for {value}, and some chips have only rv32imc"


def xtensa_wrong(arch: str, elf: ELFFile) -> Iterator[str]:
    """mpy_ld finds a literal by file and offset."""
    for kind in (".literal", ".text"):
        names = [section.name for section in contents(elf) if section.name.startswith(kind)]
        if len(names) > 1:
            yield f"has the sections {', '.join(names)}, and mpy_ld mixes their literals up"


SPECIAL = {"armv6m": arm_wrong, "armv7m": arm_wrong, "armv7emsp": arm_wrong, "rv32imc": riscv_wrong,
           "xtensawin": xtensa_wrong}  # fmt: skip

if __name__ == "__main__":
    found = list(faults(sys.argv[1], [Path(path) for path in sys.argv[2:]]))
    for each in found:
        print(each, file=sys.stderr)
    sys.exit(1 if found else 0)
