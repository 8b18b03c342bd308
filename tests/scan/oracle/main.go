// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The calm authors

// What Go's own parser sees of //go:linkname below the folders it is given: a line for each directive that counts for
// Go 1.MINOR, "path:line target pull" or "… push". Tests hold calm scan against it: oracle MINOR FOLDER...
package main

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

type file struct {
	path string
	text []byte
	ast  *ast.File
	set  *token.FileSet
}

// built tells whether some build with Go 1.minor has the file: version tags are decided, others tried both ways.
func built(f file, minor int) bool {
	var all []constraint.Expr
	plus := []constraint.Expr{}
	for _, group := range f.ast.Comments {
		if group.Pos() > f.ast.Package {
			break
		}
		for _, comment := range group.List {
			if constraint.IsGoBuild(comment.Text) {
				if expr, err := constraint.Parse(comment.Text); err == nil {
					all = append(all, expr)
				}
			} else if constraint.IsPlusBuild(comment.Text) {
				if expr, err := constraint.Parse(comment.Text); err == nil {
					plus = append(plus, expr)
				}
			}
		}
	}
	if len(all) == 0 {
		all = plus
	}
	tags := map[string]bool{}
	for _, expr := range all {
		expr.Eval(func(tag string) bool { tags[tag] = true; return true })
		expr.Eval(func(tag string) bool { tags[tag] = true; return false })
	}
	var free []string
	for tag := range tags {
		if !strings.HasPrefix(tag, "go1.") && tag != "gc" && tag != "gccgo" && tag != "ignore" && tag != "tinygo" {
			free = append(free, tag)
		}
	}
	for set := 0; set < 1<<len(free); set++ {
		value := func(tag string) bool {
			if n, err := strconv.Atoi(strings.TrimPrefix(tag, "go1.")); err == nil && strings.HasPrefix(tag, "go1.") {
				return n <= minor
			}
			for i, name := range free {
				if name == tag {
					return set>>i&1 == 1
				}
			}
			return tag == "gc"
		}
		good := true
		for _, expr := range all {
			good = expr.Eval(value) && good
		}
		if good {
			return true
		}
	}
	return false
}

// declared maps the package's functions and variables to whether they have a body or a value.
func declared(files []file, into map[string]bool) {
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					into[d.Name.Name] = d.Body != nil
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
						for _, name := range v.Names {
							into[name.Name] = len(v.Values) > 0
						}
					}
				}
			}
		}
	}
}

func report(f file, names map[string]bool) {
	unsafe := false
	for _, spec := range f.ast.Imports {
		unsafe = unsafe || spec.Path.Value == `"unsafe"` || spec.Path.Value == "`unsafe`"
	}
	own := map[string]bool{}
	declared([]file{f}, own)
	for _, group := range f.ast.Comments {
		for _, comment := range group.List {
			position := f.set.PositionFor(comment.Pos(), false)
			before := f.text[position.Offset-position.Column+1 : position.Offset]
			alone := strings.TrimSpace(strings.TrimPrefix(string(before), "\ufeff")) == ""
			words := strings.Fields(comment.Text)
			if !unsafe || !alone || !strings.HasPrefix(comment.Text, "//go:linkname ") || len(words) != 3 {
				continue
			}
			filled, known := own[words[1]]
			if !known {
				filled, known = names[words[1]]
			}
			if known {
				kind := map[bool]string{false: "pull", true: "push"}[filled]
				fmt.Printf("%s:%d %s %s\n", f.path, position.Line, words[2], kind)
			}
		}
	}
}

func folder(path string, minor int) {
	packages := map[string][]file{}
	names, _ := filepath.Glob(filepath.Join(path, "*.go"))
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			fmt.Fprintln(os.Stderr, "not parsed:", name)
			continue
		}
		f := file{name, text, tree, set}
		if built(f, minor) {
			packages[tree.Name.Name] = append(packages[tree.Name.Name], f)
		}
	}
	for _, files := range packages {
		names := map[string]bool{}
		declared(files, names)
		for _, f := range files {
			report(f, names)
		}
	}
}

func main() {
	minor, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, root := range os.Args[2:] {
		filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folder(path, minor)
			}
			return nil
		})
	}
}
