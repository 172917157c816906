"""A run: every reply is paid for once, failures cost no record, and what is written is what was judged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.chat_server import PAIR, ChatServer, Said, Script
from remgcl import RecipeError, RunError
from remgcl.core.elicitation.results import Results

Serve = Callable[[Script], ChatServer]


def good(_: dict[str, Any], __: int) -> Said:
    """Reply with a pair."""
    return Said()


# -- what is written


def test_data_are_llavas_records_and_nothing_else(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(serve(good))
    elicitation.run()
    data = elicitation.data()
    assert len(data) == 12
    assert {tuple(record) for record in data} == {("id", "image", "conversations")}
    for record in data:
        assert record["conversations"] == [
            {"from": "human", "value": "<image>\nHow much do the two cost together?"},
            {"from": "gpt", "value": "One costs 3 and the other 4. 3 + 4 = 7. They cost 7."},
        ]
        with Image.open(elicitation.out / "images" / record["image"]) as image:
            assert image.size == (128, 128)
    assert len({record["id"] for record in data}) == 12
    assert all(record["id"].startswith("re-") and len(record["id"]) == 19 for record in data)


def test_an_image_that_was_shown_does_not_stay_in_memory(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    shown = []

    def look(body: dict[str, Any], _: int) -> Said:
        shown.append("image_url" in json.dumps(body))
        return Said()

    elicitation.ask(serve(look))
    results = elicitation.run()
    assert shown == [True] * 12
    assert len(results.images) == 12
    assert not any("image" in vars(image) for image in results.images)


@pytest.mark.parametrize("count", [12, 1])
def test_data_are_written_as_one_list(count: int, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.table |= {"generators": {"compose": {}}, "count": count}
    results = elicitation.run()
    whole = json.dumps(list(results.records()), ensure_ascii=False, indent=1) + "\n"
    assert len(list(results.records())) == count
    assert (elicitation.out / "data.json").read_text(encoding="utf-8") == whole


def test_no_pair_is_an_empty_list(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(serve(lambda *_: Said(text="I cannot say.")))
    elicitation.run()
    assert (elicitation.out / "data.json").read_text(encoding="utf-8") == "[]\n"


def test_provenance_tells_of_every_candidate_the_rejected_too(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    def half(_: dict[str, Any], number: int) -> Said:
        return Said(text=PAIR.replace("7.", "7 as the OCR says.") if number % 2 else PAIR)

    elicitation.table["judges"] = {"form": {}}
    elicitation.ask(serve(half))
    elicitation.run()
    lines = elicitation.lines()
    assert len(lines) == 12
    kept = [line for line in lines if line["kept"]]
    assert {line["id"] for line in kept} == {record["id"] for record in elicitation.data()}
    assert 0 < len(kept) < 12
    for line in lines:
        (call,) = line["calls"]
        assert (call["model"], call["tokens_in"], call["tokens_out"]) == ("scripted", 100, 30)
        if not line["kept"]:
            assert line["rejected"] == "form"
            assert line["why"] == "tells how it was made: 'OCR'"
            assert line["verdicts"]["form"]["passed"] is False


def test_pairs_with_a_short_answer_are_questions_of_a_benchmark_by_type(elicitation: Any) -> None:  # noqa: ANN401
    elicitation.table["generators"] = {"compose": {}}
    elicitation.run()
    part = elicitation.engine.part("benchmarks", "own", [f"path={elicitation.out / 'questions.toml'}"])
    assert set(part.protocols()) == {"short"}
    questions = part.questions(elicitation.folder, "all")
    by_id = {line["id"]: line for line in elicitation.lines()}
    assert len(questions) == len(elicitation.data())
    for question in questions:
        line = by_id[question.id]
        assert (question.text, question.answers) == (line["question"], (line["facts"]["short"],))
        assert question.type == line["type"]
        assert question.picture.file.is_file()


def test_regions_of_drawn_images_can_be_trained_on(elicitation: Any) -> None:  # noqa: ANN401
    elicitation.table["generators"] = {"compose": {}}
    elicitation.run()
    recipe = elicitation.folder / "recipe.toml"
    recipe.write_text(
        'name = "trained"\nvision_tower = "tiny"\nprojector = "linear"\nbackbone = "tiny"\nrunner = "local"\n'
        f'[stages.train]\ntemplate = "v1"\ntrain = ["projector"]\nocr = "{elicitation.out / "regions"}"\n'
        f'[stages.train.data]\nuse = "llava_json"\npath = "{elicitation.out / "data.json"}"\n'
        f'images = "{elicitation.out / "images"}"\n[stages.train.losses.refined-local]\n'
    )
    plan = elicitation.engine.check(elicitation.engine.read(recipe), str(recipe))
    assert plan.stages["train"].train.samples == len(elicitation.data())


# -- paid for once


def test_a_finished_run_asks_nothing_again_and_writes_the_same_bytes(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    server = serve(good)
    elicitation.ask(server)
    elicitation.table["selector"] = "random"
    elicitation.table["count"] = 7
    elicitation.run()
    names = ["data.json", "provenance.jsonl", "report.md", "report.html"]
    first = {name: (elicitation.out / name).read_bytes() for name in names}
    assert server.count == 12
    elicitation.run()
    assert server.count == 12
    assert {name: (elicitation.out / name).read_bytes() for name in names} == first


def test_a_changed_judge_or_selector_pays_for_nothing_again(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    server = serve(good)
    elicitation.ask(server)
    elicitation.table["judges"] = {"form": {}}
    assert len(elicitation.run().chosen) == 12
    elicitation.table["judges"] = {"form": {"least_answer": 50}}
    assert len(elicitation.run().chosen) == 0
    assert server.count == 12


def test_a_changed_prompt_is_asked_anew_and_the_old_one_is_kept(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    server = serve(good)
    elicitation.ask(server)
    elicitation.run()
    elicitation.table["generators"]["reasoning"] = {"layout": "published"}
    elicitation.run()
    assert server.count == 24
    elicitation.table["generators"]["reasoning"] = {}
    elicitation.run()
    assert server.count == 24


def test_equal_images_are_one_job(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(server := serve(good))
    folder = elicitation.folder / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (40, 20), "red" if name == "c.png" else "white").save(folder / name)
    elicitation.table |= {"images": str(folder), "generators": {"reasoning": {"least_lines": 0}}}
    del elicitation.table["data"]
    results = elicitation.run()
    assert server.count == 2
    assert results.numbers["images"]["repeated"] == 1
    assert sorted(record["image"] for record in elicitation.data()) == ["a.png", "c.png"]


def test_an_image_without_text_has_no_candidate_and_costs_nothing(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(server := serve(good))
    folder = elicitation.folder / "pictures"
    folder.mkdir()
    Image.new("RGB", (40, 20), "red").save(folder / "c.png")
    (folder / "broken.png").write_bytes(b"no image")
    elicitation.table["images"] = str(folder)
    del elicitation.table["data"]
    images = elicitation.run().numbers["images"]
    assert server.count == 0
    assert (images["without text"], images["without a candidate"]) == (1, 1)
    assert len(images["unreadable"]) == 1
    assert "broken.png" in images["unreadable"][0]


# -- replies that cannot be used


def test_a_reply_that_is_no_pair_is_drawn_once_more_and_then_recorded(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(server := serve(lambda *_: Said(text="I'm sorry, I can't help with that.")))
    elicitation.run(limit=3)
    lines = elicitation.lines()
    assert server.count == 6
    assert [line["rejected"] for line in lines] == ["reply"] * 3
    assert lines[0]["why"] == "no question with an answer: \"I'm sorry, I can't help with that.\""
    assert elicitation.data() == []


def test_a_second_draw_has_another_seed(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    def second(body: dict[str, Any], _: int) -> Said:
        return Said(text=PAIR if body["seed"] >= 1000 else '{"question": "What')

    elicitation.ask(serve(second))
    elicitation.run(limit=3)
    assert len(elicitation.data()) == 3


def test_a_cut_reply_is_never_parsed_but_asked_with_twice_the_limit(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    def cut(body: dict[str, Any], _: int) -> Said:
        return Said(finish="length" if body["max_tokens"] < 1024 else "stop")

    elicitation.ask(server := serve(cut))
    elicitation.run(limit=2)
    assert sorted(body["max_tokens"] for body in server.requests) == [512, 512, 1024, 1024]
    assert len(elicitation.data()) == 2


def test_a_reply_that_is_cut_twice_is_recorded_so(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(serve(lambda *_: Said(finish="length")))
    elicitation.run(limit=1)
    assert elicitation.lines()[0]["why"] == "cut off at 1024 tokens"


def test_what_a_filter_withholds_is_rejected(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(serve(lambda *_: Said(finish="content_filter")))
    elicitation.run(limit=1)
    (line,) = elicitation.lines()
    assert line["rejected"] == "reply"
    assert line["why"].startswith("refused: ")


# -- failures


@pytest.mark.parametrize(
    "failing",
    [
        Said(status=500, body="oh no"),
        Said(status=503, body="<html>busy</html>"),
        Said(drop=True),
        Said(body="<html><body>Sign in</body></html>"),
        Said(body='{"choices": []}'),
    ],
    ids=["500", "503", "dropped", "HTML with status 200", "no completion"],
)
def test_a_call_that_fails_is_sent_again(failing: Said, serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(server := serve(lambda _, number: failing if number < 8 else Said()))
    elicitation.run()
    assert len(elicitation.data()) == 12
    assert server.count == 20


def test_a_call_that_fails_five_times_is_left_for_the_next_run(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    well = False
    elicitation.ask(server := serve(lambda *_: Said() if well else Said(status=500, body="oh no")))
    elicitation.run(limit=2)
    assert server.count == 10
    for line in elicitation.lines():
        assert line["rejected"] == "failed"
        assert "no reply after 5 tries: " in line["why"]
        assert "HTTP 500: oh no" in line["why"]
    well = True
    elicitation.run(limit=2)
    assert len(elicitation.data()) == 2
    assert server.count == 12


def test_a_slow_reply_is_a_failure_after_the_timeout(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(serve(lambda _, number: Said(seconds=5.0 if number == 0 else 0.0)), timeout=0.5)
    elicitation.run(limit=2)
    assert len(elicitation.data()) == 2


def test_a_busy_server_drops_no_record_and_all_calls_wait(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    busy = Said(status=429, body="slow down", headers=(("retry-after", "0.2"),))
    elicitation.table["data"]["samples"] = 40
    elicitation.ask(server := serve(lambda _, number: busy if number in range(8, 16) else Said(seconds=0.01)))
    elicitation.run()
    assert len(elicitation.data()) == 40
    assert server.count == 48


def test_a_busy_server_that_names_no_time_is_waited_for_as_well(
    serve: Serve,
    elicitation: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("remgcl.core.elicitation.pace.LONGEST", 0.05)
    elicitation.ask(serve(lambda _, number: Said(status=429, body="{}") if number < 6 else Said()))
    elicitation.run(limit=4)
    assert len(elicitation.data()) == 4


def test_a_server_that_stays_busy_ends_the_run_which_can_be_resumed(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.table["patience"] = 0.3
    busy = Said(status=429, body="{}", headers=(("retry-after", "0.1"),))
    elicitation.ask(server := serve(lambda _, number: Said() if number < 5 else busy))
    with pytest.raises(RunError, match=r"was busy for 0.3 s without one reply; what was replied is kept: run"):
        elicitation.run()
    before = server.count
    server.script = good
    elicitation.run()
    assert len(elicitation.data()) == 12
    assert server.count == before + 7


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_denied_call_ends_the_run_at_once_with_the_servers_words(
    status: int,
    serve: Serve,
    elicitation: Any,  # noqa: ANN401
) -> None:
    elicitation.ask(server := serve(lambda *_: Said(status=status, body="no such key or model")))
    with pytest.raises(
        RunError, match=rf"^models.writer: .*HTTP {status}: no such key or model; nothing more is sent$"
    ):
        elicitation.run()
    assert server.count <= 8


def test_a_refused_call_fails_alone_and_ten_in_a_row_end_the_run(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    refused = Said(status=400, body="too long")
    elicitation.ask(server := serve(lambda _, number: refused if number == 3 else Said()))
    elicitation.run()
    assert len(elicitation.data()) == 11
    server.script = lambda *_: refused
    elicitation.table["generators"]["reasoning"] = {"max_tokens": 100}
    with pytest.raises(RunError, match=r"1\d calls in a row were refused, the last with: .*HTTP 400: too long"):
        elicitation.run()


def test_a_key_that_is_not_set_is_named_and_no_key_is_written(
    serve: Serve,
    elicitation: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elicitation.ask(server := serve(good), key_env="REMGCL_TEST_KEY")
    with pytest.raises(Exception, match="environment variable 'REMGCL_TEST_KEY' is not set or empty"):
        elicitation.run()
    assert server.count == 0
    monkeypatch.setenv("REMGCL_TEST_KEY", "sesame-4217")
    elicitation.run()
    held = b"".join(path.read_bytes() for path in elicitation.out.rglob("*") if path.is_file())
    assert b"sesame-4217" not in held


def test_the_name_that_the_server_returns_is_recorded(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(serve(lambda *_: Said(model="another")))
    results = elicitation.run(limit=2)
    assert results.numbers["models"]["writer"]["named"] == {"another": 2}
    assert elicitation.lines()[0]["calls"][0]["model"] == "another"


# -- money


def priced(elicitation: Any, server: ChatServer) -> None:  # noqa: ANN401
    """Let a call of 100 and 30 tokens cost 0.16."""
    elicitation.ask(server)
    elicitation.table["prices"] = {"writer": {"input": 1000.0, "output": 2000.0}}


def test_a_budget_is_never_exceeded_and_what_it_pays_for_is_written(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    priced(elicitation, server := serve(lambda *_: Said(seconds=0.01)))
    elicitation.run(budget=0.0)
    worst = max(float(line["why"].rpartition(" ")[2]) for line in elicitation.lines())
    results = elicitation.run(budget=worst + 5 * 0.16)
    money = results.numbers["money"]
    assert money["spent in this folder"] == pytest.approx(0.16 * server.count)
    assert money["spent in this folder"] <= worst + 5 * 0.16
    assert 0 < len(elicitation.data()) < 12
    left = [line for line in elicitation.lines() if line["rejected"] == "budget"]
    assert len(left) + len(elicitation.data()) == 12
    assert results.numbers["unmade"]["budget"] == len(left)
    elicitation.run(budget=30.0)
    assert len(elicitation.data()) == 12
    assert server.count == 12


def test_a_budget_of_zero_sends_nothing(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    priced(elicitation, server := serve(good))
    elicitation.run(budget=0.0)
    assert server.count == 0
    assert elicitation.data() == []
    assert "the budget of 0 does not allow it" in elicitation.lines()[0]["why"]


def test_the_cost_of_a_kept_pair_is_told(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    priced(elicitation, serve(good))
    results: Results = elicitation.run()
    assert results.numbers["money"]["cost"] == pytest.approx(12 * 0.16)
    assert results.numbers["money"]["cost of a kept pair"] == pytest.approx(0.16)
    assert "they cost 1.92, 0.16 a kept pair" in (elicitation.out / "report.md").read_text()


# -- a caption, and folders


def test_a_caption_is_asked_with_the_image_and_told_to_the_generator(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    def script(body: dict[str, Any], _: int) -> Said:
        return Said() if len(body["messages"]) > 1 else Said(text='A drawn page. "quoted"')

    elicitation.ask(server := serve(script))
    elicitation.table["caption"] = {"model": "writer"}
    elicitation.run(limit=1)
    first, second = server.requests
    assert [part["type"] for part in first["messages"][0]["content"]] == ["image_url", "text"]
    assert json.dumps('A drawn page. "quoted"') in second["messages"][-1]["content"][1]["text"]


def test_a_model_that_takes_no_images_gets_the_text_alone(serve: Serve, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.ask(server := serve(good), images=False)
    elicitation.run(limit=1)
    assert [part["type"] for part in server.requests[0]["messages"][-1]["content"]] == ["text"]


def test_two_runs_at_once_are_refused(elicitation: Any) -> None:  # noqa: ANN401
    from remgcl.core.elicitation.run import alone

    elicitation.table["generators"] = {"compose": {}}
    with alone(elicitation.out), pytest.raises(RunError, match=r"another process makes data there; wait for its end"):
        elicitation.run()


def test_a_ledger_that_is_none_is_told(elicitation: Any) -> None:  # noqa: ANN401
    elicitation.table["generators"] = {"compose": {}}
    elicitation.out.mkdir()
    (elicitation.out / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match=r"ledger.sqlite: cannot be used; file is not a database"):
        elicitation.run()


def test_a_full_disk_ends_the_run_cleanly_and_it_resumes(
    serve: Serve,
    elicitation: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elicitation.ask(server := serve(good))
    from remgcl.core.elicitation.ledger import SCHEMA

    with monkeypatch.context() as small:
        small.setattr("remgcl.core.elicitation.ledger.SCHEMA", f"PRAGMA max_page_count = 6;{SCHEMA}")
        with pytest.raises(
            RunError, match=r"ledger.sqlite: cannot be used; database or disk is full; replies until here"
        ):
            elicitation.run()
    before = server.count
    elicitation.run()
    assert len(elicitation.data()) == 12
    assert server.count - before < 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": "x"}, "images: either images or data names the images; both does"),
        ({"generators": {}}, "generators: must name at least one; it is empty"),
        (
            {"generators": {"reasoning": {"model": "writter"}}},
            "there is no chat model 'writter'; did you mean 'writer'",
        ),
        ({"judges": {"rubric": {"model": "x"}}}, "judges.rubric.model: there is no chat model 'x'"),
        (
            {"prices": {"reader": {"input": 1.0, "output": 1.0}}},
            "prices.reader: is no key of models; there is 'writer'",
        ),
        ({"models": {}}, "generators.reasoning.model: it asks a chat model; the table models holds none"),
        ({"caption": {"model": "x"}}, "caption.model: there is no chat model 'x'"),
        ({"ocr_engine": "rapidocr"}, "ocr: is missing; it names the folder where what ocr_engine reads is kept"),
        ({"genrators": {}}, "genrators: is not a key here; did you mean 'generators'"),
        ({"budget": -1.0}, "budget: must be >= 0"),
    ],
)
def test_a_file_at_fault_is_refused_with_its_key(change: dict[str, Any], words: str, elicitation: Any) -> None:  # noqa: ANN401
    elicitation.table["models"] = {"writer": {"use": "scripted", "replies": [PAIR]}}
    elicitation.table |= change
    with pytest.raises(RecipeError) as caught:
        elicitation.read()
    assert words in str(caught.value)
    assert str(elicitation.folder / "elicit.toml") in str(caught.value)


def test_an_id_follows_from_image_generator_and_place_alone(serve: Serve, elicitation: Any, tmp_path: Path) -> None:  # noqa: ANN401
    elicitation.table["generators"] = {"compose": {}}
    elicitation.run(limit=3)
    first = {line["id"]: line["question"] for line in elicitation.lines()}
    elicitation.out = tmp_path / "other"
    elicitation.ask(serve(good))
    elicitation.table["generators"] = {"reasoning": {}, "compose": {}}
    elicitation.run(limit=5)
    again = {line["id"]: line["question"] for line in elicitation.lines()}
    assert first.items() <= again.items()
