"""`latticework kg` from end to end: results on stdout, the rest on stderr."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import latticework as lw
from latticework.core import InputError
from latticework.core.runs import alone
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.deltas import read_delta
from latticework.knowledge.estimator import DKGE
from latticework.knowledge.io import read_splits, read_triples
from latticework.knowledge.io.formats import read_rows
from latticework.knowledge.saved_model import SavedModel

CITIES = {"Rome": "Italy", "Milan": "Italy", "Oslo": "Norway", "Bergen": "Norway", "Paris": "France", "Lyon": "France"}
FACTS = [(city, "lies in", country) for city, country in CITIES.items()]
FACTS += [(country, "has city", city) for city, country in CITIES.items()]
FACTS += [("Italy", "borders", "France"), ("France", "borders", "Italy"), ("Paris", "twin of", "Rome")]
QUICK = ("--dim", 4, "--epochs", 2, "--update-epochs", 2, "--device", "cpu")
CHANGES = ["+\tTurin\tlies in\tItaly", "+\tItaly\thas city\tTurin", "-\tParis\ttwin of\tRome"]


def rows(triples):
    return ["\t".join(triple) for triple in triples]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "model"
    DKGE(4, max_epochs=2, config=DKGEConfig(update_epochs=2), random_state=0, device="cpu").fit(FACTS).save(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path):
    """A copy to change."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def refused(refused):
    return partial(refused, "kg")


# fit


def test_options_of_fit_reach_the_model(latticework, write, tmp_path, monkeypatch):
    folder, devices, save = tmp_path / "model", [], DKGE.save
    monkeypatch.setattr(DKGE, "save", lambda self, folder: save(self, folder) or devices.append(self.device))
    options = "--max-context 7 --affected entity --init transe --batch-size 5 --negatives 3 --norm 1 --compat reference"
    options += " --loss margin --margin 2.5 --learning-rate 0.02 --max-triples 9 --seed 4"
    valid = write("valid.tsv", rows([("Lyon", "twin of", "Milan")]))
    train = write("train.tsv", rows([*FACTS, FACTS[0]]))
    ended = latticework("kg", "fit", train, "--valid", valid, "-o", folder, *QUICK, *options.split())
    assert (ended.status, ended.out) == (0, "")
    assert ended.err.startswith(f"{train}: 15 triples of 9 entities and 4 relations; left out: 1 duplicate\n")
    assert f'the model is in {folder}; try: latticework kg query {folder} "an entity" "a relation" "?"' in ended.err
    loaded = lw.load(folder)
    parameters = loaded.get_params(deep=False)
    assert parameters.pop("config") == DKGEConfig(
        compat="reference",
        batch_size=5,
        negatives=3,
        norm=1,
        loss="margin",
        margin=2.5,
        learning_rate=0.02,
        update_epochs=2,
        max_triples_per_entity=9,
    )
    assert parameters == {
        "dim": 4,
        "max_context": 7,
        "max_epochs": 2,
        "affected": "entity",
        "init": "transe",
        "random_state": 4,
        "device": "auto",
    }
    assert devices == ["cpu"]
    assert loaded.validation_ == [("Lyon", "twin of", "Milan")]
    assert sorted(loaded.graph_.named()) == sorted(FACTS)


def test_the_same_command_again_does_nothing_and_other_facts_need_restart(latticework, write, tmp_path):
    begin = ("fit", write("a.tsv", rows(FACTS)), "-o", tmp_path / "model", *QUICK)
    assert latticework("kg", *begin).status == 0
    before = (tmp_path / "model" / "config.json").read_bytes()
    assert "holds the finished model of this run already" in latticework("kg", *begin).err
    assert "of other data or settings" in latticework("kg", *begin, "--affected", "entity").err
    write("a.tsv", rows(FACTS[1:]))
    ended = latticework("kg", *begin)
    assert ended.status == 2
    assert "holds a knowledge.DKGE of other data or settings" in ended.err.splitlines()[-1]
    assert (tmp_path / "model" / "config.json").read_bytes() == before
    assert latticework("kg", *begin, "--restart").status == 0
    assert len(lw.load(tmp_path / "model").graph_) == len(FACTS) - 1


def test_fit_looks_at_its_folder_and_device_before_it_reads(refused, write, tmp_path):
    write("notes.txt", ["mine"])
    nothing = ("fit", tmp_path / "none.tsv", *QUICK)
    assert refused(*nothing, "-o", tmp_path).startswith(f"{tmp_path} holds other things, such as notes.txt")
    assert "device='abacus'" in refused(*nothing, "-o", tmp_path / "model", "--device", "abacus")


