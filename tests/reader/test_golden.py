"""The golden repository, beside what the program was seen to read from it."""

import os
import shutil
import tempfile
import unittest

from blake3 import blake3

from support import GOLDEN, run


def golden(name):
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
        return file.read()


def condensed(lines):
    """Without the many files that are all alike; the hash of all lines instead."""
    special = [line for line in lines.splitlines(True) if "many/" not in line]
    return "".join(special) + blake3(lines.encode()).hexdigest() + "\n"


class Golden(unittest.TestCase):
    maxDiff = None

    def test_ls_prints_what_the_program_prints(self):
        self.assertEqual(condensed(run("ls", "--json", "latest")[1]), golden("ls.jsonl"))

    def test_every_file_has_the_bytes_that_the_program_restores(self):
        target = os.fsencode(tempfile.mkdtemp(prefix="esker-golden-"))
        run("restore", "latest", os.fsdecode(target))
        lines = []
        for folder, _, files in os.walk(target):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        shown = os.path.relpath(path, target).decode("latin-1").encode("unicode_escape")
                        lines.append(f"{blake3(file.read()).hexdigest()} {shown.decode()}\n")
        shutil.rmtree(target)
        self.assertEqual(condensed("".join(sorted(lines))), golden("contents.txt"))


if __name__ == "__main__":
    unittest.main()
