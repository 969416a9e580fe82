"""Subscriptions never die silently: exceptions, garbage, event loops, logs, exits."""

from pathlib import Path
from typing import Any

import pytest

import confmesh
from programs import interrupted, run


def a_callback_that_raises_hears_the_next_change_with_the_hooks_of_the_interpreter(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        seen = []
        def told(change):
            seen.append(change.new)
            if change.new == 2: raise ValueError("mine")
            if change.new == 3: raise SystemExit(7)
            if change.new == 4: raise KeyboardInterrupt
        config = confmesh.open(FILE)
        config.subscribe("a", told)
        for number in range(2, 7):
            write({"a": number})
            until(lambda: number in seen)
        print(seen)
        """,
    )
    assert (code, out) == (0, "[2, 3, 4, 5, 6]\n"), err
    for words in ("Exception ignored in: <function told", "ValueError: mine", "SystemExit: 7", "KeyboardInterrupt"):
        assert words in err
    assert "TypeError" not in err


@pytest.mark.parametrize(
    "hook",
    [
        "sys.unraisablehook = lambda told: hooked.append(type(told.exc_value).__name__)",
        "def broken(told): hooked.append(type(told.exc_value).__name__); raise RuntimeError\nsys.unraisablehook = broken",
        "hooked.append('ValueError'); sys.unraisablehook = None",
        "hooked.append('ValueError'); sys.stderr.close(); sys.stderr = None",
    ],
)
def a_callback_that_raises_hears_the_next_change_whatever_the_hook_does(tmp_path: Path, hook: str) -> None:
    source = f"""
hooked, seen = [], []
{hook}
def told(change):
    seen.append(change.new)
    raise ValueError
config = confmesh.open(FILE)
config.subscribe("a", told)
for number in (2, 3):
    write({{"a": number}})
    until(lambda: number in seen)
until(lambda: "ValueError" in hooked)
print(seen)
"""
    code, out, err = run(tmp_path, source)
    assert (code, out) == (0, "[2, 3]\n"), err


@pytest.mark.parametrize(
    "following",
    [
        "confmesh.open(FILE).subscribe('a', told)",
        "def start():\n    config = confmesh.open(FILE)\n    config.subscribe('a', told)\nstart()",
        "def start():\n    config = confmesh.open(FILE)\n    return config.subscribe('a')\n"
        "feed = start()\nthreading.Thread(target=lambda: [told(change) for change in feed], daemon=True).start()",
        "confmesh.Mesh(files=[FILE]).start().subscribe('a', told)",
    ],
)
def a_subscription_keeps_its_configuration_open_until_it_is_closed(tmp_path: Path, following: str) -> None:
    source = f"""
seen = []
def told(change): seen.append(change.new)
{following}
for number in (2, 3, 4):
    gc.collect()
    garbage = [[] for _ in range(100_000)]
    write({{"a": number}})
    until(lambda: number in seen)
print(seen)
"""
    code, out, err = run(tmp_path, source)
    assert (code, out, err) == (0, "[2, 3, 4]\n", "")


def a_closed_subscription_lets_its_configuration_go(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        import weakref
        config = confmesh.open(FILE)
        follower = config.subscribe("a", print)
        gone = weakref.ref(config)
        del config
        gc.collect()
        assert gone() is not None
        follower.close()
        follower._join(20)
        del follower
        gc.collect()
        print(gone(), [thread.name for thread in threading.enumerate()])
        """,
    )
    assert (code, out, err) == (0, "None ['MainThread']\n", "")


