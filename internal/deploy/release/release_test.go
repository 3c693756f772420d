package release_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// The files that build what is released.
const (
	makefile     = "Makefile"
	dockerfile   = "deploy/docker/Dockerfile"
	releaseImage = "deploy/docker/release.Dockerfile"
	sidecarImage = "deploy/docker/wan/Dockerfile"
	goreleaser   = ".goreleaser.yaml"
	workflow     = ".github/workflows/release.yml"
	checker      = "tools/release/go.mod"
)

// releaseConfig is what the checks read of a GoReleaser configuration.
type releaseConfig struct {
	Builds []struct {
		ID      string   `json:"id"`
		Main    string   `json:"main"`
		Env     []string `json:"env"`
		Flags   []string `json:"flags"`
		LDFlags []string `json:"ldflags"`
	} `json:"builds"`
	Archives []struct {
		IDs []string `json:"ids"`
	} `json:"archives"`
	Checksum struct {
		Algorithm string `json:"algorithm"`
	} `json:"checksum"`
	SBOMs       []artifacts `json:"sboms"`
	Signs       []artifacts `json:"signs"`
	DockerSigns []artifacts `json:"docker_signs"`
	DockersV2   []struct {
		Dockerfile string   `json:"dockerfile"`
		SBOM       string   `json:"sbom"`
		Flags      []string `json:"flags"`
	} `json:"dockers_v2"`
}

type artifacts struct {
	Artifacts string   `json:"artifacts"`
	Args      []string `json:"args"`
}

func loadConfig(t *testing.T, root string) (*releaseConfig, error) {
	t.Helper()
	out, err := deploytest.Run(t.Context(), root, deploytest.Tool(t, "releasecheck"), goreleaser)
	if err != nil {
		return nil, errors.New(out)
	}
	c := &releaseConfig{}
	if err := json.Unmarshal([]byte(out), c); err != nil {
		t.Fatal(err)
	}
	return c, nil
}

// check returns what is wrong with the release of the tree at root, a sentence each.
func check(t *testing.T, root string) []string {
	t.Helper()
	c, err := loadConfig(t, root)
	if err != nil {
		return []string{err.Error()}
	}
	text := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return slices.Concat(
		checkBuilds(c, text(makefile), text(dockerfile)),
		checkTrust(c),
		checkImages(text(dockerfile), text(releaseImage)),
		checkBases(text("go.mod"), map[string]string{dockerfile: text(dockerfile), releaseImage: text(releaseImage), sidecarImage: text(sidecarImage)}),
		checkWorkflow(text(workflow), text(checker)),
	)
}

// checkBuilds wants everything to be built as the Makefile builds it.
func checkBuilds(c *releaseConfig, makefile, dockerfile string) []string {
	var out []string
	want := stamps(makefile)
	if len(want) == 0 || !strings.Contains(makefile, "-trimpath -buildvcs=false -ldflags '$(LDFLAGS)'") {
		out = append(out, "the Makefile stamps nothing")
	}
	if got := stamps(dockerfile); !maps.Equal(got, want) {
		out = append(out, fmt.Sprintf("the Dockerfile stamps %v, the Makefile %v", got, want))
	}
	if !strings.Contains(dockerfile, "go build -trimpath -buildvcs=false ") {
		out = append(out, "the Dockerfile builds with other flags")
	}
	for _, m := range regexp.MustCompile(`--build-arg (\w+)=`).FindAllStringSubmatch(makefile, -1) {
		if !regexp.MustCompile(`(?m)^ARG .*\b` + m[1] + `\b`).MatchString(dockerfile) {
			out = append(out, "the Dockerfile has no argument "+m[1])
		}
	}
	built := map[string]bool{}
	for _, b := range c.Builds {
		built[b.Main] = true
		if got := stamps(strings.Join(b.LDFlags, " ")); !maps.Equal(got, want) {
			out = append(out, fmt.Sprintf("%s is stamped with %v, by the Makefile with %v", b.ID, got, want))
		}
		if !slices.Equal(b.Flags, []string{"-trimpath", "-buildvcs=false"}) || !slices.Contains(b.Env, "CGO_ENABLED=0") {
			out = append(out, fmt.Sprintf("%s is built with %v %v", b.ID, b.Env, b.Flags))
		}
	}
	if !maps.Equal(built, map[string]bool{"./cmd/meridian": true, "./cmd/meridian-sim": true}) {
		out = append(out, fmt.Sprintf("it releases %v", built))
	}
	return out
}

