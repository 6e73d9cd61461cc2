# SPDX-License-Identifier: MIT
"""Checks in processes of their own: what takes too long or fails is allowed, told, and nothing to the next."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import warnings

import attrs
import pytest
from patience import scaled

from enforcer.cluster.webhook.check_process import Limits, checked
from enforcer.cluster.webhook.checkers import NUMBER, BusyError, Checkers
from enforcer.cluster.webhook.review import Review, ReviewError, answer
from enforcer.cluster.webhook.verdict import Outcome, Verdict

LIMITS = Limits(seconds=scaled(20))
SHORT = attrs.evolve(LIMITS, seconds=0.3)
POLICY = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "1-2"},
    "spec": {"rules": [{"exec": {}, "match": {"path": "/bin/sh"}, "action": "deny"}]},
}


@pytest.fixture(autouse=True)
def forks():
    """The webhook forks before it has threads; whoever runs these tests may have some."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*use of fork.*", DeprecationWarning)
        yield


def question(found=POLICY, uid="u-1", **more):
    kind = {"group": "enforcer.dev", "version": "v1", "kind": "EnforcerPolicy"}
    request = {"uid": uid, "operation": "CREATE", "kind": kind, "object": found, **more}
    head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return json.dumps({**head, "request": request}).encode()


def response(found):
    """Return the response of an answer, which is one of the API."""
    document = json.loads(found["body"])
    assert ("admission.k8s.io/v1", "AdmissionReview") == (document["apiVersion"], document["kind"])
    return document["response"]


def test_answers():
    """As the API has them, with what is told of a refusal: names and a field, and nothing of what it says."""
    wrong = json.loads(json.dumps(POLICY))
    wrong["spec"]["rules"][0]["acton"] = "s3cret"

    right, refused = checked(question(), LIMITS), checked(question(wrong), LIMITS)

    assert {"uid": "u-1", "allowed": True} == response(right)
    assert ("allowed", "") == (right["outcome"], right["told"])
    found = response(refused)
    assert ("u-1", False) == (found["uid"], found["allowed"])
    assert (422, "Invalid") == (found["status"]["code"], found["status"]["reason"])
    assert found["status"]["message"].startswith("spec.rules[0].acton: 'acton' is not a key")
    told = "refused EnforcerPolicy shop/web, because of spec.rules[0].acton"
    assert ("refused", told) == (refused["outcome"], refused["told"])


def late(review):
    time.sleep(600)


def greedy(review):
    return bytearray(1 << 40)


def failing(review):
    raise RuntimeError("of a policy: s3cret")


def ending(review):
    os._exit(0)


def killed(review):
    os.kill(os.getpid(), signal.SIGKILL)


def busy(review):
    while True:
        pass


@pytest.mark.parametrize(
    ("check", "limits", "why"),
    [
        (late, SHORT, "it takes more than 0.3 s"),
        (busy, SHORT, "it takes more than 0.3 s"),
        (greedy, LIMITS, "the check failed (MemoryError)"),
        (failing, LIMITS, "the check failed (RuntimeError)"),
        (ending, LIMITS, "the check came to no end"),
        (killed, LIMITS, "the check came to no end"),
    ],
)
def test_what_cannot_be_decided_is_allowed(check, limits, why):
    """With a warning, since nodes decide; it is counted as what it is, and no more is told than its kind."""
    found = checked(question(), limits, check)

    warning = f"enforcer: not checked: {why}; nodes will decide"
    assert {"uid": "u-1", "allowed": True, "warnings": [warning]} == response(found)
    assert "undecided" == found["outcome"]
    assert found["told"]
    assert "s3cret" not in json.dumps(found)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"a": NaN}',
        b"[" * 100_000,
        b"\xff",
        b'{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "u"}}',
        b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}',
        question(uid=7),
        question(uid=""),
        question(uid="x" * 200),
    ],
)
def test_what_is_no_question_gets_an_error(text):
    """There is no uid to answer to. The server that asks goes by its failurePolicy."""
    found = checked(text, LIMITS)

    assert (400, "undecided") == (found["status"], found["outcome"])
    with pytest.raises(ReviewError):
        Review.read(text)


def test_without_a_uid_there_is_no_answer():
    """If it is late before the question was read: 503, which is as if nobody were there."""
    found = checked(question(), attrs.evolve(LIMITS, seconds=0.0))

    assert (503, "undecided") == (found["status"], found["outcome"])


@pytest.mark.parametrize(
    "more", [{"object": 7}, {"kind": []}, {"operation": {}}, {"oldObject": "x"}]
)
def test_fields_of_other_types(more):
    """They are as if they were not there."""
    assert response(checked(question(**more), LIMITS))["allowed"]


def test_answers_have_limits():
    """An API server shortens warnings itself, and refuses none."""
    verdict = Verdict(Outcome.REFUSED, "m" * 9000, tuple("w" * 999 for _ in range(99)))

    found = json.loads(answer("u", verdict))["response"]

    assert 4096 == len(found["status"]["message"])
    assert [250] * 16 == [len(each) for each in found["warnings"]]


def test_labels_can_be_shown():
    """Names come from anybody."""
    meta = {"namespace": "a\nb", "name": "\x1b[2J"}

    label = Review("u", "CREATE", ("", "", "K" * 999), "", {"metadata": meta}, None).label

    assert label.isprintable()
    assert len(label) <= 300


# ---- The processes ------------------------------------------------------------------------------


@pytest.fixture
def run():
    """Run a scenario with checkers, of which nothing is left."""
    made = Checkers(LIMITS)
    made.start()

    async def whole(scenario):
        await made.open()
        try:
            return await scenario(made)
        finally:
            await made.leave()

    yield lambda scenario: asyncio.run(whole(scenario))
    pids = list(made._pids)
    made.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_many_questions_at_once(run):
    """Each gets its own answer, and no process is left."""

    async def scenario(checkers):
        return await asyncio.gather(*(checkers.check(question(uid=str(n))) for n in range(12)))

    found = run(scenario)

    assert [str(n) for n in range(12)] == [response(each)["uid"] for each in found]


def test_who_does_not_wait_leaves_no_answer_to_the_next(run):
    """What was asked by somebody who went away is read all the same."""

    async def scenario(checkers):
        gone = [
            asyncio.create_task(checkers.check(question(uid=f"gone-{n}"))) for n in range(NUMBER)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for each in gone:
            each.cancel()
        return [await checkers.check(question(uid=f"here-{n}")) for n in range(2 * NUMBER)]

    assert [f"here-{n}" for n in range(2 * NUMBER)] == [
        response(each)["uid"] for each in run(scenario)
    ]


def test_no_more_than_some_wait(run):
    """The others hear at once that nobody is free."""

    async def scenario(checkers):
        tasks = [asyncio.create_task(checkers.check(question())) for _ in range(60)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = run(scenario)

    refused = [each for each in found if isinstance(each, BusyError)]
    assert 0 < len(refused) < 60
    assert all(response(each)["allowed"] for each in found if each not in refused)


def test_one_that_is_lost(run):
    """It is told, so that the server ends."""

    async def scenario(checkers):
        for pid in checkers._pids:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(BusyError):
            await checkers.check(question())
        return await checkers.lost

    assert "a process that checks is lost" in run(scenario)
