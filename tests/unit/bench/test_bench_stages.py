"""The table of stages: stacks to stages, stages to microseconds, and that all code of the daemon has a stage."""

import ast
import importlib.util
import math

import pytest

from bench import exact, functions, stacks, stages
from bench.bursts import report, summed
from bench.stacks import LOOP, OTHERS, READERS, WRITER, Frame, Stack, Used
from bench.stages import REST, ROOT, Sorter

LOADED = stages.load()

FLOW = stages.load("""
absent = []
waits = ["lib/threads.py:wait"]
[flow]
runs = ["run", "other"]
budget_for = ["run"]
about = "what is\\nmeasured"
lines_of = "app/store/"
[[flow.stages]]
name = "doors"
about = "in and out"
code = ["app/doors/", "app/core.py:Core.tell"]
budget = 2
aim = 1
why = "a line"
[[flow.stages]]
name = "core"
about = ""
code = ["app/"]
whole = ["app/back.py:load"]
budget = 4
aim = 3
why = "steps"
[[flow.stages]]
name = "statements"
about = ""
code = []
lines = ['execute\\(']
budget = 5
aim = 5
why = "rows"
[[flow.stages]]
name = "commit"
about = ""
code = []
lines = ['"COMMIT']
budget = 1
aim = 1
why = "a share"
""").flows[0]  # fmt: skip

LINES = {("app/store/tx.py", 3): "con.execute(sql)", ("app/store/tx.py", 4): 'con.execute("COMMIT")'}


def frames(*texts):
    """`path:function:line` from the outside in."""
    out = []
    for text in texts:
        path, function, *line = text.split(":")
        out.append(Frame(function, path, int(line[0]) if line else 0))
    return tuple(out)


@pytest.fixture
def sorter():
    return Sorter(FLOW, lambda path, line: LINES.get((path, line), "x = 1"))


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        (["app/doors/socket.py:read"], "doors"),
        (["app/doors/socket.py:read", "app/core.py:Core.take"], "core"),
        (["app/core.py:Core.take", "app/doors/socket.py:write"], "doors"),
        (["app/core.py:Core.take", "app/core.py:Core.tell"], "doors"),
        (["app/doors/socket.py:read", "json/decoder.py:decode", "re.py:match"], "doors"),
        (["app/store/tx.py:run:1"], "core"),
        (["app/store/tx.py:run:3"], "statements"),
        (["app/store/tx.py:run:3", "sqlite3/dbapi2.py:adapt"], "statements"),
        (["app/store/tx.py:run:4"], "commit"),
        (["app/doors/socket.py:read:3"], "doors"),
        (["app/back.py:load", "app/doors/socket.py:read", "app/store/tx.py:run:3"], "core"),
        (["threading.py:run", "json/decoder.py:decode"], REST),
        ([], REST),
    ],
)
def test_a_stack_belongs_to_the_innermost_frame_that_a_stage_claims(sorter, stack, stage):
    assert sorter.stage(frames(*stack)) == stage


def test_stacks_are_read_with_their_thread_and_count():
    found = stacks.read(
        "thread (7): MainThread;run (app/core.py:12);<module> (<string>:1);odd 3\n"
        "thread (0x1F): None from app.Loader.run;Values.run (app/store/hot.py) 1\n"
    )
    assert found == [
        (7, (Frame("run", "app/core.py", 12), Frame("<module>", "<string>", 1), Frame("odd", "", 0)), 3),
        (31, (Frame("Values.run", "app/store/hot.py", 0),), 1),
    ]
    for text in ("MainThread;run (app/core.py:12) 3", "thread (7);run (app/core.py:12)"):
        with pytest.raises(ValueError, match="line 1 is no stack"):
            stacks.read(text)


def test_who_waits_is_not_counted():
    samples = [(1, frames("a.py:f", "t.py:poll"), 9), (1, frames("t.py:poll", "a.py:f"), 1), (1, (), 4)]
    assert stacks.at_work(samples, {"t.py:poll"}) == samples[1:2]


WORK = frames("t.py:run", "gateway/store/writer.py:Writer._transaction", "gateway/store/hot.py:run:7")
COMMIT = frames("t.py:run", "gateway/store/writer.py:Writer._transaction", "gateway/store/writer.py:commit:9")
READ = frames("t.py:run", "gateway/store/reader.py:Reader._with_connection")


def weighed(*arguments):
    found = {}
    for thread, where, seconds in stacks.weigh(*arguments):
        key = (thread, where[-1].function)
        found[key] = found.get(key, 0.0) + seconds
    return found