def test_of_a_folder_its_own_facts_to_validate_with_are_taken(latticework, write, tmp_path):
    (tmp_path / "set").mkdir()
    for name, facts in (("train", FACTS[:-1]), ("valid", FACTS[-1:]), ("test", [("Oslo", "twin of", "Lyon")])):
        write(f"set/{name}.txt", rows(facts))
    ended = latticework("kg", "fit", tmp_path / "set", "-o", tmp_path / "model", *QUICK)
    assert ended.status == 0
    assert "valid" in ended.err  # "twin of" is in no fact to learn from, so that all are left out
    assert lw.load(tmp_path / "model").validation_ == FACTS[-1:]
    (tmp_path / "set" / "valid.txt").unlink()
    assert latticework("kg", "fit", tmp_path / "set", "-o", tmp_path / "other", *QUICK).status == 0
    assert lw.load(tmp_path / "other").validation_ == []


@pytest.mark.filterwarnings("ignore:validation")
def test_of_another_folder_the_held_out_facts_are_taken(latticework, refused, model, write, tmp_path):
    (tmp_path / "set").mkdir()
    train, valid, test = FACTS[:3], [("Lyon", "twin of", "Milan")], [("Oslo", "borders", "Lyon")]
    write("set/train.txt", rows(train))
    changes = write("delta.tsv", CHANGES)
    facts, page = write("facts.tsv", rows(FACTS)), ("--page", tmp_path / "update.html")
    assert "has no facts to validate with" in refused("update", model, changes, "--valid", tmp_path / "set")
    assert "has no facts to test with" in refused("update", model, changes, *page, "--test", tmp_path / "set")
    for part, held_out in (("valid", valid), ("test", test)):
        write(f"set/{part}.txt", rows(held_out))
    options = ("--valid", tmp_path / "set")
    assert latticework("kg", "fit", facts, *options, "-o", tmp_path / "other", *QUICK).status == 0
    assert lw.load(tmp_path / "other").validation_ == valid
    assert latticework("kg", "update", model, changes, *options, *page, "--test", tmp_path / "set").status == 0
    assert lw.load(model).validation_ == valid
    assert "1 of the held-out facts are about" in page[1].read_text("utf-8")
    assert lw.load(model).evaluate(tmp_path / "set") == lw.load(model).evaluate(test)


def test_literals_of_a_data_set_are_kept_in_all_its_parts(latticework, write, tmp_path):
    (tmp_path / "set").mkdir()
    fact = '<http://x/{}> <http://x/{}> "A{}" .'
    write("set/train.nt", [*(fact.format(i, "r", i % 2) for i in range(4)), "<http://x/0> <http://x/r> <http://x/1> ."])
    write("set/valid.nt", [fact.format(0, "r", 1)])
    begin = ("fit", tmp_path / "set", "-o", tmp_path / "model", *QUICK)
    assert latticework("kg", *begin, "--literals", "keep").status == 0
    assert lw.load(tmp_path / "model").validation_ == [("http://x/0", "http://x/r", '"A1"')]
    for policy, told in (("drop", "1 fact; left out: 5 triples with literals"), ("keep", "6 facts")):
        ended = latticework("kg", "convert", tmp_path / "set", tmp_path / policy, "--literals", policy)
        assert ended.err == f"{tmp_path / policy}: {told}\n"


def test_rdf_is_read_by_every_command_as_fit_was_told_to(latticework, write, tmp_path):
    links = [f"<http://x/{i}> <http://x/r> <http://x/{(i + 1) % 4}> ." for i in range(4)]
    texts = [f'<http://x/{i}> <http://x/name> "{i % 2}" .' for i in range(4)]
    old = write("old.nt", [*links, *texts])
    new = write("new.nt", [*links, *texts[:3], "<http://x/0> <http://x/r> _:b ."])
    model, more = tmp_path / "model", write("more.nt", ['<http://x/3> <http://x/name> "0" .', links[0]])
    held_out = write("held_out.nt", ['<http://x/2> <http://x/name> "1" .', "<http://x/0> <http://x/r> <http://x/2> ."])
    policies = ("--literals", "keep", "--blank-nodes", "drop")
    told = "left out: {} triple{} with literals"
    assert latticework("kg", "fit", old, "-o", model, *policies, *QUICK).status == 0

    went = latticework("kg", "diff", model, new, *policies)
    assert went.out == '-\thttp://x/3\thttp://x/name\t"1"\n'
    assert went.err.endswith("; left out: 1 triple with blank nodes\n0 facts came, 1 went\n")
    same = latticework("kg", "diff", old, new, "--blank-nodes", "drop")
    assert same.out == ""
    assert told.format(4, "s") in same.err
    assert told.format(3, "s") in same.err

    assert json.loads(latticework("kg", "evaluate", model, held_out, *policies, "--json").out)["all"]["count"] == 4
    ended = latticework("kg", "evaluate", model, held_out)
    assert ended.err.startswith(f"{held_out}: 1 triple; {told.format(1, '')}\n")

    read = ("--add", more, "--valid", held_out)
    ended = latticework("kg", "update", model, *read, "--json", "-o", tmp_path / "less")
    assert json.loads(ended.out)["added_triples"] == 0
    assert ended.err.count(told.format(1, "")) == 2
    page = ("--test", held_out, "--page", tmp_path / "update.html")
    ended = latticework("kg", "update", model, *read, *page, *policies, "--json")
    assert json.loads(ended.out)["added_triples"] == 1
    assert len(lw.load(model).validation_) == 2
    assert "2 of the held-out facts are about" in page[3].read_text("utf-8")
    assert latticework("kg", "update", model, "--remove", more, *policies).status == 0
    assert sum(name.startswith('"') for _, _, name in lw.load(model).graph_.named()) == 4


