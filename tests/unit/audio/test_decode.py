import numpy as np
import pytest

from tts_app.audio.decode import decode
from tts_app.audio.encode import encode, wav_header
from tts_app.audio.samples import AudioError

RATE = 24_000


def test_decode_reads_a_path(tmp_path, speech):
    path = tmp_path / "speech.flac"
    path.write_bytes(encode(speech(0.5), RATE, "flac"))
    from_path, rate = decode(path)
    assert rate == RATE
    assert from_path.dtype == np.float32
    assert (from_path == decode(path.read_bytes())[0]).all()


def test_decode_averages_channels():
    import struct

    frames = np.tile(np.array([[8_000, -4_000]], "<i2"), (1_000, 1))
    header = bytearray(wav_header(RATE, 2 * 1_000))
    struct.pack_into("<H", header, 22, 2)
    struct.pack_into("<IH", header, 28, 4 * RATE, 4)
    audio, _ = decode(bytes(header) + frames.tobytes())
    assert audio.shape == (1_000,)
    assert np.allclose(audio, 2_000 / 32_768)


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\0" * 1_000,
        b"plain text " * 100,
        b"ID3\x03\0\0\0\0\0\0",
        b"RIFF\xff\xff\xff\xffWAVE",
        b"fLaC" + b"\0" * 99,
    ],
    ids=["empty", "zeros", "text", "id3", "wav", "flac"],
)
def test_decode_refuses_a_file_that_is_not_audio(file):
    with pytest.raises(AudioError, match="Cannot decode the audio"):
        decode(file)


def test_decode_refuses_audio_without_samples():
    with pytest.raises(AudioError, match="no audio"):
        decode(wav_header(RATE, 0))


def test_decode_refuses_a_missing_file(tmp_path):
    for path in (tmp_path / "none.mp3", tmp_path):
        with pytest.raises(AudioError, match="Cannot decode"):
            decode(path)


def test_decode_of_a_playlist_opens_no_other_file(tmp_path, speech):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode(speech(0.5), RATE, "wav"))
    for playlist in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{secret}'\n",
    ):
        with pytest.raises(AudioError):
            decode(playlist.encode())
        path = tmp_path / "list.m3u8"
        path.write_text(playlist)
        with pytest.raises(AudioError):
            decode(path)


def test_decode_refuses_video_without_sound(tmp_path):
    import av

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no audio track"):
        decode(path)
