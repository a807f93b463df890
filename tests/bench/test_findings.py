import pytest
from findings import (
    HTTP,
    MIB,
    OURS,
    PEER,
    Findings,
    FirstAudio,
    Fresh,
    Throughput,
    growth,
    render,
    targets,
    throughput_ratios,
)
from posts import Posts
from subjects import count_frames


def make_findings(http: float = 8.0, first: float = 1.0, leak: int = 0) -> Findings:
    """Findings of a run in which kokoro-onnx speaks 10 texts in 10 s, its first audio after 4 s."""
    findings = Findings({"CPU": "one"})
    for number in range(3):
        for subject, seconds in ((PEER, 10.0), (OURS, 7.0), (HTTP, http)):
            findings.throughput.append(Throughput(subject, 4, number, 10, seconds + number, 60.0))
        findings.first_audio.append(FirstAudio(PEER, 125, 4.0, 4.0, 4.1))
        findings.first_audio.append(FirstAudio(HTTP, 125, first, 4.0))
    findings.fresh.append(Fresh(PEER, 2.0, 1.0, 200 * MIB, {40: 300 * MIB}))
    findings.memory = [(n, 1000 * MIB + leak * n + n * 7919 % 1000) for n in range(10, 510, 10)]
    findings.rewrites = {"as exported": [1.0, 2.0, 4.0], "all": [0.9, 1.6, 3.6]}
    return findings


def test_throughput_ratios_are_taken_round_by_round() -> None:
    assert throughput_ratios(make_findings(), HTTP, 4) == pytest.approx([10 / 8, 11 / 9, 12 / 10])
    assert throughput_ratios(make_findings(), HTTP, 1) == []


def test_targets_reached() -> None:
    assert [target.met for target in targets(make_findings())] == [True, True, True]


def test_targets_missed() -> None:
    slow = make_findings(http=9.5, first=1.5, leak=100 * 1024)
    assert [target.met for target in targets(slow)] == [False, False, False]
    assert "**missed**" in render(slow)


def test_targets_not_measured() -> None:
    assert [target.met for target in targets(Findings({}))] == [None, None, None]
    assert "not measured" in render(Findings({}))


def test_growth_measures_the_settled_server() -> None:
    memory = [(n, (500 if n <= 100 else 900) * MIB + 1024 * n) for n in range(10, 510, 10)]
    assert growth(memory) == pytest.approx(1024 * 400)
    outlier = [*memory[:30], (305, 5000 * MIB), *memory[30:]]
    assert growth(outlier) == pytest.approx(1024 * 400)
    assert growth(memory[:12]) is None


def test_render_shows_every_table() -> None:
    page = render(make_findings())
    assert "| 4 | ours, HTTP and MP3 | 1.111 | 6.67 | 0.15 | 1.22 (1.20-1.25) |" in page
    assert "| 125 | kokoro-onnx | 4.00 | 4.00 | 4.10 |  |" in page
    assert "| 125 | ours, HTTP and MP3 | 1.00 | 4.00 |  | 0.25 |" in page
    assert "| kokoro-onnx | 2.00 | 1.00 | 200 | 300 |" in page
    assert "| all | 1.60 | 0.90 |" in page
    for line in page.splitlines():
        assert line == line.rstrip()


def test_posts_are_unique_and_of_the_wanted_length() -> None:
    given = Posts().posts((32, 40, 125, 400), 200)
    assert len(set(given)) == 200
    assert all(
        abs(len(text) - n) <= max(2, 0.08 * n) for text, n in zip(given, (32, 40, 125, 400) * 50, strict=True)
    )
    assert given == Posts().posts((32, 40, 125, 400), 200)


def test_posts_raise_an_error_when_they_run_out() -> None:
    with pytest.raises(ValueError, match="not enough posts of 5 characters"):
        Posts().post(5)


FRAME = bytes([0xFF, 0xF3, 0x84, 0xC4]) + bytes(188)
"""MPEG-2 Layer III, 64 kbit/s, 24 kHz: 192 bytes."""
TAG = b"ID3\x03\x00\x00" + bytes([0, 0, 1, 2]) + bytes(130)


@pytest.mark.parametrize(
    ("data", "frames"),
    [(b"", 0), (TAG[:5], 0), (TAG, 0), (TAG + FRAME[:-1], 0), (TAG + FRAME, 1), (FRAME * 3 + FRAME[:50], 3)],
)
def test_count_frames_counts_whole_frames(data: bytes, frames: int) -> None:
    assert count_frames(data) == frames


def test_count_frames_refuses_data_that_is_not_mp3() -> None:
    with pytest.raises(ValueError, match="no frame at byte 0"):
        count_frames(b"RIFF....WAVE")
