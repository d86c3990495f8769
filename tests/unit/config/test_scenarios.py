"""Scenario folders: those that are shipped, with the real mempress, and those with mistakes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.scenarios import read_scenario, scenarios, scenarios_named, swept
from orchestrator.errors import UserError
from orchestrator.guest.workload import jobs_of
from orchestrator.model.scenario import Comparison, Direction, Metric

SHIPPED = list(scenarios())

GOOD = """
what_for = "a test"
memory_mib = 64
timeout_s = 10
memcgs = ["load"]
workload = ["step sleep 1"]
[knobs]
SIZE = "1"
[[metric]]
name = "zswpwb"
unit = "pages"
direction = "down"
source = "vmstat:zswpwb"
what_for = "written back"
[[must]]
metric = "zswpwb"
at_least = 1
says = "nothing happened"
"""


def folder_with(text: str, parent: Path, *, name: str = "odd") -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / "scenario.toml").write_text(text)
    (folder / "run.sh").write_text("setup() { :; }\n")
    return folder


def refused(text: str, parent: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_scenario(folder_with(text, parent), {})
    return caught.value.message


PLACES = [
    (name, where)
    for name, scenario in scenarios().items()
    for where, topology in topologies().items()
    if not scenario.misfit(topology)
]


@pytest.mark.parametrize(("name", "topology"), PLACES)
def test_workloads_when_expanded_for_a_topology_then_mempress_accepts_them_and_they_fit(
    name: str, topology: str, mempress: Path, tmp_path: Path
) -> None:
    total = 0
    for job in jobs_of(scenarios()[name], topologies()[topology]):
        workload = tmp_path / "workload"
        workload.write_text(job.text)
        done = subprocess.run([mempress, "--check", workload], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        total += json.loads(done.stdout)["bytes"]
    assert total < scenarios()[name].memory_mib << 20


def test_scenarios_when_shipped_then_each_fits_some_topology() -> None:
    assert {name for name, _ in PLACES} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_scenario_when_shipped_then_its_script_uses_every_knob(name: str) -> None:
    script = (scenarios()[name].folder / "run.sh").read_text()
    assert [knob for knob, _ in scenarios()[name].knobs if f"${knob}" not in script] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_scenario_when_shipped_then_its_script_is_a_shell_script(name: str) -> None:
    script = scenarios()[name].folder / "run.sh"
    assert subprocess.run(["busybox", "sh", "-n", script], check=False).returncode == 0


def test_scenario_when_read_then_is_what_the_file_says(tmp_path: Path) -> None:
    found = read_scenario(folder_with(GOOD, tmp_path), {})
    assert (found.name, found.knobs, found.memcgs) == ("odd", (("SIZE", "1"),), ("load",))
    assert (found.metrics[0].direction, found.metrics[0].per_node) == (Direction.DOWN, False)
    assert (found.musts[0].comparison, found.musts[0].value) == (Comparison.AT_LEAST, 1.0)


def test_scenarios_when_a_folder_is_added_then_it_is_found(tmp_path: Path) -> None:
    for name in ("second", "first"):
        folder_with(GOOD, tmp_path, name=name)
    assert list(scenarios(tmp_path)) == ["first", "second"]


def test_scenario_when_it_has_no_script_then_the_folder_is_named(tmp_path: Path) -> None:
    folder = folder_with(GOOD, tmp_path)
    (folder / "run.sh").unlink()
    with pytest.raises(UserError, match=f"{folder} has no run.sh"):
        read_scenario(folder, {})


def test_scenario_when_much_is_wrong_then_every_mistake_is_told_with_its_key(tmp_path: Path) -> None:
    text = GOOD.replace("memory_mib = 64", 'memory_mib = "much"').replace('direction = "down"', 'direction = "left"')
    text = text.replace("at_least = 1", "at_most = 1\nat_least = 1").replace('memcgs = ["load"]', "memcgs = []")
    message = refused(text, tmp_path)
    keys = [": memory_mib: ", ": metric.0.direction: ", ": must.0: ", ": memcgs: "]
    assert [key for key in keys if key not in message] == []


def test_scenario_when_several_names_are_wrong_then_each_is_told(tmp_path: Path) -> None:
    text = GOOD.replace('SIZE = "1"', 'size = "1"\nTRIAL_SEED = "2"').replace('metric = "zswpwb"', 'metric = "zswpxx"')
    message = refused(text, tmp_path)
    words = ["'size'", "'TRIAL_SEED'", "there is no metric 'zswpxx'"]
    assert [word for word in words if word not in message] == []


def test_scenario_when_a_metric_stands_twice_then_is_refused(tmp_path: Path) -> None:
    metric = GOOD[GOOD.index("[[metric]]") : GOOD.index("[[must]]")]
    assert "'zswpwb' stands twice" in refused(GOOD + metric, tmp_path)


@pytest.mark.parametrize("place", ["", "[[metric]]\n", "[[must]]\n", "[nodes]\n"])
def test_scenario_when_a_key_is_unknown_then_is_refused_with_the_file(place: str, tmp_path: Path) -> None:
    text = GOOD.replace(place, f"{place}surprise = 1\n", 1) if place in GOOD else f"{GOOD}{place}surprise = 1\n"
    message = refused(text, tmp_path)
    assert (str(tmp_path / "odd" / "scenario.toml") in message, "Extra inputs are not permitted" in message) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    "source",
    [
        "vmstat:",
        "procfs:zswpwb",
        "xvmstat:zswpwb",
        "vmstat:zswpwb and more",
        "derived:vmstat:a",
        "derived:vmstat:a-vmstat:b-vmstat:c",
    ],
)
def test_scenario_when_a_source_cannot_be_read_then_is_refused(source: str, tmp_path: Path) -> None:
    assert "metric.0.source" in refused(GOOD.replace("vmstat:zswpwb", source), tmp_path)


@pytest.mark.parametrize("source", ["probe:shrink_slab.asked", "latency:zswap_store:p50", "mempress:read:ms"])
@pytest.mark.parametrize("key", ["from", "to", "at"])
def test_scenario_when_a_source_of_the_whole_trial_names_a_sample_then_is_refused(
    source: str, key: str, tmp_path: Path
) -> None:
    text = GOOD.replace('source = "vmstat:zswpwb"', f'source = "{source}"\n{key} = "aged"')
    assert f"'{source.partition(':')[0]}:' is read once, of the whole trial" in refused(text, tmp_path)


@pytest.mark.parametrize("bounds", ["", "at_least = 1\nequals = 1\n"])
def test_must_when_it_has_not_exactly_one_bound_then_is_refused(bounds: str, tmp_path: Path) -> None:
    assert "exactly one of at_least, at_most, equals" in refused(GOOD.replace("at_least = 1\n", bounds), tmp_path)


PER_NODE = GOOD.replace('source = "vmstat:zswpwb"', 'source = "node:zswpwb"\nper_node = true')


def test_must_when_it_is_about_one_node_then_the_metric_is_looked_up_without_it(tmp_path: Path) -> None:
    text = PER_NODE.replace('metric = "zswpwb"', 'metric = "zswpwb@node1"') + "[requires]\nnodes = 2\n"
    assert read_scenario(folder_with(text, tmp_path), {}).musts[0].metric == "zswpwb@node1"


@pytest.mark.parametrize(
    ("text", "metric", "says"),
    [
        (GOOD, "zswpwb@node0", "'zswpwb' is of the whole machine: leave out '@node0'"),
        (PER_NODE, "zswpwb", "'zswpwb' has a value for each node: say which, as in zswpwb@node0"),
        (PER_NODE, "zswpwb@first", "'zswpwb' has a value for each node: say which, as in zswpwb@node0"),
        (PER_NODE, "zswpwb@node1", "a topology need not have a node 1: [requires] nodes = 2 says that it has"),
    ],
)
def test_must_when_its_node_cannot_be_then_is_refused_with_the_place(
    text: str, metric: str, says: str, tmp_path: Path
) -> None:
    text = text.replace('metric = "zswpwb"', f'metric = "{metric}"')
    line = text.count("\n", 0, text.index("metric = ")) + 1
    assert f"scenario.toml:{line}: must.0.metric: {says}" in refused(text, tmp_path)


def test_variant_when_named_then_has_the_knob_and_all_else_is_the_scenarios() -> None:
    name = "memcg-limit+compressor=zstd"
    variant, plain = scenarios_named([name])[name], scenarios()["memcg-limit"]
    assert dict(variant.knobs) == {**dict(plain.knobs), "COMPRESSOR": "zstd"}
    assert (variant.workload, variant.metrics) == (plain.workload, plain.metrics)


@pytest.mark.parametrize("name", ["memcg-limit+colour=red", "memcg-limit+compressor", "memcg-limit+compressor=a;b"])
def test_variant_when_its_knob_cannot_be_set_then_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="knob"):
        scenarios_named([name])


def test_sweep_when_over_two_knobs_then_each_combination_is_named_once() -> None:
    names = swept(["memcg-limit", "pool-limit"], ["zswap_max=4M,8M,4M", "max_pool_percent=5,20"])
    assert names == (
        "memcg-limit+zswap_max=4M+max_pool_percent=5",
        "memcg-limit+zswap_max=4M+max_pool_percent=20",
        "memcg-limit+zswap_max=8M+max_pool_percent=5",
        "memcg-limit+zswap_max=8M+max_pool_percent=20",
        "pool-limit+max_pool_percent=5",
        "pool-limit+max_pool_percent=20",
    )


@pytest.mark.parametrize("sweep", ["compressor", "compressor=", "compressor=lzo,,zstd", "colour=red,blue"])
def test_sweep_when_it_names_no_values_or_no_knob_then_is_refused(sweep: str) -> None:
    with pytest.raises(UserError, match="--sweep"):
        swept(["memcg-limit"], [sweep])


def test_memcgs_when_a_range_is_named_then_each_is_there(tmp_path: Path) -> None:
    text = GOOD.replace('memcgs = ["load"]', 'memcgs = ["load", "many.{0..2}"]')
    assert read_scenario(folder_with(text, tmp_path), {}).memcgs == ("load", "many.0", "many.1", "many.2")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('[[process]]\nname = "a"\nmemcg = "other"\nworkload = ["step sleep 1"]\n', "'other' is not among memcgs"),
        ("[invariants]\nexcept = { I99 = 'why' }\n", "there is no 'I99'"),
        ("[requires]\nconfig = ['ZSWAP']\n", "String should match pattern"),
    ],
)
def test_scenario_when_a_name_stands_for_nothing_then_file_and_line_are_told(
    table: str, says: str, tmp_path: Path
) -> None:
    message = refused(GOOD + table, tmp_path)
    line = next(line for line in message.splitlines() if says in line)
    place = line.split(": ")[0]
    assert place.startswith(str(tmp_path / "odd" / "scenario.toml:"))
    assert int(place.rpartition(":")[2]) > GOOD.count("\n")


def with_metric_keys(keys: str) -> str:
    return GOOD.replace('what_for = "written back"', keys)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ('at = "aged"', "metric.0.at: there is no sample 'aged' (known: before, pressed, after, drained, full)"),
        ('from = "aged"', "metric.0.from: there is no sample 'aged'"),
        ('from = "full"\nto = "aged"', "metric.0.to: there is no sample 'aged'"),
    ],
)
def test_metric_when_its_sample_is_never_taken_then_is_refused_with_the_place(
    keys: str, says: str, tmp_path: Path
) -> None:
    text = with_metric_keys(f'what_for = "x"\n{keys}')
    folder = folder_with(text, tmp_path)
    (folder / "run.sh").write_text("setup() { :; }\nhook_full() { sample full; }\n")
    with pytest.raises(UserError) as caught:
        read_scenario(folder, {})
    line = text.count("\n", 0, text.index('"aged"')) + 1
    assert f"scenario.toml:{line}: {says}" in caught.value.message


@pytest.mark.parametrize("label", ["before", "pressed", "after", "drained", "full"])
def test_metric_when_its_sample_is_taken_then_is_read_there(label: str, tmp_path: Path) -> None:
    folder = folder_with(with_metric_keys(f'what_for = "x"\nat = "{label}"'), tmp_path)
    (folder / "run.sh").write_text("setup() { :; }\nhook_full() { sample full; }\n")
    assert read_scenario(folder, {}).metrics[0].at == label


def test_metric_when_the_labels_of_samples_are_made_as_the_script_runs_then_any_is_read(tmp_path: Path) -> None:
    folder = folder_with(with_metric_keys('what_for = "x"\nat = "aged"'), tmp_path)
    (folder / "run.sh").write_text('setup() { :; }\nmark() { sample "$1"; }\n')
    assert read_scenario(folder, {}).metrics[0].at == "aged"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("memcg:nothere/zswpout", "'nothere' is not among memcgs"),
        ("memcg:no*/zswpout:sum", "'no*' is not among memcgs"),
        ("derived:memcg:zswpout-memcg:nothere/zswpout", "'nothere' is not among memcgs"),
        ("latency:zswap_store:p99", "'latency:' is measured only with tracing"),
    ],
)
def test_metric_when_nothing_gives_its_source_a_value_then_is_refused_with_the_place(
    source: str, says: str, tmp_path: Path
) -> None:
    text = GOOD.replace("vmstat:zswpwb", source)
    line = text.count("\n", 0, text.index("source = ")) + 1
    assert f"scenario.toml:{line}: metric.0.source: {says}" in refused(text, tmp_path)


@pytest.mark.parametrize("source", ["memcg:zswpout", "memcg:load/zswpout", "memcg:l*/zswpout:sum"])
def test_metric_when_it_is_of_a_cgroup_that_there_is_then_is_read(source: str, tmp_path: Path) -> None:
    found = read_scenario(folder_with(GOOD.replace("vmstat:zswpwb", source), tmp_path), {})
    assert found.metrics[0].source == source


def test_metric_when_latencies_are_traced_then_is_read(tmp_path: Path) -> None:
    text = 'tracing = ["latency"]\n' + GOOD.replace("vmstat:zswpwb", "latency:zswap_store:p99")
    assert read_scenario(folder_with(text, tmp_path), {}).tracing == ("latency",)


def test_shared_metric_when_nothing_gives_it_a_value_then_the_place_is_its_name_in_the_scenario(tmp_path: Path) -> None:
    shared = Metric(name="aged", unit="pages", direction=Direction.NONE, source="memcg:nothere/zswpout", at="aged")
    with pytest.raises(UserError) as caught:
        read_scenario(folder_with('metrics = ["aged"]\n' + GOOD.lstrip(), tmp_path), {"aged": shared})
    assert [line.partition("scenario.toml:")[2] for line in caught.value.message.splitlines()] == [
        "1: metrics.0: 'nothere' is not among memcgs",
        "1: metrics.0: there is no sample 'aged' (known: before, pressed, after, drained)",
    ]


def with_hooks(hook: str, of_process: str) -> str:
    text = GOOD.replace('memcgs = ["load"]', 'memcgs = ["load", "a.{0..1}"]')
    text = text.replace('workload = ["step sleep 1"]', f'workload = [\n  "step sleep 1",\n  "step hook {hook}",\n]')
    return f"""{text}[[process]]
