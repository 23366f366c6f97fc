"""Boards, real and emulated: what there is, what runs on them, the way there. Only this talks to a port."""

__all__: list[str] = []
