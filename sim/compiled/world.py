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
        lower_setattr_generic,
        register_model,
        typeof_impl,
        unbox,
    )

    WORD = ir.IntType(64)
    ADDRESS = ir.IntType(8).as_pointer()

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

        def __init__(self, of: str) -> None:
            """``of``: its name in KINDS."""
            self.of = of
            super().__init__(name=f"{WORLD.name}.{of}")

        @property
        def item(self) -> Any:
            """What it holds: rows of fields, or numbers."""
            return RowType(self.of) if KINDS[self.of].fields else from_dtype(KINDS[self.of])

    class RowType(types.Type):
        """The compiler's name for a record in one of its arrays: an address too."""

        def __init__(self, of: str) -> None:
            """``of``: the array's name in KINDS."""
            self.of = of
            super().__init__(name=f"{WORLD.name}.{of}[]")

    class PieceType(types.Type):
        """The compiler's name for several fields that are copied as one."""

        def __init__(self, size: int) -> None:
            """``size``: in bytes, a multiple of 8."""
            self.words = size // 8
            super().__init__(name=f"{WORLD.name}.Piece({size})")

    @register_model(PieceType)
    class _Piece(models.PrimitiveModel):
        def __init__(self, dmm: Any, fe_type: Any) -> None:
            super().__init__(dmm, fe_type, ir.VectorType(WORD, fe_type.words))

    def _type_of(kind: Any) -> Any:
        return PieceType(kind.itemsize) if kind.kind == "V" else from_dtype(kind)

    PLACES = {name: n for n, name in enumerate(KINDS)}

    @typeof_impl.register(World)
    def _typeof(_: Any, __: Any) -> WorldType:
        return WORLD

    @register_model(WorldType)
    @register_model(TableType)
    @register_model(RowType)
    class _Address(models.PrimitiveModel):
        def __init__(self, dmm: Any, fe_type: Any) -> None:
            super().__init__(dmm, fe_type, ADDRESS)

    @unbox(WorldType)  # type: ignore[untyped-decorator]
    def _unbox(_: Any, obj: Any, c: Any) -> Any:
        address = c.pyapi.object_getattr_string(obj, "address")
        native = c.unbox(types.int64, address)
        c.pyapi.decref(address)
        return type(native)(c.builder.inttoptr(native.value, ADDRESS), is_error=native.is_error)

    @infer_getattr
    class _Tables(AttributeTemplate):
        key = WorldType

        def generic_resolve(self, _: Any, attr: str) -> Any:  # type: ignore[override]
            return TableType(attr) if attr in KINDS else None

    @infer_getattr
    class _Fields(AttributeTemplate):
        key = RowType

        def generic_resolve(self, row: Any, attr: str) -> Any:  # type: ignore[override]
            fields: Any = KINDS[row.of].fields
            return _type_of(fields[attr][0]) if attr in fields else None

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

    def _only_itself(builder: Any, access: Any, kind: str) -> Any:
        """Tell the compiler that what is loaded or stored here is of a kind of its own, which shares no memory with
        other kinds: it may then keep a field in a register while others are written. (LLVM's TBAA.)"""
        module, zero = builder.module, ir.Constant(WORD, 0)
        own = module.add_metadata([f"{WORLD.name}.{kind}", module.add_metadata([WORLD.name]), zero])
        access.set_metadata("tbaa", module.add_metadata([own, own, zero]))
        return access

    def _at(builder: Any, address: Any, offset: Any, what: Any) -> Any:
        return builder.bitcast(builder.gep(address, [offset], inbounds=True), what.as_pointer())

    @lower_getattr_generic(WorldType)  # type: ignore[untyped-decorator]
    def _table(_: Any, builder: Any, __: Any, value: Any, attr: str) -> Any:
        table = builder.load(_at(builder, value, ir.Constant(WORD, 8 * PLACES[attr]), ADDRESS))
        table.set_metadata("invariant.load", builder.module.add_metadata([]))  # another world has another address
        return table

    @lower_getattr_generic(RowType)  # type: ignore[untyped-decorator]
    def _get_field(context: Any, builder: Any, row: Any, value: Any, attr: str) -> Any:
        kind, offset = KINDS[row.of].fields[attr][:2]  # type: ignore[index]
        place = _at(builder, value, ir.Constant(WORD, offset), context.get_value_type(_type_of(kind)))
        if kind.kind == "V":  # of the kinds of all its fields
            return builder.load(place, align=8)
        return _only_itself(builder, builder.load(place), f"{row.of}.{attr}")

    @lower_setattr_generic(RowType)  # type: ignore[untyped-decorator]
    def _set_field(context: Any, builder: Any, sig: Any, args: Any, attr: str) -> None:
        row = sig.args[0]
        kind, offset = KINDS[row.of].fields[attr][:2]  # type: ignore[index]
        place = _at(builder, args[0], ir.Constant(WORD, offset), context.get_value_type(_type_of(kind)))
        if kind.kind == "V":
            builder.store(args[1], place, align=8)
        else:
            _only_itself(builder, builder.store(args[1], place), f"{row.of}.{attr}")

    def _item(builder: Any, table: Any, index: Any, size: int, what: Any) -> Any:
        return _at(builder, table, builder.mul(index, ir.Constant(WORD, size), flags=["nsw"]), what)

    @lower_builtin(operator.getitem, TableType, types.intp)  # type: ignore[untyped-decorator]
    def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        of = sig.args[0].of
        place = _item(builder, args[0], args[1], KINDS[of].itemsize, context.get_value_type(sig.return_type))
        if isinstance(sig.return_type, RowType):
            return builder.bitcast(place, ADDRESS)
        return _only_itself(builder, builder.load(place), of)

    @lower_builtin(operator.setitem, TableType, types.intp, types.Any)  # type: ignore[untyped-decorator]
    def _put(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        of = sig.args[0].of
        place = _item(builder, args[0], args[1], KINDS[of].itemsize, args[2].type)
        _only_itself(builder, builder.store(args[2], place), of)
        return context.get_dummy_value()
