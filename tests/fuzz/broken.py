"""Valid cases with something wrong: a value, a key, what the parts say of each other, the text of a file; or only a
number of another size.

What comes out may be valid all the same; what may not happen is a traceback, a hang, or a refusal without a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.dice import Thrown
from tests.fuzz.valid import ARCHITECTURE, DEPLOYMENT, PARAMETERS, SCENARIO, Case, drawn, options, trace, written
from tests.sim.equality.dice import Dice
from tests.sim.equality.drawings import TRACE, Said

Path = tuple[Any, ...]
Place = tuple[str, Path]
"""A file and the way to a value in it."""

NUMBERS = (
    0, -1, 1, -0.0, 0.5, 1.5, 1e-9, 5e-324, 1e-300, 1e12, 1e13, -1e12, 1e300, 2**31, 2**53 + 1, 2**63 - 1, 2**63,
    -(2**63), 2**64, 10**30, 10**400, float("nan"), float("inf"), float("-inf"), 10_000, 1e6, 1e9,
)  # fmt: skip
WORDS = (
    "", " ", "a", "client", "queue", "app", "db.0", "db.99", "app->db", "app->app", "nobody", "during", "warm_up",
    "all", "none", "null", "true", "no", "1", "1e3", "0x10", ".inf", "-", "->", "a.b.c", "a" * 300, "A", "ü", "🎲",
    "\u202e", "\ud800", "a\nb", "a\tb", "\x00", "\x1b[31m", "[bold]", "[/bold]", "{prompt}", "{0}", "%s", "'", '"',
    "../x", "/", ".", "/dev/null", "/etc", "~", "~nobody/x", "drawn.yaml", "asked.yaml", "scale", "2026-01-01",
    "constant", "poisson",
)  # fmt: skip
SETTINGS = (
    "load.rate_per_s=50", "load.rate_per_s=fast", "load.flows.ask=0", "seed=-1", "seed", "=1", "seed=", "a.b.c=1",
    "faults.0.at=after", "faults.99.at=after", "faults.x=1", "faults.-1.at=before", "name.x=1", "windows={}",
    "windows={during_s: 1}", "question=[1, 2", "question=&a [*a]", "question=!!python/object:x {}", "load=null",
    "load.rate_per_s=.nan", "load.rate_per_s=.inf", "question=2026-01-01", "question=!!binary aGk=", "question=\x00",
    "question=!!set {a, b}", "objectives={1: 2}", "objectives.during={? [1, 2] : 3}", "load.trace=nowhere.csv",
    "question=\ud800", "windows.during_s=1e3", "windows.during_s=1_0", "question=012", "alerts.x.above=1", "faults=[]",
    "architecture=mvp", "deployment=none", "deployment=./asked.yaml", "architecture=./asked.yaml",
)  # fmt: skip


def places(files: Said) -> Iterator[Place]:
    """Every value of every file."""

    def below(value: Any, path: Path) -> Iterator[Path]:
        yield path
        items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            yield from below(inner, (*path, key))

    return ((file, path) for file, value in files.items() for path in below(value, ()))


def at(files: Said, place: Place) -> Any:
    """What stands there."""
    value = files[place[0]]
    for key in place[1]:
        value = value[key]
    return value


def put(files: Said, place: Place, value: Any) -> None:
    """Another value there."""
    file, path = place
    if path:
        at(files, (file, path[:-1]))[path[-1]] = value
    else:
        files[file] = value


class Breaking:
    """Does one thing after the other to the values of a case's files."""

    def __init__(self, draw: st.DrawFn, dice: Dice, files: Said) -> None:
        self._draw = draw
        self._dice = dice
        self.files = files

    def once(self) -> str:
        """Break something; in words."""
        ways = (
            self._another_value,
            self._another_value,
            self._number,
            self._number,
            self._removed,
            self._misspelt,
            self._unknown_key,
            self._renamed,
            self._twice,
            self._moved,
            self._wrapped,
            self._nested,
            self._meaning,
        )
        return self._dice.one(ways)()

    def _place(self, *kinds: type, key: str = "") -> Place:
        """Anywhere that a value of these kinds stands; at the top where there is none."""
        found = [
            place
            for place in places(self.files)
            if (not kinds or (isinstance(at(self.files, place), kinds) and not isinstance(at(self.files, place), bool)))
            and (not key or (place[1] and place[1][-1] == key))
        ]
        return self._dice.one(found) if found else (SCENARIO, ())

    def _strange(self) -> Any:
        """A value that is probably out of place."""
        match self._dice.one(("number", "word", "text", "empty", "elsewhere", "json")):
            case "number":
                return self._dice.one(NUMBERS)
            case "word":
                return self._dice.one(WORDS)
            case "text":
                return self._draw(st.text(max_size=12))
            case "empty":
                return self._dice.one((None, [], {}, "", True, False, [None], {"": None}, [[]], [{}]))
            case "elsewhere":
                return deepcopy(at(self.files, self._place()))
        leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
        return self._draw(
            st.recursive(
                leaves,
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
                max_leaves=6,
            )
        )

    def _another_value(self) -> str:
        put(self.files, self._place(), self._strange())
        return "another value"

    def _number(self) -> str:
        place = self._place(int, float)
        if not place[1]:
            return "nothing"
        value = at(self.files, place)
        put(
            self.files,
            place,
            self._dice.one((-value, value * 1000, value * 0.001 if abs(value) < 1e300 else 0, str(value), *NUMBERS)),
        )
        return "another number"

    def _removed(self) -> str:
        file, path = self._place()
        if path:
            del at(self.files, (file, path[:-1]))[path[-1]]
        return "removed"

    def _misspelt(self) -> str:
        """A key in other letters, at the same place."""
        place = self._place(dict)
        told = at(self.files, place)
        if not isinstance(told, dict) or not told:
            return "nothing"
        key = self._dice.one(list(told))
        n = self._dice.whole(0, max(0, len(str(key)) - 1))
        text = str(key)
        new = self._dice.one(
            (text[:n] + text[n + 1 :], text[:n] + "x" + text[n:], text.upper(), text + " ", "", 1, None)
        )
        put(self.files, place, {(new if k == key else k): value for k, value in told.items()})
        return "misspelt key"

    def _unknown_key(self) -> str:
        told = at(self.files, self._place(dict))
        if isinstance(told, dict):
            known = [key for _, path in places(self.files) for key in path[-1:] if isinstance(key, str)]
            told[self._dice.one((*WORDS, *known))] = self._strange()
        return "unknown key"

    def _renamed(self) -> str:
        """A word that others refer to."""
        put(self.files, self._place(str), self._dice.one(WORDS))
        return "another word"

    def _twice(self) -> str:
        told = at(self.files, self._place(list))
        if isinstance(told, list) and told:
            told.append(deepcopy(self._dice.one(told)))
        return "twice"

    def _moved(self) -> str:
        """Two values in each other's place."""
        one, other = self._place(), self._place()
        first, second = deepcopy(at(self.files, one)), deepcopy(at(self.files, other))
        put(self.files, one, second)
        try:
            put(self.files, other, first)
        except (KeyError, IndexError, TypeError):
            return "moved"  # it stood in what has gone
        return "exchanged"

    def _wrapped(self) -> str:
        place = self._place()
        value = at(self.files, place)
        put(self.files, place, self._dice.one(([value], {"value": value}, [value, value], str(value), {str(value): 1})))
        return "wrapped"

    def _nested(self) -> str:
        """Lists and keys very deep, or steps within steps."""
        depth = self._dice.one((3, 5, 20, 70, 120))  # what is written by YAML; deeper ones are texts
        place = self._place(list, key="steps") if self._dice.likely(0.5) else self._place()
        value: Any = at(self.files, place)
        kind = self._dice.one(("list", "keys", "repeat", "choose", "parallel"))
        for _ in range(depth):
            match kind:
                case "list":
                    value = [value]
                case "keys":
                    value = {"steps": value}
                case "repeat":
                    value = [{"repeat": value, "until": ["ok"], "at_most": 1}]
                case "choose":
                    value = [{"choose": [{"probability": 1, "steps": value}]}]
                case "parallel":
                    value = [{"parallel": [value]}]
        put(self.files, place, value)
        return f"nested {kind}"

    def _meaning(self) -> str:
        """What each part may say, and the others do not bear out."""
        try:
            architecture, scenario = self.files[ARCHITECTURE], self.files[SCENARIO]
            match self._dice.one(
                ("retries", "link", "fault", "probability", "objective", "consumer", "time", "standby")
            ):
                case "retries":
                    for link in architecture["links"]:
                        link["retries"] = {"max": 2}
                case "link":
                    architecture["links"].pop(self._dice.whole(0, len(architecture["links"]) - 1))
                case "fault":
                    kind = self._dice.one(("kill", "latency", "zone_outage", "brownout", "random_outages"))
                    more: dict[str, Said] = {"latency": {"latency_ms": 1}, "brownout": {"factor": 2}}
                    more["random_outages"] = {"mtbf_s": self._dice.one((1e-9, 0.1, 1e9)), "mttr_s": 1e-9}
                    scenario["faults"].append({kind: self._dice.one(WORDS), **more.get(kind, {})})
                case "probability":
                    put(self.files, self._place(key="probability"), 0.3)
                case "objective":
                    scenario["objectives"] = {"after": {"recovery_s": {"max": 1}}}
                    scenario["windows"].pop("after_s", None)
                case "consumer":
                    architecture["components"]["second"] = {"kind": "service", "consumes": {"queue": "queue"}}
                case "time":
                    place = self._place(key="service_ms")
                    put(self.files, (place[0], place[1][:-1]), {"call": "app"})
                case "standby":
                    architecture["components"]["db"] = {"kind": "database", "standbys": self._dice.whole(0, 100)}
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            return "nothing"  # what it is about has been broken already
        return "meaning"


