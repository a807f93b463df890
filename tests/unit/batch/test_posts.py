"""Posts, as content teams have them: every form is read, and every fault says where it is."""

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tts_app.batch import post_lines
from tts_app.batch.kept_aside import KeptAside
from tts_app.batch.post_lines import LINE_BYTES
from tts_app.batch.post_record import Fault, PostsError
from tts_app.batch.posts import read_posts
from tts_app.resources.tts_job import Post, Posts

ONE = {"id": 1, "text": {"en": "Hello."}}
TWO = {"id": 2, "text": {"en-GB": "Cheers.", "ar": "أهلا"}}
GOOD = b'{"id": 1, "text": {"en": "Hello."}}\n'


def read(address: Path | str, config_maps: Path = Path("config-maps")) -> list[Post | Fault]:
    uri = address.as_uri() if isinstance(address, Path) else address
    return list(read_posts(Posts(uri=uri), config_maps))


def reported(found: list[Post | Fault]) -> list[str]:
    """What a user is told: the ids of posts, and the faults."""
    return [str(entry.id) if isinstance(entry, Post) else str(entry) for entry in found]


def read_asides(folder: Path, content: bytes, name: str) -> tuple[list[Post | Fault], KeptAside]:
    path, aside = folder / name, KeptAside()
    path.write_bytes(content)
    return list(read_posts(Posts(uri=path.as_uri()), folder, aside.add)), aside


def strictly(folder: Path, content: bytes, name: str) -> list[str]:
    path = folder / name
    path.write_bytes(content)
    return reported(list(read_posts(Posts(uri=path.as_uri(), strict=True), folder)))


def of_file(folder: Path, content: bytes, name: str = "posts.jsonl") -> list[str]:
    path = folder / name
    path.write_bytes(content)
    return reported(read(path))


def posts_of(*records: dict[str, Any]) -> list[Post | Fault]:
    return [Post.model_validate(record) for record in records]


# Every form


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(json.dumps(record) for record in (ONE, TWO)),
        "\r\n".join(json.dumps(record, ensure_ascii=False) for record in (ONE, TWO)) + "\r\n",
        "\n\n  " + json.dumps(ONE) + "\n \t\n" + json.dumps(TWO) + "\n\n",
        "\ufeff" + json.dumps(ONE) + "\n" + json.dumps(TWO),
    ],
    ids=["no-end", "windows", "blank-lines", "bom"],
)
def test_read_posts_reads_json_lines(tmp_path: Path, content: str) -> None:
    (tmp_path / "posts.jsonl").write_text(content, encoding="utf-8", newline="")
    assert read(tmp_path / "posts.jsonl") == posts_of(ONE, TWO)