def async_callbacks_run_in_order_on_the_loop_that_subscribed(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        import contextvars, functools
        name = contextvars.ContextVar("name", default="nobody")
        seen = []
        class Told:
            async def __call__(self, change):
                seen.append(("object", change.new))
        async def told(prefix, change):
            assert threading.current_thread() is threading.main_thread() and name.get() == "ann"
            seen.append((prefix, change.new))
            await asyncio.sleep(0.01)
            seen.append((prefix, -change.new))
            if change.new == 2: raise ValueError("mine")
            if change.new == 3: raise asyncio.CancelledError
        async def main():
            name.set("ann")
            config = confmesh.open(FILE)
            followers = [config.subscribe("a", functools.partial(told, "async")), config.subscribe("a", Told()),
                         config.subscribe("a", lambda change: told("plain", change))]
            del config
            for number in range(2, 6):
                gc.collect()
                write({"a": number})
                while not {("async", -number), ("object", number), ("plain", -number)} <= set(seen):
                    await asyncio.sleep(0.005)
            for follower in followers: follower.close()
        asyncio.run(main())
        for prefix in ("async", "plain"):
            assert [number for who, number in seen if who == prefix] == [2, -2, 3, -3, 4, -4, 5, -5], seen
        """,
    )
    assert (code, out) == (0, ""), err
    assert err.count("ValueError: mine") == 2 and "never awaited" not in err and "hears the next change" in err


def an_async_callback_without_a_loop_is_refused_with_the_way(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        async def told(change): pass
        config = confmesh.open(FILE)
        try:
            config.subscribe("a", told)
        except confmesh.UsageError as error:
            print(error.code, "async for" in error.hint)
        heard = []
        config.subscribe("a", lambda change: (heard.append(change.new), told(change))[1])
        for number in (2, 3):
            write({"a": number})
            until(lambda: number in heard)
        """,
    )
    assert (code, out) == (0, "usage True\n")
    assert err.count("UsageError: a callback returned") == 2 and "never awaited" not in err


def a_subscription_ends_with_its_loop_and_says_so_where_nobody_cancelled_it(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        async def told(change): print(change.new)
        async def follow(config): config.subscribe("a", told)
        config = confmesh.open(FILE)
        asyncio.run(follow(config))
        loop = asyncio.new_event_loop()
        loop.run_until_complete(follow(config))
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
        records = []
        class Keep(logging.Handler):
            def emit(self, record): records.append(record.getMessage())
        logging.getLogger("confmesh").addHandler(Keep())
        config.set("a", 2)
        until(lambda: records)
        print(len(records), "event loop" in records[0])
        """,
    )
    assert (code, out) == (0, "1 True\n"), err


def a_source_that_breaks_is_a_record_of_the_log_and_an_event_and_so_is_its_recovery(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        records = []
        class Keep(logging.Handler):
            def emit(self, record): records.append((record.levelname, record.report.state, "app.json" in record.getMessage()))
        logger = logging.getLogger("confmesh")
        logger.addHandler(Keep()); logger.setLevel("INFO"); logger.propagate = False
        for start in (lambda: confmesh.open(FILE), lambda: confmesh.Mesh(files=[FILE], bind=FILE + ".bound.json").start()):
            opened, events = start(), []
            records.clear()
            opened.reports(events.append)
            until(lambda: opened.get("a") == 1)
            write('{"a": ')
            until(lambda: ("WARNING", "stale", True) in records)
            until(lambda: any(event.state == "stale" for event in events))
            broken, *others = [event for event in events if event.state == "stale"]
            print(broken.level, broken.error.code, broken.error.origin["line"], opened["a"], broken.source.endswith("app.json"), *others)
            write({"a": 1})
            until(lambda: ("INFO", "fresh", True) in records)
            until(lambda: events[-1].state == "fresh")
            opened.close()
        """,
    )
    assert (code, out, err) == (0, "warning syntax 1 1 True\n" * 2, "")