LINES = (
    "%YAML 1.1", "---", "...", "- x", "  - x", "\tkey: 1", "key: value: value", "? [a, b]\n: c", "<<: {name: x}",
    "<<: *a", "x: &a {b: *a}", "x: *nowhere", "x: !!binary aGk=", "x: !!python/object:os.system {}", "x: !!timestamp 1",
    "x: !unknown 1", "x: 2026-01-01", "x: 2026-01-01T00:00:00Z", "x: 1" + "0" * 5000, "x: 1e999", "x: 0o17", "x: 0x1F",
    "x: 1_000", "x: 012", "x: +.inf", "x: |\n  text", "x: >\n text\n bad", "x: 'open", 'x: "open',
    'x: "\\ud83d\\ude00"', 'x: "\\ud800"', 'x: "\\x00"', "x: [1, 2", "x: {a: 1",
    "}", "]", "`x: 1", "@x: 1", "x: @y", "# only a comment",
    "x: !!int abc", "x: !!float abc", "x: !!bool maybe", "x: !!null 1", "x: !!set {a, b}", "x: !!omap [a: 1]",
    "x: !!pairs [a: 1]", "x: !!str 1", "x: !!map [1]", "x: !!seq {a: 1}", "x: " + "[" * 500 + "]" * 500,
    "x: " + "{a: " * 2000, "1: 2", "null: 1", "true: 1", "[a]: 1", "{a: 1}: 1", "~: 1", "1.5: x", ": x", "-",
    "--- |\n%",     "a: &x [1]\nb: [*x, *x, *x, *x, *x, *x, *x, *x, *x]",
)  # fmt: skip
BYTES = (
    b"", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\r", b"\r\n", b"\t",
    b"\x85", b"\xe2\x80\xa8", b"\x1b[2J", b"\x7f", b"'", b'"', b":", b"- ", b"{",
    b"[", b"&a ", b"*a", b"!", b"%", b"#", b"|", b"\n\n",
)  # fmt: skip
BILLIONS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
WHOLE = ("", "\n", "# nothing", "1", "word", "[]", "{}", "null", "- a\n- b", "--- {}\n--- {}", "[" * 5000, "{" * 5000,
         "- " * 3000 + "x", "x" * 100_000, BILLIONS, "&a [*a]", "&a {x: *a}", "!!python/name:os.system",
         "\ufeff")  # fmt: skip