var (
	stampOf   = regexp.MustCompile(`-X ([^\s=]+)=`)
	stampRoot = regexp.MustCompile(`(?m)^STAMP\s*=\s*(\S+)$`)
)

// stamps returns the variables that a text has the linker set. $(STAMP) is as the text defines it.
func stamps(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range stampOf.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if root := stampRoot.FindStringSubmatch(text); root != nil {
			name = strings.ReplaceAll(name, "$(STAMP)", root[1])
		}
		out[name] = true
	}
	return out
}

// checkTrust wants whoever downloads something to be able to tell what it is and where it comes from.
func checkTrust(c *releaseConfig) []string {
	var out []string
	if c.Checksum.Algorithm != "sha256" {
		out = append(out, "no SHA-256 checksums")
	}
	if len(c.Archives) != len(c.Builds) {
		out = append(out, "not every program has an archive")
	}
	if !slices.ContainsFunc(c.SBOMs, func(a artifacts) bool { return a.Artifacts == "archive" }) {
		out = append(out, "archives have no SBOM")
	}
	if !slices.ContainsFunc(c.Signs, func(a artifacts) bool { return a.Artifacts == "checksum" && slices.Contains(a.Args, "sign-blob") }) {
		out = append(out, "the checksums are not signed")
	}
	if !slices.ContainsFunc(c.DockerSigns, func(a artifacts) bool { return slices.Contains(a.Args, "${artifact}@${digest}") }) {
		out = append(out, "images are not signed by digest")
	}
	for _, a := range slices.Concat(c.Signs, c.DockerSigns) {
		if slices.ContainsFunc(a.Args, func(s string) bool { return strings.HasPrefix(s, "--key") }) {
			out = append(out, "a signature needs a key to be kept")
		}
	}
	if len(c.DockersV2) != 1 || c.DockersV2[0].Dockerfile != releaseImage || c.DockersV2[0].SBOM != "true" || !slices.Contains(c.DockersV2[0].Flags, "--provenance=mode=max") {
		out = append(out, "the image lacks its Dockerfile, SBOM or provenance")
	}
	return out
}

// checkImages wants the image of a release to be that which `make image` builds, but for where the program is from.
func checkImages(source, release string) []string {
	var out []string
	for name, text := range map[string]string{dockerfile: source, releaseImage: release} {
		for _, want := range []string{"USER 65532:65532", `HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["/usr/local/bin/meridian", "health"]`} {
			if !strings.Contains(text, "\n"+want+"\n") {
				out = append(out, name+" lacks "+want)
			}
		}
	}
	if a, b := lastStage(source), lastStage(release); !slices.Equal(a, b) {
		out = append(out, fmt.Sprintf("the images differ: %q and %q", a, b))
	}
	return out
}

// checkBases wants images to be built on named versions, that of Go among them.
func checkBases(module string, dockerfiles map[string]string) []string {
	var out []string
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(module)
	for name, text := range dockerfiles {
		bases := regexp.MustCompile(`(?m)^ARG \w+_IMAGE=(\S+)$`).FindAllStringSubmatch(text, -1)
		for _, base := range bases {
			image, tag, _ := strings.Cut(base[1], ":")
			switch {
			case tag == "" || tag == "latest":
				out = append(out, name+" is built from any version of "+image)
			case image == "golang" && !strings.HasPrefix(tag, language[1]+"."):
				out = append(out, name+" is built with Go "+tag+", the module with "+language[1])
			}
		}
		for _, from := range regexp.MustCompile(`(?m)^FROM (?:--\S+ )?(\S+)`).FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(from[1], "${") {
				out = append(out, name+" does not let its base be named by digest: "+from[1])
			}
		}
	}
	return out
}

// lastStage returns the instructions of the last stage but those that copy, and what runs there.
func lastStage(text string) []string {
	var out []string
	for line := range strings.Lines(text[strings.LastIndex(text, "\nFROM ")+1:]) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "ARG TARGETPLATFORM"):
		case strings.HasPrefix(line, "COPY "):
			fields := strings.Fields(line)
			out = append(out, "COPY "+fields[len(fields)-1])
		default:
			out = append(out, line)
		}
	}
	return out
}

