#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The calm authors
"""Go files made to confuse a lexer: go_corpus.py FOLDER COUNT [SEED]. Nearly all are valid Go to a parser, and to
tree-sitter's, which takes no comment for the end of a line; names need not resolve."""
import pathlib
import random
import sys

ODD = ["//go:linkname a b", "/*", "*/", "//", "`", '\\"', "'", "func f() {", "}", "package q", "\\\\", "var (", "\t", "ä·∕", "{", ")"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *what):
        return self.random.choice(what)

    def text(self, without):
        parts = [self.pick(*ODD, "word", " ") for _ in range(self.random.randrange(5))]
        return " ".join(p for p in parts if not any(w in p for w in without))

    def string(self):
        return self.pick('"' + self.text(["'", "`"]).replace('"', "").replace("\\", "") + '"',
                         "`" + self.text(["`"]) + self.pick("", "\n\n", "\n//go:linkname c d\n") + "`", "'a'", "'\\''",
                         "'\"'", "'`'", "'\\\\'", "'\\x41'", "'ä'", '"\\""', '"\\\\"', '""')

    def blank(self):
        return self.pick(" ", " ", "\t", "  ", " /* " + self.text(["*/", "/*"]) + " */ ", " ")

    def end(self):
        return self.pick("\n", "\n", "\n\n", "\r\n", " // " + self.text([]) + "\n", "/* a */\n", "\n/* a\n b */\n", ";\n", "; \n")

    def name(self):
        return self.pick("a", "b_", "Func", "package_", "ä", "x1", "_", "vars", "go")  # go is a keyword, replaced below

    def ident(self):
        name = self.name()
        return "gox" if name == "go" else name

    def number(self):
        return self.pick("1", "0x1p-2", "1e+9", ".5", "1_000", "0b1", "0o7", "1i", "0x_F", "1.")

    def type(self, depth=0):
        simple = ["int", "string", "*T", "[]byte", "[4]uintptr", "map[string]int", "chan int", "p.T", "func(int) bool",
                  "interface{ M() }", "struct{ a int }", "struct{}", "interface{}", "G[int]"]
        return self.pick(*simple) if depth else self.pick(*simple, "map[string]" + self.type(1), "[]" + self.type(1))

    def expression(self, depth=0):
        if depth > 2:
            return self.pick(self.ident, self.number, self.string)
        b = self.blank
        return self.pick(
            self.ident, self.number, self.string, lambda: self.value(depth + 1) + b() + "+" + b() + self.value(depth + 1),
            lambda: "f(" + self.value(depth + 1) + ")", lambda: "func() {" + self.body(depth + 1) + "}",
            lambda: "T{" + self.ident() + ": " + self.value(depth + 1) + "}",
            lambda: "[]string{" + self.string() + ",\n" + "}", lambda: "(" + self.value(depth + 1) + ")",
            lambda: self.ident() + "[" + self.value(depth + 1) + "]", lambda: "-" + self.number(), lambda: "&T{}")

    def value(self, depth=0):
        return self.expression(depth)()

    def body(self, depth=0):
        lines = ["\n"]
        for _ in range(self.random.randrange(3) if depth < 3 else 0):
            made = self.pick(
                lambda: "x := " + self.value(depth + 1), lambda: "// " + self.text([]), lambda: "//go:linkname x y",
                lambda: "if a == b {" + self.body(depth + 1) + "}", lambda: "for i := range x {" + self.body(depth + 1) + "}",
                lambda: "var y " + self.type() + " = " + self.value(depth + 1), lambda: "return", lambda: "x++",
                lambda: "func() {" + self.body(depth + 1) + "}()", lambda: "/* " + self.text(["*/", "/*"]) + "\n*/",
                lambda: "type t struct {\n\ta int `tag`\n}", lambda: "switch x {\ncase 1:\ndefault:\n}")()
            lines.append("\t" + made + "\n")
        return "".join(lines)

    def group(self, word, spec):
        many = "".join("\t" + spec() + self.end() for _ in range(self.random.randrange(4)))
        return self.pick(lambda: word + self.blank() + spec(), lambda: word + " (\n" + many + ")",
                         lambda: word + "(" + spec() + "\n)")()

    def constant(self):
        return self.ident() + self.blank() + "= " + self.value(2)

    def variable(self):
        names = ", ".join(self.ident() for _ in range(self.pick(1, 1, 2)))
        return self.pick(lambda: names + " " + self.type(), lambda: self.ident() + " = " + self.value(),
                         lambda: self.ident() + " " + self.type() + " = " + self.value())()

    def typed(self):
        return self.pick(lambda: self.ident() + " " + self.type(), lambda: self.ident() + " = " + self.type(),
                         lambda: self.ident() + "[T any] struct {\n\ta, b int `" + self.text(["`"]) + "`\n\tT\n\t*p.Q\n}",
                         lambda: self.ident() + " interface {\n\tM(int) (string, error)\n\t~int | string\n}")()

    def function(self):
        result = self.pick("", " int", " (int, error)", " struct{ a int }", " interface{ M() }", " (a, b int)",
                           " func(int) map[string]struct{}", " [2]int", " *T", " map[string]interface{}")
        generic = self.pick("", "", "[T any]", "[K comparable, V int | string]")
        receiver = self.pick("", "", "(r T) ", "(r *T) ", "(*T) ", "(r G[K]) ")
        body = self.pick("", self.blank() + "{" + self.body() + "}", " {}")
        if receiver:
            generic = ""
        return "func " + receiver + self.ident() + generic + "(" + self.pick("", "a int", "a, b int, c ...string",
                                                                           "f func(int) struct{}") + ")" + result + body

    def file(self):
        parts = [self.pick("", "\ufeff", "// " + self.text([]) + "\n", "//go:build go1.20\n\n", "/* package no */\n"),
                 "package" + self.pick(" ", "\t", " /* a */ ") + "p" + self.end()]
        for _ in range(self.random.randrange(3)):
            parts.append(self.group("import", lambda: self.pick('"a"', '_ "unsafe"', "`b/c`", '. "d"', 'u "e"')) + self.end())
        for _ in range(self.random.randrange(8)):
            parts.append(self.pick(
                lambda: self.group("const", self.constant), lambda: self.group("var", self.variable),
                lambda: self.group("type", self.typed), self.function, self.function,
                lambda: "//go:linkname " + self.text([]), lambda: "/* " + self.text(["*/", "/*"]) + "\n*/")() + self.end())
        return "".join(parts)


def main(folder, count, seed="1"):
    for number in range(int(count)):
        text = Maker(int(seed) * 1000003 + number).file()
        (pathlib.Path(folder) / f"{number}.go").write_bytes(text.encode())


main(*sys.argv[1:])