@pytest.mark.parametrize(
    "content",
    [
        "id,en,en-GB,ar\n1,Hello.,,\n2,,Cheers.,أهلا\n",
        "\ufeffid,en,en-GB,ar\r\n1,Hello.,,\r\n2,,Cheers.,أهلا\r\n",
        "ar,en-GB,en,id\n,,Hello., 1 \n\nأهلا,Cheers.,,2",
        'id,"en",en-GB,ar\n"1","Hello."\n2,,"Cheers.","أهلا"\n',
        "id,en,en-GB,ar\r1,Hello.,,\r2,,Cheers.,أهلا\r",
    ],
    ids=["plain", "excel", "other-order", "quoted", "old-mac"],
)
@pytest.mark.parametrize("name", ["posts.csv", "POSTS.CSV"])
def test_read_posts_reads_csv(tmp_path: Path, content: str, name: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert read(tmp_path / name) == posts_of(ONE, TWO)


def test_read_posts_csv_may_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text('id,en\n1,"One, ""two""\nand three."\n', newline="")
    assert read(tmp_path / "posts.csv") == posts_of({"id": 1, "text": {"en": 'One, "two"\nand three.'}})


def test_read_posts_reads_a_folder_of_text_files(tmp_path: Path) -> None:
    for name, text in {
        "post_02.en-GB.txt": "Cheers.\n",
        "2_AR.txt": "أهلا",
        "001.en.txt": "\ufeffHello.",
        ".DS_Store": "",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert read(tmp_path) == posts_of(ONE, TWO)


@pytest.mark.parametrize("language", ["ar", "hi"])
def test_read_posts_refuses_a_text_file_in_utf_16_without_a_mark(tmp_path: Path, language: str) -> None:
    text = {"ar": "مرحبا بكم في فندقنا", "hi": "होटल में स्वागत है"}[language]
    (tmp_path / f"1.{language}.txt").write_bytes(text.encode("utf-16-le"))
    (tmp_path / "2.en.txt").write_text("Hello.")
    fault, post = reported(read(tmp_path))
    assert fault.startswith(f"1.{language}.txt: it is not UTF-8: ")
    assert post == "2"


def test_read_posts_reads_links_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "1.en.txt").write_text("Hello.")
    (tmp_path / "1.en.txt").symlink_to("..data/1.en.txt")
    assert read(tmp_path) == posts_of(ONE)


def test_read_posts_follows_no_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("Secret.")
    folder = tmp_path / "posts"
    folder.mkdir()
    (folder / "1.en.txt").symlink_to("../secret")
    (folder / "2.en.txt").symlink_to("nowhere")
    assert [entry.partition(":")[0] for entry in reported(read(folder))] == ["1.en.txt", "2.en.txt"]


def test_read_posts_reads_inline_posts() -> None:
    posts = Posts.model_validate({"inline": [ONE, TWO]})
    assert list(read_posts(posts, Path("nowhere"))) == posts_of(ONE, TWO)


@pytest.mark.parametrize(
    ("key", "content"), [("posts.jsonl", json.dumps(ONE)), ("other.csv", "id,en\n1,Hello.\n")]
)
def test_read_posts_reads_a_config_map(tmp_path: Path, key: str, content: str) -> None:
    (tmp_path / "campaign").mkdir()
    (tmp_path / "campaign" / key).write_text(content)
    posts = Posts.model_validate({"configMapRef": {"name": "campaign", "key": key}})
    assert list(read_posts(posts, tmp_path)) == posts_of(ONE)


def test_read_posts_reads_a_path_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "our posts #1"
    folder.mkdir()
    assert of_file(folder, GOOD) == ["1"]


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "claims"
    (made / "content").mkdir(parents=True)
    (made / "content" / "posts.jsonl").write_bytes(GOOD)
    monkeypatch.setenv("TTSP_CLAIMS", str(made))
    return made


def test_read_posts_reads_a_claim(claims: Path) -> None:
    assert reported(read("pvc://content/posts.jsonl")) == ["1"]


@pytest.fixture(params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest) -> str:
    """The address of an empty place of an object store."""
    return str(request.getfixturevalue(f"{request.param}_bucket"))


def store_of(bucket: str, **options: Any) -> Any:
    """Return the client of an object store."""
    return fsspec.filesystem(bucket.partition(":")[0], **options)


def test_read_posts_reads_an_object_store(bucket: str) -> None:
    store = store_of(bucket)
    store.pipe(f"{bucket}/posts.jsonl", GOOD)
    store.pipe(f"{bucket}/posts.csv", b"id,en\n1,Hello.\n2,\n")
    assert reported(read(f"{bucket}/posts.jsonl")) == ["1"]
    assert reported(read(f"{bucket}/posts.csv"))[0] == "1"


@pytest.mark.parametrize("end", ["", "/"])
def test_read_posts_reads_a_folder_of_an_object_store_with_its_placeholder(bucket: str, end: str) -> None:
    store = store_of(bucket)
    store.pipe(f"{bucket}/posts/", b"")  # as the store's console makes a folder
    store.pipe(f"{bucket}/posts/1.en.txt", b"Hello.")
    assert read(f"{bucket}/posts{end}") == posts_of(ONE)


def test_read_posts_sees_new_files_in_an_object_store(bucket: str) -> None:
    store_of(bucket).pipe(f"{bucket}/posts/1.en.txt", b"Hello.")
    assert reported(read(f"{bucket}/posts")) == ["1"]
    somebody = store_of(bucket, skip_instance_cache=True)
    somebody.pipe(f"{bucket}/posts/2.en.txt", b"Hello.")
    assert reported(read(f"{bucket}/posts")) == ["1", "2"]


# As people have them

TABLE = """\
ID{0}EN{0}en_gb{0}Ar-eg
7{0}Good evening.{0}"Cheers{0} mate."{0}مساء الخير
8{0}Welcome.{0}{0}أهلا
"""
OF_TABLE = [
    {"id": 7, "text": {"en": "Good evening.", "en-GB": "Cheers{0} mate.", "ar-EG": "مساء الخير"}},
    {"id": 8, "text": {"en": "Welcome.", "ar-EG": "أهلا"}},
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


def of_table(mark: str) -> list[Post | Fault]:
    return posts_of(*json.loads(json.dumps(OF_TABLE).replace("{0}", mark.replace("\t", "\\t"))))


@pytest.mark.parametrize("mark", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_a_table_as_a_spreadsheet_saves_it(tmp_path: Path, mark: str, encoding: str, end: str) -> None:
    (tmp_path / "posts.csv").write_bytes(TABLE.format(mark).replace("\n", end).encode(encoding))
    assert read(tmp_path / "posts.csv") == of_table(mark)


@pytest.mark.parametrize("name", ["posts.tsv", "posts.tab", "posts.txt", "posts", "POSTS.CSV"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_table_by_any_name(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(TABLE.format("\t").encode(encoding))
    assert read(tmp_path / name) == of_table("\t")


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\nid;en\n1;Hello.\n",
        "SEP=;\r\n\r\nid;en\r\n1;Hello.\r\n",
        "\n\nid;en\n\n1;Hello.\n;\n\n",
        '"id";"en"\n"1";"Hello."\n',
        " Id ; EN \n 1 ;Hello.\n",
        "en;id\nHello.;post_01\n",
        "id;en;;\n1;Hello.;;\n",
        "id;en\n1;Hello.;;;\n",
        "id;en\n001;Hello.\n",
        "id;title, subtitle, and more, and more;en\n1;x;Hello.\n",
    ],
)
def test_a_table_with_what_spreadsheets_add(tmp_path: Path, content: str) -> None:
    (tmp_path / "posts.csv").write_text(content, newline="")
    assert read(tmp_path / "posts.csv") == posts_of(ONE)


@pytest.mark.parametrize("key", ["posts.jsonl", "posts.csv", "content"])
def test_a_table_in_a_config_map(tmp_path: Path, key: str) -> None:
    (tmp_path / "campaign").mkdir()
    (tmp_path / "campaign" / key).write_text(TABLE.format(";"), encoding="utf-8")
    posts = Posts.model_validate({"configMapRef": {"name": "campaign", "key": key}})
    assert list(read_posts(posts, tmp_path)) == of_table(";")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["posts.jsonl", "posts.json", "posts"])
@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_an_array_of_records(tmp_path: Path, encoding: str, name: str, indent: int | str | None) -> None:
    records = [ONE, TWO, {"id": "post_3", "text": {"en": 'Say "a[1], {b}" \\ now,'}}]
    content = " \n" + json.dumps(records, ensure_ascii=False, indent=indent) + "\n\n"
    (tmp_path / name).write_bytes(content.encode(encoding))
    assert read(tmp_path / name) == posts_of(*records)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_lines_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    content = "\n".join(json.dumps(record, ensure_ascii=False) for record in (ONE, TWO))
    (tmp_path / "posts.jsonl").write_bytes(content.encode(encoding))
    assert read(tmp_path / "posts.jsonl") == posts_of(ONE, TWO)


def test_an_array_of_any_length(tmp_path: Path) -> None:
    records = [{"id": number, "text": {"en": "Hello. " * (number % 3000)}} for number in range(1, 4000, 7)]
    (tmp_path / "posts.json").write_text(json.dumps(records))
    assert read(tmp_path / "posts.json") == posts_of(*records)


@pytest.mark.parametrize(
    "record",
    [
        {"id": "1", "text": {"en": "Hello."}},
        {"id": " 1 ", "text": {"EN": "Hello."}},
        {"ID": "post-1", "Text": {"en": "Hello."}},
        {"id": "POST_0001", "en": "Hello."},
        {"en": "Hello.", "es": None, "ar": "", "id": 1},
    ],
)
def test_a_record_as_programs_write_it(tmp_path: Path, record: dict[str, Any]) -> None:
    assert of_file(tmp_path, json.dumps(record).encode()) == ["1"]
    assert read(tmp_path / "posts.jsonl") == posts_of(ONE)


def test_keys_as_posix_writes_locales(tmp_path: Path) -> None:
    text = {"en_US": "a", "EN_gb": "b", "zh_Hant_TW": "c", "es_419": "d"}
    (post,) = read_asides(tmp_path, json.dumps({"id": 1, "text": text}).encode(), "posts.jsonl")[0]
    assert isinstance(post, Post)
    assert list(post.text) == ["en-US", "en-GB", "zh-Hant-TW", "es-419"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_folder_of_texts_as_editors_save_them(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "2.en_GB.txt").write_bytes("Cheers.".encode(encoding))
    (tmp_path / "post_2_ar.txt").write_bytes("أهلا".encode())
    assert read(tmp_path) == posts_of(TWO)


ASIDE = {"post": 1, "fields": {"Title": "Late, arrival", "url": "https://x.example/?a=1"}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("posts.csv", "id;Title;en;url\n1;Late, arrival;Hello.;https://x.example/?a=1\n2;;World.;\n"),
        ("posts.jsonl", json.dumps({**ONE, **ASIDE["fields"]})),  # type: ignore[dict-item]
        ("posts.json", json.dumps([{"id": 1, "en": "Hello.", **ASIDE["fields"]}, TWO])),  # type: ignore[dict-item]
    ],
)
def test_other_fields_are_kept_aside_unless_it_is_strict(tmp_path: Path, name: str, content: str) -> None:
    found, aside = read_asides(tmp_path, content.encode(), name)
    assert found[0] == posts_of(ONE)[0]
    assert aside.names == ["Title", "url"]
    assert [json.loads(line) for line in aside.lines()] == [ASIDE]
    try:
        (fault, *_) = strictly(tmp_path, content.encode(), name)
    except PostsError as error:
        fault = str(error)
    assert "line 1" in fault or "first line" in fault
    assert "it has Title, url" in fault
    assert "without --strict" in fault.lower()


def test_strict_reading_takes_what_needs_no_guess(tmp_path: Path) -> None:
    assert strictly(tmp_path, TABLE.format(";").encode("utf-16"), "posts.csv") == ["7", "8"]
    assert strictly(tmp_path, json.dumps([ONE, TWO]).encode(), "posts.json") == ["1", "2"]


A = '[{"id": 1, "en": "a"},\n'
C = '{"id": 3, "en": "c"}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (A + ' {"id": 2}\n, ' + C + ']', "line 2 (post 2): text: Field required"),
        (A + ' 7, ' + C + ']', "line 2: it is no record: write"),
        (A + '[[]], ' + C + ']', "line 2: it is no record: write"),
        (A + '{"id": 2, "id": 9}, ' + C + ']', "line 2: it is not a record: it has 'id' twice"),
        (A + C, "line 2: it is not JSON: here ',' or ']' must follow, and the file ends"),
        (A + '\n{"id": 3, "en": "c"', "line 3: it is not JSON: Expecting ',' delimiter; what follows"),
        (A + C + ',\n]', "line 3: it is not JSON: Expecting value"),
        ('[{"id": 1, "en": "a"}\n' + C + ']', "line 2: it is not JSON: here ',' or ']' must follow, not '{'"),
        (A + '{"id": 3,\n "en": oops}]', "line 3: it is not JSON: Expecting value"),
        ('[{"id": 1, "en": "a"}]\n' + C, "line 2: there is more after the array's end"),
        (A + "[" * 200_000, "line 2: it is not a record: too deep"),
        (A + '{"id": 2, "en": "' + "x" * 10_000_000 + '"}]', "line 2: it has more than 4 MiB"),
        (A + '{"id": ' + "9" * 5000 + ', "en": "b"}]', "line 2: it is not a record: Exceeds"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_array_is_told_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    if message.endswith("too deep"):
        gc.collect()  # what is left must not be finalised at the recursion limit: that warns
    found = of_file(tmp_path, content.encode(), "posts.json")
    assert found[0] == "1"
    (fault,) = [entry for entry in found if entry.startswith("line")]
    assert message in fault
    assert len(fault) < 300
    if "not read" not in fault:
        assert found[-1] == "3"


@pytest.mark.parametrize("content", ["[]", " [ \n ] \n"])
def test_an_empty_array_has_no_posts(tmp_path: Path, content: str) -> None:
    assert of_file(tmp_path, content.encode(), "posts.json") == []


def test_an_array_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    (fault,) = of_file(tmp_path, b'[{"id": 1, "en": "caf\xe9"}]', "posts.json")
    assert fault.startswith("line 1: it is not UTF-8")


# Every fault


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 2: it is not JSON: Expecting property name"),
        (b"{'id': 2}", "line 2: it is not JSON: Expecting property name"),
        (b'{"id": 2, "text": {"en": "Hello."}},', "line 2: it is not JSON: Extra data"),
        (b'{"id": 2, "text": {"en": "caf\xe9"}}', "line 2: it is not UTF-8"),
        (b'\xff\xfe{\x00"\x00', "line 2: it is not UTF-8"),
        (b"[1, 2]", "line 2: "),
        (b'"text"', "line 2: "),
        (b"null", "line 2: "),
        (b"7", "line 2: "),
        (b"{}", "line 2: id: Field required; text: Field required"),
        (b'{"text": {"en": "x"}}', "line 2: id: Field required"),
        (b'{"id": 2}', "line 2 (post 2): text: Field required"),
        (b'{"id": -1, "text": {"en": "x"}}', "line 2 (post -1): id: Input should be greater"),
        (b'{"id": 1000000000, "text": {"en": "x"}}', "id: Input should be less than or equal to 999999999"),
        (b'{"id": ' + b"9" * 5000 + b', "text": {"en": "x"}}', "line 2: it is not a record: Exceeds"),
        (b'{"id": 1e999, "text": {"en": "x"}}', "line 2: id: "),
        (b'{"id": 1.5, "text": {"en": "x"}}', "line 2: id: Input should be a valid integer"),
        (
            b'{"id": "two", "text": {"en": "x"}}',
            "line 2: id: it must be a number of at most nine digits, not 'two'",
        ),
        (b'{"id": null, "text": {"en": "x"}}', "line 2: id: Input should be a valid integer"),
        (b'{"id": NaN, "text": {"en": "x"}}', "line 2: id: "),
        (b'{"id": 2, "text": "Hello."}', "line 2 (post 2): text: Input should be a valid dictionary"),
        (b'{"id": 2, "text": {}}', "line 2 (post 2): text: Dictionary should have at least 1 item"),
        (b'{"id": 2, "text": {"en": ""}}', "text.en: String should have at least 1 character"),
        (b'{"id": 2, "text": {"en": 5}}', "text.en: Input should be a valid string"),
        (b'{"id": 2, "text": {"en": "\\ud800"}}', "line 2 (post 2): text.en: Input should be a valid string"),
        (
            b'{"id": 2, "text": {"french": "Bonjour."}}',
            "keyed by a language or locale, such as en or ar-EG; it has french",
        ),
        (b'{"id": 2, "text": {"en-us": "x", "en-US": "y"}}', "text has en-US twice, in different spelling"),
        (b'{"id": 2, "ID": 3, "text": {"en": "x"}}', "line 2: it has 'id' twice, in different case"),
        (b'{"id": 2, "en": "x", "EN": "y"}', "line 2 (post 2): text: text has en twice"),
        (b'{"id": 2, "en": "x", "text": "y"}', "line 2 (post 2): text: Input should be a valid dictionary"),
        (b'{"id": "' + b"9" * 5000 + b'", "text": {"en": "x"}}', "line 2: id: it must be a number"),
        (b'{"id": "", "text": {"en": "x"}}', "line 2: id: it must be a number of at most nine digits"),
        (b'{"id": "post_", "text": {"en": "x"}}', "line 2: id: it must be a number of at most nine digits"),
        (b'{"id": 2, "id": 3, "text": {"en": "x"}}', "line 2: it is not a record: it has 'id' twice"),
        (b'{"id": 2, "text": {"en": "x", "es": "z", "en": "y"}}', "it has 'en' twice"),
        (b"[" * 200_000, "line 2: it is not a record: too deep"),
        (b'{"id": 2, "text": {"en": "' + b"x" * 100_001 + b'"}}', "at most 100000 characters"),
        (b'{"id": 2, "text": {"en": "' + b"x" * 10_000_000 + b'"}}', "line 2: it has more than 4 MiB"),
    ],
)
def test_read_posts_reports_a_bad_line_and_reads_the_others(
    tmp_path: Path, line: bytes, message: str
) -> None:
    if message.endswith("too deep"):
        gc.collect()  # what other tests have left must not be finalised at the recursion limit: that warns
    before, fault, after = of_file(tmp_path, GOOD + line + b"\n" + GOOD.replace(b"1", b"3"))
    assert (before, after) == ("1", "3")
    assert message in fault
    assert fault.startswith("line 2")
    assert len(fault) < 500
    fault.encode()  # it can be printed


def test_read_posts_accepts_the_longest_texts_of_all_languages_in_a_line(tmp_path: Path) -> None:
    text = "ض" * 100_000
    record = {"id": 1, "text": dict.fromkeys(("en", "ar", "es", "hi", "ur"), text)}
    line = json.dumps(record, ensure_ascii=False).encode()
    assert len(line) < LINE_BYTES
    assert of_file(tmp_path, line) == ["1"]


def test_read_posts_reports_each_line_that_is_too_long(tmp_path: Path) -> None:
    long = b"x" * (LINE_BYTES + 1)
    found = of_file(tmp_path, long + b"\n" + long + b"\n" + GOOD + long)
    assert [entry.partition(":")[0] for entry in found] == ["line 1", "line 2", "1", "line 4"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_read_posts_of_a_file_without_posts_is_empty(tmp_path: Path, content: bytes) -> None:
    assert of_file(tmp_path, content) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (b"x,Hello.", "line 2: id: it must be a number of at most nine digits, not 'x'"),
        (b",Hello.", "line 2: id: it must be a number of at most nine digits, not ''"),
        (b"-1,Hello.", "line 2: id: it must be a number of at most nine digits, not '-1'"),
        (b"1.0,Hello.", "line 2: id: it must be a number of at most nine digits, not '1.0'"),
        (b"1000000000,Hello.", "line 2: id: it must be a number"),
        (b"2,Hello.,World.", "line 2: it has 1 more fields than the first line names"),
        (b"2,", "line 2 (post 2): text: Dictionary should have at least 1 item"),
        (b"2", "line 2 (post 2): text: Dictionary should have at least 1 item"),
        (b'2,"Hello." World.', "line 2: it is not CSV"),
        (b"2," + b"x" * 100_001, "line 2 (post 2): text.en: String should have at most 100000 characters"),
        (b"2," + b"x" * 10_000_000, "line 2: it has more than 4 MiB; a text has 100,000 characters at most"),
        (b"2," + b"," * 10_000_000, "line 2: it has more than 4 MiB"),
    ],
)
def test_read_posts_reports_a_bad_row_and_reads_the_others(tmp_path: Path, rows: bytes, message: str) -> None:
    fault, after = of_file(tmp_path, b"id,en\n" + rows + b"\n3,World.\n", "posts.csv")
    assert after == "3"
    assert message in fault


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("rows", [2, 60], ids=["small", "longer-than-a-line-may-be"])
def test_a_table_whose_lines_end_in_each_way(tmp_path: Path, end: bytes, rows: int) -> None:
    lines = [b"id,en", *(b"1," + b"x" * 90_000 for _ in range(rows)), b"x,No"]
    path = tmp_path / "posts.csv"
    path.write_bytes(end.join(lines) + end)
    *posts, fault = read_posts(Posts(uri=path.as_uri()), tmp_path)
    assert len(posts) == rows
    assert str(fault) == f"line {rows + 2}: id: it must be a number of at most nine digits, not 'x'"


