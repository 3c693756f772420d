package tidy

import (
	"path"
	"regexp"
	"strings"
)

// The patterns below are written in pieces so that this file does not match them itself.

var registries = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	`(proxy|sum)\.` + `golang\.org`, `goproxy\.` + `(io|cn)`,
	`(test\.|files\.)?` + `pypi\.org`, `files\.` + `pythonhosted\.org`,
	`registry\.` + `(npmjs\.org|yarnpkg\.com)`, `registry\.` + `npmmirror\.com`,
	`(static\.|index\.)?` + `crates\.io`,
	`repo1?\.` + `maven\.(apache\.)?org`, `plugins\.` + `gradle\.org`,
	`(deb|security|ftp)\.` + `debian\.org`, `(archive|security)\.` + `ubuntu\.com`,
	`ruby` + `gems\.org`,
}, "|") + `)\b`)

// RegistryHosts refuses the hosts of package registries: which mirror to use is the machine's configuration.
func RegistryHosts(f File) []Finding {
	if f.isData() {
		return nil
	}
	return f.lines(registries, "a package registry's host; the machine's configuration names it")
}

var machinePaths = regexp.MustCompile(`(^|[^\w.~/}-])/(?:(?:root|work)(?:/|\b)|(?:home|Users)/[a-z]\w*|tmp/w\b)`)

// MachinePaths refuses absolute paths of the machine that a file was written on.
func MachinePaths(f File) []Finding {
	if f.isData() {
		return nil
	}
	return f.lines(machinePaths, "an absolute path of one machine")
}

var authorship = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	`chat` + `gpt`, `clau` + `de`, `anthro` + `pic`, `open` + `ai`, `co` + `pilot`, `ll` + `ms?`,
	`language` + ` models?`, `a\.?i\.?[- ]` + `(generated|assisted|written|authored|assistant)`,
	`(generated|written|assisted) by ` + `(an? )?a\.?i\b`, `co-authored` + `-by`,
}, "|") + `)\b`)

// Authorship refuses words about who or what wrote a file: contents speak of the product alone.
func Authorship(f File) []Finding {
	if f.isData() || f.Path == "go.sum" || path.Base(f.Path) == "go.sum" || path.Base(f.Path) == "go.mod" {
		return nil
	}
	return f.lines(authorship, "contents speak of the product alone")
}
