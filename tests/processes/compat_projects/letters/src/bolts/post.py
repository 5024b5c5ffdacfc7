"""Fails some letters, and falls over once."""

import os

from streamparse import Bolt


class Post(Bolt):
    outputs = ["letter"]

    def initialize(self, conf, ctx):
        self.folder = conf["result.path"]
        self.seen = set()

    def process(self, tup):
        letter = tup.values.letter
        fallen = os.path.join(self.folder, "fallen")
        if letter == "e" and not os.path.exists(fallen):
            open(fallen, "w").close()
            raise RuntimeError("fell over")
        if letter == "c" or (letter == "h" and letter not in self.seen):
            self.seen.add(letter)
            self.fail(tup)
            return
        open(os.path.join(self.folder, f"{letter}.delivered"), "w").close()