def test_facts_come_from_standard_input_too(latticework, tmp_path):
    data = "\n".join(rows(FACTS)).encode()
    assert latticework("kg", "fit", "-", "-o", tmp_path / "model", *QUICK, stdin=data).status == 0
    assert len(lw.load(tmp_path / "model").graph_) == len(FACTS)


# update


def test_update_changes_the_model_where_it_is_and_says_what_it_did(latticework, model, write):
    ended = latticework("kg", "update", model, write("delta.tsv", CHANGES), "--json", "--device", "cpu")
    assert ended.status == 0
    told = json.loads(ended.out)
    assert (told["added_triples"], told["removed_triples"], told["new"], told["removed"]) == (2, 1, ["Turin"], [])
    assert told["removed_relations"] == ["twin of"]
    assert {"Italy", "Paris", "Rome"} <= set(told["affected"])
    assert set(told["drift"]) == set(told["affected"])
    loaded = lw.load(model)
    assert ("Turin", "lies in", "Italy") in loaded.graph_.named()
    assert ("Paris", "twin of", "Rome") not in loaded.graph_.named()


def test_update_prints_figures_for_people(latticework, model, write):
    ended = latticework("kg", "update", model, write("delta.tsv", CHANGES))
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in ended.out.splitlines())
    assert (shown["facts added"], shown["facts removed"]) == ("2", "1")
    assert (shown["new entities"], shown["removed entities"]) == ("1: Turin", "0")
    assert set(shown) >= {
        "affected entities",
        "moved furthest",
        "epochs",
        "seconds",
        "changed since fit",
        "strain",
        "refit due",
    }


def test_update_writes_a_page_of_what_it_did(latticework, refused, model, write, tmp_path):
    test = write("test.tsv", ["Turin\tlies in\tFrance"])
    page = tmp_path / "update.html"
    changes = write("delta.tsv", CHANGES)
    assert "--test is for the page" in refused("update", model, changes, "--test", test)
    before = (model / "config.json").read_bytes()
    ended = latticework("kg", "update", model, changes, "--page", tmp_path / "none" / "update.html")
    assert (ended.status, ended.out) == (2, "")
    assert "there is no folder" in ended.err
    assert (model / "config.json").read_bytes() == before
    ended = latticework("kg", "update", model, changes, "--page", page, "--test", test, "--json")
    assert ended.status == 0
    assert json.loads(ended.out)["refit_due"] in (True, False)
    shown = page.read_text("utf-8")
    assert "Turin" in shown
    assert f"An update of {model.name}" in shown


def test_a_page_is_written_over_nothing_that_an_update_reads(refused, model, write):
    changes, test = write("delta.tsv", CHANGES), write("test.tsv", ["Turin\tlies in\tFrance"])
    for option in ("--add", "--remove", "--valid", "--test"):
        told = refused("update", model, changes, option, test, "--page", test)
        assert told == f"--page {test} is a file that is read: give the output another name"
    assert refused("update", model, changes, "--page", changes).startswith(f"--page {changes} is a file that is read")
    told = refused("update", model, changes, "--page", model / "config.json")
    assert told == f"--page {model / 'config.json'} is a file of {model}, which is read: give the output another name"


def test_update_leaves_the_model_if_it_is_told_to_write_elsewhere(latticework, refused, model, write, tmp_path):
    before = (model / "config.json").read_bytes()
    ended = latticework("kg", "update", model, "-", "-o", tmp_path / "other", stdin="\n".join(CHANGES).encode())
    assert ended.status == 0
    assert (model / "config.json").read_bytes() == before
    assert len(lw.load(tmp_path / "other").graph_) == len(FACTS) + 1
    told = refused("update", model, write("delta.tsv", CHANGES), "-o", tmp_path / "other")
    assert told == f"{tmp_path / 'other'} holds a model (knowledge.DKGE) already: choose another folder"


def test_facts_to_add_and_to_remove_are_files_of_any_format(latticework, model, write):
    add = write("add.csv", ["Turin,lies in,Italy"])
    more = write("more.tsv.gz", gzip.compress(b"Nice\tlies in\tFrance\n"))
    remove = write("remove.tsv", rows([("Paris", "twin of", "Rome"), ("Nice", "lies in", "France")]))
    changes = write("some.jsonl", [json.dumps({"add": ["Bari", "lies in", "Italy"]})])
    begin = ("kg", "update", model, changes, "--add", add, "--add", more, "--remove", remove, "--json")
    ended = latticework(*begin)
    assert json.loads(ended.out)["new"] == ["Bari", "Nice", "Turin"]  # what is removed is removed first
    assert "cannot be removed, not in the graph" in ended.err


