package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/meridian-commerce/meridian/internal/cli"
	"github.com/meridian-commerce/meridian/internal/deploy"
)

// shown finds a command and its output in a page.
var shown = regexp.MustCompile("(?s)```console\n\\$ (meridian plan .*?[^\\\\]\n)(.*?)```")

// pages returns the pages that show what a plan prints, with what it prints now.
func pages(ctx context.Context, root string) ([]deploy.File, error) {
	var out []deploy.File
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && name != "." && name != "docs" && !strings.HasPrefix(name, "docs/") {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil || !shown.Match(text) {
			return err
		}
		fresh, err := refresh(ctx, root, string(text))
		out = append(out, deploy.File{Path: name, Content: []byte(fresh)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return out, nil
}

// refresh runs every command that a page shows and puts what it prints below it.
func refresh(ctx context.Context, root, page string) (string, error) {
	var failed error
	fresh := shown.ReplaceAllStringFunc(page, func(block string) string {
		command := shown.FindStringSubmatch(block)[1]
		printed, err := plan(ctx, root, command)
		if err != nil && failed == nil {
			failed = err
		}
		return "```console\n$ " + command + printed + "```"
	})
	return fresh, failed
}

// head is how a page shows the first lines of a plan only.
var head = regexp.MustCompile(`\| head -n (\d+)\s*$`)

// plan runs a command line as a shell at the repository's root would, as far as plans go: words, lines that continue,
// and `| head -n N`. A plan that is refused is shown with what it says at the end; anything else that fails is an error.
func plan(ctx context.Context, root, command string) (string, error) {
	most := -1
	if m := head.FindStringSubmatch(command); m != nil {
		most, _ = strconv.Atoi(m[1]) // digits
		command = head.ReplaceAllString(command, "")
	}
	words := strings.Fields(strings.ReplaceAll(command, "\\\n", " "))[1:]
	for i := range words {
		if i > 0 && words[i-1] == "--traffic" {
			words[i] = filepath.Join(root, filepath.FromSlash(words[i]))
		}
	}
	var out, errOut bytes.Buffer
	const refused = 1
	if code := cli.Run(ctx, words, &out, &errOut); code != 0 && code != refused {
		return "", fmt.Errorf("%s: %s", strings.TrimSpace(command), errOut.String())
	}
	lines := strings.SplitAfter(out.String(), "\n")
	if most >= 0 && most < len(lines) {
		lines = lines[:most]
	}
	return strings.Join(lines, "") + errOut.String(), nil
}
