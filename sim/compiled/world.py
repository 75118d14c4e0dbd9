"""How the World reaches compiled code: as one address, under which lie the addresses of its arrays.

Handing forty arrays from function to function would cost more than most events do, for the compiler and at run time.
So the compiler is taught two types: a World, whose attributes are tables, and a table, which is an address and has
items. No lengths, no negative indexes, nothing counted: what the kernel indexes is there, and stays there until the
kernel comes back. Plain Python takes the same attributes of the same object, and finds arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from windtunnel.sim.compiled.jit import COMPILED
from windtunnel.sim.compiled.records import KINDS


class World:
    """All arrays of one simulation, by the names of ``records.KINDS``."""

    def __init__(self, **arrays: Any) -> None:
        """Every array of KINDS, with its type, contiguous. ValueError else."""
        if arrays.keys() != KINDS.keys():
            raise ValueError(f"found arrays {sorted(arrays)}, expected {sorted(KINDS)}")
        self.arrays = arrays
        self.table = np.empty(len(KINDS), np.int64)
        for n, (name, kind) in enumerate(KINDS.items()):
            array = arrays[name]
            if array.dtype != kind or array.ndim != 1 or not array.flags.c_contiguous:
                raise ValueError(
                    f"found {array.dtype} with {array.ndim} dimensions as {name}, expected a row of {kind}"
                )
            self.table[n] = array.ctypes.data
        self.address = self.table.ctypes.data

    def __getattr__(self, name: str) -> Any:
        """One of the arrays."""
        try:
            return self.__dict__["arrays"][name]
        except KeyError:
            raise AttributeError(name) from None

    def with_arrays(self, **arrays: Any) -> World:
        """Another world, in which some arrays are others."""
        return World(**(self.arrays | arrays))


if COMPILED:
    import hashlib
    import operator
    from pathlib import Path

    from llvmlite import ir
    from numba import from_dtype, types
    from numba.core.datamodel import models
    from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
    from numba.extending import (
        infer_getattr,
        lower_builtin,
        lower_getattr_generic,
        register_model,
        typeof_impl,
        unbox,
    )

    WORD = ir.IntType(64)

    class WorldType(types.Type):
        """The compiler's name for a World."""

        def __init__(self) -> None:
            """There is only one. Its name holds a digest of this package's sources: numba's cache looks only at the
            file of each function, not at those of what it calls, and would mix old code with new."""
            here = Path(__file__).parent
            sources = b"".join(file.read_bytes() for file in sorted(here.glob("*.py")))
            super().__init__(name=f"windtunnel.World.{hashlib.sha256(sources).hexdigest()[:16]}")

    WORLD = WorldType()

    class TableType(types.Type):
        """The compiler's name for one of its arrays."""

        def __init__(self, item: Any) -> None:
            """``item``: of what."""
            self.item = item
            super().__init__(name=f"{WORLD.name}.Table({item})")

    PLACES = {name: n for n, name in enumerate(KINDS)}
    TABLES = {name: TableType(from_dtype(kind)) for name, kind in KINDS.items()}

    @typeof_impl.register(World)
    def _typeof(_: Any, __: Any) -> WorldType:
        return WORLD

    @register_model(WorldType)
    @register_model(TableType)
    class _Address(models.PrimitiveModel):
        def __init__(self, dmm: Any, fe_type: Any) -> None:
            super().__init__(dmm, fe_type, WORD)

    @unbox(WorldType)  # type: ignore[untyped-decorator]
    def _unbox(_: Any, obj: Any, c: Any) -> Any:
        address = c.pyapi.object_getattr_string(obj, "address")
        native = c.unbox(types.int64, address)
        c.pyapi.decref(address)
        return native

    @infer_getattr
    class _Attributes(AttributeTemplate):
        key = WorldType

        def generic_resolve(self, _: Any, attr: str) -> Any:  # type: ignore[override]
            return TABLES.get(attr)

    @lower_getattr_generic(WorldType)  # type: ignore[untyped-decorator]
    def _attribute(_: Any, builder: Any, __: Any, value: Any, attr: str) -> Any:
        row = builder.inttoptr(value, WORD.as_pointer())
        return builder.load(builder.gep(row, [ir.Constant(ir.IntType(32), PLACES[attr])]))

    @infer_global(operator.getitem)
    class _Item(AbstractTemplate):
        def generic(self, args: Any, _: Any) -> Any:
            if isinstance(args[0], TableType) and isinstance(args[1], types.Integer):
                return signature(args[0].item, args[0], types.intp)
            return None

    @infer_global(operator.setitem)
    class _SetItem(AbstractTemplate):
        def generic(self, args: Any, _: Any) -> Any:
            if isinstance(args[0], TableType) and isinstance(args[1], types.Integer):
                return signature(types.none, args[0], types.intp, args[0].item)
            return None

    def _pointer(context: Any, builder: Any, item: Any, table: Any, index: Any) -> Any:
        size = item.size if isinstance(item, types.Record) else item.bitwidth // 8
        place = builder.add(table, builder.mul(index, ir.Constant(WORD, size), flags=["nsw"]))
        return builder.inttoptr(place, context.get_data_type(item).as_pointer())

    @lower_builtin(operator.getitem, TableType, types.intp)  # type: ignore[untyped-decorator]
    def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        item = sig.return_type
        return context.unpack_value(builder, item, _pointer(context, builder, item, *args))

    @lower_builtin(operator.setitem, TableType, types.intp, types.Any)  # type: ignore[untyped-decorator]
    def _put(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        item = sig.args[2]
        context.pack_value(builder, item, args[2], _pointer(context, builder, item, *args[:2]))
        return context.get_dummy_value()
