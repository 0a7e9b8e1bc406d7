r"""Mem-Info in the report of a system OOM, read line by line. No I/O.

    active_anon:661 inactive_anon:38157 isolated_anon:0\x0a … free:482 free_pcp:198 free_cma:0
     slab_reclaimable:2294 slab_unreclaimable:1763     (all; pages. A text gives several lines instead of one record)
    Node 0 active_anon:2640kB … kernel_stack:440kB … all_unreclaimable? yes                               (4.8+, a node)
    Node 0 DMA32 free:836kB boost:0kB min:968kB … managed:110516kB …                      (a zone; without NUMA no node)
    Node 0 DMA32: 48*4kB (UM) 29*8kB (UM) 0*16kB … 0*4096kB = 424kB                (a zone's free blocks of each order)
    Node 0 hugepages_total=512 hugepages_free=512 hugepages_surp=0 hugepages_size=2048kB                         (3.10+)
    Free swap  = 0kB
    Total swap = 0kB
    65406 pages RAM                                                          (arm prints `pages of RAM`, until 3.x)

Source: mm/show_mem.c (before 6.4: mm/page_alloc.c and lib/show_mem.c), hugetlb_show_meminfo() in mm/hugetlb.c.

Rules:
- A line is read to its end: a process named `free:9 a` begins other lines, such as `free:9 a[7]: segfault at 0`.
- A second Mem-Info replaces the first one. It begins with `active_anon:`.
- The first size in a line of free blocks is the page size of the machine that wrote the report.
- Memory is bounded: sums, and one zone for each name of a zone.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Final

from otel_oom.kernel import oom_lines
from otel_oom.kernel.memory_usage import MachineUsage, Zone

_RAM_PAGES: Final = re.compile(r"(?P<pages>\d+) pages (?:of )?RAM")
_SWAP: Final = re.compile(r"(?P<which>Free|Total) swap +=\s*(?P<kb>\d+)kB")
_FIRST_COUNT: Final = ("active_anon:", "Active_anon:")  # Active_anon: until 2.6.31
_COUNTS: Final = re.compile(r"[ A]?[a-z_]+:\d+(?:(?: |\\x0a ?)[a-z_]+:\d+)*(?: [a-z_]*:?|\.\.\.|\\x0a)?")
_COUNT: Final = re.compile(r"([a-z_]+):(\d+)")
_COUNTS_BEGIN: Final = (
    *_FIRST_COUNT,
    *(" active_file:", " inactive_file:", " unevictable:", " slab_reclaimable:", " mapped:", " sec_pagetables:"),
    *(" kernel_misc_reclaimable:", " free:", " free_cma:", "free:"),
)
_LISTS: Final = {
    "anon": ("active_anon", "inactive_anon", "isolated_anon"),
    "file": ("active_file", "inactive_file", "isolated_file"),
}
_SIMPLE: Final = ("shmem", "unevictable", "slab_reclaimable", "slab_unreclaimable", "pagetables", "free_cma")
_COUNTED: Final = {*_SIMPLE, *(name for names in _LISTS.values() for name in names)}
_ZONES: Final = ("DMA", "DMA32", "Normal", "HighMem", "Movable")  # an allocation may use its own zone and those before
_NODE_BEGINNINGS: Final = ("Node ", *(f"{zone}{after}" for zone in _ZONES for after in (" free:", ": ")))
_BEGINNINGS: Final = {
    first: tuple(words)
    for first, words in itertools.groupby(
        sorted(("Free swap", "Total swap", *map(str, range(10)), *_NODE_BEGINNINGS, *_COUNTS_BEGIN)),
        key=lambda words: words[0],
    )
}
"""First words of all lines, by first character: most other lines differ in it."""
_REST: Final = r"(?P<rest>(?: [A-Za-z_()]+(?:: ?\d+(?:[kK]B)?|\? (?:yes|no)))*) *"
_ANY_ZONE: Final = "|".join(_ZONES)
_ZONE: Final = re.compile(
    rf"(?:Node (?P<node>\d{{1,5}}) )?(?P<zone>{_ANY_ZONE})"
    rf" free:(?P<free>\d+)kB(?: boost:\d+kB)? min:(?P<min>\d+)kB{_REST}"
)
_BLOCKS: Final = re.compile(
    rf"(?:Node (?P<node>\d{{1,5}}) )?(?P<zone>{_ANY_ZONE}):"
    r"(?P<blocks> \d+\*(?P<page_kb>\d{1,3})kB(?: \([A-Z]+\))?(?: \d+\*\d+kB(?: \([A-Z]+\))?){0,31}) = \d+kB *"
)
_PAGE_KB: Final = frozenset({4, 8, 16, 32, 64, 256})
# From 3.8 on letters name the kinds of the blocks, show_migration_types(). Only U, E and M serve every allocation.
_BLOCK: Final = re.compile(r"\d+\*\d+kB(?: \([A-Z]+\))?")
_USABLE: Final = re.compile(r"[1-9]\d*\*\d+kB(?: \([A-Z]*[UEM][A-Z]*\))?")
_NODE: Final = re.compile(rf"Node \d{{1,5}}(?= [a-z]){_REST}")
_NODE_CUT: Final = re.compile(
    rf"(?:Node \d{{1,5}}(?: (?:{_ANY_ZONE}))?|{_ANY_ZONE}){_REST}(?: [A-Za-z_()]*[:?]?[\da-zA-Z]*)?(?:\.\.\.)?"
)
_HUGE_PAGES_CUT: Final = re.compile(r"Node \d{1,5} hugepages_total=\d*(?: \w*(?:=\d*)?)*k?(?:\.\.\.)?")
_KERNEL_STACK: Final = re.compile(r" kernel_stack:(\d+)kB")
_ZONE_SIZE: Final = re.compile(r" (?:managed|present):(\d+)kB")  # managed: 3.8+, after present
_HUGE_PAGES: Final = re.compile(
    r"Node \d{1,5} hugepages_total=(?P<total>\d+) hugepages_free=(?P<free>\d+) hugepages_surp=\d+"
    r" hugepages_size=(?P<size>\d+)kB *"
)
# Bits of gfp_mask since 2.6.31, include/linux/gfp_types.h
_GFP_DMA, _GFP_HIGHMEM, _GFP_DMA32, _GFP_MOVABLE = 1, 2, 4, 8


class MemInfo:
    """Mem-Info of one report.

    printed_page_size: as the report prints it, bytes; None: it does not, or not yet
    page_size: the size to take otherwise, bytes
    """

    __slots__ = ("_counts", "_has_stacks", "_page_size", "_pages", "_sums", "_swap", "_zones", "printed_page_size")

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self.printed_page_size: int | None = None
        self._pages: dict[str, int | None] = {}
        self._swap: dict[str, int | None] = {}
        self._counts: dict[str, int | None] = {}
        self._sums: dict[str, int | None] = {}
        self._has_stacks: dict[str, bool] = {}
        self._zones: dict[str, tuple[bool, int, Zone]] = {}  # by name: whether it is at its minimum, and its size in kB

    @property
    def is_empty(self) -> bool:
        """Whether no line was read that says what filled the memory."""
        return not (self._counts or self._sums)

    @property
    def page_size(self) -> int:
        """Of the machine that wrote the report, bytes."""
        return self.printed_page_size or self._page_size

    @property
    def sizes(self) -> dict[str, int | None]:
        """Sizes of the whole memory and swap, by field of `Context`, bytes."""
        return {**self._swap, **{name: self._bytes(pages) for name, pages in self._pages.items()}}

    def read(self, text: str) -> bool:
        """Take a line, and return whether it is one of these lines."""
        beginnings = _BEGINNINGS.get(text[:1])
        if beginnings is None or not text.startswith(beginnings):
            return False
        if text.startswith(_NODE_BEGINNINGS):
            return self._node_line(text)
        if line := _SWAP.fullmatch(text):
            self._swap[f"swap_{line['which'].lower()}"] = oom_lines.size(line["kb"])
        elif line := _RAM_PAGES.fullmatch(text):
            self._pages["memory_total"] = oom_lines.number(line["pages"])
        elif _COUNTS.fullmatch(text):
            self._read_counts(text)
        else:
            return False
        return True

    def usage(self, gfp_mask: str | None) -> MachineUsage:
        """Return what filled the memory. gfp_mask: of the allocation, as the opener prints it; None: not known."""
        known = {name: self._counts.get(name) for name in _SIMPLE}
        known |= {field: self._list(names) for field, names in _LISTS.items()}
        known = {name: self._bytes(pages) for name, pages in known.items()}
        sums = {name: oom_lines.int64(value) for name, value in self._sums.items()}
        return MachineUsage(**known, **sums, zone=self._deciding_zone(gfp_mask))

    def _read_counts(self, text: str) -> None:
        if text.startswith(_FIRST_COUNT):
            for of_earlier in (self._counts, self._sums, self._has_stacks, self._zones):
                of_earlier.clear()
        counts = {name: oom_lines.number(pages) for name, pages in _COUNT.findall(text.lower())}
        self._counts |= {name: counts[name] for name in _COUNTED & counts.keys()}
        if "free" in counts:
            self._pages["memory_free"] = counts["free"]

    def _bytes(self, pages: int | None) -> int | None:
        return None if pages is None else oom_lines.int64(pages * self.page_size)

    def _node_line(self, text: str) -> bool:
        if "*" in text:
            return self._free_blocks(text)
        if "=" in text:
            return self._huge_pages(text)
        if line := _ZONE.fullmatch(text):
            self._add_zone(line)
        elif line := _NODE.fullmatch(text):
            self._add_kernel_stack("node", line["rest"])
        elif _NODE_CUT.fullmatch(text):
            # Text that a terminal cut, or a line in pieces: a sum without it would be too low.
            self._add("zones_free", None)
            self._add("kernel_stack", None)
        else:
            return False
        return True

    def _huge_pages(self, text: str) -> bool:
        line = _HUGE_PAGES.fullmatch(text)
        if line is None and _HUGE_PAGES_CUT.fullmatch(text) is None:
            return False
        size = None if line is None else oom_lines.size(line["size"])
        for name in ("total", "free"):
            pages = None if line is None or size is None else oom_lines.number(line[name], size)
            self._add(f"hugepages_{name}", pages)
        return True

    def _free_blocks(self, text: str) -> bool:
        """Take the line of a zone's free blocks, which comes after its other line."""
        line = _BLOCKS.fullmatch(text)
        if line is None:
            return False
        page_kb = int(line["page_kb"])
        if page_kb in _PAGE_KB:
            self.printed_page_size = page_kb * 1024
        node, known = line["node"], self._zones.get(line["zone"])
        if known is not None and known[2].node == (None if node is None else int(node)):
            usable = [order for order, block in enumerate(_BLOCK.findall(line["blocks"])) if _USABLE.fullmatch(block)]
            self._zones[line["zone"]] = (*known[:2], replace(known[2], largest_order=usable[-1] if usable else -1))
        return True

    def _add_zone(self, line: re.Match[str]) -> None:
        free, least = oom_lines.size(line["free"]), oom_lines.size(line["min"])
        self._add("zones_free", free)
        self._add_kernel_stack("zone", line["rest"])
        if free is not None and least is not None:
            sizes = [oom_lines.number(size) or 0 for size in _ZONE_SIZE.findall(line["rest"])]
            zone = Zone(None if line["node"] is None else int(line["node"]), line["zone"], free, least)
            ranked = (free <= least, sizes[-1] if sizes else 0, zone)
            self._zones[zone.name] = max(self._zones.get(zone.name, ranked), ranked, key=_rank)

    def _add_kernel_stack(self, kind: str, rest: str) -> None:
        """Add the stacks of a node (5.9+) or of a zone. If not all lines of a kind have them, one of them is cut."""
        size = _KERNEL_STACK.search(rest)
        if size:
            self._add("kernel_stack", oom_lines.size(size[1]))
        if self._has_stacks.setdefault(kind, size is not None) != (size is not None):
            self._add("kernel_stack", None)

    def _add(self, name: str, value: int | None) -> None:
        """Add to a sum. value: None if it is no measurement; then the sum is none either."""
        known = self._sums.get(name, 0)
        self._sums[name] = None if value is None or known is None else known + value

    def _list(self, names: tuple[str, ...]) -> int | None:
        active, inactive, isolated = map(self._counts.get, names)
        if active is None or inactive is None:
            return None
        return active + inactive + (isolated or 0)  # isolated: 2.6.32+

    def _deciding_zone(self, gfp_mask: str | None) -> Zone | None:
        if self._sums.get("zones_free") is None:  # the line of another zone is cut
            return None
        usable = [self._zones[name] for name in _usable_zones(gfp_mask) if name in self._zones]
        return max(usable, key=_rank)[2] if usable else None


def _rank(zone: tuple[bool, int, Zone]) -> tuple[bool, int]:
    return zone[:2]


def _usable_zones(gfp_mask: str | None) -> tuple[str, ...]:
    """Return the names of the zones that an allocation may use: those up to its own, gfp_zone() in linux/gfp.h."""
    bits = int((gfp_mask or "0").partition("(")[0], 16)
    if not bits or (bits & _GFP_HIGHMEM and bits & _GFP_MOVABLE):  # 0: a page fault, which does not say
        return _ZONES
    if bits & _GFP_HIGHMEM:
        return _ZONES[:4]
    return _ZONES[:1] if bits & _GFP_DMA else _ZONES[:2] if bits & _GFP_DMA32 else _ZONES[:3]