def test_cpu_is_shared_by_who_had_the_interpreter_lock_and_the_rest_by_who_went_without():
    held = [(1, frames("a.py:f:1"), 30), (1, frames("a.py:g:2"), 10), (2, WORK, 10)]
    seen = [
        (1, frames("a.py:f:1"), 32),
        (1, frames("a.py:g:2"), 8),
        (1, frames("a.py:poll:3"), 400),  # it waits for a core, having slept
        (2, WORK, 40),
        (2, COMMIT, 90),
    ]
    found = weighed(held, seen, 1, {1: Used(4.1, 0.1), 2: Used(5.0, 0.2)})
    # A sample of the lock is 0.1 s: so 1 s of the writer's five, and the rest is 30 to 90.
    assert found == pytest.approx(
        {(LOOP, "f"): 3.0, (LOOP, "g"): 1.0, (LOOP, "poll"): 0.1, (WRITER, "run"): 2.0, (WRITER, "commit"): 3.0}
    )


def test_of_what_syncs_only_the_time_of_the_kernel_is_believed():
    held = [(1, frames("a.py:f:1"), 10)]
    seen = [(2, WORK, 30), (2, COMMIT, 90), (3, COMMIT, 9)]
    used = {1: Used(1.0, 0.0), 2: Used(5.0, 0.5), 3: Used(0.3, 0.1)}
    found = stacks.weigh(held, seen, 1, used, lambda where: where[-1].function == "commit")
    assert [(one.frames[-1].function, one.seconds) for one in found if one.seconds] == [
        ("f", 1.0), ("commit", 0.5), ("run", 4.5), ("commit", 0.3),
    ]  # fmt: skip
    sorter = Sorter(LOADED.of("outbound"))
    lines = [Frame("Writer._transact", "gateway/store/writer.py", line) for line in range(1, 500)]
    text = [stages.source_line(frame.path, frame.line).strip() for frame in lines if sorter.syncs((frame,))]
    assert 'con.execute("COMMIT")' in text
    assert all(line.startswith("con.execute(") for line in text)


def test_a_thread_has_no_more_than_its_cpu():
    held = [(1, frames("a.py:f"), 10), (2, WORK, 90)]
    assert weighed(held, held, 1, {1: Used(1.0, 0.0), 2: Used(2.0, 0.0)}) == {(LOOP, "f"): 1.0, (WRITER, "run"): 2.0}


def test_without_samples_of_the_lock_what_was_seen_has_to_do():
    seen = [(1, frames("a.py:f"), 1), (2, READ, 100), (2, frames("x.py:y"), 100), (3, frames("a.py:f"), 5)]
    assert weighed([], seen, 1, {1: Used(4.0, 0.0), 2: Used(1.0, 0.0), 4: Used(1.0, 0.0)}) == {
        (LOOP, "f"): 4.0, (READERS, "Reader._with_connection"): 0.5, (OTHERS, "y"): 0.5,
    }  # fmt: skip
    assert weighed([], [], 1, {}) == {}


def test_the_program_that_samples_are_tried_on_knows_what_its_parts_used():
    used = exact.known(0.02)
    parts = (exact.much_python, exact.some_python, exact.python_beside, exact.long_without_lock)
    assert set(used) == {part.__name__ for part in (*parts, exact.short_without_lock)}
    assert all(seconds > 0 for seconds in used.values())


def test_the_table_sums_to_the_cpu_that_was_measured(sorter):
    measured = [
        Stack(LOOP, frames("app/doors/socket.py:read"), 0.0006),
        Stack(LOOP, frames("app/core.py:take"), 0.0003),
        Stack(WRITER, frames("app/store/tx.py:run:3"), 0.0005),
        Stack(OTHERS, frames("json/decoder.py:decode"), 0.0001),
    ]
    rows = stages.rows(FLOW, sorter, measured, cpu=0.002, messages=100)
    assert {row.name: round(row.us, 6) for row in rows} == {
        "doors": 6.0, "core": 3.0, "statements": 5.0, "commit": 0.0, REST: 6.0,
    }  # fmt: skip
    assert math.isclose(sum(row.us for row in rows), 20.0)
    with_budget = stages.table(FLOW, rows, budget=True).splitlines()
    assert with_budget[1].split() == ["doors", "30.0%", "6.00", "6.00", "0.00", "0.00", "2", "1", "a", "line"]
    assert with_budget[3].split() == ["statements", "25.0%", "5.00", "0.00", "5.00", "0.00", "5", "5", "rows"]
    assert with_budget[6].split() == ["all", "100.0%", "20.00", "9.00", "5.00", "6.00", "12", "10"]
    assert with_budget[-1].strip() == "what is measured"
    without = stages.table(FLOW, rows, budget=False).splitlines()
    assert without[1].split() == ["doors", "30.0%", "6.00", "6.00", "0.00", "0.00", "in", "and", "out"]
    assert without[-1].split() == ["all", "100.0%", "20.00", "9.00", "5.00", "6.00"]