def test_a_change_that_changes_nothing_leaves_the_files_alone(latticework, model, write):
    before = {path: path.stat().st_mtime_ns for path in model.iterdir()}
    ended = latticework("kg", "update", model, write("delta.tsv", rows([("+", *FACTS[0])])), "--json")
    assert json.loads(ended.out)["added_triples"] == 0
    assert {path: path.stat().st_mtime_ns for path in model.iterdir()} == before


def test_updates_that_cannot_be_done_leave_the_model(refused, model, write, tmp_path):
    before = (model / "config.json").read_bytes()
    absent = write("absent.tsv", ["-\tOslo\tlies in\tFrance"])
    assert "not in the graph: 'Oslo lies in France'" in refused("update", model, absent, "--strict")
    assert "bad.tsv:2: expected" in refused("update", model, write("bad.tsv", ["+\ta\tr\tb", "+\ta\tb"]))
    everything = write("all.tsv", rows(FACTS))
    assert "without facts" in refused("update", model, "--remove", everything)
    assert "nothing to do" in refused("update", model)
    assert "can be only one of the files" in refused("update", model, "-", "--add", "-")
    assert "there is no such folder" in refused("update", tmp_path / "none", absent)
    assert not (tmp_path / "none").exists()
    with alone(model):
        assert "another run is using" in refused("update", model, write("delta.tsv", CHANGES))
        assert "another run is using" in refused("watch", model, write("delta.tsv", CHANGES), "--once")
    assert (model / "config.json").read_bytes() == before


# watch


def test_watch_prints_a_line_for_each_transaction_and_goes_on_where_it_was(latticework, model, write):
    log = write("log.tsv", [*CHANGES[:2], "", CHANGES[2]])
    told = f"applying {log} from line {{}} on; a blank line or the end ends a transaction\n"
    ended = latticework("kg", "watch", model, log, "--once", "--json", "--device", "cpu")
    assert (ended.status, ended.err) == (0, told.format(1))
    first, second = map(json.loads, ended.out.splitlines())
    assert (first["source"], first["lines"], first["added_triples"], first["new"]) == (str(log), 3, 2, ["Turin"])
    assert (second["lines"], second["removed_triples"]) == (4, 1)
    assert latticework("kg", "watch", model, log, "--once") == (0, "", told.format(5))
    with log.open("a") as stream:
        stream.write("\n+\tBari\tlies in\tItaly\n")
    ended = latticework("kg", "watch", model, log, "--once")
    assert re.fullmatch(
        rf"{log}:6: \+1 -0 facts, 1 new, 0 removed and \d+ affected entit(y|ies), [\d.]+ s\n", ended.out
    )
    assert lw.load(model).updates_ == 3


def test_an_update_keeps_what_the_model_says_about_files(latticework, model, write, tmp_path):
    log = write("log.tsv", CHANGES)
    assert latticework("kg", "watch", model, log, "--once").status == 0
    change = write("delta.tsv", ["+\tBari\tlies in\tItaly"])
    assert latticework("kg", "update", model, change).status == 0
    assert latticework("kg", "update", model, change, "-o", tmp_path / "copy").status == 0
    for folder in (model, tmp_path / "copy"):
        assert [(each.name, each.lines) for each in SavedModel.load(folder).positions] == [("log.tsv", 3)]
        assert latticework("kg", "watch", folder, log, "--once")[:2] == (0, "")


def test_watch_takes_standard_input_to_its_end(latticework, model):
    data = "\n".join([*CHANGES[:2], "", CHANGES[2]]).encode()  # without an end of the last line
    begun = "watching <stdin> from line 1 on; "
    for options, ends in (
        ((), "a blank line, 2 s without another line or the end"),
        (("--transactions",), "a blank line or the end"),
        (("--every", 5), "a blank line, 5 s without another line or the end"),
    ):
        ended = latticework("kg", "watch", model, *options, "--json", stdin=data)
        assert (ended.status, ended.err) == (0, f"{begun}{ends} ends a transaction\n")
        assert [json.loads(line)["lines"] for line in ended.out.splitlines()] == [3, 4]
        data = data.replace(b"+\t", b"*\t").replace(b"-\t", b"+\t").replace(b"*\t", b"-\t")  # and back again
    assert SavedModel.load(model).positions == ()


def test_each_transaction_is_saved_before_the_next_is_there(start, model, tmp_path):
    log = tmp_path / "log.tsv"
    log.write_text("")
    process = start("kg", "watch", model, log, "--every", 0.3, "--device", "cpu", "--json")
    for number, (text, lines) in enumerate([("+\tBari\tlies in\tItaly\n\n", 2), ("+\tNice\tlies in\tFrance\n", 3)]):
        with log.open("a") as stream:
            stream.write(text)
        assert json.loads(process.stdout.readline())["lines"] == lines
        assert lw.load(model).updates_ == number + 1


