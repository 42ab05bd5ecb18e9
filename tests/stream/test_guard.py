from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.stream.guard import EXIT_CONFIG, EXIT_CRASH

PROCESS = """
import logging
from pipeline.stream.guard import crash
from pipeline.stream.restore import TableRefused
from pipeline.stream.store import TableBusyError

class Fields(logging.Formatter):
    def format(self, record):
        return f"{record.getMessage()} {record.fields}"

handler = logging.StreamHandler()
handler.setFormatter(Fields())
logging.basicConfig(handlers=[handler])
crash("table", ERROR, told=lambda error: f"{error}: run the {error.code} command of {error.table}")
"""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            "TableRefused('seen', 3, 'it is empty')",
            EXIT_CONFIG,
            "run the rows_lost command of seen",
        ),
        ("TableBusyError('x is in use')", EXIT_CRASH, "x is in use: run the table_busy command"),
    ],
)
def test_a_process_that_ends_says_what_mends_it_in_the_words_of_its_product(
    error: str, code: int, words: str
) -> None:
    source = PROCESS.replace("ERROR", error)
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert ended.returncode == code
    assert words in ended.stderr


def test_the_text_of_any_other_error_is_kept_out_of_the_log() -> None:
    source = PROCESS.replace("ERROR", "ValueError('dear customer')")
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert ended.returncode == EXIT_CRASH
    assert "dear customer" not in ended.stderr