ROWS = ("", "x,y,z", "2023-11-16 18:00:00,1,1", "2023-11-16 17:00:00,1,1", "never,1,1", "2023-11-16 19:00:00,-1,1",
        "2023-11-16 19:00:00,1.5,1", "2023-11-16 19:00:00,99999999999999999999,1", "2023-11-16 19:00:00,1", '"', ",,",
        "9999-12-31 00:00:00,1,1", "2023-11-16 19:00:00+02:00,1,1",
        "2023-11-16 19:00:00,2147483648,9223372036854775807",
        "TIMESTAMP,ContextTokens,GeneratedTokens")  # fmt: skip


def broken_text(dice: Dice, text: str) -> tuple[bytes, str]:
    """The text of a file with something wrong in it, and what."""
    way = dice.one(("line", "line", "bytes", "whole", "cut", "lost", "doubled", "ends", "encoding", "anchor"))
    lines = text.split("\n")
    n = dice.whole(0, len(lines) - 1)
    match way:
        case "line":
            margin = lines[n][: len(lines[n]) - len(lines[n].lstrip())] if dice.likely(0.7) else ""
            added = [margin + line for line in dice.one(LINES).split("\n")]
            return "\n".join([*lines[:n], *added, *lines[n:]]).encode(), "a line more"
        case "bytes":
            whole = text.encode(errors="surrogatepass")
            place = dice.whole(0, len(whole))
            return whole[:place] + dice.one(BYTES) + whole[place + dice.whole(0, 2) :], "bytes"
        case "whole":
            return dice.one(WHOLE).encode(), "another text"
        case "cut":
            return text[: dice.whole(0, len(text))].encode(errors="surrogatepass"), "cut off"
        case "lost":
            return "\n".join([*lines[:n], *lines[n + 1 :]]).encode(errors="surrogatepass"), "a line lost"
        case "doubled":
            return "\n".join([*lines[: n + 1], *lines[n:]]).encode(errors="surrogatepass"), "a line doubled"
        case "ends":
            ends = dice.one(("\r\n", "\r", "\x85", "\u2028", "\n\n", " \n"))
            return text.replace("\n", ends).encode(errors="surrogatepass"), "other ends of lines"
        case "encoding":
            coding = dice.one(("utf-16", "utf-32", "utf-8-sig", "utf-7", "cp037"))
            return text.encode(coding, errors="replace"), f"in {coding}"
    shared = lines[n].replace(": ", ": &a ", 1)
    return "\n".join([*lines[:n], shared, *lines[n + 1 :], "x: *a"]).encode(errors="surrogatepass"), "an alias"