def test_options_of_watch_that_do_not_go_together_are_refused(refused, model, write):
    log = write("log.tsv", CHANGES)
    assert "do not go together" in refused("watch", model, log, "--every", "1", "--transactions")
    assert "none.tsv: there is no such file" in refused("watch", model, log.with_name("none.tsv"), "--once")


def test_what_an_update_goes_by_is_taken_for_once(latticework, model, write, tmp_path):
    before = json.loads((model / "config.json").read_bytes())
    changes = write("delta.tsv", rows([("+", "Rome", "twin of", "Oslo"), ("+", "Oslo", "twin of", "Rome")]))

    def updated(*options):
        folder = tmp_path / "-".join(["other", *map(str, options)])
        told = json.loads(latticework("kg", "update", model, changes, "-o", folder, *options, "--json").out)
        saved = json.loads((folder / "config.json").read_bytes())
        assert saved["parameters"] == before["parameters"]
        assert saved["values"]["config"] == before["values"]["config"]
        return told["epochs"], told["trained_objects"], told["trained_triples"]

    epochs, objects, triples = updated()
    assert epochs == 2
    assert updated("--epochs", 1) == (1, objects, triples)
    assert updated("--affected", "entity")[1] < objects
    *same, fewer = updated("--max-triples", 1)
    assert same == [epochs, objects]
    assert fewer < triples
    watched = latticework("kg", "watch", model, changes, "--once", "--json", "--epochs", 1, "--max-triples", 1)
    assert json.loads(watched.out)["epochs"] == 1
    assert json.loads((model / "config.json").read_bytes())["parameters"] == before["parameters"]


# query and explain


def test_the_question_mark_is_what_is_asked_for(latticework, saved):
    loaded = lw.load(saved)
    asked = {
        ("Rome", "lies in", "?"): loaded.predict_tails("Rome", "lies in", 3),
        ("?", "lies in", "Italy"): loaded.predict_heads("lies in", "Italy", 3),
        ("Rome", "?", "Italy"): loaded.predict_relations("Rome", "Italy", 3),
        ("Rome",): loaded.similar("Rome", 3),
    }
    for question, expected in asked.items():
        ended = latticework("kg", "query", saved, *question, "-k", 3, "--json")
        assert (ended.status, ended.err) == (0, "")
        told = json.loads(ended.out)
        assert told["question"] == list(question)
        assert [(each["name"], each["score"]) for each in told["answers"]] == expected
        assert not any(each.get("known", False) for each in told["answers"])


def test_known_answers_are_marked_where_they_are_wanted(latticework, saved):
    told = json.loads(latticework("kg", "query", saved, "?", "lies in", "Italy", "--known", "--json").out)
    assert {each["name"] for each in told["answers"] if each["known"]} == {"Rome", "Milan"}
    shown = latticework("kg", "query", saved, "Rome", "lies in", "?", "--known", "-k", 100).out.splitlines()
    assert len(shown) == 9
    assert [line.split()[1] for line in shown if line.endswith("known")] == ["Italy"]
    assert [int(line.split()[0]) for line in shown] == list(range(1, 10))


def test_a_path_is_followed_from_an_entity(latticework, saved):
    expected = lw.load(saved).answer("Rome", ["lies in", "~lies in"], 4)
    for path in (("--path", "lies in, ~lies in"), ("--path", "lies in", "--path", "~lies in")):
        told = json.loads(latticework("kg", "query", saved, "Rome", *path, "-k", 4, "--json").out)
        assert told["question"] == ["Rome", "lies in", "~lies in", "?"]
        assert [(each["name"], each["score"]) for each in told["answers"]] == expected


def test_a_relation_of_a_path_may_have_blanks_and_commas_in_it(latticework, write, tmp_path):
    facts = write("facts.tsv", ["a\t near\tb", "b\tin, or at\tc", "c\tfar\ta"])
    assert latticework("kg", "fit", facts, "-o", tmp_path / "model", *QUICK).status == 0
    for path, steps in ((" near",), [" near"]), (("~ near", "in, or at"), ["~ near", "in, or at"]):
        asked = [word for part in path for word in ("--path", part)]
        told = json.loads(latticework("kg", "query", tmp_path / "model", "a", *asked, "--json").out)
        assert told["question"] == ["a", *steps, "?"]


