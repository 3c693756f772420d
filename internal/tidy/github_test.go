package tidy

import (
	"path"
	"regexp"
	"strings"
)

var (
	makeTarget = regexp.MustCompile(`(?m)^\.PHONY: (\S+)$`)
	makeRun    = regexp.MustCompile(`\bmake ([a-z-]+)`)
	actionUsed = regexp.MustCompile(`uses: *(\S+)`)
	pinned     = regexp.MustCompile(`@v\d`)
)

// Workflows wants those of GitHub to run only what the Makefile has, actions of a named version, and no more rights than
// they say that they need. It also wants an owner only of what is there.
func Workflows(files []File) []Finding {
	targets := map[string]bool{}
	exists := map[string]bool{}
	for _, f := range files {
		if f.Path == "Makefile" {
			for _, m := range makeTarget.FindAllStringSubmatch(string(f.Content), -1) {
				targets[m[1]] = true
			}
		}
		for p := f.Path; p != "."; p = path.Dir(p) {
			exists[p] = true
		}
	}
	var out []Finding
	for _, f := range files {
		switch {
		case f.Path == ".github/CODEOWNERS":
			for i, line := range strings.Split(string(f.Content), "\n") {
				if owned, _, _ := strings.Cut(line, " "); strings.HasPrefix(owned, "/") && !exists[strings.Trim(owned, "/")] {
					out = append(out, Finding{f.Path, i + 1, owned + " is not there"})
				}
			}
		case path.Dir(f.Path) == ".github/workflows":
			out = append(out, workflow(f, targets)...)
		}
	}
	return out
}

func workflow(f File, targets map[string]bool) []Finding {
	var out []Finding
	if !strings.Contains(string(f.Content), "\npermissions:\n") {
		out = append(out, Finding{f.Path, 0, "it does not say which rights it needs, and so has all"})
	}
	for i, line := range strings.Split(string(f.Content), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if m := makeRun.FindStringSubmatch(line); m != nil && !targets[m[1]] {
			out = append(out, Finding{f.Path, i + 1, "the Makefile has no " + m[1]})
		}
		if m := actionUsed.FindStringSubmatch(line); m != nil && !pinned.MatchString(m[1]) {
			out = append(out, Finding{f.Path, i + 1, m[1] + " is of no named version"})
		}
	}
	return out
}