def broken_trace(dice: Dice) -> bytes:
    """Recorded arrivals with other rows, or cut off."""
    lines = trace().decode().split("\n")
    n = dice.whole(0, len(lines) - 1)
    if dice.likely(0.3):
        return "\n".join(lines).encode()[: dice.whole(0, 200)]
    return "\n".join([*lines[:n], dice.one(ROWS), *lines[n + dice.whole(0, 1) :]]).encode()


LEGAL = (0, 1, 2, 100, 10_000, 10**6, 10**9, 10**12, 0.5, 0.1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-300, 5e-324, 1 - 1e-16, 1.1)
"""Numbers that may stand in many places, and never should in most."""


@st.composite
def extreme(draw: st.DrawFn) -> Case:
    """A case with one to three numbers of another size: what is said remains possible as a rule, if hardly meant."""
    dice = Thrown(draw)
    files = drawn(dice)
    asked, many = options(dice, files)
    known = [place for place in places(files) if isinstance(at(files, place), int | float)]
    keys = sorted({str(place[1][-1]) for place in known})
    done = []
    for _ in range(dice.one((1, 1, 1, 2, 3))):
        key = dice.one(keys)  # else the many times of calls would hide the rest
        place = dice.one([place for place in known if str(place[1][-1]) == key])
        value, number = at(files, place), dice.one(LEGAL)
        put(files, place, number if isinstance(value, float) or number >= 1 else int(number))
        done.append(f"{key} {number:g}")
    texts = {name: written(dice, part).encode() for name, part in files.items()}
    return Case({**texts, TRACE: trace()}, asked, many, f"number: {', '.join(done)}")


@st.composite
def broken(draw: st.DrawFn) -> Case:
    """A case with one to three things wrong."""
    dice = Thrown(draw)
    files = drawn(dice)
    asked, many = options(dice, files)
    where = dice.one(("values",) * 6 + ("text", "text", "trace", "setting", "files"))
    done: list[str] = []
    if where == "values":
        breaking = Breaking(draw, dice, files)
        done += [breaking.once() for _ in range(dice.one((1, 1, 1, 2, 3)))]
    texts = {name: written(dice, part).encode(errors="surrogatepass") for name, part in files.items()}
    texts[TRACE] = trace()
    match where:
        case "text":
            name = dice.one(list(files))
            texts[name], how = broken_text(dice, texts[name].decode(errors="surrogatepass"))
            done.append(f"text: {how}")
        case "trace":
            texts[TRACE] = broken_trace(dice)
            load = {"arrivals": "trace", "trace": dice.one((TRACE, TRACE, *WORDS)), "flows": {"ask": 1}}
            texts[SCENARIO] = written(dice, {**files[SCENARIO], "load": load}).encode(errors="surrogatepass")
            done.append("trace")
        case "setting":
            asked = (*asked, "--set", dice.one(SETTINGS))
            done.append("setting")
        case "files":
            known = [name for name in texts if name in (ARCHITECTURE, DEPLOYMENT, PARAMETERS, SCENARIO)]
            one, other = dice.one(known), dice.one(known)
            texts[one], texts[other] = texts[other], texts[one]
            if dice.likely(0.5):
                del texts[one]
            done.append("files lost or exchanged")
    return Case(texts, asked, many, ", ".join(done))
