# SPDX-License-Identifier: MIT
"""Models into the free slot of their role, opened on the board where it answers, and only then selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinywake.device.circuitpy.deploy.record import ROOT, Record, free_slot, read_record, select, write_record
from tinywake.device.circuitpy.deploy.report import Put
from tinywake.device.circuitpy.files import Files, parents
from tinywake.device.deploy.copy import sha256
from tinywake.device.deploy.models.wanted import Wanted
from tinywake.errors import DeviceError

__all__ = ["Hash", "place", "put_whole"]

Hash = Callable[[Sequence[str]], dict[str, str | None]]  # SHA-256 of paths, as the board sees them


def put_whole(files: Files, wanted: dict[str, bytes], hashed: Hash) -> None:
    """Write files under temporary names, have them hashed, and only then rename. Raises DeviceError.

    Until all have arrived whole, those that were there are as they were.
    """
    try:
        for folder in parents(wanted):
            files.make(folder)
        for path, data in wanted.items():
            files.write(f"{path}~", data)
        said = hashed([f"{path}~" for path in wanted])
        _check_whole(files, wanted, said)
    except DeviceError:
        _remove_temporary(files, wanted)
        raise
    for path in wanted:
        files.rename(f"{path}~", path)


def _check_whole(files: Files, wanted: dict[str, bytes], said: dict[str, str | None]) -> None:
    for path, data in wanted.items():
        if said[f"{path}~"] != sha256(data):
            raise DeviceError(f"{files.where}: {path} arrived damaged; nothing was changed: run this again")


def place(
    files: Files, models: Sequence[Wanted], gate: str | None, hashed: Hash, opens: Callable[[list[str]], None]
) -> tuple[Put, ...]:
    """Have each model in a slot of its role and all of them selected at once. Raises DeviceError.

    models: the one that hears last. gate: a gate that is no file, "" for none; None: what the board has stays.
    opens: raises DeviceError where the board cannot open these paths; what was selected stays so then.
    """
    record = read_record(files)
    paths: dict[Wanted, str] = {}
    sent: set[Wanted] = set()
    for model in models:
        there = _same(files, record, model, hashed)
        if there is None:
            there, record = _fill(files, record, model, hashed)
            sent.add(model)
        paths[model] = there
    try:
        opens(list(paths.values()))
    except DeviceError:
        for model in sent:
            files.remove(paths[model])
        raise
    entries = dict(record.entries)
    for model, path in paths.items():
        entries = select(Record(entries=entries), model.role, path, sha256(model.data))
    if gate is not None:
        entries = select(Record(entries=entries), "gate", gate or None)
    if entries != dict(record.entries):
        record = write_record(files, record, entries)
    _clean(files, record, [*(model.role for model in models), *([] if gate is None else ["gate"])])
    return tuple(
        Put(
            model.role,
            model.name,
            path,
            len(model.data),
            sha256(model.data),
            model in sent,
            record.entries.get(f"{model.role}.was"),
        )
        for model, path in reversed(paths.items())
    )


def _same(files: Files, record: Record, model: Wanted, hashed: Hash) -> str | None:
    """The path of what the record has for a role, where it has this name and content."""
    chosen = [record.entries.get(key) for key in (model.role, f"{model.role}.was")]
    mine = [path for path in chosen if path and path.startswith(f"{ROOT}/") and path.endswith(f"/{model.name}")]
    said = hashed(mine) if mine else {}
    return next((path for path in mine if said[path] == sha256(model.data)), None)


def _fill(files: Files, record: Record, model: Wanted, hashed: Hash) -> tuple[str, Record]:
    """The model into its free slot; what lay there is no longer second choice before it is touched."""
    slot = free_slot(record, model.role)
    if any(path.startswith(f"{slot}/") for path in record.named()):
        record = write_record(files, record, record.without(slot))
    for name in files.names(slot):
        if not name.endswith("/"):
            files.remove(f"{slot}/{name}")
    path = f"{slot}/{model.name}"
    put_whole(files, {path: model.data}, hashed)
    return path, record


def _clean(files: Files, record: Record, roles: Sequence[str]) -> None:
    """Remove from the slots of roles what the record does not name."""
    used = record.named()
    for role in roles:
        for slot in (f"{ROOT}/{role}.a", f"{ROOT}/{role}.b"):
            for name in files.names(slot):
                if not name.endswith("/") and f"{slot}/{name}" not in used:
                    files.remove(f"{slot}/{name}")


def _remove_temporary(files: Files, wanted: dict[str, bytes]) -> None:
    for path in wanted:
        try:
            files.remove(f"{path}~")
        except DeviceError:
            return  # the medium is gone: the next run writes over them