name = "a"
memcg = "a.{{n}}"
copies = 2
workload = ["step hook {of_process}"]
"""


def test_hook_when_the_script_does_not_have_it_then_the_step_is_refused_with_its_place(tmp_path: Path) -> None:
    text = with_hooks("nothing", "of_{n}")
    folder = folder_with(text, tmp_path)
    (folder / "run.sh").write_text("setup() { :; }\n# hook_nothing() { :; }\nhook_of_0() { :; }\n")
    with pytest.raises(UserError) as caught:
        read_scenario(folder, {})
    assert [line.partition("scenario.toml:")[2] for line in caught.value.message.splitlines()] == [
        f"{text.count(chr(10), 0, text.index('step hook nothing')) + 1}: workload.1: run.sh has no hook_nothing()",
        f"{text.count(chr(10))}: process.0.workload.0: run.sh has no hook_of_1()",
    ]


def test_hook_when_the_script_has_it_then_the_scenario_is_read(tmp_path: Path) -> None:
    folder = folder_with(with_hooks("go  # on", "of_{n}"), tmp_path)
    (folder / "run.sh").write_text("setup() { :; }\nhook_go() { :; }\nhook_of_0() { :; }\nhook_of_1() { :; }\n")
    assert len(read_scenario(folder, {}).processes) == 1


def test_workload_when_a_string_is_several_lines_then_is_refused_with_its_place(tmp_path: Path) -> None:
    text = GOOD.replace('"step sleep 1"', '"""step sleep 1\nstep sleep 2"""')
    assert "scenario.toml:6: workload.0: a workload's lines are" in refused(text, tmp_path)


def test_requirements_when_read_then_are_those_of_the_file(tmp_path: Path) -> None:
    text = GOOD + '[requires]\nat_most_cpus = 2\nsince = "7.0"\n'
    needs = read_scenario(folder_with(text, tmp_path), {}).requires
    assert (needs.at_most_cpus, needs.since, needs.cpus) == (2, "7.0", 1)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("at_most_cpus = 0", ".at_most_cpus"),
        ('since = "seven"', ".since"),
        ('since = "7"', ".since"),
        ("since = 7.0", ".since"),
        ("cpus = 3\nat_most_cpus = 2", ": at_most_cpus = 2 is less than cpus = 3"),
    ],
)
def test_requirements_when_nothing_can_fulfil_them_then_are_refused_with_the_place(
    line: str, key: str, tmp_path: Path
) -> None:
    said = refused(f"{GOOD}[requires]\n{line}\n", tmp_path)
    assert f": requires{key}" in said
    assert int(said.partition("scenario.toml:")[2].partition(":")[0]) > GOOD.count("\n")


@pytest.mark.parametrize("key", ['paths = ["nowhere"]\n', 'metrics = ["zswpxx"]\n', 'tracing = ["all"]\n'])
def test_scenario_when_a_list_names_what_is_not_there_then_is_refused(key: str, tmp_path: Path) -> None:
    assert f"scenario.toml:1: {key.split(maxsplit=1)[0]}.0: there is no" in refused(key + GOOD.lstrip(), tmp_path)


def test_metric_when_it_names_its_smallest_effect_of_interest_then_is_read(tmp_path: Path) -> None:
    text = GOOD.replace('unit = "pages"', 'unit = "pages"\nsmallest = 0.5\nsmallest_percent = 2')
    (metric,) = read_scenario(folder_with(text, tmp_path), {}).metrics
    assert (metric.smallest, metric.smallest_percent) == (0.5, 2)


@pytest.mark.parametrize("line", ["smallest = 0", "smallest = -1", "smallest = inf", "smallest_percent = 101"])
def test_metric_when_its_smallest_effect_is_none_then_is_refused_with_the_place(line: str, tmp_path: Path) -> None:
    said = refused(GOOD.replace('unit = "pages"', f'unit = "pages"\n{line}'), tmp_path)
    assert (
        f"scenario.toml:{GOOD.count(chr(10), 0, GOOD.index('unit')) + 2}: metric.0.{line.split(maxsplit=1)[0]}" in said
    )


def test_smallest_effect_is_no_part_of_what_a_trials_key_is_made_of() -> None:
    scenario = scenarios()["second-chance"]
    assert any(metric.smallest is not None for metric in scenario.metrics)
    assert "smallest" not in repr(scenario)