@pytest.mark.parametrize(
    "question, message",
    [
        (["Rome", "lies in", "Italy"], "none is in"),
        (["?", "lies in", "?"], "several are in"),
        (["Rome", "lies in"], "expected HEAD RELATION"),
        (["?"], "expected HEAD RELATION"),
        (["Rom", "lies in", "?"], "there is no entity 'Rom'; near it are: 'Rome'"),
        (["Rome", "lies at", "?"], "there is no relation 'lies at'; near it are: 'lies in'"),
        (["lies in", "Rome", "?"], "'lies in' is a relation, expected an entity"),
        (["Rome", "Italy", "?"], "'Italy' is an entity, expected a relation"),
        (["?", "lies in", "lies in"], "'lies in' is a relation, expected an entity"),
        (["lies in"], "'lies in' is a relation, expected an entity"),
        (["Rome", "--path", "lies in,~Italy"], "'Italy' is an entity, expected a relation"),
        (["Rome", "xyz", "?"], "no relation 'xyz'; all there are: 'lies in', 'has city', 'borders', 'twin of'"),
        (["xyz", "lies in", "?"], "there is no entity 'xyz'; all there are: 'Rome', 'Italy', 'Milan'"),
        (["Rome", "Milan", "--path", "lies in"], "--path begins at one entity"),
        (["Rome", "--path", "lies in,borders on"], "there is no relation 'borders on'"),
    ],
)
def test_questions_that_make_no_sense_are_refused(refused, saved, question, message):
    assert message in refused("query", saved, *question)


def test_a_relation_in_the_place_of_an_entity_is_not_explained(refused, saved):
    assert "'Italy' is an entity, expected a relation" in refused("explain", saved, "Rome", "Italy", "Milan")


def test_an_entity_that_was_removed_is_refused_and_is_no_answer(latticework, refused, model, write):
    gone = write("gone.tsv", rows([("-", *fact) for fact in FACTS if "Oslo" in fact]))
    assert latticework("kg", "update", model, gone).status == 0
    assert "the entity 'Oslo' is in no fact of the graph now" in refused("query", model, "Oslo", "lies in", "?")
    told = json.loads(latticework("kg", "query", model, "?", "lies in", "Norway", "-k", 100, "--json").out)
    assert "Oslo" not in {each["name"] for each in told["answers"]}