def a_source_that_breaks_is_told_on_standard_error_where_nothing_is_set_up(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        config = confmesh.open(FILE)
        write('{"a": ')
        until(lambda: any(source["state"] == "stale" for source in config.status()["documents"][0]["sources"]))
        """,
    )
    assert (code, out) == (0, "")
    assert err.count("app.json") == 1 and "last good content" in err or "hint" in err


def a_handler_of_the_log_that_waits_or_raises_holds_up_nobody(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        release, records = threading.Event(), []
        class Slow(logging.Handler):
            def emit(self, record):
                release.wait(20)
                records.append(record)
                raise RuntimeError("mine")
        logging.getLogger("confmesh").addHandler(Slow())
        async def main():
            with confmesh.Mesh(files=[FILE]) as mesh:
                for text in ('{"a": ', '{"a": 2}', '{"b": '):
                    write(text)
                    until(lambda: mesh.get("a") == 2 if text.endswith("}") else True)
                    for number in range(20): await mesh.set("n", number)
                print(mesh["n"])
                release.set()
                await asyncio.to_thread(until, lambda: records)
        asyncio.run(main())
        """,
    )
    assert (code, out) == (0, "19\n"), err
    assert "RuntimeError: mine" in err


def ctrl_c_ends_the_waiting_for_an_answer_at_once(tmp_path: Path) -> None:
    code, out, err, seconds = interrupted(
        tmp_path,
        """
        mesh = confmesh.Mesh(peers=["ws://127.0.0.1:9"], found_after=600_000).start()
        pending = mesh.set("x", 1)
        print("waiting", flush=True)
        try:
            pending.wait()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        os._exit(0)
        """,
        "waiting",
    )
    assert (code, out) == (0, "interrupted\n"), err
    assert seconds < 1.0