// checkWorkflow wants the release's identity, the rights that it needs, and the GoReleaser that the configuration is
// checked with.
func checkWorkflow(text, checker string) []string {
	var out []string
	version := regexp.MustCompile(`goreleaser/v2 (v\S+)`).FindStringSubmatch(checker)
	if version == nil || !strings.Contains(text, "\n          version: "+version[1]+"\n") {
		out = append(out, fmt.Sprintf("the workflow runs another GoReleaser than %v", version))
	}
	for _, want := range []string{"id-token: write", "contents: write", "packages: write", "args: release --clean", "tags: [\"v*\"]"} {
		if strings.Count(text, want) != 1 {
			out = append(out, "the workflow lacks "+want)
		}
	}
	return out
}

func TestRelease(t *testing.T) {
	t.Parallel()
	if out := check(t, deploytest.Root(t)); len(out) > 0 {
		t.Error(strings.Join(out, "\n"))
	}
}

func TestFindsMistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, old, with, says string }{
		{"a misspelled key", goreleaser, "algorithm: sha256", "hash: sha256", "field hash not found"},
		{"an older version", goreleaser, "version: 2\n", "version: 1\n", "version: 2"},
		{"another checksum", goreleaser, "algorithm: sha256", "algorithm: crc32", "no SHA-256"},
		{"a stamp that nobody reads", goreleaser, "internal/version.Commit=", "internal/version.Hash=", "meridian is stamped with"},
		{"a stamp that is missing in the image", dockerfile, " -X github.com/meridian-commerce/meridian/internal/version.Version=$VERSION", "", "the Dockerfile stamps"},
		{"a stamp that the Makefile gained", makefile, " -X $(STAMP).Version=$(VERSION)", " -X $(STAMP).Version=$(VERSION) -X $(STAMP).Date=today", "meridian-sim is stamped with"},
		{"an argument that the image has not", makefile, "--build-arg VERSION=", "--build-arg RELEASE=", "no argument RELEASE"},
		{"paths of the builder", goreleaser, "[-trimpath, -buildvcs=false]", "[-buildvcs=false]", "is built with"},
		{"a program that is not released", goreleaser, "main: ./cmd/meridian-sim", "main: ./cmd/meridian", "it releases"},
		{"no SBOM", goreleaser, "artifacts: archive", "artifacts: source", "archives have no SBOM"},
		{"no SBOM of the image", goreleaser, "sbom: true", "sbom: false", "SBOM or provenance"},
		{"no signature", goreleaser, "artifacts: checksum", "artifacts: source", "the checksums are not signed"},
		{"a signature of a tag", goreleaser, "${artifact}@${digest}", "${artifact}", "not signed by digest"},
		{"a kept key", goreleaser, "args: [sign-blob,", "args: [sign-blob, --key=cosign.key,", "needs a key to be kept"},
		{"root", releaseImage, "USER 65532:65532\n", "", "lacks USER"},
		{"an image without health", dockerfile, "HEALTHCHECK", "# HEALTHCHECK", "lacks HEALTHCHECK"},
		{"images that differ", releaseImage, "EXPOSE 8080 9090", "EXPOSE 8080", "the images differ"},
		{"another language", dockerfile, "golang:1.26.8-bookworm", "golang:1.25.1-bookworm", "is built with Go 1.25.1"},
		{"a base that cannot be named by digest", sidecarImage, "FROM ${RUNTIME_IMAGE}", "FROM alpine:3.22.2", "named by digest"},
		{"any base image", dockerfile, "golang:1.26.8-bookworm", "golang", "any version of golang"},
		{"another GoReleaser", workflow, "version: v2", "version: v1", "runs another GoReleaser"},
		{"a workflow without an identity", workflow, "id-token: write", "id-token: none", "the workflow lacks id-token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := deploytest.Copy(t, "go.mod", makefile, goreleaser, "deploy/docker", workflow, checker)
			deploytest.Replace(t, filepath.Join(root, tc.file), tc.old, tc.with)
			if out := check(t, root); !slices.ContainsFunc(out, func(s string) bool { return strings.Contains(s, tc.says) }) {
				t.Errorf("want %q, found:\n%s", tc.says, strings.Join(out, "\n"))
			}
		})
	}
}
