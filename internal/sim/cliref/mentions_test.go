package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/cli"
	simulator "github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/commands"
)

var (
	fence   = regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```")
	span    = regexp.MustCompile("`([^`\n]+)`")
	quoted  = regexp.MustCompile(`'[^']{0,400}'`)
	remark  = regexp.MustCompile(`(?m)\s#.*$`)
	mention = regexp.MustCompile(`(?m)(?:^|[;&|($])\s*(?:go run |[A-Z_]+=\S+ )*(?:\S*/)?(meridian(?:-sim)?) ([a-z][^\n|;&>)]*)`)
	word    = regexp.MustCompile(`^[a-z][a-z-]*$`)
)

// mentions finds in every page of the documentation the commands that do not exist, or not with these flags.
func mentions(root string) ([]string, error) {
	programs := map[string]*cobra.Command{"meridian": cli.Root(), "meridian-sim": simulator.Root(commands.All()...)}
	var wrong []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && name != "docs" && name != "terraform" && !strings.HasPrefix(name, "docs/"), name == "docs/adr":
			return fs.SkipDir
		case path.Ext(name) != ".md" || name == "CHANGELOG.md":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		for _, m := range mention.FindAllStringSubmatch(code(string(text)), -1) {
			if what := unknown(programs[m[1]], strings.Fields(m[2])); what != "" {
				wrong = append(wrong, fmt.Sprintf("%s: `%s %s`: %s", name, m[1], strings.TrimSpace(m[2]), what))
			}
		}
		return err
	})
	return slices.Compact(wrong), err
}

// code returns what a page shows as code, a line for each command, without what a shell does not run.
func code(text string) string {
	var out strings.Builder
	add := func(s string) {
		s = remark.ReplaceAllString(strings.ReplaceAll(s, "\\\n", " "), "")
		out.WriteString(quoted.ReplaceAllString(s, "''"))
		out.WriteString("\n")
	}
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		add(m[1])
	}
	for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		add(m[1])
	}
	return out.String()
}

// unknown says what of a command line does not exist. Where a sentence begins rather than a command, nothing does.
func unknown(c *cobra.Command, words []string) string {
	for len(words) > 0 && word.MatchString(words[0]) && c.HasSubCommands() {
		i := slices.IndexFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == words[0] })
		if i < 0 {
			return "there is no " + words[0]
		}
		c = c.Commands()[i]
		words = words[1:]
	}
	for _, w := range words {
		flag, isFlag := strings.CutPrefix(w, "--")
		flag, _, _ = strings.Cut(flag, "=")
		flag = strings.TrimRight(flag, ",.:'\"`…")
		if isFlag && flag != "" && flag != "help" && flag != "version" && c.Flags().Lookup(flag) == nil && c.InheritedFlags().Lookup(flag) == nil {
			return "it has no flag --" + flag
		}
	}
	return ""
}