def test_functions_of_each_thread_own_and_whole():
    outer = ["trio/_core/_run.py:run", "trio/_core/_run.py:unrolled_run"]
    text = functions.table(
        [
            Stack(LOOP, frames(*outer, "app/core.py:take"), 0.003),
            Stack(LOOP, frames(*outer, "app/core.py:take", "app/json.py:read", "app/core.py:take"), 0.001),
            Stack(WRITER, frames("app/store/tx.py:run"), 0.002),
        ],
        messages=1000,
    )
    loop, writer = text.split("  writer: ")[0], text.split("  writer: ")[1]
    assert "loop: 4.00 µs a message" in loop
    assert "4.00     4.00  take (app/core.py)" in loop
    assert "0.00     1.00  read (app/json.py)" in loop
    assert "unrolled_run" not in text
    assert writer.startswith("2.00 µs")
    assert "2.00     2.00  run (app/store/tx.py)" in writer


def test_bursts_are_averages_between_two_pages():
    before = summed('# HELP x\na_total{of="1"} 2.0\na_total{of="2"} 3.0\nh_bucket{le="1"} 9.0\nh_count 4.0\n')
    assert before == {"a_total": 5.0, "h_count": 4.0}
    start = {"smsgw_store_transaction_seconds_count": 10.0}
    end = {
        "smsgw_store_transaction_seconds_count": 30.0,
        "smsgw_store_transaction_seconds_sum": 0.1,
        "smsgw_store_burst_rows_sum": 14_000.0,
    }
    assert report(start, end, 2000) == (
        "messages: 100.0 a transaction; rows: 7.0 a message; a transaction took 5.00 ms"
    )
    assert report({}, {}, 2000) == "not counted by this daemon"


# --- the data --------------------------------------------------------------------------------------------------------


def unclaimed(root, flow, absent):
    """Packages and modules of gateway/ that neither a stage of the flow claims, nor is said to be absent."""
    sorter = Sorter(flow, lambda path, line: "")
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root.parent).as_posix()
        if path.name == "__init__.py" or any(name.startswith(one) for one in absent):
            continue
        if sorter.claimed(Frame("", name, 0)) is None:
            found.append(name)
    return found


@pytest.mark.parametrize("flow", LOADED.flows, ids=lambda flow: flow.name)
def test_all_code_of_the_daemon_has_a_stage(flow):
    assert unclaimed(ROOT / "gateway", flow, LOADED.absent) == []


def test_a_new_package_without_a_stage_is_noticed(tmp_path):
    for name in ("doors/socket.py", "cli/app.py", "pigeons/loft.py"):
        (tmp_path / "gateway" / name).parent.mkdir(parents=True)
        (tmp_path / "gateway" / name).touch()
    assert unclaimed(tmp_path / "gateway", LOADED.flows[0], LOADED.absent) == ["gateway/pigeons/loft.py"]


def functions_of(path):
    """Qualified names of a file's functions."""
    out = set()

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                out.add(prefix + child.name)
                walk(child, f"{prefix}{child.name}.<locals>.")
            elif isinstance(child, ast.ClassDef):
                walk(child, f"{prefix}{child.name}.")
            else:
                walk(child, prefix)

    walk(ast.parse(path.read_text()), "")
    return out


def test_what_is_claimed_is_there():
    claims = {claim for flow in LOADED.flows for stage in flow.stages for claim in (*stage.code, *stage.whole)}
    for claim in sorted(claims | LOADED.waits | set(LOADED.absent)):
        name, _, function = claim.partition(":")
        package = name.split("/")[0]
        spec = importlib.util.find_spec(package)
        assert spec is not None, claim
        path = ROOT / name if package == "gateway" else type(ROOT)(spec.origin).parent.parent / name
        assert path.exists(), claim
        if function:
            assert function in functions_of(path), claim


@pytest.mark.parametrize("flow", LOADED.flows, ids=lambda flow: flow.name)
def test_each_stage_is_named_once_and_claims_what_no_other_does(flow):
    names = [stage.name for stage in flow.stages]
    claims = [claim for stage in flow.stages for claim in (*stage.code, *stage.whole)]
    assert len(set(names)) == len(names)
    assert sorted(set(claims)) == sorted(claims)
    assert all(stage.why and stage.aim <= stage.budget for stage in flow.stages)
    assert set(flow.budget_for) <= set(flow.runs)


def test_the_budget_of_a_message_out():
    outbound = LOADED.of("outbound")
    assert (outbound.budget, outbound.aim) == (75, 50)
    assert LOADED.of("sink") is None
