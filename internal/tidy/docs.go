package tidy

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var (
	codeFence = regexp.MustCompile("^ {0,3}(```|~~~)")
	codeSpan  = regexp.MustCompile("`[^`]*`")
	mdLink    = regexp.MustCompile(`\]\(([^()\s]+)(?:\s+"[^"]*")?\)`)
	mdHeading = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Links wants every relative link of a Markdown file to lead to a file or folder of the repository, and its
// fragment to a heading there.
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
			for _, m := range mdLink.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
				if text := brokenLink(f.Path, m[1], exists, headings); text != "" {
					out = append(out, Finding{f.Path, number, text})
				}
			}
		})
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
