"""Tests of the page that says what the full study costs."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("make_scaling", ROOT / "docs/make_scaling.py")
make_scaling = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_scaling)
costs, count_flops = make_scaling.costs, make_scaling.count_flops


@pytest.mark.slow
def test_the_page_is_current():
    assert make_scaling.PAGE.read_text() == make_scaling.page(), "run: make docs"


@pytest.mark.parametrize("network", ["alexnet", "resnet50"])
def test_operations_of_a_pass_are_those_that_the_page_rests_on(network):
    stored = costs.Measured().flops[network]
    assert [str(number) for number in count_flops.count(count_flops.rows()[network])] == list(stored.values())


def test_operations_are_those_that_others_publish():
    flops = costs.Measured().flops
    # multiplications and additions, each counted: twice the 4.09 and 0.71 billion that torchvision states
    assert float(flops["resnet50"]["forward"]) == pytest.approx(2 * 4.09e9, rel=0.01)
    assert float(flops["alexnet"]["forward"]) == pytest.approx(2 * 0.71e9, rel=0.02)
    for name, row in flops.items():
        assert name == "cornet_rt" or float(row["backward"]) == pytest.approx(float(row["forward"]), rel=0.06)


def test_every_network_of_the_study_is_counted():
    assert list(costs.Measured().flops) == list(costs.networks()[0])


def test_the_full_study_takes_less_than_one_gpu_hour():
    measured = costs.Measured()
    assert "H100" in measured.card
    assert costs.gpu_hours(costs.settings(), measured) < 1


def test_the_thorough_settings_leave_out_nothing_that_the_full_study_has():
    measured, made = costs.Measured(), {}
    for overlays in ((), (make_scaling.THOROUGH,)):
        config = costs.settings(*overlays)
        makers = costs.exciting_makers(config)
        made[overlays] = {
            (name, one.step, one.part): one.gradients + one.forward + one.products + one.draws
            for name, family in costs.networks()[0].items()
            for one in costs.passes(config, measured, family, name in makers)
        }
    lean, thorough = made.values()
    assert set(lean) < set(thorough)
    assert all(thorough[part] >= passes for part, passes in lean.items())


def test_exciting_images_are_counted_for_those_networks_that_make_them():
    config, names = costs.settings(), list(costs.networks()[0])
    assert costs.exciting_makers(config) == ["resnet50", "resnet50_robust_500"]
    of_one = costs.pictures(config)[0]["exciting"]
    without = len(names) * costs.pictures(config, exciting=False)[1]
    assert costs.all_pictures(config, names) == without + 2 * of_one
    everybody = costs.merged(config, {"synthesis": {"exciting_makers": "all"}})
    assert costs.all_pictures(everybody, names) == without + len(names) * of_one


def test_jobs_end_when_the_longest_chain_or_the_busiest_gpu_does():
    jobs = {"a": (3.0, []), "b": (2.0, []), "c": (2.0, ["a"]), "d": (1.0, ["a", "b"])}
    assert costs.makespan(jobs, 1) == 8.0
    assert costs.makespan(jobs, 2) == 5.0
    assert costs.makespan(jobs, 100) == 5.0
    assert costs.makespan({name: (1.0, []) for name in range(10)}, 4) == 3.0


def test_rates_that_were_measured_come_before_those_that_are_assumed():
    measured = costs.Measured()
    measured.rates = {}
    about = {
        "machine": "a card",
        "torch": "2",
        "date": "today",
        "attention": "plain",
        "layout": "own",
        "precision": "float32",
    }
    rows = [
        about | {"network": "resnet50", "measure": "gradients", "per second": "1000"},
        about | {"network": "resnet50", "measure": "gradients grown", "per second": "2000"},
        about | {"network": "resnet50", "measure": "gradients", "per second": "9000", "layout": "other"},
        about | {"network": "vgg16", "measure": "gradients", "per second": ""},
    ]
    measured.read_rates(rows)
    assert measured.seconds("resnet50", "gradients", "float32") == 1 / 2000
    assert measured.seconds("resnet50_robust_300", "gradients", "float32") == 1 / 2000
    # of the others the pace is that of the measured one
    ratio = measured.operations("vgg16", "gradients") / measured.operations("resnet50", "gradients")
    assert measured.seconds("vgg16", "gradients", "float32") == pytest.approx(ratio / 2000)
    expected = measured.operations("vgg16", "forward") / (1e12 * costs.ASSUMED["float32"])
    assert measured.seconds("vgg16", "forward", "float32") == pytest.approx(expected)
