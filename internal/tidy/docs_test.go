package tidy

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	codeFence = regexp.MustCompile("^ {0,3}(```|~~~)")
	codeSpan  = regexp.MustCompile("`[^`]*`")
	mdLink    = regexp.MustCompile(`\]\(<?([^()\s<>]+)>?(?:\s+"[^"]*")?\)`)
	mdDefined = regexp.MustCompile(`^ {0,3}\[[^\]]+\]:\s*<?([^\s<>]+)>?`)
	htmlLink  = regexp.MustCompile(`<(?:a|img)\s[^>]*?(?:href|src)="([^"]*)"`)
	htmlMark  = regexp.MustCompile(`<[a-z]+\s[^>]*?(?:id|name)="([^"]*)"`)
	mdHeading = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Links wants every relative link of a Markdown file, in whichever of its forms, to lead to a file or folder of the
// repository, and its fragment to a heading or a mark there.
func Links(files []File) []Finding {
	exists := map[string]bool{".": true}
	headings := map[string]map[string]bool{}
	for _, f := range files {
		for p := f.Path; p != "."; p = path.Dir(p) {
			exists[p] = true
		}
		if path.Ext(f.Path) == ".md" {
			headings[f.Path] = anchors(f)
		}
	}
	var out []Finding
	for _, f := range files {
		if path.Ext(f.Path) != ".md" || f.isData() {
			continue
		}
		prose(f, func(number int, line string) {
			for _, link := range links(line) {
				if text := brokenLink(f.Path, link, exists, headings); text != "" {
					out = append(out, Finding{f.Path, number, text})
				}
			}
		})
	}
	return out
}

// links returns the targets of the links in a line.
func links(line string) []string {
	var out []string
	line = codeSpan.ReplaceAllString(line, "")
	for _, form := range []*regexp.Regexp{mdLink, mdDefined, htmlLink} {
		for _, m := range form.FindAllStringSubmatch(line, -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// docsIndex is the page that leads to all others.
const docsIndex = "docs/README.md"

// Indexed wants the documentation's index to lead to every page of docs/, by itself or by the README of the page's own
// folder that it leads to, and its lists to name no page twice.
func Indexed(files []File) []Finding {
	leads := map[string][]string{} // by page, the pages that it links to
	var out []Finding
	entries := map[string]bool{} // of the index's lists
	for _, f := range files {
		if path.Ext(f.Path) != ".md" || !strings.HasPrefix(f.Path, "docs/") {
			continue
		}
		leads[f.Path] = nil
		prose(f, func(number int, line string) {
			for _, link := range links(line) {
				target, _, _ := strings.Cut(link, "#")
				page := path.Join(path.Dir(f.Path), target)
				leads[f.Path] = append(leads[f.Path], page)
				if f.Path != docsIndex || !strings.HasPrefix(line, "- ") {
					continue
				}
				if entries[page] {
					out = append(out, Finding{f.Path, number, page + " is listed twice"})
				}
				entries[page] = true
			}
		})
	}
	listed := map[string]bool{docsIndex: true}
	for _, page := range leads[docsIndex] {
		listed[page] = true
		if path.Base(page) == "README.md" {
			for _, below := range leads[page] {
				listed[below] = listed[below] || path.Dir(below) == path.Dir(page)
			}
		}
	}
	for _, page := range slices.Sorted(maps.Keys(leads)) {
		if !listed[page] {
			out = append(out, Finding{page, 0, "no reader finds it: " + docsIndex + " does not lead here"})
		}
	}
	return out
}

// brokenLink says what is wrong with a link of the file at from, or "".
func brokenLink(from, link string, exists map[string]bool, headings map[string]map[string]bool) string {
	u, err := url.Parse(link)
	if err != nil {
		return fmt.Sprintf("link %q: %v", link, err)
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	target := from
	if u.Path != "" {
		target = path.Join(path.Dir(from), u.Path)
	}
	if strings.HasPrefix(u.Path, "/") || !exists[target] {
		return fmt.Sprintf("link %q leads nowhere", link)
	}
	if u.Fragment != "" && headings[target] != nil && !headings[target][u.Fragment] {
		return fmt.Sprintf("link %q: %s has no heading for #%s", link, target, u.Fragment)
	}
	return ""
}

// prose calls visit for the lines of a Markdown file outside fenced code.
func prose(f File, visit func(number int, line string)) {
	fenced := false
	for i, line := range strings.Split(string(f.Content), "\n") {
		if codeFence.MatchString(line) {
			fenced = !fenced
			continue
		}
		if !fenced {
			visit(i+1, line)
		}
	}
}

// anchors returns the fragments that a rendered Markdown file offers.
func anchors(f File) map[string]bool {
	out := map[string]bool{}
	prose(f, func(_ int, line string) {
		for _, mark := range htmlMark.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
			out[mark[1]] = true
		}
		m := mdHeading.FindStringSubmatch(line)
		if m == nil {
			return
		}
		slug := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		unique := slug
		for n := 1; out[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", slug, n)
		}
		out[unique] = true
	})
	return out
}