def waiting_has_a_time_limit_and_can_go_on_afterwards(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        mesh = confmesh.Mesh(peers=["ws://127.0.0.1:9"]).start()
        pending = mesh.set("x", 1)
        began = time.monotonic()
        try:
            pending.wait(timeout=0.1)
        except TimeoutError as error:
            print(error, time.monotonic() - began < 2)
        print(pending.wait(20)["changed"])
        """,
    )
    assert (code, out) == (0, "no answer within 0.1 seconds; the request is still on its way True\n['x']\n"), err


def a_million_subscriptions_come_and_go_without_growth(tmp_path: Path) -> None:
    code, out, err = run(
        tmp_path,
        """
        def pages():
            gc.collect()
            with open("/proc/self/statm") as file: return int(file.read().split()[1])
        config = confmesh.open(FILE)
        def plain(count):
            for _ in range(count): config.subscribe("a").close()
        def threaded(count):
            for _ in range(count):
                with config.subscribe("a", print) as follower: pass
                follower._join(20)
        async def looped(count):
            async def told(change): pass
            for _ in range(count):
                config.subscribe("a", told).close()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            await asyncio.sleep(0.1)
        def reported(count):
            for _ in range(count): config.reports().close()
        for name, rounds in (("plain", 1_000_000), ("threaded", 3_000), ("looped", 10_000), ("reported", 10_000)):
            once = (lambda count: asyncio.run(looped(count))) if name == "looped" else globals()[name]
            once(rounds // 10)
            before = pages()
            once(rounds)
            grown = (pages() - before) * os.sysconf("SC_PAGE_SIZE")
            assert grown < 4_000_000, (name, grown)
        print(threading.active_count())
        """,
        seconds=280,
    )
    assert (code, out, err) == (0, "1\n", "")


@pytest.mark.parametrize(
    "ending",
    [
        "config.subscribe('a', lambda change: time.sleep(60)); config.set('a', 2); time.sleep(0.05)",
        "feed = config.subscribe('a'); threading.Thread(target=lambda: list(feed), daemon=True).start()",
        "config.subscribe('a', lambda change: config.set('b', change.new)); config.set('a', 2)",
        "async def told(change): await asyncio.sleep(60)\n"
        "async def main():\n    config.subscribe('a', told); config.set('a', 2); await asyncio.sleep(0.1)\n"
        "asyncio.run(main())",
        "confmesh.Mesh(listen='127.0.0.1:0').start().subscribe('a', print)",
        "config.reports(lambda report: time.sleep(60))",
        "config.subscribe('a', print); sys.exit(0)",
        "config.cycle = config.subscribe('a', print); del config; gc.collect()",
    ],
)
def an_interpreter_exits_cleanly_with_subscriptions_that_live(tmp_path: Path, ending: str) -> None:
    code, out, err = run(tmp_path, f"config = confmesh.open(FILE)\n{ending}\n" if "\n" not in ending else f"config = confmesh.open(FILE)\n{ending}\n", seconds=30)
    assert (code, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("call", "near"),
    [
        ("confmesh.open(FILE, env_prefx='A')", "open() got an unexpected keyword argument 'env_prefx': did you mean 'env_prefix'?"),
        ("confmesh.open(FILE, envPrefix='A')", "did you mean 'env_prefix'?"),
        ("confmesh.Mesh(peer=['ws://h:1'])", "Mesh() got an unexpected keyword argument 'peer': did you mean 'peers'?"),
        ("confmesh.Mesh(datadir='x')", "did you mean 'data_dir'?"),
        ("confmesh.open(FILE).subscribe('a', calback=print)", "did you mean 'callback'?"),
        ("confmesh.Mesh().set('a', 1, ifversion='x')", "did you mean 'if_version'?"),
        ("confmesh.merge([], rule=[])", "merge() got an unexpected keyword argument 'rule': did you mean 'rules'?"),
        ("confmesh.explain([], 'a', profile='x')", "did you mean 'profiles'?"),
        ("confmesh.parse('1', fromat='json')", "did you mean 'format'?"),
        ("confmesh.Schema({}, check={})", "did you mean 'checks'?"),
        ("confmesh.Replica(genesys=b'')", "did you mean 'genesis'?"),
        ("confmesh.open(FILE, zzz=1)", "the options are files, env_prefix, rules, watch, schema, profiles, interpolate"),
    ],
)
def a_misspelt_option_is_an_error_that_names_the_nearest_one(tmp_path: Path, call: str, near: str) -> None:
    code, out, err = run(tmp_path, f"try:\n    {call}\nexcept TypeError as error:\n    print(error)\n")
    assert code == 0 and near in out, (out, err)


@pytest.mark.parametrize("wrong", [5, "print", [print]])
def what_cannot_be_called_is_refused_where_it_is_given(tmp_path: Path, wrong: Any) -> None:
    file = tmp_path / "app.json"
    file.write_text('{"a": 1}')
    with confmesh.open(file) as config:
        for call, follow in (("subscribe", lambda: config.subscribe("a", wrong)), ("reports", lambda: config.reports(wrong))):
            with pytest.raises(confmesh.UsageError, match=f"the callback of `{call}` cannot be called") as told:
                follow()
            assert told.value.code == "usage" and told.value.hint
    with pytest.raises(confmesh.UsageError, match="watch_variables"):
        confmesh.watch_variables("A", wrong)
    with confmesh.Mesh() as mesh, pytest.raises(confmesh.UsageError, match="on_webhook"):
        mesh.on_webhook("*", wrong)


@pytest.mark.parametrize("lasts", [0.0, 0.01, 0.03, 0.1, 0.4])
def an_interpreter_exits_cleanly_while_threads_of_ours_call_it(tmp_path: Path, lasts: float) -> None:
    code, out, err = run(
        tmp_path,
        f"""
LASTS = {lasts}
began = threading.Event()

def load():
    began.set()
    time.sleep(LASTS)
    return {{"a": 1}}

mesh = confmesh.Mesh(sources=[load])
# It waits for the first document, and the program ends meanwhile.
threading.Thread(target=mesh.start, daemon=True).start()
assert began.wait(20)
print("ends", flush=True)
""",
    )
    assert (code, out) == (0, "ends\n"), err
    assert "Fatal" not in err, err
