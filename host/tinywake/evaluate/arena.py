# SPDX-License-Identifier: MIT
"""A picture of the arena over time: operators from left to right, bytes upwards, a rectangle for what lies there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

from tinywake.compiler.occupancy import Occupant
from tinywake.compiler.report import Report
from tinywake.errors import ModelError
from tinywake.files import write_beside

__all__ = ["draw_arena"]

# The colours of docs/flow.svg, fill and border: fills are deeper, because they are seen through.
_TENSOR, _EDGE, _STATE = ("#b6e3ff", "#54aeff"), ("#aceebb", "#4ac26b"), ("#fae17d", "#d4a72c")
_INK, _PALE, _GRID, _ALERT, _BLUSH = "#1f2328", "#57606a", "#d0d7de", "#cf222e", "#ffebe9"

_LEFT, _RIGHT, _TOP, _HEIGHT = 78, 24, 62, 360  # margins, at least, and the plot's height
_BAND = 34  # for state, below the plot
_WIDTH = 900  # of the plot, where the columns allow it
_COLUMN = (7.0, 110.0)  # least and most
_FONT = 11
_GLYPH = 0.6 * _FONT  # width of a character: enough room for any sans-serif
_SLOPE = 0.71  # what a label at 45 degrees takes of either direction


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    w: float
    h: float
    fill: str
    edge: str = "none"
    opacity: float = 1.0
    title: str = ""  # shown by viewers that can; marks what is a block


@dataclass(frozen=True)
class _Text:
    x: float
    y: float
    text: str
    size: int = _FONT
    anchor: str = "middle"  # start, middle or end
    color: str = _INK
    bold: bool = False
    turn: int = 0  # degrees, counterclockwise


@dataclass(frozen=True)
class _Line:
    x: float
    y: float
    to_x: float
    to_y: float
    color: str
    dashes: str = ""
    width: float = 1.0


_Shape = _Box | _Text | _Line


@dataclass(frozen=True)
class _Picture:
    width: float
    height: float
    title: str
    shapes: list[_Shape]


def draw_arena(report: Report, path: Path, title: str) -> None:
    """Write the picture as .svg or .png; the same report gives the same bytes. Raises ModelError for other names."""
    if path.suffix not in (".svg", ".png"):
        raise ModelError(f"{path}: a picture of the arena is an .svg or a .png")
    picture = _compose(report, title)
    if path.suffix == ".svg":
        write_beside(path, lambda part: part.write_text(_svg(picture), encoding="utf-8"))
    else:
        write_beside(path, lambda part: _png(picture, part))


def _compose(report: Report, title: str) -> _Picture:
    steps = len(report.ops)
    total = report.arena_bytes
    column = min(max(_WIDTH / (steps + 1), _COLUMN[0]), _COLUMN[1])
    names = [f"{op.index} {op.kind}" for op in report.ops] + ["output"]
    left = max(_LEFT, _SLOPE * _GLYPH * len(names[0]) - column / 2 + 14)
    right, base = left + column * (steps + 1), _TOP + _HEIGHT
    floor = base + (_BAND if report.state_bytes else 0)

    def x(step: float) -> float:
        return left + column * step

    def y(count: float) -> float:
        return base - _HEIGHT * count / max(total, 1)

    shapes: list[_Shape] = [_Text(20, 30, title, 15, "start", bold=True)]
    shapes.append(_Text(20, 48, _subtitle(report), 12, "start", _PALE))
    shapes.append(_Box(x(report.peak), _TOP, column, floor - _TOP, _BLUSH))
    for count in _ticks(total):
        shapes.append(_Line(left, y(count), right, y(count), _GRID))
        shapes.append(_Text(left - 8, y(count) + 4, f"{count:,}", _FONT, "end", _PALE))
    labels: list[_Text] = []
    if report.state_bytes:
        band = _Box(left, base + 4, right - left, _BAND - 4, *_STATE, 0.5)
        about = f"{report.state_bytes:,} bytes of streaming state, kept from one invoke to the next; not to scale"
        shapes += [band, _Text((left + right) / 2, base + _BAND / 2 + 6, about)]
    for block in report.blocks:
        fill, edge = _EDGE if block.writer is None or block.last == steps else _TENSOR
        about = f"{block.bytes:,} bytes at {block.offset:,}, operators {block.first} to {block.last}"
        box = _Box(
            x=x(block.first) + 1,
            y=y(block.offset + block.bytes),
            w=column * (block.last - block.first + 1) - 2,
            h=base - y(block.bytes),
            fill=fill,
            edge=edge,
            opacity=0.55,
            title=f"{report.name(block)}: {about}",
        )
        shapes.append(box)
        others = [other for other in report.blocks if _share(other, block)]
        beside = [other for other in others if other.first == block.first]
        room = column / len(beside) if len(others) > 1 else box.w  # where it begins it is the newest
        labels += _label(report.name(block), block.bytes, replace(box, x=box.x + beside.index(block) * room), room)
    shapes += labels
    shapes.append(_Line(left, y(total), right, y(total), _ALERT, "6 4", 1.5))
    if report.lower_bound is not None and report.arena_bytes - report.lower_bound > total / 40:
        bound = y(report.lower_bound)
        shapes.append(_Line(left, bound, right, bound, _PALE, "2 3", 1.5))
        shapes.append(_Text(right, bound - 5, "lower bound", _FONT, "end", _PALE))
    shapes.append(_Line(left, base, right, base, _PALE, width=1.5))
    every = -(-14 // int(column))  # columns from one name to the next
    for step, name in enumerate(names):
        if step % every == 0 or step == report.peak:
            peak = step == report.peak
            color = _ALERT if peak else _PALE
            shapes.append(_Text(x(step + 0.5) + 4, floor + 16, name, _FONT, "end", color, bold=peak, turn=45))
    height = floor + 30 + _SLOPE * _GLYPH * max(map(len, names))
    return _Picture(max(right + _RIGHT, 520), height, title, shapes)


def _subtitle(report: Report) -> str:
    said = f"{report.arena_bytes:,} bytes"
    if report.lower_bound is not None:
        same = report.lower_bound == report.arena_bytes
        said += "; in this order no plan takes less" if same else f"; no plan takes less than {report.lower_bound:,}"
    if report.ops:
        said += f"; most are in use at {report.peak} {report.ops[report.peak].kind}"
    return said


def _share(a: Occupant, b: Occupant) -> bool:
    apart = a.offset >= b.offset + b.bytes or b.offset >= a.offset + a.bytes
    return not apart and a.first <= b.last and b.first <= a.last


def _ticks(total: int) -> range:
    """Round numbers from 0 to the total, at most nine of them."""
    steps = (digit * 10**power for power in range(9) for digit in (1, 2, 5))
    return range(0, total + 1, next(step for step in steps if total <= 8 * step))


def _label(name: str, count: int, box: _Box, width: float) -> list[_Text]:
    """Name and size at the left end of a box, along it or upright, as far as they fit into `width`."""
    x, y, size = box.x + min(width, box.w) / 2, box.y + box.h / 2, f"{count:,}"
    across, upright = int((width - 4) / _GLYPH), int((box.h - 6) / _GLYPH)
    bold = int(across * 0.9)
    if box.h >= 30 and bold >= min(len(name), 12) and across >= len(size):
        head = name if bold >= len(name) else f"{name[: bold - 1]}…"
        return [_Text(x, y - 3, head, bold=True), _Text(x, y + 12, size, color=_PALE)]
    cut = max(across if box.h >= 13 else 0, upright if width >= 15 else 0) - len(size) - 2
    texts = [f"{name} {size}", f"{name[:cut]}… {size}" if cut >= 6 else size, size]
    for text in texts:
        if across >= len(text) and box.h >= 13:
            return [_Text(x, y + 4, text)]
        if upright >= len(text) and width >= 15:
            return [_Text(x + 4, y, text, turn=90)]
    return []


def _svg(picture: _Picture) -> str:
    w, h = f"{picture.width:g}", f"{picture.height:g}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
        f'font-family="system-ui, sans-serif" fill="{_INK}">',
        f"<title>{escape(picture.title)}</title>",
        f'<rect width="{w}" height="{h}" rx="10" fill="#ffffff"/>',
    ]
    for shape in picture.shapes:
        if isinstance(shape, _Box):
            place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.w:.1f}" height="{shape.h:.1f}"'
            look = f'fill="{shape.fill}" fill-opacity="{shape.opacity:g}" stroke="{shape.edge}"'
            about = f' class="block"><title>{escape(shape.title)}</title></rect>' if shape.title else "/>"
            lines.append(f'<rect {place} rx="2" {look}{about}')
        elif isinstance(shape, _Line):
            dashes = f' stroke-dasharray="{shape.dashes}"' if shape.dashes else ""
            place = f"M{shape.x:.1f} {shape.y:.1f}L{shape.to_x:.1f} {shape.to_y:.1f}"
            lines.append(f'<path d="{place}" stroke="{shape.color}" stroke-width="{shape.width:g}"{dashes}/>')
        else:
            bold = ' font-weight="600"' if shape.bold else ""
            turn = f' transform="rotate({-shape.turn} {shape.x:.1f} {shape.y:.1f})"' if shape.turn else ""
            lines.append(
                f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size}" text-anchor="{shape.anchor}" '
                f'fill="{shape.color}"{bold}{turn}>{escape(shape.text)}</text>'
            )
    return "\n".join([*lines, "</svg>\n"])


def _png(picture: _Picture, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and only this needs it
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(picture.width / 72, picture.height / 72), dpi=144)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    axes.set_axis_off()
    for order, shape in enumerate(picture.shapes):
        if isinstance(shape, _Box):
            corner, edge = (shape.x, shape.y), shape.edge
            fill = Rectangle(corner, shape.w, shape.h, facecolor=shape.fill, alpha=shape.opacity, linewidth=0)
            border = Rectangle(corner, shape.w, shape.h, fill=False, edgecolor=edge, linewidth=1)
            for patch in (fill, border):
                patch.set_zorder(order)
                axes.add_patch(patch)
        elif isinstance(shape, _Line):
            dashes = (0, [float(n) for n in shape.dashes.split()]) if shape.dashes else "-"
            axes.plot(
                [shape.x, shape.to_x], [shape.y, shape.to_y], color=shape.color, linestyle=dashes,
                linewidth=shape.width, zorder=order,
            )  # fmt: skip
        else:
            axes.text(
                shape.x, shape.y, shape.text.replace("$", r"\$"), fontsize=shape.size * 0.9, color=shape.color,
                ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor], va="baseline",
                fontweight="bold" if shape.bold else "normal", rotation=shape.turn,
                rotation_mode="anchor", zorder=order,
            )  # fmt: skip
    FigureCanvasAgg(figure)
    figure.savefig(path, format="png", metadata={"Software": None})