def test_explain_says_what_is_heeded(latticework, saved):
    ended = latticework("kg", "explain", saved, "Rome", "lies in", "Italy", "--json")
    assert (ended.status, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["known"] is True
    assert {tuple(each["context"]) for each in told["head"]["shares"]} == {(), ("Italy",), ("Paris",)}
    shown = latticework("kg", "explain", saved, "Rome", "lies in", "Norway").out.splitlines()
    assert re.fullmatch(r"score -[\d.]+; not in the graph", shown[0])
    assert re.fullmatch(r"head Rome: [\d.]+% itself, the rest by attention to", shown[1])
    assert {line.split("%  ")[1] for line in shown[2:5]} == {"Rome itself", "Italy", "Paris"}


# evaluate


def test_evaluate_says_what_the_library_measures(latticework, saved, write):
    test = [("Rome", "twin of", "Paris"), ("Milan", "lies in", "France"), FACTS[0], ("Mars", "lies in", "Italy")]
    ended = latticework("kg", "evaluate", saved, write("test.tsv", rows(test)), "--json")
    assert ended.status == 0
    told = json.loads(ended.out)
    with pytest.warns(UserWarning, match="left out"):
        expected = lw.load(saved).evaluate(test)
    assert told["all"]["mrr"] == expected.all.mrr
    assert set(told["relations"]) == {"twin of", "lies in"}
    assert (told["leaked"], told["unknown"], told["all"]["count"]) == (1, 1, 4)
    assert {"mr", "mrr", "hits1", "hits3", "hits10", "amri"} <= set(told["floor"])
    assert ended.err.count("warning: ") == 2


def test_evaluate_prints_a_table_with_the_floor(latticework, saved, write):
    file = write("test.tsv", rows([("Rome", "twin of", "Paris"), ("Milan", "lies in", "France")]))
    lines = latticework("kg", "evaluate", saved, file).out.splitlines()
    assert lines[0].split() == ["ranks", "MR", "MRR", "H@1", "H@3", "H@10", "AMRI"]
    assert len({len(line) for line in lines[:5]}) == 1
    titles = [line[: lines[0].index("  ranks")].strip() for line in lines]
    assert titles[1:5] == ["all", "asked for the head", "asked for the tail", "floor, without learning"]
    assert {"twin of", "lies in"} <= set(titles)


def test_of_a_folder_the_facts_to_test_with_are_taken(latticework, refused, saved, write, tmp_path):
    (tmp_path / "set").mkdir()
    write("set/train.txt", rows(FACTS))
    assert "has no facts to test with" in refused("evaluate", saved, tmp_path / "set")
    write("set/test.txt", rows([("Rome", "twin of", "Paris")]))
    assert json.loads(latticework("kg", "evaluate", saved, tmp_path / "set", "--json").out)["all"]["count"] == 2


# diff, stats, convert and export


def test_a_difference_of_snapshots_is_what_update_applies(latticework, model, write):
    new = write("new.tsv", rows([*FACTS[1:], ("Turin", "lies in", "Italy")]))
    delta = new.with_name("delta.jsonl")
    ended = latticework("kg", "diff", model, new, "-o", delta)
    assert (ended.status, ended.out, ended.err) == (0, "", "1 fact came, 1 went\n")
    assert read_delta(delta).add == (("Turin", "lies in", "Italy"),)
    printed = latticework("kg", "diff", model, new)
    assert printed.out == "-\tRome\tlies in\tItaly\n+\tTurin\tlies in\tItaly\n"
    as_json = latticework("kg", "diff", model, new, "--json").out
    for output in (delta, "-"):
        assert "--json is for what is printed" in latticework("kg", "diff", model, new, "--json", "-o", output).err
    assert latticework("kg", "diff", model, new, "-o", "-").out == printed.out
    assert "there is no folder" in latticework("kg", "diff", "absent", new, "-o", delta / "absent" / "x").err
    assert [json.loads(line)["op"] for line in as_json.splitlines()] == ["remove", "add"]
    assert latticework("kg", "update", model, "-", stdin=printed.out.encode()).status == 0
    assert latticework("kg", "diff", model, new).out == ""


def test_stats_say_what_is_in_a_graph(latticework, saved, write):
    facts = write("facts.tsv", rows([*FACTS, FACTS[0]]))
    told = json.loads(latticework("kg", "stats", facts, "--json").out)
    assert (told["triples"], told["entities"], told["relations"], told["duplicates"]) == (15, 9, 4, 1)
    assert told["hubs"][0] == ["Italy", 6]
    assert {"first": "lies in", "second": "has city", "inverse": True, "pairs": 6, "share": 1.0} in told["overlaps"]
    shown = latticework("kg", "stats", facts, "--hubs", 2).out
    assert "15 facts, 9 entities, 4 relations\nleft out: 1 duplicate;" in shown
    assert re.search(r"lies in +is the reverse of +has city +100%", shown)
    assert len(re.findall(r"^(?:Italy|France) ", shown, re.MULTILINE)) == 2
    ended = latticework("kg", "stats", saved, "--json")
    assert (json.loads(ended.out)["triples"], ended.err) == (15, "")


def test_of_a_model_its_facts_are_taken_without_its_device(latticework, saved, monkeypatch):
    devices, load = [], DKGE.load
    monkeypatch.setattr(DKGE, "load", lambda folder, *, device: devices.append(device) or load(folder, device=device))
    for words in (("stats", saved), ("diff", saved, saved), ("convert", saved, "-")):
        assert latticework("kg", *words).status == 0
    assert devices == ["cpu"] * 4


def test_one_is_told_of_in_the_singular(latticework, write, tmp_path):
    one = write("one.nt", ["<http://x/a> <http://x/r> <http://x/a> .", '<http://x/a> <http://x/name> "A" .'])
    shown = latticework("kg", "stats", one).out
    assert shown.startswith("1 fact, 1 entity, 1 relation\nleft out: 1 fact with literals; ")
    assert "1 from an entity to itself" in shown
    none = write("none.tsv", rows([("b", "r", "b")]))
    assert latticework("kg", "diff", none, one).err.endswith("with literals\n1 fact came, 1 went\n")
    (tmp_path / "set").mkdir()
    write("set/train.txt", rows(FACTS[:1]))
    assert latticework("kg", "convert", tmp_path / "set", tmp_path / "openke").err == f"{tmp_path / 'openke'}: 1 fact\n"


def test_convert_goes_by_the_names(latticework, saved, write, tmp_path):
    source = write("facts.tsv", rows(FACTS))
    for name in ("facts.csv", "facts.parquet", "facts.tsv.gz", "openke"):
        ended = latticework("kg", "convert", source, tmp_path / name)
        assert (ended.status, ended.out) == (0, "")
        assert ended.err == f"{tmp_path / name}: 15 triples of 9 entities and 4 relations\n"
        assert sorted(read_triples(tmp_path / name).graph.named()) == sorted(FACTS)
    assert sorted(latticework("kg", "convert", saved, "-").out.splitlines()) == sorted(rows(FACTS))
    ended = latticework("kg", "convert", source, "-", "--to", "csv")
    assert ended.out.startswith("head,relation,tail\n")
    assert latticework("kg", "convert", "-", "-", "--from", "csv", stdin=ended.out.encode()).status == 0


def test_convert_looks_at_its_target_before_it_reads(latticework, write, tmp_path):
    (tmp_path / "full").mkdir()
    write("full/notes.txt", ["mine"])
    broken = write("broken.tsv", ["no fact"])
    for target, reason in (
        ("full", "full holds other things, such as notes.txt: choose another folder, or empty it"),
        ("full/notes.txt/openke", "is not a folder"),
        ("none/facts.tsv", "there is no folder"),
        ("facts.pdf", "expected a name that ends in"),
    ):
        for source in (broken, tmp_path / "none.tsv", tmp_path):
            ended = latticework("kg", "convert", source, tmp_path / target)
            assert (ended.status, ended.err.count("\n")) == (2, 1)
            assert reason in ended.err
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine\n"


def test_literals_of_rdf_are_left_out_or_kept(latticework, write):
    file = write("a.nt", ["<http://x/a> <http://x/r> <http://x/b> .", '<http://x/a> <http://x/name> "A" .'])
    ended = latticework("kg", "convert", file, "-")
    assert (ended.out.count("\n"), "left out: 1 triple with literals" in ended.err) == (1, True)
    assert latticework("kg", "convert", file, "-", "--literals", "keep").out.count("\n") == 2


def test_a_data_set_is_converted_with_all_its_parts(latticework, write, tmp_path):
    (tmp_path / "set").mkdir()
    for name, facts in (("train", FACTS[:-1]), ("valid", FACTS[-1:]), ("test", [("Oslo", "twin of", "Lyon")])):
        write(f"set/{name}.txt", rows(facts))
    for target in (["some/openke"], ["a.folder", "--to", "openke"]):
        assert latticework("kg", "convert", tmp_path / "set", tmp_path / target[0], *target[1:]).status == 0
        splits = read_splits(tmp_path / target[0])
        assert (len(splits.train), len(splits.valid), len(splits.test)) == (14, 1, 1)
    assert read_rows(tmp_path / "a.folder", "test") == [("Oslo", "twin of", "Lyon")]


@pytest.mark.parametrize("name", ["a.npy", "a.parquet", "a.vec", "a.faiss"])
def test_embeddings_are_exported_as_the_name_says(latticework, saved, tmp_path, name):
    ended = latticework("kg", "export", saved, tmp_path / name)
    assert (ended.status, ended.out) == (0, "")
    assert ended.err == f"the embeddings of 9 entities are in {tmp_path / name}\n"
    assert (tmp_path / name).stat().st_size > 9 * 4 * 4
    other = latticework("kg", "export", saved, tmp_path / "b.npy", "--relations", "--format", "npy")
    assert other.err.startswith("the embeddings of 4 relations are in ")
    assert np.array_equal(np.load(tmp_path / "b.npy"), lw.load(saved).relation_embeddings_)


# Bad input


def test_files_that_are_no_graph_are_refused(refused, write, tmp_path):
    for verb in ("fit", "stats"):
        output = ("-o", tmp_path / "model", *QUICK) if verb == "fit" else ()
        assert "a.tsv:2: expected three columns" in refused(verb, write("a.tsv", ["a\tr\tb", "a\tb"]), *output)
        assert "holds no triple" in refused(verb, write("b.tsv", []), *output)
        assert "there is no such file" in refused(verb, tmp_path / "none.tsv", *output)
    assert not (tmp_path / "model").exists()


def test_options_that_do_not_go_together_are_refused(refused, write, tmp_path):
    file, output = write("a.tsv", rows(FACTS)), ("-o", tmp_path / "model", *QUICK)
    assert "can be only one of the files" in refused("fit", "-", "--valid", "-", *output)
    assert "--margin is of --loss margin" in refused("fit", file, "--margin", "1", *output)
    assert "learning_rate=-1.0" in refused("fit", file, "--learning-rate", "-1", *output)
    assert "Invalid value for '--affected'" in refused("fit", file, "--affected", "all", *output)
    assert not (tmp_path / "model").exists()


def test_what_is_no_model_of_a_graph_is_refused(refused, saved, tmp_path):
    for verb, words in (("query", ["a", "r", "?"]), ("explain", ["a", "r", "b"]), ("export", [tmp_path / "a.npy"])):
        assert "there is no such folder" in refused(verb, tmp_path / "none", *words)
    with pytest.raises(InputError, match="no such folder"):
        SavedModel.load(tmp_path / "none")


# Help


@pytest.mark.parametrize(
    "command, options",
    [
        ("fit", "--output --valid --dim --epochs --max-context --affected --init --compat --batch-size --loss"),
        ("fit", "--negatives --margin --norm --learning-rate --update-epochs --max-triples --literals --blank-nodes"),
        ("fit", "--seed --device --logger --restart --sharded"),
        ("update", "--add --remove --output --valid --affected --epochs --max-triples --strict --page --test"),
        ("update", "--literals --blank-nodes --device --json"),
        ("watch", "--every --transactions --once --from-start --affected --epochs --max-triples --strict --device"),
        ("watch", "--json"),
        ("query", "--path --known --json"),
        ("explain", "--json"),
        ("evaluate", "--literals --blank-nodes --json"),
        ("stats", "--hubs --literals --blank-nodes --json"),
        ("diff", "--output --literals --blank-nodes --json"),
        ("convert", "--from --to --literals --blank-nodes"),
        ("export", "--format --relations"),
    ],
)
def test_every_option_is_described(undescribed, command, options):
    assert undescribed("kg", command, options=options) == []