def test_a_record_of_many_lines_that_is_too_long_is_told(tmp_path: Path) -> None:
    many = b'2,"' + b"Hello.\n" * (LINE_BYTES // 6)
    before, fault, *_ = of_file(tmp_path, b"id,en\n1,Hello.\n" + many, "posts.csv")
    assert before == "1"
    assert "it has more than 4 MiB; a text has 100,000 characters at most" in fault


def test_lines_and_records_that_are_short_are_held_one_at_a_time(tmp_path: Path) -> None:
    blank = b"\n" * (LINE_BYTES + 1)
    assert of_file(tmp_path, b"id,en\n1,Hello.\n" + blank + b"2,World.\n", "posts.csv") == ["1", "2"]


@pytest.mark.parametrize("name", ["posts.csv", "posts.jsonl"])
@pytest.mark.parametrize("filling", [b"x", b",", b'"', b'"\n"', b"\n", b"\r", b'a",\n"'])
def test_memory_is_bounded_whatever_the_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, filling: bytes
) -> None:
    monkeypatch.setattr(post_lines, "LINE_BYTES", 8 << 10)
    path = tmp_path / name
    of_file(tmp_path, b"id,en\n1,Hello.\n", "first.csv")  # what is imported and kept
    with path.open("wb") as file:
        file.write(b'id,en\n1,"Hello."\n2,"')
        file.write(filling * ((1 << 19) // len(filling)))
    tracemalloc.start()
    try:
        for _ in read_posts(Posts(uri=path.as_uri()), tmp_path):
            pass
        _, peak = tracemalloc.get_traced_memory()
    except PostsError:
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 18, "of a file of 512 KiB"


def test_read_posts_reports_an_unclosed_csv_quote(tmp_path: Path) -> None:
    first, fault = of_file(tmp_path, b'id,en\n1,Hello.\n2,"World.\n3,x\n', "posts.csv")
    assert first == "1"
    assert "it is not CSV" in fault


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line must name the columns: id, and languages or locales"),
        (b"1,Hello.\n", "the first line must name the columns"),
        (b"en\nHello.\n", "the first line must name the columns"),
        (b"id|en\n1|Hello.\n", r"it has id\|en"),
        (b"id,url\n1,x\n", "it has url"),
        (b"number,en\n1,Hello.\n", "it has number"),
        (b"id,en,EN\n1,Hello.,Bye.\n", "it has en twice"),
        (b"id,en-us,en_US\n1,Hello.,Bye.\n", "it has en-US twice"),
        (b"id,en,url,url\n1,Hello.,x,y\n", "it has url twice"),
        (b"id,en,es,en\n1,Hello.,Hola.,Bye.\n", "it has en twice"),
        (b"id,id,en\n1,2,Hello.\n", "it has id twice"),
        (b"id," + b"x," * 49 + b"x", r"it has x, x, .*x and 40 more"),
        (b"id," * (LINE_BYTES // 4), "it has id twice"),
        (b"id,en" + b"," * LINE_BYTES, "line 1, which must name the columns: it has more than 4 MiB"),
        (b'id,"en"x\n1,Hello.\n', "cannot be read"),
        (b"id,en\n1,Hello.\n2,caf\xe9\n", "line 3 is not UTF-8: .* save the table as CSV UTF-8"),
        (
            b"\xff\xfei\x00d\x00,\x00e\x00n\x00\n\x00\x00\xd8\n\x00",
            "it looks like UTF-16 and is not, near byte 14",
        ),
    ],
)
def test_read_posts_refuses_a_bad_csv_header(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(PostsError, match=message):
        of_file(tmp_path, content, "posts.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("readme.md", b"x", "readme.md: files of a folder of posts are called <id>.<language>.txt"),
        ("en.txt", b"x", "en.txt: files of a folder"),
        ("2.english.txt", b"x", "2.english.txt: files of a folder"),
        ("2.en.TXT", b"x", "2.en.TXT: files of a folder"),
        ("2.french.txt", b"x", "files of a folder of posts are called <id>.<language>.txt"),
        ("1234567890.en.txt", b"x", "1234567890.en.txt: files of a folder"),
        ("2.en.txt", b"\xff", "2.en.txt: it is not UTF-8: invalid start byte at byte 0"),
        ("2.en.txt", b" \n", "post 2 (post 2): text.en: String should have at least 1 character"),
        ("2.en.txt", b"x" * (LINE_BYTES + 1), "2.en.txt: it has more than 4 MiB"),
        ("01.en.txt", b"Another.", "another file has the text of post 1 in en"),
    ],
)
def test_read_posts_reports_a_bad_file_of_a_folder(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / "1.en.txt").write_bytes(b"Hello.")
    (tmp_path / name).write_bytes(content)
    found = reported(read(tmp_path))
    assert "1" in found
    assert [entry for entry in found if message in entry]


def test_read_posts_reports_a_folder_within_the_folder(tmp_path: Path) -> None:
    (tmp_path / "1.en.txt").mkdir()
    assert "files of a folder" in reported(read(tmp_path))[0]


def test_read_posts_of_an_empty_folder_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("file:///no/such/posts.jsonl", r"file:///no/such/posts\.jsonl cannot be read: FileNotFoundError"),
        ("file://posts.jsonl", "absolute path"),
        ("file://content/posts.jsonl", "absolute path"),
        ("pvc://content/none.jsonl", r"pvc://content/none\.jsonl cannot be read: FileNotFoundError"),
        ("pvc://other/posts.jsonl", "no claim 'other' is mounted"),
    ],
)
def test_read_posts_refuses_an_address_that_does_not_exist(claims: Path, address: str, message: str) -> None:
    with pytest.raises(PostsError, match=message):
        read(address)


@pytest.mark.parametrize("reference", [{"name": "none"}, {"name": "campaign", "key": "none.jsonl"}])
def test_read_posts_refuses_a_missing_config_map_key(tmp_path: Path, reference: dict[str, str]) -> None:
    (tmp_path / "campaign").mkdir()
    posts = Posts.model_validate({"configMapRef": reference})
    with pytest.raises(PostsError, match=r"there is no key .* of ConfigMap .* --config-maps"):
        list(read_posts(posts, tmp_path))


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none/"])
def test_read_posts_refuses_a_missing_object(s3_bucket: str, name: str) -> None:
    with pytest.raises(PostsError, match="cannot be read: FileNotFoundError"):
        read(f"{s3_bucket}/{name}")


def test_read_posts_reports_an_unreachable_store(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import EndpointConnectionError

    def away(*_arguments: object, **_options: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://store")

    monkeypatch.setattr("s3fs.core.S3FileSystem._call_s3", away)
    with pytest.raises(PostsError, match="cannot be read: EndpointConnectionError: Could not connect"):
        read(f"{s3_bucket}/posts.jsonl")
